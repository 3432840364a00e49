"""What torch must know of the ops beside their kernels: the shapes of their results, for tracing, and their gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import _C  # noqa: F401  (defines the ops)

_ops = torch.ops.c3drender


# --- splat_points -----------------------------------------------------------------------------------------------------


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
) -> tuple[Tensor, ...]:
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
) -> tuple[Tensor, ...]:
    return (
        xyz.new_empty(xyz.shape if wants_xyz else (0,)),
        xyz.new_empty(feat.shape if wants_feat else (0,)),
        xyz.new_empty((xyz.shape[0],) if wants_radius else (0,)),
    )


def _splat_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    xyz, feat, radius, radius_all, cameras, width, height, compositor, _, depth_tolerance, has_idx, _, opacity = inputs
    ctx.save_for_backward(xyz, feat, radius, cameras, output[3], opacity)
    ctx.numbers = radius_all, width, height, compositor, depth_tolerance
    ctx.has_idx = has_idx
    ctx.set_materialize_grads(False)


def _splat_backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    if not ctx.has_idx:
        raise RuntimeError("splat_points: return_idx must be True for gradients, which need the hits")
    xyz, feat, radius, cameras, idx, opacity = ctx.saved_tensors
    radius_all, width, height, compositor, depth_tolerance = ctx.numbers
    wants = ctx.needs_input_grad[:3]
    grad_xyz, grad_feat, grad_radius = _ops.splat_points_bwd(
        *_contiguous(grads[:3]),
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
        *wants,
        opacity,
    )
    found = (grad_xyz, grad_feat.to(feat.dtype), grad_radius)
    return *(grad if wanted else None for grad, wanted in zip(found, wants, strict=True)), *(None,) * 10


# --- integrate_flow ---------------------------------------------------------------------------------------------------


@torch.library.register_fake("c3drender::integrate_flow")
def _(step_px: Tensor, num_steps: int, start_px: Tensor | None, sampling: int) -> tuple[Tensor, ...]:
    num_paths = step_px.shape[0] * step_px.shape[1] if start_px is None else start_px.shape[0]
    shape = (num_steps + 1, num_paths)
    return step_px.new_empty((*shape, 2)), step_px.new_empty(shape, dtype=torch.bool)


# --- blend_bidirectional ----------------------------------------------------------------------------------------------


@torch.library.register_fake("c3drender::blend_bidirectional")
def _(
    feat_fwd: Tensor,
    alpha_fwd: Tensor,
    disp_fwd: Tensor,
    feat_bwd: Tensor,
    alpha_bwd: Tensor,
    disp_bwd: Tensor,
    loop_t: Tensor | None,
    loop_t_all: float,
    sharpness: float,
) -> tuple[Tensor, ...]:
    return torch.empty_like(feat_fwd), *(torch.empty_like(alpha_fwd) for _ in range(3))


@torch.library.register_fake("c3drender::blend_bidirectional_bwd")
def _(
    grad_feat_out: Tensor | None,
    grad_alpha_out: Tensor | None,
    grad_w_fwd: Tensor | None,
    grad_w_bwd: Tensor | None,
    feat_fwd: Tensor,
    alpha_fwd: Tensor,
    disp_fwd: Tensor,
    feat_bwd: Tensor,
    alpha_bwd: Tensor,
    disp_bwd: Tensor,
    loop_t: Tensor | None,
    loop_t_all: float,
    sharpness: float,
) -> tuple[Tensor, ...]:
    one_side = [torch.empty_like(feat_fwd), torch.empty_like(alpha_fwd), torch.empty_like(alpha_fwd)]
    other_side = [torch.empty_like(t) for t in one_side]
    return *one_side, *other_side, alpha_fwd.new_empty((0,) if loop_t is None else alpha_fwd.shape)


def _blend_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, loop_t_all, sharpness = inputs
    ctx.save_for_backward(*tensors)
    ctx.numbers = loop_t_all, sharpness
    ctx.set_materialize_grads(False)


def _blend_backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    found = _ops.blend_bidirectional_bwd(*_contiguous(grads), *ctx.saved_tensors, *ctx.numbers)
    wanted = ctx.needs_input_grad[:7]
    return *(grad if is_wanted else None for grad, is_wanted in zip(found, wanted, strict=True)), None, None


# --- find_holes -------------------------------------------------------------------------------------------------------


@torch.library.register_fake("c3drender::find_holes")
def _(disp: Tensor, disp_hidden: Tensor, *args: Any) -> Tensor:
    return torch.empty_like(disp_hidden, dtype=torch.bool)


# --- inpaint_layers ---------------------------------------------------------------------------------------------------


@torch.library.register_fake("c3drender::inpaint_layers")
def _(rgb: Tensor, disp: Tensor, hole: Tensor, disp_hidden: Tensor, tear_disp: float) -> tuple[Tensor, ...]:
    return torch.empty_like(rgb), torch.empty_like(disp)


# --- drift_points, compose_frame --------------------------------------------------------------------------------------


@torch.library.register_fake("c3drender::drift_points")
def _(*args: Any) -> None:
    return None


@torch.library.register_fake("c3drender::compose_frame")
def _(
    feat_fwd: Tensor,
    alpha_fwd: Tensor,
    disp_fwd: Tensor,
    feat_bwd: Tensor,
    alpha_bwd: Tensor,
    disp_bwd: Tensor,
    loop_t: float,
    sharpness: float,
    least_alpha: float,
) -> tuple[Tensor, ...]:
    rgb_u8 = feat_fwd.new_empty((*alpha_fwd.shape, 3), dtype=torch.uint8)
    return rgb_u8, torch.empty_like(alpha_fwd, dtype=torch.bool)


# ----------------------------------------------------------------------------------------------------------------------


def _contiguous(grads: tuple[Tensor | None, ...]) -> list[Tensor | None]:
    return [None if grad is None else grad.contiguous() for grad in grads]


def _refuse_gradient(op: str, reason: str) -> None:
    def backward(ctx: Any, *grads: Tensor) -> None:
        raise NotImplementedError(reason)

    torch.library.register_autograd(f"c3drender::{op}", backward)


torch.library.register_autograd("c3drender::splat_points", _splat_backward, setup_context=_splat_context)
torch.library.register_autograd("c3drender::blend_bidirectional", _blend_backward, setup_context=_blend_context)
_refuse_gradient("integrate_flow", "integrate_flow: has no gradient; pass step_px.detach()")
_refuse_gradient("inpaint_layers", "inpaint_layers: has no gradient; pass rgb.detach()")
_refuse_gradient("splat_points_bwd", "splat_points: has no second derivative")
_refuse_gradient("blend_bidirectional_bwd", "blend_bidirectional: has no second derivative")
