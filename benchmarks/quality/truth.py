"""Ground truth of a scene: its photo with what is known about it, and what cameras see before and after. Drawn once, kept.

Times are frames after (or, negative, before) the photo's. ``poses[0]`` is the photo's own camera.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .caster import shoot
from .scenes import SCENES, SceneSpec
from .textures import Array

WIDTH, HEIGHT = 640, 360
TIMES = (0, 7, 15, -15, -7)
PARALLAX = 0.025  # of the longer side, between the nearest and the farthest content
PUSH = 0.05  # of the nearest depth
CENTRES = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (-0.7, -0.6, 0.0), (0.2, 0.3, 1.0))  # x, y in parallaxes, z in pushes
NUM_ARROWS = 4
ARROW_FRAMES = 50
CHECK_BLOCKS = (4, 6)
CHECK_TOLERANCE = 0.15  # grey levels, of a block's mean


@dataclass(frozen=True)
class Truth:
    """``photo_u8 [H, W, 3]``; ``z_cam [H, W]``; ``moving [H, W]``; ``step_px [H, W, 2]`` px per frame; ``arrows [A, 2, 2]``
    (start, end) x (x, y), as long as 50 frames of motion; ``poses [C, 3, 4]`` world to camera; ``times [T]``, the first 0;
    ``frames_u8 [T, C, H, W, 3]``; ``moving_seen [C, H, W]``: where a camera ever sees something that moves."""

    photo_u8: NDArray[np.uint8]
    z_cam: Array
    moving: NDArray[np.bool_]
    step_px: Array
    arrows: Array
    poses: Array
    times: NDArray[np.int64]
    frames_u8: NDArray[np.uint8]
    moving_seen: NDArray[np.bool_]

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)``"""
        return self.z_cam.shape

    def save(self, path: Path) -> None:
        np.savez_compressed(path, **asdict(self))

    @classmethod
    def load(cls, path: Path) -> Truth:
        with np.load(path) as archive:
            return cls(**{f.name: archive[f.name] for f in fields(cls)})


def compared(time: int, camera: int) -> bool:
    """Whether `metrics.measure` looks at the frame of these indices: not at every other one with motion and a moved camera, as
    a half tells as much as the whole."""
    return time == 0 or camera == 0 or (time + camera) % 2 == 0


def camera_poses(z_cam: Array, width: int) -> Array:
    """The cameras, scaled to the scene's depths, each turned to keep the middle depth's centre in its middle. [C, 3, 4]"""
    disp = 1 / z_cam
    far, focus, near = (float(np.quantile(disp, q)) for q in (0.01, 0.5, 0.99))
    focal = max(width, z_cam.shape[0])
    side = PARALLAX * width / focal / max(near - far, 1e-6)
    poses = []
    for centre in CENTRES:
        at = np.array(centre) * (side, side, PUSH / near)
        ahead = np.array([0, 0, 1 / focus]) - at
        ahead /= np.linalg.norm(ahead)
        right = np.cross([0.0, 1.0, 0.0], ahead)
        right /= np.linalg.norm(right)
        turn = np.stack([right, np.cross(ahead, right), ahead])
        poses.append(np.concatenate([turn, -(turn @ at)[:, None]], axis=1))
    return np.stack(poses).astype(np.float32)


