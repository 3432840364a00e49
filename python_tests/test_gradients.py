"""Gradients of `splat_points` and `blend_bidirectional`: against float64 autograd of a restatement in plain torch, the golden
fixture, finite differences, and in use."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import reference
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from c3drender import ops
from c3drender.data import Camera, Cameras, Raster
from c3drender.ops.call import camera_rows

COMPOSITORS = ("alpha", "surface")
OUTPUTS = ("feat", "alpha", "disp")


# --- splat_points, restated -------------------------------------------------------------------------------------------


def splat_hits(
    xyz: Tensor,
    feat: Tensor,
    radius: Tensor,
    camera: Camera,
    idx: Tensor,
    *,
    compositor: str,
    depth_tolerance: float = 0.02,
    opacity: Tensor | None = None,
    rows: Tensor | None = None,
    in_px: bool = False,
) -> Raster:
    """The picture of given hits ``[V, H, W, K]``, in the precision of ``xyz``. ``rows``: as `camera_rows`, for ``camera``."""
    rows = camera_rows("splat_points", camera).detach() if rows is None else rows
    views = []
    for row, hits in zip(rows.to(xyz.dtype), idx.reshape(len(rows), camera.height, camera.width, -1).long(), strict=True):
        (fx, fy, cx, cy), pose = row[:4], row[4:].reshape(3, 4)
        x, y, z = (xyz @ pose[:, :3].T + pose[:, 3]).unbind(1)
        is_hit, point = hits >= 0, hits.clamp(min=0)
        line, column = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
        dx = (fx * x / z + cx)[point] - column[..., None]
        dy = (fy * y / z + cy)[point] - line[..., None]
        radius_px = radius if in_px else fx * radius / z
        q = torch.where(is_hit, (dx**2 + dy**2) / radius_px[point] ** 2, 1.0)
        share = torch.ones_like(q) if opacity is None else opacity.to(q.dtype)[point]
        if compositor == "alpha":
            through = torch.cumprod(1 - share * (1 - q), dim=-1)[..., :-1]
            weight = share * (1 - q) * torch.cat([torch.ones_like(q[..., :1]), through], dim=-1)
        else:
            weight = surface_weights(q, share, is_hit, z.detach()[point], depth_tolerance)
        channels = torch.cat([feat, torch.ones_like(z)[:, None], (1 / z)[:, None]], dim=1)
        views.append(torch.einsum("hwk,hwkc->hwc", torch.where(is_hit, weight, 0.0), channels[point]))
    is_batch = isinstance(camera, Cameras) or camera.pose.dim() == 3
    out = torch.stack(views) if is_batch else views[0]
    return Raster(out[..., :-2], out[..., -2], out[..., -1])


def surface_weights(q: Tensor, opacity: Tensor, is_hit: Tensor, z: Tensor, depth_tolerance: float) -> Tensor:
    w, cap = torch.where(is_hit, (1 - q) ** 6, 0.0), torch.where(is_hit, torch.maximum(1.4 - 3.15 * q, 0.005 * (1 - q)), 0.0)
    surface = torch.zeros(z.shape, dtype=torch.long)
    z_end = z[..., 0] * (1 + depth_tolerance)
    for k in range(1, z.shape[-1]):
        opens = z[..., k] > z_end
        surface[..., k] = surface[..., k - 1] + opens
        z_end = torch.where(opens, z[..., k] * (1 + depth_tolerance), z_end)
    through, weight = torch.ones_like(q[..., :1]), torch.zeros_like(q)
    for s in range(int(surface.max()) + 1):
        w_s, cap_s = (torch.where(surface == s, values, 0.0) for values in (w, cap))
        cover = cap_s.sum(-1, keepdim=True).clamp(max=1)
        total = w_s.sum(-1, keepdim=True)
        share = opacity * w_s / torch.where(total > 0, total, 1.0)
        weight = weight + through * cover * share
        through = through * (1 - cover * share.sum(-1, keepdim=True))
    return weight


def camera_of(height: int, width: int, poses: Tensor | None = None) -> Camera:
    focal = 1.13 * max(height, width)
    return Camera(focal, 0.9 * focal, 0.48 * width, 0.53 * height, width, height, poses)


def random_cloud(seed: int, num: int, camera: Camera, channels: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Some points beside the frame, every 19th behind the camera, discs of 0.7 to 4 px."""
    rng = np.random.default_rng(seed)
    z = rng.choice([1, 1.01, 1.5, 2, 2.03], num) * rng.uniform(0.99, 1.01, num)
    z[::19] *= -1
    u, v = rng.uniform(-0.1, 1.1, (2, num)) * [[camera.width], [camera.height]]
    xyz = np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], axis=1)
    radius = rng.uniform(0.7, 4, num) * np.abs(z) / camera.fx
    return tuple(torch.from_numpy(a).float() for a in (xyz, rng.uniform(-1, 1, (num, channels)), radius))


