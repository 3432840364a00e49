"""Arguments at and beyond what an op can take: refused before any work, in one line, or computed right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from reference import blend_bidirectional as reference_blend
from torch import Tensor

from c3drender import Camera, ops
from c3drender.data import PointCloud, Raster
from c3drender.ops.drift import ContrastDetail, LoopWaves

TOO_WIDE = 2**23 + 1
CAMERA = Camera.for_photo(8, 6)


def drift_arguments(num_points: int = 3) -> dict[str, Any]:
    start_px = torch.rand(num_points, 2) * 6
    itself = torch.arange(num_points, dtype=torch.int32)
    return {
        "start_px": start_px,
        "offset_px": torch.zeros(num_points, 2),
        "neighbours": (itself.clone(), itself.clone()),
        "feat": torch.rand(num_points, 4),
        "surface": torch.ones(6, 8, 8),
        "canvas": CAMERA,
        "out": PointCloud(torch.empty(num_points, 3), torch.empty(num_points, 4), torch.full((num_points,), -1.0)),
        "phase": torch.zeros(num_points),
        "fade": 0.0,
    }


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("stray", [-1, 3, 100, 10**9, -(2**31)])
def test_neighbours_that_are_no_points_are_refused(axis: int, stray: int) -> None:
    arguments = drift_arguments()
    arguments["neighbours"][axis][1] = stray
    with pytest.raises(ValueError, match=r"^drift_points: right and below must be indices of points"):
        ops.drift_points(**arguments)
    assert (arguments["out"].radius == -1).all()


def test_neighbours_are_refused_among_many() -> None:
    """Past the first part that a thread looks through."""
    arguments = drift_arguments(200_000)
    arguments["neighbours"][0][-1] = 200_000
    with pytest.raises(ValueError, match=r"^drift_points: right and below"):
        ops.drift_points(**arguments)


def test_weights_of_waves_that_are_no_list_are_named() -> None:
    of_points = [torch.zeros(3) for _ in range(3)] + [torch.zeros(3, 3) for _ in range(2)]
    waves = LoopWaves(torch.zeros(1, 2, 3), 1, *of_points)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^drift_points: waves\.weight must be a list or tuple, got int"):
        ops.drift_points(**drift_arguments(), waves=waves)


def test_sides_past_what_float32_counts_are_refused() -> None:
    """Row 2^24 + 1 of a field reads as row 2^24 + 2: beyond its end."""
    wide = torch.zeros(1, TOO_WIDE, 2)
    with pytest.raises(ValueError, match=r"^integrate_flow: step_px must be \[H, W, 2\] with H and W in 1\.\.2\^23"):
        ops.integrate_flow(wide, 1)
    gain = torch.zeros(TOO_WIDE, 1)
    detail = ContrastDetail(torch.zeros(3, 2, 3), torch.zeros(3, 3), gain, 1.0)
    with pytest.raises(ValueError, match=r"^drift_points: gain must be \[h, w\] with h and w in 1\.\.2\^23"):
        ops.drift_points(**drift_arguments(), detail=detail)
    rows = torch.tensor([[8.0, 8, 4, 3, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]])
    with pytest.raises(RuntimeError, match=r"splat_points: the camera's width and height must be 1\.\.2\^23"):
        torch.ops.c3drender.splat_points(torch.zeros(1, 3), torch.zeros(1, 1), None, 0.1, rows, TOO_WIDE, 1, 0, 8, 0.0, False)


@pytest.mark.parametrize("size", [(TOO_WIDE, 4), (4, TOO_WIDE), (0, 4), (4, -1), (10**30, 4)])
def test_a_camera_of_no_size_that_can_be_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"^Camera: width and height must be 1\.\.8388608, got"):
        Camera(8.0, 8.0, 4.0, 3.0, *size)


@pytest.mark.parametrize("size", [(8.0, 6), (8, 6.5), (True, 6), ("8", 6), (None, 6)])
def test_a_camera_counts_whole_pixels(size: Any) -> None:
    with pytest.raises(TypeError, match=r"^Camera: width and height must be integers, got"):
        Camera(8.0, 8.0, 4.0, 3.0, *size)
    assert Camera(8.0, 8.0, 4.0, 3.0, np.int64(8), np.uint8(6)).height == 6


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e39, -(10**400)])
def test_a_camera_has_finite_intrinsics(number: float) -> None:
    for name in ("fx", "fy", "cx", "cy"):
        with pytest.raises(ValueError, match=rf"^Camera: .*{name}.* must be .*finite"):
            replace(CAMERA, **{name: number})
        for value in (None, True, 1j, "8"):
            with pytest.raises(TypeError, match=rf"^Camera: {name} must be a number, got"):
                replace(CAMERA, **{name: value})


def test_numbers_beyond_float32_are_refused() -> None:
    xyz, feat = torch.tensor([[0.0, 0, 1]]), torch.ones(1, 1)
    for radius in (float("nan"), float("inf"), 1e39):
        with pytest.raises(ValueError, match=r"^splat_points: radius_all must be finite"):
            ops.splat_points(xyz, feat, radius, CAMERA)
    with pytest.raises(ValueError, match=r"^splat_points: camera fx and fy must be finite and > 0"):
        ops.splat_points(xyz, feat, 0.1, replace(CAMERA, fx=1e-46))
    side = raster(1.0, 1.0, 0.5)
    with pytest.raises(ValueError, match=r"^blend_bidirectional: sharpness must be finite"):
        ops.blend_bidirectional(side, side, 0.5, sharpness=1e39)
    rgb, disp, hole = torch.rand(4, 4, 3), torch.ones(4, 4), torch.zeros(4, 4, dtype=torch.bool)
    for tear_disp in (float("inf"), 1e39):
        with pytest.raises(ValueError, match=r"^inpaint_layers: tear_disp must be finite"):
            ops.inpaint_layers(rgb, disp, hole, disp, tear_disp=tear_disp)


def test_steps_that_would_take_days_are_refused() -> None:
    disp, step_px = torch.ones(6, 8), torch.zeros(6, 8, 2)
    with pytest.raises(ValueError, match=r"^find_holes: num_steps must be 0\.\.1024, got 1073741824$"):
        ops.find_holes(disp, disp, disp, step_px, CAMERA, (0, 0, 8, 6), num_steps=2**30)
    with pytest.raises(ValueError, match=r"^find_holes: disp must be \[L, H, W\] with 1 <= L <= 256, got L = 1048576$"):
        ops.find_holes(disp.expand(2**20, -1, -1), disp, disp, step_px, CAMERA, (0, 0, 8, 6), num_steps=1)


def test_memory_that_is_not_there_is_said_in_one_line() -> None:
    wide = Camera.for_photo(2**23, 2**23)
    with pytest.raises(MemoryError, match=r"^splat_points: out of memory for a result of \[1, 8388608, 8388608, 4\] float32$"):
        ops.splat_points(torch.zeros(1, 3), torch.zeros(1, 4), 0.1, wide)
    with pytest.raises(MemoryError, match=r"^integrate_flow: out of memory for a result of"):
        ops.integrate_flow(torch.zeros(4096, 4096, 2), 2**20)


# --- numbers ----------------------------------------------------------------------------------------------------------


def raster(feat: float, alpha: float, disp: float) -> Raster:
    return Raster(torch.full((1, 1, 1), feat), torch.full((1, 1), alpha), torch.full((1, 1), disp))


@pytest.mark.parametrize("sharpness", [-4.0, 0.0, 4.0, 1000.0])
@pytest.mark.parametrize("loop_t", [0.0, 1e-30, 1e-6, 0.5, 1.0])
@pytest.mark.parametrize("disps", [(0.1, 20.0), (20.0, 0.1), (0.5, 0.5), (0.0, 1000.0), (1000.0, 0.0), (0.0, 0.0)])
@pytest.mark.parametrize("alphas", [(1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (1e-12, 1.0), (0.0, 0.0)])
def test_a_blend_is_its_formula_at_extremes(
    alphas: tuple[float, float], disps: tuple[float, float], loop_t: float, sharpness: float
) -> None:
    fwd, bwd = (raster(feat, *side) for feat, side in zip((0.25, 0.75), zip(alphas, disps, strict=True), strict=True))
    got = ops.blend_bidirectional(fwd, bwd, loop_t, sharpness=sharpness)
    t = float(np.float32(loop_t))
    expected = in_logarithms(alphas, disps, t, sharpness)
    assert (float(got.w_fwd), float(got.w_bwd)) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert float(got.feat) == pytest.approx(0.25 * expected[0] + 0.75 * expected[1], rel=1e-4, abs=1e-6)
    if max(abs(sharpness * disp) for disp in disps) < 500:  # what the reference's exponentials hold
        wanted = reference_blend(fwd, bwd, t, sharpness=sharpness)
        assert (wanted.w_fwd.item(), wanted.w_bwd.item()) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def in_logarithms(alphas: tuple[float, float], disps: tuple[float, float], t: float, k: float) -> tuple[float, float]:
    """The formula's weights, where no exponential is taken but of what is at most 0."""
    with np.errstate(divide="ignore"):
        shares = np.log(np.array([(1 - t), t])) + np.log(np.array(alphas, np.float32).astype(float)) + k * np.array(disps)
    total = max(np.logaddexp(*shares), np.log(1e-6))
    fwd, bwd = np.exp(shares - total)
    return float(fwd), float(bwd)


