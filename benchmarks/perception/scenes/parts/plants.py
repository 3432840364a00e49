"""Trees, bushes, grass and reeds, grown at random and placed many times over."""

from __future__ import annotations

import bpy
import numpy as np

from ..classes import Layout, Surface
from . import materials as mt
from .meshes import Mesh, joined, tube
from .stage import Stage
from .terrain import Height, scatter

SPECIES = ("broad", "broad", "conifer", "conifer", "slender", "palm", "bare", "bush")


def cards(
    rng: np.random.Generator, centres: np.ndarray, length: float, width: float, droop: float = 0.0, slot: int = 1
) -> Mesh:
    """A leaf, two triangles folded along its rib, at each of centres [N, 3], in random directions."""
    count = len(centres)
    along = rng.normal(size=(count, 3))
    along[:, 2] = along[:, 2] * 0.7 - droop
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(along, rng.normal(size=(count, 3)))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    lift = np.cross(along, across) * width * 0.25
    size = rng.uniform(0.6, 1.3, (count, 1))
    base, tip = centres, centres + along * length * size
    middle = centres + along * length * 0.45 * size
    points = np.stack([base, middle + (across * width + lift) * size, tip, middle - (across * width - lift) * size], 1)
    index = np.arange(count)[:, None] * 4
    faces = np.concatenate([index + [0, 1, 2, -1], index + [0, 2, 3, -1]])
    faces[:, 3] = -1
    return Mesh(points, faces, np.full(len(faces), slot))


def _branch(
    rng: np.random.Generator, start: np.ndarray, heading: np.ndarray, length: float, wander: float, lift: float, steps: int = 6
):
    points = [start]
    direction = heading / np.linalg.norm(heading)
    for _ in range(steps):
        direction = direction + rng.normal(0, wander, 3) + [0, 0, lift]
        direction /= np.linalg.norm(direction)
        points.append(points[-1] + direction * length / steps)
    return np.array(points)


def grow(stage: Stage, species: str, leafy: float = 1.0) -> Mesh:
    """A plant some 1 m tall (to be scaled), bark in slot 0, leaves in slot 1; ``leafy`` scales the number of leaves."""
    rng = stage.rng
    if species == "conifer":
        return _conifer(rng, leafy)
    if species == "palm":
        return _palm(rng)
    if species == "bush":
        stems = [
            _branch(rng, np.zeros(3), np.array([*rng.normal(0, 0.6, 2), 1]), rng.uniform(0.5, 0.9), 0.2, 0.05)
            for _ in range(9)
        ]
        wood = [tube(stem, np.linspace(0.02, 0.004, len(stem)), 5) for stem in stems]
        twigs = np.concatenate([stem[2:] for stem in stems])
        around = twigs[rng.integers(len(twigs), size=int(1800 * leafy))] + rng.normal(0, 0.11, (int(1800 * leafy), 3))
        around[:, 2] = np.abs(around[:, 2])
        return joined([*wood, cards(rng, around, 0.06, 0.02)])
    slender = species == "slender"
    bole = rng.uniform(0.18, 0.4)
    trunk = _branch(rng, np.zeros(3), np.array([*rng.normal(0, 0.05, 2), 1]), 0.8, 0.06, 0.1, 9)
    thick = rng.uniform(0.010, 0.022) * (0.6 if slender else 1)
    wood = [tube(trunk, thick * np.linspace(1, 0.25, len(trunk)) * (1 + 0.8 * np.exp(-np.linspace(0, 30, len(trunk)))), 9)]
    ends = []
    for _ in range(rng.integers(9, 16)):
        at = rng.uniform(bole, 1.0)
        start = np.array([np.interp(at, np.linspace(0, 1, len(trunk)), trunk[:, axis]) for axis in range(3)])
        angle = rng.uniform(0, 2 * np.pi)
        heading = np.array([np.cos(angle), np.sin(angle), rng.uniform(0.2, 0.9) * (2.5 if slender else 1)])
        length = (0.42 if not slender else 0.3) * (1.15 - 0.7 * at)
        limb = _branch(rng, start, heading, length, 0.16, 0.06)
        wood.append(tube(limb, thick * 0.45 * np.linspace(1, 0.25, len(limb)), 5))
        for _ in range(4):
            fork = limb[rng.integers(2, len(limb))]
            twig = _branch(rng, fork, limb[-1] - limb[0] + rng.normal(0, 0.5 * length, 3), length * 0.6, 0.25, 0.02, 4)
            wood.append(tube(twig, thick * 0.16 * np.linspace(1, 0.3, len(twig)), 3))
            ends.append(twig[1:])
    if species == "bare":
        return joined(wood)
    tips = np.concatenate(ends)
    count = int(11000 * leafy)
    around = tips[rng.integers(len(tips), size=count)] + rng.normal(0, 0.036, (count, 3))
    return joined([*wood, cards(rng, around, 0.02, 0.0075, 0.25)])


