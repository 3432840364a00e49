"""The released depth stage: a relative disparity, in 65535 steps, and the depth made of it."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from scipy.ndimage import median_filter
from torch import Tensor
from torch.nn import functional

from ..dpt import SIDE_MULTIPLE, DepthNetwork

NETWORK_SIDE = 384
STEPS = 65535
LEAST_DISP = 1e-6


def network_size(height: int, width: int) -> tuple[int, int]:
    """Both sides scaled so that the one that changes less becomes 384 px, then rounded to multiples of 32."""
    scale = min(NETWORK_SIDE / height, NETWORK_SIDE / width, key=lambda s: abs(1 - s))
    rows, columns = (max(round(scale * n / SIDE_MULTIPLE), 1) * SIDE_MULTIPLE for n in (height, width))
    return rows, columns


def estimate_disparity(network: DepthNetwork, rgb: Tensor) -> Tensor:
    """Disparity ``[H, W]``, free scale, of a photo ``[3, H, W]`` in 0..1."""
    height, width = rgb.shape[1:]
    rows, columns = network_size(height, width)
    small = cv2.resize(rgb.permute(1, 2, 0).cpu().numpy(), (columns, rows), interpolation=cv2.INTER_CUBIC)
    pixels = torch.from_numpy(small).permute(2, 0, 1)[None].to(rgb.device) * 2 - 1
    predicted = network(pixels)[:, None]
    return functional.interpolate(predicted, (height, width), mode="bicubic", align_corners=False)[0, 0]


def depth_from_disparity(disp: Tensor) -> Tensor:
    """Depth ``[H, W]``, 1 at the nearest pixel, of a disparity of any range; isolated values are removed."""
    low, high = disp.min(), disp.max()
    # The released code keeps disparity as a 16-bit picture, cut off and not rounded.
    steps = ((disp - low) / (high - low).clamp_min(torch.finfo(disp.dtype).tiny) * STEPS).to(torch.int32)
    levels = (steps.cpu().numpy() / STEPS).astype(np.float32)
    return (1.0 / torch.from_numpy(median_filter(levels, 5)).clamp_min(LEAST_DISP)).to(disp.device)
