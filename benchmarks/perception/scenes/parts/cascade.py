"""A cliff with water falling over it into a pool before the camera."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ..classes import Layout, Surface
from . import materials as mt
from .camera import pick_camera
from .meshes import Mesh, face_means, grid_faces, polar_grid, sheet, surface
from .noise import fbm, ridged, smooth_step
from .plants import forest, place, plant_data
from .rocks import boulders
from .sky import outdoors
from .smoke import mist
from .stage import Stage
from .terrain import Height, add_ground
from .water import upstream, water


@dataclass(frozen=True)
class Fall:
    """Shape of a waterfall, metres.

    Attributes
    ----------
    height, width : of the falling water.
    distance : from the camera to the cliff's foot.
    tiers : number of steps.
    closing : how far walls close in on both sides, 0 (open) to 1 (gorge).
    """

    height: float
    width: float
    distance: float
    tiers: int
    closing: float


def build_fall(stage: Stage, fall: Fall) -> None:
    rng = stage.rng
    reach = np.arctan2(fall.height, fall.distance)
    high, pitch = (1.0, 2.5 + 0.25 * fall.height), (0.15 * reach, 0.55 * reach)
    stage.camera = stage.camera or pick_camera(rng, high, pitch, (0.75, 1.35))
    outdoors(stage, weights=(2, 2, 2, 1, 4, 1.5, 1, 0.3))
    stage.exposure = 0.2
    seed, cliff_top = stage.seed32() % 1000, fall.height * rng.uniform(1.0, 1.35)
    kind = str(stage.pick(*mt.ROCKS))
    lip = rng.uniform(-0.15, 0.15) * fall.distance
    steps = np.sort(np.append(rng.uniform(0.2, 0.85, fall.tiers - 1), 1.0)) * fall.height
    ledge = rng.uniform(0.15, 0.5) * fall.height / fall.tiers

    def setback(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """How far behind the foot line the cliff's face lies."""
        terraces = (
            sum(ledge * smooth_step(0.0, 0.06 * fall.height, z - level) for level in steps[:-1]) if fall.tiers > 1 else 0.0
        )
        where = np.stack([x / fall.height * 2.2, z / fall.height * 3.2], -1)
        rough = 0.16 * fall.height * (0.6 - ridged(where, seed, 6)) + 0.06 * fall.height * fbm(where * [0.6, 5], seed + 3, 4)
        away = np.abs(x - lip) / fall.width
        notch = 0.10 * fall.height * smooth_step(1.2, 0.3, away)
        wings = -fall.closing * np.maximum(np.abs(x - lip) - fall.width, 0) * 0.9
        return terraces + rough * (0.25 + 0.75 * smooth_step(0.4, 0.9, away)) + notch + wings + 0.12 * z

    _cliff(stage, fall, setback, cliff_top, lip, kind)
    _falling_water(stage, fall, setback, steps, lip)
    pool_far = fall.distance + 0.3 * fall.height
    add_pool(stage, fall, lip)
    bank = hills_around(stage, fall, lip)
    mossy = str(stage.pick("moss", "lush", "gravel", "soil"))
    add_ground(stage, bank, mt.cover(stage, mossy), mt.cover(stage, kind), near=0.4, far=pool_far * 1.3, steep_at=0.9)
    add_stones(stage, fall, bank, lip, kind)
    if stage.chance(0.8):
        forest(
            stage,
            brow(fall, lip, cliff_top),
            60,
            fall.distance * 1.15,
            fall.distance * 2.0 + fall.height,
            tall=(3, 12),
            clear=fall.width * 0.8,
        )
    if stage.chance(0.7):
        forest(
            stage, bank, int(rng.integers(4, 40)), 4, fall.distance * 1.1, tall=(0.5, 5), lowest=0.35, clear=fall.width * 0.4
        )
    bush = plant_data(stage, "bush", palette=str(stage.pick("lush", "leaf")))
    for _ in range(int(rng.integers(2, 14))):
        x = lip + rng.choice([-1, 1]) * (fall.width * rng.uniform(0.6, 3))
        z = rng.uniform(0.2, 0.95) * fall.height
        y = fall.distance + float(setback(np.array([x]), np.array([z]))[0])
        place(stage, bush, np.array([x, y - 0.1, z]), 0.1 * fall.height * rng.uniform(0.4, 1.2))
    if stage.chance(0.7):
        for scale in (1.0, 0.6):
            foot = np.array([lip, fall.distance - 0.12 * fall.height * scale - 0.3, 0])
            mist(
                stage,
                foot,
                fall.width * (1.5 + rng.random()) + 0.4 * fall.height,
                fall.height * rng.uniform(0.15, 0.45) * scale,
                rng.uniform(0.3, 0.8),
            )


