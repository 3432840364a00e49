"""`compose_frame`: two splats to a finished frame."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data import Frame, Raster
from .call import SIDE, call, check_tensors, check_type, dense, real


def compose_frame(fwd: Raster, bwd: Raster, loop_t: float, *, sharpness: float, least_alpha: float) -> Frame:
    """Two splats of colour and confidence to a finished frame in 8 bits.

    Colours are divided by their coverage and blended as by `blend_bidirectional` with the splatted confidences in place of
    ``a``. Not differentiable.

    Parameters
    ----------
    fwd, bwd : Raster
        ``feat`` ``[H, W, 4]``, colour and confidence.
    loop_t : float
        In 0..1.
    sharpness : float
        As in `blend_bidirectional`.
    least_alpha : float
        ``uncovered`` is where both sides cover less.

    Returns
    -------
    Frame

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As every op (see the head of this page).

    Examples
    --------
    >>> import torch
    >>> import c3drender as c3d
    >>> from c3drender.data import Raster
    >>> side = Raster(torch.ones(2, 2, 4), torch.ones(2, 2), torch.ones(2, 2))
    >>> c3d.ops.compose_frame(side, side, 0.5, sharpness=4.0, least_alpha=1e-4).rgb_u8[0, 0]
    tensor([255, 255, 255], dtype=torch.uint8)
    """
    op = "compose_frame"
    check_type(op, "fwd", fwd, Raster)
    check_type(op, "bwd", bwd, Raster)
    tensors = {f"{side}.{name}": getattr(raster, name) for side, raster in (("fwd", fwd), ("bwd", bwd)) for name in SIDE}
    check_tensors(op, **tensors)
    numbers = real(op, "loop_t", loop_t), real(op, "sharpness", sharpness), real(op, "least_alpha", least_alpha)
    return Frame(*call(torch.ops.c3drender.compose_frame, *dense(op, *tensors.values()), *numbers))


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
