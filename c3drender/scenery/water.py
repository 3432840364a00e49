"""Where a photo shows water: level and smooth, or falling and foaming.

Seeds come from texture and colour; a cut along colour edges (GrabCut) carries them to the banks. What then looks more like the
ground around it than like the rest of the water is left out: a rock that flows is worse than water that rests.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

from ..pixels.masks import Parts, closed, components, fill_specks, grown, opened, shrunk
from .cues import Cues, ramp
from .cut import grab_cut
from .horizon import HorizonLine

HORIZON_SHARE = 0.3  # of the height: the horizon of a picture that shows neither sky nor level water
LEAST_SHORE = 0.05  # of what may be water: with less land an open sea has no shore
LEAST_KEPT = 0.5  # of the water: a cut that takes more away has found no difference in hue
NEARBY_PX = 20  # banks are compared with the water within this distance
COLOUR_BINS = (10, 32, 32)
LEVEL_BINS = 24
FLUID_EVIDENCE = 3.0  # log-odds between what is cool, smooth or foaming, and what is none of these
CLEAREST = 3.0  # log-odds that a colour alone can give
RARE = 2e-5  # density of a colour that was not seen


def find_water(cues: Cues, sky: np.ndarray, smoke: np.ndarray, line: HorizonLine | None) -> tuple[np.ndarray, np.ndarray]:
    """Soft maps ``[h, w]`` of level water, and of falling or foaming water."""
    if smoke.any():
        return np.zeros_like(sky), np.zeros_like(sky)
    foam = _find_foam(cues, sky)
    water, foam = _open_water(cues, sky, foam, line) if sky.any() else _brook(cues, foam)
    return water * (1 - foam), foam


def _find_foam(cues: Cues, sky: np.ndarray) -> np.ndarray:
    """Foam is bright and cooler than the land around it, and either clearly bluish or blurred smooth by its motion."""
    land = sky < 0.5
    if land.mean() < 0.05:
        return np.zeros_like(sky)
    warmth = cues.blue_yellow - np.median(cues.blue_yellow[land])
    bluish = ramp(cues.light, 0.45, 0.65) * ramp(warmth, -0.09, -0.13) * ramp(cues.blue_yellow, -0.04, -0.08)
    blurred = ramp(cues.light, 0.68, 0.8) * ramp(warmth, -0.02, -0.05) * ramp(cues.texture, 0.055, 0.035)
    colourless = ramp(cues.chroma, 0.22, 0.16) * (1 - sky)
    return np.maximum(bluish, blurred) * colourless


def _open_water(cues: Cues, sky: np.ndarray, foam: np.ndarray, line: HorizonLine | None) -> tuple[np.ndarray, np.ndarray]:
    """Under an open sky water has the sky's colours, or bluer and greener ones: wet sand mirrors the sky too, but redder."""
    height, width = sky.shape
    rows = np.arange(height, dtype=np.float32)[:, None] + 0.5
    if line is not None:
        below = rows > line.rows(width)[None]
    else:
        below = rows > np.percentile(np.where(sky > 0.5, rows, 0).max(axis=0), 90)
    below = below & (sky < 0.5)
    yellowest = np.percentile(cues.blue_yellow[sky > 0.5], 80) + 0.03
    # Sand is never deep blue; a deep blue has some red in it at any hue of the sky.
    reddest = np.percentile(cues.green_red[sky > 0.5], 95) + 0.01 + 0.04 * ramp(cues.blue_yellow, -0.2, -0.3)
    redness = cues.hue[..., 1]
    calm = ramp(cues.levelness, 0.2, 0.6) * ramp(cues.texture, 0.07, 0.035) * ramp(cues.light, 0.97, 0.9)
    calm = calm * ramp(cues.blue_yellow, yellowest + 0.06, yellowest) * ramp(redness, reddest + 0.02, reddest)
    seeds = [grown(core, 3) for core in components(shrunk((calm > 0.6) & below, 3), 0.004)]
    if line is not None:
        seeds = _like_the_water_at(line, seeds, cues)
    if not seeds:
        return np.zeros_like(sky), np.zeros_like(sky)
    likely = np.any(seeds, axis=0)
    features = np.dstack([cues.light, 0.5 + cues.blue_yellow, cues.texture * 12])
    water = grab_cut(features, likely, shrunk(likely, 2) & (calm > 0.8), ~below | (cues.texture > 0.1))
    water = fill_specks(water & below, 0.01)
    water |= (foam > 0.5) & grown(water, 2)
    mirroring_sand = (redness > reddest + 0.02) & (cues.chroma > 0.06)
    water = _cut_by_colour(cues, water, ~below | mirroring_sand)
    return fill_specks(water, 0.004).astype(np.float32), foam * grown(water, 2)


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


