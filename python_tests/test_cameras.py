"""`Cameras`: intrinsics each, and the conventions of others."""

from __future__ import annotations

import pytest
import torch
from test_gradients import camera_of, cameras_of, random_cloud, turned_poses
from torch import Tensor

from c3drender import ops
from c3drender.data import Camera, Cameras


def projected(cameras: Cameras, xyz: Tensor) -> Tensor:
    """``[V, N, 2]`` px"""
    points = torch.einsum("vij,nj->vni", cameras.world_to_cam[:, :, :3], xyz) + cameras.world_to_cam[:, None, :, 3]
    return torch.einsum("vij,vnj->vni", cameras.K, points / points[..., 2:])[..., :2]


def projected_by_pytorch3d(
    R: Tensor, T: Tensor, focal: Tensor, principal: Tensor, size: tuple[int, int], xyz: Tensor
) -> Tensor:
    """As its documentation states it: rows times R, +x left and +y up, NDC in which the shorter side is 2 long."""
    height, width = size
    x, y, z = (xyz @ R + T[:, None]).unbind(-1)
    ndc = torch.stack([focal[:, :1] * x / z + principal[:, :1], focal[:, 1:] * y / z + principal[:, 1:]], dim=-1)
    half = min(height, width) / 2
    return torch.tensor([width / 2, height / 2]) - half * ndc


@pytest.mark.parametrize("size", [(13, 17), (17, 13)])
def test_pytorch3d_cameras(size: tuple[int, int]) -> None:
    height, width = size
    generator = torch.Generator().manual_seed(1)
    R = torch.linalg.qr(torch.randn(3, 3, 3, generator=generator))[0]
    T = torch.randn(3, 3, generator=generator) + torch.tensor([0.0, 0.0, 9.0])
    focal = 1 + torch.rand(3, 2, generator=generator)
    principal = 0.1 * torch.randn(3, 2, generator=generator)
    xyz = torch.randn(20, 3, generator=generator)
    cameras = Cameras.from_pytorch3d(R, T, focal, principal, width, height)
    want = projected_by_pytorch3d(R, T, focal, principal, size, xyz)
    assert torch.allclose(projected(cameras, xyz), want, atol=1e-4)

    told = cameras.to_pytorch3d()
    assert told["image_size"].tolist() == [[height, width]] * 3 and told["in_ndc"] is False
    again = Cameras.from_pytorch3d(
        told["R"], told["T"], told["focal_length"], told["principal_point"], width, height, in_ndc=False
    )
    assert torch.equal(again.K, cameras.K) and torch.equal(again.world_to_cam, cameras.world_to_cam)


def test_one_focal_length_both_ways() -> None:
    eye, nothing = torch.eye(3), torch.zeros(3)
    cameras = Cameras.from_pytorch3d(eye, nothing, torch.tensor([[2.0]]), torch.zeros(1, 2), 20, 10)
    assert cameras.K[0].tolist() == [[10, 0, 10], [0, 10, 5], [0, 0, 1]]


def test_homogeneous_matrices() -> None:
    cameras = cameras_of(13, 17, 3)
    again = Cameras.from_4x4(cameras.to_4x4(), cameras.K, 17, 13)
    assert torch.equal(again.world_to_cam, cameras.world_to_cam) and torch.equal(again.K, cameras.K)
    shared = Cameras.from_4x4(cameras.to_4x4().double(), cameras.K[0], 17, 13)
    assert len(shared) == 3 and torch.equal(shared.K[2], cameras.K[0])
    assert len(Cameras.from_4x4(torch.eye(4), cameras.K[0], 17, 13)) == 1


def test_the_cameras_of_a_camera() -> None:
    camera = camera_of(13, 17, turned_poses(2))
    cloud = random_cloud(1, 100, camera)
    assert torch.equal(ops.splat_points(*cloud, camera).feat, ops.splat_points(*cloud, Cameras.of(camera)).feat)
    assert len(Cameras.of(Camera.for_photo(4, 3))) == 1
    assert len(Cameras.of(camera)[1:]) == 1


def test_converters_let_gradients_through() -> None:
    R, T = torch.eye(3).requires_grad_(), torch.tensor([0.0, 0, 3], requires_grad=True)
    focal = torch.ones(1, 2, requires_grad=True)
    cameras = Cameras.from_pytorch3d(R, T, focal, torch.zeros(1, 2), 16, 16)
    xyz = torch.rand(50, 3, generator=torch.Generator().manual_seed(2)) - 0.5
    ops.splat_points(xyz, torch.ones(50, 1), 0.2, cameras).disp.square().sum().backward()
    assert all(t.grad.isfinite().all() and t.grad.any() for t in (R, T, focal))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"K": torch.zeros(2, 3, 3)}, r"Cameras: K must be \[1, 3, 3\], got \[2, 3, 3\]"),
        ({"K": torch.zeros(1, 3, 3, dtype=torch.float64)}, r"Cameras: K must be torch\.float32, got torch\.float64"),
        ({"world_to_cam": torch.zeros(1, 4, 4)}, r"Cameras: world_to_cam must be \[V, 3, 4\], got \[1, 4, 4\]"),
        ({"world_to_cam": None}, r"Cameras: world_to_cam must be a torch\.Tensor, got NoneType"),
        ({"width": 0}, r"Cameras: width must be 1\.\.8388608, got 0"),
        ({"height": 2.5}, r"Cameras: height must be an integer, got 2\.5"),
    ],
)
def test_bad_cameras(change: dict, message: str) -> None:
    good = {"K": torch.eye(3)[None], "world_to_cam": torch.eye(3, 4)[None], "width": 4, "height": 3}
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        Cameras(**(good | change))


def test_matrices_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^Cameras\.from_4x4: world_to_cam must be \[4, 4\] or \[V, 4, 4\], got \[3, 4\]"):
        Cameras.from_4x4(torch.eye(3, 4), torch.eye(3), 4, 3)
    with pytest.raises(ValueError, match=r"^Cameras\.from_pytorch3d: T must be \[3\] or \[V, 3\], got \[1, 1, 3\]"):
        Cameras.from_pytorch3d(torch.eye(3), torch.zeros(1, 1, 3), torch.ones(1, 2), torch.zeros(1, 2), 4, 3)
