"""Harmonic motion: the displacement of what sways and ripples, at any moment of the loop.

A displacement field is continuous and folds nowhere, so the surface that it bends neither tears nor uncovers anything; all
layers at a pixel move alike.
"""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..data import SPLAT_RULES, Harmonics
from ..pixels.fits import smooth_step

ArrayT = TypeVar("ArrayT", np.ndarray, Tensor)

NUM_HARMONICS = 3  # 1, 2 and 3 swings in one loop
MAX_BEND = 0.9 * SPLAT_RULES.tear_px  # px of displacement per px: splatted points stay closed


def from_waves(amplitude_px: np.ndarray, phase: np.ndarray) -> Harmonics:
    """The harmonics of ``sum_k amplitude_k (sin(2 pi k t + phase_k) - sin(phase_k))``: ``[K, H, W, 2]`` and ``[K, H, W]``."""
    sine = (amplitude_px * np.cos(phase)[..., None]).astype(np.float32)
    cosine = (amplitude_px * np.sin(phase)[..., None]).astype(np.float32)
    return Harmonics(torch.from_numpy(sine), torch.from_numpy(cosine))


def joined(fields: list[Harmonics]) -> Harmonics:
    """What several motions do together, bent no more than `MAX_BEND` anywhere."""
    return _bent_less(
        Harmonics(torch.stack([f.sine_px for f in fields]).sum(0), torch.stack([f.cosine_px for f in fields]).sum(0))
    )


def held_still(field: Harmonics, moving: Tensor) -> Harmonics:
    """``field`` kept away from what flows (bool ``[H, W]``), to which it fades, and bent no more than `MAX_BEND` anywhere."""
    reach = reach_px(field)
    if moving.any():
        distance = cv2.distanceTransform((~moving).to(torch.uint8).cpu().numpy(), cv2.DIST_L2, 5)
        fade = smooth_step(torch.from_numpy(distance) / max(4.0 * reach, 1.0))[None, :, :, None]
        field = Harmonics(field.sine_px * fade, field.cosine_px * fade)
    return _bent_less(field)


def _bent_less(field: Harmonics) -> Harmonics:
    scale = min(1.0, MAX_BEND / max(max_bend(field), 1e-6))
    return Harmonics(field.sine_px * scale, field.cosine_px * scale)


def on_canvas(field: Harmonics, margin_px: int) -> Harmonics:
    """``field`` continued ``margin_px`` beyond every side."""

    def pad(planes: Tensor) -> Tensor:
        channels = planes.permute(0, 3, 1, 2)
        return functional.pad(channels, (margin_px,) * 4, mode="replicate").permute(0, 2, 3, 1).contiguous()

    return Harmonics(pad(field.sine_px), pad(field.cosine_px))


def reach_px(field: Harmonics) -> float:
    """An upper bound of the displacement's length."""
    return float((field.sine_px.norm(dim=-1) + 2.0 * field.cosine_px.norm(dim=-1)).sum(dim=0).max())


def max_bend(field: Harmonics) -> float:
    """The largest difference of displacement between neighbouring pixels, over the loop."""
    most = 0.0
    for n in range(12):
        offset = field.at(n / 12)
        for axis in (0, 1):
            if offset.shape[axis] > 1:
                most = max(most, float(offset.diff(dim=axis).norm(dim=-1).max()))
    return most
