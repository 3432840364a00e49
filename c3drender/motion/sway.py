"""Sway: what swings about its root. Each connected part of a mask is held on one side and bends more the farther it reaches
from there; three frequencies that divide the loop, and phases that travel over the picture like a gust."""

from __future__ import annotations

from math import ceil

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
LEAST_SHARE = 1e-4  # of the picture: a smaller part, a segmenter's speck, is held unless an arrow starts in it
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
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    asked = _asked(arrows, labels)
    for k in range(1, count):
        x0, y0, w, h, area = stats[k]
        if area < LEAST_SHARE * mask.size and k not in asked:
            continue
        extent = float(w if ROOTS[root][1] == 0 else h)
        swing = asked.get(k)
        if swing is None:
            reach = min(REACH_SHARE * longer, PART_SHARE * extent)
            swing = np.array([reach, 0.0] if ROOTS[root][1] else [0.0, reach])
        fall_off = max(FALL_OFF * float(np.linalg.norm(swing)) * strength, LEAST_FALL_OFF_PX)
        around = ceil(min(fall_off, longer))  # beyond, nothing is drawn along
        box = np.s_[max(y0 - around, 0) : y0 + h + around, max(x0 - around, 0) : x0 + w + around]
        part = labels[box] == k
        rows = np.arange(part.shape[0], dtype=np.float32)[:, None] + box[0].start
        cols = np.arange(part.shape[1], dtype=np.float32) + box[1].start
        from_root = {"bottom": y0 + h - rows, "top": rows - y0, "left": cols - x0, "right": x0 + w - cols}[root] / extent
        beyond = cv2.distanceTransform((~part).astype(np.uint8), cv2.DIST_L2, 5)
        along = smooth_step(1.0 - beyond / fall_off)
        bent = np.clip(from_root, 0, 1) ** BENDING * along
        swing_px[box] += strength * bent[..., None] * swing
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / longer
    phase = np.stack([2 * np.pi * (across * x + down * y) + start for across, down, start in GUSTS])
    amplitude = np.stack([share * swing_px for share in SHARES[:NUM_HARMONICS]])
    return from_waves(amplitude, phase)


def _asked(arrows: np.ndarray, labels: np.ndarray) -> dict[int, np.ndarray]:
    """By the label of a part, the mean of the arrows that start in it, as ``(x, y)`` px."""
    height, width = labels.shape
    steps: dict[int, list[np.ndarray]] = {}
    for start, end in arrows:
        at = labels[min(max(int(start[1]), 0), height - 1), min(max(int(start[0]), 0), width - 1)]
        steps.setdefault(int(at), []).append(end - start)
    return {part: np.mean(own, axis=0) for part, own in steps.items()}
