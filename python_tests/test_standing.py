"""What is thin and dark and stands is neither sky nor mist; streaks of cloud, specks and bright gaps are left."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from c3drender.pixels.standing import find_thin, on_their_feet

H, W, GROUND = 300, 400, 240

Array = NDArray[np.float32]


def scene(rows: slice, columns: slice, light: float) -> tuple[Array, Array]:
    """A sky that a coarse map has taken all above the ground for, and the picture, with a thing before it."""
    sky = np.zeros((H, W), np.float32)
    sky[:GROUND] = 1
    level = np.linspace(0.5, 0.8, H, dtype=np.float32)[:, None]
    rgb = np.broadcast_to(level[..., None], (H, W, 3)).copy()
    rgb[GROUND:] = 0.2
    rgb[rows, columns] = light
    return sky, rgb


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("scale", [1, 3])
def test_a_pole_on_the_ground_is_found_whether_the_map_knows_it_or_not(scale: int, known: bool) -> None:
    pole = np.s_[60:GROUND, 200:205]
    sky, rgb = scene(*pole, 0.25)
    if known:
        sky[pole] = 0
    found = find_thin(*(np.repeat(np.repeat(x, scale, 0), scale, 1) for x in (sky, rgb)))
    assert found[64 * scale : (GROUND - 4) * scale, 202 * scale : 203 * scale].all()
    assert not found[:, : 196 * scale].any()
    assert not found[:, 209 * scale :].any()


def test_a_reed_on_the_foot_of_the_picture_is_found() -> None:
    sky, rgb = scene(slice(60, GROUND), slice(200, 205), 0.25)
    assert find_thin(sky[:GROUND], rgb[:GROUND])[64:, 202].all()


@pytest.mark.parametrize(
    ("rows", "columns", "light"),
    [
        (slice(230, 236), slice(100, 300), 0.25),  # a streak of cloud over the horizon
        (slice(100, 130), slice(200, 205), 0.25),  # a bird, or a balloon: it touches nothing
        (slice(60, GROUND), slice(200, 205), 1.0),  # a gap, a beam of light
        (slice(60, GROUND), slice(200, 205), 0.66),  # hardly darker than the sky
        (slice(100, GROUND), slice(150, 230), 0.25),  # wide: the segmenter's affair
    ],
)
def test_what_is_level_loose_bright_faint_or_wide_is_left(rows: slice, columns: slice, light: float) -> None:
    sky, rgb = scene(rows, columns, light)
    assert not find_thin(sky, rgb).any()


def test_a_picture_without_a_sky_or_of_sky_alone_has_none() -> None:
    _, rgb = scene(slice(60, GROUND), slice(200, 205), 0.25)
    for share in (0.0, 1.0):
        sky = np.full((H, W), share, np.float32)
        assert not find_thin(sky, rgb).any()


def test_a_tower_stands_on_its_foot_with_its_head_and_what_is_large_or_has_no_foot_stays() -> None:
    behind = np.zeros((H, W), bool)
    behind[:GROUND] = True
    thin = np.zeros((H, W), bool)
    thin[60:GROUND, 200:205] = True  # the tower,
    thin[20:80, 300:304] = True  # and a rope that hangs from nothing
    disp = np.where(behind, 0, 0.3).astype(np.float32)
    disp[60:150, 200:205], disp[150:GROUND, 200:205] = 0.0, 0.1
    disp[70:86, 192:213] = 0.8  # the head
    disp[20:80, 300:304] = 0.05
    disp[150:GROUND, 100:200] = 0.7  # a house beside it
    settled = on_their_feet(disp, thin, behind)
    np.testing.assert_array_equal(settled[60:GROUND, 200:205], np.float32(0.3))
    np.testing.assert_array_equal(settled[70:86, 192:213], np.float32(0.3))
    away = ~thin
    away[70:86, 192:213] = False
    away[20:80, 300:304] = True
    np.testing.assert_array_equal(settled[away], disp[away])
