"""Cameras, their paths and what scales those."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isfinite
from numbers import Integral, Real

import torch
from torch import Tensor

from .checks import check_tensor

LEAST_RANGE = 0.5  # of the near disparity: a scene with less between near and far is looked at as if it had this much
JUMP = 4.0  # times the longest other step: a path's last step, back to its first pose, that is longer does not close it
MAX_SIDE_PX = 2**23  # of a picture's width and height
FLOAT32_MAX = float(torch.finfo(torch.float32).max)


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera: intrinsics in pixels, the size of its picture, and its pose.

    Attributes
    ----------
    fx, fy : float
        Focal lengths, px, finite and > 0.
    cx, cy : float
        Principal point, px: ``u = fx*x/z + cx``, ``v = fy*y/z + cy``.
    width, height : int
        Size of the picture, px, 1..2^23: up to there float32 tells all pixel centres apart.
    world_to_cam : Tensor or None
        float32 ``[3, 4]``, or ``[V, 3, 4]`` for V cameras with these intrinsics; None is the identity.

    Raises
    ------
    ValueError, TypeError
        For a size or a focal length out of range, a pose of another shape or dtype.

    Examples
    --------
    >>> import torch
    >>> from c3drender import Camera
    >>> camera = Camera.for_photo(640, 480)
    >>> camera.fx, camera.cx, camera.cy
    (640.0, 320.0, 240.0)
    >>> camera.unproject(torch.tensor([[320.0, 240.0]]), torch.tensor([2.0]))  # its middle, two units away
    tensor([[0., 0., 2.]])
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    world_to_cam: Tensor | None = None

    def __post_init__(self) -> None:
        sizes = self.width, self.height
        if not all(isinstance(side, Integral) and not isinstance(side, bool) for side in sizes):
            raise TypeError(f"Camera: width and height must be integers, got {self.width!r} x {self.height!r}")
        if not all(1 <= side <= MAX_SIDE_PX for side in sizes):
            raise ValueError(f"Camera: width and height must be 1..{MAX_SIDE_PX}, got {self.width} x {self.height}")
        for name in ("fx", "fy", "cx", "cy"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real):
                raise TypeError(f"Camera: {name} must be a number, got {value!r}")
        if not (0 < self.fx < FLOAT32_MAX and 0 < self.fy < FLOAT32_MAX):
            raise ValueError(f"Camera: fx and fy must be > 0 and finite, got {self.fx}, {self.fy}")
        if not all(-FLOAT32_MAX < value < FLOAT32_MAX for value in (self.cx, self.cy)):
            raise ValueError(f"Camera: cx and cy must be finite, got {self.cx}, {self.cy}")
        if self.world_to_cam is not None:
            batched = isinstance(self.world_to_cam, Tensor) and self.world_to_cam.dim() == 3
            shape = ("V", 3, 4) if batched else (3, 4)
            check_tensor("Camera", "world_to_cam", self.world_to_cam, shape, torch.float32, strided=True)

    @classmethod
    def for_photo(cls, width: int, height: int, focal_px: float | None = None) -> Camera:
        """The camera of a photo, centred; where its lens is unknown the focal length is the longer side (53 degrees)."""
        focal = float(max(width, height)) if focal_px is None else focal_px
        return cls(focal, focal, width / 2, height / 2, width, height)

    def unproject(self, xy_px: Tensor, z_cam: Tensor) -> Tensor:
        """Points of this camera's space that it sees in a given depth.

        Parameters
        ----------
        xy_px : Tensor
            float32 ``[N, 2]``, where the camera sees them, px.
        z_cam : Tensor
            float32 ``[N]``, depths along the view axis.

        Returns
        -------
        Tensor
            ``[N, 3]``.
        """
        x = (xy_px[:, 0] - self.cx) / self.fx * z_cam
        y = (xy_px[:, 1] - self.cy) / self.fy * z_cam
        return torch.stack([x, y, z_cam], dim=1)

    @property
    def pose(self) -> Tensor:
        """`world_to_cam`, or the identity ``[3, 4]``."""
        if self.world_to_cam is not None:
            return self.world_to_cam
        return torch.eye(3, 4, dtype=torch.float32, device="cpu")

    def with_pose(self, world_to_cam: Tensor) -> Camera:
        """The same camera at the pose ``world_to_cam``, float32 ``[3, 4]`` or ``[V, 3, 4]``."""
        return replace(self, world_to_cam=world_to_cam)

    def zoomed(self, zoom: float) -> Camera:
        """The same camera with its focal lengths times ``zoom``."""
        return replace(self, fx=self.fx * zoom, fy=self.fy * zoom)

    def padded(self, margin_px: int) -> Camera:
        """The same camera with ``margin_px`` more pixels on every side."""
        return replace(
            self,
            cx=self.cx + margin_px,
            cy=self.cy + margin_px,
            width=self.width + 2 * margin_px,
            height=self.height + 2 * margin_px,
        )


@dataclass(frozen=True)
class DepthSpan:
    """The disparities (1/z) that scale a scene's camera paths.

    Attributes
    ----------
    near, far : float
        Of its near and its far content, but for specks.
    focus : float
        Of what stays in place while the camera moves.
    focus_px : (float, float) or None
        Where on the photo (x, y) that is; None: the middle.

    Raises
    ------
    ValueError
        Unless 0 <= far <= near, 0 < near and 0 < focus, all finite.
    """

    near: float
    far: float
    focus: float
    focus_px: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not (0 < self.near < inf and 0 <= self.far <= self.near and 0 < self.focus < inf):
            expected = "0 <= far <= near, 0 < near and 0 < focus, all finite"
            raise ValueError(f"DepthSpan: expected {expected}, got near {self.near}, far {self.far}, focus {self.focus}")

    @property
    def limits(self) -> tuple[float, float]:
        """The farthest and the nearest disparity that a scene of this span may hold: specks beyond them are pulled in, or no
        bound on what a camera path shifts could be kept."""
        beyond = 0.5 * max(self.near - self.far, LEAST_RANGE * self.near)
        return max(self.far - beyond, 1e-3 * self.near), self.near + beyond


@dataclass(frozen=True, eq=False)
class CameraPath:
    """Poses of a moving camera, one per frame; the frame after the last would repeat the first.

    Attributes
    ----------
    world_to_cam : Tensor
        float32 ``[F, 3, 4]``.
    name : str
        For messages.
    zoom : Tensor or None
        float32 ``[F]``, > 0, factors of the focal length; None: one.
    """

    world_to_cam: Tensor
    name: str = "custom"
    zoom: Tensor | None = None

    def __post_init__(self) -> None:
        check_tensor("CameraPath", "world_to_cam", self.world_to_cam, ("F", 3, 4), torch.float32)
        if len(self.world_to_cam) == 0:
            raise ValueError("CameraPath: world_to_cam must have at least one frame, got 0")
        if self.zoom is not None:
            check_tensor("CameraPath", "zoom", self.zoom, (len(self.world_to_cam),), torch.float32)

    def __len__(self) -> int:
        return len(self.world_to_cam)

    @property
    def closes(self) -> bool:
        """Whether the step from the last pose to the first is one like the others, not a jump back."""
        places = self.world_to_cam.flatten(1)
        steps = (places.roll(-1, 0) - places).norm(dim=1)
        return len(self) < 3 or float(steps[-1]) <= JUMP * float(steps[:-1].max()) + 1e-6

    def at(self, n: float) -> tuple[Tensor, float]:
        """Pose ``[3, 4]`` and zoom at frame ``n``, also between two, where the camera goes straight: around the loop, or where
        that does not close no farther than its ends."""
        last = len(self) - 1.0
        at = n if 0.0 <= n <= last else n % len(self) if self.closes else min(max(n, 0.0), last)
        first = int(at)
        share, second = at - first, (first + 1) % len(self)
        zoom = None if self.zoom is None else (float(self.zoom[first]), float(self.zoom[second]))
        if share == 0:
            return self.world_to_cam[first], 1.0 if zoom is None else zoom[0]
        before, after = self.world_to_cam[[first, second]].to(torch.float64).unbind()
        pose = torch.lerp(before, after, share)
        left, _, right = torch.linalg.svd(pose[:, :3])  # the rotation next to the mean of two
        pose = torch.cat([left @ right, pose[:, 3:]], dim=1).to(torch.float32)
        return pose, 1.0 if zoom is None else zoom[0] ** (1 - share) * zoom[1] ** share


@dataclass(frozen=True)
class CameraKeys:
    """Key frames of a camera, to be joined by a spline.

    Attributes
    ----------
    loop_t : tuple of float
        Their times: rising, from 0, below 1 where the path is ``closed``, else to 1.
    position : tuple of (x, y, z)
        In the units of the presets: 1 is as far to a side, or forward, as ``swing`` or half of ``zoom`` go at amplitude 1.
    zoom : tuple of float
        Factors of the focal length, >= 1.
    closed : bool
        The path returns to its start.

    Raises
    ------
    ValueError
        For times, positions or zooms that differ in number, or are out of range.

    Examples
    --------
    >>> from c3drender import CameraKeys
    >>> CameraKeys(loop_t=(0.0, 0.5), position=((0, 0, 0), (1, 0, 0.5)), zoom=(1, 1.2)).closed
    True
    """

    loop_t: tuple[float, ...]
    position: tuple[tuple[float, float, float], ...]
    zoom: tuple[float, ...]
    closed: bool = True

    def __post_init__(self) -> None:
        count = len(self.loop_t)
        if count < 2 or len(self.position) != count or len(self.zoom) != count:
            got = f"{count} times, {len(self.position)} positions, {len(self.zoom)} zooms"
            raise ValueError(f"CameraKeys: expected as many times, positions and zooms, two or more, got {got}")
        rising = all(a < b for a, b in zip(self.loop_t, self.loop_t[1:], strict=False))
        if self.loop_t[0] != 0 or not rising or not (self.loop_t[-1] < 1 if self.closed else self.loop_t[-1] == 1):
            end = "below 1" if self.closed else "to 1"
            raise ValueError(f"CameraKeys: expected times that rise from 0 {end}, got {list(self.loop_t)}")
        if not all(isfinite(value) for position in self.position for value in position):
            raise ValueError(f"CameraKeys: expected finite positions (x, y, z), got {list(self.position)}")
        if not all(isfinite(zoom) and zoom >= 1 for zoom in self.zoom):
            raise ValueError(f"CameraKeys: expected zooms >= 1 (step back to see more), got {list(self.zoom)}")
