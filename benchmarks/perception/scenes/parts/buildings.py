"""Houses, street furniture and vehicles."""

from __future__ import annotations

import bpy
import numpy as np

from ..classes import Layout, Surface
from . import materials as mt
from .meshes import Mesh, box, grid_faces, joined, lathe, quad, sphere
from .stage import Stage

WALL, GLASS, FRAME, ROOF, LIT = range(5)


def facade(rng: np.random.Generator, width: float, height: float, storey: float, bay: float, lit: float, shop: bool) -> Mesh:
    """A wall in the plane y = 0 seen from -y, x from 0 to ``width``, with recessed windows; slots as above."""
    parts = []
    columns, rows = max(int(width / bay), 1), max(int(height / storey), 1)
    bay, storey = width / columns, height / rows
    wide, tall = bay * rng.uniform(0.35, 0.65), storey * rng.uniform(0.45, 0.68)
    deep = rng.uniform(0.08, 0.25)
    sill = storey * rng.uniform(0.18, 0.3)
    for row in range(rows):
        for column in range(columns):
            x0, z0 = column * bay, row * storey
            ground = row == 0
            w = bay * 0.8 if ground and shop else wide
            h = storey * 0.75 if ground and shop else tall
            a, b = x0 + (bay - w) / 2, x0 + (bay + w) / 2
            c = z0 + (0.05 if ground and shop else sill)
            if ground and not shop and rng.random() < 0.25:
                c, h = z0 + 0.02, storey * 0.72
            d = min(c + h, z0 + storey * 0.95)
            x1, z1 = x0 + bay, z0 + storey
            for corners in (
                ((x0, 0, z0), (x1, 0, z0), (x1, 0, c), (x0, 0, c)),
                ((x0, 0, d), (x1, 0, d), (x1, 0, z1), (x0, 0, z1)),
                ((x0, 0, c), (a, 0, c), (a, 0, d), (x0, 0, d)),
                ((b, 0, c), (x1, 0, c), (x1, 0, d), (b, 0, d)),
                ((a, 0, c), (a, deep, c), (a, deep, d), (a, 0, d)),
                ((b, deep, c), (b, 0, c), (b, 0, d), (b, deep, d)),
                ((a, deep, d), (b, deep, d), (b, 0, d), (a, 0, d)),
                ((a, 0, c), (b, 0, c), (b, deep, c), (a, deep, c)),
            ):
                parts.append(quad(corners))
            parts.append(
                quad(((a, deep, c), (b, deep, c), (b, deep, d), (a, deep, d))).with_slot(LIT if rng.random() < lit else GLASS)
            )
            bar = 0.05
            middle = (a + b) / 2
            parts.append(box((bar, 0.04, d - c), (middle, deep - 0.02, (c + d) / 2)).with_slot(FRAME))
            parts.append(box((b - a, 0.04, bar), (middle, deep - 0.02, c + 0.65 * (d - c))).with_slot(FRAME))
            parts.append(box((b - a + 0.2, 0.16, 0.08), (middle, -0.04, c - 0.04)).with_slot(FRAME))
    for z in (height, storey):
        parts.append(box((width, 0.3, 0.2), (width / 2, -0.05, z)).with_slot(FRAME))
    return joined(parts)


def wall_material(stage: Stage) -> bpy.types.Material:
    kind = stage.rng.integers(4)
    if kind == 0:
        recipe = mt.courses(mt.tones(stage, "brick"), 0.25, 0.08)
    elif kind == 1:
        recipe = mt.courses(mt.tones(stage, str(stage.pick("limestone", "sandstone", "granite"))), 0.7, 0.35)
    else:
        colours = mt.tones(stage, "plaster") if stage.chance(0.5) else mt.dyes(stage, saturation=(0.1, 0.5))
        recipe = mt.weathered(mt.mottled(colours, 1.5), 12)
    return mt.material(Surface.OBJECT, Layout.UPRIGHT, recipe, 0.9, 0.01)


