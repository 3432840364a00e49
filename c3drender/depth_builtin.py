"""The built-in depth estimate: a layered landscape from one photo, without a learned model.

The photo is cut into small segments along its edges. Each segment is somewhere between ground (its disparity falls towards
the horizon) and upright (its disparity is that of its foot). One sparse least-squares problem over the segments says how
near each is; the result is smoothed within surfaces and its jumps are moved onto the photo's own edges at full size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

WORK_SIDE_PX = 480  # the longer side of the reduced picture that is segmented and solved
SEGMENT_PX = 11  # the distance of segment seeds in it
HORIZON_DISP = 0.05  # relative disparity of the ground at the horizon; the sky's is 0, the nearest ground's 1
UPRIGHT_TILT = 0.15  # upright things lean back by this share of the ground's slope
DEBUG = {}
WALL_DISP = 0.6
VALLEY_RISE = 0.35
UPRIGHT_PULL = 3e-4
FOOT_LOW = 0.15
FOOT_HIGH = 0.01
FAR_PULL = 0.01
WATER_DROP = 0.95
LINK = 16.0
AFF = 0.7
CUT_DISP = 0.04  # neighbouring segments that differ by more are different surfaces


@dataclass(frozen=True)
class Landscape:
    """What the estimate needs to know of the scenery, at the reduced size: soft maps float32 ``[h, w]`` and the horizon's row."""

    sky: np.ndarray
    level: np.ndarray
    smoke: np.ndarray
    horizon_row: float


@dataclass(frozen=True)
class Segments:
    """``labels`` int32 ``[h, w]``, 0..n-1; per segment its size, centre (px) and mean colour (1/100 CIE Lab)."""

    labels: np.ndarray
    area: np.ndarray
    x: np.ndarray
    y: np.ndarray
    lab: np.ndarray

    def __len__(self) -> int:
        return len(self.area)

    def mean(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.labels.ravel(), values.ravel(), minlength=len(self)) / self.area


@dataclass(frozen=True)
class Borders:
    """Where two segments meet, ``[B]`` each: ``a`` is left of or above ``b``; ``length`` px; ``row`` (px) where they meet;
    ``level``: share of the border that is level (``a`` above ``b``); ``affinity`` 0..1: they look like one surface."""

    a: np.ndarray
    b: np.ndarray
    length: np.ndarray
    row: np.ndarray
    level: np.ndarray
    affinity: np.ndarray


def estimate_disparity(rgb: np.ndarray, sky: np.ndarray, level: np.ndarray, smoke: np.ndarray, horizon_y: float) -> np.ndarray:
    """Relative disparity, float32 ``[H, W]``, 0 (sky) .. 1 (near), of the photo ``rgb`` (float32 ``[H, W, 3]``, 0..1)."""
    height, width = rgb.shape[:2]
    scale = min(1.0, WORK_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))

    def shrunk(x: np.ndarray) -> np.ndarray:
        return cv2.resize(x, size, interpolation=cv2.INTER_AREA)

    small = np.clip(shrunk(rgb), 0, 1)
    land = Landscape(shrunk(sky), shrunk(level), shrunk(smoke), horizon_y * size[1] / height)
    if land.smoke.mean() > 0.02 and land.sky.mean() < 0.02:
        return cv2.resize(drifting_smoke(land.smoke), (width, height), interpolation=cv2.INTER_LINEAR)
    if min(size) < 3:
        return np.broadcast_to(np.linspace(HORIZON_DISP, 1, height, dtype=np.float32)[:, None], (height, width)).copy()
    segments = cut_into_segments(small, land)
    stripes = upright_stripes(small)
    borders = find_borders(segments, small, stripes)
    groundness = find_groundness(segments, borders, land, stripes, facing_texture(small))
    ground = stage_of(land, crest_tilt(groundness[segments.labels], land))
    stage = np.where(land.sky > 0.5, 0, raise_sides(ground, land) * (1 - (1 - WATER_DROP) * land.level))
    disp, slope = solve_disparity(segments, borders, land, stage, groundness)
    DEBUG.update(g=groundness[segments.labels], stage=stage, d0=disp[segments.labels])
    smooth, is_cut = smooth_within_surfaces(segments, disp, slope, segments.mean(land.sky) > 0.5)
    return carry_to_full_size(rgb, segments, smooth, is_cut)


