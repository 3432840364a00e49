"""Mostly sky: clouds at all hours over a low horizon, with a roof, treetop or bird for scale."""

from __future__ import annotations

import numpy as np

from ..parts import materials as mt
from ..parts.bodies import animal_data
from ..parts.camera import pick_camera
from ..parts.plants import forest
from ..parts.sky import outdoors
from ..parts.stage import Stage
from ..parts.terrain import add_ground, hills, mountains
from .sea import add_sea


def build(stage: Stage) -> None:
    rng = stage.rng
    stage.camera = pick_camera(rng, (1.5, 60), (0.02, 0.4), (0.7, 1.45))
    outdoors(stage, weights=(0.3, 4, 3, 3, 1, 0.3, 5, 0.7))
    if stage.chance(0.35):
        add_sea(stage, stage.log_uniform(2.5, 8), rng.uniform(0, 6.3))
        land = lambda xy: np.full(np.shape(xy)[:-1], -5.0)
    else:
        relief = hills(stage, stage.log_uniform(2, 60), stage.log_uniform(60, 500))
        peaks = mountains(stage, stage.log_uniform(50, 1500), stage.log_uniform(800, 4000), stage.log_uniform(500, 3000))
        start = float(relief(np.zeros((1, 2)))[0])
        land = lambda xy: np.minimum(relief(xy) - start, 0.1 * np.linalg.norm(xy, axis=-1)) + peaks(xy)
        add_ground(
            stage,
            land,
            mt.cover(stage, str(stage.pick(*mt.GRASSES, "soil", "sand"))),
            mt.cover(stage, str(stage.pick(*mt.ROCKS))),
            near=1.0,
            far=20000,
        )
        if stage.chance(0.7):
            forest(stage, land, int(stage.log_uniform(10, 300)), 25, 600)
    if stage.chance(0.35):
        data, scale = animal_data(stage, "gull")
        for _ in range(int(rng.integers(1, 9))):
            spot = stage.camera.point(rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.6), stage.log_uniform(4, 60))
            stage.add(data, at=spot, turn=(rng.normal(0, 0.3), rng.normal(0, 0.3), rng.uniform(0, 6.3)), scale=scale)