def draw_arrows(moving: NDArray[np.bool_], step_px: Array, number: int) -> Array:
    """Arrows ``[A, 2, 2]``, 50 frames of motion long, whose ends both lie where it moves, far apart and far from borders."""
    inner = cv2.distanceTransform(np.pad(moving, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    ys, xs = np.nonzero(moving)
    at, half = np.stack([xs, ys], 1) + 0.5, step_px[ys, xs] * ARROW_FRAMES / 2
    ends = np.stack([at - half, at + half], 1)
    cell = np.floor(ends).astype(int)
    inside = ((cell >= 0) & (cell < moving.shape[::-1])).all(axis=(1, 2))
    cell = np.where(inside[:, None, None], cell, 0)
    fits = inside & moving[cell[..., 1], cell[..., 0]].all(axis=1) & (np.hypot(*half.T) > 2)
    if not fits.any():
        raise ValueError("draw_arrows: expected a moving region that holds an arrow of 50 frames of motion, got none")
    ends, at, room = ends[fits], at[fits], inner[ys, xs][fits]
    chosen = [int(np.argmax(room))]
    while len(chosen) < number:
        apart = np.min([np.hypot(*(at - at[k]).T) for k in chosen], axis=0)
        chosen.append(int(np.argmax(np.minimum(apart / 4, room))))
    return ends[chosen].astype(np.float32)


def _as_u8(rgb: Array) -> NDArray[np.uint8]:
    return (rgb * 255 + 0.5).astype(np.uint8)


def draw(spec: SceneSpec, width: int = WIDTH, height: int = HEIGHT) -> Truth:
    """Draw everything of a scene: one photo and ``len(TIMES) * len(CENTRES)`` true frames (the first is the photo)."""
    at_rest = shoot(spec.world, np.eye(3, 4), width, height, TIMES)
    photo = at_rest[0]
    poses = camera_poses(photo.z_cam, width)
    of_cameras = [at_rest, *(shoot(spec.world, pose.astype(np.float64), width, height, TIMES) for pose in poses[1:])]
    shots = list(zip(*of_cameras, strict=True))
    return Truth(
        photo_u8=_as_u8(photo.rgb),
        z_cam=photo.z_cam,
        moving=photo.moving,
        step_px=photo.step_px,
        arrows=draw_arrows(photo.moving, photo.step_px, NUM_ARROWS),
        poses=poses,
        times=np.array(TIMES),
        frames_u8=np.stack([np.stack([_as_u8(shot.rgb) for shot in row]) for row in shots]),
        moving_seen=np.stack([np.any([row[c].moving for row in shots], axis=0) for c in range(len(poses))]),
    )


def signature(truth: Truth) -> dict[str, list[float]]:
    """Block means of every array, in grey levels of 8 bits. They are compared with a tolerance and not hashed: the last bit of
    a Fourier transform or a sine differs between processors, and with it now and then a rounded grey level."""
    maps = {
        "photo": truth.photo_u8.mean(axis=-1),
        "disparity": 255 * truth.z_cam.min() / truth.z_cam,
        "moving": 255.0 * truth.moving,
        "step_x": 16 * truth.step_px[..., 0],
        "step_y": 16 * truth.step_px[..., 1],
        "frames": truth.frames_u8.mean(axis=(0, 1, -1)),
        "last frame": truth.frames_u8[-1, -1].mean(axis=-1),
        "moving_seen": 255.0 * truth.moving_seen.mean(axis=0),
    }
    return {name: [round(float(x), 2) for x in _block_means(values)] for name, values in maps.items()}


def _block_means(values: Array) -> Array:
    rows = np.array_split(values, CHECK_BLOCKS[0], axis=0)
    return np.array([block.mean() for row in rows for block in np.array_split(row, CHECK_BLOCKS[1], axis=1)])


def check_signature(name: str, truth: Truth, expected: dict[str, list[float]], tolerance: float = CHECK_TOLERANCE) -> None:
    """Raise ValueError where what was drawn is not what the committed numbers say."""
    for part, means in signature(truth).items():
        apart = float(np.abs(np.subtract(means, expected[part])).max())
        if apart > tolerance:
            raise ValueError(f"{name}: {part} must agree with its signature to {tolerance} grey levels, got {apart:.2f}")


def draw_named(name: str) -> Truth:
    return draw(SCENES[name]())


def cached(folder: Path, name: str, make: Callable[[str], Truth] = draw_named) -> Truth:
    """The truth of scene ``name``, which ``make`` draws unless ``folder`` holds it."""
    path = folder / f"{name}.npz"
    if path.exists():
        truth = Truth.load(path)
    else:
        truth = make(name)
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        truth.save(part)
        part.replace(path)
        cv2.imwrite(str(path.with_suffix(".png")), truth.photo_u8[..., ::-1])
    return truth


def read_signatures(path: Path) -> dict[str, dict[str, list[float]]]:
    return json.loads(path.read_text())


def write_signatures(path: Path, found: dict[str, dict[str, list[float]]]) -> None:
    """One array to a line, so that a difference shows what changed."""
    scenes = (
        f" {json.dumps(name)}: {{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in parts.items()) + "\n }"
        for name, parts in found.items()
    )
    path.write_text("{\n" + ",\n".join(scenes) + "\n}\n")
