"""Cumulus clouds that drift over wooded hills, in time lapse: the nearer, the faster."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from perception.scenes.classes import Surface
from perception.scenes.parts import materials as mt
from perception.scenes.parts.noise import smooth_step
from perception.scenes.parts.plants import forest
from perception.scenes.parts.sky import HORIZON, Daylight, outdoors, table
from perception.scenes.parts.smoke import card
from perception.scenes.parts.stage import Air, Stage
from perception.scenes.parts.terrain import add_ground, hills, mountains

from .. import cumulus

WIND = np.array([10.0, -3.0, 0.0])  # m/s
BASE_M = 950.0
CARD_M = 19000.0  # where the picture of the clouds hangs, behind everything
HALF, TALL = 0.55, 0.48  # of the card, over its distance
HEAPS = (  # x, y, size, metres
    (-1750, 4300, 620),
    (-700, 4700, 330),
    (1000, 3300, 240),
    (2300, 4600, 560),
    (400, 6700, 620),
    (-4100, 7600, 760),
    (3600, 8300, 900),
    (-1400, 9400, 850),
    (1200, 11200, 800),
    (-4600, 12000, 900),
    (5900, 12400, 950),
    (-2900, 13800, 800),
    (3000, 14500, 900),
)


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(0.0, 0.0, 24.0), pitch=0.15)
    day = outdoors(stage, ("clear",), sun_behind=True)
    stage.air, stage.exposure = Air(1 / 25000, 1200.0), 0.1
    _add_clouds(stage, day)
    relief, peaks = hills(stage, 46, 420), mountains(stage, 620, 2600, 2200)
    foot = float(relief(np.zeros((1, 2)))[0])

    def land(xy: np.ndarray) -> np.ndarray:
        away = np.linalg.norm(xy, axis=-1)
        return (relief(xy) - foot) * smooth_step(10, 200, away) - 0.01 * np.minimum(away, 900) + peaks(xy)

    add_ground(stage, land, mt.cover(stage, "meadow"), mt.cover(stage, "moss"), near=20, far=16000, rows=520, columns=360)
    forest(stage, land, 1300, 60, 2600, tall=(9, 13), species=("broad", "conifer"), bias=0.75)


def _add_clouds(stage: Stage, day: Daylight) -> None:
    bodies = np.concatenate([cumulus.balls(stage.rng, (x, y, BASE_M + 0.1 * size), size) for x, y, size in HEAPS])
    clouds = cumulus.build(bodies, BASE_M, day.to_sun, stage.seed32() % 1000)
    haze = table(HORIZON, float(np.degrees(np.arcsin(day.to_sun[2]))))
    light = cumulus.Light(*(torch.as_tensor(colour, dtype=torch.float32) for colour in (day.sun, day.sky, haze)))
    rows, columns = stage.fine(155), stage.fine(352)
    z, x = np.meshgrid(np.linspace(0, TALL, rows), np.linspace(-HALF, HALF, columns), indexing="ij")
    ways = np.stack([x, np.ones_like(x), z], -1).reshape(-1, 3)
    lengths = np.linalg.norm(ways, axis=1)
    rays = torch.as_tensor(ways / lengths[:, None], dtype=torch.float32)
    eye = np.array(stage.camera.location)

    def marched(time: float) -> tuple[np.ndarray, np.ndarray]:
        """Colours and opacity [rows, columns, 4], and how far ahead the clouds are [rows, columns]."""
        seen = cumulus.march(clouds, torch.as_tensor(eye - WIND * time, dtype=torch.float32), rays, light, 17000.0)
        colour, cover, distance = (part.numpy() for part in seen)
        texels = np.concatenate([colour, cover[:, None]], 1)
        return texels.reshape(rows, columns, 4), (distance / lengths).reshape(rows, columns)

    first, ahead = marched(0.0)

    def velocity(xyz: np.ndarray) -> np.ndarray:
        """Of what the card shows, on the card."""
        way = (xyz - eye) / CARD_M
        column = np.clip((way[:, 0] / HALF + 1) / 2 * (columns - 1) + 0.5, 0, columns - 1).astype(int)
        row = np.clip(way[:, 2] / TALL * (rows - 1) + 0.5, 0, rows - 1).astype(int)
        return (WIND - way * WIND[1]) * (CARD_M / ahead[row, column])[:, None]

    foot = np.array([eye[0], eye[1] + CARD_M, eye[2]])
    card(
        stage,
        foot,
        2 * HALF * CARD_M,
        TALL * CARD_M,
        lambda time: marched(time)[0] if time else first,
        Surface.CLOUD,
        1.0,
        velocity,
    )