def house(
    stage: Stage, width: float, depth: float, height: float, lit: float = 0.0, shop: bool = False, gable: bool | None = None
) -> bpy.types.Object:
    """A house whose front is y = 0, x from 0 to ``width``, out of sight until moved."""
    rng = stage.rng
    storey, bay = rng.uniform(2.8, 3.8), rng.uniform(1.8, 3.6)
    front = facade(rng, width, height, storey, bay, lit, shop)
    side = facade(rng, depth, height, storey, bay, lit, False)
    parts = [
        front,
        side.moved((0, depth, 0), -np.pi / 2),
        side.moved((width, 0, 0), np.pi / 2),
        quad(((width, depth, 0), (0, depth, 0), (0, depth, height), (width, depth, height))),
    ]
    gable = stage.chance(0.6) if gable is None else gable
    if gable:
        rise, over = rng.uniform(0.25, 0.6) * depth, 0.35
        a, b, mid = -over, width + over, depth / 2
        parts += [
            quad(
                ((a, -over, height - 0.1), (b, -over, height - 0.1), (b, mid, height + rise), (a, mid, height + rise))
            ).with_slot(ROOF),
            quad(
                (
                    (b, depth + over, height - 0.1),
                    (a, depth + over, height - 0.1),
                    (a, mid, height + rise),
                    (b, mid, height + rise),
                )
            ).with_slot(ROOF),
            Mesh([(0, 0, height), (0, depth, height), (0, mid, height + rise)], [[0, 1, 2, -1]]),
            Mesh([(width, 0, height), (width, depth, height), (width, mid, height + rise)], [[0, 1, 2, -1]]),
            box((0.7, 0.6, 1.6), (width * rng.uniform(0.15, 0.85), mid, height + rise)),
        ]
    else:
        parts.append(box((width + 0.3, depth + 0.3, 0.3), (width / 2, depth / 2, height + 0.15)).with_slot(FRAME))
    roof = mt.courses(mt.tones(stage, str(stage.pick("roof", "slate", "soil"))), 0.3, 0.2, (0.05, 0.04, 0.04))
    glow = mt.glowing(Surface.OBJECT, Layout.UPRIGHT, (1.0, 0.66, 0.32), 0.6 if stage.night else 3.0)
    materials = [
        wall_material(stage),
        mt.pane(),
        mt.material(
            Surface.OBJECT,
            Layout.UPRIGHT,
            mt.flat(tuple(stage.pick((0.7, 0.68, 0.64), (0.12, 0.1, 0.09), (0.35, 0.3, 0.25)))),
            0.6,
            0.0,
        ),
        mt.material(Surface.OBJECT, Layout.UPRIGHT, roof, 0.8, 0.02),
        glow,
    ]
    return stage.add(joined(parts), materials, at=(0, -900, -300))


def street_lamp(stage: Stage, at: np.ndarray, height: float = 4.5, lit: bool = False) -> None:
    iron = mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.flat((0.03, 0.035, 0.03)), 0.4, 0.0)
    glow = mt.glowing(Surface.OBJECT, Layout.UPRIGHT, (1.0, 0.72, 0.4), 6.0) if lit else mt.glass()
    pole = lathe([(0.14, 0), (0.12, 0.5), (0.05, 0.6), (0.045, height), (0.15, height + 0.02), (0.02, height + 0.08)], 10)
    head = sphere((0.16, 0.16, 0.22), (0, 0, height + 0.28), 8).with_slot(1)
    cap = lathe([(0.22, height + 0.45), (0.03, height + 0.62)], 10)
    stage.add(joined([pole, head, cap]), [iron, glow], at=at)
    if lit:
        stage.lamp("POINT", np.asarray(at) + [0, 0, height + 0.28], 26.0 * height, (1.0, 0.7, 0.4), shadow_soft_size=0.2)


