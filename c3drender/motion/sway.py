"""Sway: what swings about its root. Each connected part of a mask is held on one side and bends more the farther it reaches
from there; three frequencies that divide the loop, and phases that travel over the picture like a gust."""

from __future__ import annotations

import cv2
import numpy as np

from ..data import Harmonics
from ..pixels.fits import smooth_step
from .harmonics import NUM_HARMONICS, from_waves

ROOTS = {"bottom": (0, -1), "top": (0, 1), "left": (1, 0), "right": (-1, 0)}  # the way from the root to the tip, (x, y)
REACH_SHARE = 0.006  # of the photo's longer side: how far a tip swings to either side
PART_SHARE = 0.08  # of a part's own extent, at most
SHARES = (0.6, 0.27, 0.13)  # of the reach, by the number of swings in a loop
BENDING = 1.5  # power by which the swing grows from root to tip
FALL_OFF = 8.0  # times the reach: how far beyond the mask the surroundings are drawn along
LEAST_FALL_OFF_PX = 6.0
GUSTS = ((1.1, 0.3, 0.0), (1.7, -0.6, 2.1), (-2.3, 0.9, 4.2))  # phase: turns along x and y over the longer side, and start


def sway_field(mask: np.ndarray, arrows: np.ndarray, root: str = "bottom", strength: float = 1.0) -> Harmonics:
    """The swing of everything in ``mask`` bool ``[H, W]``. ``arrows`` float ``[A, 2, 2]``: direction and reach of the nearest
    part's swing, px. Raises ValueError for an unknown ``root``."""
    if root not in ROOTS:
        raise ValueError(f"root: expected one of {', '.join(ROOTS)}, got {root!r}")
    height, width = mask.shape
    longer = max(height, width)
    swing_px = np.zeros((height, width, 2), np.float32)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    for k in range(1, count):
        x0, y0, w, h = boxes[k, :4]
        extent = float(w if ROOTS[root][1] == 0 else h)
        swing = _asked(arrows, labels, k)
        if swing is None:
            reach = min(REACH_SHARE * longer, PART_SHARE * extent)
            swing = np.array([reach, 0.0] if ROOTS[root][1] else [0.0, reach])
        rows, cols = np.mgrid[0:height, 0:width].astype(np.float32)
        from_root = {"bottom": y0 + h - rows, "top": rows - y0, "left": cols - x0, "right": x0 + w - cols}[root] / extent
        part = labels == k
        fall_off = max(FALL_OFF * float(np.linalg.norm(swing)) * strength, LEAST_FALL_OFF_PX)
        beyond = cv2.distanceTransform((~part).astype(np.uint8), cv2.DIST_L2, 5)
        along = smooth_step(1.0 - beyond / fall_off)
        bent = np.clip(from_root, 0, 1) ** BENDING * along
        swing_px += strength * bent[..., None] * swing
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / longer
    phase = np.stack([2 * np.pi * (across * x + down * y) + start for across, down, start in GUSTS])
    amplitude = np.stack([share * swing_px for share in SHARES[:NUM_HARMONICS]])
    return from_waves(amplitude, phase)


def _asked(arrows: np.ndarray, labels: np.ndarray, part: int) -> np.ndarray | None:
    """The mean of the arrows that start in this part, as ``(x, y)`` px; None where none does."""
    height, width = labels.shape
    own = [
        end - start
        for start, end in arrows
        if labels[min(max(int(start[1]), 0), height - 1), min(max(int(start[0]), 0), width - 1)] == part
    ]
    return np.mean(own, axis=0) if own else None
