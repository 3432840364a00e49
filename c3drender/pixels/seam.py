"""How well a loop closes: its seam against the steps between its other frames."""

from __future__ import annotations

import cv2
import numpy as np

STRIDE = 8  # every so many rows are looked at, whole: memory is read in lines
STILL = 0.02  # of 255: what changes by less from frame to frame does not move


class SeamScore:
    """The mean change from the last frame to the first over the mean change between neighbours: 1 is a seam like any other
    step, 0 none at all. Frames, uint8 ``[H, W, C]``, are added one by one; of two of them some rows are kept. ``size``:
    (height, width) of the last."""

    def __init__(self) -> None:
        self._first: np.ndarray | None = None
        self._last: np.ndarray | None = None
        self._steps: list[float] = []
        self.size = (0, 0)

    def add(self, frame: np.ndarray) -> None:
        self.size = (frame.shape[0], frame.shape[1])
        rows = frame[::STRIDE].reshape(-1, frame.shape[1] * frame.shape[2]).copy()
        if self._last is None:
            self._first = rows
        else:
            self._steps.append(_change(self._last, rows))
        self._last = rows

    @property
    def score(self) -> float | None:
        """None where fewer than three frames were added, or nothing moves."""
        if self._first is None or self._last is None or len(self._steps) < 2 or np.mean(self._steps) < STILL:
            return None
        return float(_change(self._first, self._last) / np.mean(self._steps))


def _change(before: np.ndarray, after: np.ndarray) -> float:
    """The mean absolute difference."""
    return cv2.norm(before, after, cv2.NORM_L1) / before.size