def turned_poses(num_views: int) -> Tensor:
    poses = torch.eye(3, 4).repeat(num_views, 1, 1)
    for view, pose in enumerate(poses):
        angle = torch.tensor(0.04 * (view + 1))
        pose[0, 0], pose[0, 2], pose[2, 0], pose[2, 2] = angle.cos(), angle.sin(), -angle.sin(), angle.cos()
        pose[:, 3] = 0.02 * torch.tensor([view, -1.0, 0.5])
    return poses


def loss_of(raster: Any, names: tuple[str, ...] = OUTPUTS) -> Tensor:
    """A weighted sum of the outputs; the weights are random and always the same."""
    generator = torch.Generator().manual_seed(7)
    outputs = [getattr(raster, name) for name in names]
    return sum((out * torch.randn(out.shape, generator=generator).to(out.dtype)).sum() for out in outputs)


def assert_close_to_largest(got: Tensor, want: Tensor, tolerance: float) -> None:
    assert got.shape == want.shape and want.abs().max() > 0
    assert (got.double() - want.double()).abs().max() <= tolerance * want.double().abs().max()


def splat_gradients(cloud: tuple[Tensor, ...], camera: Camera, names: tuple[str, ...], **options) -> tuple[Tensor, ...]:
    leaves = [t.clone().requires_grad_() for t in cloud]
    return torch.autograd.grad(loss_of(ops.splat_points(*leaves, camera, **options), names), leaves)


# --- splat_points -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("num_views", [None, 1, 3])
@pytest.mark.parametrize("channels", [1, 3, 21, 37])
@pytest.mark.parametrize("names", [OUTPUTS, ("feat",), ("alpha",), ("disp",)], ids="+".join)
def test_splat_gradients_equal_autograd(names: tuple[str, ...], channels: int, num_views: int | None, compositor: str) -> None:
    camera = camera_of(13, 17, None if num_views is None else turned_poses(num_views))
    assert_gradients_equal_autograd(random_cloud(channels, 120, camera, channels), camera, names, compositor=compositor)


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("channels", [3, 21])
def test_splat_gradients_of_soft_points(channels: int, compositor: str) -> None:
    camera = camera_of(13, 17)
    opacity = torch.rand(120, generator=torch.Generator().manual_seed(1)).mul(1.5).clamp_max(1)
    cloud = random_cloud(channels, 120, camera, channels)
    assert_gradients_equal_autograd(cloud, camera, OUTPUTS, compositor=compositor, opacity=opacity)


