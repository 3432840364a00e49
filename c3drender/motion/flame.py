"""Flame: what burns or steams from a base that stays: candles, torches, fires, a plume over a cup.

Each connected part of a mask is held at its lower end. Bends to either side, and breaths along it, start there and run up as
fast as the hot air, growing on the way; they are whole swings per loop, which closes exactly. Tongues of a broad fire, about
as far apart as half its height, bend on their own.
"""

from __future__ import annotations

from math import ceil

import cv2
import numpy as np
import torch

from ..data import Harmonics
from ..pixels.fits import smooth_step

SWINGS = (2, 3, 4, 5)  # in a loop ...
SHARES = (0.4, 0.3, 0.2, 0.1)  # ... and what each has of the reach
LEAN = 0.22  # of a tongue's width: how far its tip bends to either side
BREATH = 0.1  # of a part's height: how far its tip rises and sinks
RISING = 0.35  # of a loop: how long a bend takes from the base to the tip
BENDING = 1.3  # power by which bends grow on that way
TONGUE = 0.5  # of a part's height: how wide one of its tongues is at most
BASE = 0.04  # of a part's height, at its lower end, that does not move at all
LEAST_SHARE = 1e-5  # of the picture: a smaller part, a spark, is held
FALL_OFF = 2.0  # times the reach: how far beyond the mask the surroundings are drawn along
LEAST_FALL_OFF_PX = 4.0
GOLDEN = 0.618  # of a turn from one swing's start to the next
SURE, LEAST_SURE = 0.5, 0.55  # of a pixel that burns, and of all of a part on the mean: what is less sure is no flame
LEAST_FOUND_SHARE = 2e-4  # of the picture: what is smaller, a lamp or a spark, is not found


def flame_field(mask: np.ndarray, arrows: np.ndarray, strength: float = 1.0) -> Harmonics:
    """The flicker of everything in ``mask`` bool ``[H, W]``; ``arrows`` float ``[A, 2, 2]`` say where to flames rise (none:
    up)."""
    height, width = mask.shape
    steps = [end - start for start, end in arrows if np.any(end != start)]
    heading = np.mean(steps, axis=0) if steps else np.array([0.0, -1.0])
    up = heading / max(float(np.linalg.norm(heading)), 1e-6)
    side = np.array([-up[1], up[0]])
    sine, cosine = (np.zeros((max(SWINGS), height, width, 2), np.float32) for _ in range(2))
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    for k in range(1, count):
        x0, y0, w, h, area = stats[k]
        if area < LEAST_SHARE * mask.size:
            continue
        rows, cols = np.nonzero(labels[y0 : y0 + h, x0 : x0 + w] == k)
        along_up = up[0] * (cols + x0) + up[1] * (rows + y0)
        base, extent = float(along_up.min()), float(np.ptp(along_up)) + 1.0
        tongue = min(area / extent, TONGUE * extent)
        lean_px, breath_px = strength * LEAN * tongue, strength * BREATH * extent
        fall_off = max(FALL_OFF * max(lean_px, breath_px), LEAST_FALL_OFF_PX)
        around = ceil(min(fall_off, max(height, width)))
        box = np.s_[max(y0 - around, 0) : y0 + h + around, max(x0 - around, 0) : x0 + w + around]
        part = labels[box] == k
        y, x = np.mgrid[0 : part.shape[0], 0 : part.shape[1]].astype(np.float32)
        x, y = x + box[1].start, y + box[0].start
        risen = np.clip(((up[0] * x + up[1] * y - base) / extent - BASE) / (1.0 - BASE), 0.0, 1.0)
        across = (side[0] * (x - centres[k][0]) + side[1] * (y - centres[k][1])) / (TONGUE * extent)
        near = smooth_step(1.0 - cv2.distanceTransform((~part).astype(np.uint8), cv2.DIST_L2, 5) / fall_off)
        sideways, upward = lean_px * near * risen**BENDING, breath_px * near * risen
        for n, (swings, share) in enumerate(zip(SWINGS, SHARES, strict=True)):
            start = (k + n) * GOLDEN + 0.2 * np.sin(2 * np.pi * (across / (n + 1.5) + n * GOLDEN))
            phase = 2 * np.pi * (start - swings * RISING * risen)
            bends = np.stack([sideways * np.cos(phase), sideways * np.sin(phase)])[..., None] * side
            # A breath is a quarter of a turn late: a flame that leans is on its way up.
            breaths = np.stack([upward * np.sin(phase), -upward * np.cos(phase)])[..., None] * up
            sine[swings - 1][box] += share * (bends[0] + breaths[0])
            cosine[swings - 1][box] += share * (bends[1] + breaths[1])
    return Harmonics(torch.from_numpy(sine), torch.from_numpy(cosine))


def find_flames(fire: np.ndarray) -> np.ndarray:
    """What surely burns, bool ``[H, W]``, where a segmenter is so sure of flames: ``fire`` float32 ``[H, W]``, 0..1."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((fire > SURE).astype(np.uint8), connectivity=8)
    sure = np.bincount(labels.ravel(), fire.ravel(), count) >= LEAST_SURE * stats[:, cv2.CC_STAT_AREA]
    sure &= stats[:, cv2.CC_STAT_AREA] >= LEAST_FOUND_SHARE * fire.size
    sure[0] = False
    return sure[labels]
