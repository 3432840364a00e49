"""Inside and at the edge of woods: paths, undergrowth, leaf litter, shafts of light, mist."""

from __future__ import annotations

import numpy as np

from ..classes import Surface
from ..parts import materials as mt
from ..parts.camera import pick_camera
from ..parts.noise import fbm, smooth_step
from ..parts.plants import forest, grass, place, plant_data
from ..parts.rocks import boulders
from ..parts.sky import outdoors
from ..parts.stage import Stage
from ..parts.terrain import add_ground, hills, scatter


def build(stage: Stage) -> None:
    rng = stage.rng
    stage.camera = pick_camera(rng, (0.6, 2.6), (-0.2, 0.2), (0.6, 1.35))
    snowy = stage.chance(0.15)
    outdoors(stage, weights=(3, 2, 1, 1, 2, 3, 2, 0.4))
    stage.exposure = 0.1
    relief = hills(stage, stage.log_uniform(0.4, 6), stage.log_uniform(10, 40))
    rough, seed = hills(stage, 0.15, 1.2), stage.seed32() % 1000
    start = float(relief(np.zeros((1, 2)))[0])

    def land(xy: np.ndarray) -> np.ndarray:
        away = np.linalg.norm(xy, axis=-1)
        return (relief(xy) - start) * smooth_step(0, 12, away) + rough(xy)

    wander, wide = 5 * rng.random(), rng.uniform(0.5, 1.6) if stage.chance(0.65) else 0.0

    def path(xy: np.ndarray) -> np.ndarray:
        middle = wander * fbm(np.stack([xy[..., 1] / 18, 0 * xy[..., 1]], -1), seed, 2) * smooth_step(0, 10, xy[..., 1])
        return smooth_step(wide + 0.5, wide - 0.2, np.abs(xy[..., 0] - middle)) if wide else 0 * xy[..., 0]

    litter = "snow" if snowy else str(stage.pick("soil", "moss", "autumn", "lush", "meadow"))
    floor = mt.blended(mt.mottled(mt.tones(stage, litter), 0.25), mt.mottled(mt.tones(stage, litter), 2.5), 0.5)
    trodden = mt.mottled(mt.tones(stage, "snow" if snowy else str(stage.pick("soil", "gravel", "sand"))), 0.5)
    surface = Surface.FOLIAGE if litter in ("moss", "lush", "meadow") else Surface.GROUND
    add_ground(
        stage,
        land,
        (mt.blended(floor, trodden, "path", 0.2), surface),
        near=0.35,
        far=400,
        masks=lambda xy, z, slope: {"path": path(xy)},
    )
    clear = wide + 0.4
    kinds = tuple(rng.choice(["broad", "conifer", "slender", "bare", "broad"], rng.integers(1, 3)))
    dense = int(stage.log_uniform(60, 500))
    forest(stage, land, dense, 3.0, 110, tall=(9, 22), species=kinds, clear=clear, snowy=snowy)
    if stage.chance(0.8):
        forest(
            stage, land, int(stage.log_uniform(6, 70)), 1.8, 40, tall=(0.5, 1.8), species=("bush",), clear=clear, snowy=snowy
        )
    if not snowy and stage.chance(0.6):
        grass(
            stage,
            lambda xy: land(xy) - path(xy),
            str(stage.pick("lush", "meadow", "dry grass")),
            tall=stage.log_uniform(0.08, 0.4),
            patches=450,
        )
    if stage.chance(0.5):
        stone = mt.rock(stage, mossy=0.6)
        shapes = [stage.add(mesh, [stone], at=(0, -500, -50)).data for mesh in boulders(stage)]
        for x, y in scatter(stage, int(rng.integers(3, 25)), 2, 30):
            z = float(land(np.array([[x, y]]))[0])
            stage.add(
                shapes[rng.integers(4)], at=(x, y, z - 0.05), turn=rng.uniform(0, 6.3), scale=stage.log_uniform(0.25, 1.8)
            )
    if stage.chance(0.25):
        log = plant_data(stage, "bare")
        x, y = scatter(stage, 1, 2.5, 9)[0]
        stage.add(
            log,
            at=(x, y, float(land(np.array([[x, y]]))[0]) + 0.2),
            turn=(1.45, 0, rng.uniform(0, 6.3)),
            scale=rng.uniform(5, 9),
        )
    if stage.chance(0.5):
        place(
            stage,
            plant_data(stage, kinds[0], snowy=snowy),
            np.append(scatter(stage, 1, 2.5, 6, 0.8)[0], -0.1),
            rng.uniform(9, 18),
        )
