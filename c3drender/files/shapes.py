"""Shapes that annotations are made of, and the regions of a picture that they mark."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

Points = np.ndarray  # float64 [P, 2], (x, y) in pixels of the annotation
FARTHEST_PX = 1e6  # a corner farther out lies there
MOST_POINTS = 100_000  # of all shapes of a file
POLYGONS = ("polygon", "quadrilateral", "rotation", "oriented_rectangle", "rotated_rectangle")
LINES = ("line", "linestrip", "polyline")
CIRCLE_CORNERS = 256


@dataclass(frozen=True, eq=False)
class Shape:
    """One shape: its ``label`` ("" for none), its ``kind``, ``points [P, 2]``; the ``name`` that errors give it; for the kind
    ``mask`` a ``bitmap``, bool ``[h, w]``, whose first pixel lies at ``points[0]``."""

    label: str
    kind: str
    points: Points
    name: str
    bitmap: np.ndarray | None = None


@dataclass(frozen=True)
class Sheet:
    """What shapes are drawn on: their pixels times ``scale`` (x, y) are those of a picture of ``height`` x ``width``."""

    height: int
    width: int
    scale: tuple[float, float] = (1.0, 1.0)


def check_shape(shape: Shape) -> None:
    """Raise ValueError with one line unless it is one that marks a region."""
    if shape.kind not in _DRAW:
        raise ValueError(f"hints: expected {shape.name} to be {', '.join(_DRAW)}, got {shape.kind}")
    least = _DRAW[shape.kind][0]
    if len(shape.points) < least:
        raise ValueError(f"hints: expected {shape.name} to have >= {least} points, got {len(shape.points)}")


def draw(shape: Shape, region: np.ndarray, sheet: Sheet) -> None:
    """Mark it in ``region``, bool ``[height, width]``."""
    check_shape(shape)
    near = replace(shape, points=np.clip(shape.points, -FARTHEST_PX, FARTHEST_PX))  # or squares of distances overflow
    _DRAW[shape.kind][1](region, near, sheet)


def fill_polygon(region: np.ndarray, points: Points) -> None:
    """Mark the pixels whose centre is inside, by the even-odd rule; ``points`` in pixels of ``region``."""
    height, width = region.shape
    points = np.clip(points, -FARTHEST_PX, FARTHEST_PX)
    crossed = np.zeros((height, width + 1), dtype=bool)  # at [y, x]: an odd number of edges between the centres of x - 1 and x
    for edge in zip(points, np.roll(points, -1, axis=0), strict=True):
        (x0, y0), (x1, y1) = sorted(edge, key=lambda point: point[1])
        rows = np.arange(max(math.ceil(y0 - 0.5), 0), min(math.ceil(y1 - 0.5), height))
        if len(rows) == 0:
            continue
        at_x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
        crossed[rows, np.ceil(at_x - 0.5).clip(0, width).astype(int)] ^= True
    region |= np.logical_xor.accumulate(crossed, axis=1)[:, :width]


def _polygon(region: np.ndarray, shape: Shape, sheet: Sheet) -> None:
    fill_polygon(region, shape.points * sheet.scale)


def _rectangle(region: np.ndarray, shape: Shape, sheet: Sheet) -> None:
    """Two opposite corners, or all four in any order."""
    (x0, y0), (x1, y1) = shape.points.min(axis=0), shape.points.max(axis=0)
    fill_polygon(region, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) * sheet.scale)


def _circle(region: np.ndarray, shape: Shape, sheet: Sheet) -> None:
    """Centre and one point of the rim."""
    centre, rim = shape.points[:2]
    _ring(region, centre, np.full(2, np.linalg.norm(rim - centre)), 0.0, sheet)


def _ellipse(region: np.ndarray, shape: Shape, sheet: Sheet) -> None:
    """Centre, and the ends of both half axes."""
    centre, first, second = shape.points[:3]
    radii = np.array([np.linalg.norm(first - centre), np.linalg.norm(second - centre)])
    _ring(region, centre, radii, math.atan2(*(first - centre)[::-1]), sheet)


def _ring(region: np.ndarray, centre: np.ndarray, radii: np.ndarray, turn: float, sheet: Sheet) -> None:
    angles = np.linspace(0, 2 * math.pi, CIRCLE_CORNERS, endpoint=False)
    along = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii
    turned = along @ np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    fill_polygon(region, (centre + turned) * sheet.scale)


def _bitmap(region: np.ndarray, shape: Shape, sheet: Sheet) -> None:
    """A bitmap of its own size from its first corner on; of what lies in the picture alone, nearest."""
    bitmap = shape.bitmap
    if bitmap is None:
        raise ValueError(f"hints: expected {shape.name} to have a bitmap, got none")
    x0, y0 = np.round(np.clip(shape.points[0], -FARTHEST_PX, FARTHEST_PX))
    cols, rows = (
        np.floor((np.arange(size) + 0.5) / scale - start).astype(np.int64)
        for size, scale, start in zip((sheet.width, sheet.height), sheet.scale, (x0, y0), strict=True)
    )
    in_rows, in_cols = (rows >= 0) & (rows < bitmap.shape[0]), (cols >= 0) & (cols < bitmap.shape[1])
    where = np.ix_(in_rows, in_cols)
    region[where] |= bitmap[np.ix_(rows[in_rows], cols[in_cols])]


_DRAW: dict[str, tuple[int, Callable[[np.ndarray, Shape, Sheet], None]]] = {
    "polygon": (3, _polygon),
    "rectangle": (2, _rectangle),
    "circle": (2, _circle),
    "mask": (1, _bitmap),
    "ellipse": (3, _ellipse),
    **dict.fromkeys(POLYGONS[1:], (3, _polygon)),
}
