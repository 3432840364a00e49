"""What the user did not say about motion: which parts of the picture move, and where to.

Parts come from the scenery's soft maps; directions from the picture's own streaks (structure tensor), signed by what each
kind of matter does: falling and flowing water runs away from its upper end, level water drifts along its waves or toward its
shore, clouds share one wind, smoke rises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import dijkstra

from ..data import FRAMES_PER_ARROW
from ..pixels.fits import fit_planes
from ..pixels.nearest import nearest_inside
from ..pixels.sizes import work_size
from .clouds import find_clouds
from .grid import Sides, frame_sides

Array = NDArray[Any]

KINDS = ("water", "rapids", "sky", "smoke")
FAMILIES = (("water", "rapids"), ("sky",), ("smoke",))  # kinds that mix in one body
SPEED_PX = {"water": 1.1, "rapids": 1.8, "sky": 1.1, "smoke": 1.3}  # px per frame in a picture whose longer side is 1280 px
WORK_SIDE_PX = 320
SURE = 0.5  # a map above this is taken for its kind
# Mean over a part, by the first kind of its family: what is less sure stays still, unless an arrow points at it. By the
# cues; by classes alone, of a larger segmenter; by the network's classes and what it says may move. Of the sky and of smoke
# segmenters doubt which of cloud, smoke, mist and spray they are, and all of these may drift.
LEAST_SURE = {"water": 0.9, "sky": 0.9, "smoke": 0.9}
LEAST_SURE_TOLD = {"water": 0.92, "sky": 0.8, "smoke": 0.7}
LEAST_SURE_SEEN = {**LEAST_SURE_TOLD, "water": 0.78}
THIN = 0.25  # smoke and clouds fade out: what is joined to a sure part counts from here on
FILLED_SHARE = 0.003  # of the picture: smaller holes in a fluid are fluid ...
NO_FLUID = 0.25  # ... but where its map says less on the mean: a boat, a rock, a swimmer
SMOKE_FILLED_SHARE = 0.05  # what shows between the curls of smoke drifts with them, whatever it is
LEAST_SHARE = 0.002  # of the picture: a smaller part is not worth moving, unless an arrow points at it
ARROW_REACH = 0.12  # of the longer side: how far an arrow tells regions that it does not touch where to go
MOST_OF_WAY = 0.25  # through a region: a guess goes no farther in an arrow's frames, or a strip of sea is torn as a whole ...
SLOW = (0.3, 1.0)  # ... within this range of the usual speed
NEAR_FAR = (0.1, 3.0)  # range of the factor by which distance scales a guessed speed
CLOUDS_PACE = 0.73  # of the usual speed of what lies above the horizon: with all of it clouds are seen twice in mid-loop
CLOUDS_NEAR_FAR = (0.05, 1.5)  # ... and of that by which clouds are slower towards the horizon


@dataclass(frozen=True, eq=False)
class Part:
    """Pixels ``mask`` bool ``[H, W]`` of one kind, how sure that is (0..1), and whether that is enough to move them."""

    kind: str
    mask: Array
    sure: float
    moves: bool = True


@dataclass(frozen=True, eq=False)
class Guess:
    """``step_px`` float32 ``[H, W, 2]`` px per frame and how far to trust it, ``weight`` ``[H, W]`` 0..1."""

    step_px: Array
    weight: Array


def find_parts(
    maps: dict[str, Array], rgb: Array, segments: Array, least_sure: Mapping[str, float], free: Array | None = None
) -> list[Part]:
    """The parts that move, and those that may but are less sure than ``least_sure`` asks. ``maps``: soft maps ``[H, W]``
    per kind; ``segments`` ``[A, 2, 2]``: if any, only what they touch, sure or not.

    Water is as sure as its map and ``free`` ``[H, W]`` (`Scenery.free`) say together; where that is little it is none.

    An arrow that touches no known part gets the part of like colour around it, of kind ``water``.
    """
    height, width = rgb.shape[:2]
    least = LEAST_SHARE * height * width
    touched = [_segment_pixels(segment, height, width) for segment in segments]
    parts, reached = [], [False] * len(touched)
    for family in FAMILIES:
        strongest = np.max([maps[kind] for kind in family], axis=0)
        value = np.minimum(np.sum([maps[kind] for kind in family], axis=0), 1)
        others = [maps[kind] for kind in KINDS if kind not in family]
        trust = value * free if free is not None and "water" in family else value
        mask = _fluid_mask(family, trust, np.max(others, axis=0))
        if family == ("sky",) and not touched:
            mask &= find_clouds(rgb, mask)
        labels, count = ndimage.label(mask)
        areas = np.bincount(labels.ravel(), minlength=count + 1)
        hits = [np.unique(labels[rows, cols]) for rows, cols in touched]
        reached = [known or bool((hit > 0).any()) for known, hit in zip(reached, hits, strict=True)]
        if touched:
            wanted = np.array([k > 0 and any(k in hit for hit in hits) for k in range(count + 1)])
            sure = wanted
        else:
            wanted = (areas >= least) & (np.arange(count + 1) > 0)
            sure = np.bincount(labels.ravel(), trust.ravel(), count + 1) >= least_sure[family[0]] * areas
        for kind in family:
            own = maps[kind] == strongest
            for moves, regions in ((True, wanted & sure), (False, wanted & ~sure)):
                chosen = regions[labels] & own
                if chosen.any():
                    parts.append(Part(kind, chosen, float(trust[chosen].mean()), moves))
    for segment, known in zip(segments, reached, strict=True):
        if not known:
            parts.append(Part("water", _grow_from(segment, rgb), 0.3))
    return parts


def _fluid_mask(family: tuple[str, ...], value: Array, other: Array) -> Array:
    """Where a family's map is sure, and where it thins out from there, which water does not; of smoke only the main body,
    with its gaps."""
    own = value >= other
    sure = (value > SURE) & own
    reached = sure if "water" in family else (value > THIN) & own
    holes = SMOKE_FILLED_SHARE if family == ("smoke",) else FILLED_SHARE
    mask = _tidy(reached, holes * value.size)
    if family != ("smoke",):
        mask &= ~_parts_below(NO_FLUID, mask & ~reached, value)
    labels, count = ndimage.label(mask)
    core = np.bincount(labels[sure], minlength=count + 1)
    core[0] = 0
    least = 0.15 * core.max() if family == ("smoke",) else 0
    return (core > least)[labels]


def guess_steps(
    rgb: Array,
    disp: Array,
    moving: Array,
    maps: dict[str, Array],
    horizon_y: float | None,
    arrows: Array,
    way: Array | None = None,
) -> Guess:
    """A plausible step for every moving pixel. ``disp`` ``[H, W]``; ``moving`` bool; ``maps`` as in `find_parts`.

    What no map knows is taken for level water below ``horizon_y`` and for sky above it; without a horizon, for running water.
    ``arrows`` float ``[A, 4]``: middle (x, y) px and step (x, y) px per frame of what is known elsewhere; like moves like.
    ``way`` ``[H, W, 2]``: where a network saw fluids go (`Scenery.way`).
    """
    height, width = moving.shape
    scale, size = work_size(height, width, WORK_SIDE_PX)

    def shrink(value: Array) -> Array:
        return cv2.resize(np.ascontiguousarray(value, dtype=np.float32), size, interpolation=cv2.INTER_AREA)

    inside = shrink(moving) > 0.3
    axis, coherence = _streaks(shrink(rgb))
    told_way = np.zeros_like(axis) if way is None else shrink(way)
    share = _shares(np.stack([shrink(maps[kind]) for kind in KINDS]), horizon_y, scale)
    disparity = shrink(disp)
    step = np.zeros((*inside.shape, 2), np.float32)
    weight = np.zeros(inside.shape, np.float32)
    wet, clouds = shrink(maps["water"] + maps["rapids"]) > 0.5, shrink(maps["sky"])
    labels, count = ndimage.label(inside & wet, np.ones((3, 3)))
    labels += ndimage.label(inside & ~wet, np.ones((3, 3)))[0] + count * (inside & ~wet)
    for k, box in enumerate(ndimage.find_objects(labels), start=1):
        region = labels[box] == k
        piece = Piece(region, box, inside.shape)
        heading, trust = _headings(piece, share[(slice(None), *box)], axis[box], coherence[box], told_way[box])
        near_far = np.clip(disparity[box] / np.median(disparity[box][region]), *NEAR_FAR)
        pace: dict[str, Any] = {"water": near_far, "rapids": near_far, "sky": 1.0, "smoke": 1.0}
        if horizon_y is not None and "sky" in heading:
            pace["sky"] = _cloud_pace(share[KINDS.index("sky")][box] * region, horizon_y * scale - box[0].start)
        pace["sky"] = pace["sky"] * (1 - (1 - CLOUDS_PACE) * clouds[box])
        for kind in heading:
            part = np.where(region, share[KINDS.index(kind)][box], 0)
            usual = SPEED_PX[kind] * max(height, width) / 1280
            most = MOST_OF_WAY * _way_px(region, part, heading[kind]) / scale / FRAMES_PER_ARROW
            speed = usual * np.clip(most / usual, *SLOW)
            step[box] += (part * speed * pace[kind])[..., None] * heading[kind]
            weight[box] += part * trust[kind]
    told, told_weight = _told_by(arrows, share, scale)
    step = (step * weight[..., None] + told) / np.maximum(weight + told_weight, 1e-6)[..., None]
    weight = np.maximum(weight, np.minimum(told_weight, 1))
    return Guess(_widen(step, inside, (width, height)), _widen(weight, inside, (width, height)))


def _way_px(region: Array, part: Array, heading: Array) -> float:
    """How far it is on the mean through a ``region`` bool ``[h, w]`` the way that its ``part`` heads, ``[h, w]`` and
    ``[h, w, 2]``: its area over its breadth."""
    x, y = np.average(heading.reshape(-1, 2), axis=0, weights=part.ravel())
    rows, cols = np.nonzero(region)
    across = (cols * y - rows * x) / max(float(np.hypot(x, y)), 1e-6)
    return len(rows) / (float(np.ptp(across)) + 1)


def _cloud_pace(sky: Array, horizon_row: float) -> Array:
    """By how much faster clouds drift than in the mean of ``sky`` ``[h, w]``, ``[h, 1]``: the disparity of a level layer of
    them grows with the height above the horizon. So what the skyline hides hardly moves against it."""
    above = np.maximum(horizon_row - np.arange(len(sky))[:, None] - 0.5, 0)
    mean = float((above * sky).sum() / max(float(sky.sum()), 1e-6))
    return np.clip(above / max(mean, 1e-6), *CLOUDS_NEAR_FAR)


def _shares(share: Array, horizon_y: float | None, scale: float) -> Array:
    """Soft maps ``[K, h, w]`` made to sum to one: what none of them knows goes to the kind that its height suggests."""
    unknown = np.maximum(0.05 - share.sum(axis=0), 0)
    rows = np.arange(share.shape[1])[:, None] + 0.5
    if horizon_y is None:
        share[KINDS.index("rapids")] += unknown
    else:
        above = rows < horizon_y * scale
        share[KINDS.index("sky")] += unknown * above
        share[KINDS.index("water")] += unknown * ~above
    return share / share.sum(axis=0)


def _told_by(arrows: Array, share: Array, scale: float) -> tuple[Array, Array]:
    """Weighted sum of the steps of ``arrows`` near each pixel and of its kind, and the weights."""
    told, total = np.zeros((*share.shape[1:], 2)), np.zeros(share.shape[1:])
    rows, cols = np.indices(total.shape)
    reach = ARROW_REACH * max(total.shape)
    for x, y, *step in arrows:
        at = np.clip(np.floor(np.array([y, x]) * scale), 0, np.array(total.shape) - 1).astype(int)
        alike = np.minimum(share, share[:, at[0], at[1], None, None]).sum(axis=0)
        near = 10 * alike * np.exp(-((cols + 0.5 - x * scale) ** 2 + (rows + 0.5 - y * scale) ** 2) / reach**2)
        told += near[..., None] * np.array(step)
        total += near
    return told, total


@dataclass(frozen=True, eq=False)
class Piece:
    """A connected ``region`` bool ``[h, w]`` in its ``box`` (rows, columns) of a picture of ``shape``."""

    region: Array
    box: tuple[slice, slice]
    shape: tuple[int, ...]

    @property
    def sides(self) -> Sides:
        return frame_sides(self.shape, *self.box)


def _headings(
    piece: Piece, share: Array, axis: Array, coherence: Array, way: Array
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Unit directions and trust per kind that one region of the reduced picture has some of, all in its box."""
    region = piece.region
    means = {kind: float(part[region].mean()) for kind, part in zip(KINDS, share, strict=True)}
    water, rapids, smoke = means["water"], means["rapids"], means["smoke"]
    # a stream is mostly rapids, or a long way down with some; surf is wide and has some too
    foam = rapids / max(water + rapids, 1e-6)
    tall = float(region.any(axis=1).sum() ** 2 / region.sum())
    runs = float(np.clip(max((foam - 0.2) / 0.3, min(foam / 0.05, (tall - 0.6) / 0.6)), 0, 1))
    still = np.zeros((*region.shape, 2))
    downstream = _downstream(piece) if runs > 0 else still
    rising = _rising(piece) if smoke > 0.05 else still
    flowing = runs * downstream + (1 - runs) * _level_heading(piece)
    base = {"water": flowing, "rapids": flowing, "sky": still + np.array([1.0, 0.0]), "smoke": rising}
    follow = {"water": 0.3 * runs, "rapids": 0.5 * runs, "sky": 0.0, "smoke": 0.8}
    heading, trust = {}, {}
    for k, kind in enumerate(KINDS):
        if means[kind] == 0:
            continue
        # One wind for all clouds; elsewhere each place has its own way. What the network is sure of takes the rule's place.
        wind = np.average(way[region], axis=0, weights=share[k][region]) if kind == "sky" else None
        seen = way if wind is None else still + wind
        sure = np.minimum(np.linalg.norm(seen, axis=-1, keepdims=True), 1)
        direction = (1 - sure) * base[kind] + seen
        along = (axis * direction).sum(-1, keepdims=True)
        pull = follow[kind] * coherence[..., None]
        mixed = (1 - pull) * direction + pull * along * axis
        heading[kind] = mixed / np.maximum(np.linalg.norm(mixed, axis=-1, keepdims=True), 1e-6)
        trust[kind] = 0.2 + coherence * np.abs((axis * rising).sum(-1)) if kind == "smoke" else np.ones(region.shape)
    return heading, trust


