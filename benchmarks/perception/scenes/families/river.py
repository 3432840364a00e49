"""Streams and rivers: meanders, banks, stones, steps and rapids."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..classes import Surface
from ..parts import materials as mt
from ..parts.buildings import bridge
from ..parts.camera import pick_camera
from ..parts.meshes import Mesh, face_means, grid_faces
from ..parts.noise import fbm, smooth_step
from ..parts.plants import forest, grass, place, plant_data
from ..parts.rocks import boulders
from ..parts.sky import outdoors
from ..parts.stage import Stage
from ..parts.terrain import add_ground, hills, mountains
from ..parts.water import water


@dataclass(frozen=True)
class Channel:
    """A river along +y, its course and level tabulated over y (metres).

    Attributes
    ----------
    y, centre, width, level, foam : [N] samples.
    towards : -1 flows to the camera, +1 away.
    speed : m/s on the level.
    """

    y: np.ndarray
    centre: np.ndarray
    width: np.ndarray
    level: np.ndarray
    foam: np.ndarray
    towards: float
    speed: float

    def at(self, name: str, y: np.ndarray) -> np.ndarray:
        return np.interp(y, self.y, getattr(self, name))

    def aside(self, xy: np.ndarray) -> np.ndarray:
        """Distance from the middle in half widths."""
        return (xy[..., 0] - self.at("centre", xy[..., 1])) / (self.at("width", xy[..., 1]) / 2)

    def velocity(self, xyz: np.ndarray) -> np.ndarray:
        y = xyz[..., 1]
        bend = (self.at("centre", y + 0.3) - self.at("centre", y - 0.3)) / 0.6
        fall = (self.at("level", y + 0.3) - self.at("level", y - 0.3)) / 0.6
        tangent = np.stack([bend, np.ones_like(y), fall], -1) * self.towards
        tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
        return tangent * (self.speed * (1 + 4 * np.abs(fall)))[..., None]


def channel(stage: Stage, width: float, far: float, slope: float, steps: int, towards: float, speed: float) -> Channel:
    rng = stage.rng
    y = np.linspace(-8, far, 900)
    seed = stage.seed32() % 1000
    length = width * rng.uniform(4, 10)
    ahead = np.maximum(y, 0)
    centre = (
        1.4 * width * fbm(np.stack([ahead / length, 0 * y], -1), seed, 2) * smooth_step(0, length, ahead) * 2
        + rng.normal(0, 0.15) * ahead
    )
    wide = width * (1 + 0.35 * fbm(np.stack([y / length * 2, 0 * y + 5], -1), seed + 1, 3))
    sign = -towards
    level, foam = sign * slope * ahead, 0.25 * smooth_step(0.02, 0.15, slope) + 0 * y
    for place_ in np.sort(rng.uniform(3, min(far * 0.6, 60), steps)):
        drop, run = stage.log_uniform(0.15, 1.2), stage.log_uniform(0.2, 1.2)
        level = level + sign * drop * smooth_step(-run, run, y - place_)
        downstream = (place_ + run - y) * -towards
        foam = np.maximum(foam, smooth_step(-run, 0.0, downstream) * np.exp(-np.maximum(downstream, 0) / (2.5 + 3 * drop)))
    return Channel(y, centre, wide, level - np.interp(0, y, level), foam, towards, speed)


def add_water(stage: Stage, course: Channel, clear: float) -> None:
    columns = 70
    y = np.unique(np.concatenate([np.linspace(-8, 15, 330), np.geomspace(15, course.y[-1], 160)]))
    t = np.linspace(-1.15, 1.15, columns)
    x = course.at("centre", y)[:, None] + t[None] * course.at("width", y)[:, None] / 2
    xy = np.stack([x, np.broadcast_to(y[:, None], x.shape)], -1)
    seed = stage.seed32() % 1000
    drawn_out = xy * [1.6, 0.55]
    foam = np.broadcast_to(course.at("foam", y)[:, None], x.shape)
    rough = 0.02 + 0.05 * course.speed + 0.10 * foam
    z = course.at("level", y)[:, None] + rough * (fbm(drawn_out, seed, 5) + 0.3 * fbm(xy * 4, seed + 4, 3))
    streaks = 0.5 + 0.8 * fbm(xy * [2.2, 0.4], seed + 8, 4)
    foam = np.clip(foam * (0.55 + 0.7 * streaks), 0, 1)
    mesh = Mesh(np.concatenate([xy, z[..., None]], -1), grid_faces(len(y), columns), smooth=True)
    mesh.attributes["foam"] = foam.ravel()
    mesh.slots = (face_means(mesh, foam) > 0.5).astype(np.int32)
    colour = tuple(
        float(v)
        for v in np.array(stage.pick((0.015, 0.03, 0.015), (0.01, 0.03, 0.03), (0.03, 0.025, 0.012), (0.05, 0.04, 0.025)))
    )
    kinds = water(stage, Surface.MOVING_WATER, 0.01 + 0.015 * course.speed, (1.4, 0.5, 1), clear, colour, foam_size=0.35)
    stage.add(mesh, kinds, fluid=stage.fluid(course.velocity))


def build(stage: Stage) -> None:
    rng = stage.rng
    width = stage.log_uniform(1.5, 30)
    stage.camera = pick_camera(rng, (0.7, 1.5 + 0.25 * width), (-0.35, 0.0), (0.6, 1.3))
    wild = stage.chance(0.55)
    towards = -1.0 if stage.chance(0.75) else 1.0
    slope = stage.log_uniform(0.02, 0.12) if wild else stage.log_uniform(0.002, 0.01)
    steps = int(rng.integers(1, 7)) if wild and width < 12 else 0
    course = channel(stage, width, 160, slope, steps, towards, stage.log_uniform(0.3, 2.0) * (1.4 if wild else 1))
    side = rng.choice([-1, 0, 1], p=[0.4, 0.2, 0.4])
    shift = side * (width / 2 + rng.uniform(0, 1.5))
    course = Channel(course.y, course.centre - shift, course.width, course.level, course.foam, course.towards, course.speed)
    look = rng.uniform(6, 14)
    yaw = -np.arctan2(float(course.at("centre", look)), look) * rng.uniform(0.6, 1.1)
    stage.camera = replace(stage.camera, yaw=float(np.clip(yaw, -0.6, 0.6)))
    outdoors(stage, weights=(2, 3, 2, 1, 3, 1.5, 1.5, 0.5))
    relief, valley = (
        hills(stage, stage.log_uniform(0.5, 5), stage.log_uniform(8, 40)),
        rng.uniform(0.05, 0.5) if wild else rng.uniform(0.01, 0.1),
    )
    peaks = mountains(stage, stage.log_uniform(50, 900), stage.log_uniform(400, 2000), 170)
    bank, bed = rng.uniform(0.1, 0.9), hills(stage, 0.25, 1.1)
    camera_z = stage.camera.location[2]

    def land(xy: np.ndarray) -> np.ndarray:
        aside, level = np.abs(course.aside(xy)), course.at("level", xy[..., 1])
        out = np.maximum((aside - 1) * course.at("width", xy[..., 1]) / 2, 0)
        near = np.linalg.norm(xy, axis=-1)
        dry = (
            bank * smooth_step(0, 0.8 + bank, out)
            + valley * np.minimum(out, 60)
            + np.abs(relief(xy)) * smooth_step(0.5, 6, out)
        )
        dry = np.where(near < 6, np.minimum(dry, 0.4 * camera_z + 0.1 * near), dry)
        return (
            level
            - 0.45 * np.clip(1 - aside**2, 0, 1) * min(width / 4, 1.5)
            + dry
            + 0.35 * bed(xy)
            + peaks(xy) * smooth_step(0, 60, out)
        )

    kind = str(stage.pick("meadow", "lush", "gravel", "soil", "moss", "dry grass"))
    base = mt.cover(stage, kind)
    pebbles = mt.cells(mt.tones(stage, "gravel"), stage.log_uniform(0.06, 0.35))
    shore = mt.blended(base[0], pebbles, "shore", 0.2), base[1]
    masks = lambda xy, z, slope_: {"shore": smooth_step(1.5, 1.02, np.abs(course.aside(xy)))}
    add_ground(
        stage, land, shore, mt.cover(stage, str(stage.pick(*mt.ROCKS))), near=0.4, far=5000, masks=masks, rows=330, columns=260
    )
    add_water(stage, course, clear=0.5 * rng.random())
    add_stones(stage, course, land, int(stage.log_uniform(15, 160)) if wild else int(stage.log_uniform(2, 30)))
    if stage.chance(0.8):
        forest(stage, land, int(stage.log_uniform(20, 400)), 7, 140, clear=0.0 if width < 3 else width * 0.3, lowest=-np.inf)
    if kind in mt.GRASSES and stage.chance(0.7):
        grass(stage, lambda xy: land(xy) - 3.0 * (np.abs(course.aside(xy)) < 1.15), kind, tall=stage.log_uniform(0.06, 0.3))
    if stage.chance(0.15):
        y = stage.log_uniform(8, 50)
        span = 1.5 * float(course.at("width", y)) + 3
        arch = bridge(stage, span, rng.uniform(0.25, 0.45) * span, rng.uniform(1.5, 4))
        arch.location = (float(course.at("centre", y)), y, float(course.at("level", y)))
    if stage.chance(0.4):
        bush = plant_data(stage, "bush")
        for _ in range(int(rng.integers(3, 20))):
            y = stage.log_uniform(3, 50)
            x = course.at("centre", y) + rng.choice([-1, 1]) * (course.at("width", y) / 2 + stage.log_uniform(0.4, 4))
            place(stage, bush, np.array([x, y, float(land(np.array([[x, y]]))[0]) - 0.05]), stage.log_uniform(0.6, 2))


def add_stones(stage: Stage, course: Channel, land, count: int) -> None:
    """Boulders in and beside the water."""
    rng = stage.rng
    stone = mt.rock(stage, wet=0.3, mossy=rng.choice([0.0, 0.3, 0.6]))
    shapes = [stage.add(mesh, [stone], at=(0, -500, -50)).data for mesh in boulders(stage)]
    for _ in range(count):
        y = stage.log_uniform(1.6, 60)
        width = float(course.at("width", y))
        x = float(course.at("centre", y)) + rng.normal(0, 0.55) * width
        size = stage.log_uniform(0.2, 1.4) * np.clip(width / 5, 0.6, 2)
        if np.hypot(x, y) < 1.2 + size or (abs(x) < 0.6 * size and y < 5):
            continue
        z = max(float(land(np.array([[x, y]]))[0]), float(course.at("level", y)) - 0.25 * size)
        stage.add(shapes[rng.integers(4)], at=(x, y, z - 0.1 * size), turn=rng.uniform(0, 6.3), scale=size)
