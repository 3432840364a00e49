"""drift_points and compose_frame against float64 references, kept ways against the traced ones, and what must hold without a
reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import reference
import torch

from c3drender import ops
from c3drender.data import Camera, PointCloud, Raster
from c3drender.render.drift import trace

LIMITS = {"radius_px": 1.5, "max_stretch": 3.0, "least_existence": 0.75}


def waves_of(values: Callable[..., torch.Tensor], num_points: int) -> ops.LoopWaves:
    even = 2 * values(4, 2, num_points) - 1
    least, most = values(num_points) - 1.2, values(num_points) + 0.2  # some sums lie beyond
    colours = values(num_points, 3), values(num_points, 3)
    return ops.LoopWaves(even, [0.8, 0.0, -0.4, 0.6], least, most, values(num_points), *colours)


def scene(
    seed: int, num_points: int, height: int, width: int, *, with_detail: bool = True, with_waves: bool = False
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)

    def values(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.random(shape)).float()

    surface = values(height, width, 8)
    surface[..., 0] += 0.2
    surface[..., 1] = (surface[..., 1] > 0.3).float()
    surface[..., 6:] = 0
    size = torch.tensor([width, height])
    neighbours = tuple(torch.from_numpy(rng.integers(0, max(num_points, 1), num_points)).int() for _ in range(2))
    detail = ops.ContrastDetail(values(num_points, 2, 3) - 0.5, values(num_points, 3) - 0.5, 0.8 + values(3, 4), 5.0)
    return {
        "start_px": values(num_points, 2) * size,
        "offset_px": (values(num_points, 2) - 0.5) * 8,
        "neighbours": neighbours,
        "feat": values(num_points, 4),
        "surface": surface,
        "canvas": Camera(40.0, 50.0, width / 2, height / 3, width, height),
        "phase": 2 * values(num_points) - 1,
        "fade": 0.4,
        "detail": detail if with_detail else None,
        "waves": waves_of(values, num_points) if with_waves else None,
    }


def drifted(given: dict[str, Any]) -> PointCloud:
    m = len(given["start_px"])
    out = PointCloud(torch.full((m, 3), torch.nan), torch.full((m, 4), torch.nan), torch.full((m,), torch.nan))
    ops.drift_points(out=out, **given)
    return out


@pytest.mark.parametrize("seen_px", [None, (2.0, -1.0, 11.5, 9.0)])
@pytest.mark.parametrize("with_waves", [False, True])
@pytest.mark.parametrize("with_detail", [False, True])
@pytest.mark.parametrize(("num_points", "height", "width"), [(0, 4, 4), (1, 1, 1), (700, 13, 21), (5000, 7, 1)])
def test_drift_matches_the_reference(
    num_points: int, height: int, width: int, with_detail: bool, with_waves: bool, seen_px: tuple[float, ...] | None
) -> None:
    given = scene(num_points, num_points, height, width, with_detail=with_detail, with_waves=with_waves)
    out = drifted(given | {"seen_px": seen_px})
    camera, detail, waves = given["canvas"], given["detail"], given["waves"]
    xyz, feat, radius = reference.drift_points(
        given["start_px"],
        given["offset_px"],
        given["neighbours"],
        given["feat"],
        given["surface"],
        (camera.fx, camera.fy, camera.cx, camera.cy),
        phase=given["phase"],
        fade=given["fade"],
        detail=None if detail is None else (detail.fine, detail.broad, detail.gain, detail.gain_spacing_px),
        waves=None if waves is None else [getattr(waves, field.name) for field in fields(waves)],
        seen_px=seen_px,
        **LIMITS,
    )
    np.testing.assert_allclose(out.xyz, xyz, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(out.feat, feat, rtol=2e-5, atol=2e-5)
    at_the_rim = (out.radius.numpy() > 0) != (radius > 0)
    assert at_the_rim.mean() < 0.01 if num_points > 100 else not at_the_rim.any()
    np.testing.assert_allclose(out.radius[~at_the_rim], radius[~at_the_rim], rtol=2e-5, atol=1e-6)


def test_at_rest_a_free_point_is_itself() -> None:
    given = scene(3, 200, 9, 11)
    given["offset_px"] = torch.zeros(200, 2)
    given["detail"] = ops.ContrastDetail(given["detail"].fine, given["detail"].broad, torch.ones(2, 2), 8.0)
    given["surface"][..., 1:3] = 1
    out = drifted(given | {"fade": 0.0})
    torch.testing.assert_close(out.feat, given["feat"])
    assert (out.radius > 0).all()


def test_what_leaves_the_canvas_or_is_nowhere_is_not_drawn() -> None:
    given = scene(4, 3, 8, 8, with_detail=False)
    given["surface"][..., 1] = 1
    given["start_px"] = torch.full((3, 2), 4.0)
    given["offset_px"] = torch.tensor([[100.0, 0.0], [torch.nan, 0.0], [0.0, 0.0]])
    given["neighbours"] = (torch.arange(3).int(),) * 2
    assert (drifted(given).radius > 0).tolist() == [False, False, True]


def test_of_what_arrives_out_of_sight_nothing_is_written_but_zeros() -> None:
    """Whole batches of it, too, and what is seen has the same bits."""
    given = scene(9, 2000, 30, 40, with_waves=True)
    given["start_px"][300:900] = given["start_px"][300:900].clamp_max(5.0)
    seen_px = (9.5, 3.0, 25.0, 28.0)
    every, some = drifted(given), drifted(given | {"seen_px": seen_px})
    at = given["start_px"] + given["offset_px"]
    seen = (at[:, 0] >= 9.5) & (at[:, 0] <= 25.0) & (at[:, 1] >= 3.0) & (at[:, 1] <= 28.0)
    assert 0 < seen[900:].sum() < 1100 and not seen[300:900].any()
    for one, other in ((every.xyz, some.xyz), (every.feat, some.feat), (every.radius, some.radius)):
        assert torch.equal(one[seen], other[seen]) and (other[~seen] == 0).all()


def test_the_photo_s_own_waves_are_its_points() -> None:
    """At the loop's start one copy counts alone, and what no copy says, NaN, is not read."""
    given = scene(7, 300, 9, 11, with_waves=True)
    waves = given["waves"]
    even = waves.even.clone()
    even[[0, 1, 3]] = torch.nan
    wide = torch.linspace(-0.9, 0.9, 300)
    even[2, 0] = wide
    colour = given["feat"][:, :3] - (waves.spread * wide.expm1())[:, None] * waves.tint
    limits = {"least": torch.full((300,), -2.0), "most": torch.full((300,), 2.0)}
    alone = replace(waves, even=even, weight=[0.0, 0.0, 1.0, 0.0], colour=colour, **limits)
    turned, plain = (drifted(given | {"waves": one, "detail": None}).feat for one in (alone, None))
    torch.testing.assert_close(turned, plain, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("x", [0.0, 1e-8, -1e-4, 0.3465, 0.3467, -0.7, 3.0, -20.0, -87.5, -1e30, 80.0])
def test_exponentials_are_exact_to_the_last_bits(x: float) -> None:
    given = scene(8, 1, 3, 3, with_waves=True) | {"detail": None}
    given["surface"][..., 1:3], given["surface"][..., 3:] = 1.0, 0.0
    one = torch.ones(1)
    waves = ops.LoopWaves(torch.full((1, 2, 1), x), [1.0], -1e38 * one, 1e38 * one, one, torch.zeros(1, 3), torch.ones(1, 3))
    seen = float(drifted(given | {"waves": waves}).feat[0, 0])
    assert np.isclose(seen, np.expm1(np.float64(np.float32(x))), rtol=3e-7, atol=0)


def test_drift_same_bits_for_any_thread_count(for_thread_counts) -> None:
    given = scene(5, 20_000, 40, 60, with_waves=True)
    first, *others = for_thread_counts(lambda: drifted(given))
    for other in others:
        assert torch.equal(first.feat, other.feat) and torch.equal(first.xyz, other.xyz)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offset_px": torch.zeros(5, 2)}, r"offset_px must be \[M, 2\] with M = 9"),
        ({"phase": torch.zeros(9, dtype=torch.float64)}, "phase must be"),
        ({"surface": torch.zeros(4, 4, 8)}, r"surface must be \[6, 7, 8\] \(from canvas\)"),
        ({"surface": torch.zeros(6, 7, 6)}, r"surface must be \[H, W, 8\]"),
        ({"waves": waves_of(torch.rand, 8)}, r"even must be \[K, 2, M\] with K = 4 \(from weight\) with M = 9"),
        ({"seen_px": (1.0, 2.0, 3.0)}, r"seen_px must be \(x0, y0, x1, y1\), got \(1.0, 2.0, 3.0\)"),
        ({"seen_px": (1.0, 2.0, 1.0, 3.0)}, "seen_px must be .* with x0 < x1 and y0 < y1, got 1, 2, 1, 3"),
        ({"seen_px": (1.0, "2", 3.0, 3.0)}, "seen_px must be a number"),
        ({"waves": replace(waves_of(torch.rand, 9), weight=[])}, r"weight must have 1\.\.16 numbers, got 0"),
        ({"waves": replace(waves_of(torch.rand, 9), weight=["1"])}, r"waves\.weight must be a number"),
        ({"waves": replace(waves_of(torch.rand, 9), most=None)}, r"waves\.most must be a Tensor"),
        ({"waves": replace(waves_of(torch.rand, 9), tint=torch.rand(9, 4))}, r"tint must be \[M, 3\]"),
    ],
)
def test_drift_bad_input(change: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        drifted(scene(6, 9, 6, 7) | change)


def sides(seed: int, height: int, width: int) -> tuple[Raster, Raster]:
    rng = np.random.default_rng(seed)

    def raster() -> Raster:
        feat, alpha, disp = (
            torch.from_numpy(rng.random(shape)).float() for shape in ((height, width, 4), (height, width), (height, width))
        )
        alpha[rng.random((height, width)) < 0.3] = 0
        return Raster(feat * alpha[..., None], alpha, disp * alpha)

    return raster(), raster()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (13, 29), (70, 90)])
