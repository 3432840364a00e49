"""One open project: its document, who listens, what is being computed for it. The server's only state."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import edits as of
from . import project as folder
from .estimate import Cost, Paces, cost_of
from .formats import FORMATS, Options
from .processes import NICE, Event, Process

KEEP_AFTER_S = 2.0  # of quiet, the scene is made at its own size and kept
MOST_WAITING = 1000  # events of a page that does not read them: it has to ask anew


class Stale(Exception):
    """A change of a document that has changed meanwhile."""


@dataclass(eq=False)
class Job:
    """An export."""

    number: int
    kind: str
    file: Path
    process: Process
    cost: Cost
    since: float = 0.0  # its first frame
    state: str = "runs"
    what: str = "starts"
    done: int = 0
    total: int = 1
    bytes: int = 0
    message: str = ""

    def told(self) -> Event:
        names = ("number", "kind", "state", "what", "done", "total", "bytes", "message")
        return {name: getattr(self, name) for name in names} | {"name": self.file.name}


@dataclass(eq=False)
class Desk:
    """A project that is open. All of its methods run in the server's one thread."""

    path: Path
    document: of.Document
    preview: Process
    keeper: Process
    paces: Paces = field(default_factory=Paces)
    listeners: set[asyncio.Queue[Event]] = field(default_factory=set)
    jobs: dict[int, Job] = field(default_factory=dict)
    shown: dict[str, Event] = field(default_factory=dict)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    keeping: asyncio.TimerHandle | None = None
    numbers: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        for old in folder.work_folder(self.path).glob("export-*"):  # of a server before this one
            shutil.rmtree(old)
        for old in folder.work_folder(self.path).glob("sent-*"):
            old.unlink()

    def told(self) -> Event:
        """What a page needs to know of the document."""
        document = self.document
        return {
            "event": "document",
            "name": self.path.name,
            "revision": document.revision,
            "photo": document.photo.model_dump(),
            "settings": document.settings.model_dump(),
            "edits": [_brief(edit) for edit in document.edits(*of.MOTION)],
            "can_undo": len(document.steps),
            "can_redo": len(document.undone),
        }

    def change(self, base: int, document_of: Any) -> None:
        """Take ``document_of(document)`` for the document if it is still that of revision ``base``; on the disk first."""
        if base != self.document.revision:
            raise Stale(f"revision: expected {self.document.revision}, got {base}: another page has changed the project")
        document = document_of(self.document)
        folder.save(self.path, document)
        self.document = document
        self.publish(self.told())
        self.refresh()

    def refresh(self) -> None:
        """Have the preview made, and after a while the scene."""
        self.start(self.preview.ask(self._request("preview"), self._heard))
        if self.keeping is not None:
            self.keeping.cancel()
        self.keeping = asyncio.get_running_loop().call_later(KEEP_AFTER_S, self.keep)

    def keep(self) -> None:
        self.start(self.keeper.ask(self._request("keep"), self._heard))

    def publish(self, event: Event) -> None:
        for queue in self.listeners:
            if queue.qsize() < MOST_WAITING:
                queue.put_nowait(event)

    def start(self, work: Any) -> None:
        """In the background; kept, as the loop itself keeps no task."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def picture(self, name: str, longer_px: int) -> Event:
        """Have the photo written as ``name`` in the work folder, no larger than it is."""
        size = min(longer_px, max(self.document.photo.width, self.document.photo.height))
        return await self.preview.result(self._request("picture", name=name, size=size))

    async def pick(self, point: of.Point, reach: float) -> Event:
        return await self.preview.result(self._request("pick", point=point, reach=reach))

    async def sound(self, data: bytes) -> str:
        """Keep a file with sound for exports, and return its name. Raises ValueError with one line for another file."""
        name = f"sent-{hashlib.sha256(data).hexdigest()[:16]}"
        with tempfile.NamedTemporaryFile(dir=folder.work_folder(self.path), prefix=".sent-") as file:
            file.write(data)
            file.flush()
            told = await self.preview.result(self._request("sound", file=file.name))
            if told["event"] != "done":
                raise ValueError(told["message"])
            shutil.copyfile(file.name, folder.work_folder(self.path) / name)
        return name

    def cost(self, kind: str, size: int | None, options: Options) -> Cost:
        return cost_of(self.document, kind, size, options)

    def export(self, kind: str, size: int | None, options: Options) -> Job:
        number = next(self.numbers)
        place = folder.work_folder(self.path) / f"export-{number}"
        place.mkdir(exist_ok=True)
        file = place / f"{self.path.name}{FORMATS[kind].suffix}"
        job = Job(number, kind, file, Process(NICE), self.cost(kind, size, options))
        self.jobs[number] = job

        def heard(event: Event) -> None:
            if job.state != "runs":
                return
            if event["event"] == "progress":
                if event["what"] == "frames" and job.what != "frames":
                    job.since = time.monotonic()
                job.what, job.done, job.total = event["what"], event["done"], event["total"]
            else:
                job.state, job.message = event["event"], event.get("message", "")
                if job.state == "done":
                    job.bytes, job.file = event["bytes"], place / event["name"]
                    if job.since:
                        self.paces.learn(kind, job.cost, time.monotonic() - job.since)
                self.start(job.process.stop())
            self.publish({"event": "job", **job.told()})

        request = self._request("export", kind=kind, size=size, options=options, out=str(file))
        self.start(job.process.ask(request, heard))
        return job

    async def cancel(self, job: Job) -> None:
        if job.state == "runs":
            job.state = "cancelled"
            await job.process.stop()
            self.publish({"event": "job", **job.told()})

    def _request(self, do: str, **more: Any) -> Event:
        return {"do": do, "project": str(self.path), "document": self.document.model_dump(mode="json"), **more}

    def _heard(self, event: Event) -> None:
        if event["event"] == "stage":
            self.shown[event["name"]] = event
        if event["event"] != "superseded":
            self.publish(event)


def _brief(edit: Any) -> Event:
    """An edit of motion as the page needs it: what strokes and outlines come to it sees in the picture of the regions."""
    if isinstance(edit, of.Stroke | of.Area):
        return {"do": "painted", "region": edit.region}
    told: Event = edit.model_dump()
    return told
