"""The scenes. Lengths in metres or so, speeds in units per frame; the camera is the origin, the horizon as high as it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from . import stuff
from .caster import Ellipsoid, Plane, Vector, World
from .flows import Drift, Stream, Sway, around
from .stuff import beside, crown, drawn, either, ground, rectangle, ridge, without
from .textures import Array, Material, surface_noise

LOOP_FRAMES = 60
SWAYING = ("flag",)  # harmonic, no steady flow: `Truth.step_px` is the velocity at the photo's time

RIGHT, DOWN, AHEAD = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
SEA = ((-2.0, (0.03, 0.13, 0.2)), (0.0, (0.1, 0.29, 0.38)), (1.2, (0.3, 0.5, 0.55)), (2.4, (0.72, 0.8, 0.8)))
STREAM = ((-2.0, (0.07, 0.1, 0.08)), (0.0, (0.22, 0.28, 0.24)), (1.3, (0.5, 0.56, 0.53)), (2.4, (0.9, 0.92, 0.9)))
FALL = ((-2.0, (0.3, 0.37, 0.4)), (0.0, (0.63, 0.69, 0.72)), (1.5, (0.93, 0.95, 0.96)), (2.5, (1.0, 1.0, 1.0)))
ROCK = ((-2.0, (0.12, 0.11, 0.1)), (0.0, (0.36, 0.33, 0.3)), (1.0, (0.52, 0.48, 0.43)), (2.2, (0.7, 0.66, 0.6)))
GRASS = ((-2.0, (0.07, 0.12, 0.04)), (0.0, (0.22, 0.34, 0.1)), (1.0, (0.42, 0.5, 0.18)), (2.2, (0.66, 0.66, 0.34)))
LEAVES = ((-1.8, (0.03, 0.06, 0.03)), (0.0, (0.12, 0.23, 0.08)), (1.0, (0.28, 0.4, 0.13)), (2.2, (0.56, 0.62, 0.27)))
SNOW = ((-2.0, (0.17, 0.19, 0.24)), (-0.3, (0.36, 0.38, 0.43)), (0.3, (0.75, 0.78, 0.84)), (2.0, (0.97, 0.98, 1.0)))
BARK = ((-2.0, (0.06, 0.04, 0.03)), (0.0, (0.2, 0.14, 0.1)), (2.0, (0.4, 0.31, 0.23)))
WOOD = ((-2.0, (0.24, 0.14, 0.08)), (0.0, (0.45, 0.29, 0.17)), (2.0, (0.66, 0.47, 0.3)))
WALL = ((-2.0, (0.55, 0.5, 0.43)), (0.0, (0.66, 0.61, 0.53)), (2.0, (0.75, 0.7, 0.62)))
CLOTH = ((-2.0, (0.45, 0.06, 0.07)), (0.0, (0.68, 0.12, 0.12)), (2.0, (0.86, 0.3, 0.24)))
HAZE: Vector = (0.74, 0.8, 0.86)


@dataclass(frozen=True)
class SceneSpec:
    name: str
    world: World


def _level(y: float, material: Material, **more: object) -> Plane:
    """Level ground or water ``y`` below the camera; s runs right, t ahead."""
    return Plane((0.0, y, 0.0), RIGHT, AHEAD, material, **more)


def _upright(z: float, material: Material, **more: object) -> Plane:
    """A board that faces the camera; s runs right, t down, from the camera's axis."""
    return Plane((0.0, 0.0, z), RIGHT, DOWN, material, **more)


def _sky(
    seed: int, top: Vector = (0.3, 0.5, 0.8), low: Vector = (0.8, 0.86, 0.9), clouds: float = 0.7, z: float = 60.0
) -> Plane:
    return _upright(z, stuff.sky(seed, 0.9 * z, top, low, 0.3 * z, clouds))


