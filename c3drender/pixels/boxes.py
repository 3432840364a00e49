"""Boxes around what is True in a picture."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from .crossing import fetched

Box = tuple[int, int, int, int]  # x0, y0, x1, y1


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
