"""How well a loop closes: its seam against the steps between its other frames."""

from __future__ import annotations

import numpy as np

STRIDE = 4  # every so many rows and columns are looked at
STILL = 0.02  # of 255: what changes by less from frame to frame does not move


class SeamScore:
    """The mean change from the last frame to the first over the mean change between neighbours: 1 is a seam like any other
    step, 0 none at all. Frames, uint8 ``[H, W, C]``, are added one by one; two of them are kept, reduced. ``size``: (height,
    width) of the last."""

    def __init__(self) -> None:
        self._first: np.ndarray | None = None
        self._last: np.ndarray | None = None
        self._steps: list[float] = []
        self.size = (0, 0)

    def add(self, frame: np.ndarray) -> None:
        self.size = (frame.shape[0], frame.shape[1])
        small = frame[::STRIDE, ::STRIDE].astype(np.int16)
        if self._last is None:
            self._first = small
        else:
            self._steps.append(float(np.abs(small - self._last).mean()))
        self._last = small

    @property
    def score(self) -> float | None:
        """None where fewer than three frames were added, or nothing moves."""
        if self._first is None or self._last is None or len(self._steps) < 2 or np.mean(self._steps) < STILL:
            return None
        return float(np.abs(self._first - self._last).mean() / np.mean(self._steps))