def car(stage: Stage) -> bpy.types.Mesh:
    """A car 4.3 m long that faces -y, out of sight until placed."""
    rng = stage.rng
    van = stage.chance(0.25)
    t = np.linspace(-2.15, 2.15, 26)
    roof = np.interp(
        t,
        [-2.15, -1.2, -0.55, 1.0, 1.75, 2.15],
        [0.72, 0.88, 1.42 if not van else 1.9, 1.42 if not van else 1.95, 0.95 if not van else 1.9, 0.8 if not van else 1.85],
    )
    profile = np.linspace(0, 1, 9)
    rows = []
    for y, top in zip(t, roof, strict=True):
        belly = 0.28
        half = 0.86 - 0.12 * (abs(y) / 2.15) ** 4
        z = belly + (top - belly) * np.sin(profile * np.pi / 2)
        lean = np.where(z > 0.9, (z - 0.9) * 0.35, 0)
        x = np.where(profile < 1, half - lean, 0.0)
        rows.append(np.concatenate([np.stack([-x, 0 * x + y, z], 1), np.stack([x, 0 * x + y, z], 1)[::-1]]))
    body = Mesh(np.stack(rows), grid_faces(len(t), 18), smooth=True)
    centre = body.points[body.faces].mean(1)
    window = (centre[:, 2] > 0.95) & (centre[:, 2] < (1.36 if not van else 1.75)) & (np.abs(centre[:, 1]) < 1.9)
    body.slots = window.astype(np.int32)
    tyre = lathe([(0.05, -0.1), (0.3, -0.1), (0.33, -0.06), (0.33, 0.06), (0.3, 0.1), (0.05, 0.1)], 20)
    parts = [body]
    for x in (-0.8, 0.8):
        for y in (-1.35, 1.3):
            wheel = Mesh(
                tyre.points[:, [2, 1, 0]] + np.float32([x, y, 0.33]),
                tyre.faces,
                np.full(len(tyre.faces), 2),
                smooth=True,
            )
            parts.append(wheel)
        parts.append(sphere((0.14, 0.05, 0.09), (x * 0.75, -2.12, 0.66), 6).with_slot(3))
        parts.append(sphere((0.12, 0.05, 0.09), (x * 0.8, 2.12, 0.75), 6).with_slot(4))
    paint = mt.dyes(stage, saturation=(0.0, 0.9))[1]
    own = lambda colour, rough, metal=0.0: mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.flat(colour), rough, 0.0, metal)
    lights = mt.glowing(Surface.OBJECT, Layout.UPRIGHT, (1, 0.95, 0.8), 8.0) if stage.night else own((0.8, 0.8, 0.8), 0.1)
    materials = [
        own(paint, rng.uniform(0.08, 0.3), 0.3),
        own((0.01, 0.012, 0.014), 0.05),
        own((0.015, 0.015, 0.015), 0.7),
        lights,
        own((0.4, 0.02, 0.02), 0.2),
    ]
    return stage.add(joined(parts), materials, at=(0, -900, -300)).data


def bench(stage: Stage) -> bpy.types.Mesh:
    slats = [box((1.6, 0.09, 0.035), (0, -0.2 + 0.11 * i, 0.45)) for i in range(4)]
    slats += [box((1.6, 0.03, 0.09), (0, 0.26 + 0.03 * i, 0.58 + 0.13 * i)) for i in range(3)]
    legs = [box((0.06, 0.5, 0.45), (x, 0.0, 0.22)).with_slot(1) for x in (-0.65, 0.65)]
    wood = mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.grained(mt.tones(stage, "wood"), 0.06), 0.7, 0.002)
    iron = mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.flat((0.03, 0.03, 0.03)), 0.5, 0.0)
    return stage.add(joined(slats + legs), [wood, iron], at=(0, -900, -300)).data


def bridge(stage: Stage, span: float, rise: float, width: float) -> bpy.types.Object:
    """An arched stone bridge along x over the origin, out of sight until moved."""
    t = np.linspace(-1, 1, 31)
    deck = rise * (1.35 - 0.35 * t**2)
    arch = np.where(np.abs(t) < 0.8, rise * np.sqrt(np.maximum(1 - (t / 0.8) ** 2, 0)), -0.5)
    parts = []
    for side in (-1, 1):
        y = side * width / 2
        for i in range(30):
            x0, x1 = t[i] * span / 2, t[i + 1] * span / 2
            parts.append(quad(((x0, y, arch[i]), (x1, y, arch[i + 1]), (x1, y, deck[i + 1] + 0.9), (x0, y, deck[i] + 0.9))))
    for i in range(30):
        x0, x1 = t[i] * span / 2, t[i + 1] * span / 2
        for level in (deck, arch):
            parts.append(
                quad(
                    (
                        (x0, -width / 2, level[i]),
                        (x1, -width / 2, level[i + 1]),
                        (x1, width / 2, level[i + 1]),
                        (x0, width / 2, level[i]),
                    )
                )
            )
    recipe = mt.weathered(mt.courses(mt.tones(stage, str(stage.pick("limestone", "granite", "brick"))), 0.6, 0.3), 8)
    return stage.add(joined(parts), [mt.material(Surface.OBJECT, Layout.UPRIGHT, recipe, 0.9, 0.02)], at=(0, -900, -300))