def drifting_smoke(smoke: np.ndarray) -> np.ndarray:
    """Smoke has no surface: dense smoke bulges softly out of a backdrop that comes a little nearer towards the bottom."""
    rows = np.linspace(0, 1, len(smoke), dtype=np.float32)[:, None]
    body = cv2.GaussianBlur(smoke, (0, 0), len(smoke) / 60)
    return 0.15 * rows + 0.7 * body * (0.7 + 0.3 * rows)


def cut_into_segments(rgb: np.ndarray, land: Landscape) -> Segments:
    """Watershed of the slightly smoothed picture from a grid of seeds, each moved to the flattest spot near its place; cut
    again along the borders of sky and level water."""
    height, width = rgb.shape[:2]
    picture = cv2.GaussianBlur(np.round(rgb * 255).astype(np.uint8), (0, 0), 0.8)
    light = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    steepness = cv2.GaussianBlur(
        cv2.magnitude(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)), (0, 0), 1
    )
    seeds = np.zeros((height, width), np.int32)
    rows = np.linspace(0, height, max(1, round(height / SEGMENT_PX)) + 1).astype(int)
    columns = np.linspace(0, width, max(1, round(width / SEGMENT_PX)) + 1).astype(int)
    count = 0
    for top, bottom in zip(rows[:-1], rows[1:], strict=True):
        for left, right in zip(columns[:-1], columns[1:], strict=True):
            inset_y, inset_x = (bottom - top) // 4, (right - left) // 4
            cell = steepness[top + inset_y : bottom - inset_y, left + inset_x : right - inset_x]
            y, x = np.unravel_index(int(np.argmin(cell)), cell.shape)
            count += 1
            seeds[top + inset_y + y, left + inset_x + x] = count
    kind = np.where(land.sky > 0.5, 1, np.where(land.level > 0.5, 2, 0))
    return describe_segments(watershed(picture, seeds) * 3 + kind, rgb)


