"""Table tops: vessels, fruit, flowers, books, cloth, candles and steaming cups, close by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..classes import Layout, Surface
from ..parts import furniture as fu
from ..parts import materials as mt
from ..parts.camera import pick_camera
from ..parts.meshes import box, lathe, quad, surface
from ..parts.noise import fbm
from ..parts.sky import indoors
from ..parts.smoke import fire, plume
from ..parts.stage import Stage


def build(stage: Stage) -> None:
    rng = stage.rng
    stage.bounces = 2
    stage.samples = 10
    stage.camera = pick_camera(rng, (0.16, 0.7), (0.0, 0.0), (0.5, 0.95), (rng.uniform(-0.2, 0.2), -rng.uniform(0.7, 1.0)))
    x, y, z = stage.camera.location
    look = np.array([rng.uniform(-0.1, 0.1) - x, rng.uniform(0.0, 0.25) - y, rng.uniform(0.06, 0.16) - z])
    pitch, yaw = np.arctan2(look[2], np.hypot(look[0], look[1])), np.arctan2(-look[0], look[1])
    stage.camera = replace(stage.camera, pitch=float(pitch), yaw=float(yaw))
    dark = stage.chance(0.3)
    indoors(tuple(np.array([0.8, 0.9, 1.0]) * (0.02 if dark else rng.uniform(0.15, 0.6))), 1.0)
    warm = (1.0, rng.uniform(0.65, 0.95), rng.uniform(0.4, 0.9))
    side = rng.choice([-1, 1])
    stage.lamp(
        "AREA",
        (side * rng.uniform(0.6, 1.6), rng.uniform(-0.6, 0.6), rng.uniform(0.6, 1.6)),
        rng.uniform(8, 40),
        warm,
        size=rng.uniform(0.1, 0.9),
        turn=(0.0, float(side * 0.9), 0.0),
    )
    stage.white = np.array(warm) ** 0.5
    backdrop(stage)
    spots: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(3, 13))):
        made = stage.pick(
            lambda: fu.vessel(stage, rng.uniform(0.1, 0.32)),
            lambda: fu.vessel(stage, rng.uniform(0.1, 0.32)),
            lambda: fu.fruit(stage),
            lambda: fu.fruit(stage),
            lambda: fu.fruit(stage),
            lambda: fu.books(stage, int(rng.integers(1, 6)), stage.chance(0.7)),
            lambda: fu.bouquet(stage, rng.uniform(0.2, 0.5)),
            lambda: fu.statue(stage, rng.uniform(0.15, 0.4)),
        )()
        mesh, materials = made
        radius = float(np.abs(mesh.points[:, :2]).max())
        for _ in range(12):
            x, y = rng.normal(0, 0.28), rng.uniform(-0.35, 0.6)
            if all(np.hypot(x - a, y - b) > radius + r for a, b, r in spots):
                stage.add(mesh, materials, at=(x, y, 0), turn=rng.uniform(0, 6.3))
                spots.append((x, y, radius))
                break
    if stage.chance(0.25):
        candle(stage, np.array([rng.uniform(-0.3, 0.3), rng.uniform(-0.1, 0.4), 0]))
    if stage.chance(0.25):
        thick = float(stage.pick(0.3, 0.3, 0.8))
        colour = (0.9, 0.92, 0.95) if stage.chance(0.6) else tuple(np.array(mt.dyes(stage)[2]) + 0.2)
        plume(
            stage,
            np.array([rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.3), 0.08]),
            rng.uniform(0.08, 0.25),
            rng.uniform(0.25, 0.6),
            colour,
            rng.normal(0, 0.2),
            thick,
            glow=0.0 if stage.chance(0.5) else rng.uniform(0.5, 2),
        )


def backdrop(stage: Stage) -> None:
    """The table, a cloth on it, and what stands behind."""
    rng = stage.rng
    kind = int(rng.integers(4))
    if kind == 0:
        recipe = mt.grained(mt.tones(stage, "wood"), 0.06)
    elif kind == 1:
        recipe = mt.striped([mt.dyes(stage)[1], (0.65, 0.62, 0.55)], stage.log_uniform(0.02, 0.08), True)
    elif kind == 2:
        recipe = mt.mottled(mt.tones(stage, str(stage.pick("limestone", "slate", "granite"))), 0.08)
    else:
        recipe = mt.mottled(mt.dyes(stage, saturation=(0, 0.6)), 0.1)
    top = mt.material(Surface.OBJECT, Layout.PLANE, recipe, rng.uniform(0.15, 0.8), 0.001)
    stage.add(quad(((-2, -1.2, 0), (2, -1.2, 0), (2, 0.8, 0), (-2, 0.8, 0))), [top])
    if stage.chance(0.4):
        x, y = np.meshgrid(np.linspace(-0.5, 0.5, 90), np.linspace(-0.35, 0.45, 80))
        xy = np.stack([x + rng.normal(0, 0.1), y], -1)
        z = 0.012 + 0.03 * np.abs(fbm(xy * 5, stage.seed32() % 1000, 3))
        cloth = mt.cloth(stage)
        sheet = surface(xy, z)
        sheet.faces = sheet.faces[:, ::-1]
        stage.add(sheet, [mt.variant(cloth, Surface.OBJECT, Layout.PLANE)], turn=rng.normal(0, 0.3))
    wall = rng.uniform(0.8, 2.5)
    if stage.chance(0.4):
        mesh, materials = fu.drapery(stage, 5.0, 2.5)
        stage.add(mesh, materials, at=(0, wall, -0.8))
    elif stage.chance(0.4):
        mesh, materials = fu.shelf(stage, 2.4, 2.2)
        stage.add(mesh, materials, at=(rng.normal(0, 0.2), wall + 0.4, -0.7))
        stage.add(
            box((8, 0.1, 4)),
            [mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.mottled(mt.tones(stage, "plaster"), 0.6))],
            at=(0, wall + 0.7, 0),
        )
    else:
        stage.add(
            box((8, 0.1, 4)),
            [mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.mottled(mt.dyes(stage, saturation=(0, 0.6)), 0.8))],
            at=(0, wall, 0),
        )


def candle(stage: Stage, at: np.ndarray) -> None:
    tall = stage.rng.uniform(0.06, 0.22)
    wax = mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.flat((0.75, 0.7, 0.6)), 0.5, 0.0, translucent=0.3)
    stage.add(lathe([(0.001, 0), (0.018, 0), (0.018, tall), (0.012, tall - 0.004), (0.001, tall - 0.006)], 16), [wax], at=at)
    fire(stage, at + [0, 0, tall], 0.018, 0.05, 6.0)
    stage.lamp("POINT", at + [0, 0, tall + 0.03], 1.5, (1, 0.55, 0.2), shadow_soft_size=0.01)