def brow(fall: Fall, lip: float, top: float) -> Height:
    """The land above the cliff: level with the water's lip, and rising to ``top`` beside it."""
    return lambda xy: 0.97 * fall.height + (top - fall.height) * smooth_step(0.5, 2.5, np.abs(xy[..., 0] - lip) / fall.width)


def _cliff(stage: Stage, fall: Fall, setback, top: float, lip: float, kind: str) -> None:
    half = fall.width + 2.2 * fall.distance
    x, t = np.meshgrid(lip + np.linspace(-1, 1, 300) * half, np.linspace(0, 1, 170))
    seed = stage.seed32() % 1000
    ragged = fbm(np.stack([x / fall.height * 2.5, 0 * x], -1), seed, 5)
    beside = smooth_step(0.42, 0.75, np.abs(x - lip) / fall.width + 0.12 * ragged)
    outer = smooth_step(0.5, 2.5, np.abs(x - lip) / fall.width)
    crest = fall.height * (0.985 + beside * (0.06 + 0.22 * np.abs(ragged))) + beside * (top - fall.height) * outer
    z = -0.5 + t * (crest + 0.5)
    y = fall.distance + setback(x, z)
    mesh = Mesh(np.stack([x, y, z], -1), grid_faces(*x.shape), smooth=True)
    damp = smooth_step(1.6, 0.6, np.abs(x - lip) / fall.width)
    mesh.attributes["damp"] = damp.ravel()
    rock = mt.layered(mt.tones(stage, kind), fall.height * stage.rng.uniform(0.06, 0.2))
    dark = mt.mottled([tuple(0.3 * c for c in tone) for tone in mt.tones(stage, kind)], 0.1 * fall.height)
    green = mt.mottled(mt.tones(stage, "moss"), 0.05 * fall.height)
    recipe = mt.blended(mt.blended(rock, green, stage.rng.uniform(0.1, 0.8), size=0.15 * fall.height), dark, "damp", 0.25)
    stage.add(mesh, [mt.material(Surface.OBJECT, Layout.UPRIGHT, recipe, 0.55, 0.012 * fall.height)])
    spread = np.stack(np.meshgrid(np.linspace(-half, half, 60), np.zeros(6)), -1) + [lip, 0]
    plateau = sheet(brow(fall, lip, top)(spread), (2 * half, 6 * fall.height + 20))
    plateau = plateau.moved((lip, fall.distance + 3 * fall.height + 10 + 0.3 * top, 0))
    cover_, surface_ = mt.cover(stage, str(stage.pick("lush", "meadow", "moss")))
    stage.add(plateau, [mt.material(surface_, Layout.PLANE, cover_)])


