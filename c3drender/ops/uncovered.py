"""`fill_uncovered`: what no point of a frame covers."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..data import Frame
from .call import call, check_tensors, check_type, dense


def fill_uncovered(frame: Frame) -> Frame:
    """Continue the uncovered pixels of a frame from what is covered, ring by ring.

    A pixel's colour is the mean of those of its eight neighbours that are covered, or were continued before: in rounds, of
    which each colours all pixels beside what had a colour when it began, ``sum / 9 / (count / 9)`` in float32, row by row.
    Where nothing is covered nothing changes. Not differentiable.

    Parameters
    ----------
    frame : Frame
        ``rgb_u8`` ``[H, W, 3]``, ``uncovered`` ``[H, W]``.

    Returns
    -------
    Frame
        The same but for its ``rgb_u8``.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As every op (see the head of this page).

    Examples
    --------
    >>> import torch
    >>> import c3drender as c3d
    >>> from c3drender.data import Frame
    >>> grey = torch.full((1, 3, 3), 80, dtype=torch.uint8)
    >>> grey[0, 2] = 0
    >>> c3d.ops.fill_uncovered(Frame(grey, torch.tensor([[False, False, True]]))).rgb_u8[0, 2]
    tensor([80, 80, 80], dtype=torch.uint8)
    """
    op = "fill_uncovered"
    check_type(op, "frame", frame, Frame)
    tensors = {"frame.rgb_u8": frame.rgb_u8, "frame.uncovered": frame.uncovered}
    check_tensors(op, **tensors)
    filled: Tensor = call(torch.ops.c3drender.fill_uncovered, *dense(op, *tensors.values()))
    return replace(frame, rgb_u8=filled)


@torch.library.register_fake("c3drender::fill_uncovered")
def _(rgb: Tensor, uncovered: Tensor) -> Tensor:
    return torch.empty_like(rgb)
