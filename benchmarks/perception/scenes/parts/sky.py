"""Daylight and night: the sky's radiance, the sun, clouds and haze, as one weather."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ..classes import Layout, Surface
from .clouds import DOME_M, CloudLayer, add_clouds
from .materials import Nodes, glowing
from .meshes import sphere
from .stage import Air, Stage

# What a white surface that faces the sun shows, and the mean sky, by elevation in degrees, as Blender's Nishita sky renders.
_ELEVATIONS = (0, 1, 5, 15, 40, 70)
_SUN = ((1, 0.2, 0), (4.4, 1.15, 0.02), (22.6, 11.8, 2.5), (38.6, 28, 15.5), (46, 37.5, 28.3), (48, 40, 32))
_SKY = ((0.3, 0.35, 0.4), (0.48, 0.54, 0.56), (1.0, 1.25, 1.4), (1.7, 2.2, 2.8), (2.3, 2.85, 4.0), (2.45, 3.1, 4.5))
HORIZON = ((0.9, 0.5, 0.15), (1.1, 0.78, 0.3), (3.0, 2.9, 1.65), (4.8, 5.4, 4.5), (4.7, 5.5, 5.4), (3.6, 4.2, 4.3))

SUN_M = DOME_M * 1.2  # behind the clouds
WEATHERS = ("clear", "fair", "broken", "cirrus", "overcast", "misty", "dusk", "night")


@dataclass(frozen=True)
class Daylight:
    """What the sky gives.

    Attributes
    ----------
    weather : one of ``WEATHERS``.
    to_sun : unit vector towards the sun or the moon.
    wind : m/s at cloud height.
    sun, sky : see ``clouds.march``.
    """

    weather: str
    to_sun: np.ndarray
    wind: np.ndarray
    sun: np.ndarray
    sky: np.ndarray


def table(values: tuple, elevation: float) -> np.ndarray:
    return np.array([np.interp(elevation, _ELEVATIONS, [row[channel] for row in values]) for channel in range(3)])


def outdoors(
    stage: Stage, weathers: tuple[str, ...] = WEATHERS, weights: tuple[float, ...] | None = None, sun_behind: bool = False
) -> Daylight:
    """Lights the stage under one of ``weathers``; needs the stage's camera."""
    rng = stage.rng
    share = None if weights is None else np.array(weights) / sum(weights)
    weather = str(rng.choice(weathers, p=share))
    elevation = {"dusk": rng.uniform(0.5, 9), "night": rng.uniform(15, 60)}.get(weather, float(rng.triangular(8, 35, 72)))
    aside = rng.uniform(0.6, 1.4) * np.pi if sun_behind else rng.uniform(-np.pi, np.pi)
    if weather == "dusk" and stage.chance(0.5):
        aside = rng.uniform(-1, 1) * stage.camera.half_angle
    azimuth = stage.camera.yaw + aside
    e = np.radians(elevation)
    to_sun = np.array([-np.sin(azimuth) * np.cos(e), np.cos(azimuth) * np.cos(e), np.sin(e)])
    heading = rng.uniform(0, 2 * np.pi)
    wind = np.array([np.cos(heading), np.sin(heading), 0]) * rng.uniform(4, 15)
    sun, sky, haze = table(_SUN, elevation), table(_SKY, elevation), table(HORIZON, elevation)
    if weather in ("overcast", "misty"):
        sun, sky = sun * 0.0, np.array([3.4, 3.7, 4.1]) * rng.uniform(0.9, 1.1, 3)
        haze = sky
        _grey_sky(sky)
    elif weather == "night":
        blue = np.array([0.006, 0.010, 0.022]) * rng.uniform(0.6, 2.2)
        sun, sky, haze = np.array([0.05, 0.06, 0.08]) * rng.uniform(0.3, 1.5), blue, blue * np.array([1.6, 1.4, 1.2])
        _grey_sky(blue * 2.0)
        stage.night = True
        stage.lamp("SUN", (0, 0, 100), float(sun[2]) * np.pi, (0.75, 0.85, 1.0), angle=0.01, turn=_towards(to_sun))
    else:
        _clear_sky(stage, elevation, azimuth)
        _sun(stage, to_sun, sun)
    add_clouds(stage, _layers(weather, rng), to_sun, sun, sky, haze, wind) if weather != "clear" else None
    stage.white = (sun * max(to_sun[2], 0.0) + sky) ** (0.45 if weather == "dusk" else 1.0)
    stage.air = _air(weather, stage, haze)
    stage.notes.update(weather=weather, sun_elevation=round(elevation, 1), sun_aside=round(float(np.degrees(aside)), 1))
    return Daylight(weather, to_sun, wind, sun, sky)