def cameras_of(height: int, width: int, num_views: int) -> Cameras:
    """Each with a focal length of its own."""
    cameras = Cameras.of(camera_of(height, width, turned_poses(num_views)))
    K = cameras.K.clone()
    K[:, 0, 0] *= torch.linspace(0.9, 1.1, num_views)
    return replace(cameras, K=K)


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("radius_unit", ["scene", "px"])
@pytest.mark.parametrize("names", [OUTPUTS, ("feat",), ("disp",)], ids="+".join)
def test_gradients_of_cameras_and_opacity(names: tuple[str, ...], radius_unit: str, compositor: str) -> None:
    """Against float64, in everything that has a gradient at once; the hits are many and near the middle of their discs."""
    cameras = cameras_of(13, 17, 3)
    cloud = random_cloud(11, 120, camera_of(13, 17))
    if radius_unit == "px":
        cloud = (*cloud[:2], cloud[2] * 1.13 * 17 / cloud[0][:, 2].abs())
    opacity = torch.rand(120, generator=torch.Generator().manual_seed(2)).mul(1.5).clamp_max(1)
    leaves = [t.clone().requires_grad_() for t in (*cloud, opacity, cameras.K, cameras.world_to_cam)]
    *points, soft, K, poses = leaves
    learned = Cameras(K, poses, 17, 13)
    options = {"compositor": compositor, "radius_unit": radius_unit}
    raster = ops.splat_points(*points, learned, opacity=soft, return_idx=True, **options)
    got = torch.autograd.grad(loss_of(raster, names), leaves, materialize_grads=True)

    exact = [t.detach().double().requires_grad_() for t in leaves]
    *points, soft, K, poses = exact
    rows = torch.cat([torch.stack([K[:, 0, 0], K[:, 1, 1], K[:, 0, 2], K[:, 1, 2]], 1), poses.reshape(-1, 12)], 1)
    again = splat_hits(*points, cameras, raster.idx, compositor=compositor, opacity=soft, rows=rows, in_px=radius_unit == "px")
    want = torch.autograd.grad(loss_of(again, names), exact, materialize_grads=True)
    named = zip(("xyz", "feat", "radius", "opacity", "K", "world_to_cam"), got, want, strict=True)
    for argument, ours, theirs in named:
        if argument != "feat" or "feat" in names:
            assert_close_to_largest(ours, theirs, 1e-4 if argument in ("xyz", "radius") else 1e-5)


@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_opacity_alone_has_a_gradient(compositor: str) -> None:
    """Points that let everything through would show, if they did less so."""
    camera = camera_of(9, 11)
    cloud, opacity = random_cloud(12, 100, camera), torch.zeros(100, requires_grad=True)
    raster = ops.splat_points(*cloud, camera, opacity=opacity, compositor=compositor)
    assert not raster.alpha.any()
    raster.alpha.sum().backward()
    assert (opacity.grad >= 0).all() and opacity.grad.any()


