"""Where the sides meet that a hidden surface continues: joined, bent back until it is one surface, or torn."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..pixels.fits import mean_within
from ..pixels.masks import square

MOSAIC_PX = 3.0  # standard deviation: what different pixels of the farther side continue is joined over this width
SWEEPS = 8  # of rows and columns, at most; a sweep reaches round one corner more


@dataclass(frozen=True, eq=False)
class Sides:
    """What the pixels ``pixel [P]`` (flat, ascending) of a canvas of ``shape`` continue: its disparity ``own [P]``, and where
    it ``flows``: a fluid is one surface. Other neighbours are of two surfaces where their ``own`` lie ``torn`` apart."""

    pixel: np.ndarray
    own: np.ndarray
    flows: np.ndarray
    shape: tuple[int, ...]
    torn: float

    def mean_in_place(self, values: np.ndarray) -> np.ndarray:
        """Each value's Gaussian mean over its neighbours; its own where some of these are of another surface."""
        weight, total, rests = (np.zeros(self.shape, np.float32) for _ in range(3))
        for plane, filled in ((weight, 1), (total, values), (rests, ~self.flows)):
            plane.reshape(-1)[self.pixel] = filled
        window = square(int(4 * MOSAIC_PX))  # as far as the mean reaches
        spread = cv2.dilate(total, window) - cv2.erode(np.where(weight > 0, total, np.inf), window)
        mixed = (spread >= self.torn) & (cv2.dilate(rests, window) > 0)
        mean = mean_within(total, weight, MOSAIC_PX)
        return np.where(mixed.reshape(-1)[self.pixel], values, mean.reshape(-1)[self.pixel])

    def bent_back(self, values: np.ndarray, slope: float) -> np.ndarray:
        """The largest values no larger than these that differ by at most ``slope`` between neighbours of one surface."""
        y, x = np.divmod(self.pixel, self.shape[1])
        by_column = np.lexsort((y, x))
        back = np.argsort(by_column)
        row_run, column_run = self._runs(y, x, np.arange(len(y))), self._runs(x[by_column], y[by_column], by_column)
        values = values.astype(np.float64)
        for _ in range(SWEEPS):
            before = values
            values = _bend_runs(values, row_run, slope)
            values = _bend_runs(values[by_column], column_run, slope)[back]
            if np.array_equal(before, values):
                break
        return values.astype(np.float32)

    def that_end(self) -> np.ndarray:
        """Which pixels are of a surface that somewhere lies before another one: bool ``[P]``."""
        num_pixels, width = len(self.pixel), self.shape[1]
        right = np.flatnonzero((np.diff(self.pixel) == 1) & (self.pixel[1:] % width > 0))
        below = np.searchsorted(self.pixel, self.pixel + width)
        above = np.flatnonzero(self.pixel[np.minimum(below, num_pixels - 1)] == self.pixel + width)
        here, there = np.concatenate([right, above]), np.concatenate([right + 1, below[above]])
        torn = self._is_torn(here, there)
        pairs = coo_array((np.ones(np.count_nonzero(~torn), bool), (here[~torn], there[~torn])), (num_pixels, num_pixels))
        num, surface = connected_components(pairs, directed=False)
        ends = np.zeros(num, bool)
        ends[surface[np.where(self.own[here] > self.own[there], here, there)[torn]]] = True
        return ends[surface]

    def _is_torn(self, here: np.ndarray, there: np.ndarray) -> np.ndarray:
        """Whether the neighbours ``here`` and ``there`` (indices of pixels) are of different surfaces."""
        return (np.abs(self.own[here] - self.own[there]) >= self.torn) & ~(self.flows[here] & self.flows[there])

    def _runs(self, line: np.ndarray, place: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Numbers for the stretches of lines that are one surface, of the pixels in ``order``, which is by (line, place)."""
        ends = (np.diff(line) != 0) | (np.diff(place) != 1) | self._is_torn(order[1:], order[:-1])
        return np.cumsum(np.concatenate([[True], ends]))


def _bend_runs(values: np.ndarray, run: np.ndarray, slope: float) -> np.ndarray:
    """`Sides.bent_back` along runs alone."""
    rise = slope * np.arange(len(values))
    # Every run starts far below the one before it: a running minimum never carries over.
    apart = (2 * (values.max() - values.min()) + 1) * run
    values = np.minimum.accumulate(values - rise - apart) + rise + apart
    values = values[::-1]
    return (np.minimum.accumulate(values - rise + apart[::-1] - apart[-1]) + rise - apart[::-1] + apart[-1])[::-1]
