"""Where bytes come from: a path, bytes in memory, an open file, or an address that begins with ``https://``."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any, TypeGuard
from urllib.parse import urlsplit

from ..data import PathLike
from .on_disk import Data, FileBytes
from .place import is_path, naming, one_line, read_bytes

MOST_BYTES = 2**30  # of what is held in memory whole
MOST_FILE_BYTES = 2**31 + 2**20  # of a photo's file: as many pixels as are read, of four numbers of 16 bits each
ON_DISK_BYTES = 2**24  # a photo's file that is longer stays on disk while it is read
MOST_FETCHED_BYTES = 2**27  # from the network
TIMEOUT_S = 30.0
CHUNK_BYTES = 2**20
ADDRESS = "https://"

Source = PathLike | bytes | bytearray | memoryview | IO[bytes]


def is_source(value: object) -> TypeGuard[Source]:
    return is_path(value) or isinstance(value, (bytes, bytearray, memoryview)) or callable(getattr(value, "read", None))


def is_address(value: object) -> TypeGuard[str]:
    """Whether ``value`` is an address rather than a path; other kinds than https are addresses, too, and refused."""
    return isinstance(value, str) and urlsplit(value[:16]).scheme in ("https", "http", "ftp") and "://" in value


def shown(value: Source) -> str:
    """What to call it in a message."""
    if is_path(value):
        return os.fspath(value)
    named = getattr(value, "name", None)
    return named if isinstance(named, str) else "the bytes given"


def suffix_of(value: object) -> str:
    """The suffix of its name in small letters, ``""`` where it has none."""
    if is_address(value):
        value = urlsplit(value).path
    name = os.fspath(value) if is_path(value) else getattr(value, "name", "")
    return Path(name).suffix.lower() if isinstance(name, str) else ""


def read_source(name: str, value: Source) -> bytes:
    """All its bytes; ``name`` is the argument that an error names."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if is_address(value):
        return _fetched(name, value)
    if is_path(value):
        _size_of(name, value, MOST_BYTES)
        return read_bytes(name, value)
    return _from_file(name, value)


def open_source(name: str, value: Source) -> Data:
    """`read_source`, but for the file of a path that is long: it stays on disk."""
    if not is_path(value) or is_address(value) or _size_of(name, value, MOST_FILE_BYTES) <= ON_DISK_BYTES:
        return read_source(name, value)
    with naming(name, "read", value):
        return FileBytes(value)


def _size_of(name: str, path: PathLike, most: int) -> int:
    with naming(name, "read", path):
        size = Path(path).stat().st_size
    if size > most:
        raise ValueError(f"{name}: expected a file of at most {most // 2**20} MiB, got {size / 2**20:.0f} MiB: {path}")
    return size


def _from_file(name: str, file: Any) -> bytes:
    """From its start, where it can be wound back."""
    with naming(name, "read", shown(file)):
        if callable(getattr(file, "seekable", None)) and file.seekable():
            file.seek(0)
        try:
            data = file.read(MOST_BYTES + 1)
        except UnicodeDecodeError:
            data = ""
    if not isinstance(data, bytes):
        raise TypeError(f"{name}: expected a file opened for bytes (mode 'rb'), got one of {type(data).__name__}")
    if len(data) > MOST_BYTES:
        raise ValueError(f"{name}: expected at most {MOST_BYTES // 2**20} MiB in {shown(file)}, got more")
    return data


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.startswith(ADDRESS):
            raise urllib.error.URLError("it leads away from https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetched(name: str, address: str) -> bytes:
    if not address.startswith(ADDRESS):
        raise ValueError(f"{name}: expected a path or an address that begins with {ADDRESS}, got {address}")
    opener = urllib.request.build_opener(_OnlyHttps)
    request = urllib.request.Request(address, headers={"User-Agent": "c3drender"})
    parts, length = [], 0
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            while part := answer.read(CHUNK_BYTES):
                parts.append(part)
                length += len(part)
                if length > MOST_FETCHED_BYTES:
                    raise ValueError(f"{name}: expected at most {MOST_FETCHED_BYTES // 2**20} MiB from {address}, got more")
    except OSError as error:  # of which urllib's errors are
        raise OSError(f"{name}: cannot fetch {address}: {one_line(error)}") from error
    return b"".join(parts)