@pytest.mark.parametrize("loop_t", [0.0, 0.3, 1.0])
def test_compose_matches_the_reference(height: int, width: int, loop_t: float) -> None:
    fwd, bwd = sides(1, height, width)
    frame = ops.compose_frame(fwd, bwd, loop_t, sharpness=3.0, least_alpha=1e-3)
    flat = [
        [t.reshape(height * width, *t.shape[2:]).numpy() for t in (side.feat, side.alpha, side.disp)] for side in (fwd, bwd)
    ]
    rgb, uncovered = reference.compose_frame(*flat, loop_t, 3.0, 1e-3)
    assert np.abs(frame.rgb_u8.numpy().reshape(-1, 3) - rgb).max() < 0.51
    assert np.array_equal(frame.uncovered.numpy().ravel(), uncovered)


def test_two_equal_sides_are_one_picture_at_any_time() -> None:
    fwd, _ = sides(2, 20, 30)
    frames = [ops.compose_frame(fwd, fwd, t, sharpness=4.0, least_alpha=1e-3).rgb_u8 for t in (0.0, 0.4, 1.0)]
    assert torch.equal(frames[0], frames[1]) and torch.equal(frames[0], frames[2])


def test_compose_bad_input() -> None:
    fwd, bwd = sides(3, 4, 5)
    with pytest.raises(ValueError, match=r"loop_t must be in 0..1, got 2"):
        ops.compose_frame(fwd, bwd, 2.0, sharpness=4.0, least_alpha=1e-3)
    with pytest.raises(ValueError, match=r"bwd\.alpha must be"):
        ops.compose_frame(fwd, Raster(bwd.feat, bwd.alpha[1:], bwd.disp), 0.5, sharpness=4.0, least_alpha=1e-3)
    with pytest.raises(ValueError, match=r"fwd.feat must be \[H, W, 4\]"):
        ops.compose_frame(
            Raster(fwd.feat[..., :3].contiguous(), fwd.alpha, fwd.disp), bwd, 0.5, sharpness=4.0, least_alpha=1e-3
        )


