"""Clouds, mist and surf along what rests: they come to rest there, as nothing tells exactly where they end, and so slowly that
their crests are not squeezed against it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..pixels.fits import smooth_step
from ..pixels.masks import opened

Array = NDArray[Any]

REACH_SHARE = 0.04  # of the longer side: so far from what rests all has its full speed
AIR_REACH_SHARE = 0.1  # ... so far from clear sky and from clouds that rest, where nothing else shows that they do
FRAMES_TO_REST = 80  # what reaches it within so many is slowed down: in half a loop crests come closer by some third
THIN_SHARE = 0.008  # what is narrower than this to either side (posts, twigs, birds) slows nothing down


def slowed_towards_rest(step_px: Array, slows: Array, air: Array) -> Array:
    """``step_px`` float32 ``[H, W, 2]`` of which what ``slows``, bool ``[H, W]``, comes to rest where it borders on what
    rests: within a short way of land and things, a longer one of what is ``air``, bool ``[H, W]``, too.

    What is fast slows down from farther off: its pace is ``t - t^2 / 4``, where it would be there in ``t`` times
    `FRAMES_TO_REST` frames, less than two. Of all ways to rest the even one squeezes least, and near it this is one.

    A ridge of which the sky's map has a strip would go along and be doubled, and mist that leaves a ridge at full speed bares
    what nobody has seen. The picture's frame slows nothing down. To a sea the horizon rests, whether the sky drifts or not: it
    is too far away to be seen moving, and where it left the sky nobody knows what comes after it.
    """
    longer = max(slows.shape)
    speed_px = np.hypot(*np.moveaxis(step_px, -1, 0))
    rests = opened(speed_px == 0, round(THIN_SHARE * longer))
    pace = np.ones_like(step_px[..., 0])
    for where, slowed, reach in (
        (rests & ~air, slows, REACH_SHARE),
        (air, slows & ~air, REACH_SHARE),
        (rests & air, slows, AIR_REACH_SHARE),
    ):
        if where.any() and slowed.any():
            away = cv2.distanceTransform((~where).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            soon = np.minimum(away / np.maximum(FRAMES_TO_REST * speed_px, 1e-6), 2)
            slow = np.minimum(smooth_step(away / (reach * longer)), soon - soon**2 / 4)
            pace = np.minimum(pace, np.where(slowed, slow, 1))
    return step_px * pace[..., None]
