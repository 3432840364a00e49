"""Which borders between segments part two surfaces: two small perceptrons' word on what lies on both sides.

An edge of the picture is seldom one of depth: a collar, a shadow, a window's frame. What tells is the whole of what is seen
about it: how nearness changes across it, near and farther off, what is on its sides, which of them is the lower one. The first
perceptron looks at each border alone. The second also knows what the first said of those around it: of a bundle of parallel
edges one is the outline, and an outline goes on (Tu 2008, auto-context).
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import cv2
import numpy as np

from ..pixels.masks import square
from .segments import Borders, Segments

FILE = "parting.npz"
WHICH = ("first.", "second.")  # what the names of their arrays in the file begin with
REACH_PX = (3, 6, 12, 20)  # how far to both sides of a border nearness is compared
ORDER_BY = 2  # the reach at which it is told which side is the nearer one
KIND_PX, KIND_FAR_PX, PLANE_PX = 5, 12, 6
ACROSS_PX = (5, 9, 14, 20)  # where the second perceptron looks for other edges: over the border,
ALONG_PX = (5, 10, 16)  # and for those that continue it


class Surroundings:
    """What is seen about the borders of a picture's segments.

    ``near``, ``plane`` ``[h, w]`` and ``kinds`` ``[K, h, w]`` as in `c3drender.data.Nearness`, of the segments' size;
    ``striped``, ``figure`` ``[n]``: how much of each segment is `upright_stripes`, and a person's or an animal's.
    """

    def __init__(
        self,
        segments: Segments,
        borders: Borders,
        striped: np.ndarray,
        near: np.ndarray,
        plane: np.ndarray,
        kinds: np.ndarray,
        figure: np.ndarray,
    ) -> None:
        self.segments, self.borders, self.striped, self.figure = segments, borders, striped, figure
        self.near, self.plane, self.kinds = near, plane, kinds
        self.middle = np.stack([borders.column, borders.row], axis=1)
        before, behind = self._beside(near, REACH_PX[ORDER_BY])
        self.swapped = behind > before  # ``b`` seems to be the nearer side

    def features(self) -> np.ndarray:
        """What the first perceptron sees, float32 ``[B, F]``, the same whichever side of a border is called ``a``."""
        borders, nears = self.borders, [self._beside(self.near, reach) for reach in REACH_PX]
        kind, kind_far = self._kinds(KIND_PX), self._kinds(KIND_FAR_PX)
        lab = self.segments.lab[borders.a] - self.segments.lab[borders.b]
        told = [
            *(np.subtract(*self._ordered(*sides)) for sides in nears),
            np.add(*nears[0]),
            np.maximum(*nears[ORDER_BY]),
            np.minimum(*nears[ORDER_BY]),
            borders.affinity,
            np.log(borders.length),
            borders.level,
            np.linalg.norm(lab, axis=1),
            np.where(self.swapped, -1, 1) * borders.across[:, 1],
            np.abs(borders.across[:, 0]),
            *self._ordered(*self._beside(self.plane, PLANE_PX)),
            np.abs(kind[0] - kind[1]).sum(axis=1),
            np.abs(kind_far[0] - kind_far[1]).sum(axis=1),
            borders.row / len(self.segments.labels),
            *self._ordered(self.striped[borders.a], self.striped[borders.b]),
        ]
        return np.concatenate([np.stack(told, axis=1), *kind], axis=1).astype(np.float32)

    def context(self, chance: np.ndarray) -> np.ndarray:
        """What the second one sees besides: the first one's ``chance`` around each border, float32 ``[B, F]``."""
        around = cv2.dilate(self.borders.painted(self.segments.labels, chance), square(1))
        along = self.borders.across[:, ::-1] * (-1, 1)
        told = [side for reach in ACROSS_PX for side in self._ordered(*self._beside(around, reach))]
        for reach in ALONG_PX:
            ends = [sample(around, self.middle + sign * reach * along) for sign in (-1, 1)]
            told += [np.minimum(*ends), np.maximum(*ends)]
        return np.stack([chance, *told], axis=1).astype(np.float32)

    def _beside(self, values: np.ndarray, reach_px: float) -> tuple[np.ndarray, np.ndarray]:
        """A map's values so far from the borders, on ``a``'s side and on ``b``'s."""
        away = reach_px * self.borders.across
        return sample(values, self.middle - away), sample(values, self.middle + away)

    def _ordered(self, before: np.ndarray, behind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the side that seems nearer, of the other one."""
        flip = self.swapped if before.ndim == 1 else self.swapped[:, None]
        return np.where(flip, behind, before), np.where(flip, before, behind)

    def _kinds(self, reach_px: float) -> tuple[np.ndarray, np.ndarray]:
        sides = [self._beside(kind, reach_px) for kind in self.kinds]
        before, behind = (np.stack(side, axis=1) for side in zip(*sides, strict=True))
        return self._ordered(before, behind)


def find_parting(around: Surroundings) -> tuple[np.ndarray, np.ndarray]:
    """For each border how surely its sides are two surfaces, one behind the other, 0..1; and, if they are, by how much ``a``
    is nearer than ``b``, in shares of the picture's range."""
    first, second = _perceptrons()
    told = around.features()
    chance, _ = say(first, told)
    chance, step = say(second, np.concatenate([told, around.context(chance)], axis=1))
    return chance, np.where(around.swapped, -step, step)


def with_odds(chance: np.ndarray, times: float | np.ndarray) -> np.ndarray:
    """``chance`` with its odds so many times as high."""
    return times * chance / (times * chance + 1 - chance)


def say(perceptron: dict[str, np.ndarray], features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The chance of parting, and by how much the side that seems nearer is nearer if so."""
    x = (features - perceptron["mean"]) / perceptron["spread"]
    for layer in ("0", "1"):
        x = np.maximum(x @ perceptron["weight" + layer] + perceptron["bias" + layer], 0)
    logit, step = (x @ perceptron["weight2"] + perceptron["bias2"]).astype(np.float64).T
    return 1 / (1 + np.exp(-logit)), step


def sample(values: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """A map ``[h, w]`` at places ``[N, 2]``, x and y in pixels from its upper left corner; beyond its border as on it."""
    if not len(xy):
        return np.zeros(0, np.float32)  # OpenCV takes no empty map
    x, y = (xy - 0.5).astype(np.float32).T[:, None]
    return cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]


@cache
def _perceptrons() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    with resources.files(__package__).joinpath(FILE).open("rb") as file, np.load(file) as arrays:
        first, second = ({name[len(which) :]: arrays[name] for name in arrays if name.startswith(which)} for which in WHICH)
    return first, second
