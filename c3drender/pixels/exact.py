"""Sums and products in a fixed order, each rounded by itself: the core's `c3d::Scene`, which draws without torch, comes to the
same bits. `torch.lerp`, `addcmul` and matrix products may fuse, or add in any order, as the processor has it."""

from __future__ import annotations

import torch
from torch import Tensor


def lerp(start: Tensor, end: Tensor, share: Tensor | float, out: Tensor | None = None) -> Tensor:
    """``start + (end - start) share``; written to ``out``, where one is given."""
    return torch.add(start, (end - start).mul_(share), out=out)
