"""Scenery from a segmenter: its maps in the place of the cues, as far as it can tell what they tell."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from ..data import Image, Scenery
from ..pixels.colours import part_by_colour
from ..pixels.segments import Segments
from ..pixels.sizes import work_size
from ..pixels.standing import find_thin
from .cut import refine_to_edges

SKY, LEVEL, WHITE, SMOKE = ("sky", "cloud"), ("still_water", "moving_water"), ("white_water",), ("smoke", "fire")
ALIVE, STAYING = ("person", "animal"), ("person", "animal", "ground", "object")
WORK_SIDES_PX = (240, 480)  # the longer sides of the reduced pictures at which maps are parted by colour
RADIUS_PX, WATER_RADIUS_PX, LAST_RADIUS_PX = 4, 2, 3  # of the windows in which edges are found, there and at full size
NOTHING = 0.05  # a map that nowhere says more shows nothing
LEAST_WATER = 0.2  # the cues know how much of a pixel's water foams where they see this much of it
HORIZON_AGREES = 0.03  # of the height: the cues' horizon, if it lies so near to the segments', is the better one


def apply_segments(
    image: Image, scenery: Scenery, segments: Segments, still: torch.Tensor | None = None
) -> tuple[Scenery, torch.Tensor]:
    """``scenery`` with what ``segments`` know better, and what must never move, bool ``[H, W]``.

    Each group of classes (sky, water, smoke and fire) that the segmenter can tell replaces the cues' map; of level water the
    cues still say how much of it foams, unless it lies ``still`` (float32 ``[H, W]``, 0..1): a mirrored cloud is no foam.
    People, animals, ground and objects stay.
    """

    def shown(groups: Sequence[tuple[str, ...]], radius_px: int) -> np.ndarray:
        maps = np.stack([segments.of(*group).numpy() for group in groups], axis=-1)
        return np.moveaxis(_at_full_size(image, maps, segments.measured, radius_px), -1, 0)

    sky, smoke, alive, staying = shown((SKY, SMOKE, ALIVE, STAYING), RADIUS_PX)
    # Windows as wide as the others' swallow rocks in surf; and a dark crest between foam and sea is neither, but it is water.
    water, white = shown((LEVEL + WHITE, WHITE), WATER_RADIUS_PX)
    white = np.minimum(white, water)
    level = water - white
    cues = {name: getattr(scenery, name).cpu().numpy() for name in ("sky", "water", "rapids", "smoke")}

    stays = alive > 0.5
    knows_smoke = segments.knows(*SMOKE)
    # A segmenter without a word for smoke calls it what is behind it.
    stays |= (staying > 0.5) & (knows_smoke | (cues["smoke"] <= 0.5))
    if not segments.measured:
        stays |= find_thin(np.minimum(sky + smoke, 1), image.rgb.detach().cpu().numpy())
    free = ~stays
    told = dict(cues)
    if segments.knows(*SKY):
        told["sky"] = sky
    if segments.knows(*LEVEL, *WHITE):
        seen = cues["water"] + cues["rapids"]
        foam = np.where(seen > LEAST_WATER, cues["rapids"] / np.maximum(seen, LEAST_WATER), 0)
        if still is not None:
            foam *= 1 - still.cpu().numpy()
        told["water"], told["rapids"] = level * (1 - foam), np.minimum(white + level * foam, 1)
    if knows_smoke:
        told["smoke"] = smoke
    device = scenery.sky.device
    final = {name: torch.from_numpy((values * free).astype(np.float32)).to(device) for name, values in told.items()}
    horizon_y = _horizon(final["sky"].cpu().numpy(), scenery.horizon_y) if segments.knows(*SKY) else scenery.horizon_y
    return Scenery(**final, horizon_y=horizon_y), torch.from_numpy(stays).to(device)


def _at_full_size(image: Image, maps: np.ndarray, measured: bool, radius_px: int) -> np.ndarray:
    height, width = image.size
    if maps.shape[:2] == (height, width) and measured:
        return maps
    if measured:
        return cv2.resize(maps, (width, height), interpolation=cv2.INTER_LINEAR)
    rgb = image.rgb.detach().cpu().numpy()
    shown = maps.max(axis=(0, 1)) > NOTHING
    full = np.zeros((maps.shape[2], height, width), np.float32)
    if shown.any():
        full[shown] = np.moveaxis(_on_edges(rgb, np.ascontiguousarray(maps[..., shown]), radius_px), -1, 0)
    return np.moveaxis(full, 0, -1)


def _on_edges(rgb: np.ndarray, maps: np.ndarray, radius_px: int) -> np.ndarray:
    """Maps ``[h, w, K]`` at the size of the picture, from coarse to fine, their edges on its edges."""
    height, width = rgb.shape[:2]
    picture = _reduced(rgb, maps.shape[1::-1])
    for side_px in WORK_SIDES_PX:
        finer = _reduced(rgb, work_size(height, width, side_px)[1])
        maps = part_by_colour(finer, refine_to_edges(finer, picture, maps, radius_px))
        picture = finer
    return refine_to_edges(rgb, picture, maps, LAST_RADIUS_PX) if picture.shape != rgb.shape else maps


def _reduced(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.clip(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), 0, 1)


def _horizon(sky: np.ndarray, cued_y: float) -> float:
    """The row where the sky ends at its lowest; the cues' own where it is about there, or where there is no sky."""
    height = sky.shape[0]
    ends = np.where(sky > 0.5, np.arange(height)[:, None] + 1, 0).max(axis=0)
    if (ends > 0).mean() < 0.05:
        return cued_y
    lowest = float(np.percentile(ends, 95))
    return cued_y if abs(cued_y - lowest) < HORIZON_AGREES * height else min(lowest + 0.02 * height, 0.95 * height)
