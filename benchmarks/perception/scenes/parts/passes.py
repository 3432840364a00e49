"""Renders a stage: the picture, and the exact maps beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
import OpenEXR
from mathutils import Matrix

from ..classes import FAR_M, FLUIDS, SPEED_LIMITS, Layout, Surface
from .noise import smooth_step
from .stage import Stage

SKY_Z = 20000.0  # what lies farther counts as infinitely far


class Rejected(Exception):
    """A scene that shows nothing worth learning."""


@dataclass(frozen=True)
class Shot:
    """A picture and its truth, all [H, W].

    Attributes
    ----------
    rgb : uint8 [H, W, 3], sRGB.
    disparity : float32, 1/m along the optical axis; 0 is the sky.
    surface, layout : uint8, see ``classes``.
    flow : float32 [H, W, 2], the unit vector in which a fluid moves in the picture (x right, y down); 0 elsewhere.
    speed : uint8, speed class.
    """

    rgb: np.ndarray
    disparity: np.ndarray
    surface: np.ndarray
    layout: np.ndarray
    flow: np.ndarray
    speed: np.ndarray


def shoot(stage: Stage, scratch: Path, threads: int = 2) -> Shot:
    """Renders the stage; ``scratch`` is a file that may be overwritten."""
    set_camera(stage)
    set_up(stage, threads)
    bpy.context.scene.cycles.seed = stage.seed % 2**31
    channels = trace(scratch)
    truth = labels(stage, channels)
    _judge(truth["z"], channels["Combined"])
    return Shot(rgb=develop(stage, with_air(stage, channels, truth["z"])), **{k: v for k, v in truth.items() if k != "z"})


def set_up(stage: Stage, threads: int) -> None:
    """Cycles on the CPU, denoised, with the passes that `labels` needs."""
    scene = bpy.context.scene
    cycles, render, layer = scene.cycles, scene.render, scene.view_layers[0]
    cycles.device, cycles.samples, cycles.use_adaptive_sampling = "CPU", stage.samples, False
    cycles.use_denoising, cycles.denoiser, cycles.denoising_prefilter = True, "OPENIMAGEDENOISE", "FAST"
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 2 + stage.bounces, stage.bounces, 2
    cycles.transmission_bounces, cycles.transparent_max_bounces = 3, 12
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    render.threads_mode, render.threads = "FIXED", threads
    layer.use_pass_z = layer.use_pass_position = layer.use_pass_material_index = layer.use_pass_object_index = True
    layer.pass_alpha_threshold = 0.4
    render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    render.image_settings.color_depth = "32"


def trace(scratch: Path) -> dict[str, np.ndarray]:
    """Every pass of a rendering, by its name, as [H, W] or [H, W, 3]."""
    bpy.context.scene.render.filepath = str(scratch)
    bpy.ops.render.render(write_still=True)
    channels = read_passes(scratch)
    scratch.unlink()
    return channels


def _judge(z: np.ndarray, picture: np.ndarray) -> None:
    """Refuses views from inside a thing, and of next to nothing."""
    low, high = np.percentile(np.minimum(z, SKY_Z), (2, 98))
    if (z < 0.25).mean() > 0.3:
        raise Rejected(f"{(z < 0.25).mean():.0%} of the picture is nearer than 0.25 m")
    if high / low < 1.25:
        raise Rejected(f"depth varies by {high / low:.2f} only")
    light = picture[..., :3].mean(-1)
    if not np.percentile(light, 95) > 1e-3:
        raise Rejected("the picture is black")


def set_camera(stage: Stage) -> bpy.types.Object:
    camera = stage.camera
    lens = bpy.data.cameras.new("camera")
    lens.sensor_fit, lens.angle, lens.clip_start, lens.clip_end = "AUTO", camera.fov, 0.02, 60000.0
    thing = bpy.data.objects.new("camera", lens)
    aim(thing, camera.world_to_cam, camera.location)
    scene = bpy.context.scene
    scene.collection.objects.link(thing)
    scene.camera = thing
    scene.render.resolution_x, scene.render.resolution_y = camera.size
    scene.render.resolution_percentage = 100
    return thing


def aim(thing: bpy.types.Object, world_to_cam: np.ndarray, location: Sequence[float]) -> None:
    """Puts a camera at ``location``; ``world_to_cam`` [3, 3] is to x right, y down, z forward."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = world_to_cam.T * (1, -1, -1), location
    thing.matrix_world = Matrix(matrix.tolist())


def read_passes(path: Path) -> dict[str, np.ndarray]:
    """Pass name to [H, W] or [H, W, 3]."""
    found: dict[str, dict[str, np.ndarray]] = {}
    with OpenEXR.File(str(path), separate_channels=True) as file:
        for part in file.parts:
            for name, channel in part.channels.items():
                _, kind, axis = name.rsplit(".", 2)
                found.setdefault(kind, {})[axis] = np.array(channel.pixels, np.float32)
    axes = {"R": 0, "G": 1, "B": 2, "X": 0, "Y": 1, "Z": 2}
    together = {}
    for kind, parts in found.items():
        ordered = [parts[axis] for axis in sorted(parts, key=lambda axis: axes.get(axis, 3))][:3]
        together[kind] = ordered[0] if len(parts) == 1 else np.stack(ordered, -1)
    return together