def watershed(picture: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Grow the seeds (> 0) over the 8-bit ``picture``; the lines that OpenCV leaves between regions join a neighbour."""
    labels = cv2.watershed(picture, seeds.copy())
    labels[[0, -1]], labels[:, [0, -1]] = -1, -1
    for _ in range(2):
        grown = cv2.dilate(np.maximum(labels, 0).astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.int32)
        labels = np.where(labels < 1, grown, labels)
    return labels


def describe_segments(labels: np.ndarray, rgb: np.ndarray) -> Segments:
    _, labels = np.unique(labels, return_inverse=True)
    labels = labels.reshape(rgb.shape[:2]).astype(np.int32)
    area = np.bincount(labels.ravel()).astype(np.float64)
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float64) / 100
    height, width = labels.shape

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(labels.ravel(), values.ravel()) / area

    x = mean(np.broadcast_to(np.arange(width) + 0.5, labels.shape))
    y = mean(np.broadcast_to(np.arange(height)[:, None] + 0.5, labels.shape))
    return Segments(labels, area, x, y, np.stack([mean(lab[..., k]) for k in range(3)], axis=1))


def find_borders(segments: Segments, rgb: np.ndarray, stripes: np.ndarray) -> Borders:
    labels, count = segments.labels, len(segments)
    lab = cv2.cvtColor(cv2.GaussianBlur(rgb, (0, 0), 1), cv2.COLOR_RGB2LAB) / 100
    keys, steps, rows, levels = [], [], [], []
    for axis in (0, 1):
        first, second = (labels[:-1], labels[1:]) if axis == 0 else (labels[:, :-1], labels[:, 1:])
        row, column = np.nonzero(first != second)
        keys.append(first[row, column].astype(np.int64) * count + second[row, column])
        reach = 2
        if axis == 0:
            before = lab[np.maximum(row - reach + 1, 0), column]
            after = lab[np.minimum(row + reach, lab.shape[0] - 1), column]
        else:
            before = lab[row, np.maximum(column - reach + 1, 0)]
            after = lab[row, np.minimum(column + reach, lab.shape[1] - 1)]
        steps.append(np.linalg.norm(before - after, axis=1))
        rows.append(row + (1.0 if axis == 0 else 0.5))
        levels.append(np.full(len(row), 1.0 - axis))
    key, step, row, level = (np.concatenate(x) for x in (keys, steps, rows, levels))
    unordered = np.minimum(key, (key % count) * count + key // count)
    pairs, group = np.unique(unordered, return_inverse=True)
    length = np.bincount(group).astype(np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(group, values) / length

    low, high = pairs // count, pairs % count
    # A level border orders the pair by who is above; votes are signed by which label came first.
    above_votes = mean(np.where(key // count == low[group], 1.0, -1.0) * level)
    swap = above_votes < 0
    a, b = np.where(swap, high, low), np.where(swap, low, high)
    contrast = mean(step) + np.linalg.norm(segments.lab[a] - segments.lab[b], axis=1)
    # Contrast counts in units of what is usual on the calmer side: inside a busy surface much of it means little.
    total = np.bincount(a, length * contrast, count) + np.bincount(b, length * contrast, count)
    around = total / np.maximum(np.bincount(a, length, count) + np.bincount(b, length, count), 1)
    floor = max(0.6 * float(np.median(around)), 0.02)
    usual = np.maximum(np.minimum(around[a], around[b]), floor)
    affinity = np.exp(-((contrast / (AFF * usual)) ** 2))
    # An upright stripe (a trunk, a post) holds together along itself and not with what is beside it.
    striped = segments.mean(stripes)
    is_level = np.abs(above_votes)
    beside = np.maximum(striped[a], striped[b]) * (1 - is_level)
    along = np.minimum(striped[a], striped[b]) * is_level
    affinity = np.maximum(affinity * (1 - 0.95 * beside), 0.5 * along)
    return Borders(a, b, length, mean(row), is_level, affinity)


def stage_of(land: Landscape, tilt: float) -> np.ndarray:
    """The empty stage, disparity ``[h, w]``: level ground up to the (tilted) horizon and, where land stands above the horizon
    at the left or right border, a wall along that side. The nearer of the two is seen."""
    height, width = land.sky.shape
    columns, rows = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    horizon = np.minimum(land.horizon_row + (horizon_tilt(land) or tilt) * (columns - width / 2), 0.9 * height)
    ground = HORIZON_DISP + (1 - HORIZON_DISP) * (rows - horizon) / (height - horizon)
    return np.maximum(ground, HORIZON_DISP)


def raise_sides(ground: np.ndarray, land: Landscape) -> np.ndarray:
    """The stage with land that rises towards a closed side (no sky above it): a valley floor, lowest along the water, and a
    wall above it. What is higher than the floor is nearer at the same row."""
    height, width = land.sky.shape
    columns, rows = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    band = max(1, width // 10)
    open_above = (land.sky > 0.5)[: max(1, int(land.horizon_row))]
    left_closed, right_closed = (
        float(np.clip(1 - 3 * open_above[:, side].mean(), 0, 1)) for side in (slice(0, band), slice(width - band, width))
    )
    axis = water_axis(land)
    left = left_closed * np.clip((axis - columns) / np.maximum(axis, 1), 0, 1)
    right = right_closed * np.clip((columns - axis) / np.maximum(width - axis, 1), 0, 1)
    aside = np.maximum(left, right)
    fade = np.clip(rows / max(land.horizon_row, 1.0), 0.4, 1)
    floor = ground * (1 + VALLEY_RISE * aside) / (1 + VALLEY_RISE * max(left_closed, right_closed))
    return np.maximum(floor, WALL_DISP * aside * fade)


def water_axis(land: Landscape) -> np.ndarray:
    """Column of the valley's lowest line in each row, ``[h, 1]``: the water's where the picture shows it, else the middle."""
    height, width = land.level.shape
    columns = np.arange(width) + 0.5
    mass = cv2.GaussianBlur(land.level.sum(axis=1, keepdims=True), (1, 0), sigmaX=1, sigmaY=height / 12)
    moment = cv2.GaussianBlur((land.level * columns).sum(axis=1, keepdims=True), (1, 0), sigmaX=1, sigmaY=height / 12)
    trust = 0.02 * width
    return np.clip((moment + trust * width / 2) / (mass + trust), 0.2 * width, 0.8 * width)


def horizon_tilt(land: Landscape) -> float:
    """Rows per column by which the horizon falls to the right, from where sky meets level water; 0 where it does not."""
    height, width = land.sky.shape
    sky_end = height - np.argmax(land.sky[::-1] > 0.5, axis=0)
    reach = max(1, height // 40)
    meets = (land.sky > 0.5).any(axis=0) & (land.level[np.minimum(sky_end + reach, height - 1), np.arange(width)] > 0.5)
    columns = np.flatnonzero(meets)
    if len(columns) < 0.2 * width or np.ptp(columns) < 0.3 * width:
        return 0.0
    third = len(columns) // 3
    left, right = columns[:third], columns[-third:]
    slope = (np.median(sky_end[right]) - np.median(sky_end[left])) / (np.median(right) - np.median(left))
    return float(np.clip(slope, -0.15, 0.15))


def find_groundness(
    segments: Segments, borders: Borders, land: Landscape, stripes: np.ndarray, facing: np.ndarray
) -> np.ndarray:
    """How much each segment is ground (1) rather than upright (0): spread from sure places through segments that look alike."""
    height = segments.labels.shape[0]
    level, sky = segments.mean(land.level), segments.mean(land.sky)
    above = np.clip((land.horizon_row - segments.y) / (0.05 * height), 0, 1)
    bottom = np.clip((segments.y - 0.85 * height) / (0.06 * height), 0, 1)
    like = ground_likeness(segments, (bottom > 0.5) | (level > 0.5))
    below = 1 - np.clip((land.horizon_row + 0.05 * height - segments.y) / (0.05 * height), 0, 1)
    pull_up = segments.area * (
        1.0 * above + sky + 0.3 * (1 - like) + (0.7 * segments.mean(stripes) + 0.1 * segments.mean(facing)) * (1 - level)
    )
    pull_down = segments.area * (2.0 * level + 0.5 * bottom * (1 - level) * like + 0.2 * like * below)
    weight = 8.0 * borders.length * (borders.affinity + 0.01)
    spread = _solve(
        len(segments),
        borders,
        weight,
        np.zeros(len(weight)),
        pull_up + pull_down + 1e-3 * segments.area,
        pull_down + 5e-4 * segments.area,
    )
    share = np.clip((spread - 0.35) / 0.4, 0, 1)
    return share * share * (3 - 2 * share)


def facing_texture(rgb: np.ndarray) -> np.ndarray:
    """Where texture is not stretched level, as it is on ground that is seen at a flat angle, 0..1."""
    light = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    across = cv2.GaussianBlur(cv2.Sobel(light, cv2.CV_32F, 1, 0) ** 2, (0, 0), 12)
    down = cv2.GaussianBlur(cv2.Sobel(light, cv2.CV_32F, 0, 1) ** 2, (0, 0), 12)
    return np.clip(0.6 - 2 * (down - across) / (down + across + 1e-4), 0, 1)


def crest_tilt(groundness: np.ndarray, land: Landscape) -> float:
    """Rows per column by which the upper edge of the ground falls to the right, where that edge is one clean slope; else 0."""
    height, width = groundness.shape
    if (land.level > 0.5).mean() > 0.02:
        return 0.0
    is_ground = groundness > 0.5
    top = np.where(is_ground.any(axis=0), np.argmax(is_ground, axis=0), height)
    columns = np.arange(width)
    third = width // 3
    slope = (np.median(top[-third:]) - np.median(top[:third])) / (width - third)
    rest = top - slope * columns
    spread = np.median(np.abs(rest - np.median(rest)))
    DEBUG.update(crest=(slope, spread / height))
    return float(np.clip(slope, -0.25, 0.25)) if spread < 0.04 * height else 0.0


def upright_stripes(rgb: np.ndarray) -> np.ndarray:
    """Where the picture's edges run upright (trunks, posts, clefts), 0..1."""
    light = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (0, 0), 1)
    across = cv2.GaussianBlur(cv2.Sobel(light, cv2.CV_32F, 1, 0) ** 2, (0, 0), 4)
    down = cv2.GaussianBlur(cv2.Sobel(light, cv2.CV_32F, 0, 1) ** 2, (0, 0), 4)
    return np.clip(((across - down) / (across + down + 1e-4) - 0.3) / 0.4, 0, 1)


