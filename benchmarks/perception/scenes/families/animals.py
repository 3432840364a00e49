"""Animals near and far: pets, herds, game, birds on the water."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..classes import Surface
from ..parts.bodies import QUADRUPEDS, animal_data
from ..parts.camera import pick_camera
from ..parts.meshes import polar_grid, surface
from ..parts.sky import outdoors
from ..parts.stage import Stage
from ..parts.water import water
from .figures import open_ground


def build(stage: Stage) -> None:
    rng = stage.rng
    afloat = stage.chance(0.2)
    kind = str(stage.pick("duck", "swan")) if afloat else str(stage.pick(*QUADRUPEDS, "gull", "sparrow"))
    size = {"cat": 0.4, "dog": 0.7, "sparrow": 0.2, "gull": 0.5, "duck": 0.4, "swan": 0.9}.get(kind, 1.6)
    stage.camera = pick_camera(rng, (0.35 * size + 0.1, 1.7), (-0.2, 0.05), (0.5, 1.1))
    outdoors(stage, weights=(3, 3, 1.5, 1.5, 2, 1, 2.5, 0.6))
    if afloat:
        xy = polar_grid((0, 0), 0.0, min(stage.camera.half_angle + 0.2, 1.5), 0.3, 4000, 160, 120)
        pool = surface(xy, np.zeros(xy.shape[:2]))
        pool.attributes["foam"] = np.zeros(len(pool.points))
        stage.add(pool, [water(stage, Surface.STILL_WATER, stage.log_uniform(0.002, 0.02), (1, 1.6, 1))[0]])
        land = lambda xy: np.full(np.shape(xy)[:-1], -0.08 * size)
    else:
        land = open_ground(stage)
    herd = [animal_data(stage, kind) for _ in range(2)]
    for index in range(int(stage.log_uniform(1, 14))):
        distance = stage.log_uniform(1.4, 3.5) * size + 0.4 if index == 0 else stage.log_uniform(2.5 * size, 40 * size)
        x = rng.uniform(-0.6, 0.6) * stage.camera.half_angle * distance
        data, scale = herd[index % 2]
        z = float(land(np.array([[x, distance]]))[0])
        stage.add(data, at=(x, distance, z), turn=rng.uniform(0, 6.3), scale=scale * rng.uniform(0.8, 1.15))
        if index == 0:
            up = z + 0.45 * size - stage.camera.location[2]
            stage.camera = replace(stage.camera, pitch=float(np.arctan2(up, distance) + rng.normal(0.04, 0.05)))