def labels(stage: Stage, channels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Depth, classes, layout and flow from the passes."""
    camera = stage.camera
    # Cycles' depth is along the optical axis for a perspective camera.
    z = channels["Depth"]
    code = channels["IndexMA"].round().astype(int)
    seen = code > 0
    surface = np.where(seen, (code - 1) // 4, Surface.SKY).astype(np.uint8)
    layout = np.where(seen, (code - 1) % 4, Layout.FAR).astype(np.uint8)
    far = (z > SKY_Z) | ~seen
    layout[(z > FAR_M) | far] = Layout.FAR
    disparity = np.where(far, 0, 1 / np.maximum(z, 1e-3)).astype(np.float32)

    flow = np.zeros((*z.shape, 2), np.float32)
    speed = np.zeros(z.shape, np.uint8)
    owner = channels["IndexOB"].round().astype(int)
    moving = np.isin(surface, list(FLUIDS))
    position = channels["Position"]
    for index, velocity in enumerate(stage.fluids, 1):
        at = moving & (owner == index)
        if not at.any():
            continue
        rate = velocity(position[at].astype(float))
        flow[at] = camera.image_direction(position[at], rate)
        speed[at] = 1 + np.digitize(np.linalg.norm(rate, axis=-1), SPEED_LIMITS)
    return {"z": z, "disparity": disparity, "surface": surface, "layout": layout, "flow": flow, "speed": speed}


def with_air(stage: Stage, channels: dict[str, np.ndarray], z: np.ndarray) -> np.ndarray:
    """The linear picture behind the air's haze, by Beer's law along each ray."""
    picture, air, camera = channels["Combined"], stage.air, stage.camera
    picture = np.nan_to_num(picture, nan=0.0, posinf=1e3).clip(0, 1e3)
    if air.density <= 0:
        return picture
    rays = camera.rays()
    forward = camera.world_to_cam[2]
    distance = np.minimum(z, 30000.0) / np.maximum(rays @ forward, 1e-3)
    amount = air.density * distance
    if np.isfinite(air.height):
        climb = rays[..., 2] * distance / air.height
        mean = np.where(
            np.abs(climb) < 1e-3, 1 - climb / 2, -np.expm1(-np.clip(climb, -20, 50)) / np.where(climb == 0, 1, climb)
        )
        amount = amount * mean * np.exp(-max(camera.location[2], 0) / air.height)
    colour = horizon(stage, picture, z) if air.colour is None else air.colour
    share = np.exp(-amount)[..., None]
    return picture * share + np.asarray(colour) * (1 - share)


def horizon(stage: Stage, picture: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The colour of what is far and level, linear RGB."""
    level = (np.abs(stage.camera.rays()[..., 2]) < 0.12) & (z > FAR_M)
    rows = picture[level] if level.sum() > 50 else picture.reshape(-1, 3)
    return np.percentile(rows, 65, axis=0)


@dataclass(frozen=True)
class Film:
    """How a picture in linear light becomes one in sRGB. ``gain [3]``; ``vignette`` the loss of light in the corners;
    ``saturation`` 1 leaves colours as they are; ``contrast`` 0..1."""

    gain: np.ndarray
    vignette: float = 0.0
    saturation: float = 1.0
    contrast: float = 0.0

    def printed(self, picture: np.ndarray) -> np.ndarray:
        """sRGB values 0..1 of ``picture`` [H, W, 3]."""
        height, width = picture.shape[:2]
        x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        exposed = picture * self.gain * (1 - self.vignette * (x**2 + y**2) / 2)[..., None]
        # The ACES curve as K. Narkowicz fitted it (2016).
        mapped = np.clip(exposed * (2.51 * exposed + 0.03) / (exposed * (2.43 * exposed + 0.59) + 0.14), 0, 1)
        mean = mapped.mean(-1, keepdims=True)
        mapped = np.clip(mean + (mapped - mean) * self.saturation, 0, 1)
        encoded = np.where(mapped <= 0.0031308, 12.92 * mapped, 1.055 * mapped ** (1 / 2.4) - 0.055)
        return encoded + self.contrast * (smooth_step(0, 1, encoded) - encoded)


def metered(stage: Stage, picture: np.ndarray) -> float:
    """The exposure that a camera would choose for a picture in linear light."""
    light = picture @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    height, width = light.shape
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    weight = np.exp(-0.7 * (x**2 + y**2))
    key = np.exp((np.log(light + 0.01 * light.mean() + 1e-5) * weight).sum() / weight.sum())
    bright = np.percentile(light, 98)
    # A glaring tenth may burn out before the rest drowns.
    gain = max(min(0.17 / key, 3.5 / max(bright, 1e-4)), 0.07 / key) if not stage.night else 0.06 / key
    return float(gain * 2.0**stage.exposure)


def balance(stage: Stage, share: float) -> np.ndarray:
    """Gains [3] that take ``share`` of the main light's colour away."""
    return 1 / np.maximum(stage.white / np.mean(stage.white), 0.2) ** share


def as_bytes(encoded: np.ndarray) -> np.ndarray:
    return (np.clip(encoded, 0, 1) * 255 + 0.5).astype(np.uint8)


def develop(stage: Stage, picture: np.ndarray) -> np.ndarray:
    """Linear light to an sRGB picture as a camera would: metered, rolled off, with its colour cast, vignette and grain."""
    rng = np.random.default_rng([stage.seed, 77])
    gain = metered(stage, picture) * 2.0 ** rng.normal(0, 0.3)
    gain = gain * balance(stage, rng.uniform(0.5, 1.0)) * np.exp(rng.normal(0, 0.03, 3))
    film = Film(gain, rng.uniform(0, 0.25), rng.uniform(0.7, 1.1), rng.uniform(0.0, 0.5))
    encoded = film.printed(picture)
    return as_bytes(encoded + rng.normal(0, rng.uniform(0.002, 0.012), encoded.shape))
