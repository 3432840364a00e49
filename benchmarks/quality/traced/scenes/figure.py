"""A person on a beach before the evening sea, whose waves come in behind her."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from perception.scenes.families.sea import add_sea
from perception.scenes.parts import materials as mt
from perception.scenes.parts.boats import boat
from perception.scenes.parts.bodies import person_data
from perception.scenes.parts.noise import fbm
from perception.scenes.parts.sky import outdoors
from perception.scenes.parts.stage import Air, Stage
from perception.scenes.parts.terrain import add_ground


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(0.0, 0.0, 1.6), pitch=-0.04)
    outdoors(stage, ("cirrus",))
    stage.air = Air(1 / 15000)
    seed = stage.seed32() % 1000

    def out(xy: np.ndarray) -> np.ndarray:
        return xy[..., 1] - 6.5 - 0.8 * fbm(xy / 9, seed, 3)

    def ground(xy: np.ndarray) -> np.ndarray:
        return np.minimum(-0.07 * out(xy), 0.45) + 0.02 * fbm(xy / 1.1, seed + 4, 4)

    add_ground(stage, ground, mt.cover(stage, "sand"), near=0.4, far=80, steep_at=1.5)
    add_sea(stage, 4.5, np.radians(-85), out)
    stage.add(person_data(stage, "standing", True), at=(0.32, 1.9, 0.0), turn=0.5)
    yacht = boat(stage, "yacht")
    for x, y, turn in ((-38.0, 130.0, 1.2), (60.0, 240.0, 2.0)):
        stage.add(yacht, at=(x, y, 0), turn=turn)