def ground_likeness(segments: Segments, is_seed: np.ndarray) -> np.ndarray:
    """How near each segment's colour is to the colours of the segments that are surely ground, in units of their spread."""
    if is_seed.sum() < 8:
        return np.full(len(segments), 0.5)
    colour = segments.lab * (0.5, 1.0, 1.0)
    tree = cKDTree(colour[is_seed])
    # With so many neighbours a colour counts only where a good part of the ground has it, not one boat's bow at the border.
    neighbours = max(4, int(0.1 * is_seed.sum()))
    spread = tree.query(colour[is_seed], k=neighbours)[0][:, -1]
    distance = tree.query(colour, k=neighbours)[0][:, -1]
    return np.exp(-((distance / (2.0 * max(float(np.percentile(spread, 70)), 0.01))) ** 2))


def solve_disparity(
    segments: Segments, borders: Borders, land: Landscape, stage: np.ndarray, groundness: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Relative disparity at each segment's centre, and its slope (per row) there."""
    sky = segments.mean(land.sky) > 0.5
    height = segments.labels.shape[0]
    steepest = (1 - HORIZON_DISP) / max(height - land.horizon_row, 0.1 * height)
    stage_here = segments.mean(stage)
    below = segments.y > land.horizon_row
    slope = steepest * (UPRIGHT_TILT + (1 - UPRIGHT_TILT) * groundness * below) * ~sky
    a, b = borders.a, borders.b
    upright = (1 - groundness[a]) * (1 - groundness[b])
    one_surface = borders.length * borders.affinity * (1 - 0.8 * upright * (1 - borders.level))
    haze = np.maximum(segments.lab[b, 2] - segments.lab[a, 2], 0)
    contact = np.clip(1.2 * np.exp(-((haze / 0.1) ** 2)) - 0.2, 0, 1)
    rests = groundness[b] + 0.25 * (1 - groundness[b]) * below[a]
    stands_on = borders.length * borders.level * (1 - groundness[a]) * rests * contact
    weight = LINK * (one_surface + 0.5 * stands_on) * (sky[a] == sky[b]) + 1e-3
    # d_a + slope_a (row - y_a) = d_b + slope_b (row - y_b)
    offset = slope[b] * (borders.row - segments.y[b]) - slope[a] * (borders.row - segments.y[a])
    # Along one row the ground's disparity follows the stage's.
    sideways = (stage_here[a] - stage_here[b]) - steepest * (segments.y[a] - segments.y[b])
    offset += sideways * np.sqrt(groundness[a] * groundness[b])
    pull_sky = 50.0 * sky
    foot_disp, foot_trust = find_foot(segments, land, stage, groundness)
    pull_foot = (1 - groundness) * foot_trust * np.where(below, FOOT_LOW, FOOT_HIGH) * ~sky
    far_disp = far_land(segments, land, sky)
    pull_far = (1 - groundness) * ~below * FAR_PULL * ~sky if sky.any() else np.zeros(len(segments))
    pull_ground = (0.3 * groundness + UPRIGHT_PULL) * ~sky
    disp = _solve(
        len(segments),
        borders,
        weight,
        offset,
        segments.area * (pull_sky + pull_ground + pull_foot + pull_far),
        segments.area * (pull_ground * stage_here + pull_foot * foot_disp + pull_far * far_disp),
    )
    return np.clip(disp, 0, 1), slope


def find_foot(segments: Segments, land: Landscape, stage: np.ndarray, groundness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each segment the stage's disparity at the first ground below it, and how far to trust that it stands there (0..1)."""
    labels = segments.labels
    height, width = labels.shape
    rows = np.arange(height)[:, None]
    is_ground = groundness[labels] > 0.5
    foot = np.minimum.accumulate(np.where(is_ground, rows, height - 1)[::-1], axis=0)[::-1]
    columns = np.broadcast_to(np.arange(width), labels.shape)
    foot_disp = stage[foot, columns]
    blue_yellow = segments.lab[:, 2][labels]
    haze = np.maximum(blue_yellow[foot, columns] - blue_yellow, 0)
    trust = np.exp(-((haze / 0.1) ** 2)) * np.clip(1 - (foot - rows) / (0.6 * height), 0, 1)
    return segments.mean(foot_disp), segments.mean(trust)


def far_land(segments: Segments, land: Landscape, sky: np.ndarray) -> np.ndarray:
    """Disparity of land above the horizon by the air before it: the farther, the more it has the colour of the sky above it."""
    if not sky.any():
        return np.full(len(segments), HORIZON_DISP)
    height = segments.labels.shape[0]
    low_sky = sky & (segments.y > np.percentile(segments.y[sky], 50))
    nearest = cKDTree(np.stack([segments.x[low_sky], 0.2 * segments.y[low_sky]], axis=1))
    _, which = nearest.query(np.stack([segments.x, 0.2 * segments.y], axis=1), k=min(4, int(low_sky.sum())))
    air = segments.lab[low_sky][which.reshape(len(segments), -1)].mean(axis=1)
    difference = np.linalg.norm(segments.lab - air, axis=1)
    del height
    return HORIZON_DISP * (0.4 + 1.2 * np.clip(difference / 0.6, 0, 1))


def _solve(
    count: int, borders: Borders, weight: np.ndarray, offset: np.ndarray, pull: np.ndarray, target: np.ndarray
) -> np.ndarray:
    """Minimise ``sum weight (d_a - d_b - offset)^2 + sum pull d^2 - 2 target d``."""
    a, b = borders.a, borders.b
    rows, columns = np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a])
    matrix = sparse.coo_matrix((np.concatenate([weight, weight, -weight, -weight]), (rows, columns)), shape=(count, count))
    right = target + np.bincount(a, weight * offset, count) - np.bincount(b, weight * offset, count)
    return spsolve((matrix + sparse.diags(pull)).tocsc(), right)


