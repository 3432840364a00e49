"""People and animals: capsules melted together by a smooth union, polygonised, each vertex dressed by the nearest limb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from skimage.measure import marching_cubes

from ..classes import Layout, Surface
from . import materials as mt
from .meshes import Mesh
from .stage import Stage


@dataclass(frozen=True)
class Limb:
    """A cone with round ends from a to b (metres), radii at both, and the material slot that it wears.

    ``flatten`` squashes it along y (front to back).
    """

    a: Sequence[float]
    b: Sequence[float]
    ra: float
    rb: float
    slot: int
    flatten: float = 1.0


def _distance(limb: Limb, points: np.ndarray) -> np.ndarray:
    a, b = np.array(limb.a, np.float32), np.array(limb.b, np.float32)
    scale = np.array([1, 1 / limb.flatten, 1], np.float32)
    middle = (a + b) / 2
    points = middle + (points - middle) * scale
    along = b - a
    t = np.clip((points - a) @ along / max(float(along @ along), 1e-9), 0, 1)
    return np.linalg.norm(points - a - t[..., None] * along, axis=-1) - (limb.ra + (limb.rb - limb.ra) * t)


def melt(limbs: Sequence[Limb], blend: float, cells: int = 78) -> Mesh:
    """Surface of the smooth union of limbs; ``blend`` is the width in metres over which they flow together."""
    ends = np.array([[*limb.a, limb.ra] for limb in limbs] + [[*limb.b, limb.rb] for limb in limbs])
    low, high = (ends[:, :3] - ends[:, 3:]).min(0) - 2 * blend, (ends[:, :3] + ends[:, 3:]).max(0) + 2 * blend
    step = float((high - low).max() / cells)
    axes = [np.arange(lo, hi + step, step, dtype=np.float32) for lo, hi in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    total = np.zeros(points.shape[:3], np.float32)
    for limb in limbs:
        total += np.exp(-np.clip(_distance(limb, points) / blend, -60, 60))
    vertices, faces, _, _ = marching_cubes(-blend * np.log(total + 1e-30), 0.0)
    vertices = vertices * step + low
    centres = vertices[faces].mean(1)
    # Small features lose ties, or the bulge that they melt into would wear their colour.
    wearer = np.argmin([_distance(limb, centres) + 0.9 * blend * (limb.ra < 0.02) for limb in limbs], axis=0)
    slots = np.array([limb.slot for limb in limbs])[wearer]
    return Mesh(vertices, np.concatenate([faces[:, ::-1], np.full((len(faces), 1), -1)], 1), slots, smooth=True)


SKIN, HAIR, SHIRT, TROUSERS, SHOES, EYES, LIPS = range(7)


def person_limbs(rng: np.random.Generator, pose: str, face: bool) -> list[Limb]:
    """A person 1.75 m tall who looks along -y, feet at z = 0. Poses: standing, walking, sitting, arms up."""
    build = rng.uniform(0.88, 1.18)
    long_hair, skirt, sleeves = rng.random() < 0.45, rng.random() < 0.3, rng.random() < 0.7
    hip = 0.92
    sit = pose == "sitting"
    drop = 0.46 if sit else 0.0
    limbs = [
        Limb((0, 0, hip), (0, 0.0, 1.15), 0.150 * build, 0.125 * build, TROUSERS if not skirt else SHIRT, 0.72),
        Limb((0, 0, 1.12), (0, 0.01, 1.34), 0.128 * build, 0.16 * build, SHIRT, 0.68),
        Limb((-0.13 * build, 0.01, 1.39), (0.13 * build, 0.01, 1.39), 0.075, 0.075, SHIRT, 0.9),
        Limb((0, 0.01, 1.42), (0, -0.005, 1.56), 0.055, 0.05, SKIN),
        Limb((0, -0.005, 1.60), (0, -0.0, 1.685), 0.068, 0.088, SKIN, 1.12),
        Limb((0, -0.045, 1.565), (0, -0.05, 1.60), 0.035, 0.05, SKIN),
        Limb((0, 0.02, 1.70), (0, 0.035, 1.66), 0.092, 0.092, HAIR, 1.1),
    ]
    if long_hair:
        limbs += [Limb((s * 0.06, 0.05, 1.66), (s * 0.075, 0.06, rng.uniform(1.35, 1.5)), 0.055, 0.045, HAIR) for s in (-1, 1)]
        limbs.append(Limb((0, 0.07, 1.66), (0, 0.085, rng.uniform(1.25, 1.5)), 0.07, 0.06, HAIR))
    if rng.random() < 0.2:
        limbs.append(Limb((0, 0.0, 1.735), (0, 0.0, 1.75), 0.15, 0.13, TROUSERS))
    swing = {"walking": 0.35, "standing": 0.04}.get(pose, 0.0) * rng.choice([-1, 1])
    for side in (-1, 1):
        step = swing * side
        shoulder = np.array([side * 0.185 * build, 0.01, 1.385])
        if pose == "arms up":
            elbow, hand = shoulder + [side * 0.14, -0.05, 0.24 * rng.uniform(0, 1)], shoulder + [side * 0.12, -0.15, 0.5]
        elif sit or rng.random() < 0.25:
            elbow, hand = shoulder + [side * 0.06, 0.02, -0.29], shoulder + [side * -0.02, -0.24, -0.38]
        else:
            elbow, hand = (
                shoulder + [side * 0.07, 0.02 + 0.5 * step, -0.29],
                shoulder + [side * 0.09, -0.05 + 0.9 * step, -0.54],
            )
        limbs += [
            Limb(shoulder, elbow, 0.058 * build, 0.044, SHIRT),
            Limb(elbow, hand, 0.042, 0.030, SHIRT if sleeves else SKIN),
            Limb(hand, hand + (hand - elbow) * 0.28, 0.034, 0.024, SKIN),
        ]
        top = np.array([side * 0.085, 0, hip - 0.02])
        if sit:
            knee = top + [side * 0.05, -0.42, 0.02]
            foot = knee + [0, -0.02, -0.42]
        else:
            knee = np.array([side * 0.095, -0.02 - 0.55 * step, 0.50])
            foot = np.array([side * 0.10, 0.02 - 1.1 * step, 0.08 + max(0.0, 0.25 * step)])
        bare = skirt and rng.random() < 0.6
        limbs += [
            Limb(top, knee, 0.088 * build, 0.06, TROUSERS if not skirt else SHIRT),
            Limb(knee, foot, 0.058, 0.042, SKIN if bare else TROUSERS),
            Limb(foot - [0, 0, 0.03], foot + [side * 0.02, -0.16, -0.045], 0.045, 0.032, SHOES),
        ]
    if skirt and not sit:
        limbs += [Limb((0, 0, 0.95), (0, 0, rng.uniform(0.35, 0.6)), 0.15, 0.22, SHIRT, 0.85)]
    if face:
        limbs += [
            Limb((0, -0.088, 1.655), (0, -0.118, 1.618), 0.010, 0.017, SKIN),
            Limb((-0.02, -0.098, 1.582), (0.02, -0.098, 1.582), 0.009, 0.009, LIPS),
            *(Limb((s * 0.030, -0.091, 1.652), (s * 0.036, -0.090, 1.652), 0.0085, 0.0085, EYES) for s in (-1, 1)),
            *(Limb((s * 0.018, -0.097, 1.675), (s * 0.048, -0.086, 1.676), 0.007, 0.005, HAIR) for s in (-1, 1)),
            *(Limb((s * 0.086, 0.012, 1.655), (s * 0.09, 0.016, 1.625), 0.018, 0.012, SKIN) for s in (-1, 1)),
        ]
    return [
        Limb(np.array(limb.a) - [0, 0, drop], np.array(limb.b) - [0, 0, drop], limb.ra, limb.rb, limb.slot, limb.flatten)
        for limb in limbs
    ]


def person_data(stage: Stage, pose: str | None = None, portrait: bool = False) -> bpy.types.Mesh:
    """A dressed person, out of sight until placed; ``portrait`` spends more polygons on face and shoulders."""
    rng = stage.rng
    limbs = person_limbs(rng, pose or str(stage.pick("standing", "walking", "walking", "sitting", "arms up")), True)
    if portrait:
        limbs = [limb for limb in limbs if max(limb.a[2], limb.b[2]) > 0.95]
    hair = mt.mottled(
        [
            tuple(v * k for v in stage.pick((0.01, 0.008, 0.006), (0.08, 0.04, 0.015), (0.3, 0.2, 0.08), (0.25, 0.24, 0.23)))
            for k in (0.6, 1.3)
        ],
        0.02,
        (6, 6, 1),
    )
    tone = np.array(mt.linear(mt.PALETTES["skin"][rng.integers(4)])) * rng.uniform(0.8, 1.1)
    own = lambda recipe, rough=0.8, bump=0.003: mt.material(Surface.PERSON, Layout.UPRIGHT, recipe, rough, bump)
    skin = mt.mottled([tuple(tone * [0.92, 0.85, 0.82]), tuple(tone)], 0.08)
    worn = [
        own(lambda n: (n.mix(0.25, skin(n)[0], tuple(tone)), skin(n)[1]), 0.5, 0.0005),
        own(hair, 0.5),
        mt.cloth(stage, Surface.PERSON),
        mt.cloth(stage, Surface.PERSON),
        own(mt.flat(mt.dyes(stage, saturation=(0, 0.4))[0]), 0.4),
        own(mt.flat((0.01, 0.008, 0.007)), 0.1, 0.0),
        own(mt.flat(tuple(tone * [0.85, 0.45, 0.42])), 0.4, 0.0),
    ]
    mesh = melt(limbs, 0.012, 160 if portrait else 100)
    return stage.add(mesh, worn, at=(0, -900, -300)).data


def four_legged(rng: np.random.Generator, kind: str) -> tuple[list[Limb], float]:
    """An animal that looks along -y, 1 m at the shoulder, and its true height in metres. Slots: coat, dark, second coat."""
    size, body, belly, neck, head, leg, ears = {
        "dog": (0.55, 1.15, 0.22, 0.35, 0.16, 0.07, 0.12),
        "cat": (0.28, 1.35, 0.24, 0.20, 0.19, 0.08, 0.11),
        "horse": (1.55, 1.05, 0.24, 0.60, 0.15, 0.06, 0.10),
        "cow": (1.40, 1.25, 0.29, 0.28, 0.17, 0.08, 0.12),
        "sheep": (0.75, 1.10, 0.33, 0.20, 0.14, 0.06, 0.08),
        "deer": (1.10, 1.00, 0.20, 0.50, 0.12, 0.045, 0.12),
        "bear": (1.20, 1.20, 0.36, 0.20, 0.20, 0.12, 0.08),
        "elephant": (2.8, 1.00, 0.38, 0.18, 0.26, 0.13, 0.30),
    }[kind]
    graze = kind in ("horse", "cow", "sheep", "deer") and rng.random() < 0.4
    half, top = body / 2, 1.0 - belly * 0.8
    rise = -0.55 if graze else rng.uniform(0.6, 1.0)
    shoulder = np.array([0, -half, top])
    nape = shoulder + np.array([0, -neck * 0.7, neck * rise])
    nose = nape + np.array([0, -head * 1.9, -head * (1.0 if not graze else 1.4)])
    limbs = [
        Limb((0, half * 0.9, top), (0, 0, top - 0.02), belly * 0.95, belly, 0),
        Limb((0, 0, top - 0.02), shoulder, belly, belly * 0.98, 0),
        Limb(shoulder, nape, belly * 0.62, head * 0.72, 2),
        Limb(nape, (nape + nose) / 2, head, head * 0.75, 2),
        Limb((nape + nose) / 2, nose, head * 0.7, head * 0.48, 2),
        Limb((0, half + belly * 0.7, top + 0.05), (0, half + belly * 1.2, top - rng.uniform(0.0, 0.5)), 0.05, 0.035, 1),
        Limb(nose, nose + [0, -0.03, 0], head * 0.3, head * 0.3, 1),
    ]
    stride = rng.uniform(0, 0.16)
    for side in (-1, 1):
        ear = nape + np.array([side * head * 0.75, 0.02, head * 0.7])
        limbs.append(
            Limb(
                ear,
                ear + [side * ears * (0.9 if kind == "elephant" else 0.3), 0, -ears if kind == "elephant" else ears],
                ears * 0.4,
                ears * 0.2,
                1,
            )
        )
        limbs.append(
            Limb(
                nape + [side * head * 0.62, -head * 0.75, head * 0.25],
                nape + [side * head * 0.62, -head * 0.8, head * 0.25],
                0.02,
                0.02,
                1,
            )
        )
        for y, sign in ((-half * 0.92, 1), (half * 0.9, -1)):
            hip, swing = np.array([side * belly * 0.55, y, top - belly * 0.3]), stride * side * sign
            knee = np.array([side * belly * 0.6, y + swing * 0.5 + (0.05 if y > 0 else 0), top * 0.45])
            foot = np.array([side * belly * 0.6, y + swing, leg])
            limbs += [
                Limb(hip, knee, leg * 1.9, leg * 1.1, 0),
                Limb(knee, foot, leg * 1.05, leg * 0.85, 2),
                Limb(foot, foot - [0, 0.02, leg * 0.3], leg, leg, 1),
            ]
    if kind == "elephant":
        limbs.append(Limb(nose, nose + [0, -0.12, -0.55], head * 0.35, head * 0.15, 2))
    return limbs, size


def bird(rng: np.random.Generator, kind: str) -> tuple[list[Limb], float]:
    """A water bird or song bird that looks along -y, its body's underside at z = 0."""
    neck = {"duck": 0.25, "swan": 0.75, "gull": 0.12, "sparrow": 0.08}[kind]
    size = {"duck": 0.35, "swan": 0.8, "gull": 0.35, "sparrow": 0.12}[kind]
    bend = np.array([0, -0.45 - 0.1 * neck, 0.25 + neck * 0.6])
    head = bend + np.array([0, -0.05, neck * 0.45 + 0.1])
    limbs = [
        Limb((0, 0.35, 0.28), (0, -0.25, 0.2), 0.14, 0.25, 0, 1.0),
        Limb((0, 0.35, 0.28), (0, 0.75, 0.38), 0.13, 0.03, 2),
        Limb((0, -0.35, 0.25), bend, 0.15, 0.085, 0),
        Limb(bend, head, 0.085, 0.08, 2),
        Limb(head, head + [0, -0.06, 0], 0.10, 0.09, 2),
        Limb(head + [0, -0.1, -0.01], head + [0, -0.26, -0.04], 0.045, 0.02, 1),
        *(Limb((s * 0.19, -0.2, 0.28), (s * 0.12, 0.5, 0.34), 0.12, 0.04, 2) for s in (-1, 1)),
        *(Limb(head + [s * 0.075, -0.06, 0.03], head + [s * 0.08, -0.06, 0.03], 0.018, 0.018, 3) for s in (-1, 1)),
    ]
    return limbs, size


