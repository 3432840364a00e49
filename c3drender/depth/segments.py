"""Segments: a picture cut into small pieces along its edges, their borders, and least squares over them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

from ..pixels.fits import levelness
from ..pixels.masks import square

SEGMENT_PX = 11  # the distance of the seeds
CONTRAST_UNIT = 0.7  # a border whose contrast is this share of the usual joins its sides with an affinity of 1/e


@dataclass(frozen=True, eq=False)
class Segments:
    """``labels`` int32 ``[h, w]``, 0..n-1; per segment its ``area``, centre ``x``, ``y`` (px) and mean ``lab`` (1/100 CIE)."""

    labels: np.ndarray
    area: np.ndarray
    x: np.ndarray
    y: np.ndarray
    lab: np.ndarray

    def __len__(self) -> int:
        return len(self.area)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Per segment, the mean of a map ``[h, w]``."""
        return np.bincount(self.labels.ravel(), values.ravel(), minlength=len(self)) / self.area


@dataclass(frozen=True, eq=False)
class Borders:
    """Where two segments meet, ``[B]`` each: ``a`` is above ``b`` where the border is level; ``length`` px; ``row`` and
    ``column`` (px) of its middle; ``across``: the unit vector ``[B, 2]`` (x, y) over it, from ``a`` to ``b``; ``level``: the
    share of the border that is level; ``affinity`` 0..1: how much they look like one surface."""

    a: np.ndarray
    b: np.ndarray
    length: np.ndarray
    row: np.ndarray
    column: np.ndarray
    across: np.ndarray
    level: np.ndarray
    affinity: np.ndarray

    def painted(self, labels: np.ndarray, values: np.ndarray) -> np.ndarray:
        """float32 ``[h, w]``: the values ``[B]`` of the borders on the pixels left of and above them, 0 within segments; the
        larger one where two meet. ``labels``: the segments'."""
        count = int(labels.max()) + 1
        pair = np.minimum(self.a, self.b).astype(np.int64) * count + np.maximum(self.a, self.b)
        order = np.argsort(pair)
        pair, found = pair[order], values[order].astype(np.float32)
        map_ = np.zeros(labels.shape, np.float32)
        for first, second, part in (
            (labels[:-1], labels[1:], map_[:-1]),
            (labels[:, :-1], labels[:, 1:], map_[:, :-1]),
        ):
            y, x = np.nonzero(first != second)
            i, j = first[y, x].astype(np.int64), second[y, x].astype(np.int64)
            part[y, x] = np.maximum(part[y, x], found[np.searchsorted(pair, np.minimum(i, j) * count + np.maximum(i, j))])
        return map_

    def solve(self, weight: np.ndarray, offset: np.ndarray | float, pull: np.ndarray, target: np.ndarray) -> np.ndarray:
        """The values ``v`` of the segments that minimise ``sum weight (v_a - v_b - offset)^2 + sum pull (v - target)^2``."""
        a, b, count = self.a, self.b, len(pull)
        rows, columns = np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a])
        entries = np.concatenate([weight, weight, -weight, -weight])
        matrix = sparse.coo_matrix((entries, (rows, columns)), shape=(count, count)) + sparse.diags(pull)
        right = pull * target + np.bincount(a, weight * offset, count) - np.bincount(b, weight * offset, count)
        return spsolve(matrix.tocsc(), right)


