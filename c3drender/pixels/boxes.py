"""Boxes around what is True in a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .crossing import fetched

Box = tuple[int, int, int, int]  # x0, y0, x1, y1
VECTOR_PX = 16


def edges_of(where: Tensor) -> tuple[Tensor, Tensor]:
    """Which columns and which rows of ``where [H, W]`` have something: what `box_of` needs to see of it."""
    return where.any(dim=0), where.any(dim=1)


def box_of(columns: np.ndarray, rows: np.ndarray) -> Box:
    """The box of these columns and rows; nothing: one pixel."""
    (x0, x1), (y0, y1) = (
        (int(places[0]), int(places[-1]) + 1) if len(places) > 0 else (0, 1)
        for places in (np.flatnonzero(line) for line in (columns, rows))
    )
    return x0, y0, x1, y1


def widened(box: Box, margin_px: int, size: tuple[int, ...]) -> Box:
    """``box`` with a margin, as far as a picture of this size (height, width) has pixels."""
    x0, y0, x1, y1 = box
    height, width = size
    return max(x0 - margin_px, 0), max(y0 - margin_px, 0), min(x1 + margin_px, width), min(y1 + margin_px, height)


def bounds_of(where: Tensor, margin_px: int) -> Box:
    """`box_of` what is True in ``where [H, W]``, `widened`."""
    return widened(box_of(*fetched(*edges_of(where))), margin_px, where.shape)


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of pictures of ``size`` (height, width), ``box``, in which flat indices are others. It begins where OpenCV's
    vectors do: filters come to the same bits as on the whole, but for the part's edges."""

    box: Box
    size: tuple[int, ...]

    @classmethod
    def around(cls, pixel: np.ndarray, margin_px: int, size: tuple[int, ...]) -> Crop:
        """Of the pixels (flat, at least one), and so far around them."""
        y, x = np.divmod(pixel, size[1])
        around = int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1
        x0, y0, x1, y1 = widened(around, margin_px, size)
        return cls((x0 // VECTOR_PX * VECTOR_PX, y0, x1, y1), size)

    def cut(self, plane: np.ndarray) -> np.ndarray:
        """Of ``plane [H, W]``."""
        x0, y0, x1, y1 = self.box
        return np.ascontiguousarray(plane[y0:y1, x0:x1])

    def inside(self, pixel: np.ndarray) -> np.ndarray:
        """The flat indices in the part of those of the whole."""
        x0, y0, x1, _ = self.box
        y, x = np.divmod(pixel, self.size[1])
        return (y - y0) * (x1 - x0) + (x - x0)

    def outside(self, pixel: np.ndarray) -> np.ndarray:
        """The flat indices in the whole of those of the part."""
        x0, y0, x1, _ = self.box
        y, x = np.divmod(pixel, x1 - x0)
        return (y + y0) * self.size[1] + (x + x0)
