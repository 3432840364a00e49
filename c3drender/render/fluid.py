"""What drifts: which of the layers' pixels are the fluid, its points and their ways, its surface, and where it thins out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..data import HIDES, Layers, PointCloud
from ..pixels import fringe as pixels
from ..pixels.boxes import Box, box_of, edges_of, widened
from ..pixels.crossing import counts_of, fetched, indices, is_host, pair, sent
from ..pixels.fits import smooth_step
from .contrast import ContrastGains, PointDetails, point_details
from .drift import Drift
from .phase import LoopCopies

FADE = 1 / 200  # of the longer side: the width over which a fluid's motion fades in from its border
LEAST_FREEDOM = 0.1  # of a fluid pixel that moves: along the border it would only blur what rests there
ROUNDED = 1e-3  # of a depth: more than sampling a disparity in float32 rounds it by
SPREAD_PX = 2  # beyond its border, so that interpolation never reads a hole
BED_FADE = 1 / 120  # of the longer side: so far from the border a bed speaks against the side that covers it
BED_SAMPLES = 60  # moments of the loop at which gaps in the fluid are looked for


@dataclass(frozen=True, eq=False)
class FluidRegion:
    """Which of the layers' P pixels drift, and the surface that they form on the canvas.

    ``nearest`` int64 ``[H, W]``: the surface's pixel, -1 beside it; ``exists`` bool ``[H, W]``, where there is a surface that
    moves, within ``box``; ``around``: the box of all of it. ``freedom`` float32 ``[H, W]``: how freely it moves, 0 at its
    border .. 1; ``inner`` likewise, 1 a bed's fade inside. ``flows`` bool ``[P]``: belongs to the fluid; ``moves``: and is its
    surface, so that it drifts; ``below``: and lies so far behind the surface that it is another. ``index`` int64 ``[M]``: what
    moves, ascending; ``place`` int64 ``[M]``: where on the canvas there is a surface, row by row, and ``shown`` what of
    the layers' pixels. ``fringe`` int32 ``[H, W]``: of the places of `find_fringe` the one farther in, else -1;
    ``num_fringe``: how many there are, and how many of them move.
    """

    nearest: Tensor
    exists: Tensor
    box: Box
    around: Box
    freedom: Tensor
    inner: Tensor
    flows: Tensor
    moves: Tensor
    below: Tensor
    index: Tensor
    place: Tensor
    shown: Tensor
    fringe: Tensor
    num_fringe: tuple[int, int]

    def on_surface(self, values: Tensor) -> Tensor:
        """``values [P, ...]`` of the fluid's surface, ``[H, W, ...]``; 0 beside it."""
        plane = values.new_zeros(self.nearest.numel(), *values.shape[1:])
        plane[self.place] = values[self.shown]
        return plane.view(*self.nearest.shape, *values.shape[1:])


def find_region(layers: Layers) -> FluidRegion:
    """Behind a fluid the same fluid would only be drawn twice: a pixel moves in the nearest of its layers that does. That is
    the fluid's surface, visible or continued behind what hides it."""
    pixel, nearest = layers.pixel, layers.nearest_moving()
    own = torch.arange(len(pixel), device=pixel.device)
    is_surface = nearest.view(-1)[pixel] == own
    seen, fluid, still = fetched(nearest >= 0, *_seen_fluid(layers, nearest, is_surface))
    borders = _borders_of(seen, fluid, still, max(layers.size))
    freedom, inner, fringe = sent(pixel.device, borders.freedom, borders.inner, borders.fringe)
    exists = (nearest >= 0) & (freedom > LEAST_FREEDOM)
    flows = layers.moving & exists.view(-1)[pixel]
    moves = flows & is_surface
    place = indices(exists.view(-1), borders.num_places)
    shown = nearest.view(-1)[place]
    disp = (1.0 / layers.z_cam).new_zeros(nearest.numel())
    disp[place] = 1.0 / layers.z_cam[shown]
    below = flows & ~moves & (layers.z_cam * disp[pixel] > HIDES)
    return FluidRegion(
        nearest=nearest,
        exists=exists,
        box=borders.box,
        around=borders.around,
        freedom=freedom,
        inner=inner,
        flows=flows,
        moves=moves,
        below=below,
        index=indices(moves, borders.num_places),
        place=place,
        shown=shown,
        fringe=fringe,
        num_fringe=borders.num_fringe,
    )