def _conifer(rng: np.random.Generator, leafy: float) -> Mesh:
    trunk = np.stack([np.zeros(8), np.zeros(8), np.linspace(0, 1, 8)], 1)
    wood = [tube(trunk, np.linspace(0.014, 0.002, 8), 7)]
    start, spread, droop = rng.uniform(0.05, 0.25), rng.uniform(0.16, 0.3), rng.uniform(0.0, 0.5)
    needles = []
    for level in np.linspace(start, 0.97, 24):
        reach = spread * (1 - level) ** rng.uniform(0.7, 0.9) / (1 - start) + 0.01
        for angle in rng.uniform(0, 2 * np.pi) + np.arange(7) * (2 * np.pi / 7) + rng.normal(0, 0.2, 7):
            t = np.linspace(0, 1, 5)
            out = reach * rng.uniform(0.7, 1.1)
            limb = np.stack(
                [np.cos(angle) * out * t, np.sin(angle) * out * t, level - droop * out * t**1.5 + 0.1 * out * t**3], 1
            )
            needles.append(limb[rng.integers(1, 5, size=int(40 * leafy * (0.4 + 4 * reach)))])
    around = np.concatenate(needles)
    around = around + rng.normal(0, 0.012, around.shape)
    return joined([*wood, cards(rng, around, 0.026, 0.0042, 0.5)])


def _palm(rng: np.random.Generator) -> Mesh:
    lean = rng.normal(0, 0.15, 2)
    t = np.linspace(0, 1, 10)
    trunk = np.stack([lean[0] * t**2, lean[1] * t**2, 0.8 * t], 1)
    parts = [tube(trunk, 0.02 + 0.012 * np.exp(-8 * t), 8)]
    for angle in rng.uniform(0, 2 * np.pi, 16):
        reach, rise = rng.uniform(0.3, 0.45), rng.uniform(-0.1, 0.3)
        s = np.linspace(0, 1, 14)
        rib = trunk[-1] + np.stack([np.cos(angle) * reach * s, np.sin(angle) * reach * s, rise * s - 0.45 * s**2], 1)
        side = np.array([-np.sin(angle), np.cos(angle), 0])
        for sign in (-1, 1):
            tip = rib + (sign * side * 0.11 * np.sin(np.pi * s)[:, None] ** 0.6) - np.array([0, 0, 0.05])
            blade = np.stack([rib[:-1], tip[:-1], rib[1:]], 1)
            faces = np.arange(13 * 3).reshape(13, 3)
            parts.append(Mesh(blade, np.concatenate([faces, np.full((13, 1), -1)], 1), np.ones(13)))
    return joined(parts)


