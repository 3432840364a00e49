"""Boulders and cliffs."""

from __future__ import annotations

import numpy as np

from .meshes import Mesh, sphere
from .noise import fbm, ridged
from .stage import Stage


def boulder(stage: Stage, detail: int = 24, angular: float | None = None) -> Mesh:
    """A stone of about 1 m: a ball cut by planes, weathered by noise; its foot is buried at z = 0."""
    rng = stage.rng
    ball = sphere(1.0, detail=detail)
    direction = ball.points / np.linalg.norm(ball.points, axis=1, keepdims=True)
    angular = rng.uniform(0.2, 1.0) if angular is None else angular
    planes = rng.normal(size=(10, 3))
    planes /= np.linalg.norm(planes, axis=1, keepdims=True)
    cut = rng.uniform(0.6, 1.0, 10) / np.maximum(direction @ planes.T, 1e-3)
    radius = np.minimum((1 - angular) + angular * np.clip(cut.min(1), 0.4, 1.4), 1.4)
    seed = stage.seed32() % 100000
    radius = radius * (1 + 0.16 * fbm(direction * 1.3, seed, 5)) - 0.10 * ridged(direction * 2.2, seed + 9, 4)
    squash = np.array([rng.uniform(0.8, 1.4), rng.uniform(0.7, 1.1), rng.uniform(0.5, 0.95)])
    points = direction * radius[:, None] * squash * 0.5
    return Mesh(points + [0, 0, 0.28 * squash[2]], ball.faces, smooth=True)


def boulders(stage: Stage, count: int = 4) -> list[Mesh]:
    return [boulder(stage) for _ in range(count)]
