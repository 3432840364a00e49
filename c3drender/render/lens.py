"""A lens before the scene: a frame is the mean, in linear light, of many pictures of it.

Each picture is taken from its own place on the aperture, at its own moment of the exposure and its own place within the pixel
(Cook, Porter, Carpenter, "Distributed Ray Tracing", SIGGRAPH 1984; Haeberli, Akeley, "The Accumulation Buffer", 1990).
What the lens' rim sees around an edge is there, on its layer: a blurred edge is round and shows what lies behind it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..data import Camera, DepthSpan, Frame, Lens
from ..files.colour import srgb_decoded

FULL_FRAME_M = 0.036  # the longer side of the sensor that f-numbers are understood by
GOLDEN_ANGLE = math.pi * (3.0 - math.sqrt(5.0))
SAMPLES, SHUTTER_SAMPLES = (16, 64), 8  # the least and the most for an aperture; for a shutter alone
SPACING_PX = 4.0  # between the samples of the largest circle of confusion, unless that takes too many
OVERLAP = 1.15  # of the discs that the samples' gaps are filled with: at 1 they have the circle's area in all
LEAST_FILLED_PX = 0.5
GRAIN, GRAIN_SIDE_PX = 0.08, 1280  # of white, its deviation at 1; the longer side at which a grain has a pixel
DECODED = srgb_decoded(np.arange(256) / 255.0).astype(np.float32)


class Draw(Protocol):
    """One picture as ``view``, a camera with its pose, sees frame ``n``, also between two; with its ``disp`` on request."""

    def __call__(self, view: Camera, n: float, depth: bool = False) -> Frame: ...


@dataclass(frozen=True)
class Sample:
    """One picture's place on the aperture (x, y), of a disc of radius 1; its moment, -0.5..0.5 of the exposure; its place
    (x, y) within the pixel, -0.5..0.5 px."""

    aperture: tuple[float, float]
    moment: float
    within: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Optics:
    """A `Lens` before a scene: the aperture's ``radius`` in scene units, the ``focus`` as a point ``[3]`` of the photo's
    camera space or a depth, the ``exposure`` in frames, and the samples."""

    radius: float
    focus: Tensor | float
    exposure: float
    samples: tuple[Sample, ...]

    def focus_disp(self, view: Camera) -> float:
        """The disparity that is sharp in ``view``: a point stays so while the camera moves."""
        if not isinstance(self.focus, Tensor):
            return 1.0 / self.focus
        pose = view.pose.to(torch.float64).cpu()
        return 1.0 / max(float(pose[2, :3] @ self.focus + pose[2, 3]), 1e-6)

    def seen_from(self, view: Camera, sample: Sample) -> Camera:
        """``view`` from the sample's place on the aperture and within the pixel; what is in focus stays in place."""
        dx, dy = (self.radius * side for side in sample.aperture)
        pose = view.pose.clone()
        pose[0, 3] -= dx
        pose[1, 3] -= dy
        sharp = self.focus_disp(view)
        cx = view.cx + dx * view.fx * sharp - sample.within[0]
        cy = view.cy + dy * view.fy * sharp - sample.within[1]
        return replace(view, cx=cx, cy=cy, world_to_cam=pose)


def optics_of(lens: Lens, camera: Camera, span: DepthSpan, focus: Tensor | float) -> Optics:
    """``lens`` before a scene of this camera and span. ``focus``: as in `Optics`."""
    radius = aperture_radius(lens, camera, span)
    sharp = 1.0 / (float(focus[2]) if isinstance(focus, Tensor) else focus)
    most_px = radius * camera.fx * max(abs(span.near - sharp), abs(span.far - sharp))
    return Optics(radius, focus, lens.shutter / 360.0, samples_of(lens, most_px))


