"""A waterfall over a mossy cliff into its pool: strands in free fall that tear, and spray that drifts before them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from perception.scenes.classes import Layout, Surface
from perception.scenes.parts import materials as mt
from perception.scenes.parts.cascade import Fall, add_pool, add_stones, brow, hills_around
from perception.scenes.parts.meshes import Mesh, grid_faces, sheet
from perception.scenes.parts.noise import fbm, ridged, smooth_step
from perception.scenes.parts.plants import forest, place, plant_data
from perception.scenes.parts.sky import outdoors
from perception.scenes.parts.smoke import mist
from perception.scenes.parts.stage import Air, Stage
from perception.scenes.parts.terrain import add_ground
from perception.scenes.parts.water import G

from ..strands import white_water

FALL = Fall(height=8.0, width=4.0, distance=19.0, tiers=1, closing=0.3)
LIP_X, LIP_BACK = 0.8, 1.3  # where the water leaves the rock: metres to the right, and behind the cliff's foot
LEDGES = ((1.5, 0.35), (2.9, 0.3), (4.6, 0.45), (6.3, 0.35))  # height, depth, metres


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(0.0, 0.0, 2.0), pitch=0.09)
    day = outdoors(stage, ("overcast",))
    stage.air, stage.exposure = Air(1 / 2000), -0.2
    seed = stage.seed32() % 1000

    def setback(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """How far behind the foot line the cliff's face lies: ledges, cracks, and a hollow behind the water."""
        uneven = z + 0.7 * fbm(np.stack([x / 3.5, 0 * x], -1), seed, 3)
        steps = sum(depth * smooth_step(level - 0.15, level + 0.15, uneven) for level, depth in LEDGES)
        blocks = 1.1 * (0.55 - ridged(np.stack([x / 3.4, z / 4.5], -1), seed + 1, 6))
        layers = 0.16 * fbm(np.stack([x / 2.2, z / 0.45], -1), seed + 2, 5)
        wings = -0.55 * np.maximum(np.abs(x - LIP_X) - 3.5, 0)
        behind = smooth_step(3.4, 2.1, np.abs(x - LIP_X))
        return (steps + blocks + wings) * (1 - behind) + (LIP_BACK + 0.25 * blocks) * behind + layers

    _add_cliff(stage, setback, seed)
    material = white_water(0.13)
    for width, thrown, torn in ((4.2, 0.6, 0.10), (3.7, 0.9, 0.20), (3.0, 1.2, 0.28)):
        _add_sheet(stage, material, LIP_X, width, thrown, torn)
    _add_sheet(stage, material, LIP_X + 2.75, 0.5, 0.5, 0.24)
    add_pool(stage, FALL, LIP_X)
    bank = hills_around(stage, FALL, LIP_X)
    add_ground(stage, bank, mt.cover(stage, "moss"), mt.cover(stage, "slate"), near=0.4, far=26, steep_at=0.9)
    add_stones(stage, FALL, bank, LIP_X, "slate")
    top = brow(FALL, LIP_X, FALL.height + 1.0)
    forest(stage, top, 90, FALL.distance + 4, FALL.distance + 26, tall=(4, 8), species=("broad", "conifer"), clear=1.8)
    forest(stage, bank, 40, 4.5, 18, tall=(0.4, 1.4), lowest=0.15, species=("bush",), clear=1.5)
    fern = plant_data(stage, "bush", palette="lush")
    for _ in range(60):
        x = LIP_X + stage.rng.choice([-1, 1]) * stage.rng.uniform(2.6, 11)
        level = stage.rng.choice([height for height, _ in LEDGES]) + stage.rng.normal(0, 0.2)
        y = FALL.distance + float(setback(np.array([x]), np.array([level + 0.2]))[0])
        place(stage, fern, np.array([x, y - 0.15, level]), stage.log_uniform(0.3, 0.9))
    for nearer, tall, thick in ((0.3, 3.2, 0.7), (1.3, 1.9, 0.6)):
        mist(stage, np.array([LIP_X, FALL.distance - nearer, 0.0]), 8.5, tall, thick, glow=0.8 * float(day.sky.mean()))


