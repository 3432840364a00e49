"""From a coarse, blurred nearness to surfaces: segments take it on, join their like, part where the picture has an edge."""

from __future__ import annotations

import cv2
import numpy as np

from ..data import Nearness, Scenery
from ..pixels.masks import shrunk
from ..pixels.nearest import nearest_inside
from ..pixels.sizes import work_size
from .edges import Relief, disparity_at_full_size
from .segments import cut_into_segments, find_borders, upright_stripes

WORK_SIDE_PX = 480  # the longer side of the reduced picture that is cut into segments
LEAST_SIDE_PX = 8  # below this there is nothing to cut
STEEP = 0.012  # change of nearness per pixel: where it is steeper an edge lies nearby, and its blur is not believed
BLUR_PX = 8  # how far the sky's endlessness is smeared over what stands before it
LINK = 4.0  # per pixel of a border, between segments that look like one surface


def surfaces_from(rgb: np.ndarray, scenery: Scenery, nearness: Nearness) -> np.ndarray:
    """Relative disparity float32 ``[H, W]``, 0 (sky) .. 1 (near), edges on the picture's.

    ``rgb`` float32 ``[H, W, 3]``, 0..1. The values of the segments ``v`` minimise ``sum link (v_a - v_b - slope)^2 + sum trust
    (v - near)^2``.
    """
    near, plane = nearness.near.numpy(), nearness.plane.numpy()
    height, width = rgb.shape[:2]
    _, size = work_size(height, width, WORK_SIDE_PX)
    if min(size) < LEAST_SIDE_PX:
        return cv2.resize(near, (width, height), interpolation=cv2.INTER_LINEAR)
    small = np.clip(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), 0, 1)
    sky, water = (cv2.resize(m.cpu().numpy(), size, interpolation=cv2.INTER_AREA) for m in (scenery.sky, scenery.water))
    segments = cut_into_segments(small, np.where(sky > 0.5, 1, np.where(water > 0.5, 2, 0)))
    borders = find_borders(segments, small, segments.mean(upright_stripes(small)))

    receding = cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)
    coarse = _without_sky(cv2.resize(near, size, interpolation=cv2.INTER_LINEAR), sky > 0.5, receding)
    down, across = cv2.Sobel(coarse, cv2.CV_32F, 0, 1, scale=1 / 8), cv2.Sobel(coarse, cv2.CV_32F, 1, 0, scale=1 / 8)
    steep = segments.mean(np.hypot(down, across))
    trust = 1 / (1 + (steep / STEEP) ** 2)
    is_sky = segments.mean(sky) > 0.5
    slope = np.clip(segments.mean(down), 0, STEEP) * segments.mean(receding) * ~is_sky
    a, b = borders.a, borders.b
    offset = slope[b] * (borders.row - segments.y[b]) - slope[a] * (borders.row - segments.y[a])
    link = LINK * borders.length * borders.affinity * (is_sky[a] == is_sky[b]) + 1e-4
    pull = segments.area * np.where(is_sky, 1.0, trust)
    disp = borders.solve(link, offset, pull, np.where(is_sky, 0.0, segments.mean(coarse)))
    return disparity_at_full_size(Relief(segments, np.clip(disp, 0, 1), slope, is_sky), rgb)


def _without_sky(coarse: np.ndarray, sky: np.ndarray, receding: np.ndarray) -> np.ndarray:
    """``coarse`` with what stands before the sky as near at its rim as it is farther in; what recedes does end far away."""
    inner = shrunk(~sky, BLUR_PX)
    if not (sky.any() and inner.any()):
        return coarse
    rim = ~sky & ~inner
    standing = coarse[nearest_inside(inner)]
    return np.where(rim, receding * coarse + (1 - receding) * np.maximum(standing, coarse), coarse)
