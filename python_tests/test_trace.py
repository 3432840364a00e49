"""`integrate_flow` against the golden fixture, the reference, and properties that need neither."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import torch
from torch import Tensor

from c3drender import ops

FIELDS = ("swirl", "leave", "random", "half")
SIZES = ((1, 1), (1, 11), (9, 1), (13, 17), (24, 33))  # height, width


def smooth_flow(rng: np.random.Generator, height: int, width: int, speed_px: float) -> Tensor:
    """A few waves, each longer than 6 px: the gradient stays well below 1 per step."""
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    flow = np.zeros((height, width, 2))
    for _ in range(3):
        kx, ky, phase_x, phase_y = rng.uniform([-0.6, -0.6, 0, 0], [0.6, 0.6, 6.3, 6.3])
        flow += np.stack([np.sin(kx * x + ky * y + phase_x), np.cos(ky * x - kx * y + phase_y)], axis=-1)
    return torch.from_numpy(speed_px * flow / 3).float()


def pixel_centres(height: int, width: int) -> Tensor:
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


# --- golden fixture ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(("direction", "sign"), [("fwd", 1), ("bwd", -1)])
@pytest.mark.parametrize("integrate_flow", [ops.integrate_flow, reference.integrate_flow], ids=["op", "reference"])
def test_nearest_equals_the_released_code(golden, field: str, direction: str, sign: int, integrate_flow) -> None:
    data = golden("euler")
    frames = data["destination_frames"]
    motion = sign * data[f"{field}_motion"]
    trace = integrate_flow(torch.from_numpy(motion).permute(1, 2, 0).contiguous(), int(frames.max()), sampling="nearest")

    shape = (len(frames), *motion.shape[1:])
    offset = np.asarray(trace.offset_px)[frames].reshape(*shape, 2).transpose(0, 3, 1, 2)
    assert np.allclose(offset, data[f"{field}_{direction}_disp"], rtol=0, atol=1e-4)
    assert np.array_equal(np.asarray(trace.inside)[frames].reshape(shape), data[f"{field}_{direction}_visible"])


# --- against the reference --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_steps", [0, 1, 7, 40])
@pytest.mark.parametrize("size", SIZES)
def test_bilinear(size: tuple[int, int], num_steps: int) -> None:
    height, width = size
    rng = np.random.default_rng(num_steps)
    step_px = smooth_flow(rng, height, width, speed_px=0.4)
    anywhere = torch.from_numpy(rng.uniform(-0.2, 1.2, (150, 2)) * [width, height]).float()
    edges = torch.tensor([[0, 0], [width, height], [0, height / 2], [width, 0.5], [-1, 0.5], [0.5, height + 1]])
    for start_px in (None, anywhere, edges):
        got = ops.integrate_flow(step_px, num_steps, start_px=start_px)
        want = reference.integrate_flow(step_px, num_steps, start_px=start_px)
        assert got.offset_px.dtype == torch.float32 and got.offset_px.shape == want.offset_px.shape
        assert got.inside.dtype == torch.bool and got.inside.shape == want.inside.shape
        decided = want.clear if start_px is not edges else np.ones(len(edges), dtype=bool) & (num_steps == 0)
        assert np.array_equal(got.inside.numpy()[:, decided], want.inside[:, decided])
        assert np.allclose(got.offset_px.numpy()[:, decided], want.offset_px[:, decided], rtol=0, atol=1e-4)


@pytest.mark.parametrize("num_steps", [0, 1, 7, 40])
@pytest.mark.parametrize("size", SIZES)
def test_nearest(size: tuple[int, int], num_steps: int) -> None:
    """Rough fields, and one of halves, in which every second position lies midway between pixels."""
    rng = np.random.default_rng(num_steps)
    rough = rng.normal(0, 0.7, (*size, 2))
    for step_px in (torch.from_numpy(rough).float(), torch.from_numpy(np.round(2 * rough) / 2).float()):
        got = ops.integrate_flow(step_px, num_steps, sampling="nearest")
        want = reference.integrate_flow(step_px, num_steps, sampling="nearest")
        assert np.array_equal(got.offset_px, want.offset_px)
        assert np.array_equal(got.inside, want.inside)


# --- properties -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampling", ["bilinear", "nearest"])
def test_zero_flow_moves_nothing(sampling: str) -> None:
    trace = ops.integrate_flow(torch.zeros(7, 5, 2), 9, sampling=sampling)
    assert trace.offset_px.shape == (10, 35, 2) and trace.inside.shape == (10, 35)
    assert not trace.offset_px.any() and trace.inside.all()


def test_constant_flow_carries_straight_out_of_the_frame_and_stops_there() -> None:
    """Steps of eighths are summed exactly."""
    height, width, num_steps = 12, 17, 30
    step = torch.tensor([0.625, -0.375])
    trace = ops.integrate_flow(step.repeat(height, width, 1), num_steps)

    n = torch.arange(num_steps + 1)[:, None, None]
    position = pixel_centres(height, width) + n * step
    inside = ((position >= 0) & (position <= torch.tensor([width, height]))).all(-1)
    first_outside = inside.sum(0)
    assert torch.equal(trace.inside, inside)
    assert torch.equal(trace.offset_px, torch.minimum(n, first_outside[None, :, None]) * step)


def test_forward_then_backward_comes_home() -> None:
    """The step back is taken at the far end: each pair misses by about |F| |grad F|, halved by halving the step."""
    rng = np.random.default_rng(3)
    step_px = smooth_flow(rng, 64, 64, speed_px=0.3)
    start_px = torch.from_numpy(rng.uniform(24, 40, (200, 2))).float()
    misses = []
    for refinement in (1, 2, 4):
        fine_step_px, num_steps = step_px / refinement, 20 * refinement
        there = ops.integrate_flow(fine_step_px, num_steps, start_px=start_px)
        far_px = start_px + there.offset_px[-1]
        back = ops.integrate_flow(-fine_step_px, num_steps, start_px=far_px)
        assert there.inside.all() and back.inside.all()
        misses.append((there.offset_px[-1] + back.offset_px[-1]).norm(dim=1).max().item())
    gradient = max(step_px.diff(dim=axis).norm(dim=-1).max().item() for axis in (0, 1))
    speed = step_px.norm(dim=-1).max().item()
    assert 0 < misses[0] < 2 * 20 * speed * gradient
    assert misses[1] < 0.65 * misses[0] and misses[2] < 0.65 * misses[1]


@pytest.mark.parametrize("sampling", ["bilinear", "nearest"])
def test_a_longer_trace_begins_with_the_shorter_one(sampling: str) -> None:
    step_px = smooth_flow(np.random.default_rng(4), 21, 19, speed_px=0.8)
    short, long = (ops.integrate_flow(step_px, num_steps, sampling=sampling) for num_steps in (6, 25))
    assert torch.equal(long.offset_px[:7], short.offset_px)
    assert torch.equal(long.inside[:7], short.inside)


def test_a_path_can_be_continued_from_where_it_is() -> None:
    step_px = smooth_flow(np.random.default_rng(5), 32, 32, speed_px=0.2)
    start_px = pixel_centres(32, 32)
    whole = ops.integrate_flow(step_px, 12)
    kept = whole.inside[-1]
    middle_px = (start_px + whole.offset_px[5])[kept].contiguous()
    rest = ops.integrate_flow(step_px, 7, start_px=middle_px)
    assert kept.sum() > 500
    assert torch.allclose(whole.offset_px[5, kept] + rest.offset_px[-1], whole.offset_px[-1, kept], rtol=0, atol=1e-4)


def test_start_none_is_every_pixel_centre() -> None:
    step_px = smooth_flow(np.random.default_rng(6), 9, 14, speed_px=0.5)
    implied = ops.integrate_flow(step_px, 11)
    given = ops.integrate_flow(step_px, 11, start_px=pixel_centres(9, 14))
    assert torch.equal(implied.offset_px, given.offset_px) and torch.equal(implied.inside, given.inside)


@pytest.mark.parametrize("sampling", ["bilinear", "nearest"])
def test_same_bits_for_any_thread_count(for_thread_counts, sampling: str) -> None:
    step_px = smooth_flow(np.random.default_rng(7), 173, 211, speed_px=1.0)
    first, *others = for_thread_counts(lambda: ops.integrate_flow(step_px, 20, sampling=sampling))
    for other in others:
        assert torch.equal(first.offset_px, other.offset_px) and torch.equal(first.inside, other.inside)


# --- edges of the domain ----------------------------------------------------------------------------------------------


def test_no_start_points() -> None:
    trace = ops.integrate_flow(torch.ones(4, 5, 2), 3, start_px=torch.empty(0, 2))
    assert trace.offset_px.shape == (4, 0, 2) and trace.inside.shape == (4, 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 3e38])
def test_start_outside_or_not_a_number_never_moves(bad: float) -> None:
    start_px = torch.tensor([[bad, 2.0], [2.0, bad], [2.0, 2.0]])
    trace = ops.integrate_flow(torch.full((6, 6, 2), 0.25), 4, start_px=start_px)
    assert not trace.inside[:, :2].any() and trace.inside[:, 2].all()
    assert torch.equal(trace.offset_px[-1, 2], torch.tensor([1.0, 1.0]))


@pytest.mark.parametrize("sampling", ["bilinear", "nearest"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 3e38])
def test_a_bad_step_spoils_only_the_paths_that_meet_it(bad: float, sampling: str) -> None:
    """Paths run down their own columns; column 8 meets the bad pixel, the bilinear neighbours of which are 7 and 9."""
    step_px = torch.zeros(12, 17, 2)
    step_px[..., 1] = 0.5
    spoilt_px = step_px.clone()
    spoilt_px[6, 8] = bad
    plain = ops.integrate_flow(step_px, 9, sampling=sampling)
    spoilt = ops.integrate_flow(spoilt_px, 9, sampling=sampling)
    column = torch.arange(12 * 17) % 17
    untouched = (column - 8).abs() > 1
    assert torch.equal(plain.offset_px[:, untouched], spoilt.offset_px[:, untouched])
    assert torch.equal(plain.inside[:, untouched], spoilt.inside[:, untouched])
    if sampling == "bilinear":
        assert not spoilt.inside[1:, 6 * 17 + 8].any()


# --- bad input --------------------------------------------------------------------------------------------------------

BAD_INPUT = {
    "step_px is an array": ({"step_px": np.zeros((4, 5, 2), dtype=np.float32)}, TypeError, "step_px"),
    "step_px is float64": ({"step_px": torch.zeros(4, 5, 2, dtype=torch.float64)}, TypeError, "step_px"),
    "step_px is float16": ({"step_px": torch.zeros(4, 5, 2, dtype=torch.float16)}, TypeError, "step_px"),
    "step_px is [2, H, W]": ({"step_px": torch.zeros(2, 4, 5)}, ValueError, "step_px"),
    "step_px is [1, H, W, 2]": ({"step_px": torch.zeros(1, 4, 5, 2)}, ValueError, "step_px"),
    "num_steps is negative": ({"num_steps": -1}, ValueError, "num_steps"),
    "num_steps is 2.5": ({"num_steps": 2.5}, TypeError, "num_steps"),
    "start_px is [P, 3]": ({"start_px": torch.zeros(6, 3)}, ValueError, "start_px"),
    "start_px is [H, W, 2]": ({"start_px": torch.zeros(4, 5, 2)}, ValueError, "start_px"),
    "start_px is int64": ({"start_px": torch.zeros(6, 2, dtype=torch.int64)}, TypeError, "start_px"),
    "start_px is elsewhere": ({"start_px": torch.zeros(6, 2, device="meta")}, ValueError, ""),
    "sampling is unknown": ({"sampling": "cubic"}, ValueError, "sampling"),
    "nearest from given starts": ({"sampling": "nearest", "start_px": torch.zeros(6, 2)}, ValueError, "start_px"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input(case: str) -> None:
    change, error, argument = BAD_INPUT[case]
    good = {"step_px": torch.zeros(4, 5, 2), "num_steps": 3}
    ops.integrate_flow(**good)
    with pytest.raises(error, match=rf"^integrate_flow: .*{argument}.* must be .+"):
        ops.integrate_flow(**(good | change))