def test_a_blend_of_any_sharpness_is_a_number() -> None:
    near, far = raster(1.0, 1.0, 2.0), raster(0.0, 1.0, 1.0)
    for sharpness in (1e38, -1e38):
        got = ops.blend_bidirectional(near, far, 0.5, sharpness=sharpness)
        assert float(got.feat) == (1.0 if sharpness > 0 else 0.0)


def test_a_side_of_no_weight_has_a_finite_gradient() -> None:
    """The nearer side's weight is 0: how it would grow is more than float32 holds."""
    for loop_t in (0.0, 1e-20, 1.0):
        leaves = [torch.full((1, 1), number, requires_grad=True) for number in (1.0, 0.1, 1.0, 100.0)]
        feats = [torch.ones(1, 1, 1, requires_grad=True), torch.zeros(1, 1, 1, requires_grad=True)]
        t = torch.full((1, 1), loop_t, requires_grad=True)
        blended = ops.blend_bidirectional(Raster(feats[0], *leaves[:2]), Raster(feats[1], *leaves[2:]), t)
        blended.feat.sum().backward()
        assert all(leaf.grad is not None and bool(leaf.grad.isfinite().all()) for leaf in (*leaves, *feats, t))


def test_colours_of_any_range_are_inpainted() -> None:
    """From -3e38 to 3e38 is more than float32 holds."""
    rgb = torch.zeros(24, 24, 3)
    rgb[..., 0] = 3e38
    rgb[::2, :, 0] = -3e38
    disp, hole = torch.full((24, 24), 0.5), torch.zeros(24, 24, dtype=torch.bool)
    hole[8:14, 8:14] = True
    filled, _ = ops.inpaint_layers(rgb, torch.where(hole, 1.0, disp), hole, disp, tear_disp=0.1)
    assert torch.equal(filled[~hole], rgb[~hole])