def wood_and_leaves(stage: Stage, species: str, palette: str | None = None, snowy: bool = False) -> list[bpy.types.Material]:
    """The two materials of a plant; both count as foliage."""
    bark = mt.material(
        Surface.FOLIAGE, Layout.UPRIGHT, mt.mottled(mt.tones(stage, "bark"), 0.15, (4, 4, 1)), 0.9, 0.01, per_object=0.2
    )
    palette = palette or (
        "conifer"
        if species == "conifer"
        else str(stage.rng.choice(["leaf", "lush", "autumn", "blossom"], p=[0.55, 0.25, 0.16, 0.04]))
    )
    shades = mt.tones(stage, palette)
    recipe = lambda n: (n.ramp(n.noise(0.12, 1), shades, 0.3, 0.7),) * 2
    if snowy:
        recipe = mt.blended(recipe, mt.flat((0.85, 0.88, 0.92)), 0.75, size=0.2)
    leaf = mt.material(Surface.FOLIAGE, Layout.UPRIGHT, recipe, 0.6, 0.0, translucent=0.3, per_object=0.35)
    return [bark, leaf]


def plant_data(
    stage: Stage, species: str, leafy: float = 1.0, palette: str | None = None, snowy: bool = False
) -> bpy.types.Mesh:
    """A plant's mesh with its materials, out of sight until placed."""
    return stage.add(grow(stage, species, leafy), wood_and_leaves(stage, species, palette, snowy), at=(0, -900, -200)).data


def place(stage: Stage, data: bpy.types.Mesh, at: np.ndarray, size: float) -> None:
    rng = stage.rng
    stage.add(
        data,
        at=at,
        turn=(rng.normal(0, 0.03), rng.normal(0, 0.03), rng.uniform(0, 6.3)),
        scale=(size * rng.uniform(0.85, 1.15),) * 2 + (size,),
    )


def forest(
    stage: Stage,
    height: Height,
    count: int,
    near: float,
    far: float,
    tall: tuple[float, float] = (5, 22),
    lowest: float = -np.inf,
    species: tuple[str, ...] | None = None,
    clear: float = 0.0,
    bias: float = 0.65,
    snowy: bool = False,
) -> None:
    """Trees of some kinds over the view, none below ``lowest`` metres nor within ``clear`` of the middle line."""
    rng, camera = stage.rng, stage.camera
    species = species or tuple(rng.choice(SPECIES, rng.integers(1, 4)))
    kinds = [(name, plant_data(stage, name, 0.8, snowy=snowy)) for name in species for _ in range(2)]
    base = stage.log_uniform(*tall)
    spots = scatter(stage, count, near, far, bias=bias)
    levels = height(spots)
    steepness = np.hypot(*(height(spots + step) - levels for step in ((1.0, 0.0), (0.0, 1.0))))
    for (x, y), z in zip(spots[steepness < 1.0], levels[steepness < 1.0], strict=True):
        aside = abs((x - camera.location[0]) * np.cos(camera.yaw) + (y - camera.location[1]) * np.sin(camera.yaw))
        name, data = kinds[rng.integers(len(kinds))]
        size = base * stage.log_uniform(0.6, 1.5)
        # Not around the camera: branches start at the ground on some, well above it on others.
        crown = (0.45 if name in ("conifer", "bush") else 0.15) * size + 0.5
        if z > lowest and aside > clear and np.hypot(x - camera.location[0], y - camera.location[1]) > crown:
            place(stage, data, np.array([x, y, z - 0.1]), size)


