"""What scenes are made of: materials (colour over a surface) and outlines (where a surface is)."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from .caster import Outline, Vector
from .textures import Array, Material, Texture, mix, noise, ramp, relief, surface_noise

EDGE = 0.5
Stop = tuple[float, tuple[float, float, float]]


def smooth(low: float, high: float, x: Array) -> Array:
    """0 below ``low``, 1 above ``high``, smooth between."""
    share = np.clip((x - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def ground(seed: int, period: float, stops: tuple[Stop, ...], *, bumps: float = 0.3, slope: float = 1.1, stretch: float = 1.0):
    """Uneven ground, rock or foliage: colours by height, relief, and a slower change over several periods."""
    height = noise(seed, slope=slope, stretch=stretch)
    grain = noise(seed + 1, slope=0.6, stretch=stretch)
    fine = Texture(ramp(height + 0.35 * grain, *stops) * relief(height + 0.5 * grain, bumps)[..., None], period)
    slow = surface_noise(seed + 2, 7.3 * period, size=256, slope=1.2)
    return lambda s, t, w: fine(s, t, w) * (1 + 0.13 * slow(s, t, w))[..., None]


def water(seed: int, period: float, stops: tuple[Stop, ...], *, stretch: float = 3.0, glints: float = 0.3) -> Material:
    """Waves: dark troughs, light crests, glints where a slope faces the sky."""
    swell = noise(seed, slope=1.35, stretch=stretch, lowest=5.0)
    chop = noise(seed + 1, slope=0.85, stretch=stretch, lowest=12.0)
    height = 0.8 * swell + 0.55 * chop
    facing = np.roll(height, -1, 0) - height
    facing = facing / facing.std()
    colours = ramp(height, *stops) * relief(height, 0.3)[..., None] + glints * smooth(1.0, 2.8, facing)[..., None]
    fine = Texture(colours, period)
    slow = surface_noise(seed + 2, 5.7 * period, size=256, slope=1.3)
    return lambda s, t, w: fine(s, t, w) * (1 + 0.1 * slow(s, t, w))[..., None]


def foam(seed: int, period: float, stops: tuple[Stop, ...], stretch: float = 5.0) -> Material:
    """Falling or rushing water: streaks along t."""
    streaks = noise(seed, slope=0.95, stretch=stretch, lowest=4.0).T + 0.4 * noise(seed + 1, slope=0.7, stretch=2.0).T
    return Texture(ramp(streaks, *stops) * relief(streaks.T, 0.2).T[..., None], period)


def sky(seed: int, period: float, top: Vector, low: Vector, rise: float, clouds: float, tall: float = 0.6) -> Material:
    """From ``low`` at t = 0 to ``top`` at ``t = -rise``, with ``clouds`` (0..1) of noise."""
    billow = noise(seed, slope=1.45, stretch=2.0)
    cover = Texture(smooth(tall - 1.2, tall + 1.0, billow), period)
    shade = Texture(relief(noise(seed, slope=1.8, stretch=2.0), 0.18), period)

    def material(s: Array, t: Array, w: Array) -> Array:
        clear = mix(np.asarray(low, np.float32), np.asarray(top, np.float32), np.clip(-t / rise, 0, 1)[..., None])
        return mix(clear, np.float32([0.97, 0.95, 0.93]) * shade(s, t, w)[..., None], clouds * cover(s, t, w))

    return material


def shaded(material: Material, shade: Callable[[Array, Array], Array]) -> Material:
    return lambda s, t, w: material(s, t, w) * shade(s, t)[..., None]


def painted(material: Material, seed: int, period: float, tones: int = 7) -> Material:
    """The same in few tones, with brush strokes."""
    strokes = Texture(noise(seed, slope=0.9, stretch=7.0, lowest=10.0), period)

    def flat(s: Array, t: Array, w: Array) -> Array:
        stroke = strokes(s, t, w)[..., None]
        # A tone's border is as soft as a pixel is wide, or the quantisation would crawl.
        scaled = material(s, t, np.maximum(w, period / 512)) * tones + 0.25 * stroke
        whole = np.floor(scaled)
        return (whole + smooth(0.35, 0.65, scaled - whole)) / tones + 0.035 * stroke

    return flat


def rectangle(s0: float, s1: float, t0: float, t1: float) -> Outline:
    def outline(s: Array, t: Array, w: Array) -> Array:
        inside = np.minimum(np.minimum(s - s0, s1 - s), np.minimum(t - t0, t1 - t))
        return np.clip(inside / w + EDGE, 0, 1)

    return outline


def without(outline: Outline, hole: Outline) -> Outline:
    return lambda s, t, w: outline(s, t, w) * (1 - hole(s, t, w))


def ragged(seed: int, wave: float, amplitude: float, roughness: float = 1.2) -> Callable[[Array], Array]:
    """A fractal line: its height over a coordinate, periodic after ``wave`` units."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(2048))
    spectrum *= np.maximum(np.arange(len(spectrum)), 2.0) ** -roughness
    spectrum[0] = 0
    line = np.fft.irfft(spectrum)
    line = line / np.abs(line).max() * amplitude

    def height(x: Array) -> Array:
        return np.interp(np.mod(x / wave, 1) * len(line), np.arange(len(line) + 1), np.append(line, line[0])).astype(
            np.float32
        )

    return height


