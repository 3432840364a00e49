"""Scenery: what one photo shows, found without a learned model.

The maps are found at a reduced size from colour, texture, direction of texture and position, cut along colour edges
(GrabCut), and carried to full size by a colour-guided filter, which puts their edges on the picture's.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from .data import Image, Scenery
from .regions import components, fill_holes, grab_cut, grown, refine_to_edges, shrunk, snap_to_edges, touching_top

WORK_SIDE_PX = 320  # the longer side of the reduced picture; every radius below is in its pixels
CLOSED_HORIZON = 0.3  # share of the height: the horizon of a picture that shows neither sky nor level water


@dataclass(frozen=True)
class Cues:
    """Measurements at the reduced size, float32 ``[h, w]`` each: CIE ``light`` (0..1), ``green_red``, ``blue_yellow`` and
    ``chroma`` (1/100 CIE units), ``texture`` (mean detail), ``levelness`` (-1 upright stripes .. 1 level stripes)."""

    light: np.ndarray
    green_red: np.ndarray
    blue_yellow: np.ndarray
    chroma: np.ndarray
    texture: np.ndarray
    levelness: np.ndarray

    @property
    def lab(self) -> np.ndarray:
        return np.dstack([self.light, self.green_red, self.blue_yellow])


@dataclass(frozen=True)
class HorizonLine:
    """A straight edge across the picture: row at the middle column, slope (rows per column), clearness (colour change)."""

    row: float
    slope: float
    clearness: float

    def rows(self, width: int) -> np.ndarray:
        return self.row + self.slope * (np.arange(width, dtype=np.float32) + 0.5 - width / 2)


def find_scenery(image: Image) -> Scenery:
    """Find sky, water, rapids and smoke, and the row of the horizon, in one photo. Deterministic."""
    rgb = image.rgb.detach().cpu().numpy()
    height, width = image.size
    if min(height, width) < 1:
        raise ValueError(f"find_scenery: image must have at least one pixel, got {height} x {width}")
    scale = min(1.0, WORK_SIDE_PX / max(height, width))
    small_size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.clip(cv2.resize(rgb, small_size, interpolation=cv2.INTER_AREA), 0, 1)

    cues = measure_cues(small)
    smoke = _find_smoke(cues)
    sky, line = _find_sky(cues, smoke)
    rapids = _find_rapids(cues, sky, smoke)
    water = _find_water(cues, sky, rapids, smoke, line)
    rapids = rapids * _beside_water(rapids, water, sky)
    water = water * (1 - rapids)
    horizon = _horizon_row(sky, water, line) / small_size[1] * height

    maps = np.dstack([sky, water, rapids, smoke]).astype(np.float32)
    full = refine_to_edges(rgb, small, maps)
    device = image.rgb.device
    sky_map, water_map, rapids_map, smoke_map = (
        torch.from_numpy(np.ascontiguousarray(full[..., k])).to(device) for k in range(4)
    )
    return Scenery(sky=sky_map, water=water_map, rapids=rapids_map, smoke=smoke_map, horizon_y=float(horizon))


def measure_cues(rgb: np.ndarray) -> Cues:
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB) / 100
    light, green_red, blue_yellow = (np.ascontiguousarray(lab[..., k]) for k in range(3))
    texture = cv2.blur(np.abs(light - cv2.GaussianBlur(light, (0, 0), 1.2)), (9, 9))
    across = cv2.blur(cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=1 / 8) ** 2, (15, 15))
    down = cv2.blur(cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=1 / 8) ** 2, (15, 15))
    levelness = (down - across) / (down + across + 1e-5)
    return Cues(light, green_red, blue_yellow, np.hypot(green_red, blue_yellow), texture, levelness)


def _ramp(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 at ``low``, 1 at ``high``, straight between (``low > high`` falls)."""
    return np.clip((value - low) / (high - low), 0, 1)


def _find_smoke(cues: Cues) -> np.ndarray:
    """Glowing, soft curls on a backdrop that is dark and without texture for most of the picture."""
    backdrop = (cues.light < 0.22) & (cues.texture < 0.02)
    if backdrop.mean() < 0.35 or np.median(cues.light) > 0.22:
        return np.zeros_like(cues.light)
    dark = float(np.median(cues.light[backdrop]))
    glow = _ramp(cues.light, dark + 0.04, dark + 0.16)
    # Smoke curls: a lit patch of the backdrop has no such texture. Between its curls hang veils.
    curls = [part for part in components(glow > 0.2, 0.002) if np.median(cues.texture[part]) > 0.015]
    if not curls:
        return np.zeros_like(glow)
    body = np.any(curls, axis=0)
    reach = len(glow) // 25 + 1
    veils = shrunk(grown(body, reach), reach)
    return np.maximum(glow * grown(body, 2), 0.6 * veils)


