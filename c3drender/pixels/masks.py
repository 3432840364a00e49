"""Boolean masks ``[H, W]``: grown and shrunk, taken apart, their specks filled."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


def square(radius: int) -> np.ndarray:
    """The window of ``2 radius + 1`` pixels a side, for OpenCV's morphology."""
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)


def grown(mask: np.ndarray, radius: int) -> np.ndarray:
    return cv2.dilate(mask.view(np.uint8), square(radius)).view(bool)


def shrunk(mask: np.ndarray, radius: int) -> np.ndarray:
    return cv2.erode(mask.view(np.uint8), square(radius)).view(bool)


def closed(mask: np.ndarray, radius: int) -> np.ndarray:
    return shrunk(grown(mask, radius), radius)


def opened(mask: np.ndarray, radius: int) -> np.ndarray:
    return grown(shrunk(mask, radius), radius)


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of a mask that are connected by sides: ``labels`` int32 ``[H, W]``, 0 beside the mask; by label their ``area``
    (px), 0 for what is beside it, and the ``height`` and ``width`` of their boxes (px)."""

    labels: np.ndarray
    area: np.ndarray
    height: np.ndarray
    width: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray) -> Parts:
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
        area = stats[:, cv2.CC_STAT_AREA].copy()
        area[0] = 0
        return cls(labels, area, stats[:, cv2.CC_STAT_HEIGHT], stats[:, cv2.CC_STAT_WIDTH])

    def touched(self, where: np.ndarray | slice | int) -> np.ndarray:
        """By label, whether some of the part lies at these indices of the picture."""
        found = np.zeros(len(self.area), bool)
        found[self.labels[where]] = True
        return found

    def joined(self, which: np.ndarray) -> np.ndarray:
        """The mask of the parts whose labels are True in ``which``."""
        return (which & (self.area > 0))[self.labels]


def components(mask: np.ndarray, min_share: float) -> list[np.ndarray]:
    """The connected parts of ``mask`` that cover at least ``min_share`` > 0 of the picture, as masks of their own."""
    parts = Parts.of(mask)
    return [parts.labels == k for k in np.flatnonzero(parts.area >= max(min_share * mask.size, 1))]


def fill_specks(mask: np.ndarray, max_share: float) -> np.ndarray:
    """``mask`` with the connected holes filled that cover at most ``max_share`` of the picture and do not reach its foot."""
    holes = Parts.of(~mask)
    return mask | holes.joined((holes.area <= max_share * mask.size) & ~holes.touched(-1))
