"""The open sea and its shores: swell, breakers, beaches, cliffs, far headlands."""

from __future__ import annotations

import numpy as np

from ..classes import Surface
from ..parts import materials as mt
from ..parts.camera import pick_camera
from ..parts.meshes import Mesh, face_means, polar_grid, surface
from ..parts.noise import fbm, smooth_step
from ..parts.rocks import boulders
from ..parts.sky import outdoors
from ..parts.stage import Stage
from ..parts.terrain import add_ground, mountains, scatter
from ..parts.water import spectrum, water


def build(stage: Stage) -> None:
    rng = stage.rng
    kind = str(rng.choice(["open", "beach", "rocky", "headland"], p=[0.3, 0.3, 0.2, 0.2]))
    high = stage.chance(0.25)
    stage.camera = pick_camera(rng, (8, 40) if high else (0.7, 4), (-0.35, -0.08) if high else (-0.2, 0.08), (0.55, 1.4))
    outdoors(stage, weights=(2, 3, 2, 2, 2, 1, 4, 1))
    wind = stage.log_uniform(2.5, 11)
    heading = rng.uniform(0, 2 * np.pi) if kind == "open" else -np.pi / 2 + rng.normal(0, 0.4)
    out = shore(stage, kind) if kind in ("beach", "rocky") else None
    add_sea(stage, wind, heading, out)
    if kind == "headland" or stage.chance(0.25):
        land = mountains(stage, stage.log_uniform(60, 700), stage.log_uniform(500, 2500), stage.log_uniform(300, 1500))
        sunk = rng.uniform(0.1, 0.35) * 200
        side = rng.choice([-1, 1])
        add_ground(
            stage,
            lambda xy: land(xy) * smooth_step(-0.2, 0.9, side * xy[..., 0] / np.maximum(xy[..., 1], 1)) - sunk,
            mt.cover(stage, str(stage.pick("meadow", "dry grass", "moss"))),
            mt.cover(stage, str(stage.pick(*mt.ROCKS))),
            near=200,
            far=9000,
        )
    if kind == "rocky" or stage.chance(0.2):
        wet = mt.rock(stage, wet=0.5, mossy=0.3)
        shapes = [stage.add(mesh, [wet], at=(0, -500, -50)).data for mesh in boulders(stage)]
        count = int(stage.log_uniform(4, 40))
        for x, y in scatter(stage, count, 3.5, 60):
            size = stage.log_uniform(0.4, 3.5) * max(1, np.hypot(x, y) / 15)
            stage.add(shapes[rng.integers(len(shapes))], at=(x, y, -0.25 * size), turn=rng.uniform(0, 6.3), scale=size)


def shore(stage: Stage, kind: str):
    """Adds the beach; returns the signed distance [...] of xy out from the water line, metres."""
    rng = stage.rng
    seed = stage.seed32() % 1000
    line, tilt = stage.log_uniform(2.5, 12), rng.normal(0, 0.5)
    slope = rng.uniform(0.03, 0.09) if kind == "beach" else rng.uniform(0.08, 0.3)

    def out(xy: np.ndarray) -> np.ndarray:
        return xy[..., 1] - line - tilt * xy[..., 0] - 1.6 * fbm(xy / 9, seed, 3) * line / 4

    def ground(xy: np.ndarray) -> np.ndarray:
        rough = 0.02 if kind == "beach" else 0.25
        rise = np.where(out(xy) < 0, np.minimum(-slope * out(xy), 0.35 * stage.camera.location[2]), -slope * out(xy))
        return rise + rough * fbm(xy / 1.3, seed + 5, 5)

    wet = mt.tones(stage, "sand" if kind == "beach" else "gravel")
    recipe = mt.blended(mt.mottled(wet, 0.7), mt.mottled([tuple(0.35 * c for c in tone) for tone in wet], 0.7), "wet", 0.1)
    masks = lambda xy, z, slope: {"wet": smooth_step(-2.5, 0.0, out(xy))}
    add_ground(
        stage, ground, (recipe, Surface.GROUND), near=0.3, far=120, masks=masks, steep_at=1.2, roughness=0.55, bump=0.02
    )
    return out


