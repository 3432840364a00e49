"""Camera paths: where the virtual camera is in each frame of the loop.

A path is scaled to the scene's own disparities, so that ``amplitude=1`` gives the same apparent parallax on every photo: at
the ends of the path the nearest and the farthest content have shifted against each other by `PARALLAX` of the longer side.
Whatever the depth, no pixel shifts by more than `MOST_SHIFT` times what the amplitude asks for, and the camera turns by no
more than `MOST_TURN` (times an amplitude above 1): a scene with little range is looked at as if it had `data.LEAST_RANGE`,
and a path that would still pass a bound is made smaller as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real

import numpy as np
import scipy
import torch
from torch import Tensor
from torch.nn import functional

from .data import LEAST_RANGE, Camera, CameraKeys, CameraPath, DepthSpan

PARALLAX = 0.025  # of the photo's longer side, between the nearest and the farthest content
PUSH = 0.05  # of the distance to the nearest content, moved along the view axis
MOST_SHIFT = 1.5  # times what the amplitude asks for (`asked_shift_px`)
MOST_TURN = math.radians(12.0)
BISECTIONS = 16  # of a path's size, where a bound is passed

Position = tuple[float, float, float]  # camera centre: x and y in units of the parallax, z in units of the push


def _circle(t: float) -> Position:
    return math.sin(2 * math.pi * t), 0.6 * (math.cos(2 * math.pi * t) - 1.0), 0.0


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
    per_axis = tuple(amplitude) if isinstance(amplitude, (tuple, list, np.ndarray)) else (amplitude,) * 3
    numbers = [float(value) for value in per_axis if isinstance(value, Real) and not isinstance(value, bool)]
    if len(per_axis) != 3 or len(numbers) != 3 or not all(math.isfinite(value) and value >= 0 for value in numbers):
        raise ValueError(f"amplitude: expected a finite number >= 0, or three (x, y, z), got {amplitude!r}")
    return numbers[0], numbers[1], numbers[2]


def check_ease(ease: float) -> None:
    """Raise ValueError unless ``ease`` is in 0..1."""
    if isinstance(ease, bool) or not isinstance(ease, Real) or not 0 <= float(ease) <= 1:
        raise ValueError(f"ease: expected a number in 0..1, got {ease!r}")


def _facing(directions: Tensor) -> Tensor:
    """Rows right, down, forward ``[F, 3, 3]`` of upright cameras that look along ``directions [F, 3]``."""
    forward = functional.normalize(directions, dim=1)
    down = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64).expand_as(forward)
    right = functional.normalize(torch.linalg.cross(down, forward), dim=1)
    return torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)


def _poses_that_keep(focus: Tensor, centres: Tensor) -> Tensor:
    """The poses ``[F, 3, 4]`` of cameras at ``centres [F, 3]`` that see the point ``focus [3]`` in the same direction as from
    the origin."""
    rotations = _facing(focus[None]).mT @ _facing(focus - centres)
    return torch.cat([rotations, -(rotations @ centres[:, :, None])], dim=2)


def _positions(keys: CameraKeys, loop_t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions ``[F, 3]`` and zooms ``[F]`` on the cubic spline through the key frames: periodic, or natural at its ends."""
    times, values = list(keys.loop_t), [(*p, math.log(z)) for p, z in zip(keys.position, keys.zoom, strict=True)]
    if keys.closed:
        times, values = [*times, times[0] + 1.0], [*values, values[0]]
    spline = scipy.interpolate.CubicSpline(times, values, bc_type="periodic" if keys.closed else "natural")
    at = spline(loop_t if keys.closed else np.clip(loop_t, times[0], times[-1]))
    return at[:, :3], np.exp(np.maximum(at[:, 3], 0.0))


