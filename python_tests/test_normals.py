"""Depth follows normals: planes stay planes, blurred relief gets its shape back, and nothing is carried over an edge."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from c3drender.models.normals import follow_normals

HEIGHT, WIDTH, FOCAL = 96, 128, 110.0


def rays() -> NDArray[np.float64]:
    x = (np.arange(WIDTH) + 0.5 - WIDTH / 2) / FOCAL
    y = (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / FOCAL
    grid_x, grid_y = np.meshgrid(x, y)
    return np.dstack([grid_x, grid_y, np.ones_like(grid_x)])


def normals_of(z: NDArray[np.float64]) -> NDArray[np.float32]:
    """By crossing the differences of the points: shares nothing with slopes of log depth."""
    points = rays() * z[..., None]
    across, down = np.gradient(points, axis=1), np.gradient(points, axis=0)
    normal = np.cross(down, across)
    return (normal / np.linalg.norm(normal, axis=-1, keepdims=True)).astype(np.float32)


def everywhere() -> NDArray[np.bool_]:
    return np.ones((HEIGHT, WIDTH), bool)


def plane(normal: tuple[float, float, float], distance: float) -> NDArray[np.float64]:
    return distance / (rays() @ np.asarray(normal))


@pytest.mark.parametrize("normal", [(0, 0, 1), (0.5, 0.2, 1), (0, 1.5, 1)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_plane_stays_a_plane(normal: tuple[float, float, float], sign: int) -> None:
    z = plane(normal, 3.0)
    unit = np.broadcast_to(np.asarray(normal) / np.linalg.norm(normal), (HEIGHT, WIDTH, 3)) * sign
    np.testing.assert_allclose(
        follow_normals(z.astype(np.float32), unit.astype(np.float32), FOCAL, everywhere()), z, rtol=1e-4
    )


def test_blurred_relief_gets_its_shape_back() -> None:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    true = plane((0.2, 0.4, 1), 3.0) * (1 + 0.01 * np.sin(columns / 3.0) * np.cos(rows / 4.0))
    blurred = np.exp(gaussian_filter(np.log(true), 6, mode="nearest"))
    found = follow_normals(blurred.astype(np.float32), normals_of(true), FOCAL, everywhere())
    inner = np.s_[12:-12, 12:-12]

    def error(z: NDArray[np.floating]) -> float:
        return float(np.std(np.log(z[inner] / true[inner])))

    assert error(found) < 0.25 * error(blurred)


def test_nothing_is_carried_over_an_edge() -> None:
    z = np.where(np.arange(WIDTH) < WIDTH // 2, 2.0, 5.0) * np.ones((HEIGHT, 1))
    facing = np.broadcast_to(np.array([0, 0, -1], np.float32), (HEIGHT, WIDTH, 3))
    np.testing.assert_allclose(follow_normals(z.astype(np.float32), facing, FOCAL, everywhere()), z, rtol=1e-4)


def test_what_is_not_known_stays() -> None:
    known = everywhere()
    known[:30] = False
    z = plane((0, 1.2, 1), 2.0)
    normals = normals_of(z)
    normals[~known] = 0
    z[~known] = 40.0
    found = follow_normals(z.astype(np.float32), normals, FOCAL, known)
    np.testing.assert_array_equal(found[~known], np.float32(40))
    np.testing.assert_allclose(found[known], z[known], rtol=2e-3)


def test_no_word_of_a_normal_leaves_depth_alone() -> None:
    z = (2 + np.random.default_rng(0).random((HEIGHT, WIDTH))).astype(np.float32)
    np.testing.assert_array_equal(follow_normals(z, np.zeros((HEIGHT, WIDTH, 3), np.float32), FOCAL, everywhere()), z)