def test_ways_are_kept_to_half_a_unit() -> None:
    step_px = torch.from_numpy(np.random.default_rng(4).normal(0, 3, (40, 60, 2)).astype(np.float32))
    start_px = torch.tensor([[20.5, 10.5], [0.5, 0.5], [59.5, 39.5]])
    kept = trace(step_px, 30, start_px)
    want = ops.integrate_flow(step_px, 30, start_px=start_px).offset_px
    assert kept.num_frames == 30 and not kept.at(0).any()
    for n in range(31):
        unit_px = float(want[n].abs().max()) / 32767
        torch.testing.assert_close(kept.at(n), want[n], rtol=0, atol=0.501 * unit_px)


@pytest.mark.parametrize("num_frames", [61, 120, 150, 301])
def test_ways_of_long_loops_are_kept_at_some_moments(num_frames: int) -> None:
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    step_px = 0.15 * torch.stack([20 - y, x - 30], dim=-1) / 20  # a whirl
    start_px = torch.tensor([[20.5, 10.5], [35.5, 25.0]])
    kept = trace(step_px, num_frames, start_px)
    want = ops.integrate_flow(step_px, num_frames, start_px=start_px).offset_px
    assert len(kept.units) <= 62 and not kept.at(0).any()
    for n in range(num_frames + 1):
        torch.testing.assert_close(kept.at(n), want[n], rtol=0, atol=0.02)