def _seen_fluid(layers: Layers, nearest: Tensor, is_surface: Tensor) -> tuple[Tensor, Tensor]:
    """Where the canvas shows the fluid's surface, in the nearest layer or through its soft edges, and where something still:
    bool ``[H, W]`` each."""
    front, pixel = layers.part(0), layers.pixel
    cover = layers.plane(layers.alpha, 0)
    seen = is_surface & ((cover > 0) & (cover < 1)).view(-1)[pixel]
    seen[front] = is_surface[front]
    fluid = (nearest >= 0) & seen[nearest.clamp_min(0)] if len(pixel) > 0 else nearest >= 0
    return fluid, (cover > 0) & ~fluid


@dataclass(frozen=True, eq=False)
class _Borders:
    """What OpenCV sees of a fluid's borders: of these names in `FluidRegion`; ``num_places``: at which it exists."""

    freedom: np.ndarray
    inner: np.ndarray
    fringe: np.ndarray
    box: Box
    around: Box
    num_places: int
    num_fringe: tuple[int, int]


def _borders_of(flows: np.ndarray, fluid: np.ndarray, still: np.ndarray, side_px: int) -> _Borders:
    freedom = _fade_in(flows, FADE * side_px)
    exists = flows & (freedom > LEAST_FREEDOM)
    fringe, farther_in = pixels.find_fringe(fluid, still)
    plane = np.full(flows.shape, -1, np.int32)
    plane[fringe] = farther_in
    box, around = (box_of(np.any(where, axis=0), np.any(where, axis=1)) for where in (exists, flows))
    num_fringe = len(farther_in), int(np.count_nonzero(fringe & exists))
    inner = _fade_in(exists, BED_FADE * side_px)
    return _Borders(freedom, inner, plane, box, around, int(np.count_nonzero(exists)), num_fringe)


@dataclass(frozen=True, eq=False)
class Fringe:
    """Fluid points ``index [P]`` beside something still, of which their ``resting`` colours ``[P, 3]`` show a part: an edge's
    mixed pixels and its halo. What drifts away from there takes on the ``clean`` ones of the fluid farther in. ``steady``:
    what does not turn of the resting ones (`LoopCopies`); without waves all of them."""

    index: Tensor
    resting: Tensor
    clean: Tensor
    steady: Tensor


@dataclass(frozen=True, eq=False)
class FluidPoints:
    """The points that drift, M of them; all positions in px of the canvas.

    ``cloud``: at rest. ``start_px [M, 2]``; ``right``, ``below`` int32 ``[M]``, the points next to each (itself: none);
    ``forward``, ``backward``: their ways. ``surface [H, W, 8]``: of the canvas' fluid surface the disparity, where it exists,
    how freely it moves (0 at its border .. 1), and its colour at rest. ``fringe``: those of the points that lose a part of
    their colour. ``detail``, ``phase [M]`` and ``gains`` keep the contrast (`contrast`), ``copies`` show each crest once
    (`phase`). ``offset_px [M, 2]``: memory.
    """

    cloud: PointCloud
    start_px: Tensor
    right: Tensor
    below: Tensor
    forward: Drift
    backward: Drift
    surface: Tensor
    fringe: Fringe
    detail: PointDetails
    phase: Tensor
    offset_px: Tensor
    gains: ContrastGains | None = None
    copies: LoopCopies | None = None

    @cached_property
    def depths(self) -> tuple[float, float] | None:
        """Between which its points lie, wherever they drift; None where there is no fluid, and on a device, which is not
        asked."""
        disp = self.surface[..., 0]
        if not is_host(disp) or not len(self.start_px):
            return None
        least, most = disp[disp > 0.0].aminmax()
        return (1.0 - ROUNDED) / float(most), (1.0 + ROUNDED) / float(least)


def _spread(values: Tensor, exists: Tensor) -> Tensor:
    """Continue ``values [C, H, W]`` by `SPREAD_PX` beyond where they exist."""
    weight = exists[None, None].to(torch.float32)
    value = values[None] * weight
    for _ in range(SPREAD_PX):
        near = functional.avg_pool2d(value, 3, 1, 1), functional.avg_pool2d(weight, 3, 1, 1)
        value = torch.where(weight > 0, value, near[0] / near[1].clamp_min(1e-6))
        weight = ((weight > 0) | (near[1] > 1e-6)).to(torch.float32)
    return value[0]


def _fade_in(exists: np.ndarray, width_px: float) -> np.ndarray:
    """0 at the border of ``exists [H, W]``, rising smoothly to 1 at ``width_px`` inside."""
    distance = torch.from_numpy(cv2.distanceTransform(exists.view(np.uint8), cv2.DIST_L2, 5))
    # At the canvas' edge a fluid leaves the picture: that is no border, and the transform takes it for none.
    return smooth_step((distance - 1.0) / width_px).numpy()


