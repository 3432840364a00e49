"""Things indoors: vessels, fruit, books, furniture. Everything stands on z = 0 about the origin."""

from __future__ import annotations

import itertools

import bpy
import numpy as np

from ..classes import Layout, Surface
from . import materials as mt
from .bodies import Limb, melt
from .meshes import Mesh, box, grid_faces, joined, lathe, tube
from .noise import fbm
from .plants import cards
from .stage import Stage


def vessel(stage: Stage, height: float) -> tuple[Mesh, list[bpy.types.Material]]:
    """A vase, bottle, jug, bowl or cup."""
    rng = stage.rng
    kind = str(stage.pick("vase", "bottle", "bowl", "cup", "pot"))
    t = np.linspace(0, 1, 22)
    if kind == "bottle":
        radius = np.interp(t, [0, 0.05, 0.55, 0.72, 1], [0.13, 0.16, 0.16, 0.05, 0.045])
    elif kind == "bowl":
        radius = 0.25 + 0.75 * np.sqrt(t)
        height = height * 0.5
    elif kind == "cup":
        radius = 0.36 + 0.1 * t
        height = height * 0.5
    else:
        phase = rng.uniform(0, 1.5)
        radius = (
            0.18
            + rng.uniform(0.1, 0.25) * np.sin(np.pi * np.clip(t * 1.05 + 0.1 * phase, 0, 1)) ** 1.3
            + 0.05 * np.sin(6 * t + phase)
        )
    outer = [(float(r * height), float(z * height)) for r, z in zip(radius, t, strict=True)]
    inner = [(max(r - 0.03 * height, 0.004), z) for r, z in outer[:0:-1] if z > 0.06 * height]
    mesh = lathe([(0.003, 0.0), *outer, *inner, (0.003, 0.07 * height)], 32)
    if kind == "bottle" and stage.chance(0.7):
        colour = tuple(stage.pick((0.9, 0.95, 0.95), (0.15, 0.4, 0.18), (0.4, 0.2, 0.05), (0.2, 0.35, 0.6)))
        return mesh, [mt.glass(tint=colour)]
    if stage.chance(0.35):
        recipe = mt.striped([mt.dyes(stage)[1], (0.7, 0.66, 0.58)], 0.06 * height + 0.01)
    else:
        recipe = mt.mottled(mt.dyes(stage), 0.1)
    return mesh, [mt.material(Surface.OBJECT, Layout.UPRIGHT, recipe, rng.uniform(0.05, 0.6), 0.0008)]


def fruit(stage: Stage) -> tuple[Mesh, list[bpy.types.Material]]:
    """An apple, orange, lemon, pear, plum or pumpkin, of true size."""
    rng = stage.rng
    kind = str(stage.pick("apple", "orange", "lemon", "pear", "plum", "pumpkin"))
    radius = {"apple": 0.04, "orange": 0.04, "lemon": 0.03, "pear": 0.036, "plum": 0.024, "pumpkin": 0.12}[kind]
    polar = np.linspace(np.pi, 0, 24)
    r, z = np.sin(polar), np.cos(polar)
    if kind == "apple":
        z = z - 0.28 * np.exp(-((r / 0.28) ** 2)) * np.sign(z)
    elif kind == "lemon":
        z = z * 1.25 + 0.15 * np.sign(z) * np.exp(-((r / 0.2) ** 2))
    elif kind == "pear":
        z, r = z * 1.35, r * np.interp(z, [-1, 0, 1], [1, 1, 0.5])
    elif kind == "pumpkin":
        z = z * 0.75
    ball = lathe([(max(float(a), 0.001) * radius, float(b) * radius) for a, b in zip(r, z, strict=True)], 40)
    if kind == "pumpkin":
        angle = np.arctan2(ball.points[:, 1], ball.points[:, 0])
        ball.points[:, :2] *= (1 - 0.1 * np.abs(np.sin(angle * 5)) ** 0.5)[:, None]
    ball.points[:, 2] -= ball.points[:, 2].min()
    stalk = tube(
        np.array([[0, 0, ball.points[:, 2].max() * 0.85], [0.1 * radius, 0, ball.points[:, 2].max() * 1.2]]), 0.06 * radius, 5
    ).with_slot(1)
    skin = {
        "apple": [(0.35, 0.02, 0.02), (0.5, 0.25, 0.04), (0.2, 0.35, 0.05)],
        "orange": [(0.7, 0.2, 0.01), (0.75, 0.27, 0.02)],
        "lemon": [(0.75, 0.5, 0.03), (0.8, 0.6, 0.08)],
        "pear": [(0.4, 0.4, 0.06), (0.55, 0.42, 0.1)],
        "plum": [(0.08, 0.01, 0.06), (0.2, 0.04, 0.1)],
        "pumpkin": [(0.55, 0.16, 0.01), (0.7, 0.3, 0.03)],
    }[kind]
    own = lambda recipe: mt.material(Surface.OBJECT, Layout.UPRIGHT, recipe, rng.uniform(0.2, 0.45), 0.0004)
    return joined([ball, stalk]), [own(mt.mottled(skin, radius)), own(mt.flat((0.08, 0.05, 0.02)))]