# --- what the caller has set ------------------------------------------------------------------------------------------


@contextmanager
def defaults(device: str | None, dtype: torch.dtype) -> Iterator[None]:
    """What a program around ours may have set, as for building a large model."""
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(dtype)
        torch.set_default_device(device)
        yield
    finally:
        torch.set_default_dtype(before)
        torch.set_default_device(None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("device", [None, "meta"])
def test_an_op_does_not_hang_on_defaults(device: str | None, dtype: torch.dtype) -> None:
    xyz, feat = torch.tensor([[0.0, 0, 1], [0.1, 0.1, 2]]), torch.rand(2, 3)
    maps = torch.ones(6, 8), torch.full((6, 8), 0.5), torch.zeros(6, 8), torch.zeros(6, 8, 2)
    posed = CAMERA.with_pose(torch.eye(3, 4)[None])

    def run() -> list[Tensor]:
        splat = ops.splat_points(xyz, feat, 0.3, CAMERA, hidden=[(0, 1)])
        holes = ops.find_holes(*maps, posed, (0, 0, 8, 6), num_steps=2)
        return [splat.feat, splat.alpha, splat.disp, holes]

    expected = run()
    with defaults(device, dtype):
        got = run()
    for now, before in zip(got, expected, strict=True):
        assert now.device.type == "cpu" and torch.equal(now, before)


def test_what_lies_on_another_device_is_refused() -> None:
    """The dispatcher would answer with memory that nobody has written."""
    xyz, feat = torch.tensor([[0.0, 0, 1]]), torch.rand(1, 3)
    out = Raster(torch.empty(6, 8, 3), torch.empty(6, 8, device="meta"), torch.empty(6, 8))
    with pytest.raises(ValueError, match=r"^splat_points: all tensors must be on one device.* out.alpha on meta"):
        ops.splat_points(xyz, feat, 0.3, CAMERA, out=out)
    with pytest.raises(ValueError, match=r"^splat_points: camera.world_to_cam must hold values, got a tensor on meta"):
        ops.splat_points(xyz, feat, 0.3, CAMERA.with_pose(torch.eye(3, 4, device="meta")))
    detail = ContrastDetail(torch.zeros(3, 2, 3), torch.zeros(3, 3), torch.zeros(2, 2, device="meta"), 4.0)
    with pytest.raises(ValueError, match=r"^drift_points: all tensors must be on one device.* detail.gain on meta"):
        ops.drift_points(**drift_arguments(), detail=detail)


def test_shapes_alone_are_told_on_meta() -> None:
    with torch.device("meta"):
        got = ops.splat_points(torch.zeros(5, 3), torch.zeros(5, 2), 0.3, CAMERA)
    assert got.feat.is_meta and got.feat.shape == (6, 8, 2)
    with pytest.raises(ValueError, match=r"^splat_points: feat must be \[N, C\], got \[5\]$"):
        ops.splat_points(torch.zeros(5, 3, device="meta"), torch.zeros(5, device="meta"), 0.3, CAMERA)
    with pytest.raises(ValueError, match=r"^integrate_flow: step_px must be \[H, W, 2\], got \[4\]$"):
        ops.integrate_flow(torch.zeros(4, device="meta"), 2)


def test_numbers_beyond_64_bits_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^integrate_flow: num_steps must be an integer of 64 bits, got one of 100$"):
        ops.integrate_flow(torch.zeros(2, 2, 2), 10**30)
    with pytest.raises(ValueError, match=r"^blend_bidirectional: loop_t must be a number that float64 holds, got 1000"):
        ops.blend_bidirectional(raster(1, 1, 1), raster(1, 1, 1), 10**400)


@pytest.mark.parametrize("hidden", [3.0, [1], [(0, 1, 2)], [None]])
def test_ranges_that_are_none_are_named(hidden: Any) -> None:
    with pytest.raises(TypeError, match=r"^splat_points: hidden must be a sequence of \(first, end\), got"):
        ops.splat_points(torch.zeros(1, 3), torch.zeros(1, 1), 0.3, CAMERA, hidden=hidden)


def test_arguments_of_any_type_are_named() -> None:
    with pytest.raises(ValueError, match=r"^splat_points: compositor must be one of 'alpha', 'surface', got \[\]$"):
        ops.splat_points(torch.zeros(1, 3), torch.zeros(1, 1), 0.3, CAMERA, compositor=[])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^splat_points: return_idx must be a bool, got str$"):
        ops.splat_points(torch.zeros(1, 3), torch.zeros(1, 1), 0.3, CAMERA, return_idx="yes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^drift_points: neighbours must be two tensors"):
        ops.drift_points(**drift_arguments() | {"neighbours": 1.0})


def test_steps_without_end_are_refused_on_meta_too() -> None:
    flow = torch.empty(4, 4, 2, device="meta")
    for steps in (-1, 2**20 + 1, -(2**31)):
        with pytest.raises(ValueError, match=rf"^integrate_flow: num_steps must be 0\.\.2\^20, got {steps}$"):
            ops.integrate_flow(flow, steps)
