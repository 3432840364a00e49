"""What is done already: a digest beside each output says from which photo, options and version it was made.

For ``videos/a.mp4`` it stands in ``videos/.a.mp4.c3d.json``. What the photo or its options are to blame for is noted, too, so
that it is not tried again before either changes. Who holds the file's lock works on that output.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .. import __version__
from ..files.place import naming
from ..jobs.options import FILES, Options, is_url
from . import storage

SUFFIX = ".c3d.json"
MOST_NAME_BYTES = 255
CHUNK_BYTES = 2**20
DONE, FAILED = "done", "failed"
WHERE_NOT_WHAT = ("device",)  # options by which a result is not another one


@dataclass(frozen=True)
class Record:
    """What stands beside an output.

    Attributes
    ----------
    digest : str
        Of the photo's bytes, the options and the version.
    state : {"done", "failed"}
    bytes : int
        Of the output.
    reason : str
        Why it failed.
    poster : str
        The output's first frame as a small JPEG, in base64, for the contact sheet.
    """

    digest: str
    state: str
    bytes: int = 0
    reason: str = ""
    poster: str = ""


def record_place(out: str) -> str:
    """Where the record of an output stands."""
    folder, name = out.rstrip("/").rsplit("/", 1) if "/" in out.rstrip("/") else ("", out)
    hidden = f".{name}{SUFFIX}"
    if len(os.fsencode(hidden)) > MOST_NAME_BYTES:
        hidden = f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}{SUFFIX}"
    return f"{folder}/{hidden}" if folder or out.startswith("/") else hidden


def digest_of(photo: str, options: Options) -> str:
    """Of what an output is made from: the photo's bytes, the options with the bytes of their files, and the version.

    Raises
    ------
    OSError
        For a file that cannot be read.
    """
    told = {name: _told(name, value) for name, value in sorted(options.items()) if name not in WHERE_NOT_WHAT}
    made_of = {"c3drender": __version__, "photo": _digest_of_place("photo", photo), "options": told}
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _told(name: str, value: Any) -> Any:
    """A file by its bytes, a folder by its files' names, sizes and times; the rest by value."""
    if name not in FILES or not isinstance(value, str):
        return value
    if is_url(value):
        return {"bytes": _digest_of_place(name, value)}
    path = Path(value)
    if path.is_dir():
        files = [(str(file.relative_to(path)), file.stat()) for file in sorted(path.rglob("*")) if file.is_file()]
        return {"files": [[file, status.st_size, status.st_mtime_ns] for file, status in files]}
    return {"bytes": _digest_of_place(name, value)} if path.is_file() else value


def _digest_of_place(name: str, place: str) -> str:
    if is_url(place):
        return hashlib.sha256(storage.read(name, place)).hexdigest()
    with naming(name, "read", place):
        status = Path(place).stat()
        return _digest_of_file(place, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(256)  # a mask or a model that many photos share is read once
def _digest_of_file(path: str, size: int, mtime_ns: int, inode: int) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def read_record(out: str) -> Record | None:
    """What stands beside an output; None where nothing does, or half of it."""
    place = record_place(out)
    try:
        return _parsed(storage.read("record", place))
    except FileNotFoundError:
        return None


def _parsed(data: bytes) -> Record | None:
    try:
        return Record(**json.loads(data))
    except (ValueError, TypeError):  # cut short, as when the disk was full, or of another version
        return None


def is_current(record: Record | None, out: str, digest: str) -> bool:
    """Whether nothing is left to do: the same was made and is there whole, or has failed."""
    if record is None or record.digest != digest:
        return False
    return record.state == FAILED or storage.size_of(out) == record.bytes


class Busy(Exception):
    """Another process works on the same output."""


class Claim:
    """An output that no other batch works on meanwhile: as long as it lasts the record's file is locked.

    On a file system without locks, and where the output is a URL, two batches may both make it; either takes its place whole.
    """

    def __init__(self, out: str, descriptor: int | None) -> None:
        self._out, self._descriptor = out, descriptor

    def read(self) -> Record | None:
        if self._descriptor is None:
            return read_record(self._out)
        return _parsed(os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0))

    def write(self, record: Record) -> None:
        data = json.dumps(vars(record)).encode()
        if self._descriptor is None:
            storage.store("record", data, record_place(self._out))
            return
        with naming("record", "write", record_place(self._out)):
            os.ftruncate(self._descriptor, 0)  # cut short by a crash it counts as none
            os.pwrite(self._descriptor, data, 0)


@contextmanager
def claim(out: str) -> Iterator[Claim]:
    """Keep others from this output. Raises `Busy` where another process has it."""
    if is_url(out):
        yield Claim(out, None)
        return
    place = Path(record_place(out))
    with naming("record", "write", place):
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(place)
    try:
        yield Claim(out, descriptor)
    finally:
        if os.fstat(descriptor).st_size == 0:
            place.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(place: Path) -> int:
    while True:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise Busy(place) from None
        except OSError:  # a file system without locks
            return descriptor
        try:
            same = os.path.samestat(os.fstat(descriptor), place.stat())
        except FileNotFoundError:
            same = False
        if same:
            return descriptor
        os.close(descriptor)  # who held it before has removed it