@pytest.mark.parametrize("num_points", [0, 3])
def test_ways_of_what_stands_still(num_points: int) -> None:
    kept = trace(torch.zeros(4, 5, 2), 7, torch.full((num_points, 2), 1.5))
    assert kept.at(7).shape == (num_points, 2) and not kept.at(7).any()


@pytest.mark.parametrize("with_waves", [False, True])
def test_a_moment_beside_the_points_stands_for_numbers(with_waves: bool) -> None:
    given = scene(7, 300, 12, 15, with_waves=with_waves)
    beside = dict(given, fade=torch.tensor(given["fade"]))
    if with_waves:
        beside["waves"] = replace(given["waves"], weight=torch.tensor(given["waves"].weight))
    for one, other in zip(vars(drifted(given)).values(), vars(drifted(beside)).values(), strict=True):
        assert one is other is None or torch.equal(one, other)
    wrong = [dict(beside, fade=torch.zeros(1)), dict(beside, fade=torch.zeros((), dtype=torch.float64))]
    wrong += [dict(given, fade=torch.zeros(())), dict(beside, fade=0.4)] * with_waves
    for bad in wrong:
        with pytest.raises((TypeError, ValueError), match=r"^drift_points: (fade|waves.weight) must be"):
            drifted(bad)


@pytest.mark.parametrize("num_frames", [30, 90])
def test_ways_by_numbers_beside_them(num_frames: int) -> None:
    step_px = torch.rand(20, 30, 2, generator=torch.Generator().manual_seed(0)) - 0.5
    kept = trace(step_px, num_frames, torch.tensor([[4.5, 3.5], [20.5, 15.5], [29.9, 0.1]]))
    for n in (0, 1, num_frames // 2 + 0.25, num_frames - 1, num_frames):
        assert torch.equal(kept.at_numbers(torch.tensor(kept.between(n))), kept.at(n))