def _stones(seed: int, places: list[tuple[float, float, float]], y: float) -> tuple[Ellipsoid, ...]:
    """Boulders ``(x, z, radius)`` that stand out of the level ``y``."""
    rng = np.random.default_rng(seed)
    rock = ground(seed, 1.3, ROCK, bumps=0.35)
    return tuple(
        Ellipsoid((x, y + 0.1 * r, z), (r, r * rng.uniform(0.55, 0.8), r * rng.uniform(0.9, 1.1)), rock) for x, z, r in places
    )


def _hills(seed: int, z: float, at: float, height: float, stops: tuple = LEAVES, roughness: float = 1.2) -> Plane:
    return _upright(z, ground(seed, 0.25 * z, stops), outline=ridge(seed, 1.1 * z, height, at, roughness))


def _trees(seed: int, z: float, trees: list[tuple[float, float, float]]) -> tuple[Plane, ...]:
    """Trees ``(s, top of the crown's middle t, radius)`` in one board: trunks, then crowns."""
    trunks = either(*(rectangle(s - 0.06 * r, s + 0.06 * r, t, 4.0) for s, t, r in trees))
    crowns = either(*(crown(seed + i, s, t, r, 2.2 * r) for i, (s, t, r) in enumerate(trees)))
    return (
        _upright(z + 0.02, ground(seed, 0.6, BARK, stretch=0.3), outline=trunks),
        _upright(z, ground(seed + 5, 1.6, LEAVES, bumps=0.4, slope=0.9), outline=crowns),
    )


def sea() -> SceneSpec:
    """Waves roll in past a reef."""
    waves = _level(1.5, stuff.water(11, 3.0, SEA), motion=Drift(0.004, -0.018))
    reef = _stones(
        14, [(-2.2, 7.5, 0.8), (-1.2, 6.6, 0.5), (-3.1, 9.0, 1.1), (2.6, 8.2, 0.6), (3.4, 9.5, 0.9), (1.0, 12.5, 0.7)], 1.5
    )
    cape = _hills(17, 34.0, 0.7, 2.0, ROCK)
    return SceneSpec("sea", World((_sky(10), cape, waves, *reef), (HAZE, 45.0), 0.06))


def river() -> SceneSpec:
    """A stream parts around boulders, between wooded banks."""
    stones = [(-0.6, 6.5, 0.45), (0.75, 8.0, 0.55), (0.35, 5.3, 0.3), (-1.2, 9.8, 0.5), (0.2, 12.0, 0.6)]
    flow = Stream(around([(x, z, 1.05 * r) for x, z, r in stones], 0.002, -0.02))
    stream = _level(1.5, stuff.water(21, 2.2, STREAM, stretch=0.6, glints=0.25), motion=flow)
    banks = tuple(
        _level(1.42, ground(23 + i, 2.0, GRASS), outline=beside(25 + i, sign * 2.1, sign, 9.0, 0.5))
        for i, sign in enumerate((-1, 1))
    )
    wood = (*_trees(30, 14.0, [(-5.0, -0.9, 1.7), (3.6, -1.1, 1.6), (6.0, -0.6, 2.0)]), *_trees(37, 8.5, [(-3.9, -1.0, 1.3)]))
    world = World(
        (_sky(20), _hills(27, 30.0, -2.0, 2.5), stream, *banks, *wood, *_stones(28, stones, 1.5)), (HAZE, 60.0), 0.13
    )
    return SceneSpec("river", world)


