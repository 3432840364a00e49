"""The CUDA kernels' own source, run on the processor by ``csrc/emulation``: against the CPU twins, the float64 reference, and
themselves under other thread schedules. Last: that these tests see a missing barrier and a write out of bounds."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reference
import torch
from twin_cases import (
    Arrays,
    Call,
    Cloud,
    Pinhole,
    camera_of,
    one_of_each,
    random_cloud,
    random_drift,
    random_flow,
    random_hole,
    random_layer,
    random_sides,
    random_sides_bwd,
)
from twins import BUILD, CSRC, Emulation, build_emulation, build_lesser, run_apart

SIZES = ((1, 1), (1, 9), (17, 13), (33, 32), (24, 47))  # height, width
RADII_PX = ((0.1, 0.4), (0.7, 2.5), (3, 12), (40, 40))
MAX_POINTS = (1, 8, 9, 32, 64)
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
CASES = [(channels, dtype) for channels in (1, 3, 4, 37, 64, 256) for dtype in DTYPES]
SUMMED_OVER_CHANNELS = 2e-5
EVERY_OP = list(one_of_each(0))


@pytest.fixture(scope="module")
def emulation() -> Emulation:
    return Emulation(build_emulation())


def assert_near(ours: Arrays, theirs: Arrays, tolerance: float = 2e-6) -> None:
    """Integers are equal: both twins take the same decisions. Floats may be summed up in another order."""
    for mine, other in zip(ours, theirs, strict=True):
        if mine.dtype == np.float32:
            scale = max(1, np.abs(other[np.isfinite(other)]).max(initial=0))
            assert np.allclose(mine, other, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
        else:
            assert np.array_equal(mine, other)


# --- splat_points -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compositor", ["alpha", "surface"])
@pytest.mark.parametrize("case", range(2 * len(CASES)))
def test_random_clouds(emulation: Emulation, case: int, compositor: str) -> None:
    rng = np.random.default_rng(case)
    channels, dtype = CASES[case % len(CASES)]
    radius_px = RADII_PX[(case + case // len(CASES)) % len(RADII_PX)]
    cloud = random_cloud(
        rng,
        num=60 if radius_px[1] > 10 else 300,
        size=SIZES[case % len(SIZES)],
        channels=channels,
        dtype=dtype,
        radius_px=radius_px,
        num_depths=3 if case % 4 == 1 else None,
        num_views=case % 3,
        compositor=compositor,
        max_points=MAX_POINTS[(case // 2) % len(MAX_POINTS)],
    )
    got = emulation.run_under_all_schedules(cloud.splat())
    assert_near(got, cloud.splat().run())
    if case % 3 == 0:
        assert_near_reference(cloud, got)


def assert_near_reference(cloud: Cloud, got: Arrays) -> None:
    radius = cloud.radius_all if cloud.radius is None else cloud.radius
    want = reference.splat_points(
        cloud.xyz,
        cloud.feat.double().numpy(),
        radius,
        cloud.camera,
        compositor=cloud.compositor,
        max_points=cloud.max_points,
        depth_tolerance=cloud.depth_tolerance,
    )
    clear = want.clear
    assert clear.mean() > 0.9 or clear.size < 100
    tolerance = 1e-5 / np.min(cloud.camera.fx * radius / 5.5)
    for ours, theirs in zip(got[:3], (want.feat, want.alpha, want.disp), strict=True):
        assert np.allclose(ours[clear], theirs[clear], rtol=0, atol=2 * tolerance)
    assert np.array_equal(got[3][clear], want.idx[clear])


@pytest.mark.parametrize("compositor", ["alpha", "surface"])
def test_views_that_see_different_points(emulation: Emulation, compositor: str) -> None:
    cloud = random_cloud(np.random.default_rng(1), 300, (21, 19), num_views=3, compositor=compositor)
    camera = replace(cloud.camera, world_to_cam=cloud.camera.world_to_cam[[0, 0, 2]])
    cloud = replace(cloud, camera=camera, hidden=np.array([[0, 0], [50, 250], [0, 300]]))
    got = emulation.run_under_all_schedules(cloud.splat())
    assert_near(got, cloud.splat().run())
    assert not got[1][2].any()


@pytest.mark.parametrize("max_points", [3, 8, 32, 64])
@pytest.mark.parametrize("radius_px", [(0.3, 1), (1, 3), (8, 60)])
def test_more_points_than_one_batch(emulation: Emulation, radius_px: tuple[float, float], max_points: int) -> None:
    """Thousands of points a tile, many of them at the same depth: lists are walked in several sorted batches."""
    cloud = random_cloud(
        np.random.default_rng(max_points), 5000, (21, 19), radius_px=radius_px, num_depths=40, max_points=max_points
    )
    assert_near(emulation.run_under_all_schedules(cloud.splat()), cloud.splat().run())


def test_discs_of_every_size_in_one_picture(emulation: Emulation) -> None:
    """Hits come from all levels of the tile pyramid."""
    cloud = random_cloud(np.random.default_rng(3), 800, (70, 150), radius_px=(0.5, 200), compositor="surface", max_points=32)
    cloud = replace(cloud, radius=cloud.radius * np.float32(np.geomspace(0.01, 1, 800)))
    assert_near(emulation.run_under_all_schedules(cloud.splat()), cloud.splat().run())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-40, 0.0])
@pytest.mark.parametrize("where", ["x", "z", "radius"])
def test_unusable_points_are_skipped_alike(emulation: Emulation, where: str, bad: float) -> None:
    cloud = random_cloud(np.random.default_rng(4), 200, (17, 21))
    target = cloud.radius if where == "radius" else cloud.xyz[:, "xyz".index(where)]
    target[::3] = bad
    assert_near(emulation.run_under_all_schedules(cloud.splat()), cloud.splat().run())


def test_one_radius_for_all(emulation: Emulation) -> None:
    cloud = replace(random_cloud(np.random.default_rng(5), 300, (23, 29)), radius=None, radius_all=0.1)
    got = emulation.run_under_all_schedules(cloud.splat())
    assert_near(got, cloud.splat().run())
    assert_near_reference(cloud, got)


def test_features_may_start_anywhere(emulation: Emulation) -> None:
    """Rows of 4 that are not aligned to 16 bytes are read one by one."""
    cloud = random_cloud(np.random.default_rng(6), 300, (17, 21), channels=4)
    odd = torch.cat([torch.zeros(1), cloud.feat.ravel()])[1:].reshape(cloud.feat.shape)
    assert odd.data_ptr() % 16
    assert_near(emulation.run_under_all_schedules(replace(cloud, feat=odd).splat()), cloud.splat().run())


@pytest.mark.parametrize(("num", "num_views"), [(0, 1), (0, 3), (5, 0)])
def test_empty_input_launches_nothing(emulation: Emulation, num: int, num_views: int) -> None:
    cloud = random_cloud(np.random.default_rng(7), num, (9, 7))
    poses = np.broadcast_to(cloud.camera.world_to_cam, (num_views, 3, 4)).astype(np.float32)
    cloud = replace(cloud, camera=replace(cloud.camera, world_to_cam=poses))
    before = emulation.num_kernels_run
    feat, alpha, disp, idx = emulation.run(cloud.splat())
    assert emulation.num_kernels_run == before
    assert feat.shape == (num_views, 9, 7, 4) and idx.shape == (num_views, 9, 7, 8)
    assert not feat.any() and not alpha.any() and not disp.any() and (idx == -1).all()


def test_sizes_past_what_is_counted_are_refused(emulation: Emulation) -> None:
    camera = replace(camera_of(1, 1), width=2**23 + 1)
    cloud = replace(random_cloud(np.random.default_rng(8), 1, (1, 1), channels=1), camera=camera, max_points=1)
    with pytest.raises(RuntimeError, match=r"^ValueError: splat_points: the camera's width and height must be 1\.\.2\^23"):
        emulation.run(cloud.splat())


# --- the other ops ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 37), (23, 1), (19, 33)])
@pytest.mark.parametrize(("starts", "sampling"), [(None, 0), (257, 0), (0, 0), (None, 1)])
def test_random_flows(emulation: Emulation, size: tuple[int, int], starts: int | None, sampling: int) -> None:
    call = random_flow(np.random.default_rng(9), size, starts=starts, sampling=sampling)
    field, num_steps, *_ = call.args
    if starts == 0:
        before = emulation.num_kernels_run
        assert emulation.run(call)[0].shape == (num_steps + 1, 0, 2)
        assert emulation.num_kernels_run == before
        return
    got = emulation.run_under_all_schedules(call)
    assert_near(got, call.run())
    if starts is None:
        want = reference.integrate_flow(field, num_steps, sampling=("bilinear", "nearest")[sampling])
        assert np.allclose(got[0][:, want.clear], want.offset_px[:, want.clear], rtol=0, atol=2e-4)
        assert np.array_equal(got[1][:, want.clear].astype(bool), want.inside[:, want.clear])


@pytest.mark.parametrize("channels", [1, 3, 4, 5, 37, 64])
@pytest.mark.parametrize("pixels", [1, 255, 257, 700])
def test_random_sides(emulation: Emulation, pixels: int, channels: int) -> None:
    call = random_sides(np.random.default_rng(10), pixels, channels, per_pixel=pixels % 2 == 0)
    got = emulation.run_under_all_schedules(call)
    assert_near(got, call.run())
    feat_fwd, alpha_fwd, disp_fwd, feat_bwd, alpha_bwd, disp_bwd, loop_t, loop_t_all, sharpness = call.args
    sides = (
        reference.Splat(f, a, d, None, None) for f, a, d in ((feat_fwd, alpha_fwd, disp_fwd), (feat_bwd, alpha_bwd, disp_bwd))
    )
    want = reference.blend_bidirectional(*sides, loop_t_all if loop_t is None else loop_t, sharpness=sharpness)
    for ours, theirs in zip(got, (want.feat, want.alpha, want.w_fwd, want.w_bwd), strict=True):
        assert np.allclose(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("num_views", [1, 3, 33, 70])
@pytest.mark.parametrize(("drifts", "loop_steps"), [(False, 0), (True, 0), (True, 6)], ids=["static", "drifting", "frames"])
@pytest.mark.parametrize("size", [(1, 1), (24, 31), (19, 40)])
def test_random_layers(emulation: Emulation, size: tuple[int, int], drifts: bool, loop_steps: int, num_views: int) -> None:
    rng = np.random.default_rng(num_views)
    call = random_layer(rng, size, num_views=num_views, drifts=drifts, loop_steps=loop_steps)
    got = emulation.run_under_all_schedules(call)
    assert_near(got, call.run())
    (holes,) = got
    assert set(np.unique(holes)) <= {0, 1}
    if num_views <= 3:
        *maps, num_steps, loop_steps, rows, x0, y0, x1, y1, radius_px, depth_tolerance, least_existence = call.args
        camera = Pinhole(*map(float, rows[0, :4]), size[1], size[0], rows[:, 4:].reshape(-1, 3, 4))
        rules = {"num_steps": num_steps, "loop_steps": loop_steps, "radius_px": radius_px}
        rules |= {"depth_tolerance": depth_tolerance, "least_existence": least_existence}
        want = reference.find_holes(*maps, camera, (x0, y0, x1, y1), **rules)
        assert np.mean(holes != want) < 0.01  # float32 may find a line of sight on the other side of a pixel's border


@pytest.mark.parametrize(
    ("size", "width_px"), [((1, 1), 0.1), ((1, 40), 9), ((37, 1), 9), ((19, 23), 3), ((27, 33), 12), ((19, 47), 40)]
)
def test_random_holes(emulation: Emulation, size: tuple[int, int], width_px: float) -> None:
    """From holes a pixel wide to one that fills most of the picture, over one to three levels; to the bit."""
    call = random_hole(np.random.default_rng(13), size, width_px=width_px)
    for ours, theirs in zip(emulation.run_under_all_schedules(call), call.run(), strict=True):
        assert np.array_equal(ours, theirs, equal_nan=True)


@pytest.mark.parametrize("hidden", [0.1, np.nan])
def test_only_mixed_colours_are_known(emulation: Emulation, hidden: float) -> None:
    """A checkerboard of depths: every known pixel lies beside something nearer, and serves all the same."""
    rng = np.random.default_rng(14)
    y, x = np.mgrid[:18, :21]
    disp = np.where((x + y) % 2, 0.2, 0.9).astype(np.float32)
    hole = (x > 8) & (x < 12) | (disp > 0.5)
    rgb = rng.uniform(0, 1, (*disp.shape, 3)).astype(np.float32)
    call = Call("inpaint_layers", (rgb, disp, hole, np.full_like(disp, hidden), 0.02))
    for ours, theirs in zip(emulation.run_under_all_schedules(call), call.run(), strict=True):
        assert np.array_equal(ours, theirs) and np.isfinite(ours).all()


def test_a_hole_without_anything_known_becomes_nan(emulation: Emulation) -> None:
    call = random_hole(np.random.default_rng(15), (17, 40), width_px=9)
    rgb, disp, hole, *_ = call.args
    rgb[:], disp[5:7] = np.inf, 0.0
    got, got_disp = emulation.run_under_all_schedules(call)
    assert np.isnan(got[hole]).all() and np.isnan(got_disp[hole]).all()
    assert np.array_equal(got[~hole], rgb[~hole]) and np.array_equal(got_disp[~hole], disp[~hole])
    with pytest.raises(RuntimeError, match=r"^ValueError: inpaint_layers: hole must leave .+, got none"):
        call.run()


@pytest.mark.parametrize("size", [(0, 0), (0, 7), (9, 0)])
def test_no_picture_launches_nothing(emulation: Emulation, size: tuple[int, int]) -> None:
    before = emulation.num_kernels_run
    empty = np.zeros(size, np.float32)
    emulation.run(Call("inpaint_layers", (np.zeros((*size, 3), np.float32), empty, np.zeros(size, bool), empty, 0.1)))
    assert emulation.num_kernels_run == before


# --- gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compositor", ["alpha", "surface"])
@pytest.mark.parametrize("given", ["feat alpha disp", "feat", "alpha", "disp"])
@pytest.mark.parametrize(("channels", "size", "num_views"), [(1, (7, 9), 0), (5, (23, 18), 2), (37, (17, 21), 0)])
def test_gradients_of_random_clouds(
    emulation: Emulation, channels: int, size: tuple[int, int], num_views: int, given: str, compositor: str
) -> None:
    rng = np.random.default_rng(channels)
    cloud = random_cloud(rng, 300, size, channels=channels, num_views=num_views, compositor=compositor, num_depths=20)
    call = cloud.random_gradients(rng, given=given)
    assert_near(emulation.run_under_all_schedules(call), call.run(), SUMMED_OVER_CHANNELS)


@pytest.mark.parametrize("compositor", ["alpha", "surface"])
@pytest.mark.parametrize("radius_unit", [0, 1])
def test_gradients_of_cameras_and_opacity(emulation: Emulation, radius_unit: int, compositor: str) -> None:
    """Of more points than one block adds up."""
    rng = np.random.default_rng(radius_unit)
    cloud = random_cloud(rng, 900, (23, 18), channels=3, num_views=2, compositor=compositor, num_depths=20, soft=True)
    if radius_unit:
        cloud = replace(cloud, radius=rng.uniform(0.7, 3, 900).astype(np.float32), radius_unit=1)
    call = cloud.random_gradients(rng)
    got, want = emulation.run_under_all_schedules(call), call.run()
    assert_near(got, want, SUMMED_OVER_CHANNELS)
    assert got[3].shape == (900,) and got[4].shape == (2, 16)


@pytest.mark.parametrize("channels", [1, 4, 37])
@pytest.mark.parametrize("pixels", [1, 257])
def test_gradients_of_random_sides(emulation: Emulation, pixels: int, channels: int) -> None:
    whole = random_sides_bwd(np.random.default_rng(12), pixels, channels, per_pixel=True)
    for without in (None, 0, 1, 2, 3):  # of the outputs, one that has no gradient
        call = Call(whole.op, tuple(None if i == without else value for i, value in enumerate(whole.args)))
        assert_near(emulation.run_under_all_schedules(call), call.run(), SUMMED_OVER_CHANNELS)


@pytest.mark.parametrize("name", EVERY_OP)
def test_every_op(emulation: Emulation, name: str) -> None:
    call = one_of_each(0)[name]
    tolerance = SUMMED_OVER_CHANNELS if "bwd" in name else 2e-6
    assert_near(emulation.run_under_all_schedules(call), call.run(), tolerance)


# --- the CPU half on lesser processors ---------------------------------------------------------------------------------


RUN_ON_THE_CPU = """
import pickle, sys, torch
from twin_cases import one_of_each
torch.ops.load_library({library!r})
results = {{name: call.run("c3d_lesser") for name, call in one_of_each(2).items()}}
sys.stdout.buffer.write(pickle.dumps(results))
"""


@pytest.mark.parametrize("without", [("AVX512",), ("AVX512", "AVX2")])
def test_every_instruction_set_gives_the_same(without: tuple[str, ...]) -> None:
    done = run_apart(RUN_ON_THE_CPU.format(library=str(build_lesser(without))), text=False)
    assert done.returncode == 0, done.stderr.decode()
    for name, results in pickle.loads(done.stdout).items():
        assert_near(results, one_of_each(2)[name].run(), SUMMED_OVER_CHANNELS)


# --- what these tests catch -------------------------------------------------------------------------------------------


RUN_UNDER_ALL_SCHEDULES = """
from twin_cases import one_of_each
from twins import Emulation
Emulation({library!r}).run_under_all_schedules(one_of_each(0)[{call!r}])
"""

RUN_EVERY_OP = """
from twin_cases import one_of_each
from twins import ORDERS, Emulation
emulation = Emulation({library!r})
for order in ORDERS:
    emulation.set_schedule(order, 1)
    for call in one_of_each(1).values():
        emulation.run(call)
