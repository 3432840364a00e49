"""The empty stage: how near bare ground would be at every pixel, from the horizon and the shape of the land alone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

HORIZON_DISP = 0.05  # relative disparity of the ground at the horizon; the sky's is 0, the nearest ground's 1
VALLEY_RISE = 0.35  # at the foot of a closed side the ground is nearer by this share than in the valley's middle, same row
WALL_DISP = 0.6  # disparity of a closed side at the picture's border
WATER_DROP = 0.05  # water lies lower than the land around: it is farther by this share at the same row
MAX_TILT = 0.25  # rows per column
HORIZON_SAMPLES = 64  # of the columns in which sky meets water: the line through two that most of them lie on
HORIZON_BAND, STRAIGHT = 0.005, 0.65  # so near to it, of the height, and so many of them: else it is no horizon


@dataclass(frozen=True, eq=False)
class Landscape:
    """The scenery at the size of the estimate: soft maps float32 ``[h, w]`` (``level``: any water) and the horizon's row."""

    sky: np.ndarray
    level: np.ndarray
    smoke: np.ndarray
    horizon_row: float


def empty_stage(land: Landscape, groundness: np.ndarray) -> np.ndarray:
    """Disparity ``[h, w]`` of bare ground; 0 in the sky. ``groundness`` ``[h, w]``, 0..1: where the picture shows ground."""
    height, width = land.sky.shape
    columns, rows = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    tilt = _water_tilt(land) if (land.level > 0.5).mean() > 0.02 else _crest_tilt(groundness)
    horizon = np.minimum(land.horizon_row + tilt * (columns - width / 2), 0.9 * height)
    ground = HORIZON_DISP + (1 - HORIZON_DISP) * np.maximum(rows - horizon, 0) / (height - horizon)
    return np.where(land.sky > 0.5, 0, _raise_sides(ground, land) * (1 - WATER_DROP * land.level))


def find_sea_horizon(sky: np.ndarray, water: np.ndarray) -> np.ndarray | None:
    """The row in which the sky meets level water, per column ``[w]``, where they meet in one straight line; None where they do
    not. ``sky``, ``water`` bool ``[h, w]``."""
    met = _where_they_meet(sky, water)
    if met is None:
        return None
    columns, rows = met
    every = max(1, len(columns) // HORIZON_SAMPLES)
    x, y = columns[::every].astype(np.float64), rows[::every].astype(np.float64)
    first, second = np.triu_indices(len(x), 1)
    slope = (y[second] - y[first]) / (x[second] - x[first])
    near = np.abs(y - y[first, None] - slope[:, None] * (x - x[first, None])) < max(1.5, HORIZON_BAND * len(sky))
    met_by = near.mean(axis=1) * (np.abs(slope) <= MAX_TILT)
    best = int(met_by.argmax())
    if met_by[best] < STRAIGHT:
        return None
    slope, row = np.polyfit(x[near[best]], y[near[best]], 1)
    return row + slope * np.arange(sky.shape[1])


def _water_tilt(land: Landscape) -> float:
    """Rows per column by which the horizon falls to the right, from where sky meets level water; 0 where it does not."""
    met = _where_they_meet(land.sky > 0.5, land.level > 0.5)
    return 0.0 if met is None else _robust_slope(*met)


def _where_they_meet(sky: np.ndarray, water: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The columns in which the sky ends at water, and the rows in which it does; None where that is no good part of the
    picture's width."""
    height, width = sky.shape
    sky_end = height - np.argmax(sky[::-1], axis=0)
    just_below = np.minimum(sky_end + max(1, height // 40), height - 1)
    columns = np.flatnonzero(sky.any(axis=0) & water[just_below, np.arange(width)])
    if len(columns) < 0.2 * width or np.ptp(columns) < 0.3 * width:
        return None
    return columns, sky_end[columns]


def _crest_tilt(groundness: np.ndarray) -> float:
    """Rows per column by which the ground's upper edge falls to the right, where that edge is one clean slope; else 0."""
    height, width = groundness.shape
    is_ground = groundness > 0.5
    top = np.where(is_ground.any(axis=0), np.argmax(is_ground, axis=0), height)
    columns = np.arange(width)
    slope = _robust_slope(columns, top)
    rest = top - slope * columns
    is_clean = np.median(np.abs(rest - np.median(rest))) < 0.04 * height
    return slope if is_clean else 0.0


def _robust_slope(x: np.ndarray, y: np.ndarray) -> float:
    third = max(1, len(x) // 3)
    run = np.median(x[-third:]) - np.median(x[:third])
    return float(np.clip((np.median(y[-third:]) - np.median(y[:third])) / max(run, 1), -MAX_TILT, MAX_TILT))


def _raise_sides(ground: np.ndarray, land: Landscape) -> np.ndarray:
    """Land rises towards a closed side (one without sky above it): the ground becomes a valley's, lowest along the water, and
    above it stands a wall. What is higher than the valley's floor is nearer at the same row."""
    height, width = land.sky.shape
    columns, rows = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    border = max(1, width // 10)
    open_above = (land.sky > 0.5)[: max(1, int(land.horizon_row))]
    left_closed, right_closed = (
        float(np.clip(1 - 3 * side.mean(), 0, 1)) for side in (open_above[:, :border], open_above[:, -border:])
    )
    axis = _valley_axis(land)
    left = left_closed * np.clip(1 - columns / axis, 0, 1)
    right = right_closed * np.clip((columns - axis) / (width - axis), 0, 1)
    aside = np.maximum(left, right)
    floor = ground * (1 + VALLEY_RISE * aside) / (1 + VALLEY_RISE * max(left_closed, right_closed))
    lean = np.clip(rows / max(land.horizon_row, 1.0), 0.4, 1)
    return np.maximum(floor, WALL_DISP * aside * lean)


def _valley_axis(land: Landscape) -> np.ndarray:
    """Column of the valley's lowest line in each row, ``[h, 1]``: the water's where the picture shows it, else the middle."""
    height, width = land.level.shape
    columns = np.arange(width) + 0.5
    mass, moment = (
        cv2.GaussianBlur(x.sum(axis=1, keepdims=True), (1, 0), sigmaX=1, sigmaY=height / 12)
        for x in (land.level, land.level * columns)
    )
    trust = 0.02 * width
    return np.clip((moment + trust * width / 2) / (mass + trust), 0.2 * width, 0.8 * width)
