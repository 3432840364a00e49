"""Rooms by daylight and lamplight: furniture, shelves, windows, stairs, people and pets, fireplaces."""

from __future__ import annotations

import numpy as np

from ..classes import Layout, Surface
from ..parts import furniture as fu
from ..parts import materials as mt
from ..parts.bodies import animal_data, person_data
from ..parts.camera import pick_camera
from ..parts.meshes import box, quad
from ..parts.sky import indoors
from ..parts.smoke import fire, plume
from ..parts.stage import Stage


def build(stage: Stage) -> None:
    rng = stage.rng
    stage.bounces = 3
    stage.samples = 10
    wide, deep, high = rng.uniform(2.8, 8), rng.uniform(3, 11), rng.uniform(2.3, 3.8)
    stage.camera = pick_camera(
        rng, (0.8, 1.8), (-0.28, 0.05), (0.8, 1.4), (rng.uniform(-0.25, 0.25) * wide, 0.35), float(rng.normal(0, 0.25))
    )
    daylight = stage.chance(0.6)
    shell(stage, wide, deep, high, daylight)
    warm = np.array([1.0, rng.uniform(0.6, 0.95), rng.uniform(0.3, 0.85)])
    if not daylight or stage.chance(0.4):
        for _ in range(int(rng.integers(1, 4))):
            at = (rng.uniform(-0.4, 0.4) * wide, rng.uniform(0.2, 0.85) * deep, high - rng.uniform(0.1, 0.9))
            stage.lamp("AREA", at, rng.uniform(15, 70), tuple(warm), size=rng.uniform(0.2, 0.9))
    stage.white = warm**0.6 if not daylight else np.ones(3)
    furnish(stage, wide, deep, high)


def shell(stage: Stage, wide: float, deep: float, high: float, daylight: bool) -> None:
    """Floor, ceiling and walls; windows in one side and perhaps behind."""
    rng = stage.rng
    floor = int(rng.integers(4))
    if floor == 0:
        recipe = mt.paved(mt.tones(stage, "wood"), 1.4, 0.14, (0.03, 0.02, 0.01), 0.004)
    elif floor == 1:
        size = stage.log_uniform(0.15, 0.6)
        recipe = mt.paved(mt.tones(stage, str(stage.pick("limestone", "slate", "brick"))), size, size)
    elif floor == 2:
        recipe = mt.striped([mt.dyes(stage)[1], mt.dyes(stage)[1]], 0.2, True)
    else:
        recipe = mt.mottled(mt.dyes(stage, saturation=(0, 0.4)), 0.4)
    ground = mt.material(Surface.GROUND, Layout.PLANE, recipe, rng.uniform(0.25, 0.9), 0.001)
    paint = (
        mt.mottled(mt.tones(stage, "plaster"), 2.0)
        if stage.chance(0.5)
        else mt.mottled(mt.dyes(stage, saturation=(0.05, 0.5)), 2.0)
    )
    if stage.chance(0.25):
        paint = mt.striped([mt.dyes(stage)[2], (0.6, 0.57, 0.5)], stage.log_uniform(0.05, 0.3), stage.chance(0.5))
    wall = mt.material(Surface.OBJECT, Layout.UPRIGHT, paint, 0.9, 0.001)
    ceiling = mt.material(Surface.OBJECT, Layout.PLANE, mt.flat((0.75, 0.74, 0.7)), 0.9, 0.0)
    a, b = -wide / 2, wide / 2
    stage.add(quad(((a, -2, 0), (b, -2, 0), (b, deep, 0), (a, deep, 0))), [ground])
    stage.add(quad(((a, -2, high), (a, deep, high), (b, deep, high), (b, -2, high))), [ceiling])
    stage.add(quad(((a, -2, 0), (b, -2, 0), (b, -2, high), (a, -2, high))), [wall])
    windows = rng.choice([-1, 1]) if daylight else 0
    for side in (-1, 1):
        wall_with_windows(
            stage, wall, np.array([side * wide / 2, -2.0]), np.array([side * wide / 2, deep]), high, side == windows
        )
    wall_with_windows(stage, wall, np.array([a, deep]), np.array([b, deep]), high, daylight and stage.chance(0.4))
    trim = mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.flat((0.5, 0.48, 0.45)), 0.5, 0.0)
    stage.add(box((wide, 0.03, 0.1), (0, deep - 0.015, 0.05)), [trim])
    if daylight:
        sky = np.array([0.75, 0.88, 1.0]) * rng.uniform(5, 9)
        indoors(tuple(sky / 8), 8.0)
        if stage.chance(0.6) and windows:
            stage.lamp(
                "SUN",
                (0, 0, 10),
                rng.uniform(15, 45),
                (1, 0.9, 0.75),
                angle=0.01,
                turn=(0, float(windows * rng.uniform(0.6, 1.2)), float(rng.normal(0, 0.4))),
            )
        stage.lamp("AREA", (0, 0.3 * deep, high - 0.05), 14.0, (0.9, 0.95, 1.0), size=min(wide, deep) * 0.8)
    else:
        indoors((0.02, 0.025, 0.04), 1.0)


