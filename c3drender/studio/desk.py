"""One open project: its document, who listens, what is being computed for it. The server's only state."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import edits as of
from . import project as folder
from .estimate import Cost, Paces, cost_of
from .formats import FORMATS, Options
from .processes import NICE, Event, Process

LOOP_AFTER_S = 2.0  # of a draft that no page says it shows; until then the processor is the page's
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
    asked: int | None = None  # the revision whose preview was asked for last, unless that was lost
    told_of_it: list[Event] = field(default_factory=list)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    later: asyncio.TimerHandle | None = None
    draft_waits: bool = False  # for a page that shows it
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

    def join(self) -> asyncio.Queue[Event]:
        """Listen: to what was told of this revision, and to all that follows."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        if self.asked != self.document.revision:
            self.refresh()
        for event in (self.told(), *self.told_of_it, *({"event": "job", **job.told()} for job in self.jobs.values())):
            queue.put_nowait(event)
        self.listeners.add(queue)
        return queue

    def refresh(self) -> None:
        """Have the preview made: a draft; when a page shows that, the loop; and after a while of quiet the scene."""
        self._cancel()
        self.asked, self.told_of_it = self.document.revision, []
        self._ask(self.preview, "preview")

    def loop(self) -> None:
        self._cancel()
        self._ask(self.preview, "loop")

    def keep(self) -> None:
        self._ask(self.keeper, "keep")

    def plays(self, revision: int) -> None:
        """A page shows the draft."""
        if revision == self.asked and self.draft_waits:
            self.loop()

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

    def _ask(self, process: Process, do: str) -> None:
        revision = self.document.revision

        def heard(event: Event) -> None:
            if revision != self.asked:
                return  # a newer one was asked for meanwhile
            ended = event["event"]
            if ended != "superseded":
                self.told_of_it.append(event)
                self.publish(event)
            if ended == "failed":
                self.asked = None
            elif (do, ended) in (("preview", "done"), ("loop", "superseded")):
                self._after(LOOP_AFTER_S, self.loop)
                self.draft_waits = True
            elif (do, ended) == ("loop", "done"):
                self._after(KEEP_AFTER_S, self.keep)

        self.start(process.ask(self._request(do), heard))

    def _after(self, seconds: float, then: Callable[[], None]) -> None:
        self._cancel()
        self.later = asyncio.get_running_loop().call_later(seconds, then)

    def _cancel(self) -> None:
        if self.later is not None:
            self.later.cancel()
        self.later, self.draft_waits = None, False


def _brief(edit: Any) -> Event:
    """An edit of motion as the page needs it: what strokes and outlines come to it sees in the picture of the regions."""
    if isinstance(edit, of.Stroke | of.Area):
        return {"do": "painted", "region": edit.region}
    told: Event = edit.model_dump()
    return told
