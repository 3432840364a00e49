"""A fountain in a square between houses: jets in free fall, a bowl that overflows, rings that run out over the basin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from perception.scenes.classes import Layout, Surface
from perception.scenes.parts import materials as mt
from perception.scenes.parts.bodies import person_data
from perception.scenes.parts.buildings import bench, house, street_lamp
from perception.scenes.parts.meshes import Mesh, grid_faces, joined, lathe, quad, tube
from perception.scenes.parts.noise import fbm
from perception.scenes.parts.plants import place, plant_data
from perception.scenes.parts.sky import outdoors
from perception.scenes.parts.stage import Air, Stage
from perception.scenes.parts.water import G, water

from ..strands import white_water

CENTRE = np.array([0.4, 9.5, 0.0])
BASIN_M, LEVEL_M = 2.5, 0.45
RIM_M, RIM_Z = 1.12, 1.80


@dataclass(frozen=True)
class Ring:
    """``count`` jets that leave a circle: ``start`` and ``height`` metres from the axis and the ground, ``outward`` and ``up``
    m/s, ``flight`` seconds in the air, ``thick`` metres."""

    count: int
    start: float
    height: float
    outward: float
    up: float
    flight: float
    thick: float

    def path(self, since: np.ndarray) -> np.ndarray:
        """Distance from the axis and height [..., 2], ``since`` seconds after the nozzle."""
        fallen = self.height + self.up * since - G / 2 * since**2
        return np.stack([self.start + self.outward * since, fallen], -1)

    def velocity(self, xyz: np.ndarray) -> np.ndarray:
        out = xyz[..., :2] - CENTRE[:2]
        radius = np.linalg.norm(out, axis=-1)
        since = (radius - self.start) / self.outward
        flat = out / np.maximum(radius, 1e-3)[..., None] * self.outward
        return np.concatenate([flat, (self.up - G * since)[..., None]], -1)


RINGS = (
    Ring(9, 0.06, 1.95, 0.75, 4.4, 0.93, 0.030),
    Ring(14, 2.25, 0.55, -1.05, 4.0, 0.80, 0.022),
)


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(0.0, 0.0, 1.9), pitch=-0.015)
    outdoors(stage, ("fair",), sun_behind=True)
    stage.air = Air(1 / 6000)
    _add_square(stage)
    _add_stone(stage)
    for ring in RINGS:
        _add_jets(stage, ring)
        _add_drops(stage, ring)
    _add_curtain(stage)
    _add_basin(stage)


def _add_square(stage: Stage) -> None:
    rng = stage.rng
    floor = mt.weathered(mt.paved(mt.tones(stage, "granite"), 0.5, 0.3), 12)
    flags = mt.material(Surface.GROUND, Layout.PLANE, floor, 0.8, 0.008)
    stage.add(quad(((-60, -10, 0), (60, -10, 0), (60, 120, 0), (-60, 120, 0))), [flags])
    for side in (-1, 1):
        y = 3.0
        while y < 26:
            width = rng.uniform(6, 9)
            front = house(stage, width, 9, rng.uniform(9, 14), 0.0, stage.chance(0.6))
            front.rotation_euler[2] = np.pi / 2 if side < 0 else -np.pi / 2
            front.location = (side * 11.5, y, 0) if side < 0 else (side * 11.5, y + width, 0)
            y += width
    x = -14.0
    while x < 14:
        width = rng.uniform(6, 9)
        front = house(stage, width, 10, rng.uniform(10, 16), 0.0, stage.chance(0.6))
        front.location = (x, 31.0, 0)
        x += width
    tree = plant_data(stage, "broad", palette="leaf")
    for x, y in ((-7.5, 15.0), (7.8, 17.0), (-7.0, 24.0), (7.5, 25.0)):
        place(stage, tree, np.array([x, y, 0]), rng.uniform(5, 7))
    for x, y in ((-5.5, 13.0), (5.9, 14.0)):
        street_lamp(stage, np.array([x, y, 0]))
    seat = bench(stage)
    for x, y, turn in ((-4.2, 11.0, np.pi / 2), (4.9, 11.5, -np.pi / 2)):
        stage.add(seat, at=(x, y, 0), turn=turn)
    people = [person_data(stage, "standing") for _ in range(3)]
    for k, (x, y) in enumerate(((-3.3, 14.5), (-2.7, 14.9), (3.7, 18.0), (-5.0, 20.0), (4.4, 8.6))):
        stage.add(people[k % 3], at=(x, y, 0), turn=rng.uniform(0, 6.3))


def _add_stone(stage: Stage) -> None:
    r = BASIN_M
    outer = [(r + 0.25, 0), (r + 0.2, 0.1), (r + 0.1, 0.15), (r + 0.12, 0.48), (r + 0.2, 0.52), (r + 0.2, 0.6)]
    basin = lathe([*outer, (r, 0.6), (r, 0.1), (0.3, 0.1)], 96)
    stem = [(0.55, 0.1), (0.5, 0.5), (0.3, 0.6), (0.2, 0.9), (0.26, 1.2), (0.2, 1.4), (0.45, 1.55), (0.9, 1.68)]
    rim = [(RIM_M, RIM_Z - 0.04), (RIM_M, RIM_Z), (RIM_M - 0.1, RIM_Z), (0.12, 1.74), (0.09, 1.95), (0.02, 1.97)]
    bowl = lathe([*stem, *rim], 64)
    worn = mt.weathered(mt.layered(mt.tones(stage, "limestone"), 0.5), 2)
    stone = mt.material(Surface.OBJECT, Layout.UPRIGHT, worn, 0.6, 0.006)
    stage.add(joined([basin, bowl]), [stone], at=CENTRE)


def _add_jets(stage: Stage, ring: Ring) -> None:
    rows, sides = 90, 10
    since = np.linspace(0, ring.flight, rows)
    radius, height = ring.path(since).T
    thick = ring.thick * (1 + 1.6 * since / ring.flight)
    tubes = []
    for k in range(ring.count):
        angle = 2 * np.pi * (k + 0.3) / ring.count
        path = np.stack([np.cos(angle) * radius, np.sin(angle) * radius, height], -1) + CENTRE
        tubes.append(tube(path, thick, sides))
    mesh = joined(tubes)
    own = np.repeat(np.arange(ring.count) * 7.3, rows * sides)
    along = np.tile(np.repeat(since, sides), ring.count)
    around = np.tile(np.tile(np.sin(np.arange(sides) * (2 * np.pi / sides)), rows), ring.count)
    torn = 0.42 * (along / ring.flight) ** 0.8

    def shape(time: float) -> Mesh:
        mesh.attributes.update(across=0.35 * around + own, since=3.0 * (along - time), torn=torn)
        return mesh

    stage.moving(shape, [white_water(0.12)], fluid=stage.fluid(ring.velocity))


def _add_drops(stage: Stage, ring: Ring, each: int = 70) -> None:
    """Drops that have left their jet sideways; each falls as the jet does."""
    rng = stage.rng
    count = ring.count * each
    born = rng.uniform(0, ring.flight, count)
    angle = 2 * np.pi * (np.repeat(np.arange(ring.count), each) + 0.3) / ring.count
    aside = rng.normal(0, 0.16, (count, 3))
    size = np.exp(rng.uniform(np.log(0.003), np.log(0.008), count))
    corners = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
    faces = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
    faces = np.concatenate([(np.arange(count)[:, None, None] * 6 + faces).reshape(-1, 3), np.full((8 * count, 1), -1)], 1)

    def shape(time: float) -> Mesh:
        since = (born + time) % ring.flight
        radius, height = ring.path(since).T
        at = np.stack([np.cos(angle) * radius, np.sin(angle) * radius, height], -1) + CENTRE + aside * since[:, None]
        return Mesh(at[:, None] + corners * size[:, None, None], faces, smooth=True)

    wet = mt.material(Surface.WHITE_WATER, Layout.UPRIGHT, mt.flat((0.8, 0.85, 0.88)), 0.05, 0.0)
    stage.moving(shape, [wet], fluid=stage.fluid(ring.velocity))


def _add_curtain(stage: Stage) -> None:
    """The sheet that falls from the bowl's rim."""
    drop = RIM_Z - LEVEL_M
    fallen, across = np.meshgrid(np.linspace(0, 1, 80), np.linspace(-1, 1, 240), indexing="ij")
    since = np.sqrt(2 * fallen * drop / G)
    radius = RIM_M + 0.02 + 0.12 * since
    angle = np.pi * across + np.pi / 2
    ragged = 0.02 * fbm(np.stack([across * 30, 0 * across], -1), stage.seed32() % 1000, 3) * fallen
    radius = radius + ragged
    points = np.stack([np.cos(angle) * radius, np.sin(angle) * radius, RIM_Z - drop * fallen], -1) + CENTRE
    torn = 0.12 + 0.30 * fallen

    def shape(time: float) -> Mesh:
        mesh = Mesh(points, grid_faces(*fallen.shape), smooth=True)
        mesh.attributes.update(across=(across * 9).ravel(), since=(1.2 * (since - time)).ravel(), torn=torn.ravel())
        return mesh

    def velocity(xyz: np.ndarray) -> np.ndarray:
        speed = np.sqrt(2 * G * np.maximum(RIM_Z - xyz[..., 2], 0.01))
        return np.stack([0 * speed, 0 * speed, -speed], -1)

    stage.moving(shape, [white_water(0.16)], fluid=stage.fluid(velocity))