def wall_with_windows(stage: Stage, wall, start: np.ndarray, end: np.ndarray, high: float, windows: bool) -> None:
    """An upright wall from start to end [2], perhaps pierced by windows with frames."""
    rng = stage.rng
    length = float(np.linalg.norm(end - start))
    along = (end - start) / length
    at = lambda s, z: (*(start + along * s), z)
    panel = lambda s0, s1, z0, z1: stage.add(quad((at(s0, z0), at(s1, z0), at(s1, z1), at(s0, z1))), [wall])
    if not windows:
        panel(0, length, 0, high)
        return
    count = max(int(length / rng.uniform(1.8, 3.2)), 1)
    wide, sill, head = length / count * rng.uniform(0.4, 0.7), rng.uniform(0.2, 1.0), high * rng.uniform(0.8, 0.95)
    panel(0, length, 0, sill)
    panel(0, length, head, high)
    frame = mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.flat((0.6, 0.58, 0.55)), 0.5, 0.0)
    turn = float(np.arctan2(along[1], along[0]))
    for index in range(count):
        middle = (index + 0.5) * length / count
        panel(index * length / count, middle - wide / 2, sill, head)
        panel(middle + wide / 2, (index + 1) * length / count, sill, head)
        for s, z, size in (
            (0, (sill + head) / 2, (0.05, 0.08, head - sill)),
            (0, sill, (wide, 0.2, 0.05)),
            (0, sill + 0.6 * (head - sill), (wide, 0.06, 0.04)),
        ):
            stage.add(box(size), [frame], at=at(middle + s, z), turn=turn)
        if stage.chance(0.4):
            for side in (-1, 1):
                mesh, materials = fu.drapery(stage, 0.25 * wide + 0.2, head)
                stage.add(mesh, materials, at=np.array(at(middle + side * wide * 0.55, 0.02)), turn=turn)