def books(stage: Stage, count: int, lying: bool) -> tuple[Mesh, list[bpy.types.Material]]:
    rng = stage.rng
    parts, at = [], 0.0
    for index in range(count):
        thick, tall, deep = rng.uniform(0.015, 0.05), rng.uniform(0.18, 0.28), rng.uniform(0.13, 0.2)
        if lying:
            parts.append(
                box((tall, deep, thick), (rng.normal(0, 0.01), rng.normal(0, 0.01), at + thick / 2))
                .moved((0, 0, 0), rng.normal(0, 0.15))
                .with_slot(index % 4)
            )
        else:
            parts.append(box((thick, deep, tall), (at + thick / 2, 0, tall / 2)).with_slot(index % 4))
        at += thick + 0.001
    return joined(parts), [mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.flat(mt.dyes(stage)[1]), 0.6, 0.0) for _ in range(4)]


def bouquet(stage: Stage, height: float) -> tuple[Mesh, list[bpy.types.Material]]:
    """Flowers and leaves in a vase."""
    rng = stage.rng
    vase = lathe(
        [
            (0.001, 0),
            (0.2 * height, 0),
            (0.24 * height, 0.2 * height),
            (0.12 * height, 0.42 * height),
            (0.15 * height, 0.46 * height),
        ],
        28,
    )
    parts = [vase]
    tips = []
    for _ in range(rng.integers(7, 20)):
        out = rng.normal(0, 0.22, 2) * height
        tip = np.array([*out, height * rng.uniform(0.65, 1.05)])
        path = np.linspace(0, 1, 5)[:, None] ** [1.6, 1.6, 1] * (tip - [0, 0, 0.35 * height]) + [0, 0, 0.35 * height]
        parts.append(tube(path, 0.006 * height + 0.001, 4).with_slot(1))
        tips.append(tip)
        parts.append(cards(rng, path[2:4] + rng.normal(0, 0.01, (2, 3)), 0.2 * height, 0.05 * height, slot=1))
        heads = tip + rng.normal(0, 0.03 * height, (34, 3))
        parts.append(cards(rng, heads, 0.09 * height, 0.035 * height, slot=2 + int(rng.integers(2))))
    own = lambda recipe, through=0.0, kind=Surface.FOLIAGE: mt.material(
        kind, Layout.UPRIGHT, recipe, 0.5, 0.0, translucent=through
    )
    pot = own(mt.mottled(mt.dyes(stage), 0.08), 0.0, Surface.OBJECT)
    return joined(parts), [
        pot,
        own(mt.flat((0.05, 0.13, 0.03)), 0.2),
        own(mt.flat(mt.dyes(stage)[2]), 0.3),
        own(mt.flat(mt.dyes(stage)[1]), 0.3),
    ]


def statue(stage: Stage, height: float) -> tuple[Mesh, list[bpy.types.Material]]:
    """An abstract sculpture: a few melted limbs."""
    rng = stage.rng
    points = rng.normal(0, 0.16, (5, 3)) * [1, 1, 0.6] + np.linspace(0.05, 0.9, 5)[:, None] * [0, 0, 1.0]
    limbs = [Limb(a, b, rng.uniform(0.06, 0.16), rng.uniform(0.05, 0.12), 0) for a, b in itertools.pairwise(points)]
    mesh = melt(limbs, 0.03, 50)
    return Mesh(mesh.points * height, mesh.faces, smooth=True), [mt.thing(stage)]


