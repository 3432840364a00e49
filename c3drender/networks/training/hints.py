"""Random sparse hints: what a user's few arrows would say of a known flow."""

from __future__ import annotations

import torch
from torch import Tensor

from ..hints import spread_hints
from .samples import integer

MAX_ARROWS = 5


def random_hint(generator: torch.Generator, step_px: Tensor, mask: Tensor) -> Tensor:
    """The dense hint ``[2, H, W]`` that 1 to 5 arrows make: the flow ``step_px [2, H, W]`` at random points of ``mask
    [1, H, W]``, spread by Gaussians of a random width; 0 outside the mask, and everywhere where nothing moves."""
    height, width = step_px.shape[1:]
    moving = mask[0].nonzero()
    if len(moving) == 0:
        return torch.zeros_like(step_px)
    num_arrows = integer(generator, 1, MAX_ARROWS)
    chosen = moving[torch.randint(len(moving), (num_arrows,), generator=generator)]
    steps = step_px[:, chosen[:, 0], chosen[:, 1]].T
    sigma_px = integer(generator, max(height // (2 * num_arrows), 1), max(2 * height // num_arrows, 2) - 1)
    return spread_hints(chosen.flip(1) + 0.5, steps, float(sigma_px), height, width) * mask