def test_descent_finds_the_camera() -> None:
    """Where a picture was taken, and with which focal length, from a little beside."""
    camera = camera_of(24, 32)
    cloud = random_cloud(13, 800, camera)
    taken = Cameras.of(camera)
    target = ops.splat_points(*cloud, taken, compositor="alpha").feat
    aside, focal = torch.tensor([0.02, -0.015, 0.0], requires_grad=True), torch.tensor(0.4, requires_grad=True)
    optimiser = torch.optim.Adam([{"params": [aside], "lr": 1e-3}, {"params": [focal], "lr": 2e-2}])
    across = torch.tensor([1.0, 1.0, 0.0])  # a step along the view axis looks like another focal length
    lens = torch.zeros(1, 3, 3)
    lens[0, 0, 0] = lens[0, 1, 1] = 1.0
    for _ in range(80):
        pose = torch.cat([taken.world_to_cam[:, :, :3], (taken.world_to_cam[:, :, 3] + across * aside)[..., None]], 2)
        guess = Cameras(taken.K + focal * lens, pose, 32, 24)
        loss = (ops.splat_points(*cloud, guess, compositor="alpha").feat - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert aside.abs().max() < 1e-3 and focal.abs() < 0.05


def test_a_pose_that_is_learned_changes_no_bit() -> None:
    camera = camera_of(9, 11, turned_poses(2))
    cloud = random_cloud(14, 200, camera)
    plain = ops.splat_points(*cloud, camera, return_idx=True)
    learned = ops.splat_points(*cloud, camera.with_pose(camera.pose.clone().requires_grad_()))
    assert torch.equal(plain.feat, learned.feat) and learned.feat.requires_grad


def assert_gradients_equal_autograd(cloud: tuple[Tensor, ...], camera: Camera, names: tuple[str, ...], **options) -> None:
    idx = ops.splat_points(*cloud, camera, return_idx=True, **options).idx
    exact = [t.double().requires_grad_() for t in cloud]
    raster = splat_hits(*exact, camera, idx, **options)
    for name in OUTPUTS:
        plain = getattr(ops.splat_points(*cloud, camera, **options), name)
        assert torch.allclose(getattr(raster, name).float(), plain, rtol=0, atol=2e-5)
    want = torch.autograd.grad(loss_of(raster, names), exact, materialize_grads=True)
    got = splat_gradients(cloud, camera, names, **options)
    for argument, ours, theirs in zip(("xyz", "feat", "radius"), got, want, strict=True):
        if argument == "feat" and "feat" not in names:
            assert not ours.any() and not theirs.any()
        else:
            assert_close_to_largest(ours, theirs, 1e-4)


@pytest.mark.parametrize("max_points", [1, 3, 64])
@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_crowded_pixels(max_points: int, compositor: str) -> None:
    camera = camera_of(5, 6)
    cloud = random_cloud(3, 900, camera)
    options = {"compositor": compositor, "depth_tolerance": 0.005, "max_points": max_points}
    idx = ops.splat_points(*cloud, camera, return_idx=True, **options).idx
    assert (idx >= 0).all(-1).any()
    exact = [t.double().requires_grad_() for t in cloud]
    del options["max_points"]
    want = torch.autograd.grad(loss_of(splat_hits(*exact, camera, idx, **options)), exact)
    got = splat_gradients(cloud, camera, OUTPUTS, max_points=max_points, **options)
    for ours, theirs in zip(got, want, strict=True):
        assert_close_to_largest(ours, theirs, 1e-4)


@pytest.mark.parametrize("case", ["a", "b"])
def test_alpha_gradients_equal_pytorch3d(golden, case: str) -> None:
    """The fixture's radius is in pixels, apart from the depth: hence the detour through ``radius_px``."""
    data = {key.removeprefix(f"{case}_"): value for key, value in golden("splat_grad").items() if key.startswith(f"{case}_")}
    fx, fy, cx, cy = (float(data[key]) for key in ("fx", "fy", "cx", "cy"))
    camera = Camera(fx, fy, cx, cy, int(data["w"]), int(data["h"]))
    xyz, feat, grad_out = (torch.from_numpy(data[key]) for key in ("points", "features", "G"))
    xyz, feat = xyz.requires_grad_(), feat.requires_grad_()
    radius_px = torch.from_numpy(np.broadcast_to(data["radius_px"], len(xyz)).copy()).requires_grad_()
    raster = ops.splat_points(xyz, feat, radius_px * xyz[:, 2] / fx, camera, compositor="alpha")
    (raster.feat * grad_out).sum().backward()
    assert_close_to_largest(feat.grad, torch.from_numpy(data["grad_features"]), 1e-4)
    assert_close_to_largest(xyz.grad, torch.from_numpy(data["grad_points"]), 1e-4)
    if case == "a":
        assert_close_to_largest(radius_px.grad, torch.from_numpy(data["grad_radius_px"]), 1e-4)


@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_splat_gradients_equal_finite_differences(compositor: str) -> None:
    """Of the float64 reference, for every number whose change by the step leaves the hits as they are."""
    camera = camera_of(7, 8, turned_poses(1)[0])
    cloud = random_cloud(4, 40, camera)
    options = {"compositor": compositor, "max_points": 8}
    got = splat_gradients(cloud, camera, OUTPUTS, **options)
    step, checked = 1e-6, 0
    for gradient, argument in zip(got, range(3), strict=True):
        for entry in np.ndindex(*gradient.shape):
            sides = []
            for sign in (1, -1):
                moved = [t.double().clone() for t in cloud]
                moved[argument][entry] += sign * step
                sides.append(reference.splat_points(*moved, camera, **options))
            if not np.array_equal(sides[0].idx, sides[1].idx):
                continue
            above, below = (loss_of(Raster(*(torch.from_numpy(getattr(s, n)) for n in OUTPUTS))).item() for s in sides)
            assert abs((above - below) / (2 * step) - gradient[entry]) <= 2e-4 * gradient.abs().max(), (argument, entry)
            checked += 1
    assert checked > 250


@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_same_bits_for_any_thread_count(for_thread_counts, compositor: str) -> None:
    cameras = cameras_of(131, 203, 2)
    cloud = random_cloud(5, 30_000, camera_of(131, 203), channels=5)

    def gradients() -> tuple[Tensor, ...]:
        leaves = [t.clone().requires_grad_() for t in (*cloud, torch.full((30_000,), 0.9), cameras.world_to_cam)]
        *points, opacity, poses = leaves
        raster = ops.splat_points(*points, replace(cameras, world_to_cam=poses), compositor=compositor, opacity=opacity)
        return torch.autograd.grad(loss_of(raster), leaves)

    first, *others = for_thread_counts(gradients)
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_descent_moves_a_point_to_its_target(compositor: str) -> None:
    camera = Camera(20.0, 20.0, 8.0, 8.0, 16, 16)
    feat, radius = torch.ones(1, 1), torch.full((1,), 0.2)
    target = ops.splat_points(torch.tensor([[0.05, -0.03, 1.02]]), feat, radius, camera, compositor=compositor)
    xyz = torch.tensor([[0.0, 0.0, 1.0]], requires_grad=True)
    losses = []
    for _ in range(6):
        raster = ops.splat_points(xyz, feat, radius, camera, compositor=compositor)
        losses.append((raster.feat - target.feat).square().sum() + (raster.disp - target.disp).square().sum())
        (slope,) = torch.autograd.grad(losses[-1], xyz)
        xyz = (xyz - 1e-4 * slope).detach().requires_grad_()
    assert all(after < before for before, after in pairwise(losses))
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_points_that_show_nothing_have_no_gradient(compositor: str) -> None:
    camera = camera_of(9, 11)
    cloud = random_cloud(6, 200, camera)
    cloud[0][1::19, 0] = float("nan")
    cloud[2][2::19] = -1.0
    gradients = splat_gradients(cloud, camera, OUTPUTS, compositor=compositor)
    for gradient in gradients:
        assert gradient.isfinite().all() and gradient.any()
        for first in (0, 1, 2):
            assert not gradient[first::19].any()
    nothing = [t[:0] for t in cloud]
    assert [g.shape for g in splat_gradients(nothing, camera, OUTPUTS)] == [(0, 3), (0, 3), (0,)]


def test_a_pixel_centred_on_a_point_has_finite_gradients() -> None:
    camera = Camera(8.0, 8.0, 4.5, 4.5, 9, 9)
    cloud = (torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 2.0]]), torch.rand(2, 3), torch.full((2,), 0.15))
    for compositor in COMPOSITORS:
        assert all(g.isfinite().all() for g in splat_gradients(cloud, camera, OUTPUTS, compositor=compositor))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_features_have_half_gradients(dtype: torch.dtype) -> None:
    camera = camera_of(9, 11)
    xyz, feat, radius = random_cloud(7, 200, camera)
    half = feat.to(dtype).requires_grad_()
    loss_of(ops.splat_points(xyz, half, radius, camera)).backward()
    full = half.detach().float().requires_grad_()
    loss_of(ops.splat_points(xyz, full, radius, camera)).backward()
    assert half.grad.dtype == dtype and torch.equal(half.grad, full.grad.to(dtype))