def make_camera_path(
    camera: Camera,
    preset: str | CameraKeys,
    num_frames: int,
    span: DepthSpan,
    *,
    amplitude: float | Sequence[float] = 1.0,
    ease: float = 0.0,
) -> CameraPath:
    """The poses of a preset, or through key frames, for a number of frames that are one period of the loop.

    The presets ``circle swing zoom dolly rise orbit still dolly-zoom`` and key frames that are ``closed`` close on themselves:
    frame ``num_frames`` would equal frame 0, and the presets' frame 0 is the photo's own view. The camera keeps in place what
    lies at ``span.focus_px`` of the photo at disparity ``span.focus``. ``paper-up-down paper-zoom-in paper-side paper-circle``
    are the released demo's, of which only the circle closes, and not bounded.

    Parameters
    ----------
    camera : Camera
        The photo's.
    preset : str or CameraKeys
        A name, or key frames.
    num_frames : int
        >= 1.
    span : DepthSpan
        The scene's disparities, which scale the path: at the ends of it the nearest and the farthest content have shifted
        against each other by 2.5 % of the photo's longer side (`PARALLAX`).
    amplitude : float or sequence of three
        Of all axes, or of x, y and z; >= 0.
    ease : float
        0..1, how far the camera slows down towards the loop's start and end, 1 to a stop.

    Returns
    -------
    CameraPath

    Raises
    ------
    ValueError
        For an unknown preset, ``num_frames`` < 1 or a number out of its range.

    Examples
    --------
    >>> from c3drender import Camera
    >>> from c3drender.camera import make_camera_path
    >>> from c3drender.data import DepthSpan
    >>> path = make_camera_path(Camera.for_photo(640, 480), "swing", 60, DepthSpan(near=1.0, far=0.1, focus=0.5))
    >>> len(path), path.name
    (60, 'swing')
    >>> bool(path.world_to_cam[0, 0, 3] == 0)  # it starts where the photo was taken
    True
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
        poses[:, :, 3] = shifts * per_axis / span.near
        return CameraPath(poses.to(torch.float32), preset)
    if isinstance(preset, CameraKeys):
        units, zooms = _positions(preset, loop_t)
        name, zoom = "key frames", torch.from_numpy(zooms)
    else:
        units, name = np.array([PRESETS[preset](float(t)) for t in loop_t]), preset
        zoom = torch.ones(num_frames, dtype=torch.float64)
    asked = torch.from_numpy(units) * per_axis

    most_turn = MOST_TURN * max(1.0, float(per_axis.max()))

    def path_of(share: float) -> CameraPath:
        centres = share * asked * _unit(camera, span)
        poses = _poses_that_keep(focus_point(camera, span), centres)
        zoomed = (1.0 - centres[:, 2] * span.focus).clamp_min(1.0) if preset in ZOOMING else zoom
        kept = None if bool((zoomed == 1.0).all()) else zoomed.to(torch.float32)
        return CameraPath(poses.to(torch.float32).contiguous(), name, kept)

    def bounded(path: CameraPath) -> bool:
        unzoomed = CameraPath(path.world_to_cam) if isinstance(preset, CameraKeys) else path  # a zoom that was asked for
        shift_px = max(max_shift_px(camera, unzoomed, disp) for disp in span.limits)
        return shift_px <= MOST_SHIFT * asked_shift_px(camera, asked) and float(turns(path).max()) <= most_turn

    path = path_of(1.0)
    if bounded(path):
        return path
    small, large = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = 0.5 * (small + large)
        small, large = (middle, large) if bounded(path_of(middle)) else (small, middle)
    return path_of(small)


def _unit(camera: Camera, span: DepthSpan) -> Tensor:
    """How far the camera moves along x, y and z for a position of (1, 1, 1), in scene units."""
    side = PARALLAX * max(camera.width, camera.height) / camera.fx / max(span.near - span.far, LEAST_RANGE * span.near)
    return torch.tensor([side, side, PUSH / span.near], dtype=torch.float64)


def focus_point(camera: Camera, span: DepthSpan) -> Tensor:
    """The point that stays in place, in scene units."""
    x, y = span.focus_px or (camera.cx, camera.cy)
    ray = [(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1.0]
    return torch.tensor(ray, dtype=torch.float64, device="cpu") / span.focus


def asked_shift_px(camera: Camera, positions: Tensor) -> float:
    """By how much a path through ``positions [F, 3]`` (amplitude times the presets' units) is meant to shift content at most:
    sideways `PARALLAX` of the longer side per unit; along the axis as near content in the picture's corner moves outwards."""
    corner_px = 0.5 * math.hypot(camera.width, camera.height)
    push = PUSH * positions[:, 2]
    sideways = PARALLAX * max(camera.width, camera.height) * positions[:, :2].norm(dim=1)
    return float((sideways + corner_px * (push / (1.0 - push).clamp_min(0.1)).abs()).max())


def turns(path: CameraPath) -> Tensor:
    """By how much each view is turned against the photo's, radians ``[F]``."""
    traces = path.world_to_cam[:, :, :3].double().diagonal(dim1=1, dim2=2).sum(dim=1)
    return ((traces - 1.0) / 2.0).clamp(-1.0, 1.0).arccos()


def envelope_path(camera: Camera, span: DepthSpan, *, amplitude: float | Sequence[float]) -> CameraPath:
    """Views that together reveal whatever any closed preset of up to this amplitude reveals: each preset's turning points.

    Zooming in reveals nothing that the same pose does not show without it. The parameters are those of `make_camera_path`.
    """
    paths = [make_camera_path(camera, name, 8, span, amplitude=amplitude).world_to_cam for name in PRESETS]
    return CameraPath(torch.unique(torch.cat(paths), dim=0), "envelope")


def _seen_px(camera: Camera, views: CameraPath, disp: float) -> tuple[Tensor, Tensor]:
    """Pixels ``[N, 2]`` all over the photo, and where the views see content of disparity ``disp`` at them, ``[V, N, 2]``."""
    sides = (torch.linspace(0, side, 5, dtype=torch.float32) for side in (camera.height, camera.width))
    v, u = torch.meshgrid(*sides, indexing="ij")
    uv = torch.stack([u, v], dim=-1).reshape(-1, 2)
    focal, centre = (uv.new_tensor(pair) for pair in ((camera.fx, camera.fy), (camera.cx, camera.cy)))
    rays = torch.cat([(uv - centre) / focal, uv.new_ones(len(uv), 1)], dim=1)
    poses = views.world_to_cam
    seen = torch.einsum("vij,nj->vni", poses[:, :, :3], rays / disp) + poses[:, None, :, 3]
    zoom = poses.new_ones(len(poses)) if views.zoom is None else views.zoom
    in_front = torch.where(seen[..., 2:] > 0, seen[..., :2] / seen[..., 2:], torch.inf)
    return uv, in_front * zoom[:, None, None] * focal + centre


def max_shift_px(camera: Camera, views: CameraPath, disp: float) -> float:
    """The largest distance (px) by which any view moves content of disparity ``disp``; inf where it gets behind a view."""
    uv, seen = _seen_px(camera, views, disp)
    return float((seen - uv).norm(dim=-1).max())


def parallax_px(camera: Camera, views: CameraPath, disp_near: float, disp_far: float) -> float:
    """The largest distance (px) by which any view shifts two contents against each other, per unit of disparity."""
    apart = _seen_px(camera, views, disp_near)[1] - _seen_px(camera, views, disp_far)[1]
    return float(apart.norm(dim=-1).max()) / max(disp_near - disp_far, 1e-6)
