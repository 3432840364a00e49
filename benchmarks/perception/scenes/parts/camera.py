"""The camera: where it stands, what its lens is, how the world falls on the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZES = ((304, 208), (304, 208), (288, 216), (336, 192), (248, 248), (208, 304), (216, 288))


@dataclass(frozen=True)
class Camera:
    """Pinhole camera in the world frame (x right, y ahead, z up).

    Attributes
    ----------
    location : metres.
    yaw : radians, 0 looks along +y, grows to the left.
    pitch : radians, 0 is level, grows upwards.
    roll : radians.
    fov : the angle that the longer side of the picture spans, radians.
    size : width, height in pixels.
    """

    location: tuple[float, float, float]
    yaw: float
    pitch: float
    roll: float
    fov: float
    size: tuple[int, int]

    @property
    def focal_px(self) -> float:
        return max(self.size) / 2 / np.tan(self.fov / 2)

    @property
    def half_angle(self) -> float:
        """Half the horizontal angle of view."""
        return float(np.arctan(self.size[0] / 2 / self.focal_px))

    @property
    def world_to_cam(self) -> np.ndarray:
        """Rotation [3, 3] to the frame x right, y down, z forward."""
        cy, sy, cp, sp, cr, sr = (f(a) for a in (self.yaw, self.pitch, self.roll) for f in (np.cos, np.sin))
        forward = np.array([-sy * cp, cy * cp, sp])
        right = np.array([cy, sy, 0.0])
        down = np.cross(forward, right)
        return np.stack([cr * right + sr * down, cr * down - sr * right, forward])

    def to_cam(self, xyz: np.ndarray) -> np.ndarray:
        return (np.asarray(xyz) - np.asarray(self.location)) @ self.world_to_cam.T

    def rays(self) -> np.ndarray:
        """Unit directions [H, W, 3] in the world frame through the pixel centres."""
        width, height = self.size
        x, y = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
        cam = np.stack([x, y, np.full_like(x, self.focal_px)], -1)
        world = cam @ self.world_to_cam
        return world / np.linalg.norm(world, axis=-1, keepdims=True)

    def image_direction(self, xyz: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Unit vectors [..., 2] of points that move with ``velocity`` [..., 3], seen in the picture; 0 where they rest."""
        cam = self.to_cam(xyz)
        rate = np.asarray(velocity) @ self.world_to_cam.T
        moved = rate[..., :2] - cam[..., :2] / cam[..., 2:] * rate[..., 2:]
        length = np.linalg.norm(moved, axis=-1, keepdims=True)
        return np.where(length > 1e-9, moved / np.maximum(length, 1e-9), 0)

    def point(self, x: float, y: float, distance: float) -> np.ndarray:
        """World point ``distance`` metres deep at picture position x, y in 0..1."""
        width, height = self.size
        cam = np.array([(x - 0.5) * width, (y - 0.5) * height, self.focal_px]) / self.focal_px * distance
        return cam @ self.world_to_cam + np.asarray(self.location)


def pick_camera(
    rng: np.random.Generator,
    height: tuple[float, float],
    pitch: tuple[float, float] = (-0.25, 0.1),
    fov: tuple[float, float] = (0.6, 1.35),
    xy: tuple[float, float] = (0.0, 0.0),
    yaw: float = 0.0,
) -> Camera:
    """A hand-held camera at xy, its height drawn log-uniformly, pitch and fov (radians) uniformly."""
    return Camera(
        (xy[0], xy[1], float(np.exp(rng.uniform(*np.log(height))))),
        yaw,
        float(rng.uniform(*pitch)),
        float(rng.normal(0, 0.015)),
        float(rng.uniform(*fov)),
        SIZES[rng.integers(len(SIZES))],
    )
