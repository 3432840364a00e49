"""Boxes of MP4 and QuickTime files that say how a picture holds both eyes and how it wraps around the viewer.

``st3d`` and ``sv3d`` of "Spherical Video V2" (Google, docs/spherical-video-v2-rfc.md of github.com/google/spatial-media).
FFmpeg writes them for no stream that PyAV makes, so they are put into the finished file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

Packing = Literal["left-right", "top-bottom"]
STEREO_MODES: dict[Packing, int] = {"top-bottom": 1, "left-right": 2}
HALF_SPHERE = 0x40000000  # of an edge's 0.32 bits: a quarter of the full turn is cut off on either side
PATH = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
HOLDERS = {*PATH[:-1], b"edts"}
BLOCK_BYTES = 2**22


@dataclass(frozen=True)
class _Box:
    """Where a box begins, its header's length, and where it ends."""

    kind: bytes
    start: int
    header: int
    end: int


def boxes_for(packing: Packing, half_sphere: bool) -> bytes:
    """``st3d``, and ``sv3d`` of an equirectangular picture of the half sphere before the viewer."""
    boxes = _box(b"st3d", b"\0\0\0\0" + bytes([STEREO_MODES[packing]]))
    if half_sphere:
        head = _box(b"prhd", bytes(4) + struct.pack(">3i", 0, 0, 0))
        shape = _box(b"equi", bytes(4) + struct.pack(">4I", 0, 0, HALF_SPHERE, HALF_SPHERE))
        boxes += _box(b"sv3d", _box(b"svhd", bytes(4) + b"c3drender\0") + _box(b"proj", head + shape))
    return boxes


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def insert_boxes(path: Path, boxes: bytes) -> None:
    """Put ``boxes`` into the sample entry of the file's video track; everything else keeps its meaning."""
    with path.open("r+b") as file:
        outer = list(_boxes(file))
        moov = next(box for box in outer if box.kind == b"moov")
        file.seek(moov.start)
        content = bytearray(file.read(moov.end - moov.start))
        chain = list(_to_sample_entry(content))
        for box in chain:
            struct.pack_into(">I", content, box.start, box.end - box.start + len(boxes))
        content[chain[-1].end : chain[-1].end] = boxes
        if any(box.kind == b"mdat" and box.start > moov.start for box in outer):
            _shift_offsets(content, len(boxes))
        _insert_space(file, moov.end, len(boxes))
        file.seek(moov.start)
        file.write(content)


def _to_sample_entry(moov: bytearray) -> Iterator[_Box]:
    """The boxes around the video track's sample entry, and that."""
    start, end = 0, len(moov)
    for kind in PATH:
        inside = (box for box in _within(moov, start, end) if box.kind == kind)
        box = next(box for box in inside if kind != b"trak" or b"vmhd" in moov[box.start : box.end])
        yield box
        start, end = box.start + box.header, box.end
    yield next(_within(moov, start + 8, end))


def _within(data: bytearray, start: int, end: int) -> Iterator[_Box]:
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1:
            size, header = struct.unpack_from(">Q", data, start + 8)[0], 16
        yield _Box(kind, start, header, start + size)
        start += size


def _boxes(file: BinaryIO) -> Iterator[_Box]:
    """The boxes of the file itself, whose contents may be large."""
    start, end = 0, file.seek(0, os.SEEK_END)
    while start + 8 <= end:
        file.seek(start)
        head = file.read(16)
        size, kind = struct.unpack_from(">I4s", head)
        header = 8
        if size == 1:
            size, header = struct.unpack_from(">Q", head, 8)[0], 16
        elif size == 0:
            size = end - start
        yield _Box(kind, start, header, start + size)
        start += size


def _shift_offsets(moov: bytearray, by: int) -> None:
    """Add ``by`` to every chunk's place (``stco``, ``co64``) of every track."""
    holders = [_Box(b"moov", 0, 8, len(moov))]
    while holders:
        holder = holders.pop()
        for box in _within(moov, holder.start + holder.header, holder.end):
            if box.kind in HOLDERS:
                holders.append(box)
            elif box.kind in (b"stco", b"co64"):
                number, size = (">I", 4) if box.kind == b"stco" else (">Q", 8)
                (count,) = struct.unpack_from(">I", moov, box.start + 12)
                for at in range(box.start + 16, box.start + 16 + size * count, size):
                    struct.pack_into(number, moov, at, struct.unpack_from(number, moov, at)[0] + by)


def _insert_space(file: BinaryIO, at: int, length: int) -> None:
    """Move everything from ``at`` on by ``length`` bytes, from the end, a block at a time."""
    end = file.seek(0, os.SEEK_END)
    while end > at:
        start = max(at, end - BLOCK_BYTES)
        file.seek(start)
        block = file.read(end - start)
        file.seek(start + length)
        file.write(block)
        end = start
