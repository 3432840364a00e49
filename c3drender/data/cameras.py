"""Several cameras as tensors: each with intrinsics of its own, which may be learned, and how others write them."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from .camera import MAX_SIDE_PX, Camera
from .checks import check_tensor


@dataclass(frozen=True, eq=False)
class Cameras:
    """V pinhole cameras of one picture size, as tensors: intrinsics each, and gradients, where `Camera` has numbers.

    Attributes
    ----------
    K : Tensor
        float32 ``[V, 3, 3]``, intrinsics ``[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]`` in px: no skew.
    world_to_cam : Tensor
        float32 ``[V, 3, 4]``; camera space is +x right, +y down, +z forward (OpenCV's).
    width, height : int
        Size of every picture, px.

    Raises
    ------
    ValueError, TypeError
        For another shape or dtype, or a size out of range.

    Notes
    -----
    The ops read cameras in host memory: keep them there, also when the points are on a GPU. Either tensor may require grad.

    Examples
    --------
    >>> import torch
    >>> from c3drender.data import Cameras
    >>> viewmats = torch.eye(4).repeat(2, 1, 1)
    >>> K = torch.tensor([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
    >>> cameras = Cameras.from_4x4(viewmats, K, 640, 480)
    >>> len(cameras), cameras.world_to_cam.shape
    (2, torch.Size([2, 3, 4]))
    """

    K: Tensor
    world_to_cam: Tensor
    width: int
    height: int

    def __post_init__(self) -> None:
        for name, side in (("width", self.width), ("height", self.height)):
            if not isinstance(side, Integral) or isinstance(side, bool):
                raise TypeError(f"Cameras: {name} must be an integer, got {side!r}")
            if not 1 <= side <= MAX_SIDE_PX:
                raise ValueError(f"Cameras: {name} must be 1..{MAX_SIDE_PX}, got {side}")
        check_tensor("Cameras", "world_to_cam", self.world_to_cam, ("V", 3, 4), torch.float32, strided=True)
        check_tensor("Cameras", "K", self.K, (len(self.world_to_cam), 3, 3), torch.float32, strided=True)

    def __len__(self) -> int:
        return len(self.K)

    def __getitem__(self, views: slice) -> Cameras:
        """Some of the cameras: a slice of them, as `Cameras`."""
        return Cameras(self.K[views], self.world_to_cam[views], self.width, self.height)

    @classmethod
    def of(cls, camera: Camera) -> Cameras:
        """The cameras of a `Camera`, one for each of its poses."""
        poses = camera.pose.reshape(-1, 3, 4)
        lens = [[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]]
        K = torch.tensor(lens, dtype=torch.float32, device=poses.device)
        return cls(K.expand(len(poses), 3, 3), poses, camera.width, camera.height)

    @classmethod
    def from_4x4(cls, world_to_cam: Tensor, K: Tensor, width: int, height: int) -> Cameras:
        """From homogeneous matrices, as gsplat (``viewmats``, ``Ks``), COLMAP's readers and OpenCV have them.

        Parameters
        ----------
        world_to_cam : Tensor
            ``[V, 4, 4]`` or ``[4, 4]``; of camera-to-world matrices pass ``torch.linalg.inv(cam_to_world)``.
        K : Tensor
            ``[V, 3, 3]`` or ``[3, 3]`` px.
        width, height : int
        """
        check_trailing("Cameras.from_4x4", "world_to_cam", world_to_cam, (4, 4))
        check_trailing("Cameras.from_4x4", "K", K, (3, 3))
        poses = world_to_cam.float().reshape(-1, 4, 4)[:, :3]
        return cls(K.float().reshape(-1, 3, 3).expand(len(poses), 3, 3), poses, width, height)

    def to_4x4(self) -> Tensor:
        """``world_to_cam`` as ``[V, 4, 4]``."""
        last = self.world_to_cam.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(self), 1, 4)
        return torch.cat([self.world_to_cam, last], dim=1)

    @classmethod
    def from_pytorch3d(
        cls,
        R: Tensor,
        T: Tensor,
        focal_length: Tensor,
        principal_point: Tensor,
        width: int,
        height: int,
        *,
        in_ndc: bool = True,
    ) -> Cameras:
        """From what PyTorch3D's ``PerspectiveCameras`` hold.

        There points are rows, ``x_view = x R + T``, +x is left and +y up. In NDC the shorter side is 2 long and the centre 0;
        otherwise ``in_ndc=False``, focal length and principal point are in pixels.

        Parameters
        ----------
        R : Tensor
            ``[V, 3, 3]``.
        T : Tensor
            ``[V, 3]``.
        focal_length, principal_point : Tensor
            ``[V, 2]``, or ``[V, 1]`` for one focal length both ways.
        width, height : int
            Of the picture, px: its ``image_size`` is ``(height, width)``.
        in_ndc : bool
        """
        check_trailing("Cameras.from_pytorch3d", "R", R, (3, 3))
        check_trailing("Cameras.from_pytorch3d", "T", T, (3,))
        R, T = R.float().reshape(-1, 3, 3), T.float().reshape(-1, 3)
        focal, principal = (value.float().expand(len(R), 2) for value in (focal_length, principal_point))
        if in_ndc:
            half = min(width, height) / 2
            focal, principal = half * focal, focal.new_tensor([width / 2, height / 2]) - half * principal
        turn = R.new_tensor([-1.0, -1.0, 1.0])
        poses = torch.cat([turn[:, None] * R.transpose(1, 2), (turn * T)[..., None]], dim=2)
        zero, one = torch.zeros_like(focal[:, 0]), torch.ones_like(focal[:, 0])
        rows = [focal[:, 0], zero, principal[:, 0], zero, focal[:, 1], principal[:, 1], zero, zero, one]
        return cls(torch.stack(rows, dim=1).reshape(-1, 3, 3), poses, width, height)

    def to_pytorch3d(self) -> dict[str, Any]:
        """Arguments for ``pytorch3d.renderer.PerspectiveCameras(**...)``, in pixels."""
        turn = self.world_to_cam.new_tensor([-1.0, -1.0, 1.0])
        return {
            "R": (turn[:, None] * self.world_to_cam[:, :, :3]).transpose(1, 2),
            "T": turn * self.world_to_cam[:, :, 3],
            "focal_length": torch.stack([self.K[:, 0, 0], self.K[:, 1, 1]], dim=1),
            "principal_point": self.K[:, :2, 2],
            "image_size": torch.tensor([[self.height, self.width]]).expand(len(self), 2),
            "in_ndc": False,
        }


def check_trailing(owner: str, name: str, value: Any, shape: tuple[int, ...]) -> None:
    """Raise unless the tensor is of ``shape``, or of ``[V, *shape]``."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{owner}: {name} must be a torch.Tensor, got {type(value).__name__}")
    listed = ", ".join(map(str, shape))
    if value.shape[-len(shape) :] != shape or value.dim() > len(shape) + 1:
        raise ValueError(f"{owner}: {name} must be [{listed}] or [V, {listed}], got {list(value.shape)}")
