"""The surface that a picture hides: the farther side of every depth edge, continued behind the nearer side."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..data import SPLAT_RULES, SplatRules
from ..pixels.crossing import HOST
from ..pixels.fits import mean_within
from ..pixels.masks import square

SLOPE_WINDOW_PX = 15  # over which the farther side's slope is measured
MOSAIC_PX = 3.0  # standard deviation: what different pixels of the farther side continue is joined over this width
SPARE_PX = 6  # continued beyond what a view can look at: a splat reads its neighbours, and different sides are joined
SLOPE = 0.9  # of a tear, between neighbours that belong together
OWN_SLOPE = 8.0  # of a tear: how soon a surface's own colours give way to the farther one beside it
SWEEPS = 8  # of rows and columns, at most; a sweep reaches round one corner more
FOUR_NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))
EIGHT_NEIGHBOURS = (*FOUR_NEIGHBOURS, (1, 1), (1, -1), (-1, 1), (-1, -1))


@dataclass(frozen=True)
class HidingRules:
    """``tear_disp``: neighbours whose disparities differ by more are not connected. ``torn_disp``: what goes on behind an edge
    from several sides is not one surface where these differ by more. ``gap``: the least factor in depth between a surface and
    what it hides. ``parallax_px``: pixels by which views shift contents against each other per unit of
    disparity. ``splat``: how the layers will be drawn. ``device``: where holes are looked for and filled. ``soft_px``: the
    width of the edges that are taken apart, through which a view looks so much farther behind them."""

    tear_disp: float
    torn_disp: float
    gap: float
    parallax_px: float
    splat: SplatRules = SPLAT_RULES
    device: torch.device = HOST
    soft_px: float = 0.0


@dataclass(frozen=True, eq=False)
class Hidden:
    """What continues behind the pixels ``pixel [P]`` (flat, ascending): ``disp [P]`` its disparity; ``own_disp [P]`` that of
    the surface whose colours it has, which is less bent; ``source [P]`` the pixel beyond the depth edge that it continues
    (flat); ``ends [P]``: somewhere that surface ends before a farther one."""

    pixel: np.ndarray
    disp: np.ndarray
    own_disp: np.ndarray
    source: np.ndarray
    ends: np.ndarray

    def at(self, which: np.ndarray) -> Hidden:
        return Hidden(*(values[which] for values in (self.pixel, self.disp, self.own_disp, self.source, self.ends)))


def continue_behind(
    disp: np.ndarray,
    moving: np.ndarray,
    drift_px: np.ndarray,
    where: np.ndarray,
    rules: HidingRules,
    before: Sequence[np.ndarray] = (),
) -> Hidden:
    """Continue the farther side of every tear behind the nearer side, as far as a view can look or a fluid comes from.

    ``disp`` float32 ``[H, W]``, 0 where there is no pixel. A fluid is one surface: between two ``moving [H, W]`` pixels
    nothing tears; behind what hides it, it is continued by ``drift_px [H, W]`` more. Only what hides in ``where [H, W]``
    counts. ``before``: the disparities of what ``disp`` continues behind, nearest first. Only tears of what differs from the
    last of them count, and not those at its own end, where it was merely not continued any farther. Each pixel continues the
    nearest farther side, along its own slope.

    Where different sides meet, the nearer one is bent back until neighbours differ by less than a tear, and the surface stays
    connected. Only where they lie ``rules.torn_disp`` apart it ends there, and hides something in turn.
    """
    behind = np.minimum(disp - rules.tear_disp, disp / rules.gap)
    # Never a tear nearer than what is seen beside it: a view would look between the two.
    beside = cv2.erode(np.where(disp > 0, disp, np.inf), square(1)) + SLOPE * rules.tear_disp
    limit = np.where(where, np.minimum(behind, beside), -np.inf).reshape(-1)
    sheet = _seed(disp, moving, limit, rules, before)
    _grow(sheet, disp, drift_px, limit, rules)
    pixel = sheet.pixel()
    if not len(pixel):
        return Hidden(pixel, np.empty(0, np.float32), np.empty(0, np.float32), pixel, np.empty(0, bool))
    slopes = _slopes(disp, rules.tear_disp)
    own = _continued(disp, slopes, pixel, sheet.source[pixel], limit[pixel])
    sides = _Sides(pixel, own, moving.reshape(-1)[sheet.source[pixel]], disp.shape, rules.torn_disp)
    joined = np.minimum(sides.mean_in_place(own), limit[pixel])
    sheet.disp[pixel] = sides.bent_back(joined, SLOPE * rules.tear_disp)
    # What was bent back can be looked at from farther inside.
    _grow(sheet, disp, drift_px, limit, rules)
    pixel = sheet.pixel()
    source = sheet.source[pixel]
    own = _continued(disp, slopes, pixel, source, limit[pixel])
    sides = _Sides(pixel, own, moving.reshape(-1)[source], disp.shape, rules.torn_disp)
    bent = sides.bent_back(sheet.disp[pixel], SLOPE * rules.tear_disp)
    return Hidden(pixel, bent, sides.bent_back(own, OWN_SLOPE * rules.tear_disp), source, sides.that_end())


@dataclass(frozen=True, eq=False)
class _Sheet:
    """A surface while it grows, per pixel of the canvas (flat): ``disp``, inf where there is none, and ``source``. ``rings``:
    its pixels by their distance from the tear."""

    disp: np.ndarray
    source: np.ndarray
    rings: list[np.ndarray]

    def pixel(self) -> np.ndarray:
        return np.sort(np.concatenate(self.rings))


def shifted(values: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """``values`` at the neighbour (x+dx, y+dy), repeated at the border."""
    padded = cv2.copyMakeBorder(values, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    height, width = values.shape[:2]
    return padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]


def _seed(disp: np.ndarray, moving: np.ndarray, limit: np.ndarray, rules: HidingRules, before: Sequence[np.ndarray]) -> _Sheet:
    """The nearer pixels of all tears that are not those of ``before``, each continuing its farthest neighbour."""
    height, width = disp.shape
    front, flows = disp.reshape(-1), moving.reshape(-1)
    is_new = front != before[-1].reshape(-1) if before else np.ones(disp.size, bool)
    sheet = _Sheet(np.full(disp.size, np.inf, np.float32), np.full(disp.size, -1, np.int64), [])
    torn_below = np.where((limit > 0).reshape(disp.shape), disp - rules.tear_disp, -np.inf)
    for dy, dx in FOUR_NEIGHBOURS:
        far = shifted(disp, dy, dx)
        near = np.flatnonzero((far > 0) & (far < torn_below))
        near = near[far.reshape(-1)[near] < sheet.disp[near]]
        y, x = np.divmod(near, width)
        beyond = np.clip(y + dy, 0, height - 1) * width + np.clip(x + dx, 0, width - 1)
        # Beside what is new: unless the two were connected when the nearer pixel first showed this surface.
        opens = is_new[beyond]
        for other in (values.reshape(-1) for values in before):
            opens &= (other[near] != front[near]) | (np.abs(other[beyond] - other[near]) > rules.tear_disp)
        torn = (is_new[near] | opens) & ~(flows[near] & flows[beyond])
        sheet.disp[near[torn]] = front[beyond[torn]]
        sheet.source[near[torn]] = beyond[torn]
    seeds = np.flatnonzero(sheet.source >= 0)
    sheet.disp[seeds] = np.minimum(sheet.disp[seeds], limit[seeds])
    sheet.rings.append(seeds)
    return sheet


def _grow(sheet: _Sheet, disp: np.ndarray, drift_px: np.ndarray, limit: np.ndarray, rules: HidingRules) -> None:
    """Add to ``sheet``, ring by ring, the pixels at which it lies below ``limit`` and that a view can look at."""
    height, width = disp.shape
    front, drift_px = disp.reshape(-1), drift_px.reshape(-1)
    for distance_px in itertools.count(1):
        if distance_px > len(sheet.rings):
            break
        ring = sheet.rings[distance_px - 1]
        rows, cols = np.divmod(ring, width)
        values, origins = sheet.disp[ring], sheet.source[ring]
        # What can be looked at, so far behind the edge, must lie so much farther.
        nearest = values + np.maximum(distance_px - SPARE_PX - rules.soft_px - drift_px[origins], 0) / rules.parallax_px
        to_parts, value_parts, origin_parts = [], [], []
        for dy, dx in EIGHT_NEIGHBOURS:
            inside = (rows + dy >= 0) & (rows + dy < height) & (cols + dx >= 0) & (cols + dx < width)
            beside = ring[inside] + dy * width + dx
            offered = values[inside]
            taken = (sheet.source[beside] < 0) & (offered < limit[beside]) & (front[beside] > nearest[inside])
            to_parts.append(beside[taken])
            value_parts.append(offered[taken])
            origin_parts.append(origins[inside][taken])
        to, value, origin = (np.concatenate(parts) for parts in (to_parts, value_parts, origin_parts))
        if not len(to):
            continue
        # Last write wins: the offer of the nearest source, so that where two surfaces meet their border goes straight on; then
        # the farthest, then the lower source index.
        (to_y, to_x), (from_y, from_x) = np.divmod(to, width), np.divmod(origin, width)
        away = (to_y - from_y) ** 2 + (to_x - from_x) ** 2
        order = np.lexsort((-origin, -value, -away))
        sheet.disp[to[order]] = value[order]
        sheet.source[to[order]] = origin[order]
        if distance_px == len(sheet.rings):
            sheet.rings.append(np.empty(0, np.int64))
        sheet.rings[distance_px] = np.concatenate([sheet.rings[distance_px], np.unique(to)])


def _continued(
    disp: np.ndarray, slopes: tuple[np.ndarray, np.ndarray], pixel: np.ndarray, source: np.ndarray, limit: np.ndarray
) -> np.ndarray:
    """The disparities that the pixels ``source`` have, continued along their slopes to ``pixel``, no nearer than ``limit``."""
    (y, x), (from_y, from_x) = np.divmod(pixel, disp.shape[1]), np.divmod(source, disp.shape[1])
    start, (slope_y, slope_x) = disp.reshape(-1)[source], (slope.reshape(-1)[source] for slope in slopes)
    plane = start + slope_y * (y - from_y) + slope_x * (x - from_x)
    return np.minimum(np.maximum(plane, 0.5 * start), limit)


def _slopes(disp: np.ndarray, tear_disp: float) -> tuple[np.ndarray, np.ndarray]:
    """The mean slope of each pixel's surface, down and right, from the steps around it that are no tears."""
    slopes = []
    for axis in (0, 1):
        step = np.diff(disp, axis=axis)
        even = (np.abs(step) < tear_disp).astype(np.float32)
        window = (SLOPE_WINDOW_PX, SLOPE_WINDOW_PX)
        total = cv2.boxFilter(step * even, -1, window) / np.maximum(cv2.boxFilter(even, -1, window), 1e-3)
        pad = ((0, 1), (0, 0)) if axis == 0 else ((0, 0), (0, 1))
        slopes.append(np.pad(total, pad, mode="edge"))
    return slopes[0], slopes[1]


@dataclass(frozen=True, eq=False)
class _Sides:
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
    """`_Sides.bent_back` along runs alone."""
    rise = slope * np.arange(len(values))
    # Every run starts far below the one before it: a running minimum never carries over.
    apart = (2 * (values.max() - values.min()) + 1) * run
    values = np.minimum.accumulate(values - rise - apart) + rise + apart
    values = values[::-1]
    return (np.minimum.accumulate(values - rise + apart[::-1] - apart[-1]) + rise - apart[::-1] + apart[-1])[::-1]
