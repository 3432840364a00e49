"""`splat_points` against the golden fixtures, the float64 reference, and properties that need neither."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import reference
import torch
from torch import Tensor

from c3drender import ops
from c3drender.data import Camera, Raster

COMPOSITORS = ("alpha", "surface")
GOLDEN = (
    "splat_scalar_48x72_c3",
    "splat_ties_24x36_c1",
    "splat_none_20x28_c4",
    "splat_probe_48x72_c1",
    "splat_grid_id_48x72_c4",
    "splat_grid_mv_48x72_c4",
    "splat_grad/a_",
    "splat_grad/b_",
)


@dataclass(frozen=True)
class Cloud:
    xyz: Tensor
    feat: Tensor
    radius: Tensor

    def __getitem__(self, index: Tensor | slice) -> Cloud:
        return Cloud(self.xyz[index].contiguous(), self.feat[index].contiguous(), self.radius[index].contiguous())

    def splat(self, camera: Camera, **options) -> Raster:
        return ops.splat_points(self.xyz, self.feat, self.radius, camera, **options)


def camera_of(height: int, width: int) -> Camera:
    """A focal length and a centre that are no round numbers."""
    focal = 1.13 * max(height, width)
    return Camera(focal, focal, 0.48 * width, 0.53 * height, width, height)


def random_cloud(
    rng: np.random.Generator,
    num: int,
    camera: Camera,
    channels: int = 4,
    *,
    dtype: torch.dtype = torch.float32,
    radius_px: tuple[float, float] = (0.7, 2.5),
    num_depths: int | None = None,
) -> Cloud:
    """Points in and up to 30 % around the frame, every 19th behind the camera. ``num_depths``: how many distinct depths."""
    z = rng.uniform(1, 5, num) if num_depths is None else rng.choice(np.linspace(1, 5, num_depths), num)
    z[::19] *= -1
    u = rng.uniform(-0.3, 1.3, num) * camera.width
    v = rng.uniform(-0.3, 1.3, num) * camera.height
    xyz = np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], axis=1)
    radius = np.exp(rng.uniform(*np.log(radius_px), num)) * np.abs(z) / camera.fx
    feat = torch.from_numpy(rng.uniform(-1, 1, (num, channels))).to(dtype)
    return Cloud(torch.from_numpy(xyz).float(), feat, torch.from_numpy(radius).float())


def random_poses(rng: np.random.Generator, num_views: int) -> Tensor:
    """Turned by up to 10 degrees about a random axis, shifted by up to 0.3."""
    poses = np.empty((num_views, 3, 4))
    for pose in poses:
        x, y, z = rng.uniform(-0.1, 0.1, 3)
        twist = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
        pose[:, :3] = torch.matrix_exp(twist).numpy()
        pose[:, 3] = rng.uniform(-0.3, 0.3, 3)
    return torch.from_numpy(poses).float()


def assert_matches_reference(cloud: Cloud, camera: Camera, *, radius: Tensor | float | None = None, **options) -> None:
    radius = cloud.radius if radius is None else radius
    got = ops.splat_points(cloud.xyz, cloud.feat, radius, camera, return_idx=True, **options)
    want = reference.splat_points(cloud.xyz, cloud.feat.double(), radius, camera, **options)

    assert got.feat.dtype == got.alpha.dtype == got.disp.dtype == torch.float32
    assert got.idx.dtype == torch.int32
    for name in ("feat", "alpha", "disp", "idx"):
        assert getattr(got, name).shape == getattr(want, name).shape, name
    clear = want.clear
    assert clear.mean() > 0.9 or clear.size < 100
    assert np.array_equal(got.idx.numpy()[clear], want.idx[clear])

    # A disc shifted by 1e-6 px changes q = d^2 / r^2 by up to 2e-6 / r; depths reach from 1 to 5, and a pose adds up to 0.5.
    usable = (np.asarray(radius) > 0) & np.isfinite(np.asarray(radius))
    z_near = np.where(cloud.xyz[:, 2] > 0, cloud.xyz[:, 2], np.inf).min(initial=np.inf)
    smallest_px = np.min(camera.fx * np.asarray(radius) / 5.5, where=usable, initial=1.0)
    tolerance = 1e-5 / smallest_px
    assert np.allclose(got.alpha.numpy()[clear], want.alpha[clear], rtol=0, atol=tolerance)
    assert np.allclose(got.feat.numpy()[clear], want.feat[clear], rtol=0, atol=tolerance)
    assert np.allclose(got.disp.numpy()[clear], want.disp[clear], rtol=0, atol=2 * tolerance / z_near)


# --- golden fixtures --------------------------------------------------------------------------------------------------


def load_golden_cloud(golden, name: str) -> tuple[Cloud, Camera, dict[str, np.ndarray]]:
    file, _, prefix = name.partition("/")
    data = {key.removeprefix(prefix): value for key, value in golden(file).items() if key.startswith(prefix)}
    fx, fy, cx, cy = (float(data[key]) for key in ("fx", "fy", "cx", "cy"))
    camera = Camera(fx, fy, cx, cy, int(data["w"]), int(data["h"]))
    z = data["points"][:, 2]
    radius = np.where(z > 0, data["radius_px"] * z / fx, 1).astype(np.float32)
    return Cloud(*(torch.from_numpy(a) for a in (data["points"], data["features"], radius))), camera, data


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("renderer", ["op", "reference"])
def test_alpha_equals_pytorch3d(golden, name: str, renderer: str) -> None:
    cloud, camera, data = load_golden_cloud(golden, name)
    if renderer == "op":
        got = cloud.splat(camera, compositor="alpha", return_idx=True)
    else:
        got = reference.splat_points(cloud.xyz, cloud.feat, cloud.radius, camera, compositor="alpha", max_points=8)
    assert np.array_equal(got.idx, data["idx"])
    assert np.allclose(got.feat, data["out"], rtol=0, atol=1e-4)
    if "alpha" in data:
        assert np.allclose(got.alpha, data["alpha"], rtol=0, atol=1e-4)


# --- against the reference --------------------------------------------------------------------------------------------

SIZES = ((1, 1), (1, 9), (7, 1), (17, 13), (33, 32), (24, 47), (29, 31))  # height, width
RADII_PX = ((0.1, 0.4), (0.7, 2.5), (1.5, 1.5), (3, 12), (40, 40))
MAX_POINTS = (1, 2, 8, 32, 64)
CASES = [(channels, dtype) for channels in (1, 3, 4, 5, 16, 37, 64, 256) for dtype in ("float32", "float16", "bfloat16")]


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("case", range(3 * len(CASES)))
def test_random_clouds(case: int, compositor: str) -> None:
    rng = np.random.default_rng(case)
    channels, dtype = CASES[case % len(CASES)]
    height, width = SIZES[case % len(SIZES)]
    radius_px = RADII_PX[(case + case // len(CASES)) % len(RADII_PX)]
    camera = camera_of(height, width)
    cloud = random_cloud(
        rng,
        num=60 if radius_px[1] > 10 else 400,
        camera=camera,
        channels=channels,
        dtype=getattr(torch, dtype),
        radius_px=radius_px,
        num_depths=3 if case % 4 == 1 else None,
    )
    if case % 2:
        camera = camera.with_pose(random_poses(rng, 1 + case % 3))
    assert_matches_reference(
        cloud, camera, compositor=compositor, max_points=MAX_POINTS[(case // 2) % len(MAX_POINTS)], depth_tolerance=0.02
    )


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("radius", [0.02, 0.07, 0.6])
def test_one_radius_for_all(radius: float, compositor: str) -> None:
    rng = np.random.default_rng(5)
    camera = camera_of(23, 37)
    assert_matches_reference(random_cloud(rng, 300, camera), camera, radius=radius, compositor=compositor, max_points=8)


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("channels", [3, 5, 37])
def test_soft_points(channels: int, compositor: str) -> None:
    rng = np.random.default_rng(20)
    camera = camera_of(19, 33)
    cloud = random_cloud(rng, 400, camera, channels=channels, num_depths=5)
    opacity = torch.from_numpy(np.clip(rng.uniform(-0.5, 1.5, 400), 0, 1)).float()
    assert_matches_reference(cloud, camera, opacity=opacity, compositor=compositor, max_points=16)
    ones = torch.ones_like(opacity)
    given, none = (cloud.splat(camera, compositor=compositor, opacity=o) for o in (ones, None))
    assert torch.equal(given.feat, none.feat) and torch.equal(given.alpha, none.alpha) and torch.equal(given.disp, none.disp)


@pytest.mark.parametrize("opacity", [0.0, 0.25, 1.0])
def test_a_soft_surface_lets_its_share_through(opacity: float) -> None:
    camera = camera_of(12, 12)
    ys, xs = torch.meshgrid(torch.arange(14.0) - 0.5, torch.arange(14.0) - 0.5, indexing="ij")
    ray = torch.stack([(xs - camera.cx) / camera.fx, (ys - camera.cy) / camera.fy, torch.ones_like(xs)], -1).reshape(-1, 3)
    xyz = torch.cat([ray, 2 * ray])
    colour = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat_interleave(len(ray), 0)
    radius = torch.tensor([1.0, 2.0]).repeat_interleave(len(ray)) * 1.5 / camera.fy
    cover = torch.tensor([opacity, 1.0]).repeat_interleave(len(ray))
    got = ops.splat_points(xyz, colour, radius, camera, opacity=cover)
    torch.testing.assert_close(got.feat, torch.tensor([opacity, 1 - opacity]).expand(12, 12, 2))
    torch.testing.assert_close(got.alpha, torch.ones(12, 12))


@pytest.mark.parametrize("depth_tolerance", [0.0, 0.005, 0.1, 10.0])
def test_depth_tolerance(depth_tolerance: float) -> None:
    rng = np.random.default_rng(6)
    camera = camera_of(19, 27)
    for num_depths in (4, None):
        cloud = random_cloud(rng, 400, camera, num_depths=num_depths)
        assert_matches_reference(cloud, camera, compositor="surface", max_points=32, depth_tolerance=depth_tolerance)


@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_no_point_is_dropped_for_lack_of_room(compositor: str) -> None:
    rng = np.random.default_rng(7)
    camera = camera_of(3, 5)
    cloud = random_cloud(rng, 30_000, camera, channels=2)
    cloud = replace(cloud, xyz=torch.from_numpy(rng.permutation(np.linspace(1, 2, 30_000))[:, None] * [0.01, 0.02, 1]).float())
    assert_matches_reference(cloud, camera, radius=0.4, compositor=compositor, max_points=64)


def test_max_points_defaults() -> None:
    camera = camera_of(6, 5)
    cloud = random_cloud(np.random.default_rng(8), 900, camera)
    for compositor, max_points in (("alpha", 8), ("surface", 32)):
        implied = cloud.splat(camera, compositor=compositor, return_idx=True)
        assert implied.idx.shape == (6, 5, max_points)
        # Few channels are summed in another order where no indices are asked for: only rounding may differ.
        named = cloud.splat(camera, compositor=compositor, max_points=max_points)
        torch.testing.assert_close(implied.feat, named.feat, rtol=1e-5, atol=1e-6)
    assert cloud.splat(camera).idx is None
    assert torch.equal(cloud.splat(camera).feat, cloud.splat(camera, compositor="surface").feat)


# --- edges of the domain ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("num_views", [None, 1, 3])
def test_nothing_to_see(num_views: int | None, compositor: str) -> None:
    rng = np.random.default_rng(9)
    camera = camera_of(5, 8)
    cloud = random_cloud(rng, 50, camera)
    behind = replace(cloud, xyz=torch.stack([cloud.xyz[:, 0], cloud.xyz[:, 1], -2 - cloud.xyz[:, 2].abs()], dim=1))
    views = () if num_views is None else (num_views,)
    if num_views is not None:
        camera = camera.with_pose(random_poses(rng, num_views))
    for nothing in (cloud[:0], behind):
        raster = nothing.splat(camera, compositor=compositor, return_idx=True)
        assert raster.feat.shape == (*views, 5, 8, 4)
        assert raster.alpha.shape == raster.disp.shape == (*views, 5, 8)
        assert not raster.feat.any() and not raster.alpha.any() and not raster.disp.any()
        assert (raster.idx == -1).all()


@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_one_point(compositor: str) -> None:
    camera = camera_of(9, 9)
    point = Cloud(torch.tensor([[0.0, 0.1, 2.0]]), torch.tensor([[0.5, -2.0]]), torch.tensor([0.5]))
    assert_matches_reference(point, camera, compositor=compositor, max_points=8)
    assert_matches_reference(point, camera_of(1, 1), compositor=compositor, max_points=8)


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("z", [0.0, -0.0])
def test_point_in_the_camera_plane_is_skipped(z: float, compositor: str) -> None:
    point = Cloud(torch.tensor([[0.0, 0.0, z]]), torch.ones(1, 1), torch.ones(1))
    assert not point.splat(camera_of(9, 9), compositor=compositor).alpha.any()


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("z", [1e-3, 1e-6, 1e-30])
def test_point_at_the_lens_fills_the_frame(z: float, compositor: str) -> None:
    raster = Cloud(torch.tensor([[0.0, 0.0, z]]), torch.tensor([[0.25]]), torch.ones(1)).splat(
        camera_of(9, 7), compositor=compositor
    )
    assert torch.allclose(raster.alpha, torch.ones(9, 7), rtol=0, atol=1e-5)
    assert torch.allclose(raster.feat, torch.full((9, 7, 1), 0.25), rtol=0, atol=1e-5)


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["x", "y", "z", "radius"])
def test_points_without_a_place_are_skipped(where: str, bad: float, compositor: str) -> None:
    camera = camera_of(11, 14)
    cloud = random_cloud(np.random.default_rng(10), 200, camera)
    spoilt = torch.arange(200) % 3 == 1
    if where == "radius":
        cloud.radius[spoilt] = bad
    else:
        cloud.xyz[spoilt, "xyz".index(where)] = bad
    for poses in (None, random_poses(np.random.default_rng(20), 2)):
        assert_same_without(cloud, spoilt, replace(camera, world_to_cam=poses), compositor)


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_bad_feature_stays_in_its_channel_and_under_its_disc(dtype: torch.dtype, bad: float, compositor: str) -> None:
    camera = camera_of(11, 14)
    cloud = random_cloud(np.random.default_rng(10), 150, camera, channels=37, dtype=dtype)
    spoilt = replace(cloud, feat=cloud.feat.clone())
    spoilt.feat[5::30, 20] = bad
    before, after = (c.splat(camera, compositor=compositor, return_idx=True) for c in (cloud, spoilt))
    for name in ("alpha", "disp", "idx"):
        assert torch.equal(getattr(before, name), getattr(after, name)), name
    same = torch.ones(11, 14, 37, dtype=torch.bool)
    same[..., 20] = ~((after.idx >= 0) & (after.idx % 30 == 5)).any(-1)
    assert not same.all()
    assert torch.equal(before.feat[same], after.feat[same])


@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_points_that_cover_nothing_change_nothing(compositor: str) -> None:
    camera = camera_of(11, 14)
    cloud = random_cloud(np.random.default_rng(11), 300, camera)
    useless = torch.arange(300) % 2 == 1
    far_away = torch.tensor([[1e5, 0, 1], [0, -1e30, 1], [3e38, 3e38, 1e-6], [-1e20, 1, 1e-20], [1e4, 1e4, 1e-3]])
    cloud.xyz[useless] = far_away.repeat(30, 1)
    assert_same_without(cloud, useless, camera, compositor)

    cloud = random_cloud(np.random.default_rng(12), 300, camera)
    cloud.radius[useless] = torch.tensor([0.0, -0.0, -1.0, 1e-30, -1e30]).repeat(30)
    assert_same_without(cloud, useless, camera, compositor)


def assert_same_without(cloud: Cloud, useless: Tensor, camera: Camera, compositor: str) -> None:
    with_them = cloud.splat(camera, compositor=compositor, return_idx=True)
    without = cloud[~useless].splat(camera, compositor=compositor, return_idx=True)
    kept = torch.cat([torch.nonzero(~useless).flatten(), torch.tensor([-1])])
    assert torch.equal(with_them.idx.long(), kept[without.idx.long()])
    for name in ("feat", "alpha", "disp"):
        assert torch.equal(getattr(with_them, name), getattr(without, name)), name


# --- properties -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_same_bits_for_any_thread_count(for_thread_counts, dtype: torch.dtype, compositor: str) -> None:
    rng = np.random.default_rng(13)
    camera = camera_of(131, 203).with_pose(random_poses(rng, 2))
    cloud = random_cloud(rng, 30_000, camera, channels=5, dtype=dtype, num_depths=50)
    first, *others = for_thread_counts(lambda: cloud.splat(camera, compositor=compositor, return_idx=True))
    for other in others:
        for name in ("feat", "alpha", "disp", "idx"):
            assert torch.equal(getattr(first, name), getattr(other, name)), name


@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_constant_features_give_constant_times_alpha(compositor: str) -> None:
    camera = camera_of(41, 57)
    cloud = random_cloud(np.random.default_rng(14), 5000, camera)
    constant = torch.tensor([1.0, -3.0, 0.25, 0.0])
    raster = replace(cloud, feat=constant.repeat(5000, 1)).splat(camera, compositor=compositor)
    assert raster.alpha.min() >= 0 and raster.alpha.max() <= 1 + 1e-6
    assert torch.allclose(raster.feat, constant * raster.alpha[..., None], rtol=0, atol=1e-5)


def test_surfaces_average_and_never_extrapolate() -> None:
    camera = camera_of(41, 57)
    cloud = random_cloud(np.random.default_rng(15), 4000, camera, channels=3)
    raster = cloud.splat(camera, compositor="surface")
    seen = raster.alpha > 1e-3
    colour = raster.feat[seen] / raster.alpha[seen][:, None]
    in_front = cloud.xyz[:, 2] > 0
    assert (colour >= cloud.feat[in_front].amin(0) - 1e-3).all() and (colour <= cloud.feat[in_front].amax(0) + 1e-3).all()


def test_unmoved_grid_is_covered_to_the_border() -> None:
    camera = Camera.for_photo(width=21, height=14)
    y, x = torch.meshgrid(torch.arange(14) + 0.5, torch.arange(21) + 0.5, indexing="ij")
    xyz = torch.stack([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, torch.ones_like(x)], dim=-1).reshape(-1, 3)
    raster = ops.splat_points(2 * xyz, x.reshape(-1, 1), 2 * 1.5 / camera.fx, camera)
    assert torch.allclose(raster.alpha, torch.ones(14, 21), rtol=0, atol=1e-6)
    assert torch.allclose(raster.disp, torch.full((14, 21), 0.5), rtol=0, atol=1e-6)
    assert torch.allclose(raster.feat[:, 1:-1, 0], x[:, 1:-1], rtol=0, atol=1e-3)


@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_order_of_points_does_not_matter(compositor: str) -> None:
    rng = np.random.default_rng(16)
    camera = camera_of(25, 30)
    cloud = random_cloud(rng, 2000, camera)
    order = torch.from_numpy(rng.permutation(2000))
    plain = cloud.splat(camera, compositor=compositor, return_idx=True)
    shuffled = cloud[order].splat(camera, compositor=compositor, return_idx=True)
    original = torch.cat([order, torch.tensor([-1])])
    assert torch.equal(plain.idx.long(), original[shuffled.idx.long()])
    for name in ("feat", "alpha", "disp"):
        assert torch.allclose(getattr(plain, name), getattr(shuffled, name), rtol=0, atol=1e-6), name


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("channels", [3, 4, 21, 37, 70])
def test_rows_of_a_picture_are_drawn_like_points_in_any_order(channels: int, compositor: str) -> None:
    """Neighbours in memory that are neighbours in the picture are binned together."""
    rng = np.random.default_rng(23)
    camera = Camera.for_photo(width=139, height=90)
    y, x = torch.meshgrid(torch.arange(90) + 0.5, torch.arange(139) + 0.5, indexing="ij")
    u, v = torch.cat([x.flatten(), x[:40].flatten()]), torch.cat([y.flatten(), y[:40].flatten()])  # a farther layer behind
    num = len(u)
    depth = np.concatenate([rng.permutation(np.linspace(1, 2, 90 * 139)), rng.permutation(np.linspace(3, 4, 40 * 139))])
    z = torch.from_numpy(depth).float()  # none twice: no tie is broken by the order
    assert len(z.unique()) == num
    xyz = torch.stack([(u - camera.cx) * z / camera.fx, (v - camera.cy) * z / camera.fy, z], dim=1)
    cloud = Cloud(xyz, torch.from_numpy(rng.uniform(-1, 1, (num, channels))).float(), 1.5 * z / camera.fx)
    rows = cloud.splat(camera, compositor=compositor)
    for order in (rng.permutation(num), np.arange(num)[::-1].copy(), np.roll(np.arange(num), 5000)):
        shuffled = cloud[torch.from_numpy(order)].splat(camera, compositor=compositor)
        for name in ("feat", "alpha", "disp"):
            assert torch.equal(getattr(rows, name), getattr(shuffled, name)), name


@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_a_scene_twice_as_large_looks_the_same(compositor: str) -> None:
    rng = np.random.default_rng(17)
    camera = camera_of(25, 30).with_pose(random_poses(rng, 1)[0])
    cloud = random_cloud(rng, 1000, camera)
    doubled_pose = camera.world_to_cam * torch.tensor([1.0, 1.0, 1.0, 2.0])
    plain = cloud.splat(camera, compositor=compositor)
    doubled = Cloud(2 * cloud.xyz, cloud.feat, 2 * cloud.radius).splat(camera.with_pose(doubled_pose), compositor=compositor)
    assert torch.equal(plain.feat, doubled.feat) and torch.equal(plain.alpha, doubled.alpha)
    assert torch.equal(plain.disp, 2 * doubled.disp)


@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_a_batch_of_cameras_is_each_camera_alone(compositor: str) -> None:
    rng = np.random.default_rng(18)
    poses = random_poses(rng, 4)
    camera = camera_of(25, 30)
    cloud = random_cloud(rng, 1000, camera)
    batch = cloud.splat(camera.with_pose(poses), compositor=compositor, return_idx=True)
    for view, pose in enumerate(poses):
        alone = cloud.splat(camera.with_pose(pose.contiguous()), compositor=compositor, return_idx=True)
        for name in ("feat", "alpha", "disp", "idx"):
            assert torch.equal(getattr(batch, name)[view], getattr(alone, name)), name


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 4, 37])
def test_half_features_are_summed_in_float32(channels: int, dtype: torch.dtype, compositor: str) -> None:
    camera = camera_of(25, 30)
    cloud = random_cloud(np.random.default_rng(19), 1500, camera, channels=channels, dtype=dtype)
    half = cloud.splat(camera, compositor=compositor)
    full = replace(cloud, feat=cloud.feat.float()).splat(camera, compositor=compositor)
    assert torch.allclose(half.feat, full.feat, rtol=0, atol=1e-6)
    assert torch.equal(half.alpha, full.alpha)


# --- views that see different points, and results in given memory ------------------------------------------------------


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize(("channels", "num"), [(4, 900), (4, 9000), (9, 900), (9, 9000)])
def test_a_view_is_as_if_what_it_does_not_see_were_not_there(compositor: str, channels: int, num: int) -> None:
    """Neighbouring equal poses share their work, in tiles with few points and in tiles that are drawn in several turns."""
    rng = np.random.default_rng(num + channels)
    camera = camera_of(37, 61)
    cloud = random_cloud(rng, num, camera, channels, num_depths=40)
    a, b = random_poses(rng, 2)
    poses = torch.stack([a, a, a, b, a])
    half, end = num // 2, num - 7
    hidden = [(half, end), (0, 0), (num // 3, half), (half, end), (0, num)]
    got = cloud.splat(camera.with_pose(poses), compositor=compositor, hidden=hidden, return_idx=True)
    for view, (first, last) in enumerate(hidden):
        seen = torch.cat([torch.arange(first), torch.arange(last, num)])
        want = cloud[seen].splat(camera.with_pose(poses[view]), compositor=compositor, return_idx=True)
        for name in ("feat", "alpha", "disp"):
            assert torch.equal(getattr(got, name)[view], getattr(want, name)), name
        hits = want.idx.long()
        assert torch.equal(got.idx[view].long(), torch.where(hits >= 0, torch.cat([seen, seen.new_zeros(1)])[hits], hits))


@pytest.mark.parametrize("channels", [4, 9])
def test_gradients_pass_by_what_a_view_does_not_see(channels: int) -> None:
    camera = camera_of(13, 17)
    cloud = random_cloud(np.random.default_rng(3), 80, camera, channels)
    feat = cloud.feat.clone().requires_grad_()
    pose = torch.eye(3, 4).repeat(2, 1, 1)
    ops.splat_points(cloud.xyz, feat, cloud.radius, camera.with_pose(pose), hidden=[(20, 50), (20, 50)]).feat.sum().backward()
    assert not feat.grad[20:50].any()
    assert feat.grad.any()


@pytest.mark.parametrize("channels", [4, 9])
@pytest.mark.parametrize("num_views", [0, 2])
def test_results_in_given_memory(channels: int, num_views: int) -> None:
    rng = np.random.default_rng(5)
    camera = camera_of(21, 33)
    cloud = random_cloud(rng, 400, camera, channels)
    view = camera.with_pose(random_poses(rng, num_views)) if num_views else camera
    want = cloud.splat(view)
    out = Raster(*(torch.full_like(getattr(want, name), math.nan) for name in ("feat", "alpha", "disp")))
    assert cloud.splat(view, out=out) is out
    for name in ("feat", "alpha", "disp"):
        assert torch.equal(getattr(out, name), getattr(want, name))


# --- bad input --------------------------------------------------------------------------------------------------------

BAD_INPUT = {
    "xyz is a list": (dict(xyz=[[0.0, 0.0, 1.0]]), TypeError, "xyz"),
    "xyz is float64": (dict(xyz=torch.zeros(6, 3, dtype=torch.float64)), TypeError, "xyz"),
    "xyz is [N, 2]": (dict(xyz=torch.zeros(6, 2)), ValueError, "xyz"),
    "xyz is flat": (dict(xyz=torch.zeros(18)), ValueError, "xyz"),
    "xyz is elsewhere": (dict(xyz=torch.zeros(6, 3, device="meta")), ValueError, ""),
    "feat is float64": (dict(feat=torch.zeros(6, 4, dtype=torch.float64)), TypeError, "feat"),
    "feat is uint8": (dict(feat=torch.zeros(6, 4, dtype=torch.uint8)), TypeError, "feat"),
    "feat is an array": (dict(feat=np.zeros((6, 4), dtype=np.float32)), TypeError, "feat"),
    "feat has another N": (dict(feat=torch.zeros(5, 4)), ValueError, "feat"),
    "feat is [N]": (dict(feat=torch.zeros(6)), ValueError, "feat"),
    "feat has no channel": (dict(feat=torch.zeros(6, 0)), ValueError, "feat"),
    "feat has 257 channels": (dict(feat=torch.zeros(6, 257)), ValueError, "feat"),
    "feat is elsewhere": (dict(feat=torch.zeros(6, 4, device="meta")), ValueError, ""),
    "radius has another N": (dict(radius=torch.ones(5)), ValueError, "radius"),
    "radius is [N, 1]": (dict(radius=torch.ones(6, 1)), ValueError, "radius"),
    "radius is float64": (dict(radius=torch.ones(6, dtype=torch.float64)), TypeError, "radius"),
    "radius is text": (dict(radius="1.5"), TypeError, "radius"),
    "radius is True": (dict(radius=True), TypeError, "radius"),
    "camera is None": (dict(camera=None), TypeError, "camera"),
    "compositor is unknown": (dict(compositor="over"), ValueError, "compositor"),
    "max_points is 0": (dict(max_points=0), ValueError, "max_points"),
    "max_points is negative": (dict(max_points=-8), ValueError, "max_points"),
    "max_points is 65": (dict(max_points=65), ValueError, "max_points"),
    "max_points is 1.5": (dict(max_points=1.5), TypeError, "max_points"),
    "depth_tolerance is negative": (dict(depth_tolerance=-0.01), ValueError, "depth_tolerance"),
    "depth_tolerance is NaN": (dict(depth_tolerance=math.nan), ValueError, "depth_tolerance"),
    "hidden is for two views": (dict(hidden=[(0, 1), (1, 2)]), ValueError, "hidden"),
    "hidden ends before it begins": (dict(hidden=[(3, 2)]), ValueError, "hidden"),
    "hidden ends behind the last point": (dict(hidden=[(3, 7)]), ValueError, "hidden"),
    "hidden is not whole": (dict(hidden=[(0, 1.5)]), TypeError, "hidden"),
    "out is a tuple": (dict(out=(torch.zeros(4, 5, 4), torch.zeros(4, 5), torch.zeros(4, 5))), TypeError, "out"),
    "out is too small": (
        dict(out=Raster(torch.zeros(4, 5, 3), torch.zeros(4, 5), torch.zeros(4, 5))),
        ValueError,
        r"out\.feat",
    ),
    "out has no hits": (
        dict(out=Raster(torch.zeros(4, 5, 4), torch.zeros(4, 5), torch.zeros(4, 5)), return_idx=True),
        ValueError,
        "out",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input(case: str) -> None:
    change, error, argument = BAD_INPUT[case]
    good = dict(xyz=torch.ones(6, 3), feat=torch.ones(6, 4), radius=torch.ones(6), camera=camera_of(4, 5))
    ops.splat_points(**good)
    with pytest.raises(error, match=rf"^splat_points: .*{argument}.* must be .+"):
        ops.splat_points(**(good | change))
