"""Quilts: many views of a moment, from left to right, in one picture, for displays that show each to another direction.

Tiles begin at the bottom left and go row by row, and the name says how they lie, ``_qs8x6a0.75`` for 8 columns, 6 rows and
views of width 0.75 times height, as Looking Glass' tools read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data import Camera
from .shot import Shot, smaller
from .stereo import aside

ASPECT = "3:4"  # of the displays, unless something else is asked for
MOST_PX = 4096  # a side: what video decoders take
MOST_TILES = 20  # in a row or a column
SHAPE = re.compile(r"(\d{1,2})\s*x\s*(\d{1,2})")


@dataclass(frozen=True)
class Quilt:
    """``columns`` times ``rows`` views."""

    columns: int
    rows: int

    def named(self, out: Path, aspect: float) -> Path:
        """``out`` with the name by which players know the quilt."""
        name = f"_qs{self.columns}x{self.rows}a{aspect:.4g}"
        return out if out.stem.endswith(name) else out.with_name(f"{out.stem}{name}{out.suffix}")


def read_quilt(quilt: str | None) -> Quilt | None:
    if quilt is None:
        return None
    found = SHAPE.fullmatch(quilt.strip().lower()) if isinstance(quilt, str) else None
    columns, rows = (int(count) for count in found.groups()) if found else (0, 0)
    if not (1 <= columns <= MOST_TILES and 1 <= rows <= MOST_TILES and columns * rows > 1):
        raise ValueError(f"quilt: expected COLUMNSxROWS, such as 8x6, each at most {MOST_TILES}, got {quilt!r}")
    return Quilt(columns, rows)


def quilts_of(shot: Shot, quilt: Quilt, percent: float) -> Iterator[np.ndarray]:
    """One period, uint8 ``[H, W, 3]``; ``percent`` of the width is how far what is nearest lies from what is farthest between
    the outermost views."""
    for n in range(len(shot.path)):
        yield quilt_of(shot, quilt, percent, n)


def quilt_of(shot: Shot, quilt: Quilt, percent: float, n: int) -> np.ndarray:
    """Frame ``n`` of `quilts_of`."""
    whole = shot.view_at(n)
    scale = min(1.0, MOST_PX / (quilt.columns * whole.width), MOST_PX / (quilt.rows * whole.height))
    width, height = (max(2 * int(side * scale / 2), 2) for side in (whole.width, whole.height))
    picture = np.empty((quilt.rows * height, quilt.columns * width, 3), np.uint8)
    last = quilt.columns * quilt.rows - 1
    for tile in range(last + 1):

        def seen(view: Camera, side: float = tile / last - 0.5) -> Camera:
            return smaller(aside(view, shot.scene.span, percent, side), width, height)

        row, column = divmod(tile, quilt.columns)
        top = (quilt.rows - 1 - row) * height
        picture[top : top + height, column * width : (column + 1) * width] = shot.taken(n, seen).rgb_u8.cpu().numpy()
    return picture
