"""Camera paths: where the virtual camera is in each frame of the loop.

A path is scaled to the scene's own disparities, so that ``amplitude=1`` gives the same apparent parallax on every photo: at
the ends of the path the nearest and the farthest content have shifted against each other by `PARALLAX` of the longer side.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .data import Camera, CameraPath

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


PRESETS: dict[str, Callable[[float], Position]] = {
    "circle": _circle,
    "swing": _swing,
    "zoom": _zoom,
    "dolly": _dolly,
    "rise": _rise,
    "orbit": _orbit,
    "still": _still,
}

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
        raise ValueError(f"camera: expected one of {', '.join([*PRESETS, *PAPER_PRESETS])}, or a CameraPath, got {name!r}")


def _look_at_pose(centre: Tensor, focus_z: float) -> Tensor:
    """The pose ``[3, 4]`` of a camera at ``centre`` that is turned to keep the point ``(0, 0, focus_z)`` on its axis."""
    forward = torch.tensor([0.0, 0.0, focus_z], dtype=torch.float64) - centre
    forward = forward / forward.norm()
    right = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64), forward)
    right = right / right.norm()
    rotation = torch.stack([right, torch.linalg.cross(forward, right), forward])
    return torch.cat([rotation, -(rotation @ centre)[:, None]], dim=1)


def make_camera_path(
    camera: Camera,
    preset: str,
    num_frames: int,
    *,
    disp_near: float,
    disp_far: float,
    disp_focus: float,
    amplitude: float = 1.0,
) -> CameraPath:
    """The poses of ``preset`` for ``num_frames`` frames that are one period of the loop.

    ``circle swing zoom dolly rise orbit still`` close on themselves: frame ``num_frames`` would equal frame 0. The camera
    keeps the focus (``disp_focus``, 1/z) in place. ``paper-up-down paper-zoom-in paper-side paper-circle`` are the released
    demo's.

    Raises ValueError for an unknown preset or ``num_frames`` < 1.
    """
    if num_frames < 1:
        raise ValueError(f"frames: expected >= 1, got {num_frames}")
    check_preset(preset)
    if preset in PAPER_PRESETS:
        last = num_frames if preset == "paper-circle" else max(num_frames - 1, 1)
        shifts = torch.tensor([PAPER_PRESETS[preset](n / last) for n in range(num_frames)], dtype=torch.float64)
        poses = torch.eye(3, 4, dtype=torch.float64).repeat(num_frames, 1, 1)
        poses[:, :, 3] = shifts * amplitude / disp_near
    else:
        side = (
            amplitude * PARALLAX * max(camera.width, camera.height) / camera.fx / max(disp_near - disp_far, 1e-6 * disp_near)
        )
        scale = torch.tensor([side, side, amplitude * PUSH / disp_near], dtype=torch.float64)
        centres = [torch.tensor(PRESETS[preset](n / num_frames), dtype=torch.float64) * scale for n in range(num_frames)]
        poses = torch.stack([_look_at_pose(centre, 1.0 / disp_focus) for centre in centres])
    return CameraPath(poses.to(torch.float32).contiguous(), preset)


def envelope_path(camera: Camera, *, disp_near: float, disp_far: float, disp_focus: float, amplitude: float) -> CameraPath:
    """Views that together reveal whatever any closed preset of up to this amplitude reveals: each preset's turning points."""
    paths = [
        make_camera_path(
            camera, name, 8, disp_near=disp_near, disp_far=disp_far, disp_focus=disp_focus, amplitude=amplitude
        ).world_to_cam
        for name in PRESETS
    ]
    return CameraPath(torch.unique(torch.cat(paths), dim=0), "envelope")


def _seen_px(camera: Camera, views: CameraPath, disp: float) -> tuple[Tensor, Tensor]:
    """Pixels ``[N, 2]`` all over the photo, and where the views see content of disparity ``disp`` at them, ``[V, N, 2]``."""
    v, u = torch.meshgrid(torch.linspace(0, camera.height, 5), torch.linspace(0, camera.width, 5), indexing="ij")
    uv = torch.stack([u, v], dim=-1).reshape(-1, 2)
    focal, centre = torch.tensor([camera.fx, camera.fy]), torch.tensor([camera.cx, camera.cy])
    rays = torch.cat([(uv - centre) / focal, torch.ones(len(uv), 1)], dim=1)
    poses = views.world_to_cam
    seen = torch.einsum("vij,nj->vni", poses[:, :, :3], rays / disp) + poses[:, None, :, 3]
    return uv, seen[..., :2] / seen[..., 2:] * focal + centre


def max_shift_px(camera: Camera, views: CameraPath, disp: float) -> float:
    """The largest distance (px) by which any view moves content of disparity ``disp``."""
    uv, seen = _seen_px(camera, views, disp)
    return float((seen - uv).norm(dim=-1).max())


def parallax_px(camera: Camera, views: CameraPath, disp_near: float, disp_far: float) -> float:
    """The largest distance (px) by which any view shifts two contents against each other, per unit of disparity."""
    apart = _seen_px(camera, views, disp_near)[1] - _seen_px(camera, views, disp_far)[1]
    return float(apart.norm(dim=-1).max()) / max(disp_near - disp_far, 1e-6)
