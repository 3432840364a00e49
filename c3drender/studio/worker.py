"""The process that computes: ``python -m c3drender.studio.worker``. The server may lose it and start another.

It reads one request per line, JSON, from standard input, and answers in lines on standard output; results are files in the
project's work folder. A preview that a newer one follows is given up between two stages; a click is answered at once. What
somebody waits for comes first: ``ORDER``.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..data import Image
from ..files.audio import check_audio
from ..files.photo import read_photo
from ..files.place import one_line, replacing
from ..perception import perceive
from ..program import set_up_process
from . import edits as of
from .export import export
from .pictures import depth_jpeg, field_bytes, jpeg, regions_png
from .project import SCENE, create, scene_of, work_folder
from .region import Pieces, cut, region_at
from .stages import DRAFT, Stages, key_of

PREVIEW_PX = 640  # the longer side
SAY_EVERY_S = 0.2
WARM_PX = 64
QUICK = ("create", "picture", "pick", "sound")  # somebody waits for these: they are done between two stages of a preview
LATEST = ("preview", "loop", "keep")  # of a project's only the newest matters
ORDER = (*QUICK, *LATEST, "export")

Request = dict[str, Any]
Answer = Callable[..., None]


def preview_px(document: of.Document) -> int:
    """The longer side of a photo's preview."""
    return min(PREVIEW_PX, max(document.photo.width, document.photo.height))


