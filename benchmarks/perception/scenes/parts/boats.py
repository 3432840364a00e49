"""Boats: rowing boats, fishing cutters and sailing yachts; they float with the water line at z = 0 and point along +x."""

from __future__ import annotations

import bpy
import numpy as np

from ..classes import Layout, Surface
from . import materials as mt
from .meshes import Mesh, box, grid_faces, joined, tube
from .stage import Stage


def hull(length: float, beam: float, freeboard: float, draught: float, transom: float) -> Mesh:
    """A hull open at the top; ``transom`` is the stern's width relative to the beam."""
    t = np.linspace(0, 1, 30)
    half = (
        beam
        / 2
        * np.where(
            t < 0.45, transom + (1 - transom) * np.sin(t / 0.45 * np.pi / 2), np.cos((t - 0.45) / 0.55 * np.pi / 2) ** 0.75
        )
    )
    sheer = freeboard * (1 + 0.55 * (2 * t - 0.9) ** 2)
    angle = np.linspace(0, np.pi, 17)
    rows = []
    for x, wide, top in zip((t - 0.5) * length, half, sheer, strict=True):
        section = np.sin(angle) ** 0.7
        z = top - (top + draught) * section
        rows.append(np.stack([np.full(17, x + 0.06 * length * (x > 0) * (z > 0) * z / top), np.cos(angle) * wide, z], -1))
    outer = Mesh(np.stack(rows), grid_faces(30, 17), smooth=True)
    inner = outer.moved((0, 0, 0.06), 0, (0.97, 0.93, 0.92)).with_slot(1)
    stern = Mesh(rows[0], np.stack([np.zeros(15, int), np.arange(1, 16), np.arange(2, 17), np.full(15, -1)], 1))
    gunwale = [
        tube(
            np.stack([np.stack(rows)[:, side, 0], np.stack(rows)[:, side, 1], np.stack(rows)[:, side, 2]], -1),
            0.02 + 0.006 * beam,
            5,
        ).with_slot(2)
        for side in (0, 16)
    ]
    return joined([outer, inner, stern, *gunwale])


def boat(stage: Stage, kind: str) -> bpy.types.Mesh:
    """A rowing boat, cutter or yacht, out of sight until placed."""
    rng = stage.rng
    paint = lambda colour, rough=0.35: mt.material(
        Surface.OBJECT, Layout.UPRIGHT, mt.weathered(mt.flat(colour), 2), rough, 0.0
    )
    wood = mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.grained(mt.tones(stage, "wood"), 0.08), 0.35, 0.001)
    outside = wood if stage.chance(0.35) and kind == "rowing" else paint(mt.dyes(stage, saturation=(0.0, 0.8))[2])
    white, dark = paint((0.7, 0.7, 0.68)), mt.pane()
    materials = [outside, wood, white, dark]
    if kind == "rowing":
        length, beam = rng.uniform(3.2, 5), rng.uniform(1.3, 1.7)
        parts = [hull(length, beam, 0.38, 0.18, 0.6)]
        parts += [box((0.24, beam * 0.85, 0.03), (x * length, 0, 0.22)).with_slot(1) for x in (-0.28, -0.02, 0.2)]
        if stage.chance(0.6):
            parts += [tube(np.array([[-0.4, s * 0.3, 0.34], [1.3, s * 0.25, 0.36]]), 0.025, 5).with_slot(1) for s in (-1, 1)]
    elif kind == "cutter":
        length, beam = rng.uniform(7, 13), rng.uniform(2.6, 4)
        parts = [
            hull(length, beam, 0.9, 0.6, 0.75),
            box((length * 0.86, beam * 0.8, 0.05), (-0.04 * length, 0, 0.75)).with_slot(1),
        ]
        x, high = rng.uniform(-0.25, 0.15) * length, rng.uniform(1.6, 2.3)
        parts.append(box((length * 0.2, beam * 0.55, high), (x, 0, 0.75 + high / 2)).with_slot(2))
        parts.append(box((length * 0.205, beam * 0.5, 0.5), (x, 0, 0.7 + high * 0.72)).with_slot(3))
        parts.append(box((length * 0.16, beam * 0.56, 0.5), (x, 0, 0.7 + high * 0.72)).with_slot(3))
        parts.append(box((length * 0.23, beam * 0.62, 0.08), (x, 0, 0.8 + high)).with_slot(2))
        parts.append(tube(np.array([[x - 1, 0, 0.7], [x - 1, 0, 0.7 + 2.2 * high]]), 0.06, 6).with_slot(1))
        parts.append(tube(np.array([[x - 1, 0, 0.9 + high], [x - 0.45 * length, 0, 0.7 + 1.9 * high]]), 0.04, 6).with_slot(1))
    else:
        length, beam = rng.uniform(6, 13), rng.uniform(2.2, 3.6)
        mast = length * rng.uniform(1.1, 1.35)
        parts = [
            hull(length, beam, 0.75, 0.5, 0.7),
            box((length * 0.8, beam * 0.72, 0.04), (-0.05 * length, 0, 0.66)).with_slot(2),
        ]
        parts.append(box((length * 0.3, beam * 0.45, 0.45), (0.04 * length, 0, 0.85)).with_slot(2))
        parts.append(box((length * 0.22, beam * 0.46, 0.14), (0.04 * length, 0, 0.92)).with_slot(3))
        x = 0.1 * length
        parts.append(tube(np.array([[x, 0, 0.6], [x, 0, mast]]), 0.06, 6).with_slot(2))
        parts.append(tube(np.array([[x, 0, 1.6], [-0.4 * length, 0, 1.6]]), 0.05, 6).with_slot(2))
        for end in ((0.5 * length, 0, 0.9), (-0.48 * length, 0, 0.8), (x, beam / 2, 0.7), (x, -beam / 2, 0.7)):
            parts.append(tube(np.array([[x, 0, mast], end]), 0.012, 3).with_slot(3))
        if stage.chance(0.55):
            u, v = np.meshgrid(np.linspace(0, 1, 14), np.linspace(0, 1, 16))
            belly = np.sin(u * np.pi) * np.sin(v * np.pi * 0.9) * 0.09 * length * rng.choice([-1, 1])
            main = np.stack([x - 0.48 * length * u * (1 - v) ** 0.8, belly, 1.65 + v * (mast - 2.0)], -1)
            jib = np.stack(
                [x + 0.38 * length * (1 - v) * (1 - u) + 0 * u, belly * 0.8, 0.95 + v * (mast * 0.8 - 0.9) + 0 * u], -1
            )
            parts += [
                Mesh(main, grid_faces(16, 14), smooth=True).with_slot(4),
                Mesh(jib, grid_faces(16, 14), smooth=True).with_slot(4),
            ]
            materials.append(
                mt.material(Surface.OBJECT, Layout.UPRIGHT, mt.flat((0.75, 0.73, 0.68)), 0.8, 0.0, translucent=0.3)
            )
    return stage.add(joined(parts), materials, at=(0, -900, -300)).data