def smooth_within_surfaces(
    segments: Segments, disp: np.ndarray, slope: np.ndarray, sky: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Disparity per pixel at the reduced size, smooth but for the cuts, and bool ``[n, n]``: which segments are cut apart."""
    labels = segments.labels
    rows = np.arange(labels.shape[0])[:, None] + 0.5
    raw = np.clip(disp[labels] + slope[labels] * (rows - segments.y[labels]), 0, 1)
    is_cut = np.abs(disp[:, None] - disp[None]) > CUT_DISP + 1.0 * np.maximum(slope[:, None], slope) * np.abs(
        segments.y[:, None] - segments.y
    )
    is_cut |= sky[:, None] != sky
    joined_down = ~is_cut[labels[:-1], labels[1:]]
    joined_right = ~is_cut[labels[:, :-1], labels[:, 1:]]
    smooth = raw
    for strength in (60.0, 15.0, 4.0):
        smooth = _smooth_lines(smooth.T, strength * joined_right.T).T
        smooth = _smooth_lines(smooth, strength * joined_down)
    return np.clip(smooth, 0, 1).astype(np.float32), is_cut


def _smooth_lines(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Along axis 0, minimise ``(u - values)^2 + weight (u_k - u_{k+1})^2`` (tridiagonal elimination, all columns at once)."""
    count = len(values)
    diagonal = np.ones_like(values)
    diagonal[:-1] += weight
    diagonal[1:] += weight
    u = values.copy()
    for k in range(1, count):
        ratio = weight[k - 1] / diagonal[k - 1]
        diagonal[k] -= ratio * weight[k - 1]
        u[k] += ratio * u[k - 1]
    u[-1] /= diagonal[-1]
    for k in range(count - 2, -1, -1):
        u[k] = (u[k] + weight[k] * u[k + 1]) / diagonal[k]
    return u


def carry_to_full_size(rgb: np.ndarray, segments: Segments, disp: np.ndarray, is_cut: np.ndarray) -> np.ndarray:
    """Disparity at the size of ``rgb``: segments that are cut apart meet on the picture's edge, with no pixel in between."""
    height, width = rgb.shape[:2]
    labels = segments.labels
    size = (width, height)
    full = cv2.resize(disp, size, interpolation=cv2.INTER_LINEAR)
    near_cut = np.zeros(labels.shape, np.uint8)
    down, right = is_cut[labels[:-1], labels[1:]], is_cut[labels[:, :-1], labels[:, 1:]]
    near_cut[:-1] |= down
    near_cut[1:] |= down
    near_cut[:, :-1] |= right
    near_cut[:, 1:] |= right
    if not near_cut.any():
        return full
    labels_full = cv2.resize(labels.astype(np.float32), size, interpolation=cv2.INTER_NEAREST).astype(np.int32) + 1
    scale = max(height, width) / max(labels.shape)
    band = cv2.resize(near_cut, size, interpolation=cv2.INTER_NEAREST)
    if scale > 1:
        picture = cv2.GaussianBlur(np.round(rgb * 255).astype(np.uint8), (0, 0), 0.8)
        labels_full = watershed(picture, np.where(band > 0, 0, labels_full))
    labels_full -= 1
    y, x = np.nonzero(cv2.dilate(band, np.ones((3, 3), np.uint8)))
    full[y, x] = _sample_own_surface(x, y, labels_full[y, x], width, height, labels, disp, is_cut)
    return full


def _sample_own_surface(
    x: np.ndarray,
    y: np.ndarray,
    own: np.ndarray,
    width: int,
    height: int,
    labels: np.ndarray,
    disp: np.ndarray,
    is_cut: np.ndarray,
) -> np.ndarray:
    """Interpolate ``disp`` at full-size pixels from reduced pixels that are not cut apart from the segment ``own``."""
    u = (x + 0.5) * labels.shape[1] / width - 0.5
    v = (y + 0.5) * labels.shape[0] / height - 0.5
    total, weights = np.zeros(len(x)), np.full(len(x), 1e-12)
    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    for dy in range(-1, 3):
        for dx in range(-1, 3):
            column = np.clip(left + dx, 0, labels.shape[1] - 1)
            row = np.clip(top + dy, 0, labels.shape[0] - 1)
            near = np.exp(-((left + dx - u) ** 2) - (top + dy - v) ** 2) + 1e-6
            w = near * ~is_cut[labels[row, column], own]
            total += w * disp[row, column]
            weights += w
    return total / weights