print("all ran")
"""


def planted(fault: str, file: str, sound: str, broken: str) -> Path:
    """The kernels with one fault, in a folder of their own."""
    folder = BUILD / "planted" / fault / "cuda"
    shutil.copytree(CSRC / "cuda", folder, dirs_exist_ok=True)
    for header in CSRC.glob("*.h"):
        shutil.copy(header, folder.parent)
    text = (folder / file).read_text()
    assert text.count(sound) == 1, f"{file} has changed: plant the fault elsewhere"
    (folder / file).write_text(text.replace(sound, broken))
    return folder


@pytest.mark.parametrize(
    ("fault", "file", "barrier", "call"),
    [
        ("stage", "splat_hits.cuh", "    __syncthreads();\n    const uint32_t num_staged", "splat wide discs"),
        ("handing", "splat_handing.cuh", "  __syncthreads();\n  bool has_room", "splat alpha"),
        ("blend", "blend.cu", "  __syncthreads();\n\n  const float* fwd", "blend_bidirectional odd rows"),
    ],
)
def test_a_missing_barrier_is_caught(fault: str, file: str, barrier: str, call: str) -> None:
    broken = build_emulation(kernels=planted(fault, file, barrier, barrier.split(";", 1)[1]))
    done = run_apart(RUN_UNDER_ALL_SCHEDULES.format(library=str(broken), call=call))
    assert done.returncode != 0 and "AssertionError: a race" in done.stderr


def test_a_barrier_that_not_all_reach_is_caught() -> None:
    sound = "  if (i >= args.num_paths) return;\n"
    broken = build_emulation(kernels=planted("divergent", "trace.cu", sound, sound + "  if (i & 1) __syncwarp();\n"))
    done = run_apart(RUN_UNDER_ALL_SCHEDULES.format(library=str(broken), call="integrate_flow every pixel"))
    assert "RuntimeError: trace_steps_kernel: threads of a block wait for each other for good" in done.stderr


def test_a_point_beside_none_is_not_drawn(emulation: Emulation) -> None:
    """The device does not wait to refuse it, as the CPU does; and reads no foreign memory."""
    call = random_drift(np.random.default_rng(9), 301, (17, 23), with_detail=True)
    expected = emulation.run(call)
    right, below = call.args[2], call.args[3]
    strays = {3: -1, 77: 301, 200: 2**31 - 1, 300: -(2**31)}
    for n, (place, stray) in enumerate(strays.items()):
        (right, below)[n % 2][place] = stray
    xyz, feat, radius = emulation.run(call)
    assert not radius[list(strays)].any()
    others = np.delete(np.arange(301), list(strays))
    assert np.array_equal(radius[others], expected[2][others]) and np.array_equal(feat[others], expected[1][others])
    assert np.array_equal(xyz, expected[0])


def test_no_kernel_leaves_its_arrays() -> None:
    done = run_apart(RUN_EVERY_OP.format(library=str(build_emulation(sanitize=True))), sanitize=True)
    assert done.returncode == 0 and done.stdout == "all ran\n", done.stderr


@pytest.mark.parametrize(
    ("fault", "file", "sound", "broken", "kernel"),
    [
        ("paths", "trace.cu", "  if (i >= args.num_paths) return;\n", "", "trace_steps_kernel"),
        ("hits", "splat_hits.cuh", "num_hits * num_threads", "num_hits / 8 * num_threads", "put_hits"),
        ("entries", "splat_bins.cuh", "kMaxTilesPerPoint * num_discs", "num_discs", "splat_fill_kernel"),
    ],
)
def test_a_write_out_of_bounds_is_caught(fault: str, file: str, sound: str, broken: str, kernel: str) -> None:
    library = build_emulation(sanitize=True, kernels=planted(fault, file, sound, broken))
    done = run_apart(RUN_EVERY_OP.format(library=str(library)), sanitize=True)
    assert done.returncode != 0
    assert "AddressSanitizer: heap-buffer-overflow" in done.stderr and "WRITE of size" in done.stderr
    assert kernel in done.stderr