def tuft(rng: np.random.Generator, blades: int, height: float, spread: float, width: float, bend: float = 0.5) -> Mesh:
    """Blades [three quads each] that stand on a disc of radius ``spread``."""
    angle, radius = rng.uniform(0, 2 * np.pi, blades), spread * np.sqrt(rng.random(blades))
    base = np.stack([np.cos(angle) * radius, np.sin(angle) * radius, np.zeros(blades)], 1)
    lean = rng.normal(0, bend, (blades, 3)) * [1, 1, 0]
    side = np.cross(lean + rng.normal(0, 0.1, lean.shape), [0, 0, 1.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
    tall = height * rng.uniform(0.5, 1.2, (blades, 1))
    rows = []
    for t, w in ((0, 1.0), (0.4, 0.9), (0.75, 0.55), (1.0, 0.06)):
        spine = base + tall * (
            t * np.array([0, 0, 1.0]) + lean * t**2 * 0.6 - np.array([0, 0, 0.25]) * t**3 * np.abs(lean).sum(1, keepdims=True)
        )
        rows += [spine - side * width * w / 2, spine + side * width * w / 2]
    points = np.stack(rows, 1)
    index = np.arange(blades)[:, None, None] * 8
    faces = (index + np.array([[0, 1, 3, 2], [2, 3, 5, 4], [4, 5, 7, 6]])).reshape(-1, 4)
    return Mesh(points, faces)


def grass(
    stage: Stage,
    height: Height,
    palette: str,
    near: float = 0.6,
    far: float = 14.0,
    tall: float | None = None,
    patches: int = 700,
) -> None:
    """Tufts around the camera's feet."""
    rng = stage.rng
    tall = tall or stage.log_uniform(0.06, 0.6)
    blade = mt.material(
        Surface.FOLIAGE, Layout.PLANE, mt.mottled(mt.tones(stage, palette), 0.2), 0.6, 0.0, translucent=0.3, per_object=0.3
    )
    kinds = [
        stage.add(tuft(rng, 70, tall, 0.35 + 0.3 * tall, 0.006 + 0.012 * tall), [blade], at=(0, -900, -200)).data
        for _ in range(4)
    ]
    spots = scatter(stage, patches, near, far, bias=0.75)
    for (x, y), z in zip(spots, height(spots), strict=True):
        stage.add(kinds[rng.integers(4)], at=(x, y, z - 0.02), turn=rng.uniform(0, 6.3), scale=stage.log_uniform(0.6, 1.5))


def flowers(stage: Stage, height: Height, count: int, near: float = 0.8, far: float = 10.0, tall: float = 0.3) -> None:
    """Blooms on stalks, in one or two colours."""
    rng = stage.rng
    stalk = mt.material(Surface.FOLIAGE, Layout.PLANE, mt.flat((0.08, 0.16, 0.03)), 0.6, 0.0)
    kinds = []
    for _ in range(2):
        bloom = mt.material(
            Surface.FOLIAGE, Layout.PLANE, mt.flat(mt.dyes(stage, saturation=(0.4, 0.95))[2]), 0.6, 0.0, translucent=0.3
        )
        petals = int(rng.integers(5, 14))
        angle = np.arange(petals) * 2 * np.pi / petals
        out = np.stack([np.cos(angle), np.sin(angle), np.full(petals, 0.35)], 1) * 0.035
        side = np.stack([-np.sin(angle), np.cos(angle), 0 * angle], 1) * 0.02
        top = np.array([0, 0, tall])
        points = np.stack([np.zeros_like(out) + top, out * 0.7 + side + top, out + top, out * 0.7 - side + top], 1)
        head = Mesh(points, np.arange(4 * petals).reshape(-1, 4), np.ones(petals))
        stem = tube(np.array([[0, 0, 0], [0.02, 0, tall * 0.5], [0, 0, tall]]), 0.004, 4)
        kinds.append(stage.add(joined([stem, head]), [stalk, bloom], at=(0, -900, -200)).data)
    spots = scatter(stage, count, near, far, bias=0.8)
    for (x, y), z in zip(spots, height(spots), strict=True):
        stage.add(
            kinds[rng.integers(2)],
            at=(x, y, z),
            turn=(rng.normal(0, 0.2), rng.normal(0, 0.2), rng.uniform(0, 6.3)),
            scale=stage.log_uniform(0.6, 1.4),
        )


def reeds(stage: Stage, spots: np.ndarray, z: float) -> None:
    rng = stage.rng
    blade = mt.material(
        Surface.FOLIAGE,
        Layout.UPRIGHT,
        mt.mottled(mt.tones(stage, str(stage.pick("meadow", "dry grass"))), 0.4),
        0.6,
        0.0,
        translucent=0.25,
    )
    kinds = [stage.add(tuft(rng, 40, 1.3, 0.3, 0.018, 0.25), [blade], at=(0, -900, -200)).data for _ in range(3)]
    for x, y in spots:
        stage.add(kinds[rng.integers(3)], at=(x, y, z - 0.05), turn=rng.uniform(0, 6.3), scale=stage.log_uniform(0.5, 1.4))
