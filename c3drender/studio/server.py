"""What the page talks to. It holds documents and asks processes to compute; nothing heavy runs in it."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from ..files.place import one_line, parse_json
from ..web.export import player_modules
from . import edits as of
from . import project as folder
from .desk import Desk, Job, Stale
from .estimate import Paces
from .formats import read_options, told_formats
from .guard import Guard, TooLarge
from .labelme import from_labelme
from .processes import IDLE_NICE, Event, Process

PAGE = files("c3drender.web") / "studio"
SHOWN = ("regions.png", "field.bin", "depth.jpg", "preview.c3dweb", "loop.c3dweb", "full.c3dweb")
KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
PHOTO_PX = 1920  # the longer side of the photo on the page
THUMBNAIL_PX = 320
HEARTBEAT_S = 15.0
MOST_DESKS = 8
MOST_JOBS = 3  # at once


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Change(_Asked):
    base: int
    step: Any


class Base(_Asked):
    base: int


class Click(_Asked):
    point: of.Point
    reach: of.Share = 0.3


class Wanted(_Asked):
    kind: str
    size: Annotated[int, Field(ge=64, le=8192)] | None = None
    options: dict[str, Any] = {}


class Studio:
    """The projects in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.desks: dict[str, Desk] = {}
        self.preview, self.keeper = Process(), Process(IDLE_NICE)
        self.paces = Paces()
        self.warming: asyncio.Task[None] | None = None

    def names(self) -> list[str]:
        """The newest first."""
        found = [path for path in self.root.iterdir() if folder.NAME.fullmatch(path.name) and folder.is_project(path)]
        return [path.name for path in sorted(found, key=lambda path: -(path / folder.DOCUMENT).stat().st_mtime)]

    def desk(self, name: str) -> Desk:
        """Raises LookupError for what is no project here."""
        if name not in self.desks:
            if not folder.NAME.fullmatch(name) or (self.root / name).is_symlink() or not folder.is_project(self.root / name):
                raise LookupError(f"project: expected one of {', '.join(self.names()) or 'none'}, got {name[:80]!r}")
            for old in [old for old, desk in self.desks.items() if not desk.listeners and not desk.jobs][: -MOST_DESKS + 1]:
                del self.desks[old]
            path = self.root / name
            self.desks[name] = Desk(path, folder.load(path), self.preview, self.keeper, self.paces)
        return self.desks[name]

    async def close(self) -> None:
        jobs = [job for desk in self.desks.values() for job in desk.jobs.values()]
        await asyncio.gather(*(process.stop() for process in (self.preview, self.keeper, *(job.process for job in jobs))))


def make_app(
    root: Path, hosts: frozenset[str] | None, token: str | None = None, most_bytes: int = folder.MOST_PHOTO_BYTES
) -> FastAPI:
    """The studio of the projects in ``root``. ``hosts``, ``token``, ``most_bytes``: see `guard.Guard`."""
    studio = Studio(root)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await studio.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, hosts=hosts, token=token, most_bytes=most_bytes)
    _add_errors(app)
    _add_page(app, studio)
    _add_projects(app, studio)
    _add_changes(app, studio)
    _add_exports(app, studio)
    app.state.studio = studio
    return app


def done(told: Event) -> Event:
    """A worker's last answer, or what it says went wrong as a ValueError."""
    if told["event"] != "done":
        raise ValueError(told["message"])
    return told


