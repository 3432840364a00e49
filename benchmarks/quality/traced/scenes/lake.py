"""A lake before wooded mountains, whose ripples drift through the mirror image of its far shore."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from perception.scenes.classes import Surface
from perception.scenes.parts import materials as mt
from perception.scenes.parts.meshes import Mesh, polar_grid, surface
from perception.scenes.parts.noise import fbm, smooth_step
from perception.scenes.parts.plants import forest
from perception.scenes.parts.rocks import boulder
from perception.scenes.parts.sky import outdoors
from perception.scenes.parts.stage import Air, Stage
from perception.scenes.parts.terrain import add_ground, mountains
from perception.scenes.parts.water import water

FAR_SHORE_M = 90.0
BREEZE = np.array([0.5, -0.35])  # m/s
STONES = ((-2.6, 6.0, 1.1), (-3.5, 7.2, 1.7), (2.9, 7.6, 0.9), (4.6, 10.0, 1.6), (-1.5, 11.5, 0.6))  # x, y, size


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(0.0, 0.0, 1.9), pitch=-0.05)
    outdoors(stage, ("fair",), sun_behind=True)
    stage.air = Air(1 / 12000)
    peaks, seed = mountains(stage, 420, 700, 170), stage.seed32() % 1000

    def land(xy: np.ndarray) -> np.ndarray:
        far = xy[..., 1] - FAR_SHORE_M + 0.3 * np.abs(xy[..., 0]) + 14 * fbm(xy / 60, seed, 4)
        rise = 0.5 * smooth_step(0, 2, far) + 0.16 * np.clip(far, 0, 150)
        return np.where(far > 0, rise + peaks(xy) * smooth_step(0, 90, far), 0.1 * np.clip(far, -20, 0)) - 0.1

    add_ground(stage, land, mt.cover(stage, "lush"), mt.cover(stage, "granite"), near=0.5, far=6000, rows=420, columns=320)
    forest(stage, land, 420, 80, 330, tall=(7, 13), lowest=0.2, species=("conifer", "broad"))
    stone = mt.rock(stage, "granite", wet=0.2, mossy=0.3)
    for x, y, size in STONES:
        stage.add(boulder(stage, 60).moved(turn=5 * x, scale=size), [stone], at=(x, y, -0.25 * size))
    _add_pool(stage)


def _add_pool(stage: Stage) -> None:
    xy = polar_grid(stage.camera.location, 0.0, stage.camera.half_angle + 0.2, 0.5, 2000, 240, 160)

    def pool(time: float) -> Mesh:
        mesh, start = surface(xy, np.zeros(xy.shape[:2])), xy - BREEZE * time
        mesh.attributes.update(foam=np.zeros(len(mesh.points)), from_x=start[..., 0].ravel(), from_y=start[..., 1].ravel())
        return mesh

    colour = (0.006, 0.02, 0.022)
    kind, _ = water(stage, Surface.STILL_WATER, 0.006, (0.8, 1.6, 1), 0.2, colour, carried=True, smooth_at=40)
    stage.moving(pool, [kind], fluid=stage.drift([*BREEZE, 0.0]))