def aperture_radius(lens: Lens, camera: Camera, span: DepthSpan) -> float:
    """In scene units: half of the focal length over the f-number, where what is nearest is 1 m away."""
    if lens.f_number is None:
        return 0.0
    focal_m = FULL_FRAME_M * camera.fx / max(camera.width, camera.height)
    return 0.5 * focal_m / lens.f_number / span.near


def samples_of(lens: Lens, most_px: float) -> tuple[Sample, ...]:
    """The pictures that a frame is the mean of, where the largest circle of confusion has a radius of ``most_px``."""
    wanted = 1
    if lens.f_number is not None:
        wanted = min(max(math.ceil(math.pi * (most_px / SPACING_PX) ** 2), SAMPLES[0]), SAMPLES[1])
    elif lens.shutter > 0:
        wanted = SHUTTER_SAMPLES
    cells = lens.ssaa**2
    count = math.ceil((wanted if lens.samples is None else lens.samples) / cells) * cells
    spiral = [_on_spiral(k, count) for k in range(count)] if lens.f_number is not None else [(0.0, 0.0)] * count
    moments = [_radical_inverse(k, 2) if lens.shutter > 0 else 0.0 for k in range(count)]
    # The blur shall not shift the picture.
    x, y, moment = (sum(values) / count for values in (*zip(*spiral, strict=True), moments))
    # In three orders, so that no part of the aperture has its own moment, nor its own place within the pixel.
    order = sorted(range(count), key=lambda k: _radical_inverse(k, 3))
    samples = []
    for rank, k in enumerate(order):
        row, column = divmod(rank % cells, lens.ssaa)
        within = ((column + 0.5) / lens.ssaa - 0.5, (row + 0.5) / lens.ssaa - 0.5)
        samples.append(Sample((spiral[k][0] - x, spiral[k][1] - y), moments[k] - moment, within))
    return tuple(samples)


def _on_spiral(k: int, count: int) -> tuple[float, float]:
    """Vogel's: ``count`` points at equal distances in a disc."""
    away, angle = math.sqrt((k + 0.5) / count), k * GOLDEN_ANGLE
    return away * math.cos(angle), away * math.sin(angle)


def _radical_inverse(k: int, base: int) -> float:
    """Van der Corput's: the digits of ``k`` behind the point, the last first."""
    value, digit = 0.0, 1.0 / base
    while k:
        k, rest = divmod(k, base)
        value, digit = value + digit * rest, digit / base
    return value


def expose(draw: Draw, view_at: Callable[[float], Camera], n: int, optics: Optics) -> tuple[Tensor, Tensor]:
    """Frame ``n`` of ``view_at(n)``, which takes moments between frames, too: linear float32 ``[H, W, 3]``, and which pixels
    no point covers in some of the pictures, bool ``[H, W]``."""
    light: Tensor | None = None
    radius_px: Tensor | None = None
    uncovered: Tensor | None = None
    for sample in optics.samples:
        moment = n + optics.exposure * sample.moment if optics.exposure > 0 else n
        view = view_at(moment)
        frame = draw(optics.seen_from(view, sample), moment, optics.radius > 0)
        shown = light_of(frame)
        light = shown if light is None else light.add_(shown)
        uncovered = frame.uncovered if uncovered is None else uncovered | frame.uncovered
        if frame.disp is not None and optics.radius > 0:
            around = (frame.disp - optics.focus_disp(view)).abs_().mul_(optics.radius * view.fx)
            radius_px = around if radius_px is None else radius_px.add_(around)
    assert light is not None and uncovered is not None  # there is a sample
    count = len(optics.samples)
    light /= count
    if radius_px is not None:
        light = fill_between(light, radius_px * (OVERLAP / count**1.5))
    return light, uncovered


def light_of(frame: Frame) -> Tensor:
    """A frame's light, linear float32 ``[H, W, 3]``."""
    return _decoded(frame.rgb_u8.device)[frame.rgb_u8.to(torch.int32)]


