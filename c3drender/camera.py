"""Camera paths: where the virtual camera is in each frame of the loop.

A path is scaled to the scene's own disparities, so that ``amplitude=1`` gives the same apparent parallax on every photo: at
the ends of the path the nearest and the farthest content have shifted against each other by `PARALLAX` of the longer side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from .data import Camera, CameraKeys, CameraPath

PARALLAX = 0.025  # of the photo's longer side, between the nearest and the farthest content
PUSH = 0.05  # of the distance to the nearest content, moved along the view axis

Position = tuple[float, float, float]  # camera centre: x and y in units of the parallax, z in units of the push


def _circle(t: float) -> Position:
    return math.cos(2 * math.pi * t), 0.6 * math.sin(2 * math.pi * t), 0.0


def _swing(t: float) -> Position:
    return math.sin(2 * math.pi * t), 0.0, 0.0


def _zoom(t: float) -> Position:
    return 0.0, 0.0, 1.0 - math.cos(2 * math.pi * t)


def _dolly(t: float) -> Position:
    return 0.5 * math.sin(2 * math.pi * t), 0.0, 0.75 * (1.0 - math.cos(2 * math.pi * t))


def _rise(t: float) -> Position:
    return 0.0, -math.sin(2 * math.pi * t), 0.0


def _orbit(t: float) -> Position:
    return math.sin(2 * math.pi * t), 0.35 * math.sin(4 * math.pi * t), 0.5 * (1.0 - math.cos(4 * math.pi * t))


def _still(t: float) -> Position:
    return 0.0, 0.0, 0.0


def _dolly_zoom(t: float) -> Position:
    return 0.0, 0.0, 0.5 * math.cos(2 * math.pi * t) - 0.5


PRESETS: dict[str, Callable[[float], Position]] = {
    "circle": _circle,
    "swing": _swing,
    "zoom": _zoom,
    "dolly": _dolly,
    "rise": _rise,
    "orbit": _orbit,
    "still": _still,
    "dolly-zoom": _dolly_zoom,
}
ZOOMING = ("dolly-zoom",)  # pull back while the focal length grows, so that the focus keeps its size

# The paper's demo: translations of the points, in units of the nearest depth, for a path that runs over s = 0..1. Only the
# circle closes. (golden/PIPELINE.md, section 8)
PAPER_PRESETS: dict[str, Callable[[float], Position]] = {
    "paper-up-down": lambda s: (0.0, 0.08 - 0.16 * s, 0.0),
    "paper-zoom-in": lambda s: (0.0, 0.0, -0.24 * s),
    "paper-side": lambda s: (0.09 - 0.18 * s, 0.0, 0.0),
    "paper-circle": lambda s: (
        -0.04 * math.cos(math.pi * (4 * s - 2)),
        -0.04 * math.sin(math.pi * (4 * s - 2)),
        -0.09 * math.cos(math.pi * (4 * s - 2) / 2),
    ),
}


def check_preset(name: str) -> None:
    """Raise ValueError unless ``name`` is a preset."""
    if name not in PRESETS and name not in PAPER_PRESETS:
        known = ", ".join([*PRESETS, *PAPER_PRESETS])
        raise ValueError(f"camera: expected one of {known}, a .json file of key frames, or a CameraPath, got {name!r}")


def check_amplitude(amplitude: float | Sequence[float]) -> tuple[float, float, float]:
    """``amplitude`` along x, y and z, from one number or three; ValueError otherwise."""
    per_axis = tuple(amplitude) if isinstance(amplitude, (tuple, list)) else (amplitude,) * 3
    numbers = [value for value in per_axis if isinstance(value, Real) and not isinstance(value, bool)]
    if len(per_axis) != 3 or len(numbers) != 3 or not all(math.isfinite(value) and value >= 0 for value in numbers):
        raise ValueError(f"amplitude: expected a finite number >= 0, or three (x, y, z), got {amplitude!r}")
    return float(per_axis[0]), float(per_axis[1]), float(per_axis[2])


def check_ease(ease: float) -> None:
    """Raise ValueError unless ``ease`` is in 0..1."""
    if isinstance(ease, bool) or not isinstance(ease, Real) or not 0 <= ease <= 1:
        raise ValueError(f"ease: expected a number in 0..1, got {ease!r}")


def _facing(direction: Tensor) -> Tensor:
    """Rows right, down, forward ``[3, 3]`` of an upright camera that looks along ``direction``."""
    forward = direction / direction.norm()
    right = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64), forward)
    right = right / right.norm()
    return torch.stack([right, torch.linalg.cross(forward, right), forward])


def _pose_that_keeps(focus: Tensor, centre: Tensor) -> Tensor:
    """The pose ``[3, 4]`` of a camera at ``centre`` that sees the point ``focus`` in the same direction as from the origin."""
    rotation = _facing(focus).T @ _facing(focus - centre)
    return torch.cat([rotation, -(rotation @ centre)[:, None]], dim=1)


def _positions(keys: CameraKeys, loop_t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions ``[F, 3]`` and zooms ``[F]`` on the cubic spline through the key frames: periodic, or natural at its ends."""
    times, values = list(keys.loop_t), [(*p, math.log(z)) for p, z in zip(keys.position, keys.zoom, strict=True)]
    if keys.closed:
        times, values = [*times, times[0] + 1.0], [*values, values[0]]
    spline = CubicSpline(times, values, bc_type="periodic" if keys.closed else "natural")
    at = spline(loop_t if keys.closed else np.clip(loop_t, times[0], times[-1]))
    return at[:, :3], np.exp(np.maximum(at[:, 3], 0.0))


