"""A beach on which surf runs in, rollers behind it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from perception.scenes.families import sea
from perception.scenes.parts import materials as mt
from perception.scenes.parts.rocks import boulders
from perception.scenes.parts.sky import outdoors
from perception.scenes.parts.stage import Air, Stage

ROCKS = ((3.4, 9.0, 1.5), (4.6, 10.0, 1.0), (-6.5, 15.0, 2.0), (2.5, 8.2, 0.6), (9.0, 22.0, 3.0))  # x, y, size


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(0.0, 0.0, 2.4), pitch=-0.16)
    outdoors(stage, ("fair",), sun_behind=True)
    stage.air = Air(1 / 20000)
    out = sea.shore(stage, "beach")
    sea.add_sea(stage, 5.0, np.radians(-95), out)
    wet = mt.rock(stage, "granite", wet=0.5)
    shapes = [stage.add(mesh, [wet], at=(0, -500, -50)).data for mesh in boulders(stage)]
    for k, (x, y, size) in enumerate(ROCKS):
        stage.add(shapes[k % 4], at=(x, y, -0.2 * size), turn=k, scale=size)
