"""Meadows, moors and fields before hills and snowy peaks; seas of cloud seen from above."""

from __future__ import annotations

import numpy as np

from ..classes import Layout, Surface
from ..parts import materials as mt
from ..parts.camera import pick_camera
from ..parts.meshes import polar_grid, surface
from ..parts.noise import fbm, smooth_step
from ..parts.plants import flowers, forest, grass
from ..parts.rocks import boulders
from ..parts.sky import Daylight, outdoors
from ..parts.stage import Stage
from ..parts.terrain import add_ground, hills, mountains, scatter


def build(stage: Stage) -> None:
    rng = stage.rng
    above = stage.chance(0.2)
    stage.camera = pick_camera(rng, (1.0, 6), (-0.2, 0.12), (0.5, 1.3))
    light = outdoors(stage, weights=(3, 4, 2, 2, 1.5, 1, 3, 0.6) if not above else (3, 2, 0, 3, 0, 0, 4, 0.3))
    snowy = stage.chance(0.25)
    relief = hills(stage, stage.log_uniform(1, 14), stage.log_uniform(20, 120))
    start = float(relief(np.zeros((1, 2)))[0])
    peaks = mountains(stage, stage.log_uniform(150, 2200), stage.log_uniform(500, 3500), stage.log_uniform(120, 900))
    drop = rng.uniform(0.1, 0.5) if above or stage.chance(0.3) else 0.0
    fine = hills(stage, 0.12, 0.9)

    def land(xy: np.ndarray) -> np.ndarray:
        away = np.linalg.norm(xy, axis=-1)
        return (
            (relief(xy) - start) * smooth_step(0, 25, away)
            + fine(xy)
            - drop * np.clip(away - 6, 0, 900) * smooth_step(6, 40, away)
            + peaks(xy)
        )

    kind = "snow" if snowy else str(stage.pick("meadow", "lush", "dry grass", "moss", "gravel"))
    stuff, surface_class = mt.cover(stage, kind)
    line = rng.uniform(0.15, 0.9) * 1200
    stuff = mt.blended(stuff, mt.mottled(mt.tones(stage, "snow"), 30), "snow", 0.25, size=20)
    masks = lambda xy, z, slope: {"snow": smooth_step(line, line * 1.25, z) * smooth_step(1.6, 0.9, slope)}
    add_ground(
        stage,
        land,
        (stuff, surface_class),
        mt.cover(stage, str(stage.pick(*mt.ROCKS))),
        near=0.5,
        far=15000,
        masks=masks,
        rows=420,
        columns=300,
    )
    if above:
        sea_of_cloud(stage, light, -rng.uniform(0.15, 0.5) * 300 * max(drop, 0.2))
    if stage.chance(0.6):
        forest(stage, land, int(stage.log_uniform(20, 600)), stage.log_uniform(25, 150), 1200, lowest=-250, snowy=snowy)
    if kind in mt.GRASSES:
        grass(stage, land, kind, tall=stage.log_uniform(0.05, 0.45))
        if stage.chance(0.4):
            flowers(stage, land, int(stage.log_uniform(40, 400)), tall=rng.uniform(0.1, 0.45))
    if stage.chance(0.5):
        stone = mt.rock(stage, mossy=0.2)
        shapes = [stage.add(mesh, [stone], at=(0, -500, -500)).data for mesh in boulders(stage)]
        for x, y in scatter(stage, int(stage.log_uniform(3, 60)), 2.5, 80):
            z = float(land(np.array([[x, y]]))[0])
            stage.add(
                shapes[rng.integers(4)], at=(x, y, z - 0.05), turn=rng.uniform(0, 6.3), scale=stage.log_uniform(0.2, 2.5)
            )


def sea_of_cloud(stage: Stage, light: Daylight, level: float) -> None:
    """A white, billowing layer below the camera."""
    camera = stage.camera
    xy = polar_grid(camera.location, camera.yaw, min(camera.half_angle + 0.2, 1.5), 40, 20000, 320, 220)
    seed = stage.seed32() % 1000
    billow = np.abs(fbm(xy / 420, seed, 6))
    z = level + 110 * billow + 260 * fbm(xy / 2600, seed + 9, 3)
    made, n = mt.blank(Surface.CLOUD, Layout.PLANE)
    n.finish(n.principled(Base_Color=(0.9, 0.9, 0.92), Roughness=1.0, Subsurface_Weight=0.0))
    stage.add(surface(xy, z), [made], fluid=stage.drift(light.wind))
