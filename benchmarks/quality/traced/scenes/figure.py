"""A woman on a beach, seen from behind, who holds her hat and looks out to sea at evening, where waves come in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from perception.scenes.classes import Layout, Surface
from perception.scenes.families.sea import add_sea
from perception.scenes.parts import materials as mt
from perception.scenes.parts.boats import boat
from perception.scenes.parts.bodies import Limb, melt
from perception.scenes.parts.meshes import Mesh, grid_faces, joined, lathe, tube
from perception.scenes.parts.noise import fbm
from perception.scenes.parts.sky import outdoors
from perception.scenes.parts.stage import Air, Stage
from perception.scenes.parts.terrain import add_ground

SKIN, HAIR = range(2)
LIMBS = (  # of a person 1.7 m tall who looks along +y
    Limb((0, 0.005, 1.60), (0, 0.0, 1.68), 0.068, 0.086, SKIN, 1.1),
    Limb((0, -0.02, 1.68), (0, -0.035, 1.62), 0.088, 0.085, HAIR, 1.05),
    Limb((0, -0.05, 1.62), (0.015, -0.075, 1.40), 0.062, 0.030, HAIR),
    Limb((0, -0.01, 1.42), (0, 0.0, 1.56), 0.050, 0.047, SKIN),
    Limb((0, 0, 1.10), (0, -0.005, 1.32), 0.105, 0.125, SKIN, 0.7),
    Limb((-0.115, -0.005, 1.375), (0.115, -0.005, 1.375), 0.062, 0.062, SKIN, 0.9),
    Limb((0.165, -0.005, 1.37), (0.215, -0.03, 1.10), 0.048, 0.038, SKIN),
    Limb((0.215, -0.03, 1.10), (0.225, 0.05, 0.86), 0.037, 0.026, SKIN),
    Limb((0.225, 0.05, 0.86), (0.225, 0.08, 0.76), 0.030, 0.020, SKIN),
    Limb((-0.165, -0.005, 1.38), (-0.37, 0.03, 1.49), 0.048, 0.038, SKIN),
    Limb((-0.37, 0.03, 1.49), (-0.245, 0.05, 1.69), 0.037, 0.026, SKIN),
    Limb((-0.245, 0.05, 1.69), (-0.175, 0.04, 1.745), 0.028, 0.020, SKIN),
    Limb((-0.08, 0, 0.90), (-0.09, 0, 0.08), 0.085, 0.045, SKIN),
    Limb((0.08, 0, 0.90), (0.09, 0.02, 0.08), 0.085, 0.045, SKIN),
)
# Of the dress: height, half its width, half its depth, how deep its folds are, metres.
DRESS = np.array(
    [
        (1.29, 0.150, 0.108, 0.000),
        (1.22, 0.150, 0.110, 0.002),
        (1.07, 0.128, 0.100, 0.003),
        (1.00, 0.150, 0.118, 0.008),
        (0.90, 0.188, 0.150, 0.014),
        (0.70, 0.235, 0.190, 0.024),
        (0.30, 0.330, 0.270, 0.045),
    ]
)


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(0.0, 0.0, 1.6), pitch=-0.03)
    outdoors(stage, ("dusk",), sun_behind=True)
    stage.air, stage.exposure = Air(1 / 25000, 900.0), 0.15
    seed = stage.seed32() % 1000

    def out(xy: np.ndarray) -> np.ndarray:
        return xy[..., 1] - 7.0 - 0.9 * fbm(xy / 9, seed, 3)

    def ground(xy: np.ndarray) -> np.ndarray:
        trodden = 0.03 * fbm(xy / 0.35, seed + 4, 4) + 0.05 * fbm(xy / 1.6, seed + 5, 3)
        return np.minimum(-0.05 * out(xy), 0.22) + trodden * np.clip(-out(xy) / 3, 0.1, 1)

    add_ground(stage, ground, mt.cover(stage, "sand"), near=0.4, far=80, steep_at=1.5)
    add_sea(stage, 4.5, np.radians(-80), out)
    for thing, worn in _woman(stage):
        stage.add(thing, worn, at=(0.36, 2.75, 0.2), turn=-0.35)
    yacht = boat(stage, "yacht")
    for x, y, turn in ((-38.0, 130.0, 1.2), (60.0, 240.0, 2.0)):
        stage.add(yacht, at=(x, y, 0), turn=turn)


def _woman(stage: Stage) -> list[tuple[Mesh, list]]:
    def own(recipe: mt.Recipe, rough: float, bump: float, translucent: float = 0.0):
        return mt.material(Surface.PERSON, Layout.UPRIGHT, recipe, rough, bump, translucent=translucent)

    skin = own(mt.mottled([(0.42, 0.22, 0.14), (0.52, 0.29, 0.19)], 0.06), 0.45, 0.0004)
    hair = own(mt.mottled([(0.022, 0.012, 0.007), (0.085, 0.045, 0.022)], 0.012, (3, 3, 0.3)), 0.35, 0.001)
    linen = own(mt.mottled([(0.36, 0.07, 0.045), (0.46, 0.10, 0.06)], 0.02, (1, 1, 4)), 0.9, 0.0015, translucent=0.12)
    straw = own(_plaited, 0.8, 0.0025)
    band = own(mt.flat((0.02, 0.02, 0.025)), 0.6, 0.0)
    over = np.array([(0.085, -0.100, 1.27), (0.092, -0.062, 1.40), (0.092, 0.03, 1.435), (0.08, 0.10, 1.3)])
    straps = [tube(over * (side, 1, 1), 0.008) for side in (-1, 1)]
    return [
        (melt(LIMBS, 0.012, 150), [skin, hair]),
        (_strands(stage), [hair]),
        (joined([_dress(stage), *straps]), [linen]),
        (_hat(), [straw, band]),
    ]


def _dress(stage: Stage) -> Mesh:
    z, angle = np.meshgrid(np.linspace(1.29, 0.30, 150), np.linspace(0, 2 * np.pi, 361)[:-1], indexing="ij")
    wide, deep, fold = (np.interp(z, DRESS[::-1, 0], DRESS[::-1, k]) for k in (1, 2, 3))
    seed = stage.seed32() % 1000
    down = np.clip(1.05 - z, 0, 1)
    round_ = np.stack([np.cos(angle), np.sin(angle)], -1)
    turned = np.concatenate([round_ * 2.3, (0.8 * z)[..., None]], -1)
    folds = fold * (1 - 2 * np.abs(fbm(turned, seed, 3)) + 0.4 * fbm(turned * 2.5, seed + 3, 2))
    creases = 0.004 * fbm(np.stack([angle * 2.5, z * 9], -1), seed + 5, 3)
    grow = folds + creases
    x = round_[..., 0] * (wide + grow) + 0.16 * down**1.6  # the breeze
    y = round_[..., 1] * (deep + grow) - 0.02
    hollow = 0.05 * np.exp(-(((angle - 1.5 * np.pi) / 0.5) ** 2)) * np.clip((z - 1.2) / 0.09, 0, 1)  # lower at the back
    return Mesh(np.stack([x, y, z - hollow], -1), grid_faces(*z.shape, closed=True), smooth=True)


def _strands(stage: Stage, count: int = 2000) -> Mesh:
    """Hair that falls down her back, some of it blown aside."""
    rng = stage.rng
    side, lift = rng.uniform(-1.15, 1.15, count), rng.uniform(-0.5, 0.7, count)
    root = np.stack([np.sin(side) * np.cos(lift), -np.cos(side) * np.cos(lift), np.sin(lift)], -1) * 0.094 + [0, -0.025, 1.655]
    length, loose = rng.uniform(0.20, 0.40, count), rng.exponential(0.35, count)
    t = np.linspace(0, 1, 12)[:, None]
    phase, waves = rng.uniform(0, 6.3, count), rng.uniform(6, 10, count)
    x = root[:, 0] * (1 - 0.45 * t) + 0.05 * t + 0.16 * np.minimum(loose, 1.2) * t**2 + 0.008 * np.sin(waves * t + phase) * t
    y = root[:, 1] + 0.012 * np.sin(np.pi * t) - 0.035 * t + 0.008 * np.cos(waves * t + phase) * t
    z = root[:, 2] - length * t + 0.10 * np.minimum(loose, 1.2) * t**2
    return joined([tube(np.stack([x[:, k], y[:, k], z[:, k]], -1), 0.0026 * (1.15 - t[:, 0]), 4) for k in range(count)])


def _hat() -> Mesh:
    brim = [(0.225, -0.016), (0.223, -0.013), (0.16, 0.0), (0.104, 0.006)]
    crown = [(0.101, 0.04), (0.098, 0.075), (0.088, 0.10), (0.06, 0.113), (0.001, 0.117)]
    straw = lathe(brim + crown, 96)
    x, y, z = straw.points.T
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    z = z + 0.5 * np.maximum(radius - 0.105, 0) * (0.22 * np.sin(2 * angle + 0.6) + 0.10 * np.sin(3 * angle))
    shell = Mesh(np.stack([x, y, z], -1), straw.faces, smooth=True)
    ribbon = lathe([(0.1065, 0.006), (0.1045, 0.03)], 96).with_slot(1)
    tilted = joined([shell, ribbon])
    c, s = np.cos(0.16), np.sin(0.16)  # back over the neck
    tilted.points = tilted.points @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]], np.float32) + np.float32([0, -0.015, 1.715])
    return tilted


def _plaited(n: mt.Nodes):
    """Straw sewn in rings."""
    rings = n.new("TexWave", wave_type="RINGS", rings_direction="Z")
    n.set(rings.inputs["Vector"], n.coordinates())
    rings.inputs["Scale"].default_value, rings.inputs["Distortion"].default_value = 32.0, 0.6
    straws = n.noise(0.006, 3)
    shade = n.mix(0.5, rings.outputs["Fac"], straws)
    return n.ramp(shade, [(0.30, 0.20, 0.09), (0.60, 0.45, 0.24), (0.74, 0.60, 0.36)], 0.2, 0.75), shade
