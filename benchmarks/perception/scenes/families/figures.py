"""People in the open: portraits, couples, groups, passers-by near and far, on meadows, squares and beaches."""

from __future__ import annotations

import numpy as np

from ..classes import Surface
from ..parts import materials as mt
from ..parts.bodies import person_data
from ..parts.camera import pick_camera
from ..parts.noise import smooth_step
from ..parts.plants import forest, grass
from ..parts.sky import outdoors
from ..parts.stage import Stage
from ..parts.terrain import add_ground, hills, mountains


def build(stage: Stage) -> None:
    rng = stage.rng
    portrait = stage.chance(0.4)
    stage.camera = pick_camera(rng, (1.0, 2.0), (-0.12, 0.06), (0.45, 1.1) if portrait else (0.6, 1.2))
    outdoors(stage, weights=(3, 3, 1.5, 1.5, 2, 1, 2.5, 0.6))
    land = open_ground(stage)
    count = 1 if portrait else int(stage.log_uniform(2, 24))
    people = [person_data(stage, "standing" if portrait else None, portrait) for _ in range(min(count, 4))]
    half = stage.camera.half_angle
    for index in range(count):
        distance = rng.uniform(0.9, 1.8) / np.tan(max(half, 0.3)) * 0.6 if portrait else stage.log_uniform(2.2, 40)
        x, y = rng.uniform(-0.6, 0.6) * half * distance, distance
        z = float(land(np.array([[x, y]]))[0])
        turn = rng.normal(0, 0.5) if portrait or stage.chance(0.5) else rng.uniform(0, 6.3)
        scale = rng.uniform(0.92, 1.06) * (1.0 if stage.chance(0.85) else 0.65)
        if portrait:
            z = stage.camera.location[2] + stage.camera.pitch * distance - rng.uniform(1.45, 1.62) * scale
        stage.add(people[index % len(people)], at=(x, y, z), turn=turn, scale=scale)


def open_ground(stage: Stage):
    """A meadow, beach or square with woods or hills behind; returns its height."""
    relief, fine = hills(stage, stage.log_uniform(0.1, 3), stage.log_uniform(15, 60)), hills(stage, 0.06, 0.8)
    peaks = mountains(stage, stage.log_uniform(20, 900), stage.log_uniform(300, 2500), stage.log_uniform(80, 500))
    start = float(relief(np.zeros((1, 2)))[0])

    def land(xy: np.ndarray) -> np.ndarray:
        return (relief(xy) - start) * smooth_step(2, 30, np.linalg.norm(xy, axis=-1)) + fine(xy) + peaks(xy)

    kind = str(stage.pick("meadow", "lush", "dry grass", "sand", "soil", "snow", "paved", "gravel"))
    if kind == "paved":
        size = stage.log_uniform(0.15, 0.9)
        flat = (
            mt.weathered(mt.paved(mt.tones(stage, str(stage.pick("concrete", "granite", "brick"))), size * 1.6, size), 20),
            Surface.GROUND,
        )
        fine = hills(stage, 0.005, 0.8)
    else:
        flat = mt.cover(stage, kind)
    add_ground(stage, land, flat, mt.cover(stage, str(stage.pick(*mt.ROCKS))), near=0.5, far=8000)
    if stage.chance(0.7):
        forest(stage, land, int(stage.log_uniform(6, 160)), 16, 350, snowy=kind == "snow")
    if kind in mt.GRASSES and stage.chance(0.8):
        grass(stage, land, kind, tall=stage.log_uniform(0.05, 0.3))
    return land