def _downstream(piece: Piece) -> Array:
    """Unit directions along a stream: away from its upper end, down where its length says nothing."""
    ends = np.zeros_like(piece.region)
    ends[0] = piece.region[0]
    heading = _slope_of_way(piece, ends)
    heading[..., 1] += 0.15
    return heading / np.maximum(np.linalg.norm(heading, axis=-1, keepdims=True), 1e-6)


def _rising(piece: Piece) -> Array:
    """Unit directions of smoke: toward where it leaves the picture at the top or the sides, else away from its lower end."""
    region, (top, _, left, right) = piece.region, piece.sides
    ends = np.zeros_like(region)
    ends[0] |= region[0] & top
    ends[:, 0] |= region[:, 0] & left
    ends[:, -1] |= region[:, -1] & right
    leaves = bool(ends.any())
    if not leaves:
        ends[-1] = region[-1]
    heading = _slope_of_way(piece, ends) * (-1 if leaves else 1)
    heading[..., 1] -= 0.15
    return heading / np.maximum(np.linalg.norm(heading, axis=-1, keepdims=True), 1e-6)


def _slope_of_way(piece: Piece, ends: Array) -> Array:
    """Gradient ``[h, w, 2]`` (x, y) of the shortest way inside the region from ``ends``, smoothed over its breadth."""
    region = piece.region
    number = np.full(region.shape, -1)
    number[region] = np.arange(region.sum())
    links, lengths = [], []
    for a, b, length in (
        (np.s_[:, :-1], np.s_[:, 1:], 1.0),
        (np.s_[:-1], np.s_[1:], 1.0),
        (np.s_[:-1, :-1], np.s_[1:, 1:], np.sqrt(2)),
        (np.s_[:-1, 1:], np.s_[1:, :-1], np.sqrt(2)),
    ):
        both = (number[a] >= 0) & (number[b] >= 0)
        links.append(np.stack([number[a][both], number[b][both]]))
        lengths.append(np.full(both.sum(), length))
    first, second = np.concatenate(links, axis=1)
    total = int(region.sum())
    graph = sparse.csr_matrix((np.concatenate(lengths), (first, second)), shape=(total, total))
    way = np.zeros(region.shape)
    lengths_from = dijkstra(graph, directed=False, indices=number[ends], min_only=True)
    way[region] = np.where(np.isfinite(lengths_from), lengths_from, 0)
    fit = fit_planes(way, region.astype(np.float64), max(1.5, 0.15 * np.sqrt(total)))
    return np.stack([fit.slope_x, fit.slope_y], axis=-1)


