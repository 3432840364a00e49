"""A blurred map is decided by the colours on either side of its edge, and by nothing else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from c3drender.pixels.colours import part_by_colour
from c3drender.scenery.cut import solve_each

H, W, EDGE = 60, 80, 40
LEFT, RIGHT = (0.2, 0.4, 0.8), (0.7, 0.6, 0.3)

Array = NDArray[np.float32]


def picture(left: tuple[float, ...], right: tuple[float, ...]) -> Array:
    rgb = np.empty((H, W, 3), np.float32)
    rgb[:, :EDGE], rgb[:, EDGE:] = left, right
    return (rgb + np.random.default_rng(0).normal(0, 0.01, rgb.shape)).clip(0, 1).astype(np.float32)


def blurred_edge(at: float, blur_px: float = 3.0) -> Array:
    share = 1 / (1 + np.exp((np.arange(W) + 0.5 - at) / blur_px))
    return np.broadcast_to(share.astype(np.float32)[:, None], (H, W, 1)).copy()


@pytest.mark.parametrize("shift", [-4, 0, 4])
def test_the_edge_goes_where_the_colour_changes(shift: int) -> None:
    found = part_by_colour(picture(LEFT, RIGHT), blurred_edge(EDGE + shift))[..., 0]
    np.testing.assert_array_equal(found > 0.5, np.broadcast_to(np.arange(W) < EDGE, (H, W)))


def test_what_is_sure_stays_whatever_its_colour() -> None:
    rgb = picture(LEFT, RIGHT)
    rgb[20:30, 5:15] = RIGHT
    found = part_by_colour(rgb, blurred_edge(EDGE))[..., 0]
    assert found[20:30, 5:15].min() > 0.9


def test_one_colour_tells_nothing() -> None:
    share = blurred_edge(EDGE)
    np.testing.assert_allclose(part_by_colour(picture(LEFT, LEFT), share), share, atol=0.12)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_map_of_one_value_stays(value: float) -> None:
    share = np.full((H, W, 2), value, np.float32)
    np.testing.assert_array_equal(part_by_colour(picture(LEFT, RIGHT), share), share)


def test_maps_are_parted_each_on_its_own() -> None:
    rgb, share = picture(LEFT, RIGHT), blurred_edge(EDGE + 4)
    both = part_by_colour(rgb, np.concatenate([share, 1 - share], axis=2))
    np.testing.assert_allclose(both.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_array_equal(both[..., :1], part_by_colour(rgb, share))


def test_a_small_picture_is_no_trouble() -> None:
    rgb = cv2.resize(picture(LEFT, RIGHT), (3, 2))
    found = part_by_colour(rgb, np.array([[[0.9], [0.5], [0.1]]] * 2, np.float32))
    assert np.isfinite(found).all()


def test_each_pixel_solves_its_own_system() -> None:
    rng = np.random.default_rng(1)
    colours = rng.random((5, 7, 20, 3)) * rng.random((5, 7, 1, 1))
    away = colours - colours.mean(axis=2, keepdims=True)
    covariance = np.einsum("hwnc,hwnd->hwcd", away, away) / 20 + 1e-4 * np.eye(3)  # as flat as a guided filter meets
    right = rng.random((5, 7, 3, 4))
    found = solve_each(covariance.astype(np.float32), right.astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.linalg.solve(covariance, right), rtol=2e-3, atol=2e-3)
