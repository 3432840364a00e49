"""Small steps of a depth map become slopes: what would open by a pixel or two is better stretched than cut.

A crack that thin shows more of its filling's error than of what lies behind, and an estimate's small steps are seldom edges.
"""

from __future__ import annotations

import cv2
import numpy as np

REACH_PX = 12  # around a step: so far the surfaces on both sides may bend
SWEEPS = 40
STEP_RATE = 0.24  # of the difference to each of four neighbours: below 1/4, where diffusion would oscillate


def bridge_small_steps(disp: np.ndarray, fluid: np.ndarray, tear_disp: float, edge_disp: float) -> np.ndarray:
    """``disp`` float32 ``[H, W]`` with the steps between neighbours of ``tear_disp`` .. ``edge_disp`` spread over some pixels
    of both sides. Nothing is joined across a step that is higher, which is an edge, nor across the border of what is ``fluid``
    bool ``[H, W]``: it goes on behind what hides it."""
    down, right = np.abs(np.diff(disp, axis=0)), np.abs(np.diff(disp, axis=1))
    small = np.zeros(disp.shape, np.uint8)
    small[1:] |= (down > tear_disp) & (down <= edge_disp)
    small[:, 1:] |= (right > tear_disp) & (right <= edge_disp)
    near = cv2.dilate(small, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * REACH_PX + 1,) * 2))
    pixel = np.flatnonzero(near)
    if not len(pixel):
        return disp
    height, width = disp.shape
    y, x = np.divmod(pixel, width)
    bent, flows = disp.reshape(-1).copy(), fluid.reshape(-1)
    neighbours = []
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        beside = np.clip(y + dy, 0, height - 1) * width + np.clip(x + dx, 0, width - 1)
        joined = (np.abs(bent[beside] - bent[pixel]) <= edge_disp) & (flows[beside] == flows[pixel])
        neighbours.append(np.where(joined, beside, pixel))
    for _ in range(SWEEPS):
        own = bent[pixel]
        pull = sum(bent[beside] for beside in neighbours) - 4 * own
        bent[pixel] = own + np.float32(STEP_RATE) * pull
    return bent.reshape(disp.shape)
