"""Binary PGM and PPM, whose rows lie in the file as they are: read with all bits, any of them alone.

Pillow keeps 8 bits of a colour and takes seconds for each megapixel of 16; OpenCV takes numbers of 10 bits for those of 16.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from .on_disk import Data

GAP = rb"(?:\s|#[^\n]*\n)+"
HEADER = re.compile(rb"P([56])" + GAP + rb"(\d{1,9})" + GAP + rb"(\d{1,9})" + GAP + rb"(\d{1,5})\s")
HEADER_BYTES = 2**12
CHANNELS = {b"5": 1, b"6": 3}
DEEP = 255  # a larger maximum has two bytes a number


@dataclass(frozen=True)
class Pnm:
    """What its header says: the size, the channels, the number that is white; and where the pixels begin."""

    height: int
    width: int
    channels: int
    white: int
    start: int

    @property
    def stored(self) -> np.dtype:
        return np.dtype(">u2" if self.white > DEEP else "u1")

    @property
    def row_bytes(self) -> int:
        return self.width * self.channels * self.stored.itemsize


def pnm_of(data: Data) -> Pnm | None:
    """None for another kind of file."""
    found = HEADER.match(data[:HEADER_BYTES])
    if found is None:
        return None
    width, height, white = (int(number) for number in found.groups()[1:])
    if min(width, height) == 0 or not 0 < white <= 65535:
        return None
    return Pnm(height, width, CHANNELS[found[1]], white, found.end())


def pnm_rows(data: Data, pnm: Pnm, top: int, end: int) -> np.ndarray | None:
    """Rows from ``top`` to ``end``, uint8 or uint16 ``[h, W]`` or ``[h, W, 3]``, white is their type's largest; None where the
    file ends before."""
    first, last = (pnm.start + row * pnm.row_bytes for row in (top, end))
    packed = data[first:last]
    if len(packed) < last - first:
        return None
    pixels = np.frombuffer(packed, pnm.stored).reshape((end - top, pnm.width, pnm.channels)[: 3 if pnm.channels > 1 else 2])
    most = 65535 if pnm.white > DEEP else 255
    if pnm.white == most:
        return pixels.astype(pixels.dtype.newbyteorder("="))
    scaled = (pixels.clip(max=pnm.white) * np.float32(most / pnm.white)).round()
    return scaled.astype(np.uint16 if most > DEEP else np.uint8)
