"""Pixels with known numbers of hits, and several views at once, through the emulated kernels of ``splat_points``: against the
CPU twin, the float64 reference, and themselves under other thread schedules."""

from __future__ import annotations

import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from test_emulation import RUN_UNDER_ALL_SCHEDULES, assert_near, assert_near_reference, planted
from twin_cases import Cloud, camera_of, random_cloud, small_poses
from twins import Emulation, build_emulation, run_apart

SIZE = (37, 45)  # three tiles by three, the last of each row and column cut off
COUNTS = (0, 1, 7, 8, 9, 15, 16, 17, 24, 25, 31, 32)
MAX_POINTS = (1, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 63, 64)


@pytest.fixture(scope="module")
def emulation() -> Emulation:
    return Emulation(build_emulation())


def counted_cloud(
    rng: np.random.Generator,
    counts: NDArray[np.int64],
    *,
    num_depths: int | None = None,
    compositor: str = "alpha",
    max_points: int = 64,
) -> Cloud:
    """``counts[y, x]`` discs that cover pixel (x, y) and no other, in any order. ``num_depths``: how many distinct depths."""
    camera = camera_of(*counts.shape)
    y, x = np.repeat(np.indices(counts.shape).reshape(2, -1), counts.ravel(), axis=1)
    num = len(x)
    z = rng.uniform(1, 5, num) if num_depths is None else rng.choice(np.linspace(1, 5, num_depths), num)
    u, v = (at + 0.5 + rng.uniform(-0.1, 0.1, num) for at in (x, y))
    xyz = np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], axis=1)
    order = rng.permutation(num)
    feat = torch.from_numpy(rng.uniform(-1, 1, (num, 4)).astype(np.float32))
    radius = 0.4 * z / camera.fx
    return Cloud(camera, xyz[order].astype(np.float32), feat, radius[order].astype(np.float32), 0.0, compositor, max_points)


def some_pixels(rng: np.random.Generator, *counts: int, share: float) -> NDArray[np.int64]:
    """A share of the pixels with one of the counts each, every count somewhere, the others empty."""
    drawn = np.where(rng.uniform(size=SIZE) < share, rng.choice(counts, SIZE), 0)
    drawn[rng.integers(0, SIZE[0], len(counts)), np.arange(len(counts)) * 3 % SIZE[1]] = counts
    return drawn


@pytest.mark.parametrize("compositor", ["alpha", "surface"])
@pytest.mark.parametrize("max_points", MAX_POINTS)
def test_every_number_of_hits(emulation: Emulation, max_points: int, compositor: str) -> None:
    rng = np.random.default_rng(max_points)
    counts = some_pixels(rng, *COUNTS, share=0.15)
    cloud = counted_cloud(rng, counts, compositor=compositor, max_points=max_points)
    got = emulation.run_under_all_schedules(cloud.splat())
    assert_near(got, cloud.splat().run())
    assert_near_reference(cloud, got)
    assert np.array_equal((got[3] >= 0).sum(-1)[0], np.minimum(counts, max_points))


@pytest.mark.parametrize("num_depths", [1, 3])
@pytest.mark.parametrize("max_points", [8, 12, 32, 64])
def test_ties_go_by_the_point(emulation: Emulation, max_points: int, num_depths: int) -> None:
    rng = np.random.default_rng(num_depths)
    cloud = counted_cloud(rng, some_pixels(rng, *COUNTS, share=0.15), num_depths=num_depths, max_points=max_points)
    got = emulation.run_under_all_schedules(cloud.splat())
    assert_near(got, cloud.splat().run())
    assert_near_reference(cloud, got)
    if num_depths == 1:
        idx = got[3].astype(np.int64)
        assert (np.diff(np.where(idx < 0, len(cloud.xyz), idx), axis=-1) >= 0).all()


