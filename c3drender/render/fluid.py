"""What drifts: which of the layers' pixels are the fluid, its points and their ways, its surface, and where it thins out."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import torch
from torch import Tensor
from torch.nn import functional

from ..data import HIDES, Layers, PointCloud
from ..pixels.fits import smooth_step
from ..pixels.fringe import without_fringe
from .contrast import ContrastGains, PointDetails, point_details
from .drift import Drift
from .phase import LoopCopies

FADE = 1 / 200  # of the longer side: the width over which a fluid's motion fades in from its border
LEAST_FREEDOM = 0.1  # of a fluid pixel that moves: along the border it would only blur what rests there
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
    """Continue ``values [C, H, W]`` by two pixels beyond where they exist, so that interpolation never reads a hole."""
    weight = exists[None, None].to(torch.float32)
    value = values[None] * weight
    for _ in range(2):
        near = functional.avg_pool2d(value, 3, 1, 1), functional.avg_pool2d(weight, 3, 1, 1)
        value = torch.where(weight > 0, value, near[0] / near[1].clamp_min(1e-6))
        weight = ((weight > 0) | (near[1] > 1e-6)).to(torch.float32)
    return value[0]


def fade_in(exists: Tensor, width_px: float) -> Tensor:
    """0 at the border of ``exists [H, W]``, rising smoothly to 1 at ``width_px`` inside."""
    distance = torch.from_numpy(cv2.distanceTransform(exists.cpu().to(torch.uint8).numpy(), cv2.DIST_L2, 5))
    # At the canvas' edge a fluid leaves the picture: that is no border, and the transform takes it for none.
    return smooth_step((distance - 1.0) / width_px).to(exists.device)


def clean(rgb: Tensor, layers: Layers, surface: Tensor) -> tuple[Tensor, Tensor]:
    """`without_fringe` of the layers' ``rgb [P, 3]``, where the fluid's ``surface`` (bool ``[P]``) is seen: in the nearest
    layer, and through its soft edges. Also which pixels that changed, bool ``[P]``."""
    front, pixel = layers.part(0), layers.pixel
    cover = layers.plane(layers.alpha, 0)
    seen = surface & ((cover > 0) & (cover < 1)).view(-1)[pixel]
    seen[front] = surface[front]
    visible, fluid = layers.plane(rgb, 0), torch.zeros_like(cover, dtype=torch.bool)
    visible.view(-1, 3)[pixel[seen]] = rgb[seen]
    fluid.view(-1)[pixel[seen]] = True
    still = (cover > 0) & ~fluid
    cleaned, fringe = without_fringe(visible.cpu().numpy(), fluid.cpu().numpy(), still.cpu().numpy())
    changed = seen & torch.from_numpy(fringe).to(rgb.device).view(-1)[pixel]
    return torch.where(changed[:, None], torch.from_numpy(cleaned).to(rgb.device).view(-1, 3)[pixel], rgb), changed


def details_of(rgb: Tensor, layers: Layers, moves: Tensor) -> PointDetails:
    """Of the layers' pixels ``moves``, of the colours ``rgb [P, 3]``."""
    planes = [(layers.plane(rgb, layer), layers.plane(moves, layer)) for layer in range(layers.num_layers)]
    details = [point_details(*plane) for plane in planes]
    return PointDetails(torch.cat([d.fine for d in details]), torch.cat([d.broad for d in details]))


def surface_of(disp: Tensor, rgb: Tensor, exists: Tensor, freedom: Tensor) -> Tensor:
    """`FluidPoints.surface` from ``disp [H, W]``, ``rgb [H, W, 3]``, ``exists`` and ``freedom`` ``[H, W]``."""
    spread = _spread(torch.cat([disp[..., None], rgb], dim=-1).permute(2, 0, 1), exists)
    planes = [spread[:1], exists[None].to(torch.float32), freedom[None], spread[1:], torch.zeros_like(spread[:2])]
    return torch.cat(planes).permute(1, 2, 0).contiguous()


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
