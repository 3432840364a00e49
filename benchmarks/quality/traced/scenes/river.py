"""A stream between wooded banks that parts around boulders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from perception.scenes.classes import Surface
from perception.scenes.parts import materials as mt
from perception.scenes.parts.meshes import Mesh, grid_faces
from perception.scenes.parts.noise import fbm, smooth_step
from perception.scenes.parts.plants import forest, grass
from perception.scenes.parts.rocks import boulder, boulders
from perception.scenes.parts.sky import outdoors
from perception.scenes.parts.stage import Air, Stage
from perception.scenes.parts.terrain import add_ground, hills, mountains
from perception.scenes.parts.water import upstream, water

from ...flows import around

HALF_M, SPEED, SLOPE = 4.2, 1.3, 0.035
STONES = (  # x, y, radius, metres
    (-1.3, 8.0, 0.75),
    (1.6, 9.5, 0.55),
    (0.5, 12.5, 0.9),
    (-2.6, 13.5, 0.6),
    (2.6, 16.0, 0.8),
    (-0.9, 19.0, 0.7),
    (1.2, 24.0, 1.0),
    (-2.4, 27.0, 0.9),
    (2.9, 33.0, 1.1),
    (-0.4, 38.0, 1.0),
)
_FIELD = around(list(STONES), 0.0, -SPEED)


def _rate(xy: np.ndarray) -> np.ndarray:
    return np.stack(_FIELD(xy[..., 0], xy[..., 1]), -1)


def _level(y: np.ndarray) -> np.ndarray:
    return SLOPE * y


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(-0.6, 0.0, 2.2), pitch=-0.12, yaw=-0.06)
    outdoors(stage, ("fair",), sun_behind=True)
    stage.air = Air(1 / 6000)
    seed = stage.seed32() % 1000
    relief, bed, peaks = hills(stage, 2.0, 14), hills(stage, 0.3, 1.1), mountains(stage, 260, 500, 120)

    def land(xy: np.ndarray) -> np.ndarray:
        out = np.abs(xy[..., 0]) - HALF_M - 0.9 * fbm(xy / 3.5, seed, 4)
        dry = 0.55 * smooth_step(0, 1.2, out) + 0.22 * np.clip(out, 0, 50) + np.abs(relief(xy)) * smooth_step(0.5, 5, out)
        wet = 0.5 * smooth_step(0.3, -2.0, out)
        return _level(xy[..., 1]) - wet + dry + 0.4 * bed(xy) + peaks(xy) * smooth_step(0, 50, out)

    green = mt.cover(stage, "lush")
    shore = mt.blended(green[0], mt.cells(mt.tones(stage, "gravel"), 0.22), "shore", 0.2), green[1]

    def masks(xy: np.ndarray, z: np.ndarray, slope: np.ndarray) -> dict[str, np.ndarray]:
        return {"shore": smooth_step(HALF_M + 1.6, HALF_M + 0.6, np.abs(xy[..., 0]))}

    add_ground(stage, land, shore, mt.cover(stage, "granite"), near=0.6, far=3000, masks=masks, rows=520, columns=420)
    _add_water(stage)
    stone = mt.rock(stage, "granite", wet=0.35, mossy=0.3)
    for x, y, radius in STONES:
        at = x, y, float(_level(np.array(y))) - 0.45 * radius
        stage.add(boulder(stage, 60).moved(turn=3 * x, scale=2.1 * radius), [stone], at=at)
    pebbles = [stage.add(mesh, [stone], at=(0, -500, -50)).data for mesh in boulders(stage)]
    for _ in range(160):
        y = stage.log_uniform(3, 50)
        x = stage.rng.choice([-1, 1]) * (HALF_M + stage.rng.normal(0.5, 0.7))
        size = stage.log_uniform(0.15, 0.9)
        z = float(land(np.array([[x, y]]))[0]) - 0.1 * size
        stage.add(pebbles[stage.rng.integers(4)], at=(x, y, z), turn=stage.rng.uniform(0, 6.3), scale=size)
    forest(stage, land, 260, 9, 150, tall=(6, 14), clear=HALF_M + 2.5, species=("broad", "conifer"))
    grass(stage, lambda xy: land(xy) - 3.0 * (np.abs(xy[..., 0]) < HALF_M + 1.2), "lush", tall=0.25, patches=900, far=25)


def _add_water(stage: Stage) -> None:
    y = np.unique(np.concatenate([np.linspace(1.5, 14, 420), np.geomspace(14, 130, 380)]))
    x, y = np.meshgrid(np.linspace(-HALF_M - 1.6, HALF_M + 1.6, 260), y)
    xy = np.stack([x, y], -1)
    seed = stage.seed32() % 1000
    heap, white = np.zeros(x.shape), 0.12 * smooth_step(0.1, 0.5, fbm(xy / [1.5, 6], seed + 7, 3))
    for x0, y0, radius in STONES:
        aside, down = np.abs(x - x0) / radius, (y0 - y) / radius
        heap += 0.22 * radius * np.exp(-(((down + 1.1) / 0.5) ** 2) - (aside / 0.9) ** 2)
        heap -= 0.16 * radius * np.exp(-(((down - 1.2) / 0.7) ** 2) - (aside / 0.8) ** 2)
        behind = smooth_step(0.2, 1.0, down) * np.exp(-np.maximum(down - 1, 0) / 3.2)
        wake = behind * smooth_step(1.25 + 0.12 * down, 0.5, aside)
        bow = np.exp(-(((down + 1.0) / 0.35) ** 2) - (aside / 0.9) ** 2)
        white = np.maximum(white, np.maximum(0.95 * wake, 0.6 * bow))

    def shape(time: float) -> Mesh:
        start = upstream(_rate, xy, time, 10)
        churn = 0.035 + 0.09 * white
        z = _level(y) + heap + churn * fbm(start * [1.6, 0.8], seed, 5) + 0.02 * fbm(start * 4, seed + 4, 3)
        foam = np.clip(white * (0.6 + 0.7 * fbm(start * [2.2, 0.9], seed + 8, 4)), 0, 1)
        mesh = Mesh(np.concatenate([xy, z[..., None]], -1), grid_faces(*x.shape), smooth=True)
        mesh.attributes.update(foam=foam.ravel(), from_x=start[..., 0].ravel(), from_y=start[..., 1].ravel())
        return mesh

    def velocity(xyz: np.ndarray) -> np.ndarray:
        flat = _rate(xyz[..., :2])
        return np.concatenate([flat, SLOPE * flat[..., 1:]], -1)

    colour = (0.012, 0.03, 0.022)
    kind, _ = water(stage, Surface.MOVING_WATER, 0.02, (1.4, 0.6, 1), 0.35, colour, foam_size=0.3, carried=True, smooth_at=25)
    stage.moving(shape, [kind], fluid=stage.fluid(velocity))
