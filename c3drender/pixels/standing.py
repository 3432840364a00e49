"""What stands thin before the sky or mist: poles, masts, ropes, bare branches, which a coarse map does
not know from what is behind."""

from __future__ import annotations

import cv2
import numpy as np

from .masks import Parts, grown
from .sizes import work_size

WORK_SIDE_PX = 480  # the longer side of the reduced picture that is looked at
THIN_PX = 7  # half the width that is thin, across
DARKER, SURELY_DARKER = 0.06, 0.10  # than the sky to both sides, of lightness (CIE L / 100)
SURE_SHARE = 0.4  # of a thing's pixels
LEAST_HEIGHT_PX, LEAST_SLENDERNESS = 8, 0.7  # its height, and that over its width: streaks of cloud lie level
FOOT_PX = 3  # so far below a thing is what it stands on
HEAD_SHARE, HEAD_STEP = 0.002, 0.02  # of the picture, and of disparity: what is smaller and nearer hangs on a thin thing
FROM = 0.5  # a share above this is sky or mist


def find_thin(behind: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """What is thin before the sky and mist, bool ``[H, W]``: narrow across, darker than both of its sides (closing by a level
    line; black top-hat, Meyer 1979), and it stands on, or hangs from, what is neither, or on the picture's foot. ``behind``
    float32 ``[H, W]``, 0..1: the share of sky and mist; ``rgb`` float32 ``[H, W, 3]``, 0..1.

    Only what is darker: gaps between branches are narrow and brighter.
    """
    height, width = behind.shape
    _, size = work_size(height, width, WORK_SIDE_PX)
    known = cv2.resize(behind, size, interpolation=cv2.INTER_AREA) > FROM
    if not known.any():
        return np.zeros((height, width), bool)
    across = np.ones((1, 2 * THIN_PX + 1), np.uint8)
    inside = cv2.morphologyEx(known.view(np.uint8), cv2.MORPH_CLOSE, across).view(bool)  # with what the map knows already
    small = np.clip(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), 0, 1)
    light = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)[..., 0] / 100
    darker = cv2.morphologyEx(light, cv2.MORPH_CLOSE, across) - light
    things = Parts.of(inside & (darker > DARKER))
    num_sure = np.bincount(things.labels[inside & (darker > SURELY_DARKER)], minlength=len(things.area))
    stands = (things.touched(grown(~inside, 1)) | things.touched(-1)) & (num_sure > SURE_SHARE * things.area)
    stands &= (things.height >= LEAST_HEIGHT_PX) & (things.height > LEAST_SLENDERNESS * things.width)
    found = things.joined(stands).astype(np.float32)
    return cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5


def on_their_feet(disp: np.ndarray, thin: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """``disp`` ``[h, w]`` in which what is ``thin``, bool ``[h, w]``, is as near as what is below it that is not ``behind``: a
    tower is upright, and its head, which may be wider, as far away as its foot. What has no foot in the picture stays as it
    is."""
    things = Parts.of(thin)
    rows, columns = np.nonzero(thin)
    below = np.minimum(rows + FOOT_PX, len(disp) - 1)
    stands = ~(thin | behind)[below, columns]
    thing, foot = things.labels[rows, columns][stands], disp[below, columns][stands]
    settled = disp.copy()
    for k in np.unique(thing):
        here, as_near = things.labels == k, np.median(foot[thing == k])
        # Nothing stands before it alone: what is nearer and small is the rest of its head.
        nearer = Parts.of(~here & (disp > as_near + HEAD_STEP))
        head = nearer.touched(grown(here, 1)) & (nearer.area < HEAD_SHARE * disp.size)
        settled[here | nearer.joined(head)] = as_near
    return settled
