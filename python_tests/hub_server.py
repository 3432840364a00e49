"""A stand-in for a model hub on the loopback interface: serves files as the hub does, and fails as networks do."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "a" * 40


@dataclass
class Hub:
    """``files``: what it has, by path. ``cuts``: after how many bytes of a body each of the next downloads breaks off.
    ``broken``: answer downloads with 500. ``asked``: what came: (method, path, Range)."""

    files: dict[str, bytes]
    address: str = ""
    cuts: list[int] = field(default_factory=list)
    broken: bool = False
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    def ranges(self, name: str) -> list[str | None]:
        """The Range of each download of a file, in order."""
        return [span for method, path, span in self.asked if method == "GET" and path.endswith(name)]


def etag_of(name: str, data: bytes) -> str:
    """The hub gives large files' sha256, and git's id of small ones."""
    if name.endswith(".json"):
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return hashlib.sha256(data).hexdigest()


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[Hub]:
    hub = Hub(files)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            span = self.headers.get("Range")
            hub.asked.append((self.command, self.path, span))
            data = hub.files.get(self.path)
            if data is None or (hub.broken and self.command == "GET"):
                self.send_response(404 if data is None else 500)
                if data is None:
                    self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = 0 if span is None else int(span.removeprefix("bytes=").split("-")[0])
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = data[start:]
            self.send_response(206 if span else 200)
            self.send_header("ETag", f'"{etag_of(self.path, data)}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(body)))
            if span:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if self.command == "HEAD":
                return
            if hub.cuts:
                body = body[: hub.cuts.pop(0)]
                self.close_connection = True
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
