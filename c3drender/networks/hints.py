"""Arrows to the dense hint that the motion network is given."""

from __future__ import annotations

import torch
from torch import Tensor


def spread_hints(xy_px: Tensor, steps: Tensor, sigma_px: float, height: int, width: int) -> Tensor:
    """``sum_i w_i m_i / sum_i w_i`` with ``w_i = exp(-(d_i / sigma)^2)`` at every pixel centre: ``[2, H, W]`` from arrows at
    ``xy_px [A, 2]`` with ``steps [A, 2]``. Far from all arrows it is the nearest one's step."""
    y, x = torch.meshgrid(
        *(torch.arange(n, dtype=xy_px.dtype, device=xy_px.device) + 0.5 for n in (height, width)), indexing="ij"
    )
    distance = ((x[..., None] - xy_px[:, 0]) ** 2 + (y[..., None] - xy_px[:, 1]) ** 2) / sigma_px**2
    return (torch.softmax(-distance, dim=-1) @ steps).permute(2, 0, 1).contiguous()
