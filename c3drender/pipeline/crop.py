"""A part of the picture in other proportions, for screens that are not the photo's: where what moves and what is near lies."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import cos, pi

import numpy as np
import torch

from ..data import Camera, CameraPath
from ..files.scene import Scene

EVEN, MOVING = 0.2, 1.0  # how much a pixel counts by itself, and more where it moves; being near counts up to 1
LEAST_SIDE_PX = 16
MOST_PAN = 0.3  # of the window's side: how far it goes from what is near to what moves and back
WATCHED = 4096  # points, at most, that tell how the camera moves what is near
ASPECT = re.compile(r"(\d+(?:\.\d+)?)\s*[:/x]\s*(\d+(?:\.\d+)?)")


@dataclass(frozen=True, eq=False)
class Window:
    """The part ``width x height`` of a picture at ``left_px``, ``top_px``, float64 ``[F]`` of each frame or ``[1]`` of all."""

    left_px: np.ndarray
    top_px: np.ndarray
    width: int
    height: int

    def of(self, view: Camera, n: float) -> Camera:
        """What ``view`` sees in it at frame ``n``, also between two: rendered there, so that nothing is resampled."""
        left, top = (_at(place, n) for place in (self.left_px, self.top_px))
        return replace(view, cx=view.cx - left, cy=view.cy - top, width=self.width, height=self.height)


def _at(values: np.ndarray, n: float) -> float:
    first = int(n // 1)
    share = n - first
    return float(values[first % len(values)] * (1 - share) + values[(first + 1) % len(values)] * share)


def read_aspect(aspect: str | None) -> float | None:
    """Width over height of ``"9:16"``; None for None."""
    if aspect is None:
        return None
    found = ASPECT.fullmatch(aspect.strip()) if isinstance(aspect, str) else None
    width, height = (float(side) for side in found.groups()) if found else (0.0, 0.0)
    if not (width > 0 and height > 0 and 0.1 <= width / height <= 10):
        raise ValueError(f"aspect: expected WIDTH:HEIGHT, such as 9:16 or 1:1, got {aspect!r}")
    return width / height


def window_of(scene: Scene, aspect: float, path: CameraPath | None = None) -> Window:
    """The largest part of the photo in these proportions that shows most of what moves and what is near.

    It stays in place, or, with the camera's ``path``, follows: it goes from what is near to what moves and back in one turn of
    the path, and with what is near where the camera moves that across the picture.
    """
    layers = scene.layers
    height, width = scene.camera.height, scene.camera.width
    crop_h, crop_w = min(height, round(width / aspect)), min(width, round(height * aspect))
    if min(crop_h, crop_w) < LEAST_SIDE_PX:
        raise ValueError(f"aspect: expected a crop of at least {LEAST_SIDE_PX} px a side, got {crop_w} x {crop_h}")
    disp = layers.of_photo(1.0 / layers.z_cam).cpu().numpy()
    moving = MOVING * layers.of_photo(layers.moving).cpu().numpy()
    span = max(scene.span.near - scene.span.far, 1e-9)
    near = ((disp - scene.span.far) / span).clip(0, 1)
    both, subject, motion = (
        (_best(weight.sum(axis=0), crop_w), _best(weight.sum(axis=1), crop_h))
        for weight in (EVEN + moving + near, EVEN + near, EVEN + moving)
    )
    if not moving.any():
        motion = subject
    if path is None:
        return Window(np.array([float(both[0])]), np.array([float(both[1])]), crop_w, crop_h)
    shifts_px = _shifts(scene, path, near)
    ways = [
        _way(both[axis], subject[axis], motion[axis], shifts_px[:, axis], side - crop, crop)
        for axis, (side, crop) in enumerate(((width, crop_w), (height, crop_h)))
    ]
    return Window(ways[0], ways[1], crop_w, crop_h)


def _best(weight: np.ndarray, length: int) -> int:
    """Where a window of ``length`` holds most; of equals the middle one."""
    sums = np.convolve(weight, np.ones(length), "valid")
    best = np.flatnonzero(sums >= sums.max() * (1 - 1e-3))
    return int(best[len(best) // 2])


def _shifts(scene: Scene, path: CameraPath, near: np.ndarray) -> np.ndarray:
    """By how much each pose moves what is near across the picture, px ``[F, 2]``."""
    camera, layers = scene.camera, scene.layers
    every = max(int(np.sqrt(near.size / WATCHED)), 1)
    rows, columns = np.mgrid[0 : near.shape[0] : every, 0 : near.shape[1] : every].reshape(2, -1)
    weight = torch.from_numpy((near[rows, columns] + 1e-6).astype(np.float32))
    xy_px = torch.from_numpy(np.stack([columns, rows], axis=1).astype(np.float32) + 0.5)
    xyz = camera.unproject(xy_px, layers.of_photo(layers.z_cam).cpu()[rows, columns])
    shifts = []
    for n in range(len(path)):
        pose, zoom = path.at(n)
        seen = xyz @ pose[:, :3].T.cpu() + pose[:, 3].cpu()
        focal = xyz.new_tensor([camera.fx, camera.fy]) * zoom
        at_px = seen[:, :2] / seen[:, 2:].clamp_min(1e-6) * focal + xyz.new_tensor([camera.cx, camera.cy])
        shifts.append(((at_px - xy_px) * weight[:, None]).sum(dim=0) / weight.sum())
    return torch.stack(shifts).double().numpy()


def _way(both: int, subject: int, motion: int, shift_px: np.ndarray, room: int, length: int) -> np.ndarray:
    """Where the window begins in each frame, 0..``room``: as smooth as the camera's path, and as closed."""
    most = 0.5 * MOST_PAN * length
    ends = [both + float(np.clip(end - both, -most, most)) for end in (subject, motion)]
    turns = [0.5 - 0.5 * cos(2 * pi * n / len(shift_px)) for n in range(len(shift_px))]
    followed: np.ndarray = np.array([ends[0] + (ends[1] - ends[0]) * turn for turn in turns]) + shift_px
    # Where the picture ends before the way does, the way is shortened, not cut off: it would stop and start.
    least, largest = float(followed.min()), float(followed.max())
    if largest - least > room:
        followed = (followed - least) * (room / (largest - least))
    else:
        followed = followed + max(-least, 0.0) - max(largest - room, 0.0)
    return followed
