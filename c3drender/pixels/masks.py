"""Boolean masks ``[H, W]``: grown and shrunk, taken apart, their specks filled."""

from __future__ import annotations

import cv2
import numpy as np


def components(mask: np.ndarray, min_share: float) -> list[np.ndarray]:
    """The connected parts of ``mask`` that cover at least ``min_share`` of the picture."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return [labels == k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] >= min_share * mask.size]


def fill_specks(mask: np.ndarray, max_share: float) -> np.ndarray:
    holes = [p for p in components(~mask, 0) if p.sum() <= max_share * mask.size and not p[-1].any()]
    return np.any([mask, *holes], axis=0)


def shrunk(mask: np.ndarray, radius: int) -> np.ndarray:
    return cv2.erode(mask.astype(np.uint8), np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)) > 0


def grown(mask: np.ndarray, radius: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)) > 0
