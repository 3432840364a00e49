"""What is thin and dark and stands on the ground is no sky; streaks of cloud, specks and bright gaps are left."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from c3drender.scenery.standing import without_thin

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


@pytest.mark.parametrize("scale", [1, 3])
def test_a_pole_on_the_ground_is_no_sky(scale: int) -> None:
    sky, rgb = (np.repeat(np.repeat(x, scale, 0), scale, 1) for x in scene(slice(60, GROUND), slice(200, 205), 0.25))
    found = without_thin(sky, rgb)
    pole = np.s_[64 * scale : (GROUND - 4) * scale, 202 * scale : 203 * scale]
    assert found[pole].max() < 0.3
    away = np.ones(sky.shape, bool)
    away[:, 196 * scale : 209 * scale] = False
    np.testing.assert_array_equal(found[away], sky[away])


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
    np.testing.assert_array_equal(without_thin(sky, rgb), sky)


def test_a_picture_without_a_sky_or_of_sky_alone_stays() -> None:
    _, rgb = scene(slice(60, GROUND), slice(200, 205), 0.25)
    for share in (0.0, 1.0):
        sky = np.full((H, W), share, np.float32)
        np.testing.assert_array_equal(without_thin(sky, rgb), sky)