def _add_cliff(stage: Stage, setback, seed: int) -> None:
    x, t = np.meshgrid(LIP_X + np.linspace(-16, 16, stage.fine(260)), np.linspace(0, 1, stage.fine(120)))
    brink = 0.5 + 0.9 * fbm(np.stack([x / 2.5, 0 * x], -1), seed + 3, 4)
    rim = FALL.height + smooth_step(2.0, 3.0, np.abs(x - LIP_X)) * brink
    z = -0.5 + t * (rim + 0.5)
    y = FALL.distance + setback(x, z)
    mesh = Mesh(np.stack([x, y, z], -1), grid_faces(*x.shape), smooth=True)
    lying = np.gradient(y, axis=0) / np.maximum(np.gradient(z, axis=0), 1e-3)
    mesh.attributes["green"] = (smooth_step(0.1, 0.9, lying) * smooth_step(1.9, 3.2, np.abs(x - LIP_X))).ravel()
    mesh.attributes["damp"] = smooth_step(4.2, 1.8, np.abs(x - LIP_X)).ravel()
    stone = mt.layered(mt.tones(stage, "slate"), 0.9)
    dark = mt.mottled([tuple(0.35 * c for c in tone) for tone in mt.tones(stage, "slate")], 0.5)
    green = mt.mottled(mt.tones(stage, "moss"), 0.3)
    recipe = mt.blended(mt.blended(stone, green, "green", 0.3, size=0.6), dark, "damp", 0.3)
    stage.add(mesh, [mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.weathered(recipe, 6), 0.5, 0.05)])
    spread = np.stack(np.meshgrid(LIP_X + np.linspace(-30, 30, 60), np.zeros(8)), -1)
    level = brow(FALL, LIP_X, FALL.height + 1.0)(spread)
    recipe, surface = mt.cover(stage, "moss")
    plateau = sheet(level, (60, 60)).moved((LIP_X, FALL.distance + 30 + LIP_BACK, 0))
    stage.add(plateau, [mt.material(surface, Layout.PLANE, recipe)])


def _add_sheet(stage: Stage, material, middle: float, width: float, thrown: float, torn: float) -> None:
    """Water that leaves the lip at about ``thrown`` m/s and falls freely; ``torn`` of it is missing from the start."""
    lasts = np.sqrt(2 * FALL.height / G)
    since, across = np.meshgrid(
        np.linspace(-0.4, lasts, stage.fine(80)), np.linspace(-1, 1, stage.fine(round(30 + 35 * width))), indexing="ij"
    )
    seed = stage.seed32() % 1000

    def along(size: float, own: int) -> np.ndarray:
        return fbm(np.stack([across * width / size, 0 * across], -1), seed + own, 4)

    falling = np.maximum(since, 0)
    speed = thrown * (1 + 0.45 * along(0.7, 0))
    x = middle + across * width / 2 * (1 + 0.16 * falling) + 0.10 * along(0.5, 1) * falling
    y = FALL.distance + LIP_BACK - 0.25 - speed * since
    z = FALL.height + 0.06 + 0.10 * along(0.9, 2) - G / 2 * falling**2
    share = torn + 0.12 * smooth_step(0.5, 1.0, np.abs(across)) + 0.10 * (falling / lasts) ** 0.7

    def shape(time: float) -> Mesh:
        ropes = fbm(np.stack([across * width / 0.22, 1.6 * (since - time)], -1), seed + 5, 4)
        mesh = Mesh(np.stack([x, y + 0.09 * ropes, z], -1), grid_faces(*x.shape), smooth=True)
        mesh.attributes.update(
            across=(across * width * 0.6 + seed).ravel(), since=(0.5 * (since - time)).ravel(), torn=share.ravel()
        )
        return mesh

    def velocity(xyz: np.ndarray) -> np.ndarray:
        down = np.sqrt(2 * G * np.maximum(FALL.height - xyz[..., 2], 0))
        return np.stack([0 * down, 0 * down - thrown, -down], -1)

    stage.moving(shape, [material], fluid=stage.fluid(velocity))