def _brook(cues: Cues, foam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Between banks and under trees: falls, which mirror the cool light from above, and the smooth pools beside them."""
    height = foam.shape[0]
    blueness = _blueness(cues)
    dim, usual_light = np.percentile(cues.hue[..., 0], (20, 40))
    lit = ramp(cues.hue[..., 0], dim, max(usual_light, dim + 1e-3))
    falling = np.maximum(ramp(blueness, 0.6, 1.2) * lit, foam)
    falls = _foaming_parts(falling > 0.5, foam > 0.5)
    usual = max(float(np.median(cues.texture)), 1e-3)
    calm = ramp(cues.levelness, 0.3, 0.6) * ramp(cues.texture, 0.06, 0.035) * ramp(cues.texture, 0.9 * usual, 0.6 * usual)
    below = np.arange(height)[:, None] > HORIZON_SHARE * height
    shore = grown(falls, height // 30 + 1)
    level = Parts.of((calm > 0.5) & below)
    pools = level.joined((level.area >= 0.002 * shore.size) & level.touched(shore))
    water = _main_parts(_gaps_closed(falls | pools))
    water = _cut_by_colour(cues, water, np.zeros_like(water))
    evidence = np.maximum(falling, calm * ramp(blueness, -1.25, -0.75))
    for _ in range(2):
        water = _unlike_the_banks(cues, water, evidence)
    return fill_specks(water, 0.002).astype(np.float32), foam * grown(water, 2)


def _blueness(cues: Cues) -> np.ndarray:
    """How much bluer than the middle of the picture, in units of its spread (robust standard deviations)."""
    blue_yellow = cues.hue[..., 2]
    middle = np.median(blue_yellow)
    return (middle - blue_yellow) / max(1.48 * float(np.median(np.abs(blue_yellow - middle))), 0.02)


def _foaming_parts(mask: np.ndarray, foam: np.ndarray) -> np.ndarray:
    """The broader parts of ``mask`` of which some is foam: shade is as blue as water."""
    radius = max(1, len(mask) // 120)
    parts = Parts.of(opened(mask, radius))
    foaming = np.bincount(parts.labels[foam], minlength=len(parts.area))
    return foam | parts.joined((parts.area >= 0.001 * mask.size) & (foaming > 0.03 * parts.area))


def _gaps_closed(mask: np.ndarray) -> np.ndarray:
    return mask | closed(mask, len(mask) // 40 + 1)


def _main_parts(mask: np.ndarray) -> np.ndarray:
    """What lies between the cascades and pools of a brook is water too; a patch far smaller than the main one is not."""
    parts = Parts.of(mask)
    return parts.joined(parts.area >= max(0.001 * mask.size, 0.15 * parts.area.max()))


def _cut_by_colour(cues: Cues, likely: np.ndarray, never: np.ndarray) -> np.ndarray:
    """Move the borders of ``likely`` to where the hue changes, if there is a shore to tell it from. What lies above all that
    may be water has no say: water mirrors the sky."""
    water = likely & ~never
    if (~never & ~likely).sum() <= LEAST_SHORE * (~never).sum():
        return water
    part = np.s_[np.flatnonzero((~never).any(axis=1))[0] :]
    hues = cues.hue[part] * (1, 2, 2) + (0, 0.5, 0.5)
    cut = grab_cut(hues, water[part], np.zeros_like(water[part]), never[part]) & ~never[part]
    if cut.sum() > LEAST_KEPT * water.sum():
        water[part] = cut
    return water


def _unlike_the_banks(cues: Cues, water: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Where the colours and the direction of texture of ``water`` are commoner than those of its banks, by Bayes' rule: the
    sum of log-odds, smoothed; ``evidence`` 0..1 that something is fluid, whatever it looks like, counts with them."""
    if not water.any():
        return water
    banks = grown(water, NEARBY_PX) & ~water
    colour = np.clip(_log_odds(cues.lab, ((0, 1), (-0.3, 0.3), (-0.3, 0.3)), COLOUR_BINS, water, banks), -CLEAREST, CLEAREST)
    level = _log_odds(cues.levelness[..., None], ((-1, 1),), (LEVEL_BINS,), water, banks)
    total = colour + 0.5 * level + FLUID_EVIDENCE * (evidence - 0.5)
    return _main_parts((cv2.GaussianBlur(total.astype(np.float32), (0, 0), 2) > 0) & grown(water, 4))


def _log_odds(
    values: np.ndarray, ranges: tuple[tuple[float, float], ...], bins: tuple[int, ...], inside: np.ndarray, outside: np.ndarray
) -> np.ndarray:
    """Log-ratio ``[h, w]`` of the smoothed histograms of ``values`` ``[h, w, C]`` inside and outside, at every pixel."""
    low, high = np.array(ranges).T
    cell = np.clip((values - low) / (high - low) * bins, 0, np.array(bins) - 1).astype(int)
    flat = np.ravel_multi_index(tuple(np.moveaxis(cell, -1, 0)), bins)

    def density(mask: np.ndarray) -> np.ndarray:
        counts = np.bincount(flat[mask], minlength=int(np.prod(bins))).reshape(bins).astype(float)
        return ndimage.gaussian_filter(counts, 1.0).ravel() / max(mask.sum(), 1) + RARE

    return np.log(density(inside) / density(outside))[flat]
