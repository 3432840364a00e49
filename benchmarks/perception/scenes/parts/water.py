"""Water: waves from a wave spectrum, and shaders for the sea, for streams and for still water."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from scipy.ndimage import map_coordinates

from ..classes import Layout, Surface
from .materials import Nodes, Rgb, blank, variant
from .stage import Stage

G = 9.81


@dataclass(frozen=True)
class Waves:
    """A periodic patch of waves.

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


def waves(
    stage: Stage, wind: float, heading: float, tile: float, chop: float = 1.1, foam_share: float = 0.02, side: int = 256
) -> Waves:
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
    height = np.fft.ifft2(amplitude).real
    # A fully developed sea: the significant height is four standard deviations.
    scale = 0.21 * wind**2 / G / 4 / height.std()
    push = np.stack([np.fft.ifft2(-1j * axis / k * amplitude).real for axis in (kx, ky)], -1) * scale * -chop
    step = tile / side
    east, north = (np.gradient(push[..., axis], step, axis=1 - axis) for axis in (0, 1))
    folded = (1 + east) * (1 + north)
    limit = np.quantile(folded, foam_share) if foam_share > 0 else -np.inf
    foam = np.clip((limit - folded) / 0.12 + 0.5, 0, 1) if foam_share > 0 else np.zeros_like(folded)
    speed = 0.8 * wind
    return Waves(height * scale, push, foam, tile, np.array([np.cos(heading), np.sin(heading)]) * speed)


def deep_colour(stage: Stage) -> Rgb:
    """The light that comes back from deep water: green-blue to grey."""
    return tuple(
        float(v)
        for v in np.array(stage.pick((0.004, 0.022, 0.035), (0.006, 0.035, 0.032), (0.012, 0.018, 0.02), (0.002, 0.012, 0.03)))
        * stage.rng.uniform(0.6, 2.2)
    )


def _ripples(n: Nodes, sizes: tuple[float, ...], heights: tuple[float, ...], stretch: tuple[float, float, float]):
    normal = None
    where = n.stretched(stretch)
    for size, height in zip(sizes, heights, strict=True):
        normal = n.bump(n.noise(size, 3, where, 0.4), height, 1.0, normal)
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
) -> tuple[bpy.types.Material, bpy.types.Material]:
    """Water, and the same shader labelled as white water for the faces where the vertex attribute ``foam`` is high.

    Parameters
    ----------
    ripples : height of the fine ripples, metres; 0 is a mirror.
    clear : share of light that shows the bed.
    foam_size : metres of the patches into which foam breaks up.
    """
    made, n = blank(surface, layout)
    colour = colour or deep_colour(stage)
    inputs: dict[str, object] = {"Base_Color": colour, "Roughness": 0.03 + 0.04 * stage.rng.random(), "IOR": 1.33}
    normal = _ripples(n, (0.9, 0.25), (ripples, ripples * 0.35), stretch) if ripples > 0 else None
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
