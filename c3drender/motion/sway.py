"""Sway: what swings about its root, in one wind for the whole picture.

Each connected part of a mask is held on one side and bends more the farther it reaches from there. A gust runs over the
picture; every part answers it as a damped oscillator does, large ones slowly and late, small ones at once and with a flutter:
neighbours lean one after the other. The gust and its answer are whole swings per loop, which closes exactly.
"""

from __future__ import annotations

from math import ceil

import cv2
import numpy as np
import torch

from ..data import Harmonics
from ..pixels.fits import smooth_step

ROOTS = {"bottom": (0, -1), "top": (0, 1), "left": (1, 0), "right": (-1, 0)}  # the way from the root to the tip, (x, y)
REACH_SHARE = 0.006  # of the photo's longer side: how far a tip swings to either side
PART_SHARE = 0.08  # of a part's own extent, at most
BENDING = 1.5  # power by which the swing grows from root to tip
LEAST_SHARE = 1e-4  # of the picture: a smaller part, a segmenter's speck, is held unless an arrow starts in it
FALL_OFF = 8.0  # times the reach: how far beyond the mask the surroundings are drawn along
LEAST_FALL_OFF_PX = 6.0
WIND = (1.0, 0.6, 0.35, 0.2)  # by the number of its swings in a loop: one gust, and calm behind it
CROSSING = (0.6, 0.2)  # of a loop: how long the gust takes for a longer side across, and down
START = 0.45  # of a loop: when the gust is at the picture's left border
OWN_SWINGS = 2.2  # in a loop, of a part that is a quarter of the longer side long; of others by the root of their length
MOST_SWINGS = (1.4, 4.5)  # range of that
DAMPING = 0.3  # of the critical one


def sway_field(mask: np.ndarray, arrows: np.ndarray, root: str = "bottom", strength: float = 1.0) -> Harmonics:
    """The swing of everything in ``mask`` bool ``[H, W]``. ``arrows`` float ``[A, 2, 2]``: direction and reach of the nearest
    part's swing, px, with the wind. Raises ValueError for an unknown ``root``."""
    if root not in ROOTS:
        raise ValueError(f"root: expected one of {', '.join(ROOTS)}, got {root!r}")
    height, width = mask.shape
    longer = max(height, width)
    answer = np.zeros((2, len(WIND), height, width, 2), np.float32)  # in phase with the wind, and a quarter of a turn ahead
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
        bent = strength * (np.clip(from_root, 0, 1) ** BENDING * along)[..., None] * swing
        for n, own in enumerate(answer_to_wind(extent / longer)):
            answer[0, n][box] += own.real * bent
            answer[1, n][box] += own.imag * bent
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / longer
    heading = -1.0 if asked and sum(swing[0] for swing in asked.values()) < 0 else 1.0
    since = heading * CROSSING[0] * x + CROSSING[1] * y + START  # the gust comes later downwind
    turned = -2 * np.pi * since * np.arange(1, len(WIND) + 1, dtype=np.float32)[:, None, None]
    cos, sin = np.cos(turned)[..., None], np.sin(turned)[..., None]
    # The answer ``A sin(2 pi k t + phase)`` to the wind ``cos(2 pi k (t - since))``.
    return Harmonics(
        torch.from_numpy(-(answer[0] * sin + answer[1] * cos)), torch.from_numpy(answer[0] * cos - answer[1] * sin)
    )


def answer_to_wind(extent: float) -> np.ndarray:
    """How a part of ``extent`` longer sides answers the `WIND`: complex, by the number of swings; the sizes add up to 1."""
    swings = np.arange(1, len(WIND) + 1) / np.clip(OWN_SWINGS / np.sqrt(max(extent, 1e-3) / 0.25), *MOST_SWINGS)
    answer = np.array(WIND) / (1.0 - swings**2 + 2j * DAMPING * swings)
    return answer / np.abs(answer).sum()


def _asked(arrows: np.ndarray, labels: np.ndarray) -> dict[int, np.ndarray]:
    """By the label of a part, the mean of the arrows that start in it, as ``(x, y)`` px."""
    height, width = labels.shape
    steps: dict[int, list[np.ndarray]] = {}
    for start, end in arrows:
        at = labels[min(max(int(start[1]), 0), height - 1), min(max(int(start[0]), 0), width - 1)]
        steps.setdefault(int(at), []).append(end - start)
    return {part: np.mean(own, axis=0) for part, own in steps.items()}
