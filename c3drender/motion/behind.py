"""Where a fluid goes on behind what stands before it: rocks, posts and twigs that hide a fluid do not dam it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data import HIDES
from ..pixels.fits import fit_planes
from ..pixels.masks import closed
from ..pixels.sizes import work_size

Array = NDArray[Any]

WINDOW = 0.04  # of the longer side: sigma of the window that the fluid's surface is continued by
REACH = 2.5  # of that sigma: farther from all fluid nothing is known of it
SOFT_EDGE = 0.004  # of the longer side: a depth map's soft edge, narrower than this to either side, parts nothing
WORKING_PX = 320  # the longer side at which surfaces are continued


def goes_on_behind(moving: Array, disp: Array) -> Array:
    """What does not move and is so much nearer than the fluid beside it that the fluid goes on behind, bool ``[H, W]``.

    ``moving`` bool ``[H, W]``; ``disp`` float32 ``[H, W]`` (1/z, any unit).
    """
    if moving.all() or not moving.any():
        return np.zeros_like(moving)
    height, width = moving.shape
    _, size = work_size(height, width, WORKING_PX)
    share = cv2.resize(moving.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    known = cv2.resize(np.where(moving, disp, 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    fit = fit_planes(known / np.maximum(share, 1e-6), share, WINDOW * max(size))
    beside = fit.support > np.exp(-(REACH**2) / 2) / 2
    nearer = HIDES * np.maximum(fit.value, disp[moving].min())
    bound = cv2.resize(np.where(beside, nearer, np.inf).astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
    hides = ~moving & (disp > bound)
    reach = round(SOFT_EDGE * max(height, width))
    between = closed(moving | hides, reach) & ~closed(moving, reach)
    return (hides | between) & ~moving
