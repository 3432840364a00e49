"""`inpaint_layers`: colour and disparity of what a layer hides."""

from __future__ import annotations

import torch
from torch import Tensor

from .call import call, check_tensors, dense, in_float32, real, refuse_gradient


def inpaint_layers(rgb: Tensor, disp: Tensor, hole: Tensor, disp_hidden: Tensor, *, tear_disp: float) -> tuple[Tensor, Tensor]:
    """Fill colour and disparity of what a layer hides, from the same or farther surfaces only.

    Every hole pixel takes a known pixel as its source whose surroundings look like its own (PatchMatch, coarse to fine),
    which is at most ``tear_disp`` nearer than the surface it continues, and at most half of the way to what hides it; patches
    vote for the colours (Wexler et al.), the winners are copied and blended by their gradients. Pixels next to the edge of
    something nearer, whose colours are mixed, and pixels that are not finite or have ``disp <= 0`` are never a source.

    Parameters
    ----------
    rgb : Tensor
        float32 ``[H, W, 3]``.
    disp : Tensor
        float32 ``[H, W]``: disparity (1/z); in the hole that of what hides it, <= 0 where nothing does (beyond a picture's
        border).
    hole : Tensor
        bool ``[H, W]``: what to fill.
    disp_hidden : Tensor
        ``[H, W]``: in the hole, the disparity of the surface to continue; it is smoothed, and kept ``tear_disp`` behind what
        hides it.
    tear_disp : float
        Difference of disparity that tells two surfaces apart, finite.

    Returns
    -------
    rgb, disp : Tensor
        Pixels outside the hole are returned as they are.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As every op (see the head of this page). Where no pixel can be a source, the CPU raises ValueError; CUDA, which does
        not wait to see it, fills with NaN.

    References
    ----------
    Barnes et al., "PatchMatch: A Randomized Correspondence Algorithm for Structural Image Editing", SIGGRAPH 2009.

    Wexler, Shechtman, Irani, "Space-Time Completion of Video", PAMI 2007.

    Examples
    --------
    >>> import torch
    >>> import c3drender as c3d
    >>> rgb, wall = torch.full((32, 32, 3), 0.5), torch.full((32, 32), 0.25)
    >>> hole = torch.zeros(32, 32, dtype=torch.bool)
    >>> hole[12:20, 12:20] = True
    >>> filled, disp = c3d.ops.inpaint_layers(rgb, torch.where(hole, 1.0, wall), hole, wall, tear_disp=0.02)
    >>> filled[16, 16]
    tensor([0.5000, 0.5000, 0.5000])
    """
    op = "inpaint_layers"
    check_tensors(op, rgb=rgb, disp=disp, hole=hole, disp_hidden=disp_hidden)
    tear = real(op, "tear_disp", tear_disp)
    rgb, disp, disp_hidden = in_float32(op, rgb, disp, disp_hidden)
    (hole,) = dense(op, hole)
    filled: tuple[Tensor, Tensor] = call(torch.ops.c3drender.inpaint_layers, rgb, disp, hole, disp_hidden, tear)
    return filled


@torch.library.register_fake("c3drender::inpaint_layers")
def _(rgb: Tensor, disp: Tensor, hole: Tensor, disp_hidden: Tensor, tear_disp: float) -> tuple[Tensor, ...]:
    return torch.empty_like(rgb), torch.empty_like(disp)


refuse_gradient("inpaint_layers", "inpaint_layers: has no gradient; pass rgb.detach()")
