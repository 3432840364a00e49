"""The open ocean from a cliff: swell and chop whose waves each travel at their own speed, sea stacks, a coast far off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from perception.scenes.families.sea import add_sea
from perception.scenes.parts import materials as mt
from perception.scenes.parts.noise import smooth_step
from perception.scenes.parts.rocks import boulder
from perception.scenes.parts.sky import outdoors
from perception.scenes.parts.stage import Air, Stage
from perception.scenes.parts.terrain import add_ground, mountains


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(0.0, 0.0, 6.0), pitch=-0.12)
    outdoors(stage, ("fair",), sun_behind=True)
    stage.air = Air(1 / 15000)
    add_sea(stage, 7.5, np.radians(-65))
    land = mountains(stage, 600, 1300, 1500)
    add_ground(
        stage,
        lambda xy: land(xy) * smooth_step(0.0, 0.4, xy[..., 0] / np.maximum(xy[..., 1], 1)) - 60,
        mt.cover(stage, "moss"),
        mt.cover(stage, "basalt"),
        near=1400,
        far=9000,
        steep_at=0.5,
    )
    stone = mt.rock(stage, "basalt", wet=0.3)
    for x, y, size in ((-11.0, 33.0, 9.0), (-16.0, 38.0, 7.0), (9.0, 60.0, 8.0), (30.0, 75.0, 15.0)):
        stack = boulder(stage, 90, 0.8).moved(turn=x, scale=(0.8 * size, size, size))
        stage.add(stack, [stone], at=(x, y, -0.3 * size))
