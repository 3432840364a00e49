"""`blend_bidirectional` against the golden fixture, the reference, and properties that need neither."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import torch

from c3drender import ops
from c3drender.data import Raster

SHAPES = ((1, 1), (1, 7), (13, 1), (9, 15), (2, 5, 6), (1, 8, 3))  # (V,) H, W


def random_raster(rng: np.random.Generator, shape: tuple[int, ...], channels: int) -> Raster:
    """A fifth of the pixels is not covered at all, a fifth hardly."""
    alpha = rng.uniform(0, 1, shape) * rng.choice([0, 1e-7, 1, 1, 1], shape)
    arrays = (rng.uniform(-1, 1, (*shape, channels)), alpha, alpha * rng.uniform(0, 2, shape))
    return Raster(*(torch.from_numpy(a).float() for a in arrays))


def uniform_raster(alpha: float, disp: float, feat: float = 1.0, size: tuple[int, int] = (2, 3)) -> Raster:
    return Raster(torch.full((*size, 1), feat), torch.full(size, alpha), torch.full(size, disp))


# --- golden fixture ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "blend_bidirectional", [ops.blend_bidirectional, reference.blend_bidirectional], ids=["op", "reference"]
)
def test_weights_equal_the_released_code(golden, blend_bidirectional) -> None:
    data = golden("blend")
    fwd, bwd = (
        Raster(torch.zeros(1, 12, 17, 1), torch.from_numpy(data[f"alpha{side}"]), torch.from_numpy(data[f"disp{side}"]))
        for side in (0, 1)
    )
    for n, loop_t in enumerate(data["times"].tolist()):
        sharpened = [(4.0, data["w0_renderer"][n], data["w1_renderer"][n])]
        sharpened += zip(data["decoder_alpha"].tolist(), data["w0_decoder"][:, n], data["w1_decoder"][:, n], strict=True)
        for sharpness, w_fwd, w_bwd in sharpened:
            blend = blend_bidirectional(fwd, bwd, loop_t, sharpness=sharpness)
            assert np.allclose(blend.w_fwd, w_fwd, rtol=0, atol=1e-6)
            assert np.allclose(blend.w_bwd, w_bwd, rtol=0, atol=1e-6)


# --- against the reference --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 4, 5, 16, 37, 256])
@pytest.mark.parametrize("shape", SHAPES)
def test_random_rasters(shape: tuple[int, ...], channels: int) -> None:
    rng = np.random.default_rng(channels)
    fwd, bwd = random_raster(rng, shape, channels), random_raster(rng, shape, channels)
    per_pixel = torch.from_numpy(rng.uniform(0, 1, shape)).float()
    for loop_t in (0.0, 0.3, 1.0, 1, per_pixel):
        for sharpness in (4.0, 0.0, 25.0):
            got = ops.blend_bidirectional(fwd, bwd, loop_t, sharpness=sharpness)
            want = reference.blend_bidirectional(fwd, bwd, loop_t, sharpness=sharpness)
            for name in ("feat", "alpha", "w_fwd", "w_bwd"):
                ours, theirs = getattr(got, name), getattr(want, name)
                assert ours.dtype == torch.float32 and ours.shape == theirs.shape, name
                assert np.allclose(ours, theirs, rtol=0, atol=1e-5), name


# --- properties -------------------------------------------------------------------------------------------------------


def test_weights_sum_to_one_where_either_side_covers() -> None:
    rng = np.random.default_rng(1)
    fwd, bwd = random_raster(rng, (40, 50), 2), random_raster(rng, (40, 50), 2)
    blend = ops.blend_bidirectional(fwd, bwd, 0.4)
    total = blend.w_fwd + blend.w_bwd
    covered = (fwd.alpha > 1e-4) | (bwd.alpha > 1e-4)
    empty = (fwd.alpha == 0) & (bwd.alpha == 0)
    assert torch.allclose(total[covered], torch.ones(()), rtol=0, atol=1e-6)
    assert empty.any() and not total[empty].any() and not blend.feat[empty].any()
    assert blend.w_fwd.min() >= 0 and blend.w_bwd.min() >= 0 and total.max() <= 1 + 1e-6


@pytest.mark.parametrize(("loop_t", "one", "other"), [(0.0, "fwd", "bwd"), (1.0, "bwd", "fwd")])
def test_the_ends_of_the_loop_are_one_side_exactly(loop_t: float, one: str, other: str) -> None:
    rng = np.random.default_rng(2)
    sides = {"fwd": random_raster(rng, (20, 30), 5), "bwd": random_raster(rng, (20, 30), 5)}
    blend = ops.blend_bidirectional(sides["fwd"], sides["bwd"], loop_t)
    covered = sides[one].alpha > 1e-5
    assert torch.equal(blend.feat[covered], sides[one].feat[covered])
    assert torch.equal(blend.alpha[covered], sides[one].alpha[covered])
    assert not getattr(blend, f"w_{other}").any()


def test_swapping_sides_and_time_swaps_the_weights() -> None:
    rng = np.random.default_rng(3)
    fwd, bwd = random_raster(rng, (20, 30), 3), random_raster(rng, (20, 30), 3)
    there, back = ops.blend_bidirectional(fwd, bwd, 0.25), ops.blend_bidirectional(bwd, fwd, 0.75)
    assert torch.allclose(there.w_fwd, back.w_bwd, rtol=0, atol=1e-6)
    assert torch.allclose(there.feat, back.feat, rtol=0, atol=1e-6)


def test_time_per_pixel_is_time_at_each_pixel() -> None:
    rng = np.random.default_rng(4)
    fwd, bwd = random_raster(rng, (3, 4), 3), random_raster(rng, (3, 4), 3)
    times = torch.linspace(0, 1, 12).reshape(3, 4)
    at_once = ops.blend_bidirectional(fwd, bwd, times)
    for y, x in np.ndindex(3, 4):
        alone = ops.blend_bidirectional(fwd, bwd, times[y, x].item())
        assert torch.equal(at_once.feat[y, x], alone.feat[y, x]) and torch.equal(at_once.w_fwd[y, x], alone.w_fwd[y, x])


@pytest.mark.parametrize("disp", [30.0, 1e3, 1e30, 8e37])
def test_huge_disparities_do_not_overflow(disp: float) -> None:
    """A very near point outweighs everything; two equally near ones share by time and coverage."""
    near, far = uniform_raster(0.5, disp, feat=3.0), uniform_raster(1.0, 0.1, feat=7.0)
    nearer_wins = ops.blend_bidirectional(near, far, 0.5)
    assert torch.allclose(nearer_wins.w_fwd, torch.ones(2, 3)) and torch.allclose(nearer_wins.feat, torch.tensor(3.0))
    shared = ops.blend_bidirectional(near, uniform_raster(1.0, disp), 0.25)
    assert torch.allclose(shared.w_fwd, torch.full((2, 3), 0.75 * 0.5 / (0.75 * 0.5 + 0.25)))


@pytest.mark.parametrize("disp", [-1e3, -1e30])
def test_hugely_negative_disparities_fade_out(disp: float) -> None:
    blend = ops.blend_bidirectional(uniform_raster(1.0, disp), uniform_raster(1.0, disp), 0.5)
    assert not blend.w_fwd.any() and not blend.w_bwd.any() and not blend.feat.any()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["feat", "alpha", "disp", "loop_t"])
def test_a_bad_pixel_stays_alone(where: str, bad: float) -> None:
    rng = np.random.default_rng(5)
    fwd, bwd = random_raster(rng, (9, 11), 5), random_raster(rng, (9, 11), 5)
    loop_t = torch.full((9, 11), 0.5)
    plain = ops.blend_bidirectional(fwd, bwd, loop_t)
    (loop_t if where == "loop_t" else getattr(bwd, where))[4, 6] = bad
    spoilt = ops.blend_bidirectional(fwd, bwd, loop_t)
    others = torch.ones(9, 11, dtype=torch.bool)
    others[4, 6] = False
    for name in ("feat", "alpha", "w_fwd", "w_bwd"):
        assert torch.equal(getattr(plain, name)[others], getattr(spoilt, name)[others]), name


def test_same_bits_for_any_thread_count(for_thread_counts) -> None:
    rng = np.random.default_rng(6)
    fwd, bwd = random_raster(rng, (2, 151, 97), 5), random_raster(rng, (2, 151, 97), 5)
    first, *others = for_thread_counts(lambda: ops.blend_bidirectional(fwd, bwd, 0.3))
    for other in others:
        for name in ("feat", "alpha", "w_fwd", "w_bwd"):
            assert torch.equal(getattr(first, name), getattr(other, name)), name


# --- bad input --------------------------------------------------------------------------------------------------------


def raster_with(**change) -> Raster:
    return Raster(**({"feat": torch.zeros(4, 5, 3), "alpha": torch.zeros(4, 5), "disp": torch.zeros(4, 5)} | change))


BAD_INPUT = {
    "fwd is a tensor": ({"fwd": torch.zeros(4, 5, 3)}, TypeError, "fwd"),
    "bwd is None": ({"bwd": None}, TypeError, "bwd"),
    "feat is float64": ({"fwd": raster_with(feat=torch.zeros(4, 5, 3, dtype=torch.float64))}, TypeError, "feat"),
    "feat is float16": ({"bwd": raster_with(feat=torch.zeros(4, 5, 3, dtype=torch.float16))}, TypeError, "feat"),
    "alpha is bool": ({"bwd": raster_with(alpha=torch.zeros(4, 5, dtype=torch.bool))}, TypeError, "alpha"),
    "disp has another size": ({"fwd": raster_with(disp=torch.zeros(5, 4))}, ValueError, "disp"),
    "alpha has a channel": ({"bwd": raster_with(alpha=torch.zeros(4, 5, 1))}, ValueError, "alpha"),
    "feat has other channels": ({"bwd": raster_with(feat=torch.zeros(4, 5, 2))}, ValueError, "feat"),
    "bwd has another size": (
        {"bwd": Raster(torch.zeros(4, 6, 3), torch.zeros(4, 6), torch.zeros(4, 6))},
        ValueError,
        "bwd",
    ),
    "alpha is elsewhere": ({"fwd": raster_with(alpha=torch.zeros(4, 5, device="meta"))}, ValueError, ""),
    "sharpness is NaN": ({"sharpness": math.nan}, ValueError, "sharpness"),
    "sharpness is a tensor": ({"sharpness": torch.ones(4, 5)}, TypeError, "sharpness"),
    "loop_t is 1.5": ({"loop_t": 1.5}, ValueError, "loop_t"),
    "loop_t is -0.1": ({"loop_t": -0.1}, ValueError, "loop_t"),
    "loop_t is NaN": ({"loop_t": math.nan}, ValueError, "loop_t"),
    "loop_t is text": ({"loop_t": "half"}, TypeError, "loop_t"),
    "loop_t has another size": ({"loop_t": torch.zeros(4, 6)}, ValueError, "loop_t"),
    "loop_t is float64": ({"loop_t": torch.zeros(4, 5, dtype=torch.float64)}, TypeError, "loop_t"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input(case: str) -> None:
    change, error, argument = BAD_INPUT[case]
    good = {"fwd": raster_with(), "bwd": raster_with(), "loop_t": 0.5}
    ops.blend_bidirectional(**good)
    with pytest.raises(error, match=rf"^blend_bidirectional: .*{argument}.* must be .+"):
        ops.blend_bidirectional(**(good | change))
