"""Straight, nearly level lines across a picture: the horizon of a sea, the far shore of a lake."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .cues import Cues


@dataclass(frozen=True)
class HorizonLine:
    """A straight edge across the picture: row at the middle column, slope (rows per column), clearness (colour change)."""

    row: float
    slope: float
    clearness: float

    def rows(self, width: int) -> np.ndarray:
        return self.row + self.slope * (np.arange(width, dtype=np.float32) + 0.5 - width / 2)


def find_level_line(cues: Cues, above_line: np.ndarray, percentile: float) -> HorizonLine | None:
    """The straight, nearly level line across which the colour changes most clearly, of those that run along the lower side of
    ``above_line``; ``percentile`` of its columns may show less change than its clearness says."""
    height, width = above_line.shape
    band = max(2, height // 40)
    gap = band // 2
    rows = np.arange(2 * band, height - 2 * band)
    if len(rows) == 0 or width < 8:
        return None
    lab = cues.lab * np.array((1, 2, 2), np.float32)
    sums = np.concatenate([np.zeros((1, width, 3)), np.cumsum(lab, axis=0)])
    above, below = sums[rows - gap] - sums[rows - gap - band], sums[rows + gap + band] - sums[rows + gap]
    maps = np.zeros((height, width, 3), np.float32)  # change across a band, change from row to row, runs along above_line
    maps[rows, :, 0] = np.linalg.norm(above - below, axis=-1) / band
    maps[1:, :, 1] = np.linalg.norm(np.diff(lab, axis=0), axis=-1)
    maps[rows, :, 2] = above_line[rows - gap - 1]
    best = HorizonLine(0, 0, 0)
    for slope in np.tan(np.radians(np.linspace(-6, 6, 25))):
        shear = np.array([[1, 0, 0], [slope, 1, -slope * width / 2]], np.float32)
        straight = cv2.warpAffine(maps, shear, (width, height), flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR)
        seen = straight[..., 2] > 0.5
        count = seen.sum(axis=1)
        weakest_first = np.sort(np.where(seen, straight[..., 0], 1e6), axis=1)
        weak = weakest_first[np.arange(height), np.minimum(count * percentile // 100, width - 1)]
        clearness = np.where(count > 0.3 * width, weak * np.sqrt(count / width), 0)
        row = int(np.argmax(clearness))
        if clearness[row] > best.clearness:
            sharpness = np.where(seen[row], straight[..., 1], 0).mean(axis=1)
            nearby = slice(max(row - band, 0), row + band + 1)
            exact = nearby.start + int(np.argmax(sharpness[nearby]))
            best = HorizonLine(float(exact), float(slope), float(clearness[row]))
    return best if best.clearness > 0.1 else None


def find_far_shore(cues: Cues, line: HorizonLine | None) -> HorizonLine | None:
    """Where hills stand behind a lake, its far shore is a clearer line than the one under the sky."""
    if line is None:
        return None
    height = len(cues.light)
    between = np.zeros(cues.light.shape, bool)
    between[int(line.row + 0.04 * height) : int(line.row + 0.25 * height)] = True
    shore = find_level_line(cues, between, percentile=20)
    return shore if shore is not None and shore.clearness > 1.2 * line.clearness else None
