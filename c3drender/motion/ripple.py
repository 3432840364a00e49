"""Ripple: waves that run over still water and bend what it mirrors.

A sea of `TURNS` times `FAN` waves. A wave passes a whole number n of times in a loop, so its frequency is ``2 pi n / T``, and
deep water gives its length: ``omega^2 = g k``, as ``1 / n^2``. Waves of one n run in a fan of directions, wider for short
ones, and are summed into one harmonic: a frame costs as much as with one wave for each. They lie on the water's surface and
are seen in perspective, far ones short. A mirror image is shifted by the slope of the water towards the eye, and less by that
across; the shift is a share of the wave's length on the screen, and less where crests would meet: nothing ever folds.

References
----------
Tessendorf, "Simulating ocean water", SIGGRAPH course notes 2001.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from ..data import Harmonics
from ..pixels.fits import smooth_step
from .guess import LEAST_SHARE, LEAST_SURE_SEEN, LEAST_SURE_TOLD, SURE
from .harmonics import calmed

TURNS = (2, 3, 4, 5)  # n: how often waves pass in a loop ...
SLOPES = (1.0, 0.8, 0.7, 0.6)  # ... how steep they are against the longest ...
FANS = (0.45, 0.6, 0.75, 0.9)  # ... and how far to either side of the heading they run, radians
FAN = (-1.0, -0.45, 0.1, 0.55, 0.95)  # of that, one wave each
LENGTH_SHARE = 0.06  # of the photo's longer side: the longest wave in the middle of the water
SHIFT = 0.04  # of the wavelength on screen: root mean square by which waves of one n shift a mirror image, times root two
SIDEWAYS = 0.35  # of the shift towards the eye: that of a slope across
LEAST_LENGTH_PX = (5.0, 10.0)  # of a wave on screen: shorter ones fade out, pixels cannot show them
NEAR_FAR = (0.1, 4.0)  # range of the disparity relative to the water's middle
FADE_PX = 8.0  # from the water's border
GOLDEN = 0.618  # of a turn from one wave's start to the next: no two crests ever meet everywhere
LEAST_STILL = 0.6  # of a body of water, on its mean: from here on it lies still enough to mirror
MOST_FOAM = 0.05  # of a body of water that lies still


def ripple_field(mask: np.ndarray, disp: np.ndarray, arrows: np.ndarray, strength: float = 1.0) -> Harmonics:
    """The waves on ``mask`` bool ``[H, W]`` of a surface of disparity ``disp`` ``[H, W]``; ``arrows`` float ``[A, 2, 2]`` say
    where to the waves run (none: down the picture)."""
    height, width = mask.shape
    longer = max(height, width)
    sine, cosine = (np.zeros((max(TURNS), height, width, 2), np.float32) for _ in range(2))
    if mask.any():
        depth = 1.0 / np.clip(_level(disp, mask), *NEAR_FAR)
        steps = [end - start for start, end in arrows]
        heading = np.mean(steps, axis=0) if steps else np.array([0.0, 1.0])
        main = np.arctan2(heading[1], heading[0])
        cols = np.arange(width, dtype=np.float32) + 0.5
        # On the surface: across by the pixel's ray, away by the depth; both in units of the longer side at the water's middle.
        across, away = (cols - width / 2) / longer * depth, depth / _tilt(depth, mask, longer)
        inside = strength * SHIFT * smooth_step(_distance_inside(mask) / FADE_PX)
        start = 0.0
        for n, slope, spread in zip(TURNS, SLOPES, FANS, strict=True):
            length = LENGTH_SHARE * (TURNS[0] / n) ** 2
            shares = np.cos(np.array(FAN) * np.pi / 3)  # most of the waves run ahead
            shares /= np.linalg.norm(shares)
            for side, share in zip(FAN, shares, strict=True):
                angle = main + spread * side
                turns = (across * np.cos(angle) - away * np.sin(angle)) / length
                # The wave runs towards larger turns as time passes: its phase falls along its heading.
                on_screen = 1.0 / np.maximum(np.hypot(*np.gradient(turns)), 1e-6)
                shown = smooth_step((on_screen - LEAST_LENGTH_PX[0]) / np.ptp(LEAST_LENGTH_PX))
                shift_px = inside * slope * share * shown * np.minimum(on_screen, length * longer)
                phase = 2 * np.pi * (start - turns)
                towards = np.array([SIDEWAYS * np.cos(angle), np.sin(angle)])
                sine[n - 1] += (shift_px * np.cos(phase))[..., None] * towards
                cosine[n - 1] += (shift_px * np.sin(phase))[..., None] * towards
                start += GOLDEN
    return calmed(Harmonics(torch.from_numpy(sine), torch.from_numpy(cosine)), round(LENGTH_SHARE * longer / 2))


def find_still(water: np.ndarray, foam: np.ndarray, still: np.ndarray, free: np.ndarray | None = None) -> np.ndarray:
    """Bodies of water that surely are and lie still, bool ``[H, W]``, of maps float32 ``[H, W]``, 0..1: level ``water``, its
    ``foam``, how much of the water is ``still``, and how surely it may move (`Scenery.free`)."""
    both = np.minimum(water + foam, 1)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((both > SURE).astype(np.uint8), connectivity=4)
    area = stats[:, cv2.CC_STAT_AREA]
    trust, least_sure = (both, LEAST_SURE_TOLD) if free is None else (both * free, LEAST_SURE_SEEN)
    sum_of = (np.bincount(labels.ravel(), part.ravel(), count) for part in (both, trust, still * both, foam))
    shown, sure, calm, white = sum_of
    found = (sure >= least_sure["water"] * area) & (calm >= LEAST_STILL * shown) & (white <= MOST_FOAM * shown)
    found &= area >= LEAST_SHARE * both.size
    found[0] = False
    return found[labels]


def _level(disp: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The plane that the water is, ``[H, W]``: disparity is affine on one, whatever a depth map makes of mirror images. In
    units of the water's middle."""
    y, x = (axis.astype(np.float32) / max(mask.shape) for axis in np.indices(mask.shape))
    own = np.stack([np.ones(int(mask.sum()), np.float32), x[mask], y[mask]], axis=1)
    level, right, down = np.linalg.lstsq(own, disp[mask] / np.median(disp[mask]), rcond=None)[0]
    return level + right * x + down * y


def _tilt(depth: np.ndarray, mask: np.ndarray, longer: int) -> float:
    """How much the relative depth changes per longer side down the picture, in the water's middle: what makes waves along and
    across equally long there."""
    return max(float(np.median(np.abs(np.gradient(depth, axis=0))[mask])) * longer, 0.2)


def _distance_inside(mask: np.ndarray) -> np.ndarray:
    """From each pixel to the water's border; the picture's frame is none."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    return cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