def _find_sky(cues: Cues, smoke: np.ndarray) -> tuple[np.ndarray, HorizonLine | None]:
    """Soft, fairly bright or blue, hanging from the upper border; ends at a clear horizon line where there is one."""
    nothing = np.zeros_like(cues.light)
    height, width = cues.light.shape
    bright_or_blue = (cues.light > 0.3) | ((cues.blue_yellow < -0.06) & (cues.light > 0.15))
    leafy = (cues.green_red < -0.08) & (cues.blue_yellow > 0.02)
    soft = (cues.texture < 0.022) & bright_or_blue & ~leafy
    candidate = touching_top(soft, 0.01)
    if candidate.mean() < 0.02 or smoke.any():
        return nothing, None
    line = _find_level_line(cues, candidate, percentile=5)
    shore = _find_far_shore(cues, line)
    below_line = np.zeros_like(candidate)
    if line is not None and shore is None:
        below_line = np.arange(height)[:, None] - 0.5 > line.rows(width)[None]
        candidate = touching_top(candidate & ~below_line, 0.01)
    below = ~candidate
    if below.mean() > 0.02 and line is None and np.median(cues.texture[below]) < 2 * np.median(cues.texture[candidate]):
        return nothing, None
    features = np.dstack([cues.light, 0.5 + cues.blue_yellow, cues.texture * 12])
    far_below = below_line | (_ramp(cues.texture, 0.0, 0.05) >= 1) | (np.arange(height)[:, None] > 0.85 * height)
    sky = grab_cut(features, candidate, shrunk(candidate, 4), far_below & ~candidate)
    sky = fill_holes(touching_top(sky & ~below_line, 0.01), 0.03)
    return snap_to_edges(sky, cues.lab, inside=3, outside=6).astype(np.float32), shore or line


