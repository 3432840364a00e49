"""What stands thin before the sky: poles, masts, ropes, bare branches, which a coarse map takes for sky."""

from __future__ import annotations

import cv2
import numpy as np

from ..pixels.masks import Parts, grown
from ..pixels.sizes import work_size

WORK_SIDE_PX = 480  # the longer side of the reduced picture that is looked at
THIN_PX = 7  # half the width that is thin, across
DARKER, SURELY_DARKER = 0.06, 0.10  # than the sky to both sides, of lightness (CIE L / 100)
SURE_SHARE = 0.4  # of a thing's pixels
LEAST_HEIGHT_PX, LEAST_SLENDERNESS = 8, 0.7  # its height, and that over its width: streaks of cloud lie level
SKY = 0.5


def without_thin(sky: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """``sky`` float32 ``[H, W]``, 0..1, without what is narrow across, darker than the sky on both sides (closing by a level
    line; black top-hat, Meyer 1979), and stands on, or hangs from, what is no sky. ``rgb`` float32 ``[H, W, 3]``, 0..1.

    Only what is darker: gaps between branches are narrow and brighter.
    """
    height, width = sky.shape
    _, size = work_size(height, width, WORK_SIDE_PX)
    inside = cv2.resize(sky, size, interpolation=cv2.INTER_AREA) > SKY
    if not inside.any() or inside.all():
        return sky
    small = np.clip(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), 0, 1)
    light = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)[..., 0] / 100
    darker = cv2.morphologyEx(light, cv2.MORPH_CLOSE, np.ones((1, 2 * THIN_PX + 1), np.uint8)) - light
    things = Parts.of(inside & (darker > DARKER))
    num_sure = np.bincount(things.labels[inside & (darker > SURELY_DARKER)], minlength=len(things.area))
    stands = things.touched(grown(~inside, 1)) & (num_sure > SURE_SHARE * things.area)
    stands &= (things.height >= LEAST_HEIGHT_PX) & (things.height > LEAST_SLENDERNESS * things.width)
    found = things.joined(stands)
    if not found.any():
        return sky
    return sky * (1 - cv2.resize(found.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR))