def furnish(stage: Stage, wide: float, deep: float, high: float) -> None:
    rng = stage.rng

    def put(made, x: float, y: float, z: float = 0.0, turn: float = 0.0):
        mesh, materials = made
        return stage.add(mesh, materials, at=(x, y, z), turn=turn)

    for side in (-1, 1):
        if stage.chance(0.5):
            put(
                fu.shelf(stage, rng.uniform(0.8, 1.8), rng.uniform(0.8, 2.1)),
                side * (wide / 2 - 0.16),
                rng.uniform(0.4, 0.9) * deep,
                0,
                -side * np.pi / 2,
            )
    if stage.chance(0.5):
        put(fu.shelf(stage, rng.uniform(0.8, 2.2), rng.uniform(0.7, 2.1)), rng.uniform(-0.3, 0.3) * wide, deep - 0.17)
    elif stage.chance(0.5):
        put(fu.sofa(stage, rng.uniform(1.2, 2.4)), rng.uniform(-0.25, 0.25) * wide, deep - 0.6)
    for _ in range(int(rng.integers(1, 3))):
        x, y = rng.uniform(-0.3, 0.3) * wide, rng.uniform(1.4, max(deep - 1.2, 1.6))
        w, d, h = rng.uniform(0.7, 1.8), rng.uniform(0.6, 1.0), float(stage.pick(0.45, 0.75, 0.75))
        turn = rng.normal(0, 0.2)
        put(fu.table(stage, w, d, h), x, y, 0, turn)
        for _ in range(int(rng.integers(1, 6))):
            made = stage.pick(
                lambda: fu.vessel(stage, rng.uniform(0.12, 0.35)),
                lambda: fu.fruit(stage),
                lambda: fu.books(stage, 4, True),
                lambda: fu.bouquet(stage, 0.4),
            )()
            put(made, x + rng.uniform(-0.35, 0.35) * w, y + rng.uniform(-0.35, 0.35) * d, h, rng.uniform(0, 6.3))
        for _ in range(int(rng.integers(0, 4))):
            angle = rng.uniform(0, 2 * np.pi)
            put(
                fu.chair(stage),
                x + np.cos(angle) * (w / 2 + 0.3),
                y + np.sin(angle) * (d / 2 + 0.3),
                0,
                angle - np.pi / 2 + rng.normal(0, 0.2),
            )
    for _ in range(int(rng.integers(0, 5))):
        frame = mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.grained(mt.tones(stage, "wood"), 0.05), 0.4, 0.0)
        art = mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.mottled([mt.dyes(stage)[1] for _ in range(4)], 0.2), 0.6, 0.0)
        w, h = rng.uniform(0.25, 0.9), rng.uniform(0.25, 0.8)
        x, z = rng.uniform(-0.42, 0.42) * wide, high * rng.uniform(0.5, 0.7)
        stage.add(box((w, 0.03, h)), [frame], at=(x, deep - 0.02, z))
        stage.add(box((w - 0.06, 0.02, h - 0.06)), [art], at=(x, deep - 0.035, z))
    if stage.chance(0.4):
        put(fu.statue(stage, rng.uniform(0.5, 1.6)), rng.uniform(-0.4, 0.4) * wide, rng.uniform(1.5, deep - 0.4), 0)
    if stage.chance(0.45):
        x, y = rng.uniform(-0.3, 0.3) * wide, rng.uniform(1.3, max(deep - 0.6, 1.5))
        stage.add(
            person_data(stage, str(stage.pick("standing", "walking", "arms up"))), at=(x, y, 0), turn=rng.uniform(0, 6.3)
        )
    if stage.chance(0.3):
        data, scale = animal_data(stage, str(stage.pick("dog", "cat")))
        stage.add(
            data,
            at=(rng.uniform(-0.3, 0.3) * wide, rng.uniform(1.2, max(deep - 0.5, 1.4)), 0),
            turn=rng.uniform(0, 6.3),
            scale=scale,
        )
    if stage.chance(0.15):
        x = rng.uniform(-0.3, 0.3) * wide
        stone = mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.courses(mt.tones(stage, "brick"), 0.22, 0.07), 0.9, 0.005)
        soot = mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.flat((0.01, 0.01, 0.01)), 1.0, 0.0)
        for offset, size in ((-0.65, (0.3, 0.5, 1.1)), (0.65, (0.3, 0.5, 1.1))):
            stage.add(box(size), [stone], at=(x + offset, deep - 0.25, 0.55))
        stage.add(box((1.7, 0.6, 0.25)), [stone], at=(x, deep - 0.28, 1.2))
        stage.add(box((1.0, 0.02, 1.1)), [soot], at=(x, deep - 0.05, 0.55))
        fire(stage, np.array([x, deep - 0.3, 0.05]), 0.7, 0.7, 3.0)
    elif stage.chance(0.1):
        plume(
            stage,
            np.array([rng.uniform(-0.2, 0.2) * wide, rng.uniform(1.2, 2.5), 0.8]),
            0.25,
            rng.uniform(0.5, 1.2),
            (0.9, 0.9, 0.9),
            0.1,
            0.3,
        )