def _falling_water(stage: Stage, fall: Fall, setback, steps: np.ndarray, lip: float) -> None:
    rng = stage.rng
    seed = stage.seed32() % 1000
    rows, columns = stage.fine(150), stage.fine(90)
    fallen, across = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    z = fall.height * (1 - fallen)
    x = lip + across * fall.width / 2 * (1 + rng.uniform(-0.1, 0.5) * fallen)
    x = x + 0.10 * fall.width * fbm(np.stack([fallen * 3, 0.8 * across + 2], -1), seed, 4)
    since = fall.height - z
    for level in steps[:-1]:
        since = np.where(z < level, np.minimum(since, level - z), since)
    thrown = np.minimum(0.25 * np.sqrt(np.maximum(since, 0)), 0.12 * fall.height)
    face = setback(x, z)
    top = np.full((6, columns), fall.height) + 0.02

    def shape(time: float) -> Mesh:
        z_from = fall.height - _fallen_before(fall.height - z, time)
        ropes = fbm(np.stack([x / fall.width * 9, z_from / fall.height * 1.3], -1), seed + 1, 5)
        y = fall.distance + face - thrown - 0.02 * fall.height - 0.02 * fall.height * ropes
        start = np.stack([x[:1] * np.ones((6, 1)), y[0] + np.linspace(0.5, 0.05, 6)[:, None] * fall.height, top], -1)
        mesh = Mesh(np.concatenate([start, np.stack([x, y, z], -1)]), grid_faces(rows + 6, columns), smooth=True)
        lip_from = _fallen_before(np.full((6, columns), -0.05 * fall.height), time)
        mesh.attributes["fallen"] = np.concatenate([lip_from / fall.height, 1 - z_from / fall.height]).ravel()
        mesh.attributes["across"] = np.concatenate([np.broadcast_to(across[:1], (6, columns)), across]).ravel()
        return mesh

    stage.moving(shape, [_falling(stage, fall)], fluid=stage.fluid(lambda xyz: _rate(fall, xyz)))


def _fallen_before(fallen: np.ndarray, time: float, steps: int = 12) -> np.ndarray:
    """How far below the lip, metres, that water was at time 0 which has fallen as far as ``fallen`` at ``time``."""
    for _ in range(steps if time else 0):
        fallen = fallen - _fall_speed(fallen) * (time / steps)
    return fallen


def _fall_speed(fallen: np.ndarray) -> np.ndarray:
    return 1.0 + np.sqrt(2 * 9.81 * np.maximum(fallen, 0)) * 0.7


def _rate(fall: Fall, xyz: np.ndarray) -> np.ndarray:
    speed = _fall_speed(fall.height - xyz[..., 2])
    over = smooth_step(fall.height * 0.97, fall.height, xyz[..., 2])
    return np.stack([0 * speed, -0.3 - over, -speed * (1 - over)], -1)


def _falling(stage: Stage, fall: Fall) -> bpy.types.Material:
    """White ropes of water with the wet rock between them."""
    rng = stage.rng
    made, n = mt.blank(Surface.WHITE_WATER, Layout.UPRIGHT)
    place_ = n.new("CombineXYZ")
    n.set(place_.inputs[0], n.math("MULTIPLY", n.attribute("across"), max(fall.width / fall.height, 0.3) * 26))
    n.set(place_.inputs[1], n.math("MULTIPLY", n.attribute("fallen"), rng.uniform(0.8, 2.0)))
    ropes = n.noise(rng.uniform(1.0, 2.5), 8, place_.outputs[0], 0.3)
    fine = n.noise(0.5, 6, n.stretched((2.5, 0.5, 1), place_.outputs[0]), 0.8)
    value = n.mix(0.4, ropes, fine)
    edge = n.math("ABSOLUTE", n.attribute("across"))
    dense = n.math("SUBTRACT", n.math("ADD", value, rng.uniform(-0.05, 0.07)), n.span(edge, 0.35, 1.0, 0.0, 0.22))
    alpha = n.span(dense, 0.38, 0.52)
    white = n.principled(
        Base_Color=n.ramp(value, [(0.22, 0.28, 0.31), (0.6, 0.66, 0.69), (0.92, 0.93, 0.94)], 0.36, 0.62),
        Roughness=0.6,
        Normal=n.bump(value, 0.02 * fall.height),
    )
    n.finish(n.mix_shader(alpha, n.new("BsdfTransparent").outputs[0], white))
    return made