def _add_basin(stage: Stage) -> None:
    """Rings that run outward from where the water lands."""
    outward, landing = 0.55, 1.35
    radius, angle = np.meshgrid(np.linspace(0.25, BASIN_M, 150), np.linspace(0, 2 * np.pi, 400), indexing="ij")
    unit = np.stack([np.cos(angle), np.sin(angle)], -1)
    seed = stage.seed32() % 1000
    near = np.exp(-(((radius - landing) / 0.35) ** 2))

    def shape(time: float) -> Mesh:
        start = (radius - outward * time)[..., None] * unit
        rings = np.sin(2 * np.pi * (radius - outward * time) / 0.21 + 2 * fbm(start, seed, 2))
        z = LEVEL_M + 0.006 * rings * (0.4 + near) + 0.03 * near * fbm(start * 5, seed + 1, 4)
        foam = np.clip(0.75 * near * (0.7 + 0.7 * fbm(start * 4, seed + 2, 4)), 0, 1)
        points = np.concatenate([radius[..., None] * unit, z[..., None]], -1) + CENTRE
        mesh = Mesh(points, grid_faces(*radius.shape), smooth=True)
        mesh.attributes.update(foam=foam.ravel(), from_x=start[..., 0].ravel(), from_y=start[..., 1].ravel())
        return mesh

    def velocity(xyz: np.ndarray) -> np.ndarray:
        out = xyz[..., :2] - CENTRE[:2]
        out = out / np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-3) * outward
        return np.concatenate([out, 0 * out[..., :1]], -1)

    kind, _ = water(stage, Surface.MOVING_WATER, 0.006, (1, 1, 1), 0.3, (0.02, 0.05, 0.05), foam_size=0.12, carried=True)
    stage.moving(shape, [kind], fluid=stage.fluid(velocity))
