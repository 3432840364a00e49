"""Held out: portraits and couples before water, with sails or birds behind them."""

from __future__ import annotations

import numpy as np

from ..parts import materials as mt
from ..parts.boats import boat
from ..parts.bodies import animal_data, person_data
from ..parts.camera import pick_camera
from ..parts.noise import fbm
from ..parts.sky import outdoors
from ..parts.stage import Stage
from ..parts.terrain import add_ground, mountains
from .sea import add_sea


def build(stage: Stage) -> None:
    rng = stage.rng
    stage.camera = pick_camera(rng, (1.3, 2.0), (-0.15, 0.04), (0.5, 1.1))
    outdoors(stage, weights=(3, 3, 2, 2, 2, 1, 4, 0.5))
    line, seed = rng.uniform(2.5, 12), stage.seed32() % 1000
    slope = rng.uniform(0.03, 0.12)
    out = lambda xy: xy[..., 1] - line - 0.8 * fbm(xy / 9, seed, 3)
    ground = lambda xy: np.minimum(-slope * out(xy), 0.5) + 0.02 * fbm(xy / 1.1, seed + 4, 4)
    add_ground(stage, ground, mt.cover(stage, str(stage.pick("sand", "gravel", "meadow"))), near=0.4, far=80, steep_at=1.5)
    add_sea(stage, stage.log_uniform(2.5, 8), -np.pi / 2 + rng.normal(0, 0.3), out)
    if stage.chance(0.6):
        peaks = mountains(stage, stage.log_uniform(60, 600), stage.log_uniform(500, 2500), 700)
        add_ground(
            stage,
            lambda xy: peaks(xy) - 25,
            mt.cover(stage, "meadow"),
            mt.cover(stage, str(stage.pick(*mt.ROCKS))),
            near=400,
            far=9000,
        )
    for index in range(int(rng.integers(1, 4))):
        distance = rng.uniform(0.9, 2.2) if index == 0 else rng.uniform(1.5, 4)
        x = rng.uniform(-0.5, 0.5) * stage.camera.half_angle * distance
        z = stage.camera.location[2] + stage.camera.pitch * distance - rng.uniform(1.45, 1.6)
        stage.add(person_data(stage, "standing", True), at=(x, distance, min(z, 0.4)), turn=rng.normal(0, 0.6))
    if stage.chance(0.5):
        yacht = boat(stage, str(stage.pick("yacht", "yacht", "cutter")))
        for _ in range(int(rng.integers(1, 4))):
            y = stage.log_uniform(40, 250)
            stage.add(yacht, at=(rng.uniform(-0.6, 0.6) * y, y, 0), turn=rng.uniform(0, 6.3))
    if stage.chance(0.3):
        data, scale = animal_data(stage, "gull")
        for _ in range(int(rng.integers(1, 7))):
            stage.add(
                data,
                at=stage.camera.point(rng.random(), rng.uniform(0.05, 0.6), stage.log_uniform(4, 30)),
                turn=rng.uniform(0, 6.3),
                scale=scale,
            )
