"""Smooth steps, means over a part of a picture, planes fitted in windows, the direction of edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from torch import Tensor

ShareT = TypeVar("ShareT", float, np.ndarray, Tensor)

RIDGE = 0.02  # of the window's variance: a narrow strip tells no slope across it


def smooth_step(share: ShareT) -> ShareT:
    """``3 s^2 - 2 s^3`` of ``share``, held in 0..1: from 0 to 1, level at both ends."""
    held = min(max(share, 0.0), 1.0) if isinstance(share, (int, float)) else share.clip(0, 1)
    return held * held * (3.0 - 2.0 * held)


def mean_within(values: np.ndarray, weight: np.ndarray, sigma_px: float, floor: float = 1e-6) -> np.ndarray:
    """At every pixel the Gaussian mean of ``values`` float32 ``[H, W(, C)]``, each times its ``weight`` float32 ``[H, W]``
    (normalised convolution, Knutsson and Westin 1993). Where weights add up to less than ``floor`` it fades to 0."""
    total = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma_px), floor)
    every = (...,) if values.ndim == 2 else (..., None)
    return cv2.GaussianBlur(values * weight[every], (0, 0), sigma_px) / total[every]


@dataclass(frozen=True, eq=False)
class PlaneFit:
    """A map continued beyond where it is known, all ``[h, w]``: its ``value``, the slopes per cell, and ``support``, the share
    of the window (0..1) that knew it."""

    value: np.ndarray
    slope_x: np.ndarray
    slope_y: np.ndarray
    support: np.ndarray


def fit_planes(value: np.ndarray, weight: np.ndarray, sigma: float) -> PlaneFit:
    """Affine regression of ``value`` around every cell, in a Gaussian window of ``sigma`` cells times ``weight``, both float32
    or both float64 ``[h, w]`` (local regression, Cleveland 1979). Exact for a plane's disparity, which is affine in the
    picture."""

    def window(part: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(part, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)

    ys, xs = (axis / weight.dtype.type(sigma) for axis in np.indices(weight.shape, weight.dtype))
    support = window(weight)
    total = np.maximum(support, 1e-12)

    def mean(part: np.ndarray) -> np.ndarray:
        return window(weight * part) / total

    x, y, middle = mean(xs), mean(ys), mean(value)
    xx, yy, xy = mean(xs * xs) - x * x + RIDGE, mean(ys * ys) - y * y + RIDGE, mean(xs * ys) - x * y
    xv, yv = mean(xs * value) - x * middle, mean(ys * value) - y * middle
    det = np.maximum(xx * yy - xy * xy, RIDGE**2)
    slope_x, slope_y = (yy * xv - xy * yv) / det, (xx * yv - xy * xv) / det
    fitted = middle + slope_x * (xs - x) + slope_y * (ys - y)
    return PlaneFit(fitted, slope_x / sigma, slope_y / sigma, support)


def levelness(light: np.ndarray, mean: Callable[[np.ndarray], np.ndarray], floor: float) -> np.ndarray:
    """The direction of the edges of ``light`` float32 ``[H, W]`` nearby, which is where ``mean`` takes its means: -1 upright
    .. 1 level. Where the squares of Sobel's differences are small beside ``floor``, 0."""
    across, down = (mean(cv2.Sobel(light, cv2.CV_32F, *axis) ** 2) for axis in ((1, 0), (0, 1)))
    return (down - across) / (down + across + floor)
