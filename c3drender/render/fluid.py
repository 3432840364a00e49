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
from ..pixels.boxes import Box, box_of, edges_of
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
    the layers' pixels; ``rings``: the places beside it, then those beside these, `SPREAD_PX` times. ``fringe`` int64
    ``[F]``: the places of `find_fringe`, and ``farther_in`` of each the one farther in; ``num_fringe``: how many of them move.
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
    rings: tuple[Tensor, ...]
    fringe: Tensor
    farther_in: Tensor
    num_fringe: int

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
    freedom, inner, fringe, farther_in, *rings = sent(
        pixel.device, borders.freedom, borders.inner, borders.fringe, borders.farther_in, *borders.rings
    )
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
        rings=tuple(rings),
        fringe=fringe,
        farther_in=farther_in,
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
    farther_in: np.ndarray
    rings: list[np.ndarray]
    box: Box
    around: Box
    num_places: int
    num_fringe: int


def _borders_of(flows: np.ndarray, fluid: np.ndarray, still: np.ndarray, side_px: int) -> _Borders:
    freedom = _fade_in(flows, FADE * side_px)
    exists = flows & (freedom > LEAST_FREEDOM)
    fringe, farther_in = pixels.find_fringe(fluid, still)
    box, around = (box_of(np.any(where, axis=0), np.any(where, axis=1)) for where in (exists, flows))
    return _Borders(
        freedom=freedom,
        inner=_fade_in(exists, BED_FADE * side_px),
        fringe=np.flatnonzero(fringe),
        farther_in=farther_in,
        rings=_rings_around(exists),
        box=box,
        around=around,
        num_places=int(np.count_nonzero(exists)),
        num_fringe=int(np.count_nonzero(fringe & exists)),
    )


def _rings_around(exists: np.ndarray) -> list[np.ndarray]:
    """`FluidRegion.rings` of where a fluid ``exists [H, W]``: flat indices, ascending."""
    rings = []
    for _ in range(SPREAD_PX):
        wider = cv2.dilate(exists.view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
        rings.append(np.flatnonzero(wider & ~exists))
        exists = wider
    return rings


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


def _fade_in(exists: np.ndarray, width_px: float) -> np.ndarray:
    """0 at the border of ``exists [H, W]``, rising smoothly to 1 at ``width_px`` inside."""
    distance = torch.from_numpy(cv2.distanceTransform(exists.view(np.uint8), cv2.DIST_L2, 5))
    # At the canvas' edge a fluid leaves the picture: that is no border, and the transform takes it for none.
    return smooth_step((distance - 1.0) / width_px).numpy()


def find_fringe(region: FluidRegion) -> tuple[Tensor, Tensor, Tensor]:
    """Which of the layers' pixels are fringe of the fluid's surface where it is seen: int64 ``[F]``, ascending; of each the
    fluid's pixel farther in; and the ranks of those that move among what moves."""
    nearest = region.nearest.view(-1)
    fringe, order = nearest[region.fringe].sort()
    is_fringe = torch.zeros_like(region.moves).index_fill_(0, fringe, True)
    return fringe, nearest[region.farther_in[order]], indices(is_fringe[region.index], region.num_fringe)


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
            rgb[region.index[part.first : part.end]],
            layers.pixel[region.index[part.first : part.end]].to(torch.int64),
            part.box,
            layers.size,
        )
        for part in parts
    ]
    nothing = PointDetails(rgb.new_empty(0, 2, 3), rgb.new_empty(0, 3))
    return PointDetails(*(torch.cat([getattr(d, name) for d in (nothing, *details)]) for name in ("fine", "broad")))


def surface_of(region: FluidRegion, disp: Tensor, rgb: Tensor) -> Tensor:
    """`FluidPoints.surface` from the layers' disparities ``disp [P]`` and colours ``rgb [P, 3]``."""
    surface = disp.new_zeros(*region.exists.shape, 8)
    x0, y0, x1, y1 = region.around
    surface[y0:y1, x0:x1, 2] = region.freedom[y0:y1, x0:x1]
    places, place = surface.view(-1, 8), region.place
    places[place, 0] = disp[region.shown]
    places[place, 1] = 1.0
    places[:, 3:6].index_copy_(0, place, rgb[region.shown])
    known = region.exists.flatten().to(torch.float32)
    for ring in region.rings:
        places[ring] = _spread(places, known, ring, region.exists.shape)
        known[ring] = 1.0
    return surface


def _spread(places: Tensor, known: Tensor, ring: Tensor, size: tuple[int, ...]) -> Tensor:
    """At ``ring [R]`` the values of a surface (``places [H W, 8]``, 0 where not ``known``) as the mean of those around;
    existence and freedom as they are."""
    height, width = size
    y, x = ring // width, ring % width
    total, count = torch.zeros_like(places[ring]), known.new_zeros(len(ring), 1)
    for down in (-1, 0, 1):
        for along in (-1, 0, 1):
            inside = (y + down >= 0) & (y + down < height) & (x + along >= 0) & (x + along < width)
            at = torch.where(inside, ring + (down * width + along), ring)  # where nothing is known yet
            total += places[at]
            count += known[at][:, None]
    mean = (total / 9.0) / (count / 9.0)
    mean[:, 1:3] = places[ring, 1:3]
    return mean


def bare(start_px: Tensor, forward: Drift, backward: Drift, fluid: Tensor) -> Tensor:
    """Where ``fluid [H, W]`` neither the forward- nor the backward-displaced points cover at some moment of the loop."""
    height, width = fluid.shape
    num_frames = forward.num_frames
    # A point that arrives at the border may find itself outside the fluid and not be drawn.
    inner = -functional.max_pool2d(-functional.pad(fluid[None].float(), (1, 1, 1, 1), value=1.0), 3, 1)[0]
    covered = inner > 0
    # Row and column 0 take what lies beyond the canvas. Limits as long as the points: pairs would be taken one by one.
    last = pair(width, height, start_px).to(torch.int32).expand(start_px.shape).contiguous()
    occupied = torch.empty(height + 1, width + 1, dtype=torch.bool, device=fluid.device)
    at_px, at, index = torch.empty_like(start_px), torch.empty_like(last), torch.empty_like(last[:, 0], dtype=torch.int64)
    for n in range(0, num_frames, max(num_frames // BED_SAMPLES, 1)):
        # One point in a pixel's own square is near enough to cover it.
        occupied.zero_()
        for way, steps in ((forward, n), (backward, num_frames - n)):
            at.copy_(way.at(steps, out=at_px).add_(start_px).add_(1.0)).clamp_(min=0)
            x, y = torch.minimum(at, last, out=at).unbind(1)
            occupied.view(-1).index_fill_(0, torch.add(x, y, alpha=width + 1, out=index), True)
        covered &= occupied[1:, 1:]
    return fluid & ~covered
