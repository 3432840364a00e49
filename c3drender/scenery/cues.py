"""Measurements that tell what a photo shows: colour, texture and its direction, at a reduced size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..pixels.fits import levelness

SAME_COLOUR = 0.06  # 1/100 CIE units: colours nearer than this are evened out


@dataclass(frozen=True, eq=False)
class Cues:
    """Float32 ``[h, w]`` each: CIE ``light`` (0..1), ``green_red``, ``blue_yellow`` and ``chroma`` (1/100 CIE units),
    ``texture`` (mean detail), ``levelness`` (-1 upright stripes .. 1 level stripes)."""

    light: np.ndarray
    green_red: np.ndarray
    blue_yellow: np.ndarray
    chroma: np.ndarray
    texture: np.ndarray
    levelness: np.ndarray

    @property
    def lab(self) -> np.ndarray:
        return np.dstack([self.light, self.green_red, self.blue_yellow])

    @cached_property
    def hue(self) -> np.ndarray:
        """``[h, w, 3]``: light, halved, green-red and blue-yellow, evened out within what has one colour."""
        return cv2.bilateralFilter(self.lab * np.array((0.5, 1, 1), np.float32), -1, SAME_COLOUR, 3)


def measure_cues(rgb: np.ndarray) -> Cues:
    """``rgb`` float32 ``[h, w, 3]``, sRGB, 0..1."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB) / 100
    light, green_red, blue_yellow = (np.ascontiguousarray(lab[..., k]) for k in range(3))
    texture = cv2.blur(np.abs(light - cv2.GaussianBlur(light, (0, 0), 1.2)), (9, 9))
    edges = levelness(light, lambda energy: cv2.blur(energy, (15, 15)), floor=64e-5)
    return Cues(light, green_red, blue_yellow, np.hypot(green_red, blue_yellow), texture, edges)


def ramp(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 at ``low``, 1 at ``high``, straight between (``low > high`` falls)."""
    return np.clip((value - low) / (high - low), 0, 1)
