"""Ripple: waves that run over still water and bend what it mirrors.

Waves of a few lengths and directions lie on the water's surface and are seen in perspective: far ones are short. A mirror
image is shifted by the slope of the water, up and down most; the shift is a fixed share of the wavelength: nothing ever folds.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..data import Harmonics
from .harmonics import from_waves, smooth_step

LENGTH_SHARE = 0.05  # of the photo's longer side: the longest wave in the middle of the water
# By the number of periods that pass in a loop: wavelength over the longest, angle to the main direction (radians), height.
WAVES = ((1.0, 0.0, 1.0), (0.62, 0.5, 0.7), (0.44, -0.6, 0.5))
SHIFT = 0.02  # of the wavelength, by which a mirror image is shifted
SIDEWAYS = 0.35  # of that, across
LEAST_LENGTH_PX = (5.0, 10.0)  # of a wave on screen: shorter ones fade out, pixels cannot show them
NEAR_FAR = (0.1, 4.0)  # range of the disparity relative to the water's middle
FADE_PX = 8.0  # from the water's border


def ripple_field(mask: np.ndarray, disp: np.ndarray, arrows: np.ndarray, strength: float = 1.0) -> Harmonics:
    """The waves on ``mask`` bool ``[H, W]`` of a surface of disparity ``disp`` ``[H, W]``; ``arrows`` float ``[A, 2, 2]`` say
    where to the waves run (none: down the picture)."""
    height, width = mask.shape
    longer = max(height, width)
    if not mask.any():
        return from_waves(np.zeros((len(WAVES), height, width, 2)), np.zeros((len(WAVES), height, width)))
    depth = 1.0 / np.clip(disp / np.median(disp[mask]), *NEAR_FAR)
    steps = [end - start for start, end in arrows]
    heading = np.mean(steps, axis=0) if steps else np.array([0.0, 1.0])
    main = np.arctan2(heading[1], heading[0])
    cols = np.arange(width, dtype=np.float32) + 0.5
    # On the surface: across by the pixel's ray, away by the depth; both in units of the longer side at the water's middle.
    across, away = (cols - width / 2) / longer * depth, depth
    tilt = _tilt(depth, mask, longer)
    inside = smooth_step(_distance_inside(mask) / FADE_PX)
    amplitudes, phases = [], []
    for length, turn, share in WAVES:
        angle = main + turn
        turns = (across * np.cos(angle) - away / tilt * np.sin(angle)) / (LENGTH_SHARE * length)
        # The wave runs towards larger turns as time passes: its phase falls along its heading.
        on_screen = 1.0 / np.maximum(np.hypot(*np.gradient(turns)), 1e-6)
        shown = smooth_step((on_screen - LEAST_LENGTH_PX[0]) / np.ptp(LEAST_LENGTH_PX))
        height_px = strength * SHIFT * share * np.minimum(on_screen, LENGTH_SHARE * length * longer) * shown * inside
        amplitudes.append(np.stack([SIDEWAYS * height_px, height_px], axis=-1))
        phases.append(-2 * np.pi * turns)
    return from_waves(np.stack(amplitudes), np.stack(phases))


def _tilt(depth: np.ndarray, mask: np.ndarray, longer: int) -> float:
    """How much the relative depth changes per longer side down the picture, in the water's middle: what makes waves along and
    across equally long there."""
    slope = np.abs(np.gradient(cv2.GaussianBlur(depth.astype(np.float32), (0, 0), 3.0), axis=0))[mask]
    return max(float(np.median(slope)) * longer, 0.2)


def _distance_inside(mask: np.ndarray) -> np.ndarray:
    """From each pixel to the water's border; the picture's frame is none."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    return cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