def _add_errors(app: FastAPI) -> None:
    kinds: dict[type[Exception], int] = {
        ValueError: 400, TypeError: 400, OSError: 400, LookupError: 404, Stale: 409, TooLarge: 413,
    }  # fmt: skip

    def answering(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
        async def answer(request: Request, error: Exception) -> Response:
            return JSONResponse({"message": one_line(error).strip("'")}, status)

        return answer

    for kind, status in kinds.items():
        app.add_exception_handler(kind, answering(status))


def _add_page(app: FastAPI, studio: Studio) -> None:
    contents = {entry.name: entry.read_bytes() for entry in PAGE.iterdir() if Path(entry.name).suffix in KINDS}
    player = {name: text.encode() for name, text in player_modules().items()}

    @app.get("/")
    async def index() -> Response:
        studio.warming = asyncio.create_task(studio.preview.warm())  # while a photo is chosen
        return Response(contents["index.html"], media_type="text/html")

    @app.get("/studio/{name}")
    async def studio_file(name: str) -> Response:
        return one_of(contents, name)

    @app.get("/player/{name}")
    async def player_file(name: str) -> Response:
        return one_of(player, name)

    def one_of(kept: dict[str, bytes], name: str) -> Response:
        found = kept.get(name)
        if found is None:
            raise LookupError(f"file: expected one of the page's, got {name[:80]!r}")
        return Response(found, media_type=KINDS[Path(name).suffix])


def _add_projects(app: FastAPI, studio: Studio) -> None:
    @app.get("/api/projects", response_model=None)
    async def projects() -> Any:
        return {"projects": studio.names(), "formats": told_formats()}

    @app.post("/api/projects", response_model=None)
    async def create(request: Request, name: Annotated[str, Query(max_length=200)] = "photo") -> Any:
        data = await request.body()
        with tempfile.NamedTemporaryFile(dir=studio.root, prefix=".upload-") as file:
            file.write(data)
            file.flush()
            wanted = {"do": "create", "root": str(studio.root), "name": Path(name).name or "photo", "file": file.name}
            made = await studio.preview.result(wanted)  # a file that crashes its reader does not crash the server
        made_name = done(made)["name"]
        studio.desk(made_name).refresh()  # while the page turns to it
        return {"name": made_name}

    @app.get("/api/projects/{name}", response_model=None)
    async def told(name: str) -> Any:
        return studio.desk(name).told()

    @app.get("/api/projects/{name}/photo.jpg")
    async def photo(name: str, small: bool = False) -> Response:
        desk = studio.desk(name)
        kept = folder.work_folder(desk.path) / ("small.jpg" if small else "photo.jpg")
        if not kept.is_file():
            done(await desk.picture(kept.name, THUMBNAIL_PX if small else PHOTO_PX))
        return FileResponse(kept, media_type="image/jpeg")

    @app.get("/api/projects/{name}/shown/{file}")
    async def shown(name: str, file: str) -> Response:
        path = folder.work_folder(studio.desk(name).path) / file
        if file not in SHOWN or not path.is_file():
            raise LookupError(f"file: expected one of {', '.join(SHOWN)} that is made, got {file[:80]!r}")
        return Response(path.read_bytes(), media_type="image/png" if file.endswith(".png") else "application/octet-stream")

    @app.get("/api/projects/{name}/events")
    async def events(name: str, request: Request) -> Response:
        desk = studio.desk(name)
        queue = desk.join()

        async def lines() -> AsyncIterator[str]:
            try:
                while True:
                    try:
                        event = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
                    except asyncio.TimeoutError:
                        yield ": still here\n\n"
                        continue
                    yield f"data: {json.dumps(event)}\n\n"
            finally:
                desk.listeners.discard(queue)

        return StreamingResponse(lines(), media_type="text/event-stream")


def _add_changes(app: FastAPI, studio: Studio) -> None:
    @app.post("/api/projects/{name}/steps", response_model=None)
    async def step(name: str, change: Change) -> Any:
        step = of.read_step(change.step)
        desk = studio.desk(name)
        desk.change(change.base, lambda document: document.done(step))
        return {"revision": desk.document.revision}

    @app.post("/api/projects/{name}/undo", response_model=None)
    async def undo(name: str, change: Base) -> Any:
        desk = studio.desk(name)
        desk.change(change.base, of.Document.undo)
        return {"revision": desk.document.revision}

    @app.post("/api/projects/{name}/redo", response_model=None)
    async def redo(name: str, change: Base) -> Any:
        desk = studio.desk(name)
        desk.change(change.base, of.Document.redo)
        return {"revision": desk.document.revision}

    @app.post("/api/projects/{name}/plays", response_model=None)
    async def plays(name: str, base: Base) -> Any:
        studio.desk(name).plays(base.base)
        return {}

    @app.post("/api/projects/{name}/labelme", response_model=None)
    async def labelme(name: str, base: int, request: Request) -> Any:
        try:
            content = parse_json(await request.body())
        except ValueError as error:
            raise ValueError(f"labelme: expected JSON, got {one_line(error)}") from None
        desk = studio.desk(name)
        step = from_labelme(content, desk.document.photo)
        desk.change(base, lambda document: document.done(step))
        return {"revision": desk.document.revision}

    @app.post("/api/projects/{name}/pick", response_model=None)
    async def pick(name: str, click: Click) -> Any:
        return {"outlines": done(await studio.desk(name).pick(click.point, click.reach))["outlines"]}


def _add_exports(app: FastAPI, studio: Studio) -> None:
    def job_of(name: str, number: int) -> Job:
        jobs = studio.desk(name).jobs
        if number not in jobs:
            raise LookupError(f"export: expected one of {len(jobs)}, got {number}")
        return jobs[number]

    @app.post("/api/projects/{name}/exports", response_model=None)
    async def begin(name: str, wanted: Wanted) -> Any:
        options = read_options(wanted.kind, wanted.options)
        desk = studio.desk(name)
        running = [job for job in desk.jobs.values() if job.state == "runs"]
        if len(running) >= MOST_JOBS:
            raise ValueError(f"export: expected at most {MOST_JOBS} at once, got one more: wait, or cancel one")
        return desk.export(wanted.kind, wanted.size, options).told()

    @app.post("/api/projects/{name}/files", response_model=None)
    async def send(name: str, request: Request) -> Any:
        return {"audio": await studio.desk(name).sound(await request.body())}

    @app.post("/api/projects/{name}/estimate", response_model=None)
    async def estimate(name: str, wanted: Wanted) -> Any:
        cost = studio.desk(name).cost(wanted.kind, wanted.size, read_options(wanted.kind, wanted.options))
        return {**cost.told(), "seconds": studio.paces.seconds(wanted.kind, cost)}

    @app.delete("/api/projects/{name}/exports/{number}", response_model=None)
    async def cancel(name: str, number: int) -> Any:
        job = job_of(name, number)
        await studio.desk(name).cancel(job)
        return job.told()

    @app.get("/api/projects/{name}/exports/{number}")
    async def download(name: str, number: int) -> Response:
        job = job_of(name, number)
        if job.state != "done":
            raise LookupError(f"export: expected one that is done, got one that {job.state}")
        return FileResponse(job.file, filename=job.file.name, media_type="application/octet-stream")
