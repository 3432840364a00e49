"""The service as the network sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import UploadFile
from starlette.middleware.trustedhost import TrustedHostMiddleware
from swagger_ui_bundle import swagger_ui_path

from .. import __version__
from ..console import is_expected, reason_of
from . import given
from .desk import DONE, ENDED, Desk, Entry, QueueFull
from .limits import Limits
from .metrics import Metrics

RETRY_S = 5  # said to who finds the queue full
LOOK_S = 0.2  # between two looks at a job that is watched
ASSETS = "/assets"
# fmt: off
MEDIA = {
    ".mp4": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime", ".mkv": "video/x-matroska", ".gif": "image/gif",
    ".apng": "image/apng", ".webp": "image/webp",
}
# fmt: on
FILE = {"type": "string", "format": "binary"}
POSTED = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [given.PHOTO],
                    "properties": {
                        given.PHOTO: FILE,
                        given.OPTIONS: {
                            "type": "string",
                            "description": "JSON object of options of `c3drender render`; each may be a part of its own, too",
                            "example": '{"frames": 60, "camera": "swing", "hints": [[[620, 400], [600, 520]]]}',
                        },
                        given.FORMAT: {"type": "string", "enum": list(given.FORMATS), "default": given.FORMATS[0]},
                        **{name: FILE for name in given.UPLOADS},
                    },
                }
            }
        },
    }
}


class BodyTooLarge(Exception):
    """More is being posted than may be."""


def create_app(
    folder: Path, limits: Limits = Limits(), *, workers: int = 1, threads: int = 1, hosts: list[str] | None = None
) -> FastAPI:
    """The application, for any ASGI server.

    Parameters
    ----------
    folder : Path
        For what is posted and made; it is there, and is the caller's to remove.
    limits : Limits
    workers : int
        Processes that render.
    threads : int
        Of each.
    hosts : list of str, optional
        The names that the service may be called by; None: any.

    Returns
    -------
    FastAPI
    """
    metrics = Metrics()
    desks: list[Desk] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        desks.append(Desk(folder, limits, workers, threads, metrics))
        yield
        await asyncio.to_thread(desks.pop().close)

    app = FastAPI(title="c3drender", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    if hosts is not None:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    app.mount(ASSETS, StaticFiles(directory=swagger_ui_path), name="assets")

    def refused(status: int, detail: str, **headers: str) -> HTTPException:
        metrics.refused.labels(str(status)).inc()
        return HTTPException(status, detail, headers)

    def entry_of(job_id: str) -> Entry:
        entry = desks[0].find(job_id)
        if entry is None:
            raise HTTPException(404, f"job: expected one that is kept, got {job_id}")
        return entry

    @app.post("/jobs", status_code=202, dependencies=[Depends(same_origin)], openapi_extra=POSTED)
    async def post(request: Request) -> dict[str, Any]:
        """Post a photo, perhaps a mask and other files, and options. Answers with the job's `id`."""
        desk = desks[0]
        try:
            entry = desk.open()
        except QueueFull:
            raise refused(429, "the queue is full", **{"Retry-After": str(RETRY_S)}) from None
        try:
            job = await _read(request, entry.folder, limits)
        except BaseException as error:
            await asyncio.to_thread(desk.drop, entry)
            if isinstance(error, BodyTooLarge):
                raise refused(413, f"expected at most {limits.body_bytes / 2**20:g} MiB") from None
            if isinstance(error, Exception) and is_expected(error):
                raise refused(422, reason_of(error).replace(str(entry.folder), "")) from None
            raise
        desk.submit(entry, job)
        return entry.told()

    @app.get("/jobs/{job_id}")
    async def look(entry: Entry = Depends(entry_of)) -> dict[str, Any]:
        """What has become of a job: `queued`, `running`, `done`, `failed` or `cancelled`, and how far it is."""
        return entry.told()

    @app.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
    async def watch(entry: Entry = Depends(entry_of)) -> AsyncIterator[ServerSentEvent]:
        """The same, as server-sent events, until it has ended."""
        before: dict[str, Any] = {}
        while before.get("state") not in ENDED:
            told = entry.told()
            if told != before:
                yield ServerSentEvent(data=told, event=told["state"])
                before = told
            else:
                await asyncio.sleep(LOOK_S)

    @app.get("/jobs/{job_id}/result", response_class=FileResponse)
    async def result(entry: Entry = Depends(entry_of)) -> FileResponse:
        """The video."""
        if entry.state != DONE or entry.job is None:
            raise HTTPException(409, f"job: expected one that is done, got one that is {entry.state}")
        out = Path(entry.job.out)
        return FileResponse(out, media_type=MEDIA[out.suffix], filename=f"{entry.id}{out.suffix}")

    @app.delete("/jobs/{job_id}", status_code=204, dependencies=[Depends(same_origin)])
    async def cancel(entry: Entry = Depends(entry_of)) -> None:
        """Cancel a job; forget one that has ended, with what it made."""
        await asyncio.to_thread(desks[0].cancel, entry)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Whether the service is up, and how many jobs it has."""
        return {"status": "ok", "version": __version__, "jobs": desks[0].counts()}

    @app.get("/metrics", response_class=Response)
    async def measured() -> Response:
        """For Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="c3drender",
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon-32x32.png",
        )

    @app.exception_handler(500)
    async def broken(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": reason_of(error)}, 500)

    return app


def same_origin(request: Request) -> None:
    """No page of another site changes anything here."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise HTTPException(403, f"origin: expected pages of this service, got {origin}")


async def _read(request: Request, folder: Path, limits: Limits) -> Any:
    """The job of a post. Files go to the disk as they come."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limits.body_bytes:
        raise BodyTooLarge
    counted = Request(request.scope, _counted(request.receive, limits.body_bytes))
    async with counted.form(max_files=1 + len(given.UPLOADS), max_fields=100) as form:
        files: dict[str, tuple[str, IO[bytes]]] = {}
        fields: dict[str, str] = {}
        for name, part in form.multi_items():
            if name in files or name in fields:
                raise ValueError(f"{name}: expected one part of this name, got more")
            if isinstance(part, UploadFile):
                files[name] = (part.filename or "", part.file)
            else:
                fields[name] = part
        return await asyncio.to_thread(given.job_of, folder, files, fields, limits)


def _counted(receive: Callable[[], Awaitable[Any]], most: int) -> Callable[[], Awaitable[Any]]:
    """``receive`` of a body that ends the request when it grows past ``most`` bytes."""
    count = 0

    async def counted() -> Any:
        nonlocal count
        message = await receive()
        count += len(message.get("body", b""))
        if count > most:
            raise BodyTooLarge
        return message

    return counted
