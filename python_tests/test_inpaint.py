"""`inpaint_layers` by its properties: what it may change, what it may copy, and what it must continue."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from c3drender import ops

FAR, MIDDLE, NEAR = 0.2, 0.5, 1.0  # disparities
TEAR = 0.05


def fill_flat(rgb: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """Fill what something at NEAR hides in a picture at FAR."""
    far = torch.full(hole.shape, FAR)
    return ops.inpaint_layers(rgb, torch.where(hole, NEAR, far), hole, far, tear_disp=TEAR)


def block(height: int, width: int, y0: int, y1: int, x0: int, x1: int) -> Tensor:
    hole = torch.zeros(height, width, dtype=torch.bool)
    hole[y0:y1, x0:x1] = True
    return hole


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(height, width, 3, generator=torch.Generator().manual_seed(seed))


def mean_error(got: Tensor, want: Tensor, hole: Tensor) -> float:
    return float((got - want)[hole].abs().mean())


# --- what it may change -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(40, 60), (37, 53), (9, 70), (64, 5)])
def test_known_pixels_are_returned_as_they_are(height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(1)
    rgb, disp = noise(height, width), torch.rand(height, width, generator=generator) + 0.1
    hole = torch.rand(height, width, generator=generator) < 0.3
    hidden = disp * 0.5
    got_rgb, got_disp = ops.inpaint_layers(rgb, disp, hole, hidden, tear_disp=TEAR)
    assert torch.equal(got_rgb[~hole], rgb[~hole])
    assert torch.equal(got_disp[~hole], disp[~hole])
    assert got_rgb.isfinite().all() and got_rgb.min() >= 0 and got_rgb.max() <= 1
    assert (got_disp[hole] <= disp[hole] - TEAR).all()


def test_disparities_do_not_ask_for_colours() -> None:
    generator = torch.Generator().manual_seed(2)
    disp, hole = torch.rand(60, 80, generator=generator) + 0.1, block(60, 80, 12, 50, 20, 71)
    coloured = ops.inpaint_layers(noise(60, 80), disp, hole, disp * 0.8, tear_disp=TEAR)[1]
    black, alone = ops.inpaint_layers(torch.zeros(60, 80, 3), disp, hole, disp * 0.8, tear_disp=TEAR)
    assert torch.equal(alone, coloured) and not black.any()


def test_what_stands_in_the_hole_does_not_matter() -> None:
    hole = block(48, 64, 12, 34, 20, 41)
    rgb = noise(48, 64)
    other = torch.where(hole[..., None], noise(48, 64, 1), rgb)
    spoilt = torch.where(hole[..., None], math.nan, rgb)
    for changed in (other, spoilt):
        assert torch.equal(fill_flat(changed, hole)[0], fill_flat(rgb, hole)[0])


def test_thread_count(for_thread_counts: Callable[[Callable[[], Any]], list[Any]]) -> None:
    rgb = noise(120, 150)
    y, x = torch.meshgrid(torch.arange(120.0), torch.arange(150.0), indexing="ij")
    disp = 0.3 + 0.2 * torch.sin(x / 20) + (y / 200)
    hole = ((x - 70) ** 2 + (y - 50) ** 2 < 30**2) | (y > 105)
    first, *others = for_thread_counts(lambda: ops.inpaint_layers(rgb, disp, hole, disp * 0.8, tear_disp=TEAR))
    for other in others:
        assert torch.equal(other[0], first[0]) and torch.equal(other[1], first[1])


@pytest.mark.parametrize(("jump", "copied"), [(0.1, False), (0.04, True)])
def test_what_hides_is_never_copied_however_wide_the_tear(jump: float, copied: bool) -> None:
    """A block stands ``jump`` before the wall, and nearer to the hole than anything a tear away from it."""
    rgb = torch.full((40, 60, 3), 0.2)
    disp = torch.full((40, 60), FAR)
    rgb[:, 30:], disp[:, 30:] = 0.9, FAR + jump
    hole = block(40, 60, 5, 35, 30, 36)
    disp = torch.where(hole, FAR + 0.1, disp)
    got, _ = ops.inpaint_layers(rgb, disp, hole, torch.full((40, 60), FAR), tear_disp=0.5)
    assert bool((got[hole] > 0.5).any()) == copied


# --- what it must continue --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0, 7.5])
def test_a_constant_picture_stays_constant(level: float) -> None:
    rgb = torch.full((50, 70, 3), level)
    got, disp = fill_flat(rgb, block(50, 70, 10, 40, 15, 50))
    torch.testing.assert_close(got, rgb, rtol=0, atol=1e-5)
    assert (disp <= FAR + 1e-5).all() and (disp >= FAR - 1e-5).all()


@pytest.mark.parametrize("slope", [0.0, 0.5, -1.0])
def test_a_line_continues(slope: float) -> None:
    y, x = np.mgrid[:96, :128]
    on_line = np.abs(y - 48 - slope * (x - 64)) < 2.5
    rgb = torch.from_numpy(np.where(on_line[..., None], [0.9, 0.8, 0.1], [0.1, 0.3, 0.5]).astype(np.float32))
    hole = block(96, 128, 33, 63, 50, 78)
    got, _ = fill_flat(rgb, hole)
    wrong = (got - rgb).abs().amax(-1) > 0.3
    assert float(wrong[hole].float().mean()) < 0.04


def test_stripes_keep_their_period() -> None:
    x = torch.arange(120)
    rgb = ((x // 4) % 2).float()[None, :, None].expand(80, 120, 3).contiguous()
    hole = block(80, 120, 25, 55, 40, 75)
    got, _ = fill_flat(rgb, hole)
    assert mean_error(got, rgb, hole) < 0.05


def test_texture_is_not_blurred() -> None:
    rgb = noise(90, 110)
    hole = block(90, 110, 30, 60, 40, 75)
    got, _ = fill_flat(rgb, hole)
    assert 0.6 < float(got[hole].var() / rgb[~hole].var()) < 1.3


def test_no_seam_under_a_gradient_of_light() -> None:
    light = torch.linspace(0.2, 0.8, 120)[None, :, None]
    rgb = (0.05 * (noise(90, 120) - 0.5) + light).contiguous()
    hole = block(90, 120, 30, 60, 35, 80)
    got, _ = fill_flat(rgb, hole)
    steps = got[30:60, 1:] - got[30:60, :-1]
    seams = steps[:, [34, 79]].mean(0).abs().max()
    assert float(seams) < 0.03
    assert mean_error(got, light.expand_as(got), hole) < 0.08


def test_a_hidden_surface_with_many_tears_stays_calm() -> None:
    """Blending must not swing beyond the colours that it blends, whatever way the tears run."""
    rng = np.random.default_rng(0)
    relief = cv2.GaussianBlur(rng.standard_normal((96, 96)), (0, 0), 4)
    hidden = torch.tensor(0.4 + 0.08 * relief / relief.std(), dtype=torch.float32)
    rgb = torch.tensor(0.5 + 0.1 * rng.standard_normal((96, 96, 3)).clip(-2, 2), dtype=torch.float32)
    rgb[0, 0], rgb[0, 1] = 0, 1  # results are held within the known colours, which would hide it
    hole = block(96, 96, 6, 90, 6, 90)
    got, _ = ops.inpaint_layers(rgb, torch.where(hole, NEAR, hidden), hole, hidden, tear_disp=0.01)
    assert float(((got[hole] - 0.5).abs() > 0.4).float().mean()) < 0.005


def test_disparity_continues_a_slope() -> None:
    slope = (0.2 + 0.002 * torch.arange(100.0))[None].expand(60, 100).contiguous()
    hole = block(60, 100, 20, 40, 30, 60)
    _, got = ops.inpaint_layers(noise(60, 100), torch.where(hole, 2.0, slope), hole, slope, tear_disp=TEAR)
    torch.testing.assert_close(got, slope, rtol=0, atol=2e-3)


def test_a_margin_is_filled_to_its_corners() -> None:
    inner, margin = noise(60, 80), 24
    shape = (60 + 2 * margin, 80 + 2 * margin)
    rgb, hole, disp = torch.full((*shape, 3), math.nan), torch.ones(shape, dtype=torch.bool), torch.zeros(shape)
    inside = (slice(margin, -margin), slice(margin, -margin))
    rgb[inside], hole[inside], disp[inside] = inner, False, FAR
    got, got_disp = ops.inpaint_layers(rgb, disp, hole, torch.full(shape, FAR), tear_disp=TEAR)
    assert got.isfinite().all()
    torch.testing.assert_close(got_disp, torch.full(shape, FAR), rtol=0, atol=1e-5)
    assert 0.5 < float(got[hole].var() / inner.var()) < 1.3


def test_a_depth_edge_continues_into_the_margin() -> None:
    disp = torch.full((60, 90), FAR)
    disp[:, 40:] = NEAR
    seen = torch.zeros(60, 90, dtype=torch.bool)
    seen[20:, :] = True
    got_rgb, got_disp = ops.inpaint_layers(noise(60, 90), torch.where(seen, disp, 0.0), ~seen, disp, tear_disp=TEAR)
    torch.testing.assert_close(got_disp, disp, rtol=0, atol=1e-5)
    assert got_rgb.isfinite().all()


# --- what it may copy -------------------------------------------------------------------------------------------------


def scene_with_occluder(occluder_px: int = 40) -> tuple[Tensor, Tensor, Tensor]:
    """A blue-green texture at FAR behind a red block at NEAR, of which the right part is to be uncovered."""
    rgb = noise(100, 140) * torch.tensor([0.0, 0.6, 0.6]) + torch.tensor([0.0, 0.2, 0.3])
    red = block(100, 140, 20, 80, 40, 40 + occluder_px)
    rgb[red] = torch.tensor([0.9, 0.05, 0.05])
    disp = torch.where(red, NEAR, torch.full(red.shape, FAR))
    return rgb.contiguous(), disp, block(100, 140, 20, 80, 40 + occluder_px - 18, 40 + occluder_px)


def test_the_occluders_colour_never_appears() -> None:
    rgb, disp, hole = scene_with_occluder()
    got, got_disp = ops.inpaint_layers(rgb, disp, hole, torch.full_like(disp, FAR), tear_disp=TEAR)
    assert float(got[hole][:, 0].max()) < 0.02
    torch.testing.assert_close(got_disp[hole], torch.full_like(got_disp[hole], FAR), rtol=0, atol=1e-5)


def test_colours_mixed_at_the_edge_do_not_leak() -> None:
    rgb, disp, hole = scene_with_occluder()
    rgb[19:81, 80] = torch.tensor([0.5, 0.2, 0.2])  # the background's first column beside the block
    got, _ = ops.inpaint_layers(rgb, disp, hole, torch.full_like(disp, FAR), tear_disp=TEAR)
    assert float(got[hole][:, 0].max()) < 0.02
    assert torch.equal(got[~hole], rgb[~hole])


@pytest.mark.parametrize(("hidden", "allowed"), [(FAR, [2]), (MIDDLE, [1, 2]), (NEAR, [0, 1, 2])])
def test_sources_are_the_same_or_a_farther_surface(hidden: float, allowed: list[int]) -> None:
    """Three surfaces, near to far red, green and blue."""
    disp = torch.full((60, 120), FAR)
    disp[:, :80], disp[:, :40] = MIDDLE, NEAR
    rgb = torch.zeros(60, 120, 3)
    for channel, level in enumerate((NEAR, MIDDLE, FAR)):
        rgb[..., channel] = torch.where(disp == level, 1.0, 0.0)
    hole = block(60, 120, 20, 40, 30, 90)
    front = torch.where(hole, 2.0, disp)
    got, _ = ops.inpaint_layers(rgb, front, hole, torch.full_like(disp, hidden), tear_disp=TEAR)
    forbidden = [c for c in range(3) if c not in allowed]
    assert got[hole][:, forbidden].numel() == 0 or float(got[hole][:, forbidden].max()) < 1e-6
    if hidden == MIDDLE:
        assert float(got[20:40, 32:70, 1].mean()) > 0.8


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_pixel_that_is_not_finite_is_no_source(bad: float) -> None:
    rgb, hole = noise(60, 80), block(60, 80, 20, 40, 30, 50)
    disp = torch.full((60, 80), FAR)
    rgb[5:15, 10:70], disp[45:55, 10:70] = bad, bad
    got, got_disp = ops.inpaint_layers(rgb, disp, hole, torch.full_like(disp, FAR), tear_disp=TEAR)
    assert got[hole].isfinite().all() and got_disp[hole].isfinite().all()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, 0.0])
def test_without_a_hidden_surface_the_farthest_is_continued(bad: float) -> None:
    rgb, disp, hole = scene_with_occluder()
    got, got_disp = ops.inpaint_layers(rgb, disp, hole, torch.full_like(disp, bad), tear_disp=TEAR)
    assert float(got[hole][:, 0].max()) < 0.02
    torch.testing.assert_close(got_disp[hole], torch.full_like(got_disp[hole], FAR), rtol=0, atol=1e-5)


# --- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(0, 0), (0, 5), (5, 0), (1, 1), (1, 7), (33, 20)])
def test_nothing_to_fill(height: int, width: int) -> None:
    rgb, disp = noise(height, width), torch.rand(height, width)
    hole = torch.zeros(height, width, dtype=torch.bool)
    got_rgb, got_disp = ops.inpaint_layers(rgb, disp, hole, disp, tear_disp=TEAR)
    assert torch.equal(got_rgb, rgb) and torch.equal(got_disp, disp)


@pytest.mark.parametrize(("height", "width"), [(1, 2), (2, 1), (1, 40), (40, 1), (3, 3), (200, 2)])
def test_one_known_pixel_fills_all(height: int, width: int) -> None:
    rgb = torch.full((height, width, 3), math.nan)
    rgb[-1, -1] = torch.tensor([0.1, 0.5, 0.9])
    disp = torch.zeros(height, width)
    disp[-1, -1] = FAR
    hole = disp == 0
    got, got_disp = ops.inpaint_layers(rgb, disp, hole, torch.full_like(disp, FAR), tear_disp=TEAR)
    torch.testing.assert_close(got, torch.tensor([0.1, 0.5, 0.9]).expand(height, width, 3), rtol=0, atol=1e-5)
    torch.testing.assert_close(got_disp, torch.full_like(got_disp, FAR), rtol=0, atol=1e-5)


@pytest.mark.parametrize("known", [None, math.nan])
def test_nothing_known(known: float | None) -> None:
    rgb, hole = noise(20, 30), torch.ones(20, 30, dtype=torch.bool)
    if known is not None:
        rgb[3, 4], hole[3, 4] = known, False
    with pytest.raises(ValueError, match=r"^inpaint_layers: hole must leave .+, got none$"):
        fill_flat(rgb, hole)


# --- bad input --------------------------------------------------------------------------------------------------------

BAD_INPUT = {
    "rgb is an array": ({"rgb": np.zeros((4, 5, 3), dtype=np.float32)}, TypeError, "rgb"),
    "rgb is bytes": ({"rgb": torch.zeros(4, 5, 3, dtype=torch.uint8)}, TypeError, "rgb"),
    "rgb has four channels": ({"rgb": torch.zeros(4, 5, 4)}, ValueError, "rgb"),
    "disp has another size": ({"disp": torch.ones(4, 6)}, ValueError, "disp"),
    "disp is float64": ({"disp": torch.ones(4, 5, dtype=torch.float64)}, TypeError, "disp"),
    "hole is uint8": ({"hole": torch.zeros(4, 5, dtype=torch.uint8)}, TypeError, "hole"),
    "hole has another size": ({"hole": torch.zeros(5, 5, dtype=torch.bool)}, ValueError, "hole"),
    "disp_hidden is [1, H, W]": ({"disp_hidden": torch.ones(1, 4, 5)}, ValueError, "disp_hidden"),
    "disp_hidden is elsewhere": ({"disp_hidden": torch.ones(4, 5, device="meta")}, ValueError, ""),
    "tear_disp is negative": ({"tear_disp": -0.1}, ValueError, "tear_disp"),
    "tear_disp is NaN": ({"tear_disp": math.nan}, ValueError, "tear_disp"),
    "tear_disp is text": ({"tear_disp": "0.1"}, TypeError, "tear_disp"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input(case: str) -> None:
    change, error, argument = BAD_INPUT[case]
    good = {
        "rgb": torch.zeros(4, 5, 3),
        "disp": torch.ones(4, 5),
        "hole": torch.zeros(4, 5, dtype=torch.bool),
        "disp_hidden": torch.ones(4, 5),
        "tear_disp": 0.1,
    }
    ops.inpaint_layers(**good)
    with pytest.raises(error, match=rf"^inpaint_layers: .*{argument}.* must be .+"):
        ops.inpaint_layers(**(good | change))