def _level_heading(piece: Piece) -> Array:
    """Level water: from the picture's open side toward the shore, or to the right where both sides or none are open."""
    region, (_, _, at_left, at_right) = piece.region, piece.sides
    left, right = (float(side.sum()) / piece.shape[0] for side in (region[:, 0] & at_left, region[:, -1] & at_right))
    sign = -1.0 if right > 2 * left and right > 0.05 else 1.0
    return np.broadcast_to(np.array([sign, 0.1], np.float32) / np.float32(np.hypot(1, 0.1)), (*region.shape, 2))


def _streaks(rgb: Array) -> tuple[Array, Array]:
    """Along the picture's streaks: unit axis ``[h, w, 2]`` (sign arbitrary) and coherence ``[h, w]`` 0..1."""
    light = cv2.GaussianBlur(rgb.mean(axis=-1), (0, 0), 1.0)
    gx, gy = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    jxx, jyy, jxy = (cv2.GaussianBlur(g, (0, 0), 5.0) for g in (gx * gx, gy * gy, gx * gy))
    angle = 0.5 * np.arctan2(2 * jxy, jxx - jyy) + np.pi / 2
    coherence = np.hypot(jxx - jyy, 2 * jxy) / (jxx + jyy + 1e-4)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1), coherence


def _segment_pixels(segment: Array, height: int, width: int) -> tuple[Array, Array]:
    t = np.linspace(0, 1, 2 + int(np.abs(segment[1] - segment[0]).max()))[:, None]
    points = np.floor(segment[0] + t * (segment[1] - segment[0])).astype(int)
    fits = (points >= 0).all(axis=1) & (points < (width, height)).all(axis=1)
    return points[fits, 1], points[fits, 0]


