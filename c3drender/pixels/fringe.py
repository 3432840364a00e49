"""The fringe of a fluid: its pixels beside something still, which show a part of that, an edge's mixed pixels and its halo."""

from __future__ import annotations

import cv2
import numpy as np

from .nearest import Nearest

FRINGE_PX = 3


def find_fringe(fluid: np.ndarray, still: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels of ``fluid`` bool ``[H, W]`` lie beside what is ``still [H, W]``, bool ``[H, W]``, and of each of them, in
    order, the nearest pixel of the fluid farther in (flat). A strip of fluid that is all fringe has none."""
    near = cv2.distanceTransform((~still).view(np.uint8), cv2.DIST_L2, 5) <= FRINGE_PX
    farther_in = Nearest.of(fluid & ~near)
    fringe = fluid & near & (farther_in.distance <= 2 * FRINGE_PX)
    return fringe, farther_in.to(fringe)


def without_fringe(rgb: np.ndarray, fluid: np.ndarray, still: np.ndarray) -> np.ndarray:
    """``rgb [H, W, 3]`` with the pixels of `find_fringe` coloured as the fluid farther in."""
    fringe, farther_in = find_fringe(fluid, still)
    clean = rgb.copy()
    clean[fringe] = rgb.reshape(-1, 3)[farther_in]
    return clean
