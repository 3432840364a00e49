"""Depth made ready to be taken apart: edges that are steps, no pixel that floats between surfaces, smooth fluids."""

from __future__ import annotations

import cv2
import numpy as np

from ..data import HIDES
from ..pixels.fits import mean_within
from ..pixels.masks import grown, opened, square
from .hidden import EIGHT_NEIGHBOURS

FLUID_SMOOTHING_PX = 16.0  # standard deviation
SHORE_PX = 8.0  # over which a fluid's depth is bent to meet its shore
MAX_SHORE_TEARS = 6.0  # a higher step between a fluid and what lies beside it is a depth edge
SHARPEN_RADII = (2, 1)  # px, see sharpen_depth_edges
CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
EDGE_SHARE = 0.7  # of the disparities in a window twice as wide, that an edge spans: of a slope it is half


def sharpen_depth_edges(disp: np.ndarray, min_jump: float) -> np.ndarray:
    """Turn the soft ramps of a depth edge into one step, so that no pixel floats between two surfaces.

    Where the disparity spans more than ``min_jump`` within a small window, and hardly more within a wider one, a pixel takes
    the nearer (in value) of the window's extremes: the fixed point of a toggle mapping (Kramer and Bruckner 1975). A slope
    that runs on is no edge, however steep.
    """
    for radius in SHARPEN_RADII:
        window, wider = square(radius), square(2 * radius)
        for _ in range(2):
            low, high = cv2.erode(disp, window), cv2.dilate(disp, window)
            ends = (high - low) > EDGE_SHARE * (cv2.dilate(disp, wider) - cv2.erode(disp, wider))
            toggled = np.where(disp - low < high - disp, low, high)
            disp = np.where((high - low > min_jump) & ends, toggled, disp)
    return disp


def settle_mixed_depths(disp: np.ndarray, min_jump: float) -> np.ndarray:
    """Give each pixel of a measured map that floats alone between two surfaces to the nearer one (in value). A sensor, or a
    map made smaller, averages across an edge.

    Such a pixel differs by more than ``min_jump`` from the lowest and the highest of its neighbours and from all others but
    one: what is as thin as a line has two.
    """
    low, high = cv2.erode(disp, square(1)), cv2.dilate(disp, square(1))
    fellows = sum((np.abs(_shifted(disp, dy, dx) - disp) <= min_jump).view(np.uint8) for dy, dx in EIGHT_NEIGHBOURS)
    floats = (disp - low > min_jump) & (high - disp > min_jump) & (fellows < 2)
    return np.where(floats, np.where(disp - low < high - disp, low, high), disp)


def _shifted(values: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """``values`` at the neighbour (x+dx, y+dy), repeated at the border."""
    padded = cv2.copyMakeBorder(values, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    height, width = values.shape[:2]
    return padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]


def smooth_fluid_depth(disp: np.ndarray, moving: np.ndarray, tear_disp: float) -> np.ndarray:
    """Make the fluid's disparity smooth: it is level or falls evenly and has no edges of its own.

    Where the still surface beside it lies within a few tears of it, they belong together (water and its shore): the fluid then
    meets that surface without a step. A wider jump is a real edge and stays, as does what is so much nearer that it hides it.
    """
    if not moving.any():
        return disp
    smooth = mean_within(disp, moving.astype(np.float32), FLUID_SMOOTHING_PX)
    shore = grown(moving, 1) & ~moving
    step = disp - smooth
    meets = shore & (np.abs(step) < MAX_SHORE_TEARS * tear_disp) & (disp < HIDES * smooth)
    distance = np.minimum(cv2.distanceTransform(moving.astype(np.uint8), cv2.DIST_L2, 5), 10 * SHORE_PX)
    correction = mean_within(step, meets.astype(np.float32), SHORE_PX / 2) * np.exp(-((distance / SHORE_PX) ** 2))
    return np.where(moving, smooth + correction, disp).astype(np.float32)


def grow_over_edges(disp: np.ndarray, moving: np.ndarray, edge_disp: float, reach_px: int) -> np.ndarray:
    """``disp`` float32 ``[H, W]`` in which the nearer, still sides of its edges reach so far over the farther ones.

    An estimate's edge lies some pixels beside the picture's. Where it lies inside an outline, that stays behind as a ghost
    when what it outlines moves on; where outside, a strip of backdrop goes along, which is hardly seen. Edges are steps
    between neighbours of more than ``edge_disp``: no slope grows, however steep. A stream so narrow that it could be covered
    from both sides stays.
    """
    farthest = cv2.erode(disp, CROSS)
    rims = np.where((disp - farthest > edge_disp) & ~moving, disp, 0)
    for step in range(reach_px):  # an octagon; a disc of that size would take several times as long
        rims = cv2.dilate(rims, square(1) if step % 2 else CROSS)
    thin = moving & ~opened(moving, reach_px)
    return np.where((rims - disp > edge_disp) & ~thin, rims, disp)
