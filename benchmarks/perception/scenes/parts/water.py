"""Water: waves from a wave spectrum, and shaders for the sea, for streams and for still water."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import bpy
import numpy as np
from scipy.ndimage import map_coordinates

from ..classes import Layout, Surface
from .materials import Nodes, Rgb, blank, variant
from .stage import Stage

G = 9.81


@dataclass(frozen=True)
class Waves:
    """A periodic patch of waves at one time.

    Attributes
    ----------
    height, push : metres [S, S] up, and [S, S, 2] sideways, at the vertices.
    foam : [S, S] 0..1, where crests fold over.
    tile : its side, metres.
    travel : m/s in which the crests move, x and y.
    """

    height: np.ndarray
    push: np.ndarray
    foam: np.ndarray
    tile: float
    travel: np.ndarray

    def at(self, xy: np.ndarray, distance: np.ndarray, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Height, push and foam at xy [..., 2]; fades where the lattice is too coarse to carry the waves."""
        side = self.height.shape[0]
        where = [xy[..., 1] / self.tile * side, xy[..., 0] / self.tile * side]
        keep = np.clip(self.tile / 24 / np.maximum(spacing, 1e-6), 0, 1)
        height, east, north, foam = (
            map_coordinates(field, where, order=1, mode="grid-wrap")
            for field in (self.height, self.push[..., 0], self.push[..., 1], self.foam)
        )
        return height * keep, np.stack([east, north], -1) * keep[..., None], foam


@dataclass(frozen=True)
class Spectrum:
    """Waves by their wave vectors, each of which travels at its own speed.

    Attributes
    ----------
    amplitude : complex [S, S] at time 0, metres.
    k_xy : [2, S, S] wave vectors, rad/m.
    foam_limit : the area, relative to still water's, below which a crest foams.
    """

    amplitude: np.ndarray
    k_xy: np.ndarray
    tile: float
    chop: float
    foam_limit: float
    travel: np.ndarray

    @property
    def k(self) -> np.ndarray:
        k = np.hypot(*self.k_xy)
        k[0, 0] = 1
        return k

    def at(self, time: float = 0.0) -> Waves:
        """Deep water: a wave's phase turns by ``sqrt(G k)`` radians a second."""
        amplitude = self.amplitude * np.exp(-1j * np.sqrt(G * self.k) * time)
        height = np.fft.ifft2(amplitude).real
        push = np.stack([np.fft.ifft2(-1j * axis / self.k * amplitude).real for axis in self.k_xy], -1) * -self.chop
        foam = np.clip((self.foam_limit - _area(push, self.tile)) / 0.12 + 0.5, 0, 1)
        return Waves(height, push, foam, self.tile, self.travel)

    def crest_speed(self) -> np.ndarray:
        """The mean phase velocity of the waves, m/s [2], weighted by the square of their slope, which is what one sees."""
        weight = (np.abs(self.amplitude) * self.k) ** 2
        return (weight * np.sqrt(G / self.k) * self.k_xy / self.k).sum(axis=(1, 2)) / weight.sum()


def _area(push: np.ndarray, tile: float) -> np.ndarray:
    step = tile / push.shape[0]
    east, north = (np.gradient(push[..., axis], step, axis=1 - axis) for axis in (0, 1))
    return (1 + east) * (1 + north)


def spectrum(
    stage: Stage, wind: float, heading: float, tile: float, chop: float = 1.1, foam_share: float = 0.02, side: int = 256
) -> Spectrum:
    """Waves under ``wind`` m/s that travel towards ``heading`` (radians from +x): Phillips' spectrum, summed by FFT.

    References
    ----------
    Tessendorf, "Simulating Ocean Water", SIGGRAPH course notes, 2001.
    """
    rng = stage.rng
    k1 = 2 * np.pi * np.fft.fftfreq(side, tile / side)
    kx, ky = np.meshgrid(k1, k1)
    k = np.hypot(kx, ky)
    k[0, 0] = 1
    longest = wind**2 / G
    along = (kx * np.cos(heading) + ky * np.sin(heading)) / k
    power = np.exp(-1 / (k * longest) ** 2) / k**4 * (0.08 + 0.92 * along**2) * np.where(along < 0, 0.15, 1)
    power *= np.exp(-((k * tile / side * 0.35) ** 2))
    power[0, 0] = 0
    amplitude = (rng.normal(size=k.shape) + 1j * rng.normal(size=k.shape)) * np.sqrt(power)
    # A fully developed sea: the significant height is four standard deviations.
    amplitude *= 0.21 * wind**2 / G / 4 / np.fft.ifft2(amplitude).real.std()
    travel = np.array([np.cos(heading), np.sin(heading)]) * 0.8 * wind
    calm = Spectrum(amplitude, np.stack([kx, ky]), tile, chop, -np.inf, travel)
    if foam_share == 0:
        return calm
    return replace(calm, foam_limit=float(np.quantile(_area(calm.at().push, tile), foam_share)))


