"""The built-in depth estimate: a layered landscape from one photo, without a learned model.

The photo is cut into small segments along its edges. Each is somewhere between ground (its disparity falls towards the
horizon) and upright (its disparity is that of its foot). One sparse least-squares problem says how near each segment is.
"""

from __future__ import annotations

import cv2
import numpy as np
import scipy

from ..data import Scenery
from ..pixels.fits import smooth_step
from ..pixels.sizes import work_size
from .edges import Relief, disparity_at_full_size
from .segments import Borders, Segments, cut_into_segments, edge_levelness, find_borders, upright_stripes
from .stage import HORIZON_DISP, Landscape, empty_stage

WORK_SIDE_PX = 480  # the longer side of the reduced picture that is segmented and solved
LEAST_SIDE_PX = 8  # below this there is nothing to segment
UPRIGHT_TILT = 0.15  # upright things lean back by this share of the ground's slope
HAZE = 0.1  # land that is bluer than the ground below it by this much (1/100 CIE b) does not stand there: air lies between

# Weights per pixel of a segment (pulls) or of a border (links). Ground and sky know their place; an upright thing takes it
# from what it stands on, and a distant one from the colour of the air before it.
SKY_PULL, GROUND_PULL, UPRIGHT_PULL = 50.0, 0.3, 3e-4
FOOT_PULL_BELOW_HORIZON, FOOT_PULL_ABOVE_HORIZON, AIR_PULL = 0.15, 0.01, 0.01
SURFACE_LINK, CONTACT_LINK = 16.0, 8.0


def estimate_disparity(rgb: np.ndarray, scenery: Scenery) -> np.ndarray:
    """Relative disparity, float32 ``[H, W]``, 0 (sky) .. 1 (near), of the photo ``rgb`` (float32 ``[H, W, 3]``, 0..1)."""
    height, width = rgb.shape[:2]
    _, size = work_size(height, width, WORK_SIDE_PX)
    if min(size) < LEAST_SIDE_PX:
        return np.repeat(np.linspace(HORIZON_DISP, 1, height, dtype=np.float32)[:, None], width, axis=1)
    land = _landscape(scenery, size)
    if land.smoke.mean() > 0.02 and land.sky.mean() < 0.02:
        return cv2.resize(_drifting_smoke(land.smoke), (width, height), interpolation=cv2.INTER_LINEAR)
    small = np.clip(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), 0, 1)
    segments = cut_into_segments(small, np.where(land.sky > 0.5, 1, np.where(land.level > 0.5, 2, 0)))
    stripes = segments.mean(upright_stripes(small))
    borders = find_borders(segments, small, stripes)
    groundness = _find_groundness(segments, borders, land, small, stripes)
    stage = empty_stage(land, groundness[segments.labels])
    return disparity_at_full_size(_solve(segments, borders, land, stage, groundness), rgb)


def _landscape(scenery: Scenery, size: tuple[int, int]) -> Landscape:
    water = np.maximum(scenery.water.cpu().numpy(), scenery.rapids.cpu().numpy())
    sky, level, smoke = (
        cv2.resize(x, size, interpolation=cv2.INTER_AREA)
        for x in (scenery.sky.cpu().numpy(), water, scenery.smoke.cpu().numpy())
    )
    return Landscape(sky, level, smoke, scenery.horizon_y * size[1] / scenery.sky.shape[0])


def _drifting_smoke(smoke: np.ndarray) -> np.ndarray:
    """Smoke has no surface and the dark behind it no shape: a soft, shallow bulge before a backdrop, nearer downwards."""
    rows = np.linspace(0, 1, len(smoke), dtype=np.float32)[:, None]
    body = cv2.GaussianBlur(smoke, (0, 0), len(smoke) / 30)
    return 0.2 + 0.1 * rows + 0.3 * body


def _find_groundness(
    segments: Segments, borders: Borders, land: Landscape, rgb: np.ndarray, stripes: np.ndarray
) -> np.ndarray:
    """How much each segment is ground (1), not upright (0): spread from sure places through segments that look alike.
    ``stripes``: how much of each is upright stripes."""
    height = segments.labels.shape[0]
    level, sky = segments.mean(land.level), segments.mean(land.sky)
    above = np.clip((land.horizon_row - segments.y) / (0.05 * height), 0, 1)
    below = np.clip((segments.y - land.horizon_row) / (0.05 * height), 0, 1)
    bottom = np.clip((segments.y - 0.85 * height) / (0.06 * height), 0, 1)
    like = _ground_likeness(segments, (bottom > 0.5) | (level > 0.5))
    # On ground, seen at a flat angle, texture is squeezed level; on what faces the camera it is not.
    facing = segments.mean(np.clip(0.6 - 2 * edge_levelness(rgb, 12), 0, 1))
    up = above + sky + 0.3 * (1 - like) + (0.7 * stripes + 0.1 * facing) * (1 - level)
    down = 2.0 * level + 0.5 * bottom * (1 - level) * like + 0.2 * like * below
    undecided = 1e-3
    pull = up + down + undecided
    share = borders.solve(
        8.0 * borders.length * (borders.affinity + 0.01), 0.0, segments.area * pull, (down + undecided / 2) / pull
    )
    return smooth_step((share - 0.35) / 0.4)


