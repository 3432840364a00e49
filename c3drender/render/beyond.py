"""Where a fluid's points come from and go to in whole loops, also where the fluid ends: it is thought to go on beyond its
borders and the canvas' edge as it flows there, and shows what a mirror at the border would.

All of it is smooth, and is kept on cells of `CELL_PX` pixels, in a field around the fluid as wide as `REACH` loops go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .. import ops
from ..pixels.boxes import Box
from ..pixels.crossing import fetched, pair, sent
from ..pixels.nearest import nearest_inside

REACH = 3  # loops: so far back and ahead a point's copies are taken
CELL_PX = 4
MOST_AROUND_PX = 160  # by which the field is wider than the fluid on each side: what goes farther shows nothing
STEPS, DOUBLINGS = 16, 2  # a loop's way is followed for a quarter of it, and that way twice taken from where it ends
SMOOTH_CELLS = 1.5  # sigma by which a border is smoothed before its direction is seen
FOLDS = 2  # mirrors that a way may meet: a channel has two banks
RAGGED_PX = 4.0  # how far inside the fluid its mirrors stand: a border may be ragged within a cell
MOST_STRETCH = 3.0  # by which a copy may be distorted and count in full ...
STRETCHED = 3  # ... and the power by which it counts less beyond


@dataclass(frozen=True, eq=False)
class Beyond:
    """The field of cells ``[h, w]``, whose upper left corner lies at ``corner_px [2]`` (x, y).

    ``ways``: one loop forward and one backward, px ``[h, w, 2]``. ``border [h, w, 3]``: the unit way from the fluid to each
    cell beyond it, and how far that is, px; negative inside. ``box``: of the canvas, around the fluid.
    """

    ways: tuple[Tensor, Tensor]
    border: Tensor
    corner_px: Tensor
    box: Box

    @classmethod
    def of(cls, step_px: Tensor, exists: Tensor, box: Box, num_frames: int) -> Beyond:
        """Of the fluid's flow ``step_px [H, W, 2]``, where it ``exists [H, W]``, within ``box``."""
        x0, y0, x1, y1 = box
        x0, y0 = (first // CELL_PX * CELL_PX for first in (x0, y0))
        step_px, exists = step_px[y0:y1, x0:x1], exists[y0:y1, x0:x1]
        weight = exists[None, None].to(torch.float32)
        share, total = (_pooled(plane) for plane in (weight, step_px.permute(2, 0, 1)[None] * weight))
        mean = (total / share.clamp_min(1e-6))[0].permute(1, 2, 0)
        fastest, within, mean_px = fetched(step_px.norm(dim=-1).max(), share[0, 0] > 0.5, mean)
        fastest_px = num_frames * float(fastest)
        around, loop = (ceil(min(way_px, MOST_AROUND_PX) / CELL_PX) + 1 for way_px in (REACH * fastest_px, fastest_px))
        inside = np.pad(within, around)
        flow = np.pad(mean_px, ((around, around), (around, around), (0, 0)))
        if inside.any():
            flow = flow[nearest_inside(inside)]
        # Wider still by a loop's way: what leaves a field stays at its edge.
        flow = np.pad(flow, ((loop, loop), (loop, loop), (0, 0)), mode="edge")
        wider, border = sent(step_px.device, flow, _border_of(inside))
        core = slice(loop, -loop)
        cells = wider * (num_frames / (STEPS << DOUBLINGS) / CELL_PX)
        forward, backward = (CELL_PX * _way_along(sign * cells)[core, core] for sign in (1.0, -1.0))
        corner_px = pair(x0 - around * CELL_PX, y0 - around * CELL_PX, step_px)
        return cls((forward, backward), border, corner_px, box)

    def copies(self, start_px: Tensor, forward: bool) -> Iterator[tuple[Tensor, Tensor]]:
        """After one loop, after two, up to `REACH`: where points that start at ``start_px [M, 2]`` are, and how like the
        picture is that they show if they take it from there, ``[M, 1]``, 1 up to a stretch by `MOST_STRETCH`."""
        way = self.ways[0 if forward else 1]
        height, width = way.shape[:2]
        at_px = _centres(height, width, way) * CELL_PX + self.corner_px
        start = self._cells(start_px.T.contiguous().T)  # all x, then all y: what is done to pairs takes rows
        # Cells know the border to within themselves: what starts on it is inside, and what rests shows itself.
        outside_px = sampled(self.border, start)[:, 2:].clamp_min(-RAGGED_PX)
        for _ in range(REACH):
            at_px = at_px + sampled(way, self._cells(at_px)).view_as(at_px)
            found = sampled(torch.cat([at_px, _likeness(at_px)], dim=-1), start)
            yield self._folded(found[:, :2], outside_px), found[:, 2:]

    def _cells(self, at_px: Tensor) -> Tensor:
        return (at_px.reshape(-1, 2) - self.corner_px) / CELL_PX

    def _folded(self, at_px: Tensor, outside_px: Tensor) -> Tensor:
        """``at_px [M, 2]``, and beyond the fluid where a mirror at its border, or ``outside_px [M, 1]`` from it, shows it."""
        for _ in range(FOLDS):
            border = sampled(self.border, self._cells(at_px))
            at_px = at_px - 2.0 * (border[:, 2:] - outside_px).clamp_min(0.0) * border[:, :2]
        return at_px


def sampled(plane: Tensor, at: Tensor) -> Tensor:
    """``plane [H, W, C]`` at ``at [M, 2]`` (x, y), ``[M, C]``; beyond its border what is there."""
    grid = (2.0 * at / pair(plane.shape[1], plane.shape[0], at) - 1.0)[None, None]
    channels = plane.permute(2, 0, 1)[None]
    return functional.grid_sample(channels, grid, mode="bilinear", padding_mode="border", align_corners=False)[0, :, 0].T


def _centres(height: int, width: int, like: Tensor) -> Tensor:
    """The middles of pixels, ``[H, W, 2]``."""
    y, x = torch.meshgrid(*(torch.arange(size, device=like.device) for size in (height, width)), indexing="ij")
    return torch.stack([x, y], dim=-1).to(like.dtype) + 0.5


def _way_along(step: Tensor) -> Tensor:
    """Where ``STEPS << DOUBLINGS`` steps along ``step [h, w, 2]`` lead from the middle of each pixel, ``[h, w, 2]``."""
    height, width = step.shape[:2]
    centres, way = _centres(height, width, step).view(-1, 2), ops.integrate_flow(step, STEPS).offset_px[-1]
    for _ in range(DOUBLINGS):
        way = way + sampled(way.view_as(step), centres + way)
    return way.view_as(step)


def _pooled(plane: Tensor) -> Tensor:
    """Means over cells; the canvas' last ones may be cut."""
    return functional.avg_pool2d(plane, CELL_PX, ceil_mode=True, count_include_pad=False)


def _border_of(inside: np.ndarray) -> np.ndarray:
    """`Beyond.border` of the cells ``inside [h, w]``."""
    if not inside.any():
        return np.zeros((*inside.shape, 3), np.float32)
    outer, inner = (
        cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for part in (~inside, inside)
    )
    distance = np.where(inside, 0.5 - inner, outer - 0.5)
    smooth = cv2.GaussianBlur(distance, (0, 0), SMOOTH_CELLS)
    slopes = (cv2.Sobel(smooth, cv2.CV_32F, *axis, borderType=cv2.BORDER_REPLICATE) for axis in ((1, 0), (0, 1)))
    away = np.stack(list(slopes), axis=-1)
    away = away / np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-6)
    return np.concatenate([away, CELL_PX * distance[..., None]], axis=-1, dtype=np.float32)


def _likeness(at_px: Tensor) -> Tensor:
    """How little the ways of cells that end at ``at_px [h, w, 2]`` distort the picture, ``[h, w, 1]``: 1 up to a stretch or a
    shrinkage by `MOST_STRETCH`, less beyond."""
    if min(at_px.shape[:2]) < 2:
        return torch.ones_like(at_px[..., :1])
    down, along = torch.gradient(at_px, spacing=float(CELL_PX), dim=(0, 1))
    (ax, ay), (bx, by) = along.unbind(dim=-1), down.unbind(dim=-1)
    # The singular values of the Jacobian.
    total, area = ax.square() + ay.square() + bx.square() + by.square(), (ax * by - ay * bx).clamp_min(0.0)
    largest = (0.5 * (total + (total.square() - 4.0 * area.square()).clamp_min(0.0).sqrt())).sqrt().clamp_min(1e-6)
    return (MOST_STRETCH * torch.minimum(area / largest, 1.0 / largest)).clamp_max(1.0).pow(STRETCHED)[..., None]