def _towards(direction: np.ndarray) -> tuple[float, float, float]:
    """Euler angles that make a lamp shine from ``direction``."""
    return (float(np.arccos(np.clip(direction[2], -1, 1))), 0.0, float(np.arctan2(direction[0], -direction[1])))


def _world() -> Nodes:
    world = bpy.data.worlds.new("world")
    bpy.context.scene.world = world
    world.use_nodes = True
    # The sun is a lamp: no need to aim rays at the smooth rest of the sky, which trebles the time of a sample.
    world.cycles.sampling_method = "NONE"
    return Nodes(world.node_tree)


def _sun(stage: Stage, to_sun: np.ndarray, sun: np.ndarray) -> None:
    """The lamp, and the disc that the camera sees."""
    size = stage.rng.uniform(0.009, 0.026)
    colour = sun / sun.max()
    stage.lamp("SUN", (0, 0, 100), float(np.pi * sun.max()), tuple(map(float, colour)), angle=size, turn=_towards(to_sun))
    disc = stage.add(
        sphere(SUN_M * size / 2, detail=12),
        [glowing(Surface.SKY, Layout.FAR, tuple(map(float, colour)), 25 * float(sun.max()))],
        at=to_sun * SUN_M,
    )
    disc.data.materials[0].cycles.emission_sampling = "NONE"
    disc.visible_diffuse = disc.visible_shadow = disc.visible_glossy = disc.visible_transmission = False


def _clear_sky(stage: Stage, elevation: float, azimuth: float) -> None:
    n = _world()
    sky = n.new("TexSky", sky_type="NISHITA", sun_disc=False)
    sky.sun_elevation, sky.sun_rotation = float(np.radians(elevation)), float(-azimuth % (2 * np.pi))
    sky.air_density, sky.dust_density = stage.rng.uniform(0.8, 1.4), stage.log_uniform(0.3, 2.0)
    n.set(n.tree.nodes["Background"].inputs[0], sky.outputs[0])


def _grey_sky(zenith: np.ndarray) -> None:
    """The CIE overcast sky: three times as bright overhead as at the horizon."""
    n = _world()
    axes = n.new("SeparateXYZ")
    n.set(axes.inputs[0], n.coordinates("Generated"))
    lift = n.math("MULTIPLY_ADD", axes.outputs[2], 0.667)
    lift.node.inputs[2].default_value = 0.333
    n.set(n.tree.nodes["Background"].inputs[0], tuple(map(float, zenith)))
    n.set(n.tree.nodes["Background"].inputs[1], n.math("MAXIMUM", lift, 0.333))


def indoors(colour: tuple[float, float, float], strength: float) -> None:
    """Even light from all around, for rooms whose windows show nothing."""
    n = _world()
    n.set(n.tree.nodes["Background"].inputs[0], colour)
    n.tree.nodes["Background"].inputs[1].default_value = strength


def _layers(weather: str, rng: np.random.Generator) -> list[CloudLayer]:
    cumulus = CloudLayer(rng.uniform(0.06, 0.28), rng.uniform(900, 1800), rng.uniform(500, 1800), rng.uniform(8e3, 16e3))
    sheet = CloudLayer(
        rng.uniform(0.35, 0.7),
        rng.uniform(1500, 3000),
        rng.uniform(250, 500),
        rng.uniform(5e3, 11e3),
        2.8,
        rng.uniform(1, 2.5),
    )
    veil = CloudLayer(rng.uniform(0.2, 0.5), 8000, 600, rng.uniform(2e4, 4e4), 2.6, rng.uniform(2, 5), 0.0012)
    if weather == "fair":
        return [cumulus, veil] if rng.random() < 0.3 else [cumulus]
    if weather == "broken":
        return [sheet, cumulus] if rng.random() < 0.4 else [sheet]
    if weather == "cirrus":
        return [veil]
    if weather in ("overcast", "misty"):
        return [CloudLayer(0.97, rng.uniform(500, 1200), 900, rng.uniform(6e3, 12e3), 3.0, 1.5, 0.006)]
    return [[sheet], [veil], [cumulus], [cumulus, veil]][rng.integers(4)]


def _air(weather: str, stage: Stage, haze: np.ndarray) -> Air:
    if weather == "misty":
        return Air(1 / stage.log_uniform(40, 400), stage.log_uniform(15, 200), tuple(haze * 0.42))
    visibility = stage.log_uniform(4e3, 6e4)
    return Air(1 / visibility, 1200.0)