@cache
def _decoded(device: torch.device) -> Tensor:
    """The light of each level, there: sent once, not with each of a frame's many pictures."""
    return torch.from_numpy(DECODED).to(device)


def fill_between(light: Tensor, radius_px: Tensor) -> Tensor:
    """``light [H, W, 3]`` with each pixel spread over a disc of its ``radius_px [H, W]``, but over nothing that is sharper: so
    that the samples of a blur do not show, and no edge gets a halo."""
    halves = torch.nonzero(torch.bincount((2 * radius_px).to(torch.int64).flatten()).cpu())[:, 0].tolist()
    if halves[-1] < 2 * LEAST_FILLED_PX:
        return light
    planes = torch.cat([light, torch.ones_like(light[..., :1])], dim=-1).permute(2, 0, 1)[None]
    total = torch.zeros_like(planes)
    # A radius between two whole ones is a mixture of both.
    for k in sorted({whole for half in halves for whole in (half // 2, half // 2 + 1)}):
        share = (1.0 - (radius_px - k).abs()).clamp_min(0.0)
        disc = _disc(k, light)
        spread = functional.conv2d(planes * share, disc.expand(4, 1, -1, -1), padding=k, groups=4)
        total += spread * (radius_px - (k - 1)).clamp(0.0, 1.0)
    return (total[0, :3] / total[0, 3:]).permute(1, 2, 0).contiguous()


def _disc(radius: int, like: Tensor) -> Tensor:
    """``[2 r + 1, 2 r + 1]``, the sum is 1; its rim is a pixel wide."""
    along = torch.arange(-radius, radius + 1, dtype=like.dtype, device=like.device)
    inside = (radius + 0.5 - torch.hypot(along[:, None], along[None])).clamp(0.0, 1.0)
    return inside / inside.sum()


def develop(light: Tensor, lens: Lens, focal_px: float, n: int) -> Tensor:
    """The picture uint8 ``[H, W, 3]`` of linear ``light [H, W, 3]``, taken with this focal length, as frame ``n``: vignette,
    grain, and rounding that does not show in smooth ramps."""
    height, width = light.shape[:2]
    y, x = (torch.arange(side, dtype=torch.float32, device=light.device) for side in (height, width))
    if lens.vignette > 0:
        away = (y[:, None] + 0.5 - height / 2).square() + (x[None] + 0.5 - width / 2).square()
        light = light / (1.0 + (lens.vignette / focal_px**2) * away).square()[..., None]
    if lens.grain > 0:
        # As of photons: its deviation is the root of the light.
        noise = GRAIN * lens.grain * _grain(height, width, n).to(light.device)
        light = light + light.clamp_min(0.0).sqrt() * noise[..., None]
    levels = encoded(light) * 255.0
    # Interleaved gradient noise (Jimenez, "Next Generation Post Processing in Call of Duty", SIGGRAPH 2014) stands still.
    dither = (52.9829189 * (0.06711056 * x[None] + 0.00583715 * y[:, None]).frac()).frac()
    return (levels + dither[..., None]).floor_().clamp_(0, 255).to(torch.uint8)


def encoded(light: Tensor) -> Tensor:
    held = light.clamp(0.0, 1.0)
    return torch.where(held <= 0.0031308, held * 12.92, 1.055 * held.pow(1 / 2.4) - 0.055)


def _grain(height: int, width: int, n: int) -> Tensor:
    """Of frame ``n``, ``[H, W]``, deviation 1 where a grain has a pixel."""
    scale = max(max(height, width) / GRAIN_SIDE_PX, 1.0)
    size = math.ceil(height / scale), math.ceil(width / scale)
    noise = torch.randn(1, 1, *size, generator=torch.Generator().manual_seed(n), dtype=torch.float32)
    binomial = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float32)
    soft = functional.conv2d(noise, (binomial[:, None] * binomial / 6.0)[None, None], padding=1)
    return functional.interpolate(soft, (height, width), mode="bilinear", align_corners=False)[0, 0]