class RecordCalls(TorchDispatchMode):
    """Keeps the arguments of every call of an op of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, tuple[Any, ...]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls[func.name().removeprefix("c3drender::")] = args
        return func(*args, **(kwargs or {}))


def test_only_what_is_asked_for_is_computed() -> None:
    camera = camera_of(9, 11)
    xyz, feat, radius = random_cloud(8, 200, camera)
    with RecordCalls() as record:
        ops.splat_points(xyz, feat, radius, camera)
    assert record.calls["splat_points"][-1] is False, "no hit list without a gradient"
    with RecordCalls() as record, torch.no_grad():
        ops.splat_points(xyz, feat.requires_grad_(), radius, camera)
    assert record.calls["splat_points"][-1] is False
    with RecordCalls() as record:
        raster = ops.splat_points(xyz, feat, radius, camera)
        raster.alpha.sum().backward()
    assert raster.idx is None
    assert record.calls["splat_points"][-1] is True
    assert record.calls["splat_points_bwd"][-3:] == (False, True, False)
    assert record.calls["splat_points_bwd"][0] is None


def test_hits_are_needed_for_gradients() -> None:
    camera = camera_of(4, 5)
    xyz, feat, radius = random_cloud(9, 50, camera)
    rows = camera_rows("splat_points", camera)
    out = torch.ops.c3drender.splat_points(xyz, feat.requires_grad_(), radius, 0.0, rows, 5, 4, 0, 8, 0.02, False)
    with pytest.raises(RuntimeError, match="return_idx must be True"):
        out[0].sum().backward()


def test_hits_must_be_points() -> None:
    camera = camera_of(4, 5)
    xyz, feat, radius = random_cloud(9, 50, camera)
    rows = camera_rows("splat_points", camera)
    for far in (50, 2**31 - 1):
        idx = torch.full((1, 4, 5, 8), far, dtype=torch.int32)
        with pytest.raises(RuntimeError, match="idx must be below num_points"):
            torch.ops.c3drender.splat_points_bwd(
                None, torch.ones(1, 4, 5), None, xyz, feat, radius, 0.0, rows, 5, 4, 0, 0.02, idx, True, True, True
            )


def test_there_is_no_second_derivative() -> None:
    camera = camera_of(4, 5)
    xyz, feat, radius = random_cloud(9, 50, camera)
    xyz.requires_grad_()
    (slope,) = torch.autograd.grad(loss_of(ops.splat_points(xyz, feat, radius, camera)), xyz, create_graph=True)
    with pytest.raises(NotImplementedError, match=r"^splat_points: has no second derivative"):
        slope.sum().backward()


def test_flow_integration_has_no_gradient() -> None:
    step_px = torch.zeros(4, 5, 2, requires_grad=True)
    with pytest.raises(NotImplementedError, match=r"^integrate_flow: has no gradient"):
        ops.integrate_flow(step_px, 3).offset_px.sum().backward()


# --- blend_bidirectional ----------------------------------------------------------------------------------------------

BLENDED = ("feat", "alpha", "w_fwd", "w_bwd")


def blend_restated(fwd: Raster, bwd: Raster, loop_t: Tensor | float, sharpness: float) -> ops.BlendedRaster:
    w_f = (1 - loop_t) * fwd.alpha * torch.exp(sharpness * fwd.disp)
    w_b = loop_t * bwd.alpha * torch.exp(sharpness * bwd.disp)
    total = (w_f + w_b).clamp(min=1e-6)
    w_f, w_b = w_f / total, w_b / total
    feat = w_f[..., None] * fwd.feat + w_b[..., None] * bwd.feat
    return ops.BlendedRaster(feat, w_f * fwd.alpha + w_b * bwd.alpha, w_f, w_b)


def random_sides(seed: int, shape: tuple[int, ...], channels: int) -> list[Tensor]:
    """feat, alpha and disp of both sides, and a time per pixel; a fifth of the pixels is hardly covered."""
    rng = np.random.default_rng(seed)
    arrays = []
    for _ in range(2):
        alpha = rng.uniform(0.1, 1, shape) * rng.choice([1e-7, 1, 1, 1, 1], shape)
        arrays += [rng.uniform(-1, 1, (*shape, channels)), alpha, alpha * rng.uniform(0, 2, shape)]
    return [torch.from_numpy(a).float() for a in (*arrays, rng.uniform(0.05, 0.95, shape))]


@pytest.mark.parametrize("names", [BLENDED, ("feat",), ("alpha",), ("w_fwd",)], ids="+".join)
@pytest.mark.parametrize("sharpness", [4.0, 0.0, 20.0])
@pytest.mark.parametrize("shape", [(1, 1), (9, 15), (2, 5, 6)])
def test_blend_gradients_equal_autograd(shape: tuple[int, ...], sharpness: float, names: tuple[str, ...]) -> None:
    """Pixel by pixel: hardly covered ones have gradients that are a million times larger."""
    sides = random_sides(1, shape, channels=5)
    for per_pixel in (True, False):
        exact = [t.double().requires_grad_() for t in sides]
        leaves = [t.clone().requires_grad_() for t in sides]
        times = [leaf[-1] if per_pixel else 0.3 for leaf in (exact, leaves)]
        want_blend = blend_restated(Raster(*exact[:3]), Raster(*exact[3:6]), times[0], sharpness)
        got_blend = ops.blend_bidirectional(Raster(*leaves[:3]), Raster(*leaves[3:6]), times[1], sharpness=sharpness)
        want = torch.autograd.grad(loss_of(want_blend, names), exact, materialize_grads=True, allow_unused=True)
        got = torch.autograd.grad(loss_of(got_blend, names), leaves, materialize_grads=True, allow_unused=True)
        for ours, theirs in zip(got, want, strict=True):
            assert torch.allclose(ours.double(), theirs, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("disp", [0.0, 30.0, 1e3, 1e30])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_blend_gradients_of_extremes_are_finite(alpha: float, disp: float) -> None:
    far = Raster(torch.ones(2, 3, 1), torch.full((2, 3), alpha), torch.zeros(2, 3))
    near = Raster(torch.ones(2, 3, 1), torch.ones(2, 3), torch.full((2, 3), disp))
    for sides in ((far, near), (near, far), (near, near)):
        leaves = [t.clone().requires_grad_() for side in sides for t in (side.feat, side.alpha, side.disp)]
        blend = ops.blend_bidirectional(Raster(*leaves[:3]), Raster(*leaves[3:]), 0.5)
        assert all(g.isfinite().all() for g in torch.autograd.grad(loss_of(blend, ("feat", "alpha")), leaves))


def test_a_learned_sharpness() -> None:
    """Scaling the disparities is scaling the sharpness."""
    sides = random_sides(2, (6, 7), channels=2)
    sharpness = torch.tensor(3.0, requires_grad=True)
    fwd, bwd = (Raster(feat, alpha, sharpness * disp) for feat, alpha, disp in (sides[:3], sides[3:6]))
    loss_of(ops.blend_bidirectional(fwd, bwd, 0.4, sharpness=1.0), BLENDED).backward()
    losses = []
    for k in (3.01, 2.99):
        exact = [t.double() for t in sides]
        losses.append(loss_of(blend_restated(Raster(*exact[:3]), Raster(*exact[3:6]), 0.4, k), BLENDED))
    assert torch.allclose(sharpness.grad.double(), (losses[0] - losses[1]) / 0.02, rtol=1e-3)


def test_blend_gradients_same_bits_for_any_thread_count(for_thread_counts) -> None:
    sides = random_sides(3, (2, 151, 97), channels=5)

    def gradients() -> tuple[Tensor, ...]:
        leaves = [t.clone().requires_grad_() for t in sides]
        blend = ops.blend_bidirectional(Raster(*leaves[:3]), Raster(*leaves[3:6]), leaves[6])
        return torch.autograd.grad(loss_of(blend, BLENDED), leaves)

    first, *others = for_thread_counts(gradients)
    assert all(torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True))


def test_blend_has_no_second_derivative() -> None:
    leaves = [t.requires_grad_() for t in random_sides(4, (3, 4), channels=2)]
    blend = ops.blend_bidirectional(Raster(*leaves[:3]), Raster(*leaves[3:6]), leaves[6])
    (slope,) = torch.autograd.grad(loss_of(blend, BLENDED), leaves[1], create_graph=True)
    with pytest.raises(NotImplementedError, match=r"^blend_bidirectional: has no second derivative"):
        slope.sum().backward()
