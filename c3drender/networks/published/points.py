"""The released lifting: layers and their features to points, displaced along the flow."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ... import ops
from ...data import Camera
from .filters import UNKNOWN, diffuse, erode
from .layers import DepthLayers, limited_depth

VISIBLE_INSET = 5
DIFFUSION_SIZE, DIFFUSION_ITERATIONS = 15, 7
SPLAT_RADIUS_PX = 1.5  # the released code's, which its weights know; `SplatRules` are this package's own
RGBA = 4  # the channels before the features


@dataclass(frozen=True, eq=False)
class Sheets:
    """Layers ready to be displaced, near to far. ``feat`` ``[L, H, W, 4 + C + 1]``: colour, how far the photo shows it,
    features, and room for the disparity, which each frame has anew. ``z_cam`` ``[L, H, W]``; ``exists``, ``reached`` bool
    ``[L, H, W]``: where the layer is, and where displacements of its visible part ``visible`` (``[L, H, W]``, 0 or 1) spread
    to."""

    camera: Camera
    feat: Tensor
    z_cam: Tensor
    exists: Tensor
    visible: Tensor
    reached: Tensor


@dataclass(frozen=True, eq=False)
class Side:
    """Points displaced in one direction: ``xyz`` ``[N, 3]``, ``feat`` ``[N, 4 + C + 1]`` as in `Sheets`, ``radius`` ``[N]`` in
    scene units."""

    xyz: Tensor
    feat: Tensor
    radius: Tensor


def released_camera(width: int, height: int) -> Camera:
    """The photo's camera as the released code has it."""
    focal = float(max(width, height))
    return Camera(focal, focal, float(width // 2), float(height // 2), width, height)


def _spread(value: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    return diffuse(value, visible, DIFFUSION_SIZE, DIFFUSION_ITERATIONS)


def _enlarged(x: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(x, size, mode="bilinear", align_corners=True)


def make_sheets(rgb: Tensor, layers: DepthLayers, features: Tensor) -> Sheets:
    """``rgb [3, H, W]``: the photo; ``features [L, C, h, w]`` of its ``layers``, of any size."""
    height, width = rgb.shape[1:]
    shown = functional.interpolate(layers.visible[:, None], features.shape[2:], mode="area")
    sums = _enlarged(torch.cat([features * shown, shown], dim=1).sum(dim=0, keepdim=True), (height, width))[0]
    merged = (sums[:-1] / sums[-1:].clamp_min(1e-6)).permute(1, 2, 0)
    num_layers, num_features = features.shape[:2]
    feat = rgb.new_empty(num_layers, height, width, RGBA + num_features + 1)
    z_cam, visible, reached = [], [], []
    parts = zip(feat, layers.rgba, limited_depth(layers.z_cam), layers.visible, features.split(1), strict=True)
    for rows, rgba, z, seen, encoded in parts:
        inner = erode(seen[None], VISIBLE_INSET)
        shows = inner[0, ..., None] > 0
        rows[..., :RGBA] = torch.where(shows, torch.cat([rgb, inner]).permute(1, 2, 0), rgba.permute(1, 2, 0))
        rows[..., RGBA:-1] = torch.where(shows, _enlarged(encoded, (height, width))[0].permute(1, 2, 0), merged)
        spread_z, weight = _spread(z[None], inner)
        near = weight > UNKNOWN
        z_cam.append(torch.where(near, spread_z, z[None])[0])
        visible.append(inner[0])
        reached.append(near[0])
    exists = layers.rgba[:, 3] > 0.5
    camera = released_camera(width, height)
    return Sheets(camera, feat, torch.stack(z_cam), exists, torch.stack(visible), torch.stack(reached))


def spread_offsets(sheets: Sheets, offset_px: Tensor) -> Tensor:
    """Displacements ``[C, H, W]`` of the photo's pixels as each layer moves by them: ``[L, C, H, W]``, spread from what the
    photo shows of it as far as they reach, 0 beyond."""
    parts = zip(sheets.visible, sheets.reached, strict=True)
    return torch.stack([torch.where(reached, _spread(offset_px, visible[None])[0], 0.0) for visible, reached in parts])


def displaced(sheets: Sheets, offset_px: Tensor) -> Side:
    """The points after ``offset_px [L, 2, H, W]`` (x, y), the displacement of every pixel of each layer."""
    camera, device = sheets.camera, offset_px.device
    height, width = camera.height, camera.width
    grid = torch.stack(torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")).to(device, torch.float32)
    last = grid.new_tensor([width - 1.0, height - 1.0])[:, None, None]
    principal = grid.new_tensor([camera.cx, camera.cy])[:, None, None]
    nearer, taken = grid.new_zeros(3, height, width), torch.zeros(height, width, dtype=torch.bool, device=device)
    kept, xyz_kept = [], []
    for z, exists, moved_px in zip(sheets.z_cam, sheets.exists, offset_px, strict=True):
        target = grid + moved_px
        xyz = torch.cat([(target - principal) / camera.fx * z, z[None]])
        xyz = torch.where(taken & (z <= nearer[2]), nearer * 1.01, xyz)
        nearer, taken = torch.where(exists, xyz, nearer), taken | exists
        inside = exists & ((target >= 0) & (target <= last)).all(dim=0)
        kept.append(inside)
        xyz_kept.append(xyz[:, inside].T)
    xyz = torch.cat(xyz_kept).contiguous()
    feat = sheets.feat.flatten(0, 2)[torch.stack(kept).flatten().nonzero()[:, 0]]
    return Side(xyz, feat, SPLAT_RADIUS_PX / camera.fx * xyz[:, 2])


def euler_offsets(step_px: Tensor, num_steps: int) -> Tensor:
    """Displacements ``[num_steps + 1, 2, H, W]`` along a flow ``[2, H, W]``, by the released code's rule."""
    trace = ops.integrate_flow(step_px.permute(1, 2, 0).contiguous(), num_steps, sampling="nearest")
    return trace.offset_px.view(num_steps + 1, *step_px.shape[1:], 2).permute(0, 3, 1, 2)
