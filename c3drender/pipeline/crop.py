"""A part of the picture in other proportions, for screens that are not the photo's: where what moves and what is near lies."""

from __future__ import annotations

import re

import numpy as np

from ..files.scene import Scene

EVEN, MOVING = 0.2, 1.0  # how much a pixel counts by itself, and more where it moves; being near counts up to 1
LEAST_SIDE_PX = 16
ASPECT = re.compile(r"(\d+(?:\.\d+)?)\s*[:/x]\s*(\d+(?:\.\d+)?)")


def read_aspect(aspect: str | None) -> float | None:
    """Width over height of ``"9:16"``; None for None."""
    if aspect is None:
        return None
    found = ASPECT.fullmatch(aspect.strip()) if isinstance(aspect, str) else None
    width, height = (float(side) for side in found.groups()) if found else (0.0, 0.0)
    if not (width > 0 and height > 0 and 0.1 <= width / height <= 10):
        raise ValueError(f"aspect: expected WIDTH:HEIGHT, such as 9:16 or 1:1, got {aspect!r}")
    return width / height


def crop_of(scene: Scene, aspect: float) -> tuple[slice, slice]:
    """Rows and columns of the largest part of the photo in these proportions that shows most of what moves and what is near.

    It stays in place over the loop: a window that travelled with what moves would move the world against it.
    """
    layers = scene.layers
    height, width = scene.camera.height, scene.camera.width
    crop_h, crop_w = min(height, round(width / aspect)), min(width, round(height * aspect))
    if min(crop_h, crop_w) < LEAST_SIDE_PX:
        raise ValueError(f"aspect: expected a crop of at least {LEAST_SIDE_PX} px a side, got {crop_w} x {crop_h}")
    disp = layers.of_photo(1.0 / layers.z_cam).cpu().numpy()
    moving = layers.of_photo(layers.moving).cpu().numpy()
    span = max(scene.span.near - scene.span.far, 1e-9)
    weight = EVEN + MOVING * moving + ((disp - scene.span.far) / span).clip(0, 1)
    top, left = _best(weight.sum(axis=1), crop_h), _best(weight.sum(axis=0), crop_w)
    return slice(top, top + crop_h), slice(left, left + crop_w)


def _best(weight: np.ndarray, length: int) -> int:
    """Where a window of ``length`` holds most; of equals the middle one."""
    sums = np.convolve(weight, np.ones(length), "valid")
    best = np.flatnonzero(sums >= sums.max() * (1 - 1e-3))
    return int(best[len(best) // 2])
