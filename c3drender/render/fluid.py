"""What drifts: which of the layers' pixels are the fluid, its points and their ways, its surface, and where it thins out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..data import HIDES, Layers, PointCloud
from ..pixels import fringe as pixels
from ..pixels.fits import smooth_step
from .contrast import ContrastGains, PointDetails, bounds_of, point_details
from .drift import Drift
from .phase import LoopCopies

FADE = 1 / 200  # of the longer side: the width over which a fluid's motion fades in from its border
LEAST_FREEDOM = 0.1  # of a fluid pixel that moves: along the border it would only blur what rests there
SPREAD_PX = 2  # beyond its border, so that interpolation never reads a hole
BED_SAMPLES = 60  # moments of the loop at which gaps in the fluid are looked for


@dataclass(frozen=True, eq=False)
class FluidRegion:
    """Which of the layers' P pixels drift, and the surface that they form on the canvas.

    ``nearest`` int64 ``[H, W]``: the surface's pixel, -1 beside it; ``exists`` bool ``[H, W]``, where there is a surface;
    ``freedom`` float32 ``[H, W]``: how freely it moves, 0 at its border .. 1. ``flows`` bool ``[P]``: belongs to the fluid;
    ``moves``: and is its surface, so that it drifts; ``below``: and lies so far behind the surface that it is another.
    """

    nearest: Tensor
    exists: Tensor
    freedom: Tensor
    flows: Tensor
    moves: Tensor
    below: Tensor

    def on_surface(self, values: Tensor) -> Tensor:
        """``values [P, ...]`` of the fluid's surface, ``[H, W, ...]``; 0 beside it."""
        plane = values.new_zeros(*self.nearest.shape, *values.shape[1:])
        plane[self.exists] = values[self.nearest[self.exists]]
        return plane


def find_region(layers: Layers) -> FluidRegion:
    """Behind a fluid the same fluid would only be drawn twice: a pixel moves in the nearest of its layers that does. That is
    the fluid's surface, visible or continued behind what hides it."""
    pixel, nearest = layers.pixel, layers.nearest_moving()
    freedom = fade_in(nearest >= 0, FADE * max(layers.size))
    exists = (nearest >= 0) & (freedom > LEAST_FREEDOM)
    flows = layers.moving & exists.view(-1)[pixel]
    moves = flows & (nearest.view(-1)[pixel] == torch.arange(len(pixel), device=pixel.device))
    disp = (1.0 / layers.z_cam).new_zeros(layers.size)
    disp[exists] = 1.0 / layers.z_cam[nearest[exists]]
    below = flows & ~moves & (layers.z_cam * disp.view(-1)[pixel] > HIDES)
    return FluidRegion(nearest, exists, freedom, flows, moves, below)


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


def _spread(values: Tensor, exists: Tensor) -> Tensor:
    """Continue ``values [C, H, W]`` by `SPREAD_PX` beyond where they exist."""
    weight = exists[None, None].to(torch.float32)
    value = values[None] * weight
    for _ in range(SPREAD_PX):
        near = functional.avg_pool2d(value, 3, 1, 1), functional.avg_pool2d(weight, 3, 1, 1)
        value = torch.where(weight > 0, value, near[0] / near[1].clamp_min(1e-6))
        weight = ((weight > 0) | (near[1] > 1e-6)).to(torch.float32)
    return value[0]


def fade_in(exists: Tensor, width_px: float) -> Tensor:
    """0 at the border of ``exists [H, W]``, rising smoothly to 1 at ``width_px`` inside."""
    distance = torch.from_numpy(cv2.distanceTransform(exists.cpu().to(torch.uint8).numpy(), cv2.DIST_L2, 5))
    # At the canvas' edge a fluid leaves the picture: that is no border, and the transform takes it for none.
    return smooth_step((distance - 1.0) / width_px).to(exists.device)


