"""Procedural scenes: textured planes with outlines, one of them flowing; geometry and any view of any moment are exact.

As in nature the fluid follows its flow on average alone: it swings about it, so what comes from two moments to a third
differs in detail, and a plain cross-fade of both is blurred.

Everything is described in the coordinates of the source view (the camera at the identity pose): a surface's colours, its
outline and its flow are maps over that view, so the same scene can be looked at from anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

import torch
from torch import Tensor
from torch.nn import functional

from ... import ops
from ...data import Camera
from .samples import integer, uniform

REACH = 0.85  # the maps cover normalised source coordinates (x/z, y/z) in -REACH..REACH, and go on as their border does
PAINT_PX = 1.5  # texels per pixel
FINEST_PX = 3.0  # shortest wavelength of a texture, in pixels: what a photo of this size could hold
NUM_BACKDROPS = 2  # the wall and the ground: what the objects stand in front of
SUBSAMPLES = 2  # rays per pixel and axis
FLOW_FADE = 0.12  # normalised width over which the flow fades in from its border
SWING = 0.03  # of the focal length: how far the fluid strays from its mean flow at most
SWING_FRAMES = (5.0, 15.0)  # its period
STILL_PX = 1e-3  # px per frame below which nothing moves


@dataclass(frozen=True, eq=False)
class Surface:
    """A plane with an outline. ``plane`` ``[3]``: ``plane . X = 1`` on it, so its disparity ``plane . (x/z, y/z, 1)`` is
    linear in the picture. ``paint`` ``[1, 3, T, T]``: its colours; ``level`` ``[1, 1, T, T]``: above 0 inside its outline;
    both maps over the source view."""

    plane: Tensor
    paint: Tensor
    level: Tensor


@dataclass(frozen=True, eq=False)
class ProceduralScene:
    """``surfaces``: wall, ground, then objects. ``step_px`` ``[H, W, 2]``: the mean flow of surface number ``fluid``, px per
    frame, over the pixels of ``canvas``, a camera at the identity pose. ``swing_px`` ``[2, H, W, 2]``: sine and cosine of its
    swing about that, of period ``swing_frames``."""

    surfaces: tuple[Surface, ...]
    canvas: Camera
    fluid: int
    step_px: Tensor
    swing_px: Tensor
    swing_frames: float


@dataclass(frozen=True, eq=False)
class View:
    """A picture of a scene: ``rgb`` ``[H, W, 3]``, ``z_cam`` ``[H, W]``, and which surface each pixel's centre shows,
    ``surface`` int64 ``[H, W]``."""

    rgb: Tensor
    z_cam: Tensor
    surface: Tensor


def _noise(generator: torch.Generator, channels: int, size: int, longest: float, shortest: float) -> Tensor:
    """``[1, channels, size, size]`` of unit variance: octaves from wavelength ``longest`` to ``shortest`` (texels), amplitude
    proportional to wavelength, as in photos."""
    total = torch.zeros(1, channels, size, size)
    power = 0.0
    wavelength = longest
    while wavelength >= shortest:
        knots = max(int(2 * size / wavelength), 2)
        octave = torch.randn(1, channels, knots, knots, generator=generator)
        total += wavelength * functional.interpolate(octave, (size, size), mode="bilinear", align_corners=False)
        power += wavelength**2
        wavelength /= 2
    return total / power**0.5


def _paint(generator: torch.Generator, size: int) -> Tensor:
    """Two colours in sharp patches, each with its own grain."""
    finest = FINEST_PX * PAINT_PX
    grey, tint = torch.rand(2, 1, 1, 1, generator=generator), torch.rand(2, 3, 1, 1, generator=generator)
    palette = 0.15 + 0.7 * (0.6 * grey + 0.4 * tint)
    patch = _noise(generator, 1, size, size / 6, finest * 2) > 0
    grain = 0.04 * _noise(generator, 3, size, size / 8, finest) + 0.1 * _noise(generator, 1, size, size / 16, finest)
    return (torch.where(patch, palette[:1], palette[1:]) + grain).clamp(0, 1)


def _positions(size: int) -> tuple[Tensor, Tensor]:
    """Normalised x and y of the texels of a map, ``[size, size]`` each."""
    along = ((torch.arange(size) + 0.5) / size * 2 - 1) * REACH
    y, x = torch.meshgrid(along, along, indexing="ij")
    return x, y


def _blob(generator: torch.Generator, size: int, radius: tuple[float, float], spread: float) -> Tensor:
    """A level map ``[1, 1, size, size]``: above 0 inside a wobbly disc."""
    x, y = _positions(size)
    centre_x, centre_y = uniform(generator, -spread, spread), uniform(generator, -spread, spread)
    r = uniform(generator, *radius)
    distance = ((x - centre_x) ** 2 + (y - centre_y) ** 2).sqrt()
    return r - distance[None, None] + 0.3 * r * _noise(generator, 1, size, size / 5, size / 12)


def _random_flow(generator: torch.Generator, canvas: Camera, speed: Tensor, freedom: Tensor, travel_px: float) -> Tensor:
    """A drift with eddies: ``[H, W, 2]`` px per frame, its fastest point ``travel_px``, times ``speed`` (perspective) and
    ``freedom`` (0 at the border), both ``[H, W]``."""
    angle = uniform(generator, 0, 2 * pi)
    size = max(canvas.width, canvas.height)
    stream = _noise(generator, 1, size, size, size / 3)[0, 0, : canvas.height, : canvas.width]
    down, right = torch.gradient(stream)
    eddies = torch.stack([down, -right], dim=-1)
    eddies = eddies / eddies.norm(dim=-1).max().clamp_min(1e-6)
    drift = torch.tensor([cos(angle), sin(angle)])
    field = (drift + uniform(generator, 0.2, 0.8) * eddies) * (speed * freedom)[..., None]
    return field / field.norm(dim=-1).max().clamp_min(1e-6) * travel_px


def _random_swing(generator: torch.Generator, canvas: Camera, freedom: Tensor) -> Tensor:
    """Waves of some length, ``[2, H, W, 2]`` px, where ``freedom [H, W]`` lets them."""
    size = max(canvas.width, canvas.height)
    waves = _noise(generator, 4, size, size / 3, size / 8)[0, :, : canvas.height, : canvas.width]
    height = uniform(generator, 0.2, 1.0) * SWING * canvas.fx
    return (waves / waves.abs().max() * freedom * height).unflatten(0, (2, 2)).permute(0, 2, 3, 1)


def make_scene(generator: torch.Generator, canvas: Camera, travel_px: float) -> ProceduralScene:
    """A random scene whose fluid moves at most ``travel_px`` px per frame; 0 makes it static."""
    texels = int(PAINT_PX * 2 * REACH * canvas.fx)
    everywhere = torch.ones(1, 1, texels, texels)

    far = uniform(generator, 0.1, 0.25)
    wall = torch.tensor([uniform(generator, -0.05, 0.05), 0.0, far])
    horizon = uniform(generator, -0.25, 0.05)
    slope = uniform(generator, 0.6, 1.0)
    ground = torch.tensor([0.0, slope, -slope * horizon])
    surfaces = [Surface(plane, _paint(generator, texels), everywhere) for plane in (wall, ground)]
    for _ in range(integer(generator, 1, 3)):
        plane = torch.tensor([uniform(generator, -0.2, 0.2) for _ in range(2)] + [uniform(generator, 0.6, 0.95)])
        surfaces.append(Surface(plane, _paint(generator, texels), _blob(generator, texels, (0.06, 0.2), 0.4)))

    fluid = integer(generator, 0, NUM_BACKDROPS - 1)
    lake = _blob(generator, texels, (0.4, 0.9), 0.3)
    x, y = _pixel_rays(canvas, 1)
    disp = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ surfaces[fluid].plane
    freedom = (_look_up(lake, x, y)[..., 0] / FLOW_FADE).clamp(0, 1)
    speed = disp.clamp_min(0) / disp.max()
    step_px = _random_flow(generator, canvas, speed, freedom, travel_px)
    swing_px = _random_swing(generator, canvas, speed * freedom) * (travel_px > 0)
    return ProceduralScene(tuple(surfaces), canvas, fluid, step_px, swing_px, uniform(generator, *SWING_FRAMES))


def _pixel_rays(camera: Camera, per_axis: int) -> tuple[Tensor, Tensor]:
    """Normalised camera coordinates of ``per_axis`` rays a pixel and axis, ``[H * per_axis, W * per_axis]`` each."""
    column = (torch.arange(camera.width * per_axis) + 0.5) / per_axis
    row = (torch.arange(camera.height * per_axis) + 0.5) / per_axis
    y, x = torch.meshgrid((row - camera.cy) / camera.fy, (column - camera.cx) / camera.fx, indexing="ij")
    return x, y


def _look_up(map_: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """``map_`` ``[1, C, T, T]`` at normalised source positions: ``[..., C]``."""
    grid = torch.stack([x, y], dim=-1).reshape(1, 1, -1, 2) / REACH
    found = functional.grid_sample(map_, grid, align_corners=False, padding_mode="border")
    return found[0, :, 0].T.reshape(*x.shape, -1)


def _origin_of(scene: ProceduralScene, frame: int) -> Tensor:
    """Where the fluid that is at a pixel of the canvas in ``frame`` was in frame 0: offsets ``[1, 2, H, W]`` px."""
    canvas, phase = scene.canvas, 2 * pi * frame / scene.swing_frames
    drift_px = ops.integrate_flow(-scene.step_px, frame).offset_px[-1].view(canvas.height, canvas.width, 2)
    swing_px = sin(phase) * scene.swing_px[0] + cos(phase) * scene.swing_px[1]
    return (drift_px + swing_px).permute(2, 0, 1)[None]


def _trace(
    scene: ProceduralScene, camera: Camera, frame: int, num_surfaces: int, per_axis: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Colour ``[.., 3]``, depth and number of the nearest surface along each ray."""
    x, y = _pixel_rays(camera, per_axis)
    pose = torch.eye(3, 4) if camera.world_to_cam is None else camera.world_to_cam
    centre = -pose[:, :3].T @ pose[:, 3]
    rays = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ pose[:, :3]
    rgb = torch.zeros(*x.shape, 3)
    nearest = torch.full_like(x, torch.inf)
    number = torch.zeros(x.shape, dtype=torch.int64)
    origin_px = _origin_of(scene, frame)
    canvas = scene.canvas
    for n, surface in enumerate(scene.surfaces[:num_surfaces]):
        z_cam = (1 - surface.plane @ centre) / (rays @ surface.plane)
        point = centre + z_cam[..., None] * rays
        source_x, source_y = point[..., 0] / point[..., 2], point[..., 1] / point[..., 2]
        hit = (z_cam > 0) & (point[..., 2] > 0) & (z_cam < nearest) & (_look_up(surface.level, source_x, source_y)[..., 0] > 0)
        if n == scene.fluid:
            u, v = source_x * canvas.fx + canvas.cx, source_y * canvas.fy + canvas.cy
            grid = torch.stack([u / canvas.width, v / canvas.height], dim=-1)[None] * 2 - 1
            origin = functional.grid_sample(origin_px, grid, align_corners=False, padding_mode="border")[0]
            source_x, source_y = source_x + origin[0] / canvas.fx, source_y + origin[1] / canvas.fy
        rgb = torch.where(hit[..., None], _look_up(surface.paint, source_x, source_y), rgb)
        nearest = torch.where(hit, z_cam, nearest)
        number = torch.where(hit, n, number)
    return rgb, nearest, number


def look_at(scene: ProceduralScene, camera: Camera, frame: int, *, backdrops_only: bool = False) -> View:
    """What ``camera`` sees of the scene in ``frame``; with ``backdrops_only``, of what its objects stand in front of."""
    num_surfaces = NUM_BACKDROPS if backdrops_only else len(scene.surfaces)
    fine, _, _ = _trace(scene, camera, frame, num_surfaces, SUBSAMPLES)
    rgb = fine.reshape(camera.height, SUBSAMPLES, camera.width, SUBSAMPLES, 3).mean(dim=(1, 3))
    _, z_cam, number = _trace(scene, camera, frame, num_surfaces, 1)
    return View(rgb.contiguous(), z_cam, number)


def visible_flow(scene: ProceduralScene, view: View) -> tuple[Tensor, Tensor]:
    """The flow of what a view of ``scene.canvas`` shows: ``step_px`` ``[H, W, 2]``, 0 where ``moving`` ``[H, W]`` is False."""
    moving = (view.surface == scene.fluid) & (scene.step_px.norm(dim=-1) > STILL_PX)
    return scene.step_px * moving[..., None], moving
