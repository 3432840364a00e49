"""Scenery: what one photo shows, found without a learned model.

The maps are found at a reduced size from colour, texture, direction of texture and position, cut along colour edges
(GrabCut), and carried to full size by a colour-guided filter, which puts their edges on the picture's.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from ..data import Image, Scenery
from ..pixels.masks import closed, components, fill_specks, grown, shrunk
from ..pixels.sizes import work_size
from .cues import Cues, measure_cues, ramp
from .cut import grab_cut, refine_to_edges, snap_to_edges, touching_top
from .horizon import HorizonLine, find_far_shore, find_level_line
from .water import HORIZON_SHARE, find_water

WORK_SIDE_PX = 320  # the longer side of the reduced picture; every radius below is in its pixels


def find_scenery(image: Image) -> Scenery:
    """Find sky, water, rapids and smoke, and the row of the horizon, in one photo. Deterministic.

    Parameters
    ----------
    image : Image

    Returns
    -------
    Scenery

    Raises
    ------
    ValueError
        For an image without a pixel.
    """
    rgb = image.rgb.detach().cpu().numpy()
    height, width = image.size
    if min(height, width) < 1:
        raise ValueError(f"find_scenery: image must have at least one pixel, got {height} x {width}")
    _, small_size = work_size(height, width, WORK_SIDE_PX)
    small = np.clip(cv2.resize(rgb, small_size, interpolation=cv2.INTER_AREA), 0, 1)

    cues = measure_cues(small)
    smoke = _find_smoke(cues)
    sky, line = _find_sky(cues, smoke)
    water, rapids = find_water(cues, sky, smoke, line)
    horizon = _horizon_row(sky, water, line) / small_size[1] * height

    maps = np.dstack([sky, water, rapids, smoke]).astype(np.float32)
    full = refine_to_edges(rgb, small, maps)
    device = image.rgb.device
    sky_map, water_map, rapids_map, smoke_map = (
        torch.from_numpy(np.ascontiguousarray(full[..., k])).to(device) for k in range(4)
    )
    return Scenery(sky=sky_map, water=water_map, rapids=rapids_map, smoke=smoke_map, horizon_y=float(horizon))


def _find_smoke(cues: Cues) -> np.ndarray:
    """Glowing, soft curls on a backdrop that is dark and without texture for most of the picture."""
    backdrop = (cues.light < 0.22) & (cues.texture < 0.02)
    if backdrop.mean() < 0.35 or np.median(cues.light) > 0.22:
        return np.zeros_like(cues.light)
    dark = float(np.median(cues.light[backdrop]))
    glow = ramp(cues.light, dark + 0.04, dark + 0.16)
    # Smoke curls: a lit patch of the backdrop has no such texture. Between its curls hang veils.
    curls = [part for part in components(glow > 0.2, 0.002) if np.median(cues.texture[part]) > 0.015]
    if not curls:
        return np.zeros_like(glow)
    body = np.any(curls, axis=0)
    reach = len(glow) // 25 + 1
    return np.maximum(glow * grown(body, 2), 0.6 * closed(body, reach))


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
    line = find_level_line(cues, candidate, percentile=5)
    shore = find_far_shore(cues, line)
    below_line = np.zeros_like(candidate)
    if line is not None and shore is None:
        below_line = np.arange(height)[:, None] - 0.5 > line.rows(width)[None]
        candidate = touching_top(candidate & ~below_line, 0.01)
    below = ~candidate
    if below.mean() > 0.02 and line is None and np.median(cues.texture[below]) < 2 * np.median(cues.texture[candidate]):
        return nothing, None
    features = np.dstack([cues.light, 0.5 + cues.blue_yellow, cues.texture * 12])
    far_below = below_line | (ramp(cues.texture, 0.0, 0.05) >= 1) | (np.arange(height)[:, None] > 0.85 * height)
    sky = grab_cut(features, candidate, shrunk(candidate, 4), far_below & ~candidate)
    sky = fill_specks(touching_top(sky & ~below_line, 0.01), 0.03)
    return snap_to_edges(sky, cues.lab, inside=3, outside=6).astype(np.float32), shore or line


def _horizon_row(sky: np.ndarray, water: np.ndarray, line: HorizonLine | None) -> float:
    """The clear line; else the upper shore of wide level water; else just under the sky; else `HORIZON_SHARE`."""
    height = sky.shape[0]
    if line is not None:
        return line.row
    sky_end = float(np.percentile(np.where(sky > 0.5, np.arange(height)[:, None] + 1, 0).max(axis=0), 95))
    wide = np.flatnonzero((water > 0.5).mean(axis=1) > 0.25)
    if len(wide) and sky_end > 0:
        return max(sky_end, float(wide[0]) - 0.01 * height)
    if sky_end > 0:
        return min(sky_end + 0.02 * height, 0.8 * height)
    return HORIZON_SHARE * height
