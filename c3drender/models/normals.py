"""Depth that follows surface normals: what a model says of both, made one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Array = NDArray[Any]

REACH_PX = 24.0  # below this wavelength over 2 pi the normals tell the shape, above it the depth does
LEAST_FACING = 0.08  # cosine between a surface and the ray: of what is seen more edge-on the normal tells nothing
EDGE_STEP = 0.02  # of log depth, between neighbours, beyond what the normals tell: there one surface ends
MOST_STEPS = 30
ENOUGH = 1e-3  # of the residual at the start


def follow_normals(z_cam: Array, normals: Array, focal_px: float, known: Array) -> Array:
    """Depth of the same large shape whose small shape is that of the normals.

    Minimises the sum over neighbours of ``w (dL - g)^2`` and over pixels of ``(L - log z)^2 / REACH_PX^2``, where ``L`` is
    the new log depth and ``g = -n / (f n.r)`` its slope on a plane with normal ``n`` along the ray ``r``; ``w`` is 0 where one
    surface ends and the next begins. Preconditioned by cosine transforms, in which the problem with all ``w = 1`` is diagonal.

    Parameters
    ----------
    z_cam : ndarray
        float32 ``[H, W]``, along the view axis, > 0.
    normals : ndarray
        float32 ``[H, W, 3]`` of unit length in camera axes (x right, y down, z forward), towards the camera or away from it.
    focal_px : float
        Of a camera whose axis meets the picture's middle.
    known : ndarray
        bool ``[H, W]``: where depth and normals are the model's; elsewhere depth stays as it is.

    Returns
    -------
    ndarray
        float32 ``[H, W]``.

    References
    ----------
    Durou, Aujol, Courteille, "Integrating the normal field of a surface in the presence of discontinuities", EMMCVPR 2009.
    """
    log_z = np.log(z_cam.astype(np.float64))
    slopes, told = _slopes(normals.astype(np.float64), focal_px, known)
    weights, targets = [], []
    for axis, slope in enumerate(slopes):
        between = _mean_of_neighbours(slope, axis)
        missed = np.abs(np.diff(log_z, axis=axis) - between)
        both = np.minimum(_first(told, axis), _last(told, axis))
        weights.append(both * np.exp(-np.square(missed / EDGE_STEP)))
        targets.append(between - np.diff(log_z, axis=axis))

    def applied(x: Array) -> Array:
        return x / REACH_PX**2 + sum(_back(w * np.diff(x, axis=axis), axis) for axis, w in enumerate(weights))

    down, across = (_back(w * t, axis) for axis, (w, t) in enumerate(zip(weights, targets, strict=True)))
    change = _solved(applied, down + across)
    return np.where(known, z_cam * np.exp(change), z_cam).astype(np.float32)


def _slopes(normals: Array, focal_px: float, known: Array) -> tuple[tuple[Array, Array], Array]:
    """Slopes of log depth down and across, and 1 where they are told, else 0."""
    height, width = known.shape
    x = (np.arange(width) + 0.5 - width / 2) / focal_px
    y = ((np.arange(height) + 0.5 - height / 2) / focal_px)[:, None]
    facing = normals[..., 0] * x + normals[..., 1] * y + normals[..., 2]
    told = known & (np.abs(facing) > LEAST_FACING * np.sqrt(1 + x**2 + y**2))
    per_facing = np.where(told, -1 / (focal_px * np.where(told, facing, 1)), 0)
    return (normals[..., 1] * per_facing, normals[..., 0] * per_facing), told.astype(np.float64)


def _first(values: Array, axis: int) -> Array:
    return values[:-1] if axis == 0 else values[:, :-1]


def _last(values: Array, axis: int) -> Array:
    return values[1:] if axis == 0 else values[:, 1:]


def _mean_of_neighbours(values: Array, axis: int) -> Array:
    return (_first(values, axis) + _last(values, axis)) / 2


def _back(steps: Array, axis: int) -> Array:
    """The transpose of ``np.diff``."""
    edge = [(0, 0), (0, 0)]
    edge[axis] = (1, 1)
    return -np.diff(np.pad(steps, edge), axis=axis)


def _solved(applied: Callable[[Array], Array], right: Array) -> Array:
    """Conjugate gradients; `applied` is symmetric and positive."""
    height, width = right.shape
    waves = [2 - 2 * np.cos(np.pi * np.arange(side) / side) for side in (height, width)]
    spectrum = waves[0][:, None] + waves[1] + 1 / REACH_PX**2

    def eased(x: Array) -> Array:
        return fft.idctn(fft.dctn(x, norm="ortho") / spectrum, norm="ortho")

    found = np.zeros_like(right)
    rest = right.copy()
    step = eased(rest)
    slope = float(np.vdot(rest, step))
    enough = ENOUGH**2 * slope
    for _ in range(MOST_STEPS):
        if slope <= enough:
            break
        onto = applied(step)
        length = slope / float(np.vdot(step, onto))
        found += length * step
        rest -= length * onto
        next_step = eased(rest)
        before, slope = slope, float(np.vdot(rest, next_step))
        step = next_step + (slope / before) * step
    return found
