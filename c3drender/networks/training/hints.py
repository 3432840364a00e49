"""Random sparse hints: what a user's few arrows would say of a known flow."""

from __future__ import annotations

import torch
from torch import Tensor

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


def spread_hints(xy_px: Tensor, steps: Tensor, sigma_px: float, height: int, width: int) -> Tensor:
    """``sum_i w_i m_i / sum_i w_i`` with ``w_i = exp(-(d_i / sigma)^2)`` at every pixel centre: ``[2, H, W]`` from arrows at
    ``xy_px [A, 2]`` with ``steps [A, 2]``. Far from all arrows it is the nearest one's step."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    distance = ((x[..., None] - xy_px[:, 0]) ** 2 + (y[..., None] - xy_px[:, 1]) ** 2) / sigma_px**2
    return (torch.softmax(-distance, dim=-1) @ steps).permute(2, 0, 1).contiguous()
