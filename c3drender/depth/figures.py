"""Persons and animals: each is one surface, and what is around it another.

The network knows better where a figure is than how near its rim is: nearness is blurred across its outline, and hair, ears and
feathers would come off as strips that are as near as neither side. So the figure's outline is taken from the picture, and
nearness is told on either side by what lies beyond the blur. Flames and smoke, which have no surface, hold together too.
"""

from __future__ import annotations

import numpy as np

from ..pixels.colours import part_by_colour
from ..pixels.masks import Parts, shrunk
from ..pixels.nearest import Nearest
from ..pixels.segments import SEGMENT_CLASSES
from .segments import Borders, Segments

FIGURES, AIRY = (tuple(SEGMENT_CLASSES.index(name) for name in names) for names in (("person", "animal"), ("smoke", "fire")))
FROM = 0.4  # a share above this is a figure's
RIM_PX = 6  # of nearness' blur across an outline
THIN_PX = 36  # so far from its body a figure's limbs and ears are as near as that
BELIEF, POWER = 0.03, 4  # how much of a segment's own share is believed, and how fast that falls where it wavers
LEAST = 1e-6  # keeps the least squares definite
# Odds: by how much likelier a border is one of one surface where both sides are surely a figure's, and one of two where one
# side alone is. Of what has no surface either, both sides are one. The shares from which on that holds, and fully:
ONE, TWO = 20.0, 10.0
LITTLE, MOST = 0.3, 0.6


def find_figure(rgb: np.ndarray, kinds: list[np.ndarray]) -> np.ndarray:
    """How much of each pixel is a person or an animal, float32 ``[h, w]``, edges on the picture's; ``rgb`` float32
    ``[h, w, 3]``, ``kinds`` the classes' shares ``[h, w]``."""
    share = sum((kinds[k] for k in FIGURES), np.zeros_like(kinds[0]))
    return part_by_colour(rgb, share[..., None])[..., 0]


def share_of(figure: np.ndarray, segments: Segments, borders: Borders) -> np.ndarray:
    """How much of each segment is a figure's, ``[n]``: what wavers is what it looks like beside it, such as an ear that is as
    brown as the head (least squares, the soft form of random walks from seeds; Grady 2006)."""
    share = segments.mean(figure)
    if share.max() <= FROM:
        return share
    believed = BELIEF * segments.area * np.abs(2 * share - 1) ** POWER + LEAST
    return np.clip(borders.solve(borders.length * borders.affinity + LEAST, 0.0, believed, share), 0, 1)


def without_rims(near: np.ndarray, figure: np.ndarray) -> np.ndarray:
    """``near`` ``[h, w]`` with a ``figure`` (bool) as near at its rim and in thin parts as farther in, and what is around it
    as near there as farther off."""
    sharp = near.copy()
    if not figure.any():
        return sharp
    body = Parts.of(figure).labels
    for side, reach_px in ((figure, THIN_PX), (~figure, 2 * RIM_PX)):
        core = shrunk(side, RIM_PX)
        if core.any():
            beyond = Nearest.of(core)
            pixel = beyond.to(side)
            same = (body.reshape(-1)[pixel] == body[side]) & (beyond.distance[side] < reach_px)
            sharp[side] = np.where(same, near.reshape(-1)[pixel], near[side])
    return sharp


def find_airy(kinds: np.ndarray) -> np.ndarray:
    """How much of each pixel has no surface, float32 ``[h, w]``; ``kinds`` the classes' shares ``[K, h, w]``."""
    return kinds[list(AIRY)].sum(axis=0)


def odds(a: np.ndarray, b: np.ndarray, airy: np.ndarray) -> np.ndarray:
    """By how much likelier borders part two surfaces, given how much of either side is a figure's, and how much of both has no
    surface, all ``[B]``."""
    within = np.clip((np.maximum(np.minimum(a, b), airy) - LITTLE) / (MOST - LITTLE), 0, 1)
    return (1 + (TWO - 1) * np.abs(a - b)) / (1 + (ONE - 1) * within)