def find_fringe(layers: Layers, region: FluidRegion) -> tuple[Tensor, Tensor, Tensor]:
    """Which of the layers' pixels are fringe of the fluid's surface where it is seen: int64 ``[F]``, ascending; of each the
    fluid's pixel farther in; and the ranks of those that move among what moves."""
    nearest, pixel = region.nearest.view(-1), layers.pixel
    own = torch.arange(len(pixel), device=pixel.device)
    is_fringe = (nearest[pixel] == own) & (region.fringe.view(-1)[pixel] >= 0)
    of_all, of_moving = region.num_fringe
    fringe = indices(is_fringe, of_all)
    return fringe, nearest[region.fringe.view(-1)[pixel[fringe]]], indices(is_fringe[region.index], of_moving)


@dataclass(frozen=True, eq=False)
class MovingPart:
    """Of the pixels that move those of one layer: ``first .. end - 1``, and the box around them on the canvas."""

    layer: int
    first: int
    end: int
    box: Box


def moving_parts(layers: Layers, moves: Tensor, *counted: Tensor) -> tuple[list[MovingPart], list[int]]:
    """Where in the layers there is something that ``moves [P]``; and how many are True in each of the masks ``counted``."""
    numbers = counts_of([*(moves[layers.part(layer)] for layer in range(layers.num_layers)), *counted])
    edges = [edges_of(layers.plane(moves, layer)) for layer in range(layers.num_layers)]
    counts, *lines = fetched(numbers, *(line for both in edges for line in both))
    ends = [0, *np.cumsum(counts[: layers.num_layers]).tolist()]
    parts = [
        MovingPart(layer, first, end, box_of(lines[2 * layer], lines[2 * layer + 1]))
        for layer, (first, end) in enumerate(pairwise(ends))
        if first < end
    ]
    return parts, counts[layers.num_layers :].tolist()


def details_of(rgb: Tensor, layers: Layers, region: FluidRegion, parts: list[MovingPart]) -> PointDetails:
    """Of the layers' pixels that move, of the colours ``rgb [P, 3]``."""
    details = [
        point_details(
            layers.plane(rgb, part.layer),
            layers.plane(region.moves, part.layer),
            layers.pixel[region.index[part.first : part.end]].to(torch.int64),
            part.box,
        )
        for part in parts
    ]
    nothing = PointDetails(rgb.new_empty(0, 2, 3), rgb.new_empty(0, 3))
    return PointDetails(*(torch.cat([getattr(d, name) for d in (nothing, *details)]) for name in ("fine", "broad")))


def surface_of(region: FluidRegion, disp: Tensor, rgb: Tensor) -> Tensor:
    """`FluidPoints.surface` from the layers' disparities ``disp [P]`` and colours ``rgb [P, 3]``."""
    surface = disp.new_zeros(*region.exists.shape, 8)
    x0, y0, x1, y1 = widened(region.around, SPREAD_PX, region.exists.shape)
    part = np.s_[y0:y1, x0:x1]
    values = torch.cat([region.on_surface(disp)[part][..., None], region.on_surface(rgb)[part]], dim=-1)
    exists = region.exists[part]
    spread = _spread(values.permute(2, 0, 1), exists)
    written = surface[part].permute(2, 0, 1)
    written[0], written[1], written[2], written[3:6] = spread[0], exists, region.freedom[part], spread[1:]
    return surface


def bare(start_px: Tensor, forward: Drift, backward: Drift, fluid: Tensor) -> Tensor:
    """Where ``fluid [H, W]`` neither the forward- nor the backward-displaced points cover at some moment of the loop."""
    height, width = fluid.shape
    num_frames = forward.num_frames
    # A point that arrives at the border may find itself outside the fluid and not be drawn.
    inner = -functional.max_pool2d(-functional.pad(fluid[None].float(), (1, 1, 1, 1), value=1.0), 3, 1)[0]
    uncovered = fluid & (inner == 0)
    last = pair(width, height, torch.empty(0, dtype=torch.int32, device=fluid.device))
    for n in range(0, num_frames, max(num_frames // BED_SAMPLES, 1)):
        # One point in a pixel's own square is near enough to cover it. Row and column 0 take what lies beyond the canvas.
        occupied = torch.zeros((height + 1) * (width + 1), dtype=torch.bool, device=fluid.device)
        for offset_px in (forward.at(n), backward.at(num_frames - n)):
            at = (start_px + offset_px).add_(1.0).to(torch.int32).clamp_(min=0)
            x, y = torch.minimum(at, last).unbind(1)
            occupied[(y * (width + 1)).add_(x)] = True
        uncovered |= ~occupied.view(height + 1, width + 1)[1:, 1:]
    return uncovered & fluid
