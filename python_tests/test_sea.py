"""A sea ends at the sky: the line where they meet, and the disparity below it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from c3drender.data import Nearness, Scenery
from c3drender.depth.stage import find_sea_horizon
from c3drender.depth.surfaces import SEA_SHARE, surfaces_from
from c3drender.pixels.segments import SEGMENT_CLASSES

H, W = 240, 320
ROWS, COLUMNS = np.indices((H, W))


def seaside(row: float, tilt: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    sky = row + tilt * COLUMNS > ROWS + 0.5
    return sky, ~sky


@pytest.mark.parametrize("tilt", [0.0, 0.04, -0.08])
def test_the_line_is_found_beside_boats_and_what_the_maps_mistake(tilt: float) -> None:
    sky, water = seaside(100, tilt)
    water[80:130, 40:60] = sky[80:130, 40:60] = False  # a ship
    haze = (COLUMNS > 270) & (ROWS > 85) & sky
    sky, water = sky & ~haze, water | haze
    found = find_sea_horizon(sky, water)
    assert found is not None
    assert np.abs(found - (100 + tilt * np.arange(W))).max() < 1.2


def test_a_far_shore_a_coast_and_a_picture_without_water_have_none() -> None:
    sky, water = seaside(100)
    assert find_sea_horizon(sky, water & (ROWS > 115)) is None
    assert find_sea_horizon(sky, np.zeros_like(water)) is None
    assert find_sea_horizon(np.zeros_like(sky), water) is None
    ragged = 100 + 20 * np.sin(np.arange(W) / 9) > ROWS
    assert find_sea_horizon(ragged, ~ragged) is None


def test_the_sea_ends_as_far_away_as_the_sky_begins() -> None:
    sky, water = seaside(100)
    near = torch.from_numpy(np.where(sky, 0, 0.15 + 0.6 * (ROWS - 100) / 140).astype(np.float32))
    kinds = torch.zeros(len(SEGMENT_CLASSES), H, W)
    kinds[SEGMENT_CLASSES.index("sky")] = torch.from_numpy(sky.astype(np.float32))
    kinds[SEGMENT_CLASSES.index("moving_water")] = torch.from_numpy(water.astype(np.float32))
    seen = Nearness(near, torch.from_numpy(water.astype(np.float32)), kinds)
    empty = torch.zeros(H, W)

    def disparity(water_share: np.ndarray) -> np.ndarray:
        maps = (torch.from_numpy(part.astype(np.float32)) for part in (sky, water_share))
        sky_map, water_map = maps
        rgb = np.where(sky[..., None], (0.6, 0.7, 0.9), (0.1, 0.3, 0.4)).astype(np.float32)
        return surfaces_from(rgb, Scenery(sky_map, water_map, empty, empty, 100.0), seen)

    sea, land = disparity(water), disparity(np.zeros_like(water))
    strip = round(SEA_SHARE * H)
    assert np.abs(np.diff(sea, axis=0)).max() < 0.02
    assert sea[:101].max() < 0.02
    assert land[102:104].min() > 0.08  # what is no water stands before the sky
    assert np.allclose(sea[100 + strip + 2 :], land[100 + strip + 2 :], atol=0.02)