class Worker:
    """One project's stages at a time."""

    def __init__(self, requests: queue.Queue[Request], answer: Answer) -> None:
        self.requests, self.answer = requests, answer
        self.waiting: list[Request] = []
        self.stages: dict[tuple[str, str, int | None], Stages] = {}
        self.pieces: tuple[str, Pieces] | None = None
        self.shown: dict[str, str] = {}  # by the picture, what the one on the disk was made from

    def serve(self) -> None:
        """Until the server hangs up."""
        while True:
            self._take(block=not self.waiting)
            self._attempt(self.waiting.pop(0))

    def _attempt(self, request: Request) -> None:
        """Whatever goes wrong in one request is that one's answer."""
        try:
            self._run(request)
        except Exception as error:
            if not isinstance(error, (ValueError, TypeError, OSError)):  # those say all in their line
                traceback.print_exc()
            self.answer(request, "failed", message=one_line(error))

    def _run(self, request: Request) -> None:
        if request["do"] == "create":
            made = create(Path(request["root"]), request["name"], Path(request["file"]).read_bytes())
            self.answer(request, "done", name=made.name)
            return
        if request["do"] == "sound":
            check_audio(request["file"])
            self.answer(request, "done")
            return
        document = of.read_document(json.dumps(request["document"]))
        project = Path(request["project"])
        if request["do"] == "picture":
            image = read_photo(project / document.photo.file, request["size"])
            self._write(project, request["name"], jpeg(image.rgb.numpy()))
            self.answer(request, "done")
        elif request["do"] == "pick":
            stages = self._stages(project, document, preview_px(document))
            self.answer(request, "done", outlines=self._pick(stages, document, request))
        elif request["do"] == "preview":
            self._preview(request, project, document)
        elif request["do"] == "loop":
            self._loop(request, project, document)
        elif request["do"] == "keep":
            self._keep(request, project, document)
        elif request["do"] == "export":
            self._export(request, project, document)
        else:
            raise ValueError(f"do: expected {', '.join(ORDER)}, got {request['do']!r}")

    def _stages(self, project: Path, document: of.Document, size: int | None) -> Stages:
        key = (str(project), document.photo.sha256, size)
        if key not in self.stages:
            self.stages.clear()  # the last project's: a photo's stages are large
            self.shown.clear()
            self.stages[key] = Stages(project / document.photo.file, document.photo, size)
        return self.stages[key]

    def _pick(self, stages: Stages, document: of.Document, request: Request) -> list[Any]:
        key = of.digest(document.photo, *document.edits(*of.DEPTH))
        if self.pieces is None or self.pieces[0] != key:
            seen = stages.seen()
            self.pieces = (key, cut(seen.inputs.image, stages.depth(document), seen.shown.scenery))
        return region_at(self.pieces[1], request["point"], request["reach"], stages.sheet)

    def _preview(self, request: Request, project: Path, document: of.Document) -> None:
        """What changed, the quickest first: the masks, the flow, the depth, then a draft of the scene that plays."""
        stages = self._stages(project, document, preview_px(document))
        stages.times_s.clear()
        motion = of.digest(*document.edits(*of.MOTION))
        depth = of.digest(*document.edits(*of.DEPTH))
        scale = stages.sheet.scale
        draft = partial(stages.packed, document, preview=True, blend=DRAFT)
        pictures: tuple[tuple[str, str, Callable[[], bytes]], ...] = (
            ("regions.png", motion, lambda: regions_png(stages.drawn(document))),
            ("field.bin", motion + depth, lambda: field_bytes(stages.moved(document), scale)),
            ("depth.jpg", depth, lambda: depth_jpeg(stages.depth(document))),
            ("preview.c3dweb", of.digest(document.photo, *document.edits()), draft),
        )
        for name, key, make in pictures:
            self._show(request, project, document, stages, name, key, make)
            if self._is_superseded(request):
                self.answer(request, "superseded")
                return
        self.answer(request, "done", notes=stages.scene(document, preview=True).notes)

    def _loop(self, request: Request, project: Path, document: of.Document) -> None:
        """The scene that plays, with the loop of a video."""
        stages = self._stages(project, document, preview_px(document))
        key = of.digest(document.photo, *document.edits())
        if self.shown.get("loop.c3dweb") != key:
            stages.animated(document, preview=True)
            if self._is_superseded(request):
                self.answer(request, "superseded")
                return
        make = partial(stages.packed, document, preview=True)
        self._show(request, project, document, stages, "loop.c3dweb", key, make)
        self.answer(request, "done", notes=[])

    def _show(
        self,
        request: Request,
        project: Path,
        document: of.Document,
        stages: Stages,
        name: str,
        key: str,
        make: Callable[[], bytes],
    ) -> None:
        """Have a file there that is of this ``key``, and say so."""
        if self.shown.get(name) != key:
            self.shown.pop(name, None)
            self._write(project, name, make())
            self.shown[name] = key
        times = {stage: round(1000 * seconds) for stage, seconds in stages.times_s.items()}
        self.answer(request, "stage", name=name, key=key, revision=document.revision, stages_ms=times)

    def _keep(self, request: Request, project: Path, document: of.Document) -> None:
        """The project's own scene, on the disk, and for the player."""
        stages = self._stages(project, document, None)
        if self.shown.get(SCENE) != key_of(document):
            scene_of(project, document, stages)
            self.shown[SCENE] = key_of(document)
        if self._is_superseded(request):
            self.answer(request, "superseded")
            return
        key = of.digest(document.photo, *document.edits())
        self._show(request, project, document, stages, "full.c3dweb", key, partial(stages.packed, document))
        self.answer(request, "done", notes=[])

    def _export(self, request: Request, project: Path, document: of.Document) -> None:
        last = 0.0

        def tell(what: str, done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if done == 0 or now - last > SAY_EVERY_S:
                last = now
                self.answer(request, "progress", what=what, done=done, total=total)

        wanted = request["kind"], request["size"], request["options"]
        out = export(project, document, *wanted, Path(request["out"]), tell)
        self.answer(request, "done", bytes=out.stat().st_size, name=out.name)

    def _write(self, project: Path, name: str, data: bytes) -> None:
        target = work_folder(project) / name
        with replacing(target, "project") as part:
            part.write_bytes(data)

    def _take(self, block: bool) -> None:
        """What has come meanwhile, in its order; of a project's previews the newest."""
        while block or not self.requests.empty():
            self.waiting.append(self.requests.get())
            block = False
        newest = {request["project"]: request for request in self.waiting if request["do"] in LATEST}
        for request in self.waiting:
            if request["do"] in LATEST and newest[request["project"]] is not request:
                self.answer(request, "superseded")
        kept = [request for request in self.waiting if request["do"] not in LATEST or newest[request["project"]] is request]
        self.waiting = sorted(kept, key=lambda request: ORDER.index(request["do"]) if request["do"] in ORDER else -1)

    def _is_superseded(self, request: Request) -> bool:
        """Whether a newer one of its project waits, or, for a loop, any preview; what is quick and waits is done."""
        self._take(block=False)
        while self.waiting and self.waiting[0]["do"] in QUICK:
            self._attempt(self.waiting.pop(0))
        others = [other for other in self.waiting if other["do"] in LATEST]
        if request["do"] == "loop" and any(other["do"] == "preview" for other in others):
            return True
        return any(other["project"] == request["project"] for other in others)


def main() -> None:
    set_up_process()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever prints, prints elsewhere
    requests: queue.Queue[Request] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            requests.put(json.loads(line))
        os._exit(0)  # the server is gone, and nobody waits for what is being computed

    def answer(request: Request, event: str, **told: Any) -> None:
        answers.write(json.dumps({"id": request["id"], "event": event, **told}) + "\n")

    threading.Thread(target=read, daemon=True).start()
    if requests.empty():  # what the first photo would wait for: weights, kernels, threads
        perceive(Image(torch.zeros(WARM_PX, WARM_PX, 3)))
    Worker(requests, answer).serve()


if __name__ == "__main__":
    main()
