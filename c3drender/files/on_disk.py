"""The bytes of a large file, which stay on disk: a part of them is read where it is asked for."""

from __future__ import annotations

import io
import os
import weakref
from typing import IO, Any, SupportsIndex, overload

from ..data import PathLike


class FileBytes:
    """As much of ``bytes`` as readers of pictures ask for: its length, slices (as bytes), numbers and its beginning.

    A file that becomes shorter meanwhile gives shorter slices, as one that ends there does.
    """

    def __init__(self, path: PathLike) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        self._length = os.fstat(self._descriptor).st_size

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, place: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> bytes: ...
    def __getitem__(self, place: SupportsIndex | slice) -> int | bytes:
        if not isinstance(place, slice):
            start = range(self._length)[place]
            return self[start : start + 1][0]
        if place.step is not None:
            raise ValueError("expected a slice without a step")
        start, end, _ = place.indices(self._length)
        parts = []
        while start < end and (part := os.pread(self._descriptor, end - start, start)):
            parts.append(part)
            start += len(part)
        return b"".join(parts)

    def startswith(self, beginning: bytes | tuple[bytes, ...]) -> bool:
        longest = max(map(len, (beginning,) if isinstance(beginning, bytes) else beginning))
        return self[:longest].startswith(beginning)


class _Stream(io.RawIOBase):
    """A reader with a place of its own."""

    def __init__(self, data: FileBytes) -> None:
        self.data, self.at = data, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.at = max({os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: len(self.data)}[whence] + offset, 0)
        return self.at

    def readinto(self, buffer: Any) -> int:
        part = self.data[self.at : self.at + len(buffer)]
        buffer[: len(part)] = part
        self.at += len(part)
        return len(part)


Data = bytes | FileBytes


def stream_of(data: Data) -> IO[bytes]:
    """An open file of them."""
    return io.BytesIO(data) if isinstance(data, bytes) else io.BufferedReader(_Stream(data), 2**16)