QUADRUPEDS = ("dog", "cat", "horse", "cow", "sheep", "deer", "bear", "elephant")
BIRDS = ("duck", "swan", "gull", "sparrow")


def animal_data(stage: Stage, kind: str) -> tuple[bpy.types.Mesh, float]:
    """An animal, out of sight until placed, and the scale that makes it life-size."""
    rng = stage.rng
    limbs, size = bird(rng, kind) if kind in BIRDS else four_legged(rng, kind)
    base = {"swan": "plaster", "gull": "plaster", "elephant": "granite", "sheep": "plaster"}.get(kind, "fur")
    colours = mt.tones(stage, base, 0.05)
    first, second = (colours[i] for i in rng.permutation(4)[:2]) if base == "fur" else (colours[2], colours[3])
    patches = stage.chance(0.4) and base == "fur"
    coat = mt.mottled([tuple(0.7 * v for v in first), first], 0.05, (3, 1, 3))
    if patches:
        coat = mt.blended(coat, mt.flat((0.7, 0.66, 0.6)), 0.8, size=0.5)
    own = lambda recipe, bump=0.01, rough=0.85: mt.material(Surface.ANIMAL, Layout.UPRIGHT, recipe, rough, bump)
    beak = (0.5, 0.2, 0.02) if kind in BIRDS else tuple(0.25 * v for v in first)
    worn = [
        own(coat),
        own(mt.flat(beak), 0.0, 0.4),
        own(mt.mottled([second, first], 0.1)),
        own(mt.flat((0.01, 0.01, 0.01)), 0.0, 0.1),
    ]
    return stage.add(melt(limbs, 0.028, 84), worn, at=(0, -900, -300)).data, size
