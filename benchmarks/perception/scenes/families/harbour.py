"""Held out: harbours with quays, houses, moored and sailing boats."""

from __future__ import annotations

import numpy as np

from ..classes import Layout, Surface
from ..parts import materials as mt
from ..parts.boats import boat
from ..parts.bodies import person_data
from ..parts.buildings import house, street_lamp
from ..parts.camera import pick_camera
from ..parts.meshes import box, polar_grid, surface
from ..parts.sky import outdoors
from ..parts.stage import Stage
from ..parts.terrain import add_ground, mountains
from ..parts.water import water
from .lake import jetty


def build(stage: Stage) -> None:
    rng = stage.rng
    stage.camera = pick_camera(rng, (1.2, 6), (-0.2, 0.06), (0.6, 1.3))
    light = outdoors(stage, weights=(3, 3, 2, 1.5, 2, 1.5, 4, 1.5))
    dark = light.weather in ("night", "dusk")
    xy = polar_grid((0, 0), 0.0, min(stage.camera.half_angle + 0.2, 1.5), 0.4, 6000, 200, 140)
    pool = surface(xy, np.zeros(xy.shape[:2]))
    pool.attributes["foam"] = np.zeros(len(pool.points))
    stage.add(pool, [water(stage, Surface.STILL_WATER, stage.log_uniform(0.002, 0.03), (1, 1.5, 1))[0]])
    stone = mt.material(
        Surface.OBJECT, Layout.UPRIGHT, mt.weathered(mt.courses(mt.tones(stage, "granite"), 0.9, 0.4), 10), 0.9, 0.02
    )
    top = mt.material(
        Surface.GROUND, Layout.PLANE, mt.weathered(mt.paved(mt.tones(stage, "granite"), 0.8, 0.5), 10), 0.9, 0.01
    )
    near, across = rng.uniform(0.8, 4), stage.log_uniform(25, 160)
    if stage.chance(0.6):
        stage.add(box((120, 30, 4), (0, near - 15, -1.55)), [stone])
        stage.add(box((120, 30, 0.02), (0, near - 15, 0.46)), [top])
    stage.add(box((500, 60, 4), (0, across + 30, -0.9)), [stone])
    stage.add(box((500, 60, 0.02), (0, across + 30, 1.11)), [top])
    if stage.chance(0.7):
        x = -1.3 * across
        tall = rng.uniform(5, 14)
        while x < 1.3 * across:
            width = rng.uniform(5, 12)
            home = house(stage, width, 9, tall * rng.uniform(0.7, 1.3), 0.45 if dark else 0.02, True)
            home.location = (x, across + rng.uniform(4, 8), 1.1)
            x += width + (rng.uniform(0, 8) if stage.chance(0.3) else 0)
    for x in np.arange(-across, across, 22) if dark else ():
        if abs(x) < 50:
            street_lamp(stage, np.array([x, across + 2, 1.1]), 4.5, True)
    peaks = mountains(stage, stage.log_uniform(40, 900), stage.log_uniform(400, 2000), across * 1.5)
    add_ground(
        stage,
        lambda xy: peaks(xy) - 1.0,
        mt.cover(stage, str(stage.pick("meadow", "lush", "dry grass"))),
        mt.cover(stage, str(stage.pick(*mt.ROCKS))),
        near=across,
        far=8000,
    )
    fleet = [(kind, boat(stage, kind)) for kind in rng.choice(["rowing", "cutter", "yacht"], 4)]
    for _ in range(int(stage.log_uniform(3, 24))):
        kind, data = fleet[rng.integers(4)]
        y = stage.log_uniform(near + (2.5 if kind == "rowing" else 7), across - 3)
        x = rng.uniform(-1, 1) * (stage.camera.half_angle * y + 2)
        stage.add(data, at=(x, y, rng.normal(0, 0.03)), turn=(rng.normal(0, 0.04), rng.normal(0, 0.02), rng.uniform(0, 6.3)))
    if stage.chance(0.4):
        jetty(stage, near)
    people = person_data(stage)
    for _ in range(int(rng.integers(0, 6))):
        y = rng.uniform(across + 0.5, across + 3)
        stage.add(people, at=(rng.uniform(-0.5, 0.5) * y, y, 1.12), turn=rng.uniform(0, 6.3))