def upstream(rate: Callable[[np.ndarray], np.ndarray], xy: np.ndarray, time: float, steps: int = 8) -> np.ndarray:
    """Where what is at ``xy`` [..., 2] at ``time`` was at time 0, in a steady flow of ``rate`` m/s (midpoint rule)."""
    h = time / steps
    for _ in range(steps if time else 0):
        xy = xy - rate(xy - rate(xy) * (h / 2)) * h
    return xy


def deep_colour(stage: Stage) -> Rgb:
    """The light that comes back from deep water: green-blue to grey."""
    return tuple(
        float(v)
        for v in np.array(stage.pick((0.004, 0.022, 0.035), (0.006, 0.035, 0.032), (0.012, 0.018, 0.02), (0.002, 0.012, 0.03)))
        * stage.rng.uniform(0.6, 2.2)
    )


def _ripples(n: Nodes, sizes: tuple[float, ...], heights: tuple[float, ...], stretch: Sequence[float], smooth_at: float):
    """Bumps; ``smooth_at`` metres from the camera they are flat, as pixels there would only sample them as noise."""
    normal = None
    where = n.stretched(stretch)
    strength: object = 1.0
    if smooth_at:
        strength = n.span(n.new("CameraData").outputs["View Distance"], 0.1 * smooth_at, smooth_at, 1.0, 0.03)
    for size, height in zip(sizes, heights, strict=True):
        normal = n.bump(n.noise(size, 3, where, 0.4), height, strength, normal)
    return normal


def water(
    stage: Stage,
    surface: Surface,
    ripples: float,
    stretch: tuple[float, float, float] = (1, 1, 1),
    clear: float = 0.0,
    colour: Rgb | None = None,
    layout: Layout = Layout.PLANE,
    foam_size: float = 0.5,
    carried: bool = False,
    smooth_at: float = 0.0,
) -> tuple[bpy.types.Material, bpy.types.Material]:
    """Water, and the same shader labelled as white water for the faces where the vertex attribute ``foam`` is high.

    Parameters
    ----------
    ripples : height of the fine ripples, metres; 0 is a mirror.
    clear : share of light that shows the bed.
    foam_size : metres of the patches into which foam breaks up.
    carried : whether ripples and foam go along with the vertex attributes of `Nodes.carried`.
    smooth_at : how far from the camera, in metres, ripples are too small to be seen; 0 is nowhere.
    """
    made, n = blank(surface, layout)
    if carried:
        n.carried()
    colour = colour or deep_colour(stage)
    rough: object = 0.03 + 0.04 * stage.rng.random()
    if smooth_at:  # what cannot be seen as ripples is seen as gloss
        rough = n.span(n.new("CameraData").outputs["View Distance"], 0.1 * smooth_at, 2 * smooth_at, rough, 0.28)
    inputs: dict[str, object] = {"Base_Color": colour, "Roughness": rough, "IOR": 1.33}
    normal = _ripples(n, (0.9, 0.25), (ripples, ripples * 0.35), stretch, smooth_at) if ripples > 0 else None
    if normal is not None:
        inputs["Normal"] = normal
    body = n.principled(**inputs)
    if clear > 0:
        bed = n.new("BsdfRefraction")
        bed.inputs["IOR"].default_value, bed.inputs["Roughness"].default_value = 1.15, 0.0
        n.set(bed.inputs["Color"], tuple(float(v) for v in np.array(colour) ** 0.25))
        if normal is not None:
            n.set(bed.inputs["Normal"], normal)
        mirror = n.new("BsdfGlossy")
        mirror.inputs["Roughness"].default_value = 0.03
        facing = n.new("Fresnel")
        facing.inputs["IOR"].default_value = 1.33
        if normal is not None:
            n.set(mirror.inputs["Normal"], normal)
            n.set(facing.inputs["Normal"], normal)
        seen = n.mix_shader(facing.outputs[0], bed.outputs[0], mirror.outputs[0])
        body = n.mix_shader(clear, body, seen)
        body = n.mix_shader(n.new("LightPath").outputs["Is Shadow Ray"], body, n.new("BsdfTransparent").outputs[0])
    lace = n.noise(foam_size, 7, n.stretched(stretch), 1.5)
    cover = n.span(n.math("ADD", n.attribute("foam"), n.math("MULTIPLY", n.math("SUBTRACT", lace, 0.5), 1.6)), 0.42, 0.62)
    white = n.principled(
        Base_Color=n.ramp(lace, [(0.5, 0.56, 0.58), (0.82, 0.85, 0.86)], 0.3, 0.6),
        Roughness=0.9,
        Normal=n.bump(lace, foam_size * 0.15),
    )
    n.finish(n.mix_shader(cover, body, white))
    return made, variant(made, Surface.WHITE_WATER, layout)
