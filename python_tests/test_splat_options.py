"""What `splat_points` takes beside points and a camera: units of the radius, backgrounds, packed clouds, intrinsics each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import reference
import torch
from test_gradients import camera_of, cameras_of, random_cloud, turned_poses
from torch import Tensor

from c3drender import Camera, ops
from c3drender.data import Cameras, Raster

COMPOSITORS = ("alpha", "surface")
SIDE = ("feat", "alpha", "disp")


def assert_same(one: Raster, other: Raster) -> None:
    for name in SIDE:
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert (one.idx is None) == (other.idx is None)
    assert one.idx is None or torch.equal(one.idx, other.idx)


def of_views(rasters: list[Raster]) -> Raster:
    return Raster(*(torch.stack([getattr(raster, name) for raster in rasters]) for name in SIDE))


# --- intrinsics each --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_each_camera_has_its_own_intrinsics(compositor: str) -> None:
    cameras = cameras_of(13, 17, 3)
    cloud = random_cloud(1, 300, camera_of(13, 17))
    singles = [
        Camera(float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2]), 17, 13, pose)
        for K, pose in zip(cameras.K, cameras.world_to_cam, strict=True)
    ]
    each = of_views([ops.splat_points(*cloud, single, compositor=compositor) for single in singles])
    assert_same(ops.splat_points(*cloud, cameras, compositor=compositor), each)


def test_one_of_several_cameras_has_a_batch_of_one() -> None:
    cloud = random_cloud(2, 50, camera_of(9, 11))
    assert ops.splat_points(*cloud, cameras_of(9, 11, 1)).feat.shape == (1, 9, 11, 3)


@pytest.mark.parametrize(("place", "value"), [((0, 1), 0.1), ((1, 0), 0.1), ((2, 2), 2.0), ((2, 0), 1.0)])
def test_a_lens_with_skew_is_refused(place: tuple[int, int], value: float) -> None:
    cameras = cameras_of(9, 11, 2)
    cameras.K[1][place] = value
    with pytest.raises(
        ValueError, match=r"^splat_points: camera\.K must be \[\[fx, 0, cx\], \[0, fy, cy\], \[0, 0, 1\]\], got"
    ):
        ops.splat_points(*random_cloud(2, 50, camera_of(9, 11)), cameras)


def test_a_focal_length_that_is_none_is_refused() -> None:
    cameras = cameras_of(9, 11, 2)
    cameras.K[1, 0, 0] = 0
    with pytest.raises(ValueError, match="camera fx and fy must be finite and > 0"):
        ops.splat_points(*random_cloud(2, 50, camera_of(9, 11)), cameras)


# --- units of the radius ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("per_point", [True, False])
def test_radii_in_pixels(per_point: bool, compositor: str) -> None:
    """The float64 reference knows scene units alone: a radius of r px at depth z is r z / fx of them."""
    camera = camera_of(13, 17)
    xyz, feat, _ = random_cloud(3, 200, camera)
    radius_px = torch.from_numpy(np.random.default_rng(3).uniform(0.7, 4, 200)).float() if per_point else 2.3
    got = ops.splat_points(xyz, feat, radius_px, camera, compositor=compositor, radius_unit="px", return_idx=True)
    in_scene = np.asarray(radius_px, dtype=np.float64) * xyz[:, 2].double().numpy() / camera.fx
    want = reference.splat_points(xyz, feat, in_scene, camera, compositor=compositor, max_points=got.idx.shape[-1])
    assert want.clear.mean() > 0.9
    for name in SIDE:
        assert np.allclose(getattr(got, name)[want.clear], getattr(want, name)[want.clear], rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(13, 17), (17, 13)])
def test_radii_in_ndc_are_halves_of_the_shorter_side(size: tuple[int, int]) -> None:
    camera = camera_of(*size)
    xyz, feat, _ = random_cloud(4, 200, camera)
    radius = torch.full((200,), 0.3)
    want = ops.splat_points(xyz, feat, radius * 6.5, camera, radius_unit="px")
    assert_same(ops.splat_points(xyz, feat, radius, camera, radius_unit="ndc"), want)
    assert_same(
        ops.splat_points(xyz, feat, 0.3, camera, radius_unit="ndc"),
        ops.splat_points(xyz, feat, 1.95, camera, radius_unit="px"),
    )


def test_units_that_are_none_are_refused() -> None:
    camera = camera_of(9, 11)
    with pytest.raises(ValueError, match=r"^splat_points: radius_unit must be one of 'scene', 'px', 'ndc', got 'cm'"):
        ops.splat_points(*random_cloud(4, 20, camera), camera, radius_unit="cm")


# --- backgrounds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (13, 17, 3), (2, 13, 17, 3)])
def test_a_background_shows_where_nothing_covers(shape: tuple[int, ...]) -> None:
    camera = camera_of(13, 17, turned_poses(2))
    cloud = random_cloud(5, 60, camera)
    background = torch.rand(shape, generator=torch.Generator().manual_seed(5))
    plain = ops.splat_points(*cloud, camera)
    over = ops.splat_points(*cloud, camera, background=background)
    bare = plain.alpha == 0
    assert bare.any() and torch.equal(over.feat[bare], background.expand(2, 13, 17, 3)[bare])
    assert torch.equal(over.feat, plain.feat + (1 - plain.alpha)[..., None] * background)
    assert torch.equal(over.alpha, plain.alpha) and torch.equal(over.disp, plain.disp)
    out = ops.splat_points(*cloud, camera)
    assert ops.splat_points(*cloud, camera, background=background, out=out) is out
    assert_same(out, over)


def test_a_background_has_a_gradient() -> None:
    camera = camera_of(9, 11)
    cloud, background = random_cloud(5, 60, camera), torch.zeros(3, requires_grad=True)
    raster = ops.splat_points(*cloud, camera, background=background)
    raster.feat.sum().backward()
    assert torch.allclose(background.grad, (1 - raster.alpha).sum().expand(3), rtol=1e-5)
    with pytest.raises(ValueError, match="out must be None with return_idx or where a gradient is needed"):
        ops.splat_points(*cloud, camera, background=background, out=raster)


def test_backgrounds_that_do_not_fit_are_refused() -> None:
    camera = camera_of(9, 11)
    cloud = random_cloud(5, 60, camera)
    with pytest.raises(ValueError, match=r"^splat_points: background must be \[3\] or \[9, 11, 3\], got \[1, 3\]"):
        ops.splat_points(*cloud, camera, background=torch.zeros(1, 3))
    with pytest.raises(TypeError, match=r"^splat_points: background must be float32, got float64"):
        ops.splat_points(*cloud, camera, background=torch.zeros(3, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"^splat_points: background must be a Tensor, got tuple"):
        ops.splat_points(*cloud, camera, background=(0, 0, 0))


# --- packed clouds ----------------------------------------------------------------------------------------------------


OFFSETS = [0, 70, 70, 260]


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("as_tensor", [True, False])
def test_three_clouds_in_one_call(as_tensor: bool, compositor: str) -> None:
    """Of different sizes, one of them empty."""
    cameras = cameras_of(13, 17, 3)
    cloud = random_cloud(6, 260, camera_of(13, 17))
    opacity = torch.rand(260, generator=torch.Generator().manual_seed(6))
    offsets = torch.tensor(OFFSETS) if as_tensor else OFFSETS
    options = {"compositor": compositor, "opacity": opacity, "offsets": offsets}
    got = ops.splat_points(*cloud, cameras, return_idx=True, **options)
    for b in range(3):
        part = slice(OFFSETS[b], OFFSETS[b + 1])
        alone = ops.splat_points(
            *(t[part] for t in cloud), cameras[b : b + 1], compositor=compositor, opacity=opacity[part], return_idx=True
        )
        idx = torch.where(alone.idx < 0, -1, alone.idx + OFFSETS[b])
        assert_same(
            Raster(got.feat[b : b + 1], got.alpha[b : b + 1], got.disp[b : b + 1], got.idx[b : b + 1]), replace(alone, idx=idx)
        )
    assert not got.alpha[1].any()
    out = Raster(*(torch.empty_like(getattr(got, name)) for name in SIDE))
    ops.splat_points(*cloud, cameras, out=out, **options)
    assert_same(out, ops.splat_points(*cloud, cameras, **options))


def test_one_camera_sees_each_cloud() -> None:
    camera = camera_of(13, 17)
    cloud = random_cloud(6, 260, camera)
    got = ops.splat_points(*cloud, camera, offsets=OFFSETS)
    assert torch.equal(got.feat[2], ops.splat_points(*(t[70:] for t in cloud), camera).feat)


def test_gradients_of_packed_clouds_are_each_cloud_s_own() -> None:
    cameras = cameras_of(13, 17, 3)
    cloud = [t.requires_grad_() for t in random_cloud(6, 260, camera_of(13, 17))]
    background = torch.rand(3, 13, 17, 3)
    raster = ops.splat_points(*cloud, cameras, offsets=OFFSETS, background=background)
    got = torch.autograd.grad(raster.feat[2].sum(), cloud)
    parts = [t[70:].detach().requires_grad_() for t in cloud]
    want = torch.autograd.grad(ops.splat_points(*parts, cameras[2:], background=background[2]).feat.sum(), parts)
    for ours, theirs in zip(got, want, strict=True):
        assert torch.equal(ours[70:], theirs) and not ours[:70].any()


@pytest.mark.parametrize("offsets", [[0], [0, 100], [1, 260], [0, 200, 100, 260], [0, -1, 260]])
def test_offsets_that_do_not_fit_are_refused(offsets: list[int]) -> None:
    camera = camera_of(9, 11)
    with pytest.raises(ValueError, match=r"^splat_points: offsets must rise from 0 to N = 260 \(from xyz\), got"):
        ops.splat_points(*random_cloud(6, 260, camera), camera, offsets=offsets)


def test_what_does_not_go_with_offsets_is_refused() -> None:
    cloud = random_cloud(6, 260, camera_of(9, 11))
    with pytest.raises(ValueError, match="camera must be one, or one for each of 3 clouds, got 2"):
        ops.splat_points(*cloud, cameras_of(9, 11, 2), offsets=OFFSETS)
    with pytest.raises(ValueError, match="hidden must be None with offsets"):
        ops.splat_points(*cloud, cameras_of(9, 11, 3), offsets=OFFSETS, hidden=[(0, 1)] * 3)
    with pytest.raises(TypeError, match="offsets must be a sequence of integers or a tensor"):
        ops.splat_points(*cloud, cameras_of(9, 11, 3), offsets=260)
    with pytest.raises(TypeError, match=r"offsets must be an integer, got 0\.5"):
        ops.splat_points(*cloud, cameras_of(9, 11, 3), offsets=[0, 0.5, 260])


# --- strides ----------------------------------------------------------------------------------------------------------


def strided(tensor: Tensor) -> Tensor:
    """The same values, every second element of memory; the last dimension first."""
    doubled = tensor.movedim(-1, 0).repeat_interleave(2, 0).contiguous()[::2].movedim(0, -1)
    assert torch.equal(doubled, tensor) and (tensor.numel() < 2 or not doubled.is_contiguous())
    return doubled


def test_tensors_may_have_any_strides() -> None:
    camera = camera_of(13, 17, turned_poses(2))
    cloud = random_cloud(7, 200, camera)
    opacity = torch.rand(200)
    want = ops.splat_points(*cloud, camera, opacity=opacity)
    got = ops.splat_points(*map(strided, cloud), camera.with_pose(strided(camera.pose)), opacity=strided(opacity))
    assert_same(got, want)
    whole = torch.eye(4).repeat(2, 1, 1)
    whole[:, :3] = camera.pose
    assert_same(ops.splat_points(*cloud, camera.with_pose(whole[:, :3]), opacity=opacity), want)

    other = ops.splat_points(*(t.flip(0) for t in cloud[:2]), cloud[2], camera)
    sides = [Raster(*(strided(getattr(raster, name)) for name in SIDE)) for raster in (want, other)]
    assert torch.equal(
        ops.blend_bidirectional(*sides, strided(torch.full((2, 13, 17), 0.3))).feat,
        ops.blend_bidirectional(want, other, torch.full((2, 13, 17), 0.3)).feat,
    )
    step_px, start_px = torch.rand(9, 11, 2), torch.rand(30, 2) * 9
    assert torch.equal(
        ops.integrate_flow(strided(step_px), 5, start_px=strided(start_px)).offset_px,
        ops.integrate_flow(step_px, 5, start_px=start_px).offset_px,
    )


def test_gradients_of_strided_tensors() -> None:
    camera = camera_of(9, 11)
    cloud = [t.requires_grad_() for t in random_cloud(7, 60, camera)]
    want = torch.autograd.grad(ops.splat_points(*cloud, camera).feat.sum(), cloud)
    got = torch.autograd.grad(ops.splat_points(*(t.flip(0).flip(0) for t in cloud), camera).feat.sum(), cloud)
    views = torch.autograd.grad(ops.splat_points(cloud[0].T.contiguous().T, *cloud[1:], camera).feat.sum(), cloud)
    for ours, others, theirs in zip(got, views, want, strict=True):
        assert torch.equal(ours, theirs) and torch.equal(others, theirs)


def test_sparse_tensors_are_refused() -> None:
    camera = camera_of(9, 11)
    xyz, feat, radius = random_cloud(7, 60, camera)
    with pytest.raises(TypeError, match=r"^splat_points: xyz must be a dense tensor, got one of sparse_coo"):
        ops.splat_points(xyz.to_sparse(), feat, radius, camera)
    with pytest.raises(TypeError, match=r"^splat_softmax: feat must be a dense tensor, got one of sparse_coo"):
        ops.splat_softmax(torch.ones(4, 5, 3).to_sparse(), torch.zeros(4, 5, 2))
    cameras = Cameras.of(camera)
    sparse = replace(cameras, K=cameras.K.to_sparse())
    with pytest.raises(TypeError, match=r"^splat_points: camera\.K must be a dense tensor, got one of sparse_coo"):
        ops.splat_points(xyz, feat, radius, sparse, offsets=[0, 60])
    background = torch.zeros(1, 9, 11, 7).to_sparse()
    with pytest.raises(TypeError, match=r"^splat_points: background must be a dense tensor, got one of sparse_coo"):
        ops.splat_points(xyz, feat, radius, cameras, offsets=[0, 60], background=background)