@pytest.mark.parametrize("compositor", ["alpha", "surface"])
@pytest.mark.parametrize("max_points", [9, 32, 33, 64])
@pytest.mark.parametrize("many", [33, 64, 100, 1200])
def test_pixels_with_more_than_are_handed_out(emulation: Emulation, many: int, max_points: int, compositor: str) -> None:
    """Some parts of tiles are left to the walk, their neighbours are not; 1200: more than the walk sorts at a time."""
    rng = np.random.default_rng(many)
    counts = some_pixels(rng, *COUNTS, share=0.08)
    counts[3, 20] = counts[12, 7] = counts[36, 44] = many
    cloud = counted_cloud(rng, counts, num_depths=400, compositor=compositor, max_points=max_points)
    got = emulation.run_under_all_schedules(cloud.splat())
    assert_near(got, cloud.splat().run())
    assert np.array_equal((got[3] >= 0).sum(-1)[0], np.minimum(counts, max_points))


@pytest.mark.parametrize("max_points", [16, 64])
@pytest.mark.parametrize("share", [0.45, 0.75, 0.9])
def test_longer_lists_than_are_kept(emulation: Emulation, share: float, max_points: int) -> None:
    """Of 1024 keys' room a tile has more, its halves have less, about as many, or more."""
    rng = np.random.default_rng(9)
    counts = (rng.uniform(size=SIZE) < share) * rng.integers(1, 19, SIZE)
    cloud = counted_cloud(rng, counts, compositor="surface", max_points=max_points)
    assert_near(emulation.run_under_all_schedules(cloud.splat()), cloud.splat().run())


@pytest.mark.parametrize("channels", [1, 3, 37])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 1), (8, 16), (9, 17), (31, 33)])
def test_dense_pictures_of_every_size(emulation: Emulation, size: tuple[int, int], channels: int) -> None:
    """Some twenty hits a pixel, from discs that cover several."""
    num = int(2.5 * (1.6 * size[0] + 2) * (1.6 * size[1] + 2))
    cloud = random_cloud(
        np.random.default_rng(size), num, size, channels=channels, radius_px=(1, 2), compositor="surface", max_points=64
    )
    got = emulation.run_under_all_schedules(cloud.splat())
    assert_near(got, cloud.splat().run())
    assert_near_reference(cloud, got)


# --- several views ------------------------------------------------------------------------------------------------------


def through(cloud: Cloud, poses: NDArray[np.float32], hidden: NDArray[np.int64] | None = None) -> Cloud:
    return replace(cloud, camera=replace(cloud.camera, world_to_cam=poses), hidden=hidden)


def assert_as_one_by_one(emulation: Emulation, cloud: Cloud) -> None:
    """To the bit, under every schedule."""
    emulation.set_schedule("forward", 0)
    poses, hidden = cloud.camera.world_to_cam, cloud.hidden
    views = [
        emulation.run(through(cloud, poses[v : v + 1], None if hidden is None else hidden[v : v + 1]).splat())
        for v in range(len(poses))
    ]
    for together, alone in zip(emulation.run_under_all_schedules(cloud.splat()), zip(*views, strict=True), strict=True):
        assert np.array_equal(together, np.concatenate(alone))


@pytest.mark.parametrize("max_points", [8, 64])
@pytest.mark.parametrize("num_views", [2, 8, 16, 19])
def test_views_are_as_one_by_one(emulation: Emulation, num_views: int, max_points: int) -> None:
    """19: more than one launch serves."""
    rng = np.random.default_rng(num_views)
    cloud = random_cloud(rng, 900, (19, 37), radius_px=(0.7, 4), compositor="surface", max_points=max_points)
    assert_as_one_by_one(emulation, through(cloud, small_poses(rng, num_views)))


@pytest.mark.parametrize("max_points", [8, 64])
@pytest.mark.parametrize("radius_px", [(1, 2), (2, 30)])
def test_sides_of_some_cameras_are_as_one_by_one(
    emulation: Emulation, radius_px: tuple[float, float], max_points: int
) -> None:
    rng = np.random.default_rng(max_points)
    cloud = random_cloud(rng, 1500, (23, 37), radius_px=radius_px, compositor="surface", max_points=max_points)
    poses = small_poses(rng, 3)[[0, 0, 1, 2, 2, 0]]
    hidden = np.array([[0, 0], [700, 1500], [0, 1500], [1, 2], [0, 900], [1499, 1500]])
    assert_as_one_by_one(emulation, through(cloud, poses, hidden))


