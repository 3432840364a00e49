"""Ground as a function of position: hills, ridges, shores, and the mesh that a camera needs of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import uniform_filter

from ..classes import Layout
from . import materials as mt
from .meshes import Mesh, face_means, polar_grid, surface
from .noise import fbm, ridged, smooth_step
from .stage import Stage

Height = Callable[[np.ndarray], np.ndarray]  # [..., 2] metres -> [...] metres


def hills(stage: Stage, relief: float, length: float, octaves: int = 6) -> Height:
    """Rolling ground: ``relief`` metres between crest and hollow, ``length`` metres apart."""
    seed = stage.seed32() % 100000
    return lambda xy: 0.5 * relief * fbm(xy / length, seed, octaves)


def mountains(stage: Stage, relief: float, length: float, start: float, octaves: int = 8) -> Height:
    """Ridges that rise from ``start`` metres away from the camera on."""
    seed = stage.seed32() % 100000
    origin = np.array(stage.camera.location[:2])

    def height(xy: np.ndarray) -> np.ndarray:
        bent = xy / length + 0.35 * np.stack([fbm(xy / length * 1.3, seed + 50, 3), fbm(xy / length * 1.3, seed + 60, 3)], -1)
        away = np.linalg.norm(xy - origin, axis=-1)
        return relief * ridged(bent, seed, octaves) * smooth_step(start, start * 3.0, away)

    return height


def add_ground(
    stage: Stage,
    height: Height,
    flat: mt.Cover,
    steep: mt.Cover | None = None,
    far: float = 6000.0,
    near: float = 0.4,
    steep_at: float = 0.75,
    masks: Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, np.ndarray]] | None = None,
    bump: float = 0.05,
    roughness: float = 0.9,
    rows: int = 300,
    columns: int = 240,
) -> Mesh:
    """Adds the ground in the camera's view.

    Parameters
    ----------
    flat, steep : what covers ground gentler and steeper than ``steep_at`` (rise over run); steep ground is upright.
    masks : gets xy [R, C, 2], z and slope [R, C], returns vertex attributes for the shaders.
    """
    camera = stage.camera
    xy = polar_grid(camera.location, camera.yaw, min(camera.half_angle + 0.25, 1.5), near, far, rows, columns)
    z = height(xy)
    slope = slope_of(xy, z)
    mesh = surface(xy, z)
    mesh.attributes["slope"] = slope.ravel()
    for name, values in (masks(xy, z, slope) if masks else {}).items():
        mesh.attributes[name] = np.asarray(values, np.float32).ravel()
    recipe = flat[0]
    if steep:
        mesh.attributes["steep"] = smooth_step(0.6 * steep_at, 1.4 * steep_at, slope).ravel()
        recipe = mt.blended(flat[0], steep[0], "steep", 0.3, size=max(far / 2000, 0.8))
    gentle = mt.material(flat[1], Layout.PLANE, recipe, roughness, bump)
    mesh.slots = (face_means(mesh, slope) > steep_at).astype(np.int32)
    stage.add(mesh, [gentle, mt.variant(gentle, (steep or flat)[1], Layout.UPRIGHT)])
    return mesh


def slope_of(xy: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Rise over run of the lattice xy [R, C, 2], z [R, C], smoothed over a few cells."""
    points = np.concatenate([xy, z[..., None]], -1)
    normal = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))
    return uniform_filter(np.hypot(normal[..., 0], normal[..., 1]) / np.maximum(np.abs(normal[..., 2]), 1e-6), 5)


def scatter(stage: Stage, count: int, near: float, far: float, spread: float = 1.0, bias: float = 1.0) -> np.ndarray:
    """Positions [count, 2] in the camera's fan; ``bias`` > 1 crowds them towards the near end."""
    camera, rng = stage.camera, stage.rng
    distance = near * (far / near) ** (rng.random(count) ** bias)
    angle = camera.yaw + rng.uniform(-1, 1, count) * (camera.half_angle + 0.12) * spread
    return np.stack([camera.location[0] - np.sin(angle) * distance, camera.location[1] + np.cos(angle) * distance], -1)
