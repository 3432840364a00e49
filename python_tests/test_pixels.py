"""Image arithmetic that knows no scene, against its definition pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from c3drender.pixels.fits import fit_planes, levelness, mean_within, smooth_step
from c3drender.pixels.masks import Parts, closed, components, fill_specks, grown, opened, shrunk
from c3drender.pixels.nearest import Nearest, nearest_inside
from c3drender.pixels.sizes import work_size


def blobs(seed: int, share: float = 0.5, shape: tuple[int, int] = (37, 52)) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.2)
    return noise > np.quantile(noise, 1 - share)


# --- masks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [0, 1, 3])
def test_morphology_is_that_of_a_square(radius: int) -> None:
    mask, square = blobs(0), np.ones((2 * radius + 1,) * 2, bool)
    np.testing.assert_array_equal(grown(mask, radius), ndimage.binary_dilation(mask, square))
    # What lies beyond the picture neither eats into a mask nor adds to it.
    np.testing.assert_array_equal(shrunk(mask, radius), ndimage.binary_erosion(mask, square, border_value=1))
    np.testing.assert_array_equal(closed(mask, radius), shrunk(grown(mask, radius), radius))
    np.testing.assert_array_equal(opened(mask, radius), grown(shrunk(mask, radius), radius))
    assert grown(mask, radius).dtype == bool


def test_parts_are_connected_by_sides_and_counted() -> None:
    mask = np.array([[1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]], bool)
    parts = Parts.of(mask)
    assert sorted(parts.area.tolist()) == [0, 1, 1, 3, 3]
    assert not parts.joined(np.zeros(5, bool)).any()
    np.testing.assert_array_equal(parts.joined(np.ones(5, bool)), mask)
    np.testing.assert_array_equal(parts.joined(parts.touched(-1)), mask & (np.arange(4)[:, None] == 3))
    at = np.zeros_like(mask)
    at[0, 3] = True
    np.testing.assert_array_equal(parts.joined(parts.touched(at)), mask & (np.arange(4) >= 2) & (np.arange(4)[:, None] < 2))
    assert [part.sum() for part in components(mask, 2 / mask.size)] == [3, 3]


def test_components_of_nothing_and_of_everything() -> None:
    assert components(np.zeros((5, 7), bool), 0.01) == []
    (whole,) = components(np.ones((5, 7), bool), 0.01)
    assert whole.all()


@pytest.mark.parametrize("seed", range(4))
def test_specks_are_filled_that_are_small_and_do_not_reach_the_foot(seed: int) -> None:
    mask, max_share = blobs(seed, 0.7), 0.01
    labels, count = ndimage.label(~mask)
    want = mask.copy()
    for k in range(1, count + 1):
        hole = labels == k
        if hole.sum() <= max_share * mask.size and not hole[-1].any():
            want |= hole
    np.testing.assert_array_equal(fill_specks(mask, max_share), want)
    assert (want != mask).any()


# --- the nearest pixel ------------------------------------------------------------------------------------------------


def squared_distances(mask: np.ndarray) -> np.ndarray:
    """From every pixel to every pixel of ``mask``, ``[H * W, N]``."""
    every, own = (np.argwhere(m)[:, None, :] for m in (np.ones_like(mask), mask))
    return ((every - own.transpose(1, 0, 2)) ** 2).sum(axis=-1)


def test_what_is_known_is_carried_to_the_nearest_cells() -> None:
    known = blobs(1, 0.1)
    rows, columns = nearest_inside(known)
    y, x = np.indices(known.shape)
    away = (rows - y) ** 2 + (columns - x) ** 2
    np.testing.assert_array_equal(away.ravel(), squared_distances(known).min(axis=1))
    assert known[rows, columns].all()


def test_the_quick_nearest_pixel_is_hardly_farther_than_the_nearest() -> None:
    mask = blobs(2, 0.05)
    nearest = Nearest.of(mask)
    everywhere = nearest.to(np.ones_like(mask))
    assert mask.reshape(-1)[everywhere].all()
    y, x = np.divmod(np.arange(mask.size), mask.shape[1])
    (to_y, to_x), shortest = np.divmod(everywhere, mask.shape[1]), np.sqrt(squared_distances(mask).min(axis=1))
    assert (np.hypot(to_y - y, to_x - x) <= 1.05 * shortest + 1e-6).all()
    np.testing.assert_allclose(nearest.distance.ravel(), shortest, rtol=0.05)
    some = np.array([3, 700, 41])
    np.testing.assert_array_equal(nearest.to(some), everywhere[some])
    np.testing.assert_array_equal(nearest.to(mask), np.flatnonzero(mask))


# --- fits and sizes ---------------------------------------------------------------------------------------------------


def test_smooth_step_of_numbers_arrays_and_tensors() -> None:
    share = np.linspace(-0.5, 1.5, 41)
    got = smooth_step(share)
    np.testing.assert_allclose(got, 3 * share.clip(0, 1) ** 2 - 2 * share.clip(0, 1) ** 3, atol=1e-12)
    np.testing.assert_array_equal(smooth_step(torch.from_numpy(share)).numpy(), got)
    assert [smooth_step(float(s)) for s in share] == got.tolist()
    assert smooth_step(0) == 0 and smooth_step(1) == 1


def test_a_mean_within_takes_nothing_from_beside() -> None:
    inside = blobs(3)
    weight = inside.astype(np.float32)
    values = np.where(inside, 0.25, 100).astype(np.float32)
    np.testing.assert_allclose(mean_within(values, weight, 3.0)[inside], 0.25, rtol=1e-5)
    colours = np.dstack([values, 2 * values, 3 * values])
    np.testing.assert_allclose(mean_within(colours, weight, 3.0)[inside], [[0.25, 0.5, 0.75]] * inside.sum(), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_planes_are_continued_beyond_where_they_are_known(dtype: type) -> None:
    y, x = np.indices((60, 80)).astype(dtype)
    plane, known = (0.5 + 0.02 * x - 0.03 * y).astype(dtype), np.zeros((60, 80), dtype)
    known[10:50, 10:60] = 1
    fit = fit_planes(plane, known, 6.0)
    inner = np.s_[20:40, 20:50]
    assert fit.value.dtype == dtype
    np.testing.assert_allclose(fit.slope_x[inner], 0.02, rtol=0.03)
    np.testing.assert_allclose(fit.slope_y[inner], -0.03, rtol=0.03)
    np.testing.assert_allclose(fit.value[25:35, 62:66], plane[25:35, 62:66], atol=0.03)
    assert fit.support[30, 79] < 0.01 < 0.9 < fit.support[30, 30]


def test_level_stripes_are_level_and_upright_ones_upright() -> None:
    stripes = np.sin(np.arange(40, dtype=np.float32))[:, None] * np.ones((1, 40), np.float32)

    def everywhere(energy: np.ndarray) -> np.ndarray:
        return np.full_like(energy, energy.mean())

    assert levelness(stripes, everywhere, 1e-4).min() > 0.99
    assert levelness(np.ascontiguousarray(stripes.T), everywhere, 1e-4).max() < -0.99
    assert not levelness(np.ones((9, 9), np.float32), everywhere, 1e-4).any()


@pytest.mark.parametrize(
    ("height", "width", "scale", "size"),
    [(720, 1280, 0.25, (320, 180)), (200, 100, 1.0, (100, 200)), (3, 6400, 0.05, (320, 1)), (640, 639, 0.5, (320, 320))],
)
def test_work_size(height: int, width: int, scale: float, size: tuple[int, int]) -> None:
    assert work_size(height, width, 320) == (scale, size)
