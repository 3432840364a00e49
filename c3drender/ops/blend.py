"""`blend_bidirectional`: the two sides of a loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..data import Raster
from .call import SIDE, call, check_tensors, check_type, contiguous, in_float32, real, refuse_gradient


@dataclass(frozen=True, eq=False)
class BlendedRaster:
    """Two rasters blended.

    Attributes
    ----------
    feat : Tensor
        float32 ``[.., H, W, C]``.
    alpha : Tensor
        ``[.., H, W]``.
    w_fwd, w_bwd : Tensor
        ``[.., H, W]``, the weights.
    """

    feat: Tensor
    alpha: Tensor
    w_fwd: Tensor
    w_bwd: Tensor


def blend_bidirectional(fwd: Raster, bwd: Raster, loop_t: float | Tensor, *, sharpness: float = 4.0) -> BlendedRaster:
    """Blend the forward- and the backward-displaced raster (the paper's eq. 7).

    ``w_f ~ (1 - t) a_f exp(k d_f)``, ``w_b ~ t a_b exp(k d_b)``, divided by ``max(w_f + w_b, 1e-6)``; ``k`` is ``sharpness``,
    ``d`` the composited disparity.

    Parameters
    ----------
    fwd, bwd : Raster
        Displaced by the flow from the loop's start, and back from its end.
    loop_t : float or Tensor
        In 0..1: a number, or float32 ``[.., H, W]``.
    sharpness : float
        How much more the nearer side counts.

    Returns
    -------
    BlendedRaster

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As every op (see the head of this page).

    Notes
    -----
    Differentiable once in both rasters and a tensor ``loop_t``. To learn the sharpness, scale ``disp`` by it and pass 1.

    References
    ----------
    Li et al., "3D Cinemagraphy from a Single Image", CVPR 2023, section 3.3.

    Examples
    --------
    >>> import torch
    >>> import c3drender as c3d
    >>> from c3drender.data import Raster
    >>> near = Raster(torch.ones(2, 2, 3), torch.ones(2, 2), torch.ones(2, 2))
    >>> far = Raster(torch.zeros(2, 2, 3), torch.ones(2, 2), torch.full((2, 2), 0.1))
    >>> blended = c3d.ops.blend_bidirectional(near, far, 0.5)
    >>> float(blended.feat[0, 0, 0]) > 0.9  # in the middle of the loop the nearer side counts more
    True
    """
    op = "blend_bidirectional"
    check_type(op, "fwd", fwd, Raster)
    check_type(op, "bwd", bwd, Raster)
    tensors = {f"{side}.{name}": getattr(raster, name) for side, raster in (("fwd", fwd), ("bwd", bwd)) for name in SIDE}
    if isinstance(loop_t, Tensor):
        check_tensors(op, **tensors, loop_t=loop_t)
        (per_pixel,), loop_t_all = in_float32(op, loop_t), 0.0
    else:
        check_tensors(op, **tensors)
        per_pixel, loop_t_all = None, real(op, "loop_t", loop_t)
    k = real(op, "sharpness", sharpness)
    sides = in_float32(op, *tensors.values())
    return BlendedRaster(*call(torch.ops.c3drender.blend_bidirectional, *sides, per_pixel, loop_t_all, k))


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
    found = torch.ops.c3drender.blend_bidirectional_bwd(*contiguous(grads), *ctx.saved_tensors, *ctx.numbers)
    wanted = ctx.needs_input_grad[:7]
    return *(grad if is_wanted else None for grad, is_wanted in zip(found, wanted, strict=True)), None, None


torch.library.register_autograd("c3drender::blend_bidirectional", _blend_backward, setup_context=_blend_context)
refuse_gradient("blend_bidirectional_bwd", "blend_bidirectional: has no second derivative")
