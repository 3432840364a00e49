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

WORK_SIDE_PX = 480  # the longer side of the reduced picture that is segmented and solved
SEGMENT_PX = 11  # the distance of segment seeds in it
HORIZON_DISP = 0.05  # relative disparity of the ground at the horizon; the sky's is 0, the nearest ground's 1
UPRIGHT_TILT = 0.15  # upright things lean back by this share of the ground's slope
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
    if min(size) < 3:
        return np.broadcast_to(np.linspace(HORIZON_DISP, 1, height, dtype=np.float32)[:, None], (height, width)).copy()
    segments = cut_into_segments(small)
    borders = find_borders(segments, small)
    plane = ground_plane(size[1], land.horizon_row)
    groundness = find_groundness(segments, borders, land)
    disp = solve_disparity(segments, borders, land, plane, groundness)
    slope = segment_slope(plane, segments, groundness)
    smooth, is_cut = smooth_within_surfaces(segments, disp, slope)
    return carry_to_full_size(rgb, segments, smooth, is_cut)


def cut_into_segments(rgb: np.ndarray) -> Segments:
    """Watershed of the slightly smoothed picture from a grid of seeds, each moved to the flattest spot near its place."""
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
    return describe_segments(watershed(picture, seeds) - 1, rgb)


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


def find_borders(segments: Segments, rgb: np.ndarray) -> Borders:
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
    usual = max(float(np.median(contrast)), 0.02) if len(contrast) else 1.0
    return Borders(a, b, length, mean(row), np.abs(above_votes), np.exp(-((contrast / (1.2 * usual)) ** 2)))


def ground_plane(height: int, horizon_row: float) -> np.ndarray:
    """Disparity of level ground in each pixel row: straight from `HORIZON_DISP` at the horizon to 1 at the lower border."""
    horizon_row = min(horizon_row, 0.9 * height)
    share = (np.arange(height) + 0.5 - horizon_row) / (height - horizon_row)
    return HORIZON_DISP + (1 - HORIZON_DISP) * np.clip(share, 0, 1)


def find_groundness(segments: Segments, borders: Borders, land: Landscape) -> np.ndarray:
    """How much each segment is ground (1) rather than upright (0): spread from sure places through segments that look alike."""
    height = segments.labels.shape[0]
    level, sky = segments.mean(land.level), segments.mean(land.sky)
    above = np.clip((land.horizon_row - segments.y) / (0.05 * height), 0, 1)
    bottom = np.clip((segments.y - 0.88 * height) / (0.06 * height), 0, 1)
    pull_up = segments.area * (0.5 * above + sky)
    pull_down = segments.area * (2.0 * level + 0.5 * bottom * (1 - level))
    weight = 8.0 * borders.length * (borders.affinity + 0.01)
    return _solve(
        len(segments),
        borders,
        weight,
        np.zeros(len(weight)),
        pull_up + pull_down + 1e-3 * segments.area,
        pull_down + 5e-4 * segments.area,
    )


def segment_slope(plane: np.ndarray, segments: Segments, groundness: np.ndarray) -> np.ndarray:
    """Disparity per row inside each segment."""
    steepest = float(np.max(np.diff(plane), initial=0.0))
    return steepest * (UPRIGHT_TILT + (1 - UPRIGHT_TILT) * groundness)


def solve_disparity(
    segments: Segments, borders: Borders, land: Landscape, plane: np.ndarray, groundness: np.ndarray
) -> np.ndarray:
    """Relative disparity at each segment's centre."""
    sky = segments.mean(land.sky)
    slope = segment_slope(plane, segments, groundness) * (1 - sky)
    plane_here = np.interp(segments.y, np.arange(len(plane)) + 0.5, plane)
    a, b = borders.a, borders.b
    one_surface = borders.length * borders.affinity
    stands_on = borders.length * borders.level * (1 - groundness[a]) * groundness[b] * (1 - sky[a])
    weight = 4.0 * (one_surface + 0.5 * stands_on) * (1 - np.abs(sky[a] - sky[b])) + 1e-3
    # d_a + slope_a (row - y_a) = d_b + slope_b (row - y_b)
    offset = slope[b] * (borders.row - segments.y[b]) - slope[a] * (borders.row - segments.y[a])
    pull_sky = 50.0 * sky
    pull_ground = 0.3 * groundness**2 * (1 - sky) + 0.002
    disp = _solve(
        len(segments),
        borders,
        weight,
        offset,
        segments.area * (pull_sky + pull_ground),
        segments.area * pull_ground * plane_here,
    )
    return np.clip(disp, 0, 1)


def _solve(
    count: int, borders: Borders, weight: np.ndarray, offset: np.ndarray, pull: np.ndarray, target: np.ndarray
) -> np.ndarray:
    """Minimise ``sum weight (d_a - d_b - offset)^2 + sum pull d^2 - 2 target d``."""
    a, b = borders.a, borders.b
    rows, columns = np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a])
    matrix = sparse.coo_matrix((np.concatenate([weight, weight, -weight, -weight]), (rows, columns)), shape=(count, count))
    right = target + np.bincount(a, weight * offset, count) - np.bincount(b, weight * offset, count)
    return spsolve((matrix + sparse.diags(pull)).tocsc(), right)


def smooth_within_surfaces(segments: Segments, disp: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Disparity per pixel at the reduced size, smooth but for the cuts, and bool ``[n, n]``: which segments are cut apart."""
    labels = segments.labels
    rows = np.arange(labels.shape[0])[:, None] + 0.5
    raw = np.clip(disp[labels] + slope[labels] * (rows - segments.y[labels]), 0, 1)
    is_cut = np.abs(disp[:, None] - disp[None]) > CUT_DISP + 1.0 * np.maximum(slope[:, None], slope) * np.abs(
        segments.y[:, None] - segments.y
    )
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
