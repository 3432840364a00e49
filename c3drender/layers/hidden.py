"""The surface that a picture hides: the farther side of every depth edge, continued behind the nearer side."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
import torch

from ..data import SPLAT_RULES, SplatRules
from ..pixels.boxes import Crop
from ..pixels.crossing import HOST
from ..pixels.masks import grown, square
from .canvas import spread_out
from .sides import Sides

SLOPE_WINDOW_PX = 15  # over which the farther side's slope is measured
WINDOWS_PX = 32  # around a pixel: so far the means below read, and as far OpenCV takes the end of a row one by one
SPARE_PX = 6  # continued beyond what a view can look at: a splat reads its neighbours, and different sides are joined
SLOPE = 0.9  # of a tear, between neighbours that belong together
OWN_SLOPE = 8.0  # of a tear: how soon a surface's own colours give way to the farther one beside it
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


NOTHING = Hidden(
    np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.float32), np.empty(0, np.int64), np.empty(0, bool)
)


def continue_behind(
    disp: np.ndarray,
    moving: np.ndarray,
    drift_px: Callable[[np.ndarray], np.ndarray],
    where: np.ndarray,
    rules: HidingRules,
    before: Sequence[np.ndarray] = (),
) -> Hidden:
    """Continue the farther side of every tear behind the nearer side, as far as a view can look or a fluid comes from.

    ``disp`` float32 ``[H, W]``, 0 where there is no pixel. A fluid is one surface: between two ``moving [H, W]`` pixels
    nothing tears; behind what hides it, it is continued by ``drift_px`` (of its pixel, flat) more. Only what hides in ``where
    [H, W]`` counts. ``before``: the disparities of what ``disp`` continues behind, nearest first. Only tears of what differs
    from the last of them count, and not those at its own end, where it was merely not continued any farther. Each pixel
    continues the nearest farther side, along its own slope.

    Where different sides meet, the nearer one is bent back until neighbours differ by less than a tear, and the surface stays
    connected. Only where they lie ``rules.torn_disp`` apart it ends there, and hides something in turn.
    """
    tears = _find_tears(disp, moving, rules, before)
    near, beyond = (np.concatenate(pixels) for pixels in zip(*tears, strict=True))
    if not len(near):
        return NOTHING
    drifts = drift_px(beyond)
    # Farther from all tears nothing is continued, or seen by a window around what is.
    reach_px = ceil(rules.parallax_px * float(disp.max()) + float(drifts.max())) + SPARE_PX + WINDOWS_PX
    part = Crop.around(near, reach_px, disp.shape)
    disp, moving, where = (part.cut(plane) for plane in (disp, moving, where))
    drift = spread_out(part.inside(beyond), drifts, disp.shape)
    limit = _find_limit(disp, where, rules).reshape(-1)
    sheet = _seed(disp, [(part.inside(near), part.inside(beyond)) for near, beyond in tears], limit)
    _grow(sheet, disp, drift, limit, rules)
    pixel = sheet.pixel()
    if not len(pixel):
        return NOTHING
    slopes = _slopes(disp, rules.tear_disp)
    own = _continued(disp, slopes, pixel, sheet.source[pixel], limit[pixel])
    sides = Sides(pixel, own, moving.reshape(-1)[sheet.source[pixel]], disp.shape, rules.torn_disp)
    joined = np.minimum(sides.mean_in_place(own), limit[pixel])
    sheet.disp[pixel] = sides.bent_back(joined, SLOPE * rules.tear_disp)
    # What was bent back can be looked at from farther inside.
    _grow(sheet, disp, drift, limit, rules)
    pixel = sheet.pixel()
    source = sheet.source[pixel]
    own = _continued(disp, slopes, pixel, source, limit[pixel])
    sides = Sides(pixel, own, moving.reshape(-1)[source], disp.shape, rules.torn_disp)
    bent = sides.bent_back(sheet.disp[pixel], SLOPE * rules.tear_disp)
    own = sides.bent_back(own, OWN_SLOPE * rules.tear_disp)
    return Hidden(part.outside(pixel), bent, own, part.outside(source), sides.that_end())


@dataclass(frozen=True, eq=False)
class _Sheet:
    """A surface while it grows, per pixel of the canvas (flat): ``disp``, inf where there is none, and ``source``. ``rings``:
    its pixels by their distance from the tear."""

    disp: np.ndarray
    source: np.ndarray
    rings: list[np.ndarray]

    def pixel(self) -> np.ndarray:
        return np.sort(np.concatenate(self.rings))


def _find_tears(
    disp: np.ndarray, moving: np.ndarray, rules: HidingRules, before: Sequence[np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """By the direction of `FOUR_NEIGHBOURS`, the nearer pixels of all tears that are not those of ``before``, and the pixels
    beyond them, flat."""
    height, width = disp.shape
    front, flows = disp.reshape(-1), moving.reshape(-1)
    is_new = front != before[-1].reshape(-1) if before else np.ones(disp.size, bool)
    # Where a tear may be: the whole canvas is looked at once, not once for each neighbour.
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    torn = grown(is_new.reshape(disp.shape), 1) if before else cv2.erode(disp, cross) < disp - rules.tear_disp
    candidates = np.flatnonzero(torn)
    y, x = np.divmod(candidates, width)
    tears = []
    for dy, dx in FOUR_NEIGHBOURS:
        beyond = np.clip(y + dy, 0, height - 1) * width + np.clip(x + dx, 0, width - 1)
        far = front[beyond]
        torn = (far > 0) & (far < front[candidates] - rules.tear_disp)
        near, beyond = candidates[torn], beyond[torn]
        # Beside what is new: unless the two were connected when the nearer pixel first showed this surface.
        opens = is_new[beyond]
        for other in (values.reshape(-1) for values in before):
            opens &= (other[near] != front[near]) | (np.abs(other[beyond] - other[near]) > rules.tear_disp)
        counts = (is_new[near] | opens) & ~(flows[near] & flows[beyond])
        tears.append((near[counts], beyond[counts]))
    return tears


def _find_limit(disp: np.ndarray, where: np.ndarray, rules: HidingRules) -> np.ndarray:
    """The disparity below which something hides behind each pixel: ``[H, W]``."""
    behind = np.minimum(disp - rules.tear_disp, disp / rules.gap)
    # Never a tear nearer than what is seen beside it: a view would look between the two.
    beside = cv2.erode(np.where(disp > 0, disp, np.inf), square(1)) + SLOPE * rules.tear_disp
    return np.where(where, np.minimum(behind, beside), -np.inf)


def _seed(disp: np.ndarray, tears: list[tuple[np.ndarray, np.ndarray]], limit: np.ndarray) -> _Sheet:
    """The nearer pixels of the ``tears`` behind which something can hide, each continuing its farthest neighbour."""
    sheet = _Sheet(np.full(disp.size, np.inf, np.float32), np.full(disp.size, -1, np.int64), [])
    front = disp.reshape(-1)
    for near, beyond in tears:
        farther = (limit[near] > 0) & (front[beyond] < sheet.disp[near])
        sheet.disp[near[farther]] = front[beyond[farther]]
        sheet.source[near[farther]] = beyond[farther]
    seeds = np.flatnonzero(sheet.source >= 0)
    sheet.disp[seeds] = np.minimum(sheet.disp[seeds], limit[seeds])
    sheet.rings.append(seeds)
    return sheet


def _grow(sheet: _Sheet, disp: np.ndarray, drift_px: np.ndarray, limit: np.ndarray, rules: HidingRules) -> None:
    """Add to ``sheet``, ring by ring, the pixels at which it lies below ``limit`` and that a view can look at."""
    height, width = disp.shape
    front, drift_px = disp.reshape(-1), drift_px.reshape(-1)
    down, along = np.array(EIGHT_NEIGHBOURS).T[..., None]
    for distance_px in itertools.count(1):
        if distance_px > len(sheet.rings):
            break
        ring = sheet.rings[distance_px - 1]
        rows, cols = np.divmod(ring, width)
        values, origins = sheet.disp[ring], sheet.source[ring]
        # What can be looked at, so far behind the edge, must lie so much farther.
        nearest = values + np.maximum(distance_px - SPARE_PX - drift_px[origins], 0) / rules.parallax_px
        to_y, to_x = rows + down, cols + along
        inside = (to_y >= 0) & (to_y < height) & (to_x >= 0) & (to_x < width)
        beside = np.where(inside, to_y * width + to_x, ring)  # the ring itself is taken
        taken = (sheet.source[beside] < 0) & (values < limit[beside]) & (front[beside] > nearest)
        if not taken.any():
            continue
        to, (_, by) = beside[taken], np.nonzero(taken)
        value, origin = values[by], origins[by]
        # Last write wins: the offer of the nearest source, so that where two surfaces meet their border goes straight on; then
        # the farthest, then the lower source index.
        away = (to_y[taken] - origin // width) ** 2 + (to_x[taken] - origin % width) ** 2
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