def kernels_of(emulation: Emulation, cloud: Cloud) -> int:
    before = emulation.num_kernels_run
    emulation.run(cloud.splat())
    return emulation.num_kernels_run - before


@pytest.mark.parametrize(("max_points", "num_kernels"), [(8, 4), (64, 5)])
def test_views_share_launches(emulation: Emulation, max_points: int, num_kernels: int) -> None:
    rng = np.random.default_rng(0)
    cloud = random_cloud(rng, 300, (19, 37), max_points=max_points)
    poses = small_poses(rng, 17)
    assert kernels_of(emulation, cloud) == num_kernels
    assert kernels_of(emulation, through(cloud, poses[:8])) == num_kernels
    assert kernels_of(emulation, through(cloud, poses)) == 2 * num_kernels
    both_sides = np.array([[0, 100], [200, 300]])
    assert kernels_of(emulation, through(cloud, poses[[0, 0]], both_sides)) == num_kernels


def test_many_points_take_turns(emulation: Emulation) -> None:
    """Of 400,000 two cameras fit at once, and any sides of theirs; nearly all of them are behind the cameras."""
    rng = np.random.default_rng(1)
    cloud = random_cloud(rng, 400, (19, 37), max_points=8)
    xyz = np.full((400_000, 3), -1, np.float32)
    xyz[::1000] = cloud.xyz
    feat = torch.zeros(len(xyz), 4)
    feat[::1000] = cloud.feat
    radius = np.full(len(xyz), 0.1, np.float32)
    radius[::1000] = cloud.radius
    cloud = replace(cloud, xyz=xyz, feat=feat, radius=radius)
    poses = small_poses(rng, 5)[[0, 1, 1, 2, 3, 4]]
    cloud = through(cloud, poses, np.array([[0, 0], [0, 0], [0, 200_000], [0, 0], [0, 0], [0, 0]]))
    emulation.set_schedule("forward", 0)
    assert kernels_of(emulation, cloud) == 3 * 4
    assert_near(emulation.run(cloud.splat()), cloud.splat().run())


# --- who draws what -----------------------------------------------------------------------------------------------------

WITHOUT_A_WALK = """
import numpy as np
from test_many_hits import SIZE, counted_cloud, some_pixels
from twins import Emulation
emulation = Emulation({library!r})
rng = np.random.default_rng(0)
counts = some_pixels(rng, 1, 9, 31, 32, share=0.15)
counts[0, 0] = counts[16, 16] = counts[36, 36] = {most}
cloud = counted_cloud(rng, counts, max_points=64)
print((emulation.run(cloud.splat())[3] != cloud.splat().run()[3]).any(-1).sum())
"""


def test_the_walk_has_nothing_to_do_up_to_32_hits() -> None:
    """Here its blocks draw nothing: what is left to them stays garbage, halves of tiles, of which the last is cut off."""
    library = build_emulation(kernels=planted("no walk", "splat.cu", "uint64_t{*args.bins.num_left} * parts", "0"))
    for most, num_left in ((32, 0), (33, 16 * 8 + 16 * 8 + 13 * 5)):
        done = run_apart(WITHOUT_A_WALK.format(library=str(library), most=most))
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) == num_left


def test_hits_in_the_place_of_what_was_not_read_yet_are_caught() -> None:
    """Places of keys are read there, and lead anywhere."""
    barrier = "  __syncthreads();  // the last hits take the place of what was handed out\n"
    library = build_emulation(kernels=planted("last hits", "splat_handing.cuh", barrier, ""))
    done = run_apart(RUN_UNDER_ALL_SCHEDULES.format(library=str(library), call="splat many hits"))
    assert done.returncode == -signal.SIGSEGV or "AssertionError: a race" in done.stderr