def find_fringe(layers: Layers, surface: Tensor) -> tuple[Tensor, Tensor]:
    """Which of the layers' pixels are fringe of the fluid's ``surface`` (bool ``[P]``) where it is seen, in the nearest layer
    and through its soft edges: bool ``[P]``; and of each of them, in order, the fluid's pixel farther in, int64."""
    front, pixel = layers.part(0), layers.pixel
    cover = layers.plane(layers.alpha, 0)
    seen = surface & ((cover > 0) & (cover < 1)).view(-1)[pixel]
    seen[front] = surface[front]
    own = seen.nonzero()[:, 0]
    shown = torch.full_like(cover, -1, dtype=torch.int64).view(-1)
    shown[pixel[own]] = own
    fluid = (shown >= 0).view_as(cover)
    still = (cover > 0) & ~fluid
    fringe, inside = (torch.from_numpy(part).to(shown.device) for part in pixels.find_fringe(*map(_as_array, (fluid, still))))
    changed = seen & fringe.view(-1)[pixel]
    order = torch.searchsorted(fringe.view(-1).nonzero()[:, 0], pixel[changed].to(torch.int64))
    return changed, shown[inside[order]]


def details_of(rgb: Tensor, layers: Layers, moves: Tensor) -> PointDetails:
    """Of the layers' pixels ``moves``, of the colours ``rgb [P, 3]``."""
    details = []
    for layer in range(layers.num_layers):
        if bool(moves[layers.part(layer)].any()):
            details.append(point_details(layers.plane(rgb, layer), layers.plane(moves, layer)))
    nothing = PointDetails(rgb.new_empty(0, 2, 3), rgb.new_empty(0, 3))
    return PointDetails(*(torch.cat([getattr(d, name) for d in (nothing, *details)]) for name in ("fine", "broad")))


def surface_of(region: FluidRegion, disp: Tensor, rgb: Tensor) -> Tensor:
    """`FluidPoints.surface` from the layers' disparities ``disp [P]`` and colours ``rgb [P, 3]``."""
    surface = disp.new_zeros(*region.exists.shape, 8)
    x0, y0, x1, y1 = bounds_of(region.nearest >= 0, SPREAD_PX)
    part = np.s_[y0:y1, x0:x1]
    around = replace(region, nearest=region.nearest[part], exists=region.exists[part], freedom=region.freedom[part])
    values = torch.cat([around.on_surface(disp)[..., None], around.on_surface(rgb)], dim=-1)
    spread = _spread(values.permute(2, 0, 1), around.exists)
    written = surface[part].permute(2, 0, 1)
    written[0], written[1], written[2], written[3:6] = spread[0], around.exists, around.freedom, spread[1:]
    return surface


def _as_array(plane: Tensor) -> np.ndarray:
    return plane.cpu().numpy()


def bare(start_px: Tensor, forward: Drift, backward: Drift, fluid: Tensor) -> Tensor:
    """Where ``fluid [H, W]`` neither the forward- nor the backward-displaced points cover at some moment of the loop."""
    height, width = fluid.shape
    num_frames = forward.num_frames
    # A point that arrives at the border may find itself outside the fluid and not be drawn.
    inner = -functional.max_pool2d(-functional.pad(fluid[None].float(), (1, 1, 1, 1), value=1.0), 3, 1)[0]
    uncovered = fluid & (inner == 0)
    last = torch.tensor([width, height], dtype=torch.int32, device=fluid.device)
    for n in range(0, num_frames, max(num_frames // BED_SAMPLES, 1)):
        # One point in a pixel's own square is near enough to cover it. Row and column 0 take what lies beyond the canvas.
        occupied = torch.zeros((height + 1) * (width + 1), dtype=torch.bool, device=fluid.device)
        for offset_px in (forward.at(n), backward.at(num_frames - n)):
            at = (start_px + offset_px).add_(1.0).to(torch.int32).clamp_(min=0)
            x, y = torch.minimum(at, last).unbind(1)
            occupied[(y * (width + 1)).add_(x)] = True
        uncovered |= ~occupied.view(height + 1, width + 1)[1:, 1:]
    return uncovered & fluid