def add_pool(stage: Stage, fall: Fall, lip: float) -> None:
    camera = stage.camera
    reach, rows, columns = fall.distance + fall.height, stage.fine(240), stage.fine(160)
    xy = polar_grid(camera.location, 0.0, min(camera.half_angle + 0.25, 1.5), 0.4, reach, rows, columns)
    seed = stage.seed32() % 1000
    foot = np.array([lip, fall.distance - 0.05 * fall.height])
    away = np.linalg.norm((xy - foot) / [0.7 * fall.width + 0.15 * fall.height, 0.35 * fall.height + 0.5], axis=-1)
    churn = np.exp(-np.maximum(away - 0.4, 0) * 1.2)

    def rate(xy: np.ndarray) -> np.ndarray:
        out = xy - foot - [0, 0.2 * fall.height]
        return (out / (np.linalg.norm(out, axis=-1, keepdims=True) + 1e-6) * [0.8, 1] + [0, -0.4]) * 0.9

    def shape(time: float) -> Mesh:
        start = upstream(rate, xy, time)
        foam = np.clip(churn * (0.9 + 0.7 * fbm(start / (0.12 * fall.height + 0.2), seed, 5)), 0, 1)
        foam = foam + 0.15 * smooth_step(0.2, 0.6, fbm(start * [0.7, 1.4] / 2, seed + 4, 5))
        mesh = surface(xy, 0.02 * fall.height * churn * fbm(start / (0.08 * fall.height + 0.1), seed + 8, 4))
        mesh.attributes.update(foam=foam.ravel(), from_x=start[..., 0].ravel(), from_y=start[..., 1].ravel())
        mesh.slots = (face_means(mesh, foam) > 0.5).astype(np.int32)
        return mesh

    kinds = water(
        stage,
        Surface.MOVING_WATER,
        0.02,
        (1, 0.8, 1),
        stage.rng.uniform(0, 0.5),
        (0.015, 0.04, 0.035),
        foam_size=0.06 * fall.height + 0.1,
        carried=stage.exact,
    )
    stage.moving(shape, kinds, fluid=stage.fluid(lambda xyz: np.pad(rate(xyz[..., :2]), ((0, 0), (0, 1)))))


def hills_around(stage: Stage, fall: Fall, lip: float):
    """Banks left and right of the pool, and where the camera stands."""
    seed = stage.seed32() % 1000
    rng = stage.rng
    opening = rng.uniform(0.9, 2.2) * (fall.width + 0.25 * fall.height) * (1.0 - 0.5 * fall.closing)
    start = rng.uniform(0.5, 3.0) if stage.chance(0.6) else -4.0
    rise = rng.uniform(0.2, 0.5) + 1.2 * fall.closing

    def bank(xy: np.ndarray) -> np.ndarray:
        along = np.clip(xy[..., 1] / fall.distance, 0, 1)
        aside = np.abs(xy[..., 0] - lip * along) - opening * (0.35 + 0.65 * along) * (
            1 + 0.25 * fbm(xy / (opening + 1), seed, 3)
        )
        near = start - xy[..., 1] + 0.5 * fbm(xy / 2, seed + 2, 3)
        land = np.maximum(rise * aside, np.minimum(0.3 * near, 0.45 * stage.camera.location[2]))
        land = np.minimum(land, 0.75 * fall.height) + 0.25 * ridged(xy / 1.7, seed + 5, 5) * (0.4 + 0.03 * fall.height)
        away = np.linalg.norm(xy, axis=-1)
        return np.minimum(land - 0.25, 0.45 * stage.camera.location[2] + 0.6 * np.maximum(away - 2, 0))

    return bank


def add_stones(stage: Stage, fall: Fall, bank, lip: float, kind: str) -> None:
    rng = stage.rng
    stone = mt.rock(stage, kind, wet=0.4, mossy=rng.choice([0.0, 0.4]))
    shapes = [stage.add(mesh, [stone], at=(0, -500, -50)).data for mesh in boulders(stage)]
    for _ in range(int(stage.log_uniform(8, 70))):
        y = stage.log_uniform(2, fall.distance)
        x = lip * y / fall.distance + rng.normal(0, 0.5) * (fall.width + 0.6 * y)
        size = stage.log_uniform(0.02, 0.14) * fall.height + rng.uniform(0.15, 0.6)
        if np.hypot(x, y) < 1.5 + size:
            continue
        z = max(float(bank(np.array([[x, y]]))[0]), -0.25 * size)
        stage.add(shapes[rng.integers(4)], at=(x, y, z), turn=rng.uniform(0, 6.3), scale=size)
