"""The fringe of a fluid: its pixels beside something still, which show a part of that, an edge's mixed pixels and its halo."""

from __future__ import annotations

import cv2
import numpy as np

from .nearest import Nearest

FRINGE_PX = 3


def without_fringe(rgb: np.ndarray, fluid: np.ndarray, still: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``rgb [H, W, 3]`` with the pixels of ``fluid`` bool ``[H, W]`` that lie beside what is ``still [H, W]`` coloured as the
    nearest fluid farther in, and which they are, bool ``[H, W]``. A strip of fluid that is all fringe keeps its colours."""
    near = cv2.distanceTransform((~still).view(np.uint8), cv2.DIST_L2, 5) <= FRINGE_PX
    inner = fluid & ~near
    farther_in = Nearest.of(inner)
    fringe = fluid & near & (farther_in.distance <= 2 * FRINGE_PX)
    clean = rgb.copy()
    clean[fringe] = rgb.reshape(-1, 3)[farther_in.to(fringe)]
    return clean, fringe