def _find_level_line(cues: Cues, above_line: np.ndarray, percentile: float) -> HorizonLine | None:
    """The straight, nearly level line across which the colour changes most clearly, of those that run along the lower side of
    ``above_line``; ``percentile`` of its columns may show less change than its clearness says."""
    height, width = above_line.shape
    band = max(2, height // 40)
    gap = band // 2
    rows = np.arange(2 * band, height - 2 * band)
    if len(rows) == 0 or width < 8:
        return None
    lab = cues.lab * np.float32((1, 2, 2))
    sums = np.concatenate([np.zeros((1, width, 3)), np.cumsum(lab, axis=0)])
    above, below = sums[rows - gap] - sums[rows - gap - band], sums[rows + gap + band] - sums[rows + gap]
    maps = np.zeros((height, width, 3), np.float32)  # change across a band, change from row to row, runs along above_line
    maps[rows, :, 0] = np.linalg.norm(above - below, axis=-1) / band
    maps[1:, :, 1] = np.linalg.norm(np.diff(lab, axis=0), axis=-1)
    maps[rows, :, 2] = above_line[rows - gap - 1]
    best = HorizonLine(0, 0, 0)
    for slope in np.tan(np.radians(np.linspace(-6, 6, 25))):
        shear = np.float32([[1, 0, 0], [slope, 1, -slope * width / 2]])
        straight = cv2.warpAffine(maps, shear, (width, height), flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR)
        seen = straight[..., 2] > 0.5
        count = seen.sum(axis=1)
        weakest_first = np.sort(np.where(seen, straight[..., 0], 1e6), axis=1)
        weak = weakest_first[np.arange(height), np.minimum(count * percentile // 100, width - 1)]
        clearness = np.where(count > 0.3 * width, weak * np.sqrt(count / width), 0)
        row = int(np.argmax(clearness))
        if clearness[row] > best.clearness:
            sharpness = np.where(seen[row], straight[..., 1], 0).mean(axis=1)
            nearby = slice(max(row - band, 0), row + band + 1)
            exact = nearby.start + int(np.argmax(sharpness[nearby]))
            best = HorizonLine(float(exact), float(slope), float(clearness[row]))
    return best if best.clearness > 0.1 else None


def _find_far_shore(cues: Cues, line: HorizonLine | None) -> HorizonLine | None:
    """Where hills stand behind a lake, its far shore is a clearer line than the one under the sky."""
    if line is None:
        return None
    height = len(cues.light)
    between = np.zeros(cues.light.shape, bool)
    between[int(line.row + 0.04 * height) : int(line.row + 0.25 * height)] = True
    shore = _find_level_line(cues, between, percentile=20)
    return shore if shore is not None and shore.clearness > 1.2 * line.clearness else None


def _find_rapids(cues: Cues, sky: np.ndarray, smoke: np.ndarray) -> np.ndarray:
    """Foam is bright and cooler than the land around it, and either clearly bluish or blurred smooth by its motion."""
    land = sky < 0.5
    if smoke.any() or land.mean() < 0.05:
        return np.zeros_like(sky)
    warmth = cues.blue_yellow - np.median(cues.blue_yellow[land])
    bluish = _ramp(cues.light, 0.45, 0.65) * _ramp(warmth, -0.09, -0.13) * _ramp(cues.blue_yellow, -0.04, -0.08)
    blurred = _ramp(cues.light, 0.68, 0.8) * _ramp(warmth, -0.02, -0.05) * _ramp(cues.texture, 0.055, 0.035)
    colourless = _ramp(cues.chroma, 0.22, 0.16) * (1 - sky)
    return np.maximum(bluish, blurred) * colourless


def _find_water(cues: Cues, sky: np.ndarray, rapids: np.ndarray, smoke: np.ndarray, line: HorizonLine | None) -> np.ndarray:
    """Level, stripy or smooth, below the sky. Under an open sky it has the sky's colours; else it lies beside rapids."""
    height, width = sky.shape
    rows = np.arange(height, dtype=np.float32)[:, None] + 0.5
    if smoke.any():
        return np.zeros_like(sky)
    if line is not None:
        below = rows > line.rows(width)[None]
    elif sky.any():
        below = rows > np.percentile(np.where(sky > 0.5, rows, 0).max(axis=0), 90)
    else:
        below = np.broadcast_to(rows > CLOSED_HORIZON * height, sky.shape)
    below = below & (sky < 0.5)
    calm = _ramp(cues.levelness, 0.2, 0.6) * _ramp(cues.texture, 0.07, 0.035)
    if sky.any():
        mirrored = np.percentile(cues.blue_yellow[sky > 0.5], 80) + 0.03
        calm = calm * _ramp(cues.blue_yellow, mirrored + 0.06, mirrored) * _ramp(cues.light, 0.97, 0.9)
        calm_cores = components(shrunk((calm > 0.6) & below, 3), 0.004)
        seeds = [grown(core, 3) for core in calm_cores]
        if line is not None:
            seeds = _like_the_water_at(line, seeds, cues)
    else:
        usual = max(float(np.median(cues.texture)), 1e-3)
        calm = calm * _ramp(cues.texture, 0.9 * usual, 0.6 * usual)
        shore = grown(rapids > 0.5, height // 30 + 1)
        seeds = [part for part in components((calm > 0.5) & below, 0.002) if (part & shore).any()]
    water = np.zeros(sky.shape, bool)
    if seeds:
        likely = np.any(seeds, axis=0)
        features = np.dstack([cues.light, 0.5 + cues.blue_yellow, cues.texture * 12])
        water = grab_cut(features, likely, shrunk(likely, 2) & (calm > 0.8), ~below | (cues.texture > 0.1))
        water = fill_holes(water & below, 0.004)
    return (water if sky.any() else _join_brook(water, rapids)).astype(np.float32)


def _join_brook(water: np.ndarray, rapids: np.ndarray) -> np.ndarray:
    """What lies between the cascades and pools of a brook is water too; a patch far from the main one is not."""
    reach = len(water) // 40 + 1
    wet = shrunk(grown(water | (rapids > 0.5), reach), reach)
    parts = components(wet, 0.001)
    largest = max((part.sum() for part in parts), default=0)
    return np.any([part for part in parts if part.sum() >= 0.15 * largest] or [water], axis=0)


def _beside_water(rapids: np.ndarray, water: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """Where white may be foam: snow and pale rock are white too, but not beside water."""
    return grown(water > 0.5, 2) if sky.any() or (water > 0.5).any() else np.ones(water.shape, bool)


def _like_the_water_at(line: HorizonLine, parts: list[np.ndarray], cues: Cues) -> list[np.ndarray]:
    """Those of ``parts`` that reach up to the line, and those that have a colour of these."""
    height, width = cues.light.shape
    depth = np.arange(height)[:, None] + 0.5 - line.rows(width)[None]
    at_line = [part for part in parts if (part & (depth < 0.05 * height)).any()]
    if not at_line:
        return []
    water = np.any(at_line, axis=0)
    ranges = [(c, *np.percentile(c[water], (5, 95))) for c in (cues.light, cues.blue_yellow)]
    return [part for part in parts if all(low - 0.03 <= np.median(c[part]) <= high + 0.03 for c, low, high in ranges)]


def _horizon_row(sky: np.ndarray, water: np.ndarray, line: HorizonLine | None) -> float:
    """The clear line; else the upper shore of wide level water; else just under the sky; else `CLOSED_HORIZON`."""
    height = sky.shape[0]
    if line is not None:
        return line.row
    sky_end = float(np.percentile(np.where(sky > 0.5, np.arange(height)[:, None] + 1, 0).max(axis=0), 95))
    wide = np.flatnonzero((water > 0.5).mean(axis=1) > 0.25)
    if len(wide) and sky_end > 0:
        return max(sky_end, float(wide[0]) - 0.01 * height)
    if sky_end > 0:
        return min(sky_end + 0.02 * height, 0.8 * height)
    return CLOSED_HORIZON * height