def make_camera_path(
    camera: Camera,
    preset: str | CameraKeys,
    num_frames: int,
    *,
    disp_near: float,
    disp_far: float,
    disp_focus: float,
    focus_px: tuple[float, float] | None = None,
    amplitude: float | Sequence[float] = 1.0,
    ease: float = 0.0,
) -> CameraPath:
    """The poses of ``preset`` for ``num_frames`` frames that are one period of the loop.

    ``circle swing zoom dolly rise orbit still dolly-zoom`` and key frames that are ``closed`` close on themselves: frame
    ``num_frames`` would equal frame 0. The camera keeps in place what lies at ``focus_px`` (x, y) of the photo (None: its
    middle) at disparity ``disp_focus``. ``paper-up-down paper-zoom-in paper-side paper-circle`` are the released demo's.
    ``amplitude``: of all axes, or of x, y and z. ``ease`` 0..1: how far the camera slows down towards the loop's start and
    end, 1 to a stop.

    Raises ValueError for an unknown preset, ``num_frames`` < 1 or a number out of its range.
    """
    if num_frames < 1:
        raise ValueError(f"frames: expected >= 1, got {num_frames}")
    per_axis = torch.tensor(check_amplitude(amplitude), dtype=torch.float64)
    check_ease(ease)
    open_ended = isinstance(preset, CameraKeys) and not preset.closed
    if isinstance(preset, str):
        check_preset(preset)
        open_ended = preset in PAPER_PRESETS and preset != "paper-circle"
    loop_t = np.arange(num_frames) / (max(num_frames - 1, 1) if open_ended else num_frames)
    loop_t = loop_t - ease * np.sin(2 * np.pi * loop_t) / (2 * np.pi)
    if isinstance(preset, str) and preset in PAPER_PRESETS:
        shifts = torch.tensor([PAPER_PRESETS[preset](float(t)) for t in loop_t], dtype=torch.float64)
        poses = torch.eye(3, 4, dtype=torch.float64).repeat(num_frames, 1, 1)
        poses[:, :, 3] = shifts * per_axis / disp_near
        return CameraPath(poses.to(torch.float32), preset)
    side = PARALLAX * max(camera.width, camera.height) / camera.fx / max(disp_near - disp_far, 1e-6 * disp_near)
    scale = per_axis * torch.tensor([side, side, PUSH / disp_near], dtype=torch.float64)
    if isinstance(preset, CameraKeys):
        units, zooms = _positions(preset, loop_t)
        name, zoom = "key frames", torch.from_numpy(zooms)
    else:
        units, name = np.array([PRESETS[preset](float(t)) for t in loop_t]), preset
        zoom = torch.ones(num_frames, dtype=torch.float64)
    centres = torch.from_numpy(units) * scale
    x, y = focus_px or (camera.cx, camera.cy)
    ray = torch.tensor([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1.0], dtype=torch.float64)
    focus = ray / disp_focus
    poses = torch.stack([_pose_that_keeps(focus, centre) for centre in centres])
    if preset in ZOOMING:
        zoom = (1.0 - centres[:, 2] * disp_focus).clamp_min(1.0)
    zoomed = None if bool((zoom == 1.0).all()) else zoom.to(torch.float32)
    return CameraPath(poses.to(torch.float32).contiguous(), name, zoomed)


def envelope_path(
    camera: Camera,
    *,
    disp_near: float,
    disp_far: float,
    disp_focus: float,
    focus_px: tuple[float, float] | None = None,
    amplitude: float | Sequence[float],
) -> CameraPath:
    """Views that together reveal whatever any closed preset of up to this amplitude reveals: each preset's turning points.
    Zooming in reveals nothing that the same pose does not show without it."""
    scale = {"disp_near": disp_near, "disp_far": disp_far, "disp_focus": disp_focus, "focus_px": focus_px}
    paths = [make_camera_path(camera, name, 8, **scale, amplitude=amplitude).world_to_cam for name in PRESETS]
    return CameraPath(torch.unique(torch.cat(paths), dim=0), "envelope")


def _seen_px(camera: Camera, views: CameraPath, disp: float) -> tuple[Tensor, Tensor]:
    """Pixels ``[N, 2]`` all over the photo, and where the views see content of disparity ``disp`` at them, ``[V, N, 2]``."""
    v, u = torch.meshgrid(torch.linspace(0, camera.height, 5), torch.linspace(0, camera.width, 5), indexing="ij")
    uv = torch.stack([u, v], dim=-1).reshape(-1, 2)
    focal, centre = torch.tensor([camera.fx, camera.fy]), torch.tensor([camera.cx, camera.cy])
    rays = torch.cat([(uv - centre) / focal, torch.ones(len(uv), 1)], dim=1)
    poses = views.world_to_cam
    seen = torch.einsum("vij,nj->vni", poses[:, :, :3], rays / disp) + poses[:, None, :, 3]
    zoom = torch.ones(len(poses)) if views.zoom is None else views.zoom
    return uv, seen[..., :2] / seen[..., 2:] * zoom[:, None, None] * focal + centre


def max_shift_px(camera: Camera, views: CameraPath, disp: float) -> float:
    """The largest distance (px) by which any view moves content of disparity ``disp``."""
    uv, seen = _seen_px(camera, views, disp)
    return float((seen - uv).norm(dim=-1).max())


def parallax_px(camera: Camera, views: CameraPath, disp_near: float, disp_far: float) -> float:
    """The largest distance (px) by which any view shifts two contents against each other, per unit of disparity."""
    apart = _seen_px(camera, views, disp_near)[1] - _seen_px(camera, views, disp_far)[1]
    return float(apart.norm(dim=-1).max()) / max(disp_near - disp_far, 1e-6)
