"""What lies halfway between the two sides of a cut goes with the side that it looks like.

A segment that straddles an outline, or one that the least squares leave between two surfaces, is a strip as near as neither:
it would come off on both of its sides.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..pixels.colours import part_by_colour
from ..pixels.fits import mean_within
from ..pixels.masks import grown, square

REACH_PX = 7  # so far from a cut its two sides are sought
LEAST_JUMP, LEAST_SPAN = 0.04, 0.06  # of disparity, between neighbours and within reach: less is no cut
DECIDED = 0.15  # a share of the nearer side so close to 0 or 1 is of one side
SIDE_PX, PURITY = 5.0, 32  # standard deviation of a side's mean, and the power of the share that a pixel counts by in it
UNKNOWN = np.float32(0.5)  # a share that tells no colour


def settle_halfway(rgb: np.ndarray, disp: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``disp`` float32 ``[h, w]``, 0..1, whose pixels near a cut are on one of its sides. Which one their colours tell, in the
    picture ``rgb`` float32 ``[h, w, 3]``, 0..1; what is on a side stays as it is, and so does what is ``whole``, bool
    ``[h, w]``: a shoulder lies halfway between a face and what is behind both."""
    window = square(REACH_PX)
    farthest = cv2.erode(disp, window)
    span = cv2.dilate(disp, window) - farthest
    beside_cut = grown(_jumps(disp), REACH_PX) & (span > LEAST_SPAN)
    share = np.where(beside_cut, (disp - farthest) / np.maximum(span, LEAST_SPAN), UNKNOWN)
    halfway = beside_cut & ~whole & (share > DECIDED) & (share < 1 - DECIDED)
    if not halfway.any():
        return disp
    near, far = (mean_within(disp, side**PURITY, SIDE_PX) for side in (share, 1 - share))
    nearer = part_by_colour(rgb, share[..., None])[..., 0] > 0.5
    return _without_islands(disp, np.where(halfway, np.where(nearer, near, far), disp))


def _jumps(disp: np.ndarray) -> np.ndarray:
    """Where neighbours differ by more than `LEAST_JUMP`, on both sides."""
    found = np.zeros(disp.shape, bool)
    for first, second, at, after in (
        (disp[:-1], disp[1:], found[:-1], found[1:]),
        (disp[:, :-1], disp[:, 1:], found[:, :-1], found[:, 1:]),
    ):
        apart = np.abs(first - second) > LEAST_JUMP
        at |= apart
        after |= apart
    return found


def _without_islands(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """``after`` without what came nearer or went farther by itself, with nothing beside it that was there ``before``: a patch
    of a backdrop is not a figure's because it has its colours (reconstruction by dilation, Vincent 1993, and by erosion)."""
    held = np.minimum(before, after)
    for _ in range(REACH_PX):
        held = np.minimum(cv2.dilate(held, square(1)), after)
    after, held = held, np.maximum(before, held)
    for _ in range(REACH_PX):
        held = np.maximum(cv2.erode(held, square(1)), after)
    return held