def _grow_from(segment: Array, rgb: Array) -> Array:
    """Pixels that a path of like colour joins to the segment, no farther than twice its length."""
    height, width = rgb.shape[:2]
    rows, cols = _segment_pixels(segment, height, width)
    seeds = np.zeros((height, width), np.uint8)
    if len(rows) == 0:
        return seeds > 0
    seeds[rows, cols] = 1
    length = float(np.linalg.norm(segment[1] - segment[0]))
    near = cv2.distanceTransform(1 - seeds, cv2.DIST_L2, 3) <= max(8.0, 2 * length)
    colour = cv2.GaussianBlur(rgb, (0, 0), max(1.0, max(height, width) / 400))
    own = colour[rows, cols]
    spread = np.maximum(own.std(axis=0), 0.05)
    alike = (np.abs(colour - own.mean(axis=0)) < 2.5 * spread).all(axis=-1) & near | (seeds > 0)
    labels, _ = ndimage.label(alike)
    return _tidy(np.isin(labels, np.unique(labels[rows, cols])), height * width // 2000)


def _tidy(mask: Array, hole_px: float) -> Array:
    """Drop specks and threads, fill holes of fewer than ``hole_px`` pixels."""
    width = max(3, max(mask.shape) // 300 | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0
    labels, _ = ndimage.label(~opened)
    small = np.bincount(labels.ravel()) < hole_px
    small[0] = False
    return opened | small[labels]


def _parts_below(mean: float, mask: Array, value: Array) -> Array:
    """The connected parts of ``mask`` over which ``value`` is less on the mean."""
    labels, count = ndimage.label(mask)
    sums, areas = (np.bincount(labels.ravel(), weights, count + 1) for weights in (value.ravel(), None))
    return mask & (sums < mean * areas)[labels]


def _widen(value: Array, inside: Array, size: tuple[int, int]) -> Array:
    """Carry to full size what is known ``inside``, continuing it outward so that borders do not fade."""
    if not inside.any():
        return np.zeros((size[1], size[0], *value.shape[2:]), np.float32)
    filled = np.ascontiguousarray(value[nearest_inside(inside)], dtype=np.float32)
    return cv2.resize(filled, size, interpolation=cv2.INTER_LINEAR)
