"""What torch must know of `splat_points` beside its kernels: the shapes of its results, for tracing, and its gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .call import check_dims, contiguous, refuse_gradient

MOST_POINTS = 64  # kMaxHits


@torch.library.register_fake("c3drender::splat_points")
def _(
    xyz: Tensor,
    feat: Tensor,
    radius: Tensor | None,
    radius_all: float,
    cameras: Tensor,
    width: int,
    height: int,
    compositor: int,
    max_points: int,
    depth_tolerance: float,
    return_idx: bool,
    hidden: Tensor | None = None,
    opacity: Tensor | None = None,
    radius_unit: int = 0,
) -> tuple[Tensor, ...]:
    if xyz.dim() != 2 or xyz.shape[1] != 3:
        raise ValueError(f"splat_points: xyz must be [N, 3], got {list(xyz.shape)}")
    check_dims("splat_points", "feat", feat, "[N, C]")
    for name, value, shape in (
        ("feat", feat, [len(xyz), feat.shape[1]]),
        ("radius", radius, [len(xyz)]),
        ("opacity", opacity, [len(xyz)]),
    ):
        if value is not None and list(value.shape) != shape:
            raise ValueError(f"splat_points: {name} must be {shape} (from xyz), got {list(value.shape)}")
    if not 1 <= max_points <= MOST_POINTS:
        raise ValueError(f"splat_points: max_points must be 1..{MOST_POINTS}, got {max_points}")
    views = (cameras.shape[0], height, width)
    idx_shape = (*views, max_points) if return_idx else (0,)
    return (
        xyz.new_empty((*views, feat.shape[1])),
        xyz.new_empty(views),
        xyz.new_empty(views),
        xyz.new_empty(idx_shape, dtype=torch.int32),
    )


@torch.library.register_fake("c3drender::splat_points_out")
def _(*args: Any) -> None:
    return None


@torch.library.register_fake("c3drender::splat_points_bwd")
def _(
    grad_feat_out: Tensor | None,
    grad_alpha_out: Tensor | None,
    grad_disp_out: Tensor | None,
    xyz: Tensor,
    feat: Tensor,
    radius: Tensor | None,
    radius_all: float,
    cameras: Tensor,
    width: int,
    height: int,
    compositor: int,
    depth_tolerance: float,
    idx: Tensor,
    wants_xyz: bool,
    wants_feat: bool,
    wants_radius: bool,
    opacity: Tensor | None = None,
    wants_opacity: bool = False,
    wants_cameras: bool = False,
    radius_unit: int = 0,
) -> tuple[Tensor, ...]:
    return (
        xyz.new_empty(xyz.shape if wants_xyz else (0,)),
        xyz.new_empty(feat.shape if wants_feat else (0,)),
        xyz.new_empty((xyz.shape[0],) if wants_radius else (0,)),
        xyz.new_empty((xyz.shape[0],) if wants_opacity else (0,)),
        xyz.new_empty(cameras.shape if wants_cameras else (0,)),
    )


def _splat_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    xyz, feat, radius, radius_all, cameras, width, height, compositor, _, depth_tolerance, has_idx, _, opacity, unit = inputs
    ctx.save_for_backward(xyz, feat, radius, cameras, output[3], opacity)
    ctx.numbers = radius_all, width, height, compositor, depth_tolerance, unit
    ctx.has_idx = has_idx
    ctx.set_materialize_grads(False)


def _splat_backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    if not ctx.has_idx:
        raise RuntimeError("splat_points: return_idx must be True for gradients, which need the hits")
    xyz, feat, radius, cameras, idx, opacity = ctx.saved_tensors
    radius_all, width, height, compositor, depth_tolerance, unit = ctx.numbers
    wants_xyz, wants_feat, wants_radius, _, wants_cameras, *_ = ctx.needs_input_grad
    wants_opacity = opacity is not None and ctx.needs_input_grad[12]  # torch leaves out what is as by default
    grad_xyz, grad_feat, grad_radius, grad_opacity, grad_cameras = torch.ops.c3drender.splat_points_bwd(
        *contiguous(grads[:3]),
        xyz,
        feat.float(),
        radius,
        radius_all,
        cameras,
        width,
        height,
        compositor,
        depth_tolerance,
        idx,
        wants_xyz,
        wants_feat,
        wants_radius,
        opacity,
        wants_opacity,
        wants_cameras,
        unit,
    )
    return (
        grad_xyz if wants_xyz else None,
        grad_feat.to(feat.dtype) if wants_feat else None,
        grad_radius if wants_radius else None,
        None,
        grad_cameras.to(cameras.device) if wants_cameras else None,
        *(None,) * 7,
        grad_opacity if wants_opacity else None,
        None,
    )


torch.library.register_autograd("c3drender::splat_points", _splat_backward, setup_context=_splat_context)
refuse_gradient("splat_points_bwd", "splat_points: has no second derivative")