def ridge(seed: int, wave: float, amplitude: float, at: float = 0.0, roughness: float = 1.2) -> Outline:
    """Everything below a fractal skyline about ``t = at``."""
    line = ragged(seed, wave, amplitude, roughness)
    return lambda s, t, w: np.clip((t - at - line(s)) / w + EDGE, 0, 1)


def beside(seed: int, at: float, sign: float, wave: float, amplitude: float) -> Outline:
    """One side of a ragged shore along t: ``sign * (s - at) > 0``."""
    line = ragged(seed, wave, amplitude)
    return lambda s, t, w: np.clip(sign * (s - at - line(t)) / w + EDGE, 0, 1)


def crown(seed: int, s0: float, t0: float, radius: float, period: float) -> Outline:
    """A tree's crown: a ragged blob with gaps between its leaves."""
    leaves = surface_noise(seed, period, size=512, slope=1.0)

    def outline(s: Array, t: Array, w: Array) -> Array:
        far = np.hypot(s - s0, (t - t0) * 1.15) / radius
        value = 1.0 - far + 0.16 * leaves(s, t, w * 0.5)
        return np.clip(value * radius / (0.35 * w) * 0.12 + EDGE, 0, 1)

    return outline


def drawn(
    draw: Callable[[np.ndarray, float], None], s0: float, t0: float, width: float, height: float, pixels: int = 2560
) -> Outline:
    """An outline from a drawing: ``draw(canvas, px_per_unit)`` paints 255 where the thing is, origin at ``(s0, t0)``."""
    scale = pixels / width
    canvas = np.zeros((round(height * scale), pixels), np.uint8)
    draw(canvas, scale)
    levels = [canvas.astype(np.float32) / 255]
    for _ in range(4):
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))

    def outline(s: Array, t: Array, w: Array) -> Array:
        level = int(np.clip(np.round(np.log2(max(float(np.median(w)) * scale, 1))), 0, len(levels) - 1))
        picture = levels[level]
        across, down = picture.shape[1] / width, picture.shape[0] / height
        at = ((s - s0) * across - 0.5).astype(np.float32), ((t - t0) * down - 0.5).astype(np.float32)
        return cv2.remap(picture, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)

    return outline


def either(*outlines: Outline) -> Outline:
    def outline(s: Array, t: Array, w: Array) -> Array:
        bare = 1.0
        for part in outlines:
            bare = bare * (1 - part(s, t, w))
        return 1 - bare

    return outline


def branch(canvas: np.ndarray, rng: np.random.Generator, start: np.ndarray, angle: float, length: float, thick: float) -> None:
    """Paint a branch with its twigs and leaves; lengths in canvas pixels."""
    at, steps = start, 7
    for step in range(steps):
        angle += rng.normal(0, 0.13)
        to = at + length / steps * np.array([np.cos(angle), np.sin(angle)])
        width = max(round(thick * (1 - 0.6 * step / steps)), 2)
        cv2.line(canvas, tuple(at.round().astype(int)), tuple(to.round().astype(int)), 255, width, cv2.LINE_AA)
        at = to
        if thick > 4 and step > 1 and rng.random() < 0.8:
            side = rng.choice([-1, 1]) * rng.uniform(0.5, 0.9)
            branch(canvas, rng, at, angle + side, length * rng.uniform(0.35, 0.55), thick * 0.5)
        elif thick <= 8 and rng.random() < 0.75:
            axes = (round(rng.uniform(13, 22)), round(rng.uniform(5, 8)))
            turn = float(np.degrees(angle + rng.uniform(-1, 1)))
            cv2.ellipse(canvas, tuple(at.round().astype(int)), axes, turn, 0, 360, 255, -1, cv2.LINE_AA)