def add_sea(stage: Stage, wind: float, heading: float, out=None, far: float = 20000.0) -> None:
    """The sea in the camera's view; ``out`` is the distance from the water line, where waves shoal and break."""
    camera, rng = stage.camera, stage.rng
    rows, columns = stage.fine(420), stage.fine(260)
    xy = polar_grid(
        camera.location, camera.yaw, min(camera.half_angle + 0.15, 1.5), max(0.5, 0.4 * camera.location[2]), far, rows, columns
    )
    distance = np.linalg.norm(xy - np.array(camera.location[:2]), axis=-1)
    spacing = np.maximum(np.gradient(distance, axis=0), distance * 2 * camera.half_angle / columns)
    share = float(np.clip((wind - 4) * 0.006, 0, 0.06))
    swell = spectrum(stage, wind, heading, 22 * wind**2 / 9.81 * 0.5 + 12, foam_share=share)
    chop = spectrum(stage, 0.35 * wind, heading + rng.normal(0, 0.3), 9.0, foam_share=0.0)
    surf = None if out is None else breakers(stage)
    travel = swell.crest_speed() if stage.exact else swell.travel

    def shape(time: float) -> Mesh:
        h1, push1, foam = swell.at(time).at(xy, distance, spacing)
        h2, push2, _ = chop.at(time).at(xy, distance, spacing)
        z, push = h1 + 0.7 * h2, push1 + 0.7 * push2
        if out is not None:
            depth, start = out(xy), xy - travel * time
            calm = smooth_step(-1.0, 14, depth)
            breaker, white = surf(out(start), start)
            z, push = z * calm * 0.6 + breaker + 0.02 - 0.15 * smooth_step(0.5, -3, depth), push * calm[..., None]
            foam = np.maximum(foam * calm, white)
        mesh = surface(xy + push, z)
        start = xy + push - travel * time
        mesh.attributes.update(foam=foam.ravel(), from_x=start[..., 0].ravel(), from_y=start[..., 1].ravel())
        mesh.slots = (face_means(mesh, foam) > 0.5).astype(np.int32)
        return mesh

    clear = 0.35 if out is not None else 0.0
    smooth_at = 12 * camera.location[2] ** 0.5 if stage.exact else 0.0
    kinds = water(stage, Surface.MOVING_WATER, 0.02 * wind**0.5, clear=clear, carried=stage.exact, smooth_at=smooth_at)
    stage.moving(shape, kinds, fluid=stage.drift([*travel, 0.0]))


def breakers(stage: Stage):
    """Rollers parallel to the shore: height [...] and foam by the distance from the water line and xy."""
    rng = stage.rng
    seed = stage.seed32() % 1000
    at, size = rng.uniform(1.5, 4), stage.log_uniform(0.12, 0.9)
    rollers = []
    for _ in range(4):
        rollers.append((at, size, stage.seed32() % 1000))
        at += rng.uniform(4, 11)
        size *= rng.uniform(0.8, 1.25)

    def shape(depth: np.ndarray, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        wobble = depth + 1.2 * fbm(xy / 14, seed, 3)
        z, foam = np.zeros(depth.shape), np.zeros(depth.shape)
        for at, size, own in rollers:
            along = smooth_step(-0.25, 0.25, fbm(xy / 25, own, 2) + 0.1)
            width = 0.8 + 2.2 * size
            front, back = smooth_step(-0.35 * width, 0, wobble - at), smooth_step(width * 1.6, 0, wobble - at)
            z += size * along * front * back
            crest = front * smooth_step(0.7 * width, 0, wobble - at)
            wash = smooth_step(-4.0 * width, -0.3, wobble - at) * smooth_step(0.2, -0.3, wobble - at) * 0.55
            foam = np.maximum(foam, along * np.maximum(crest, wash))
        edge = smooth_step(-1.2, -0.3, wobble) * smooth_step(0.8, 0.0, wobble)
        return z, np.maximum(foam, 0.75 * edge)

    return shape