def table(stage: Stage, width: float, depth: float, height: float) -> tuple[Mesh, list[bpy.types.Material]]:
    """Its top counts as a plane, its legs stand."""
    leg = stage.rng.uniform(0.04, 0.09)
    top = box((width, depth, 0.04), (0, 0, height - 0.02))
    legs = [
        box((leg, leg, height - 0.04), (x * (width / 2 - leg), y * (depth / 2 - leg), (height - 0.04) / 2)).with_slot(1)
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    recipe = mt.grained(mt.tones(stage, "wood"), 0.09)
    made = mt.material(Surface.OBJECT, Layout.PLANE, recipe, stage.rng.uniform(0.2, 0.6), 0.001)
    return joined([top, *legs]), [made, mt.variant(made, Surface.OBJECT, Layout.UPRIGHT)]


def chair(stage: Stage) -> tuple[Mesh, list[bpy.types.Material]]:
    parts = [box((0.44, 0.44, 0.05), (0, 0, 0.45))]
    parts += [box((0.04, 0.04, 0.45), (x * 0.19, y * 0.19, 0.22)) for x in (-1, 1) for y in (-1, 1)]
    parts += [box((0.04, 0.04, 0.5), (x * 0.19, 0.2, 0.72)) for x in (-1, 1)]
    parts += [box((0.4, 0.025, 0.09), (0, 0.2, z)) for z in (0.65, 0.8, 0.93)]
    return joined(parts), [mt.thing(stage)]


def sofa(stage: Stage, width: float) -> tuple[Mesh, list[bpy.types.Material]]:
    limbs = []
    for x in np.linspace(-width / 2 + 0.35, width / 2 - 0.35, max(int(width / 0.7), 1)):
        limbs += [
            Limb((x - 0.2, -0.2, 0.33), (x + 0.2, 0.1, 0.33), 0.17, 0.17, 0),
            Limb((x - 0.2, 0.3, 0.6), (x + 0.2, 0.3, 0.6), 0.2, 0.2, 0),
        ]
    limbs += [Limb((s * width / 2, -0.3, 0.42), (s * width / 2, 0.3, 0.42), 0.14, 0.14, 0) for s in (-1, 1)]
    limbs += [Limb((-width / 2, 0, 0.15), (width / 2, 0, 0.15), 0.15, 0.15, 0)]
    return melt(limbs, 0.02, 70), [mt.cloth(stage)]


def shelf(stage: Stage, width: float, height: float) -> tuple[Mesh, list[bpy.types.Material]]:
    rng = stage.rng
    rows = max(int(height / 0.38), 1)
    parts = [box((width, 0.28, 0.025), (0, 0, z)) for z in np.linspace(0.03, height, rows + 1)]
    parts += [box((0.025, 0.28, height), (x * width / 2, 0, height / 2)) for x in (-1, 1)]
    parts.append(box((width, 0.015, height), (0, 0.14, height / 2)))
    step = height / rows
    for row in range(rows):
        at = -width / 2 + 0.04
        while at < width / 2 - 0.1:
            thick, tall = rng.uniform(0.015, 0.06), step * rng.uniform(0.55, 0.85)
            if rng.random() < 0.12:
                at += rng.uniform(0.05, 0.3)
                continue
            parts.append(
                box((thick, 0.2, tall), (at + thick / 2, -0.02, 0.045 + row * step + tall / 2)).with_slot(
                    1 + int(rng.integers(4))
                )
            )
            at += thick + 0.002
    materials = [mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.grained(mt.tones(stage, "wood"), 0.09), 0.6, 0.001)]
    materials += [mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.flat(mt.dyes(stage)[1]), 0.6, 0.0) for _ in range(4)]
    return joined(parts), materials


def drapery(stage: Stage, width: float, height: float) -> tuple[Mesh, list[bpy.types.Material]]:
    """A curtain or cloth that hangs in folds in the plane y = 0, its foot at z = 0."""
    x, z = np.meshgrid(np.linspace(-0.5, 0.5, 120) * width, np.linspace(0, 1, 30) * height)
    seed = stage.seed32() % 1000
    y = (
        0.07
        * np.sin(x / width * stage.rng.uniform(15, 45) + 2 * fbm(np.stack([x * 2, z * 0.5], -1), seed, 2))
        * (1.1 - 0.5 * z / height)
    )
    made = mt.cloth(stage)
    return Mesh(np.stack([x, y, z], -1), grid_faces(*x.shape), smooth=True), [made]
