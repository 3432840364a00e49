"""Where photos and outputs lie: paths, or URLs that ``fsspec`` knows (``s3://``, ``gs://``, ``memory://``, ...)."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from ..files.place import naming, one_line, read_bytes, sweep
from ..files.source import ADDRESS, read_source
from ..jobs.options import FILES, Options, is_url
from ..jobs.run import Job

EXTRA = "pip install c3drender[batch]"
LOCAL = "file://"


def plain(place: str) -> str:
    """A path for a ``file://`` URL; what is one already, and every other URL, is kept."""
    return place.removeprefix(LOCAL) if place.startswith(LOCAL) else place


def absolute(place: str, folder: str | Path = "") -> str:
    """A path from the root, as seen from ``folder``; a URL as it is."""
    place = plain(place)
    if is_url(place):
        return place
    if is_url(str(folder)):
        return f"{str(folder).rstrip('/')}/{place}"
    return os.path.abspath(Path(folder) / os.path.expanduser(place))  # noqa: PTH100, PTH111  (links stay, and ~nobody)


def file_system(name: str, url: str) -> tuple[Any, str]:
    """fsspec's view of a URL, and the path within it."""
    try:
        core = importlib.import_module("fsspec.core")
    except ModuleNotFoundError:
        raise ValueError(f"{name}: expected a path; {url} needs fsspec: {EXTRA}") from None
    try:
        system, path = core.url_to_fs(url)
    except (ImportError, ValueError) as error:  # which say what is missing, or that the kind is not known
        raise ValueError(f"{name}: expected a URL that fsspec can open, got {url}: {one_line(error)}") from None
    return system, path


def read(name: str, place: str) -> bytes:
    """All bytes of a path or URL; ``name`` is the argument that an error names."""
    if not is_url(place):
        return read_bytes(name, place)
    if place.startswith(ADDRESS):
        return read_source(name, place)
    system, path = file_system(name, place)
    with remote(name, "read", place):
        data: bytes = system.cat_file(path)
    return data


@contextmanager
def remote(name: str, verb: str, url: str) -> Iterator[None]:
    """One line for whatever the libraries below fsspec raise, which share no kind of error."""
    try:
        with naming(name, verb, url):
            yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{name}: cannot {verb} {url}: {type(error).__name__}: {one_line(error)}") from error


def size_of(place: str) -> int | None:
    """Bytes of an output, of a folder's files together; None where nothing is there."""
    if is_url(place):
        system, key = file_system("out", place)
        with remote("out", "read", place):
            return int(system.info(key)["size"]) if system.isfile(key) else None
    path = Path(place)
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir() if file.is_file()) or None
    return path.stat().st_size if path.is_file() else None


def store(name: str, data: bytes | Path, url: str) -> None:
    """Bytes, or a file, to a URL: under its name only once it is whole."""
    system, path = file_system(name, url)
    content = data if isinstance(data, bytes) else data.read_bytes()
    with remote(name, "write", url):
        parent = str(PurePosixPath(path).parent)
        if not system.isdir(parent):
            system.makedirs(parent, exist_ok=True)
        with system.transaction, system.open(path, "wb") as file:
            file.write(content)


@contextmanager
def brought_here(job: Job) -> Iterator[Job]:
    """The job with its remote inputs in a folder of their own, and its output there, too, which is sent off at the end."""
    names = {name: value for name, value in job.options.items() if name in FILES and is_url(value)}
    if not names and not is_url(job.photo) and not is_url(job.out):
        Path(job.out).parent.mkdir(parents=True, exist_ok=True)
        yield job
        return
    with tempfile.TemporaryDirectory(prefix="c3drender-") as scratch:
        photo = _fetched("photo", job.photo, scratch)
        options: Options = {**job.options, **{name: _fetched(name, value, scratch) for name, value in names.items()}}
        if not is_url(job.out):
            Path(job.out).parent.mkdir(parents=True, exist_ok=True)
            yield Job(photo, job.out, options)
            return
        out = Path(scratch) / f"out{PurePosixPath(job.out).suffix}"
        yield Job(photo, str(out), options)
        store("out", out, job.out)


def _fetched(name: str, place: str, scratch: str) -> str:
    if not is_url(place):
        return place
    path = Path(scratch) / f"{name}_{PurePosixPath(place).name}"
    path.write_bytes(read(name, place))
    return str(path)


def clear(out: str) -> None:
    """Remove what a killed worker left beside an output."""
    if not is_url(out):
        sweep(Path(out))
