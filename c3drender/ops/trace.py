"""`integrate_flow`: where an Eulerian flow carries points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .call import call, check_dims, check_tensors, choice, in_float32, refuse_gradient, whole

Sampling = Literal["bilinear", "nearest"]
MOST_STEPS = 2**20  # as the core has it
SAMPLINGS = {"bilinear": 0, "nearest": 1}


@dataclass(frozen=True, eq=False)
class FlowTrace:
    """Where points drift.

    Attributes
    ----------
    offset_px : Tensor
        float32 ``[T+1, P, 2]``, (x, y) from the start after 0..T steps.
    inside : Tensor
        bool ``[T+1, P]``, False from the step at which the path left the frame.
    """

    offset_px: Tensor
    inside: Tensor


def integrate_flow(
    step_px: Tensor, num_steps: int, *, start_px: Tensor | None = None, sampling: Sampling = "bilinear"
) -> FlowTrace:
    """Euler integration of an Eulerian flow field: every intermediate displacement in one pass, O(num_steps).

    ``bilinear``: ``x_{k+1} = x_k + F(x_k)``, F interpolated between pixel centres and clamped at the border. A path that
    leaves ``[0, W] x [0, H]`` stays at the first position outside; one that starts outside, or at NaN, never moves.
    ``nearest``: the released code's rule (``golden/PIPELINE.md`` 6.1), which needs ``start_px=None``.

    Parameters
    ----------
    step_px : Tensor
        float32 ``[H, W, 2]``, pixels per step (x, y). For the backward direction pass ``-step_px``.
    num_steps : int
    start_px : Tensor, optional
        float32 ``[P, 2]``: start positions, pixel centres at +0.5; None: the centre of every pixel, row-major, P = H*W.
    sampling : {"bilinear", "nearest"}

    Returns
    -------
    FlowTrace

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As every op (see the head of this page).

    References
    ----------
    Holynski et al., "Animating Pictures with Eulerian Motion Fields", CVPR 2021.

    Examples
    --------
    >>> import torch
    >>> import c3drender as c3d
    >>> step_px = torch.ones(4, 6, 2)
    >>> trace = c3d.ops.integrate_flow(step_px, 2, start_px=torch.tensor([[0.5, 0.5], [5.5, 3.5]]))
    >>> trace.offset_px[2]  # the second one left the frame with its first step, and stays there
    tensor([[2., 2.],
            [1., 1.]])
    >>> trace.inside[2]
    tensor([ True, False])
    """
    op = "integrate_flow"
    check_tensors(op, step_px=step_px, **({} if start_px is None else {"start_px": start_px}))
    kind = choice(op, "sampling", sampling, SAMPLINGS)
    steps = whole(op, "num_steps", num_steps)
    (step_px,) = in_float32(op, step_px)
    (start_px,) = (None,) if start_px is None else in_float32(op, start_px)
    offset_px, inside = call(torch.ops.c3drender.integrate_flow, step_px, steps, start_px, kind)
    return FlowTrace(offset_px, inside)


@torch.library.register_fake("c3drender::integrate_flow")
def _(step_px: Tensor, num_steps: int, start_px: Tensor | None, sampling: int) -> tuple[Tensor, ...]:
    check_dims("integrate_flow", "step_px", step_px, "[H, W, 2]")
    if start_px is not None:
        check_dims("integrate_flow", "start_px", start_px, "[P, 2]")
    if not 0 <= num_steps <= MOST_STEPS:
        raise ValueError(f"integrate_flow: num_steps must be 0..2^20, got {num_steps}")
    num_paths = step_px.shape[0] * step_px.shape[1] if start_px is None else start_px.shape[0]
    shape = (num_steps + 1, num_paths)
    return step_px.new_empty((*shape, 2)), step_px.new_empty(shape, dtype=torch.bool)


refuse_gradient("integrate_flow", "integrate_flow: has no gradient; pass step_px.detach()")
