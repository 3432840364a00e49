"""Streets, lanes and squares by day and night: rows of houses, cars, lamps, trees, passers-by."""

from __future__ import annotations

import numpy as np

from ..classes import Layout, Surface
from ..parts import materials as mt
from ..parts.bodies import person_data
from ..parts.buildings import bench, car, house, street_lamp
from ..parts.camera import pick_camera
from ..parts.meshes import quad
from ..parts.plants import place, plant_data
from ..parts.sky import outdoors
from ..parts.smoke import plume
from ..parts.stage import Stage


def build(stage: Stage) -> None:
    rng = stage.rng
    stage.camera = pick_camera(
        rng, (1.2, 2.2) if stage.chance(0.7) else (3, 14), (-0.12, 0.18), (0.7, 1.4), yaw=rng.normal(0, 0.2)
    )
    light = outdoors(stage, weights=(3, 3, 2, 1, 2.5, 1, 2, 4))
    dark = light.weather in ("night", "dusk")
    half, kerb = rng.uniform(2.5, 9), rng.uniform(1.2, 3.0)
    _floor(stage, half, kerb, wet=rng.uniform(0.3, 0.9) if stage.chance(0.3) else 0.0)
    tall = stage.log_uniform(5, 22)
    for side in (-1, 1):
        y = rng.uniform(-6, 2)
        while y < 130:
            width, depth = rng.uniform(5, 14), rng.uniform(7, 12)
            front = house(stage, width, depth, tall * rng.uniform(0.7, 1.3), 0.45 if dark else 0.03, stage.chance(0.35))
            # The front faces -y before it is turned: the left row looks right, the right row left.
            front.rotation_euler[2] = np.pi / 2 if side < 0 else -np.pi / 2
            line = side * (half + kerb + rng.uniform(0, 0.4))
            front.location = (line, y, 0) if side < 0 else (line, y + width, 0)
            y += width + (rng.uniform(1, 6) if stage.chance(0.2) else 0.0)
            if y > 60:
                y += 2
    if stage.chance(0.5):
        end = house(stage, 2 * half + 2 * kerb + 8, 10, tall * rng.uniform(0.8, 2.0), 0.4 if dark else 0.03)
        end.location = (-half - kerb - 4, rng.uniform(30, 120), 0)
    lit = dark and stage.chance(0.9)
    if stage.chance(0.7) or dark:
        for side in (-1, 1):
            for y in np.arange(rng.uniform(3, 9), 70, rng.uniform(12, 20)):
                street_lamp(
                    stage, np.array([side * (half + 0.3), y, 0.12]), rng.uniform(3.5, 5.5) if y < 4 else 4.5, lit and y < 48
                )
    _traffic(stage, half, kerb)
    if stage.chance(0.4):
        kinds = [plant_data(stage, str(stage.pick("broad", "slender"))) for _ in range(2)]
        for side in (-1, 1):
            for y in np.arange(rng.uniform(5, 12), 90, rng.uniform(7, 14)):
                place(stage, kinds[rng.integers(2)], np.array([side * (half + 0.6), y, 0]), rng.uniform(4, 9))
    if stage.chance(0.12):
        plume(
            stage,
            np.array([rng.uniform(-half, half), rng.uniform(6, 25), 0.05]),
            1.5,
            rng.uniform(2, 5),
            (0.75, 0.75, 0.75),
            rng.normal(0, 0.4),
            0.8,
        )


def _floor(stage: Stage, half: float, kerb: float, wet: float) -> None:
    kind = str(stage.pick("asphalt", "asphalt", "cobbles", "slabs"))
    if kind == "cobbles":
        road = mt.cells(mt.tones(stage, str(stage.pick("granite", "basalt"))), stage.log_uniform(0.09, 0.18), 0.1)
    elif kind == "slabs":
        size = stage.log_uniform(0.3, 0.8)
        road = mt.paved(mt.tones(stage, str(stage.pick("limestone", "granite"))), 1.5 * size, size)
    else:
        road = mt.mottled(mt.tones(stage, "asphalt"), 0.4)
    size = stage.log_uniform(0.2, 0.6)
    walk = mt.weathered(mt.paved(mt.tones(stage, "concrete"), size, size), 15)
    road_made = mt.material(Surface.GROUND, Layout.PLANE, mt.weathered(road, 15), 0.8, 0.01, wet=wet)
    walk_made = mt.material(Surface.GROUND, Layout.PLANE, walk, 0.85, 0.006, wet=wet)
    stage.add(quad(((-half, -20, 0), (half, -20, 0), (half, 400, 0), (-half, 400, 0))), [road_made])
    for side in (-1, 1):
        a, b = side * half, side * (half + kerb + 12)
        stage.add(quad(((a, -20, 0.12), (b, -20, 0.12), (b, 400, 0.12), (a, 400, 0.12))), [walk_made])
        stage.add(quad(((a, -20, 0), (a, 400, 0), (a, 400, 0.12), (a, -20, 0.12))), [walk_made])
    if kind == "asphalt":
        paint = mt.material(Surface.GROUND, Layout.PLANE, mt.weathered(mt.flat((0.6, 0.6, 0.57)), 4), 0.7, 0.0)
        for y in np.arange(0, 120, 5.0):
            stage.add(quad(((-0.06, y, 0.004), (0.06, y, 0.004), (0.06, y + 2.5, 0.004), (-0.06, y + 2.5, 0.004))), [paint])


def _traffic(stage: Stage, half: float, kerb: float) -> None:
    rng = stage.rng
    if half > 3:
        cars = [car(stage) for _ in range(3)]
        for _ in range(int(rng.integers(0, 14))):
            side, y = rng.choice([-1, 1]), stage.log_uniform(6, 80)
            parked = stage.chance(0.6)
            x = side * (half - 1.1 if parked else half * 0.45)
            stage.add(cars[rng.integers(3)], at=(x, y, 0), turn=0.0 if side > 0 else np.pi)
    people = [person_data(stage) for _ in range(int(rng.integers(0, 4)))]
    for _ in range(int(stage.log_uniform(1, 20)) if people else 0):
        side, y = rng.choice([-1, 1]), stage.log_uniform(2.5, 50)
        x = side * (half + rng.uniform(0.3, kerb)) if stage.chance(0.7) else rng.uniform(-half, half)
        stage.add(people[rng.integers(len(people))], at=(x, y, 0.12), turn=rng.uniform(0, 6.3), scale=rng.uniform(0.92, 1.05))
    if stage.chance(0.3):
        seat = bench(stage)
        for _ in range(int(rng.integers(1, 4))):
            side = rng.choice([-1, 1])
            stage.add(seat, at=(side * (half + 0.8), stage.log_uniform(3, 25), 0.12), turn=side * np.pi / 2)
