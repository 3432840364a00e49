"""Fires, smoke and steam in the open: camp fires, chimneys, geysers, burning heaps, drifting fog banks, volcano plumes."""

from __future__ import annotations

import numpy as np

from ..classes import Layout, Surface
from ..parts import materials as mt
from ..parts.bodies import person_data
from ..parts.buildings import house
from ..parts.camera import pick_camera
from ..parts.meshes import joined, lathe, tube
from ..parts.rocks import boulders
from ..parts.sky import outdoors
from ..parts.smoke import fire, mist, plume
from ..parts.stage import Stage
from .figures import open_ground


def build(stage: Stage) -> None:
    rng = stage.rng
    kind = str(stage.pick("camp fire", "chimney", "geyser", "fog", "far plume", "thread"))
    stage.camera = pick_camera(rng, (0.6, 2.2), (-0.15, 0.12), (0.6, 1.2))
    weights = (1, 1, 1, 1, 1, 1, 3, 4) if kind == "camp fire" else (2, 3, 2, 1, 3, 2, 2, 0.4)
    outdoors(stage, weights=weights)
    land = open_ground(stage)
    at = lambda x, y: np.array([x, y, float(land(np.array([[x, y]]))[0])])
    if kind == "camp fire":
        spot = at(rng.uniform(-0.8, 0.8), stage.log_uniform(2.5, 9))
        size = stage.log_uniform(0.5, 1.6)
        camp_fire(stage, spot, size)
        if stage.chance(0.6):
            plume(
                stage, spot + [0, 0.1, size], size * 1.5, size * rng.uniform(2, 5), (0.25, 0.24, 0.23), rng.normal(0, 0.4), 0.6
            )
        for _ in range(int(rng.integers(0, 5))):
            angle = rng.uniform(0, np.pi)
            place = at(spot[0] + np.cos(angle) * (size + 1.2), spot[1] + np.sin(angle) * (size + 1.0))
            stage.add(person_data(stage, str(stage.pick("standing", "sitting"))), at=place, turn=rng.uniform(0, 6.3))
    elif kind == "chimney":
        home = house(stage, rng.uniform(6, 14), rng.uniform(6, 9), rng.uniform(3, 7), 0.2)
        x, y = rng.uniform(-9, 3), rng.uniform(12, 45)
        home.location, home.rotation_euler[2] = at(x, y) - [0, 0, 0.2], rng.normal(0, 0.5)
        for _ in range(int(rng.integers(1, 3))):
            top = at(x + rng.uniform(1, 6), y + 3) + [0, 0, rng.uniform(5, 9)]
            grey = float(stage.pick(0.9, 0.6, 0.15))
            plume(
                stage,
                top,
                rng.uniform(2, 7),
                rng.uniform(5, 16),
                (grey, grey, grey),
                rng.normal(0, 0.7),
                rng.uniform(0.55, 1.2),
            )
    elif kind == "geyser":
        for _ in range(int(rng.integers(1, 4))):
            spot = at(rng.uniform(-3, 3), stage.log_uniform(5, 30))
            plume(
                stage,
                spot,
                rng.uniform(1, 6),
                rng.uniform(2, 12),
                (0.9, 0.92, 0.95),
                rng.normal(0, 0.4),
                rng.uniform(0.6, 1.2),
            )
        stone = mt.rock(stage, wet=0.4)
        for mesh in boulders(stage, 6):
            stage.add(mesh, [stone], at=at(rng.uniform(-5, 5), stage.log_uniform(3, 25)), scale=stage.log_uniform(0.3, 1.5))
    elif kind == "fog":
        for distance in np.geomspace(rng.uniform(6, 15), rng.uniform(80, 300), 4):
            mist(
                stage,
                at(rng.normal(0, 0.2) * distance, distance),
                distance * rng.uniform(1, 3),
                distance * rng.uniform(0.05, 0.2),
                rng.uniform(0.4, 0.9),
            )
    elif kind == "far plume":
        distance = stage.log_uniform(60, 600)
        grey = float(stage.pick(0.85, 0.4, 0.08))
        plume(
            stage,
            at(rng.normal(0, 0.2) * distance, distance),
            distance * rng.uniform(0.1, 0.5),
            distance * rng.uniform(0.2, 0.6),
            (grey, grey * 0.97, grey * 0.93),
            rng.normal(0, 0.7),
            rng.uniform(0.8, 1.3),
        )
    else:
        spot = at(rng.uniform(-0.5, 0.5), stage.log_uniform(1.2, 4))
        tall = stage.log_uniform(0.5, 2.0)
        stage.add(lathe([(0.001, 0), (0.14, 0), (0.18, 0.25), (0.16, 0.3), (0.001, 0.28)], 20), [mt.thing(stage)], at=spot)
        plume(
            stage, spot + [0, 0, 0.28], 0.4 * tall, tall, (0.85, 0.85, 0.88), rng.normal(0, 0.3), float(stage.pick(0.3, 0.9))
        )


def camp_fire(stage: Stage, spot: np.ndarray, size: float) -> None:
    rng = stage.rng
    logs = []
    for angle in rng.uniform(0, 2 * np.pi) + np.arange(7) * 0.9:
        foot = np.array([np.cos(angle), np.sin(angle), 0.03]) * [0.45 * size, 0.45 * size, 1]
        logs.append(tube(np.stack([foot, np.array([0, 0, 0.35 * size])]), 0.045 * size, 8))
    char = mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.mottled([(0.01, 0.008, 0.006), (0.06, 0.035, 0.02)], 0.1), 0.9, 0.01)
    stage.add(joined(logs), [char], at=spot)
    stone = mt.rock(stage)
    ring = stage.add(boulders(stage, 1)[0], [stone], at=(0, -500, -50)).data
    for angle in np.arange(9) * 0.7:
        stage.add(
            ring, at=spot + [0.75 * size * np.cos(angle), 0.75 * size * np.sin(angle), 0], turn=angle * 5, scale=0.25 * size
        )
    fire(stage, spot + [0, 0, 0.04], 0.7 * size, size, 0.35 if stage.night else 9.0)
