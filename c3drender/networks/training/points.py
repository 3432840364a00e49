"""Layers to the points of one side: where everything is after some frames of drift. Geometry only; it has no gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ... import ops
from ...data import Camera, Layers

SPLAT_RADIUS_PX = 1.5
LEAST_PRESENCE = 0.5  # of the fluid where a point arrives; below, it has left the fluid and is not drawn


@dataclass(frozen=True, eq=False)
class SidePoints:
    """``xyz`` ``[N, 3]`` in the source camera's space, ``radius`` ``[N]`` scene units, ``source`` int64 ``[N]``: the
    layers' pixel whose colour and features each point carries."""

    xyz: Tensor
    radius: Tensor
    source: Tensor


@torch.no_grad()
def drifted_points(layers: Layers, camera: Camera, num_steps: int, *, backward: bool) -> SidePoints:
    """Lift every existing pixel of ``layers`` after ``num_steps`` of its flow, or of the reversed flow.

    ``camera`` sees the picture; the canvas is wider by the layers' margin. A fluid pixel moves in the nearest of its layers
    that does, keeps to the fluid's surface, and is left out where it leaves the fluid or the canvas.
    """
    canvas = camera.padded(layers.margin_px)
    device = layers.rgb.device
    nearest = layers.nearest_moving()
    fluid = nearest >= 0
    source, still = nearest[fluid], (~layers.moving).nonzero()[:, 0]
    centres = layers.centre_px()

    start_px = centres[source]
    step_px = torch.zeros(*layers.size, 2, device=device)
    step_px[fluid] = -layers.step_px[source] if backward else layers.step_px[source]
    xy_px = start_px + ops.integrate_flow(step_px, num_steps, start_px=start_px).offset_px[num_steps]
    # One disparity per pixel of the fluid's surface, interpolated between those that exist.
    surface = torch.zeros(2, *layers.size, device=device)
    surface[0, fluid], surface[1, fluid] = 1.0 / layers.z_cam[source], 1.0
    size = torch.tensor([canvas.width, canvas.height], device=device)
    grid = (xy_px / size * 2 - 1)[None, None]
    disp, presence = functional.grid_sample(surface[None], grid, align_corners=False, padding_mode="border")[0, :, 0]
    kept = (presence > LEAST_PRESENCE) & ((xy_px >= 0) & (xy_px <= size)).all(dim=1)

    xy_px = torch.cat([centres[still], xy_px[kept]])
    z_cam = torch.cat([layers.z_cam[still], (presence / disp.clamp_min(1e-6))[kept]])
    lens = torch.tensor([[canvas.cx, canvas.cy, canvas.fx, canvas.fy]], device=device)
    xyz = torch.cat([(xy_px - lens[:, :2]) / lens[:, 2:], torch.ones_like(z_cam)[:, None]], dim=1) * z_cam[:, None]
    return SidePoints(xyz, SPLAT_RADIUS_PX * z_cam / canvas.fx, torch.cat([still, source[kept]]))


def both_sides(start: Layers, end: Layers, camera: Camera, num_frames: int, frame: int) -> tuple[SidePoints, SidePoints]:
    """The points of ``start`` drifted forward to ``frame``, and those of ``end``, ``num_frames`` later, drifted back to it."""
    return (
        drifted_points(start, camera, frame, backward=False),
        drifted_points(end, camera, num_frames - frame, backward=True),
    )
