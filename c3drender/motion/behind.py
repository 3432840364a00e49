"""Where a fluid goes on behind what stands before it: rocks, posts and twigs that hide a fluid do not dam it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data import HIDES

Array = NDArray[Any]

WINDOW = 0.04  # of the longer side: sigma of the window that the fluid's surface is continued by
REACH = 2.5  # of that sigma: farther from all fluid nothing is known of it
SOFT_EDGE = 0.004  # of the longer side: a depth map's soft edge, narrower than this to either side, parts nothing
WORKING_PX = 320  # the longer side at which surfaces are continued
RIDGE = 0.02  # of the window's variance: a narrow strip of fluid tells no slope across it


@dataclass(frozen=True, eq=False)
class PlaneFit:
    """A map continued beyond where it is known, all ``[h, w]``: its ``value``, the slopes per cell, and ``support``, the share
    of the window (0..1) that knew it."""

    value: Array
    slope_x: Array
    slope_y: Array
    support: Array


def fit_planes(value: Array, weight: Array, sigma: float) -> PlaneFit:
    """Affine regression of ``value`` around every cell, in a Gaussian window of ``sigma`` cells times ``weight``, both float32
    ``[h, w]`` (local regression, Cleveland 1979). Exact for a plane's disparity, which is affine in the picture."""

    def window(part: Array) -> Array:
        return cv2.GaussianBlur(part, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)

    ys, xs = (axis / np.float32(sigma) for axis in np.indices(weight.shape, np.float32))
    support = window(weight)
    total = np.maximum(support, 1e-12)

    def mean(part: Array) -> Array:
        return window(weight * part) / total

    x, y, middle = mean(xs), mean(ys), mean(value)
    xx, yy, xy = mean(xs * xs) - x * x + RIDGE, mean(ys * ys) - y * y + RIDGE, mean(xs * ys) - x * y
    xv, yv = mean(xs * value) - x * middle, mean(ys * value) - y * middle
    det = np.maximum(xx * yy - xy * xy, RIDGE**2)
    slope_x, slope_y = (yy * xv - xy * yv) / det, (xx * yv - xy * xv) / det
    fitted = middle + slope_x * (xs - x) + slope_y * (ys - y)
    return PlaneFit(fitted, slope_x / sigma, slope_y / sigma, support)


def goes_on_behind(moving: Array, disp: Array) -> Array:
    """What does not move and is so much nearer than the fluid beside it that the fluid goes on behind, bool ``[H, W]``.

    ``moving`` bool ``[H, W]``; ``disp`` float32 ``[H, W]`` (1/z, any unit).
    """
    if moving.all() or not moving.any():
        return np.zeros_like(moving)
    height, width = moving.shape
    longer = max(height, width)
    scale = min(1.0, WORKING_PX / longer)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    share = cv2.resize(moving.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    known = cv2.resize(np.where(moving, disp, 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    fit = fit_planes(known / np.maximum(share, 1e-6), share, WINDOW * max(size))
    beside = fit.support > np.exp(-(REACH**2) / 2) / 2
    nearer = HIDES * np.maximum(fit.value, disp[moving].min())
    bound = cv2.resize(np.where(beside, nearer, np.inf).astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
    hides = ~moving & (disp > bound)
    size = 2 * round(SOFT_EDGE * longer) + 1

    def closed(mask: Array) -> Array:
        return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((size, size), np.uint8)) > 0

    between = closed(moving | hides) & ~closed(moving)
    return (hides | between) & ~moving
