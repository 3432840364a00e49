"""Harmonic motion: the displacement of what sways and ripples, at any moment of the loop.

A displacement field is continuous and folds nowhere, so the surface that it bends neither tears nor uncovers anything; all
layers at a pixel move alike.
"""

from __future__ import annotations

import cv2
import torch
from torch import Tensor
from torch.nn import functional

from ..data import SPLAT_RULES, Harmonics
from ..pixels.fits import smooth_step

MAX_BEND = 0.9 * SPLAT_RULES.tear_px  # px of displacement per px: splatted points stay closed


def joined(fields: list[Harmonics]) -> Harmonics:
    """What several motions do together, bent no more than `MAX_BEND` anywhere."""
    most = max(len(field.sine_px) for field in fields)

    def total(planes: list[Tensor]) -> Tensor:
        return torch.stack([functional.pad(p, (0, 0) * 3 + (0, most - len(p))) for p in planes]).sum(0)

    return _bent_less(Harmonics(total([f.sine_px for f in fields]), total([f.cosine_px for f in fields])))


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
    return float(_bends(field).max()) if field.sine_px.numel() > 0 else 0.0


def calmed(field: Harmonics, over_px: int) -> Harmonics:
    """``field``, smaller around each place where it would bend by more than `MAX_BEND`, over so many pixels."""
    size = 2 * over_px + 1
    most = functional.max_pool2d(_bends(field)[None], size, 1, over_px)
    wide = functional.avg_pool2d(most, size, 1, over_px, count_include_pad=False)[0, ..., None]
    scale = (MAX_BEND / wide.clamp_min(1e-6)).clamp_max(1.0)
    return Harmonics(field.sine_px * scale, field.cosine_px * scale)


def _bends(field: Harmonics) -> Tensor:
    """Of each pixel the largest difference of displacement from its neighbours to the right and below, ``[H, W]``."""
    most = field.sine_px.new_zeros(field.sine_px.shape[1:3])
    for n in range(12):
        offset = field.at(n / 12)
        for axis in (0, 1):
            if offset.shape[axis] > 1:
                bend = offset.diff(dim=axis).norm(dim=-1)
                own = most.narrow(axis, 0, offset.shape[axis] - 1)
                torch.maximum(own, bend, out=own)
    return most