def waterfall() -> SceneSpec:
    """A fall between cliffs, faster the deeper it falls, and the pool that it feeds."""

    def falling(s: Array, t: Array) -> tuple[Array, Array]:
        return np.zeros_like(s), 0.012 + 0.007 * (t + 3.4)

    def spreading(s: Array, t: Array) -> tuple[Array, Array]:
        return 0.0025 * s, -0.004 - 0.0025 * np.maximum(9.0 - t, 0.0)

    fall = _upright(9.0, stuff.foam(41, 2.4, FALL), outline=rectangle(-1.15, 1.15, -3.4, 1.6), motion=Stream(falling))
    pool = _level(1.5, stuff.water(43, 2.4, STREAM, stretch=1.0), motion=Stream(spreading))
    cliff = _upright(9.2, ground(44, 2.6, ROCK, bumps=0.5))
    sides = tuple(
        _upright(8.4 - 0.5 * i, ground(46 + i, 2.2, ROCK, bumps=0.5), outline=beside(48 + i, sign * 1.25, sign, 5.0, 0.35))
        for i, sign in enumerate((-1, 1))
    )
    ferns = _upright(
        3.4, ground(52, 0.7, LEAVES), outline=either(crown(53, -1.5, 1.2, 0.6, 0.9), crown(54, 1.6, 1.0, 0.5, 0.8))
    )
    stones = _stones(50, [(-1.5, 6.6, 0.5), (1.3, 5.8, 0.4), (0.3, 7.2, 0.25)], 1.5)
    return SceneSpec("waterfall", World((cliff, fall, pool, *sides, *stones, ferns), None, 0.02))


def lake() -> SceneSpec:
    """A still lake under drifting ripples; the shore's reflection stays where it is."""
    slope = surface_noise(61, 2.0, slope=1.1, stretch=2.5, lowest=4.0)
    other = surface_noise(62, 2.0, slope=1.1, stretch=2.5, lowest=4.0)

    def ripples(s: Array, t: Array, w: Array) -> tuple[Array, Array]:
        return 0.006 * slope(s, t, w), 0.02 * other(s, t, w)

    surface = _level(1.5, stuff.water(63, 2.6, SEA, glints=0.15), motion=Drift(0.012, -0.004), mirror=0.55, ripples=ripples)
    shore = _level(1.46, ground(64, 2.2, GRASS), outline=lambda s, t, w: np.clip((t - 16.0 - 0.4 * s) / w + 0.5, 0, 1))
    wood = (*_trees(66, 19.0, [(-7.5, -0.6, 1.8), (-4.0, -0.3, 1.3), (2.0, -0.7, 1.9)]), *_trees(72, 24.0, [(7.0, -1.0, 2.4)]))
    near = _level(1.4, ground(76, 1.5, GRASS), outline=beside(77, -2.3, -1.0, 7.0, 0.6))
    return SceneSpec("lake", World((_sky(60), _hills(65, 40.0, -3.0, 3.5), surface, shore, *wood, near), (HAZE, 70.0), 0.05))


def clouds() -> SceneSpec:
    """Clouds pass behind a range of mountains."""
    drifting = _upright(
        60.0, stuff.sky(81, 45.0, (0.24, 0.43, 0.74), (0.55, 0.7, 0.88), 18.0, 0.9, 0.1), motion=Drift(0.09, 0.0)
    )
    ranges = (
        _hills(83, 42.0, -1.5, 5.0, SNOW, 1.35),
        _hills(84, 28.0, 0.5, 3.0, ROCK, 1.3),
        _hills(85, 17.0, 1.2, 0.9),
    )
    meadow = _level(1.5, ground(86, 1.8, GRASS))
    pines = (*_trees(88, 6.5, [(-2.6, 0.3, 0.9), (-1.7, 0.7, 0.55)]), *_trees(92, 9.0, [(3.3, 0.2, 0.9)]))
    return SceneSpec("clouds", World((drifting, *ranges, meadow, *pines), (HAZE, 80.0), -0.03))


