"""Clouds: a periodic density volume, marched along view rays with NumPy, and shown on a dome around the scene.

A ray marcher of its own because Cycles needs hundreds of samples for what this does once per sky pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from ..classes import Layout, Surface
from .materials import blank
from .meshes import Mesh, grid_faces
from .noise import smooth_step
from .stage import Stage

DOME_M = 45000.0
TOP = np.radians(78.0)
COLUMNS, ROWS, STEPS = 440, 150, 26


@dataclass(frozen=True)
class CloudLayer:
    """One kind of cloud.

    Attributes
    ----------
    cover : share of the sky, 0..1.
    base, depth : height of the flat underside and thickness, metres.
    tile : side of the periodic volume, metres; sets the size of the heaps.
    steepness : exponent of the noise spectrum; small is ragged, large is smooth.
    stretch : how much longer than wide, along the wind.
    extinction : 1/m inside the cloud.
    """

    cover: float
    base: float
    depth: float
    tile: float
    steepness: float = 3.4
    stretch: float = 1.0
    extinction: float = 0.012


def density(layer: CloudLayer, rng: np.random.Generator, side: int = 112, levels: int = 20) -> np.ndarray:
    """Density [side, side, levels] 0..1, periodic along the first two axes."""
    k = np.fft.fftfreq(side, 1 / side)
    kx, ky, kz = np.meshgrid(k * layer.stretch, k, np.fft.fftfreq(levels, 1 / levels) * side / levels, indexing="ij")
    norm = np.sqrt(kx**2 + ky**2 + kz**2)
    norm[0, 0, 0] = np.inf
    norm = np.maximum(norm, 3)
    spectrum = np.fft.fftn(rng.normal(size=norm.shape)) * norm ** (-layer.steepness / 2)
    noise = np.fft.ifftn(spectrum).real
    flat = noise[..., levels // 3]
    level = np.linspace(0, 1, levels)
    # Heaps: a flat base, and ever less cloud towards the top.
    shape = smooth_step(0, 0.08, level) * smooth_step(1.0, 0.55, level)
    threshold = np.quantile(flat, 1 - layer.cover) + flat.std() * 1.5 * level**1.5
    return np.clip((noise - threshold) / (0.35 * flat.std()), 0, 1) * shape


def shadowed(volume: np.ndarray, layer: CloudLayer, to_sun: np.ndarray) -> np.ndarray:
    """Optical depth towards the sun at every voxel."""
    voxel = layer.tile / volume.shape[0], layer.tile / volume.shape[1], layer.depth / volume.shape[2]
    direction = to_sun / max(np.linalg.norm(to_sun), 1e-9)
    stride = layer.depth / 7 / max(direction[2], 0.12)
    total = np.zeros_like(volume)
    for step in range(1, 8):
        offset = direction * stride * step
        shift = [round(o / v) for o, v in zip(offset, voxel, strict=True)]
        moved = np.roll(volume, (-shift[0], -shift[1]), (0, 1))
        lifted = np.zeros_like(volume)
        if shift[2] < volume.shape[2]:
            lifted[..., : volume.shape[2] - shift[2]] = moved[..., shift[2] :]
        total += lifted
    return total * stride * layer.extinction


def march(
    layer: CloudLayer,
    rng: np.random.Generator,
    rays: np.ndarray,
    to_sun: np.ndarray,
    sun: np.ndarray,
    sky: np.ndarray,
    haze: np.ndarray,
    drift: np.ndarray | None = None,
    steps: int = STEPS,
) -> tuple[np.ndarray, np.ndarray]:
    """Premultiplied colour [..., 3] and opacity [...] of the clouds along unit rays [..., 3].

    ``sun`` is what a white surface that faces it shows, ``sky`` the mean radiance from above, ``haze`` that of the horizon.
    ``drift`` [3] is how far, in metres, the wind has carried them.
    """
    volume = density(layer, rng)
    shade = shadowed(volume, layer, to_sun)
    up = np.maximum(rays[..., 2], 0.012)
    start, stop = layer.base / up, (layer.base + layer.depth) / up
    step = np.minimum((stop - start), 9000.0) / steps
    cos_sun = rays @ to_sun
    phase = 0.0
    for g, share in ((0.75, 0.35), (-0.15, 0.65)):
        phase = phase + share * (1 - g * g) / (1 + g * g - 2 * g * cos_sun) ** 1.5
    light = np.zeros(rays.shape)
    through = np.ones(rays.shape[:-1])
    jitter = rng.random(through.shape)
    size = np.array(volume.shape)
    for index in range(steps):
        distance = start + (index + jitter) * step
        place = rays * distance[..., None]
        height = np.clip((place[..., 2] - layer.base) / layer.depth, 0, 1)
        place = place if drift is None else place - drift
        where = [place[..., 0] / layer.tile * size[0], place[..., 1] / layer.tile * size[1], height * (size[2] - 1)]
        dense = map_coordinates(volume, where, order=1, mode="grid-wrap")
        wisp = map_coordinates(
            volume, [5.1 * where[0], 5.1 * where[1], (3.3 * where[2]) % (size[2] - 1)], order=1, mode="grid-wrap"
        )
        dense = np.clip(dense * 1.25 - 0.42 * wisp * (1 - 0.6 * dense), 0, 1)
        tau = map_coordinates(shade, where, order=1, mode="grid-wrap")
        passed = np.exp(-dense * layer.extinction * np.minimum(step, 350.0))
        lit = np.exp(-tau) * phase + 0.45 * np.exp(-0.22 * tau) + 0.1 * np.exp(-0.05 * tau)
        colour = lit[..., None] * sun * 0.42 + sky * (0.45 + 0.75 * height[..., None])
        far = np.exp(-distance / 26000.0)[..., None]
        light += (through * (1 - passed))[..., None] * (colour * far + haze * (1 - far))
        through = through * passed
    fade = smooth_step(0.01, 0.05, rays[..., 2])
    return light * fade[..., None], (1 - through) * fade


def add_clouds(
    stage: Stage,
    layers: list[CloudLayer],
    to_sun: np.ndarray,
    sun: np.ndarray,
    sky: np.ndarray,
    haze: np.ndarray,
    wind: np.ndarray,
) -> None:
    """Marches the layers, high ones first, and hangs the result on a dome that light and shadow ignore."""
    camera = stage.camera
    finer = stage.detail**0.5  # a cloud is soft
    columns, rows, steps = round(COLUMNS * finer), round(ROWS * finer), round(STEPS * finer)
    span = min(2 * camera.half_angle + np.radians(24), np.radians(150))
    azimuth = camera.yaw + np.linspace(0.5, -0.5, columns) * span
    elevation = TOP * np.linspace(0, 1, rows) ** 1.4
    cos = np.cos(elevation)[:, None]
    rays = np.stack(
        [-np.sin(azimuth) * cos, np.cos(azimuth) * cos, np.broadcast_to(np.sin(elevation)[:, None], (rows, columns))], -1
    )
    high_first = sorted(layers, key=lambda entry: -entry.base)
    before = stage.rng.bit_generator.state

    def texels(time: float) -> np.ndarray:
        """From the same random numbers at all times."""
        stage.rng.bit_generator.state = before
        colour, alpha = np.zeros(rays.shape), np.zeros(rays.shape[:-1])
        for layer in high_first:
            own, cover = march(layer, stage.rng, rays, to_sun, sun, sky, haze, wind * time, steps)
            colour, alpha = own + colour * (1 - cover)[..., None], cover + alpha * (1 - cover)
        return np.concatenate([colour / np.maximum(alpha, 1e-3)[..., None], alpha[..., None]], -1).astype(np.float32)

    image = stage.moving_image("clouds", texels)
    dome = _dome(camera.yaw, span, stage)
    made, n = blank(Surface.CLOUD, Layout.FAR)
    place = n.new("CombineXYZ")
    n.set(place.inputs[0], n.attribute("u"))
    n.set(place.inputs[1], n.attribute("v"))
    texture = n.new("TexImage", image=image, extension="EXTEND", interpolation="Cubic")
    n.set(texture.inputs[0], place.outputs[0])
    glow = n.new("Emission")
    n.set(glow.inputs[0], texture.outputs["Color"])
    n.finish(n.mix_shader(texture.outputs["Alpha"], n.new("BsdfTransparent").outputs[0], glow.outputs[0]))
    made.cycles.emission_sampling = "NONE"
    fluid = stage.fluid(lambda xyz: _on_dome(xyz, wind, layers)) if stage.exact else stage.drift(wind)
    thing = stage.add(dome, [made], at=camera.location, fluid=fluid)
    thing.visible_diffuse = thing.visible_shadow = thing.visible_transmission = False


def _on_dome(xyz: np.ndarray, wind: np.ndarray, layers: list[CloudLayer]) -> np.ndarray:
    """The speed on the dome [N, 3] that looks like that of the lowest layer, which is nearer."""
    lowest = min(layers, key=lambda layer: layer.base)
    height = lowest.base + 0.3 * lowest.depth
    return wind * np.maximum(xyz[..., 2:], 0.02 * DOME_M) / height


def _dome(yaw: float, span: float, stage: Stage) -> Mesh:
    """Hemisphere whose texture repeats, mirrored, around the horizon."""
    turns = np.linspace(-np.pi, np.pi, 361)
    v = np.linspace(0, 1, 40)
    u = turns[None] / span + 0.5
    u = 1 - np.abs(1 - u % 2)
    azimuth, elevation = yaw - turns[None], TOP * v[:, None] ** 1.4
    points = np.stack(
        [-np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation), np.sin(elevation) + 0 * azimuth], -1
    )
    attributes = {
        "u": np.broadcast_to(u, points.shape[:2]).ravel(),
        "v": np.broadcast_to(v[:, None], points.shape[:2]).ravel(),
    }
    return Mesh(points * DOME_M, grid_faces(40, 361), attributes=attributes, smooth=True)
