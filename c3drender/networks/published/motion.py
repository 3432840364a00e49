"""The released motion stage: arrows to a dense hint, the motion network, and what is done to its flow."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ...data import FRAMES_PER_ARROW
from ..hints import spread_hints
from ..motion import MotionNetwork
from .filters import box

NETWORK_SIDE = 768
SMOOTHING_PX = 15  # at the network's size


def hint_sigma(height: int, num_arrows: int) -> float:
    """The width, in pixels, of an arrow's influence: the middle of the range from which the released code draws one."""
    return (height // (2 * num_arrows) + height // (num_arrows / 2)) / 2


def dense_hints(moving: Tensor, arrows: Tensor, sigma_px: float, side: int = NETWORK_SIDE) -> tuple[Tensor, Tensor]:
    """The network's mask ``[1, side, side]``, soft, and hint ``[2, side, side]``, pixels per frame at that size.

    ``moving`` bool ``[H, W]``; ``arrows`` float32 ``[A, 2, 2]`` (see `data.MotionHints`), at least one.
    """
    height, width = moving.shape
    steps = (arrows[:, 1] - arrows[:, 0]) / FRAMES_PER_ARROW
    field = spread_hints(arrows[:, 0].trunc() + 0.5, steps, sigma_px, height, width) * moving
    scale = field.new_tensor([side / width, side / height])[:, None, None]
    hint = functional.interpolate((field * scale)[None], (side, side), mode="bilinear", align_corners=False)[0]
    return functional.interpolate(moving.to(torch.float32)[None, None], (side, side), mode="area")[0], hint


def flow_from_motion(motion: Tensor, mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Flow ``[2, H, W]``, pixels per frame at ``size``, of the network's ``motion [2, s, s]`` within ``mask [1, s, s]``."""
    height, width = size
    motion = box(motion * mask, SMOOTHING_PX) * mask
    scale = motion.new_tensor([width / motion.shape[2], height / motion.shape[1]])[:, None, None]
    return functional.interpolate((motion * scale)[None], size, mode="bilinear", align_corners=False)[0]


def predict_flow(network: MotionNetwork, rgb: Tensor, moving: Tensor, arrows: Tensor) -> Tensor:
    """Flow ``[2, H, W]`` of the photo ``rgb [3, H, W]`` in 0..1."""
    side = (NETWORK_SIDE, NETWORK_SIDE)
    mask, hint = dense_hints(moving, arrows, hint_sigma(len(moving), len(arrows)))
    # PIL's bicubic: Catmull-Rom's kernel, widened where it shrinks the picture.
    small = functional.interpolate(rgb[None], side, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
    return flow_from_motion(network(small * 2 - 1, mask[None], hint[None])[0], mask, (rgb.shape[1], rgb.shape[2]))
