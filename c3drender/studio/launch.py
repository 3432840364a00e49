"""`c3drender studio`: find the project, choose the address, serve."""

from __future__ import annotations

import hashlib
import secrets
import socket
import webbrowser
from pathlib import Path

import uvicorn

from ..data import PathLike
from ..files.place import make_folder, naming
from ..files.source import read_source
from ..progress import say
from . import project as folder
from .guard import is_loopback
from .server import make_app

PORT = 8765
PORTS_TRIED = 20
GRACE_S = 1  # pages hold connections open for as long as they are


def launch(
    photo: PathLike | None = None,
    folder_of_projects: PathLike = "c3d-projects",
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = True,
) -> None:
    """Serve the studio until it is interrupted.

    Parameters
    ----------
    photo : path, optional
        A photo, whose project is opened again or made; or a project's folder.
    folder_of_projects : path
        Where projects are; nothing outside is read or written.
    host : str
        Loopback, or the address of a network interface: then a token is asked for, which is in the address that is printed.
    port : int, optional
        None: 8765, or the next that is free.
    browser : bool
        Open the page.

    Raises
    ------
    ValueError, OSError
        With one line.
    """
    root, name = _open(photo, Path(folder_of_projects))
    listening = _listen(host, port)
    bound = listening.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    if is_loopback(host):
        hosts, token = frozenset(f"{known}:{bound}" for known in ("127.0.0.1", "localhost", "[::1]")), None
    else:
        hosts, token = None, secrets.token_urlsafe(24)
    address = f"http://{shown}:{bound}/{f'?token={token}' if token else ''}{f'#{name}' if name else ''}"
    say(f"studio: {address}", f"projects: {root}")
    if browser:
        webbrowser.open(address)
    config = uvicorn.Config(
        make_app(root, hosts, token), log_level="warning", timeout_graceful_shutdown=GRACE_S, server_header=False
    )
    uvicorn.Server(config).run(sockets=[listening])


def _open(photo: PathLike | None, root: Path) -> tuple[Path, str | None]:
    """The folder of projects, and the project to begin with."""
    if photo is not None and Path(photo).is_dir():
        path = Path(photo).resolve()
        if not folder.is_project(path):
            raise ValueError(f"photo: expected a photo, or a project's folder with {folder.DOCUMENT} in it, got {photo}")
        folder.load(path)
        return path.parent, path.name
    make_folder("folder", root)
    root = root.resolve()
    if photo is None:
        return root, None
    data = read_source("photo", photo)
    mark = hashlib.sha256(data).hexdigest()
    for path in sorted(root.iterdir()):
        if folder.is_project(path) and folder.load(path).photo.sha256 == mark:
            return root, path.name
    return root, folder.create(root, Path(photo).name, data).name


def _listen(host: str, port: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    tried = range(PORT, PORT + PORTS_TRIED) if port is None else (port,)
    for last, number in enumerate(tried, start=1):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            with naming("port", "listen on", f"{host}:{number}"):
                listening.bind((host, number))
            listening.listen()  # who is quicker than the server waits for it
            return listening
        except OSError:
            listening.close()
            if last == len(tried):
                raise
    raise AssertionError("no port was tried")