def smoke() -> SceneSpec:
    """Smoke rises from a chimney before a wood; one sees through it."""
    density = surface_noise(101, 2.6, slope=1.35, stretch=0.7)
    plume = Stream(lambda s, t: (0.004 + 0.004 * np.sin(1.3 * t), np.full_like(t, -0.016)))

    def cone(s: Array, t: Array, w: Array) -> Array:
        wide = 0.3 + 0.42 * np.maximum(0.1 - t, 0)
        return np.where(t < 0.15, stuff.smooth(0.0, 0.8, 1 - np.abs(s + 0.35 - 0.12 * (0.15 - t)) / wide), 0).astype(
            np.float32
        )

    grey = ((-2.0, (0.42, 0.42, 0.44)), (0.0, (0.68, 0.68, 0.69)), (2.0, (0.9, 0.9, 0.89)))
    smoke_board = _upright(
        7.0,
        ground(104, 2.6, grey, bumps=0.1, slope=1.5),
        outline=cone,
        body_from=0.03,
        veil=lambda s, t, w: stuff.smooth(-1.1, 1.4, density(s, t, w)),
        motion=plume,
    )
    bricks = ground(106, 0.9, ((-2.0, (0.3, 0.12, 0.08)), (0.0, (0.5, 0.24, 0.17)), (2.0, (0.68, 0.44, 0.34))), slope=0.9)
    house = (
        _upright(8.0, ground(107, 1.4, WALL), outline=rectangle(-2.4, 1.8, 0.95, 1.6)),
        _upright(
            7.6,
            ground(108, 1.0, BARK, stretch=3.0),
            outline=lambda s, t, w: np.clip(
                np.minimum(1.0 - t, t - 0.35 - 0.5 * np.maximum(np.abs(s + 0.3) - 1.5, 0)) / w + 0.5, 0, 1
            ),
        ),
        _upright(7.2, bricks, outline=rectangle(-0.6, -0.1, 0.1, 0.9)),
    )
    wood = _trees(110, 16.0, [(-6.5, -0.6, 2.0), (-3.0, -1.2, 1.8), (1.0, -1.5, 2.2), (5.0, -0.8, 2.0), (7.5, -1.0, 2.0)])
    meadow = _level(1.5, ground(116, 1.6, GRASS))
    bush = _trees(118, 5.0, [(2.1, 0.9, 0.6)])
    world = World(
        (_sky(100, clouds=0.4), _hills(103, 30.0, -1.5, 2.0), meadow, *wood, *house, smoke_board, *bush), (HAZE, 60.0)
    )
    return SceneSpec("smoke", world)


def branches() -> SceneSpec:
    """Twigs close to the camera before a bay."""

    def paint(canvas: np.ndarray, scale: float) -> None:
        rng = np.random.default_rng(121)
        size = np.array([canvas.shape[1], canvas.shape[0]])
        for where, angle, length in (
            ((0, 0.15), 0.25, 0.55),
            ((1.0, 0.05), 2.75, 0.5),
            ((0.05, 1.0), -0.9, 0.4),
            ((0.9, 1.0), -2.0, 0.35),
        ):
            stuff.branch(canvas, rng, size * where, angle, length * size[0], 26)

    twigs = _upright(2.5, ground(122, 0.4, LEAVES, bumps=0.4), outline=drawn(paint, -1.5, -0.85, 3.0, 1.7))
    bay = _level(1.5, stuff.water(124, 2.6, SEA), motion=Drift(0.016, -0.008))
    world = World(
        (_sky(120), _hills(126, 30.0, 0.0, 2.2), bay, *_stones(127, [(1.8, 10.0, 0.8), (-2.6, 8.0, 0.6)], 1.5), twigs),
        (HAZE, 50.0),
        0.08,
    )
    return SceneSpec("branches", world)


