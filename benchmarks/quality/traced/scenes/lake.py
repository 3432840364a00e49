"""A mountain lake at evening: the far shore mirrored, and cat's paws, ruffled by the breeze, that drift through the image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from perception.scenes.classes import Layout, Surface
from perception.scenes.parts import materials as mt
from perception.scenes.parts.boats import boat
from perception.scenes.parts.meshes import Mesh, polar_grid, surface
from perception.scenes.parts.noise import fbm, smooth_step
from perception.scenes.parts.plants import forest, place, plant_data, reeds
from perception.scenes.parts.rocks import boulder
from perception.scenes.parts.sky import outdoors
from perception.scenes.parts.stage import Air, Stage
from perception.scenes.parts.terrain import add_ground, mountains, scatter

FAR_SHORE_M = 150.0
BREEZE = np.array([0.55, -0.3])  # m/s
STONES = ((-2.7, 6.2, 1.0), (-3.7, 7.4, 1.6), (-1.9, 7.6, 0.5), (-5.2, 10.5, 1.5), (3.4, 5.6, 0.6))  # x, y, size


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(0.0, 0.0, 1.8), pitch=-0.035)
    outdoors(stage, ("dusk",), sun_behind=True)
    stage.air, stage.exposure = Air(1 / 25000, 900.0), -0.5
    peaks, seed = mountains(stage, 400, 1100, 700), stage.seed32() % 1000

    def land(xy: np.ndarray) -> np.ndarray:
        far = xy[..., 1] - FAR_SHORE_M + 0.55 * np.abs(xy[..., 0] - 20) + 22 * fbm(xy / 70, seed, 4)
        rise = 0.4 * smooth_step(0, 2, far) + 0.13 * np.clip(far, 0, 260)
        return np.where(far > 0, rise + peaks(xy), 0.1 * np.clip(far, -20, 0)) - 0.1

    add_ground(stage, land, mt.cover(stage, "meadow"), mt.cover(stage, "granite"), near=60, far=7000, rows=560, columns=420)
    forest(stage, land, 900, 95, 520, tall=(9, 13), lowest=0.2, species=("conifer",), bias=0.9)
    golden = [plant_data(stage, "broad", 0.8, "autumn") for _ in range(3)]
    spots = scatter(stage, 170, 95, 330)
    for (x, y), z in zip(spots, land(spots), strict=True):
        if z > 0.2:
            place(stage, golden[stage.rng.integers(3)], np.array([x, y, z - 0.1]), stage.log_uniform(6, 11))
    stone = mt.rock(stage, "granite", wet=0.2, mossy=0.3)
    for x, y, size in STONES:
        stage.add(boulder(stage, 60).moved(turn=5 * x, scale=size), [stone], at=(x, y, -0.25 * size))
    skiff = boat(stage, "rowing")
    skiff.materials[0] = skiff.materials[1]  # of bare wood
    stage.add(skiff, at=(3.6, 14.0, 0.0), turn=2.75)
    reeds(stage, np.array([(-4.6, 8.6), (-4.1, 8.9), (-5.4, 9.0), (-4.9, 9.6), (-6.3, 11.0), (-5.8, 11.6)]), -0.1)
    _add_water(stage)


def _add_water(stage: Stage) -> None:
    xy = polar_grid(stage.camera.location, 0.0, stage.camera.half_angle + 0.2, 0.5, 2500, 420, 320)
    seed = stage.seed32() % 1000

    def shape(time: float) -> Mesh:
        mesh, start = surface(xy, np.zeros(xy.shape[:2])), xy - BREEZE * time
        paws = smooth_step(-0.1, 0.45, fbm(start / [9.0, 4.0], seed, 4))
        mesh.attributes.update(ruffled=paws.ravel(), from_x=start[..., 0].ravel(), from_y=start[..., 1].ravel())
        return mesh

    stage.moving(shape, [_ruffled_water()], fluid=stage.drift([*BREEZE, 0.0]))


def _ruffled_water():
    """Ripples where the attribute ``ruffled`` is high; farther off, where a pixel holds many, gloss in their place."""
    made, n = mt.blank(Surface.STILL_WATER, Layout.PLANE)
    n.carried()
    away, ruffled = n.new("CameraData").outputs["View Distance"], n.attribute("ruffled")
    height = n.math("MULTIPLY", n.span(away, 4, 60, 1.0, 0.12), n.math("ADD", 0.12, n.math("MULTIPLY", 0.88, ruffled)))
    normal = n.bump(n.noise(0.55, 2, n.stretched((0.8, 1.5, 1))), 0.012, height)
    normal = n.bump(n.noise(0.16, 2, n.stretched((0.9, 1.3, 1))), 0.003, height, normal)
    rough = n.math("ADD", 0.015, n.math("MULTIPLY", n.span(away, 6, 90, 0.0, 0.13), ruffled))
    n.finish(n.principled(Base_Color=(0.004, 0.012, 0.014), Roughness=rough, IOR=1.33, Normal=normal))
    return made