def cut_into_segments(rgb: np.ndarray, kind: np.ndarray) -> Segments:
    """Watershed of the picture from a grid of seeds, each at the flattest spot near its place; no segment has two ``kind``."""
    height, width = rgb.shape[:2]
    picture = softened_u8(rgb)
    light = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    steepness = cv2.magnitude(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1))
    steepness = cv2.GaussianBlur(steepness, (0, 0), 1)
    seeds = np.zeros((height, width), np.int32)
    rows = np.linspace(0, height, max(1, round(height / SEGMENT_PX)) + 1).astype(int)
    columns = np.linspace(0, width, max(1, round(width / SEGMENT_PX)) + 1).astype(int)
    cells = [(top, bottom, left, right) for top, bottom in pairwise(rows) for left, right in pairwise(columns)]
    for seed, (top, bottom, left, right) in enumerate(cells, start=1):
        y0, x0 = top + (bottom - top) // 4, left + (right - left) // 4
        cell = steepness[y0 : bottom - (bottom - top) // 4, x0 : right - (right - left) // 4]
        y, x = np.unravel_index(int(np.argmin(cell)), cell.shape)
        seeds[y0 + y, x0 + x] = seed
    parts = watershed(picture, seeds) * (int(kind.max()) + 1) + kind
    _, labels = np.unique(parts, return_inverse=True)
    return _describe(labels.reshape(height, width).astype(np.int32), rgb)


def softened_u8(rgb: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(np.round(np.clip(rgb, 0, 1) * 255).astype(np.uint8), (0, 0), 0.8)


def watershed(picture_u8: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Grow the seeds (int32, > 0) over the picture; the lines that OpenCV leaves between regions join a neighbour."""
    labels = cv2.watershed(picture_u8, seeds.copy())
    labels[[0, -1]] = -1  # OpenCV leaves the picture's border unlabelled
    labels[:, [0, -1]] = -1
    if not (labels > 0).any():
        return np.maximum(seeds, 1)
    while (labels < 1).any():
        grown = cv2.dilate(np.maximum(labels, 0).astype(np.float32), square(1)).astype(np.int32)
        labels = np.where(labels < 1, grown, labels)
    return labels


def _describe(labels: np.ndarray, rgb: np.ndarray) -> Segments:
    area = np.bincount(labels.ravel()).astype(np.float64)
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float64) / 100
    rows, columns = np.indices(labels.shape) + 0.5
    x, y, *channels = (np.bincount(labels.ravel(), v.ravel()) / area for v in (columns, rows, *np.moveaxis(lab, -1, 0)))
    return Segments(labels, area, x, y, np.stack(channels, axis=1))


def find_borders(segments: Segments, rgb: np.ndarray, striped: np.ndarray) -> Borders:
    """The borders of all touching segments. ``striped``: how much of each is `upright_stripes`."""
    count = len(segments)
    down, right = _steps(segments.labels, rgb), _steps(segments.labels.T, rgb.transpose(1, 0, 2))
    first, second, contrast = (np.concatenate(x) for x in zip(down[:3], right[:3], strict=True))
    row, column = np.concatenate([down[3] + 1.0, right[4] + 0.5]), np.concatenate([down[4] + 0.5, right[3] + 1.0])
    level = np.concatenate([np.ones(len(down[0])), np.zeros(len(right[0]))])

    low, high = np.minimum(first, second), np.maximum(first, second)
    pairs, group = np.unique(low.astype(np.int64) * count + high, return_inverse=True)
    length = np.bincount(group).astype(np.float64)
    upward = np.where(first == low, 1.0, -1.0)
    contrast, row, column, x, y = (
        np.bincount(group, v) / length for v in (contrast, row, column, upward * (1 - level), upward * level)
    )
    turned = y < 0
    a, b = np.where(turned, pairs % count, pairs // count), np.where(turned, pairs // count, pairs % count)
    across = np.where(turned, -1.0, 1.0)[:, None] * np.stack([x, y], axis=1)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    level = np.abs(y)
    contrast = contrast + np.linalg.norm(segments.lab[a] - segments.lab[b], axis=1)

    affinity = np.exp(-((contrast / (CONTRAST_UNIT * _usual_contrast(a, b, length, contrast, count))) ** 2))
    # An upright stripe (a trunk, a post) holds together along itself and not with what is beside it.
    beside = np.maximum(striped[a], striped[b]) * (1 - level)
    along = np.minimum(striped[a], striped[b]) * level
    affinity = np.maximum(affinity * (1 - 0.95 * beside), 0.5 * along)
    return Borders(a, b, length, row, column, across, level, affinity)


def _steps(labels: np.ndarray, rgb: np.ndarray) -> tuple[np.ndarray, ...]:
    """Pixels whose lower neighbour has another label: both labels, the colour step across them, row and column."""
    lab = cv2.cvtColor(cv2.GaussianBlur(np.ascontiguousarray(rgb), (0, 0), 1), cv2.COLOR_RGB2LAB) / 100
    row, column = np.nonzero(labels[:-1] != labels[1:])
    before, after = lab[np.maximum(row - 1, 0), column], lab[np.minimum(row + 2, len(lab) - 1), column]
    return labels[row, column], labels[row + 1, column], np.linalg.norm(after - before, axis=1), row, column


def _usual_contrast(a: np.ndarray, b: np.ndarray, length: np.ndarray, contrast: np.ndarray, count: int) -> np.ndarray:
    """Per border, what contrast is usual on its calmer side: inside a busy surface much of it means little."""
    total = np.bincount(a, length * contrast, count) + np.bincount(b, length * contrast, count)
    around = total / np.maximum(np.bincount(a, length, count) + np.bincount(b, length, count), 1)
    return np.maximum(np.minimum(around[a], around[b]), max(0.6 * float(np.median(around)), 0.02))


def upright_stripes(rgb: np.ndarray) -> np.ndarray:
    """Where the picture's edges run upright (trunks, posts, clefts), 0..1."""
    return np.clip((-edge_levelness(rgb, 4) - 0.3) / 0.4, 0, 1)


def edge_levelness(rgb: np.ndarray, reach_px: float) -> np.ndarray:
    """The direction of the edges nearby: -1 upright .. 1 level."""
    light = cv2.GaussianBlur(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY), (0, 0), 1)
    return levelness(light, lambda energy: cv2.GaussianBlur(energy, (0, 0), reach_px), floor=1e-4)