def fence() -> SceneSpec:
    """A fence and a slack rope before a pond."""

    def paint(canvas: np.ndarray, scale: float) -> None:
        height, width = canvas.shape
        for x in np.linspace(0.06, 0.94, 7):
            cv2.line(canvas, (round(x * width), round(0.3 * height)), (round(x * width), height), 255, 34)
        for y in (0.42, 0.72):
            cv2.line(canvas, (0, round(y * height)), (width, round((y + 0.02) * height)), 255, 20, cv2.LINE_AA)
        x = np.linspace(0, width, 200)
        sag = 0.06 * height + 0.12 * height * np.cos(x / width * 6 * np.pi) ** 2
        cv2.polylines(canvas, [np.stack([x, sag], 1).round().astype(np.int32)], False, 255, 9, cv2.LINE_AA)

    rails = _upright(3.2, ground(131, 0.5, WOOD, stretch=3.0), outline=drawn(paint, -2.2, -0.5, 4.4, 2.0))
    pond = _level(1.5, stuff.water(132, 2.4, STREAM, stretch=2.0), motion=Stream(lambda s, t: (-0.004 * (t - 9.0), 0.004 * s)))
    far = _level(1.45, ground(134, 2.0, GRASS), outline=lambda s, t, w: np.clip((t - 14.0) / w + 0.5, 0, 1))
    near = _level(1.4, ground(135, 1.4, GRASS), outline=lambda s, t, w: np.clip((4.6 - t) / w + 0.5, 0, 1))
    world = World(
        (
            _sky(130),
            _hills(136, 35.0, -0.5, 2.5),
            pond,
            far,
            *_trees(138, 15.5, [(-4.5, -0.4, 1.6), (3.8, -0.3, 1.5)]),
            near,
            rails,
        ),
        (HAZE, 60.0),
        0.08,
    )
    return SceneSpec("fence", world)


def window() -> SceneSpec:
    """A room; through its window the sea and clouds that move."""
    pane = rectangle(-1.7, 1.5, -1.1, 0.5)
    bars = either(rectangle(-0.13, -0.07, -1.1, 0.5), rectangle(-1.7, 1.5, -0.33, -0.27))
    outside = (
        _upright(40.0, stuff.sky(141, 30.0, (0.28, 0.48, 0.78), (0.8, 0.87, 0.92), 9.0, 0.9, 0.2), motion=Drift(0.07, 0.0)),
        _level(
            3.0,
            stuff.water(142, 4.0, SEA),
            motion=Drift(0.0, -0.03),
            outline=lambda s, t, w: np.clip((t - 7.0) / w + 0.5, 0, 1),
        ),
    )

    def lamp(s: Array, t: Array) -> Array:
        return (0.72 + 0.4 * np.exp(-((s * s + t * t) / 6))).astype(np.float32)

    wall = stuff.shaded(ground(144, 2.0, WALL, bumps=0.08), lamp)

    def within(s: Array, t: Array, w: Array) -> Array:
        return np.clip((5.0 - s) / w + 0.5, 0, 1)

    boards = ground(145, 1.6, WOOD, stretch=0.15, bumps=0.15)
    room = (
        _upright(5.0, wall, outline=without(rectangle(-9, 9, -9, 9), pane)),
        _upright(4.95, ground(146, 0.8, WALL), outline=bars),
        Plane((0.0, 1.3, 0.0), RIGHT, AHEAD, boards, outline=lambda s, t, w: np.clip((5.0 - t) / w + 0.5, 0, 1)),
        Plane(
            (-2.3, 0.0, 0.0),
            AHEAD,
            DOWN,
            stuff.shaded(ground(147, 2.0, WALL, bumps=0.08), lambda s, t: 0.6 + 0.06 * s),
            outline=within,
        ),
        Plane(
            (2.3, 0.0, 0.0),
            AHEAD,
            DOWN,
            stuff.shaded(ground(148, 2.0, WALL, bumps=0.08), lambda s, t: 0.5 + 0.06 * s),
            outline=within,
        ),
    )
    table = (
        Plane((0.0, 0.75, 0.0), RIGHT, AHEAD, ground(150, 1.1, WOOD, stretch=4.0), outline=rectangle(-0.5, 1.5, 3.1, 4.0)),
        _upright(
            3.1, ground(151, 0.6, BARK), outline=either(rectangle(-0.45, -0.37, 0.75, 1.3), rectangle(1.37, 1.45, 0.75, 1.3))
        ),
        Ellipsoid((0.9, 0.6, 3.5), (0.2, 0.18, 0.2), ground(152, 0.5, CLOTH)),
    )
    return SceneSpec("window", World((*outside, *room, *table)))