def _ground_likeness(segments: Segments, is_seed: np.ndarray) -> np.ndarray:
    """How near each segment's colour is to colours of the segments that are surely ground, in units of their spread; 0..1."""
    if is_seed.sum() < 8:
        return np.full(len(segments), 0.5)
    colour = segments.lab * (0.5, 1.0, 1.0)
    seeds = scipy.spatial.cKDTree(colour[is_seed])
    # So many neighbours that a colour counts only where a good part of the ground has it: not one boat's bow at the border.
    neighbours = max(4, int(0.1 * is_seed.sum()))
    spread = seeds.query(colour[is_seed], k=neighbours)[0][:, -1]
    distance = seeds.query(colour, k=neighbours)[0][:, -1]
    return np.exp(-((distance / (2.0 * max(float(np.percentile(spread, 70)), 0.01))) ** 2))


def _solve(segments: Segments, borders: Borders, land: Landscape, stage: np.ndarray, groundness: np.ndarray) -> Relief:
    """How near each segment is, and how it slopes."""
    height = segments.labels.shape[0]
    is_sky = segments.mean(land.sky) > 0.5
    below = segments.y > land.horizon_row
    steepest = (1 - HORIZON_DISP) / max(height - land.horizon_row, 0.1 * height)
    slope = steepest * (UPRIGHT_TILT + (1 - UPRIGHT_TILT) * groundness * below) * ~is_sky
    stage_here = segments.mean(stage)

    a, b = borders.a, borders.b
    beside = (1 - groundness[a]) * (1 - groundness[b]) * (1 - borders.level)
    one_surface = borders.length * borders.affinity * (1 - 0.8 * beside)
    rests = (1 - groundness[a]) * (groundness[b] + 0.25 * (1 - groundness[b]) * below[a])
    stands_on = borders.length * borders.level * rests * _same_air(segments.lab[a, 2], segments.lab[b, 2])
    link = (SURFACE_LINK * one_surface + CONTACT_LINK * stands_on) * (is_sky[a] == is_sky[b]) + 1e-3
    # Both planes meet at the border's row; along a row, ground follows the stage.
    offset = slope[b] * (borders.row - segments.y[b]) - slope[a] * (borders.row - segments.y[a])
    sideways = stage_here[a] - stage_here[b] - steepest * (segments.y[a] - segments.y[b])
    offset += sideways * np.sqrt(groundness[a] * groundness[b])

    foot_disp, foot_trust = _find_foot(segments, stage, groundness)
    upright = (1 - groundness) * ~is_sky
    pulls = [
        (SKY_PULL * is_sky, 0.0),
        (GROUND_PULL * groundness * ~is_sky + UPRIGHT_PULL, stage_here),
        (upright * foot_trust * np.where(below, FOOT_PULL_BELOW_HORIZON, FOOT_PULL_ABOVE_HORIZON), foot_disp),
        (upright * ~below * AIR_PULL * is_sky.any(), _air_disparity(segments, is_sky)),
    ]
    pull = sum(weight for weight, _ in pulls)
    target = sum(weight * value for weight, value in pulls) / pull
    disp = borders.solve(link, offset, segments.area * pull, target)
    return Relief(segments, np.clip(disp, 0, 1), slope, is_sky, whole=np.zeros(len(segments), bool))


def _same_air(blue_yellow_above: np.ndarray, blue_yellow_below: np.ndarray) -> np.ndarray:
    """1 where what is above may stand on what is below it, 0 where it is bluer by the air between them."""
    haze = np.maximum(blue_yellow_below - blue_yellow_above, 0)
    return np.clip(1.2 * np.exp(-((haze / HAZE) ** 2)) - 0.2, 0, 1)


def _find_foot(segments: Segments, stage: np.ndarray, groundness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per segment, the stage's disparity at the first ground below it, and the trust that it stands there (0..1)."""
    labels = segments.labels
    height, width = labels.shape
    rows, columns = np.arange(height)[:, None], np.arange(width)
    foot = np.where(groundness[labels] > 0.5, rows, height - 1)
    foot = np.minimum.accumulate(foot[::-1], axis=0)[::-1]
    blue_yellow = segments.lab[:, 2][labels]
    trust = _same_air(blue_yellow, blue_yellow[foot, columns]) * np.clip(1 - (foot - rows) / (0.6 * height), 0, 1)
    return segments.mean(stage[foot, columns]), segments.mean(trust)


def _air_disparity(segments: Segments, is_sky: np.ndarray) -> np.ndarray:
    """Disparity of land above the horizon by the air before it: the farther, the more it looks like the sky above it."""
    low_sky = is_sky & (segments.y > np.median(segments.y[is_sky])) if is_sky.any() else is_sky
    if not low_sky.any():
        return np.full(len(segments), HORIZON_DISP)
    place = np.stack([segments.x, 0.2 * segments.y], axis=1)
    _, nearest = scipy.spatial.cKDTree(place[low_sky]).query(place, k=min(4, int(low_sky.sum())))
    air = segments.lab[low_sky][nearest.reshape(len(segments), -1)].mean(axis=1)
    difference = np.linalg.norm(segments.lab - air, axis=1)
    return HORIZON_DISP * (0.4 + 1.2 * np.clip(difference / 0.6, 0, 1))
