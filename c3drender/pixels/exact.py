"""Sums and products in a fixed order, each rounded by itself: the core's `c3d::Scene`, which draws without torch, comes to the
same bits. `torch.lerp`, `addcmul` and matrix products may fuse, or add in any order, as the processor has it."""

from __future__ import annotations

import torch
from torch import Tensor


def lerp(start: Tensor, end: Tensor, share: Tensor | float, out: Tensor | None = None) -> Tensor:
    """``start + (end - start) share``; written to ``out``, where one is given."""
    return torch.add(start, (end - start).mul_(share), out=out)


def weighted_sum(weights: list[float], values: Tensor) -> Tensor:
    """``sum_k weights[k] values[k]`` of ``[K, ...]``, from the first on; what weighs nothing is left out."""
    total, product = values.new_zeros(values.shape[1:]), values.new_empty(values.shape[1:])
    for weight, value in zip(weights, values, strict=True):
        if weight != 0.0:
            total += torch.mul(value, weight, out=product)
    return total