def flag() -> SceneSpec:
    """A flag and tall grass swing in the wind: harmonic, not a flow."""
    weave = stuff.shaded(ground(161, 0.6, CLOTH, bumps=0.15), lambda s, t: 1 + 0.16 * np.sin(5.5 * s + 1.4 * t))
    banner = _upright(
        5.5,
        weave,
        outline=rectangle(-0.6, 1.1, -1.2, -0.1),
        motion=Sway(lambda s, t: 0.075 * np.clip((s + 0.6) / 1.7, 0, 1.3), LOOP_FRAMES),
    )
    pole = _upright(5.45, ground(162, 0.5, WOOD, stretch=0.2), outline=rectangle(-0.68, -0.6, -1.35, 2.0))

    def blades(canvas: np.ndarray, scale: float) -> None:
        rng = np.random.default_rng(163)
        height, width = canvas.shape
        for x in rng.uniform(0, width, 420):
            top = rng.uniform(0.05, 0.7) * height
            lean = rng.normal(0, 0.12) * height
            cv2.line(canvas, (round(x), height), (round(x + lean), round(top)), 255, int(rng.integers(5, 11)), cv2.LINE_AA)

    grass = _upright(
        3.4,
        ground(164, 0.5, GRASS),
        outline=drawn(blades, -2.2, 0.35, 4.4, 0.9),
        motion=Sway(lambda s, t: 0.07 * np.clip((1.05 - t) / 0.7, 0, 1) ** 2, LOOP_FRAMES),
    )
    meadow = _level(1.5, ground(165, 1.6, GRASS))
    bush = _trees(167, 11.0, [(-4.2, 0.1, 1.2), (3.4, 0.2, 1.1)])
    world = World((_sky(160), _hills(166, 30.0, 0.2, 2.0), meadow, *bush, banner, pole, grass), (HAZE, 60.0))
    return SceneSpec("flag", world)


def painting() -> SceneSpec:
    """A bay painted in few tones, flat and with brush strokes."""
    bay = _level(1.5, stuff.painted(stuff.water(171, 4.0, SEA, stretch=5.0), 172, 1.5), motion=Drift(0.014, -0.006))
    paint = stuff.painted
    backdrop = _upright(60.0, paint(stuff.sky(174, 50.0, (0.85, 0.55, 0.35), (0.97, 0.83, 0.55), 14.0, 0.6), 175, 25.0, 9))
    hills = (
        _upright(
            30.0,
            paint(ground(176, 12.0, ((-2, (0.3, 0.25, 0.4)), (2, (0.55, 0.4, 0.5))), slope=1.5), 177, 12.0),
            outline=ridge(177, 34.0, 2.0, 0.2),
        ),
        _upright(
            14.0,
            paint(ground(178, 6.0, LEAVES, slope=1.5), 179, 6.0),
            outline=lambda s, t, w: beside(180, 1.6, 1.0, 9.0, 0.6)(s, t, w) * ridge(181, 15.0, 0.9, 0.7)(s, t, w),
        ),
    )
    boat = (
        _upright(
            8.0,
            paint(ground(183, 2.0, WOOD, slope=1.5), 184, 1.0),
            outline=lambda s, t, w: (
                np.clip((0.55 - np.hypot((s + 1.3) / 1.5, t - 1.15)) / w + 0.5, 0, 1) * np.clip((t - 1.15) / w + 0.5, 0, 1)
            ),
        ),
        _upright(
            8.0,
            paint(ground(185, 3.0, ((-2, (0.8, 0.74, 0.62)), (2, (0.95, 0.92, 0.85))), slope=1.6), 186, 1.0),
            outline=lambda s, t, w: np.clip(np.minimum(1.05 - t, (t + 0.9) * 0.45 - np.abs(s + 1.2)) / w + 0.5, 0, 1),
        ),
    )
    return SceneSpec("painting", World((backdrop, *hills, bay, *boat), None, 0.08))


SCENES: dict[str, Callable[[], SceneSpec]] = {
    make.__name__: make for make in (sea, river, waterfall, lake, clouds, smoke, branches, fence, window, flag, painting)
}
