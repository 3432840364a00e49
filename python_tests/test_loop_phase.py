"""Loops with one set of crests: whole turns, no ghost, and both sides of the loop show the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import skew

from c3drender.pixels.boxes import bounds_of
from c3drender.pixels.windows import LocalMeans
from c3drender.render import phase
from c3drender.render.beyond import Beyond
from c3drender.render.even import Even

SIZE = (24, 800)
LOOP_PX = 20.0
FRAMES = 20
MIDDLE = slice(120, 280)


def copies_of(rgb: torch.Tensor, exists: torch.Tensor | None = None, loop_px: float = LOOP_PX) -> phase.LoopCopies:
    """Of a picture whose fluid (all of it) drifts to the right by ``loop_px`` in a loop."""
    exists = torch.ones(rgb.shape[:2], dtype=torch.bool) if exists is None else exists
    y, x = exists.nonzero(as_tuple=True)
    start_px = torch.stack([x, y], dim=1) + 0.5
    step_px = torch.tensor([loop_px / FRAMES, 0.0]) * exists[..., None]
    return phase.copies_of(rgb, exists, start_px, Beyond.of(step_px, exists, bounds_of(exists, 0), FRAMES), rgb[exists])


def shown(copies: phase.LoopCopies, loop_t: float, backward: bool = False) -> torch.Tensor:
    """The grey that the points of a grey picture show, against the mean of its wide surroundings, ``[M]``."""
    waves = copies.at(loop_t, backward)
    even = sum(weight * copy for weight, copy in zip(waves.weight, waves.even[:, 0], strict=True))
    return copies.spread * torch.minimum(torch.maximum(even, copies.least), copies.most).expm1() * copies.tint[:, 0]


def wave(turns: float) -> torch.Tensor:
    """A wave that turns so often over a loop's displacement."""
    x = torch.arange(SIZE[1]) + 0.5
    return (0.5 + 0.2 * torch.cos(2 * torch.pi * turns * x / LOOP_PX)).expand(*SIZE)[..., None].repeat(1, 1, 3)


def noise() -> torch.Tensor:
    plane = torch.rand(1, 1, *SIZE, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.avg_pool2d(plane, 3, 1, 1)[0, 0, ..., None].repeat(1, 1, 3)


@pytest.mark.parametrize("loop_t", [0.1, 0.35, 0.5, 0.8])
@pytest.mark.parametrize("turns", [0.85, 1.2, 2.0, 2.2])
def test_waves_turn_by_whole_turns(turns: float, loop_t: float) -> None:
    """One that has drifted by ``t`` loops, ``turns t`` turns, is shown ``round(turns) t`` turns ahead of where it was."""
    seen = shown(copies_of(wave(turns)), loop_t).view(SIZE)[12, MIDDLE].numpy()
    x = np.arange(SIZE[1])[MIDDLE] + 0.5
    wanted = 0.2 * np.cos(2 * np.pi * (turns * x / LOOP_PX + (turns - round(turns)) * loop_t))
    assert np.corrcoef(seen, wanted)[0, 1] > 0.97
    assert np.isclose(seen.std(), wanted.std(), rtol=0.25)


@pytest.mark.parametrize("loop_t", [0.3, 0.5, 0.7])
def test_nothing_is_there_twice(loop_t: float) -> None:
    copies = copies_of(noise())
    own, locked = shown(copies, 0.0).view(SIZE), shown(copies, loop_t).view(SIZE)
    faded = (1 - loop_t) * own + loop_t * own.roll(-int(LOOP_PX), dims=1)

    def echo(plane: torch.Tensor) -> float:
        x = plane[:, MIDDLE.start : MIDDLE.stop].numpy()
        far = plane[:, MIDDLE.start + int(LOOP_PX) : MIDDLE.stop + int(LOOP_PX)].numpy()
        return float(np.corrcoef(x.ravel(), far.ravel())[0, 1])

    assert abs(echo(locked) - echo(own)) < 0.1 < 0.3 < echo(faded) - echo(own)


def test_both_sides_show_the_same_where_they_meet() -> None:
    """At a quarter of the loop: points drifted by 5 px, and by 15 px back. Only how much contrast a copy may bring differs."""
    copies = copies_of(noise())
    forward, backward = (shown(copies, 0.25, side).view(SIZE) for side in (False, True))
    here, there = forward.roll(5, 1)[:, MIDDLE], backward.roll(-15, 1)[:, MIDDLE]
    assert (here - there).square().mean().sqrt() < 0.05 * here.std()


def test_the_loop_starts_and_ends_as_the_photo() -> None:
    for loop_t, backward in ((0.0, False), (1.0, True)):
        weights = phase.weights(loop_t, backward)
        assert np.allclose(weights, np.eye(2 * phase.REACH + 1)[phase.REACH], atol=1e-12)
    for loop_t in np.linspace(0, 1, 11):
        assert np.isclose(sum(phase.weights(loop_t, False)), 1.0)


def test_beyond_its_end_a_fluid_shows_its_mirror_image() -> None:
    exists = torch.zeros(SIZE, dtype=torch.bool)
    exists[:, 100:200] = True
    step_px = torch.tensor([LOOP_PX / FRAMES, 0.0]) * exists[..., None]
    beyond = Beyond.of(step_px, exists, bounds_of(exists, 0), FRAMES)
    start_px = torch.tensor([[150.5, 12.5], [192.5, 12.5], [104.5, 12.5]])
    ahead, behind = ([at_px[:, 0] for at_px, _ in beyond.copies(start_px, side)] for side in (True, False))
    torch.testing.assert_close(ahead[0], torch.tensor([170.5, 179.5, 124.5]), atol=2.0, rtol=0)
    torch.testing.assert_close(ahead[1], torch.tensor([190.5, 159.5, 144.5]), atol=2.0, rtol=0)
    torch.testing.assert_close(behind[0], torch.tensor([130.5, 172.5, 123.5]), atol=2.0, rtol=0)


def test_a_ragged_end_is_mirrored_as_a_whole() -> None:
    """The field's cells are coarser than the border: no point finds itself beside the fluid and shows its own picture."""
    exists = torch.zeros(SIZE, dtype=torch.bool)
    for row, ragged in enumerate(torch.randint(0, 4, (SIZE[0],), generator=torch.Generator().manual_seed(0)).tolist()):
        exists[row, 100 : 200 + ragged] = True
    copies = copies_of(noise(), exists)
    away = (copies.even[:, 0] - copies.even[phase.REACH, 0]).abs().amin(dim=1)
    for loops in (-1, 1):
        assert away[phase.REACH + loops] > 0


def test_a_pool_shorter_than_a_loop_has_no_echo_of_itself() -> None:
    """Its copies are its own mirror images."""
    exists = torch.zeros(SIZE, dtype=torch.bool)
    exists[:, 100:115] = True
    own = shown(copies_of(noise(), exists), 0.0)
    seen = shown(copies_of(noise(), exists), 0.5)
    assert torch.isfinite(seen).all()
    assert 0.5 * own.std() < seen.std() < 1.5 * own.std()


def test_what_cannot_be_taken_from_the_fluid_is_its_own_picture() -> None:
    """One column of fluid: a mirror on either side shows nothing of it."""
    exists = torch.zeros(SIZE, dtype=torch.bool)
    exists[:, 100] = True
    copies = copies_of(noise(), exists, loop_px=50.0)
    own = copies.even[phase.REACH]
    torch.testing.assert_close(copies.even[phase.REACH - 1], own)
    torch.testing.assert_close(copies.even[phase.REACH + 1], own)


def test_no_copy_brings_more_contrast_than_its_place_has() -> None:
    rgb = noise()
    calm = 0.5 + 0.05 * (rgb - 0.5)
    rgb[:, 200:] = calm[:, 200:]
    copies = copies_of(rgb, loop_px=60.0)
    lumas = [copies.spread * copies.even[phase.REACH + k, 0].expm1() for k in (-1, 0)]
    brought = lumas[0].view(SIZE)[:, 240:255]  # from 180 to 195, where it is rough
    taken = lumas[1].view(SIZE)[:, 180:195]
    assert brought.std() < 0.25 * taken.std()


def test_colours_follow_luma() -> None:
    """Crests of one colour: what is locked has their colour."""
    crests = noise()[..., :1] - 0.5
    tint = torch.tensor([1.5, 1.0, 0.5])
    copies = copies_of((0.5 + 0.5 * crests * tint).contiguous())
    middle = copies.tint.view(*SIZE, 3)[:, MIDDLE]
    torch.testing.assert_close(middle, tint.expand_as(middle), atol=0.02, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (33, 7)])
def test_odd_and_tiny_canvases(size: tuple[int, int]) -> None:
    copies = copies_of(torch.rand(*size, 3, generator=torch.Generator().manual_seed(0)))
    for backward in (False, True):
        assert torch.isfinite(shown(copies, 0.5, backward)).all()


def test_no_fluid_at_all() -> None:
    copies = copies_of(noise(), torch.zeros(SIZE, dtype=torch.bool))
    assert shown(copies, 0.5).shape == (0,)


def streaks() -> torch.Tensor:
    """Bright lines across the flow on black, at odd distances."""
    line = torch.full((SIZE[1],), 0.2)
    for x in (130, 141, 163, 170, 196, 215, 222, 247, 263):
        line[x : x + 3] = 0.8
    return line.expand(*SIZE)[..., None].repeat(1, 1, 3)


@pytest.mark.parametrize("loop_t", [0.3, 0.5, 0.7])
def test_nothing_is_darker_than_the_dark_between_streaks(loop_t: float) -> None:
    """A plain sum's negative terms would draw a dark line for a bright one."""
    copies = copies_of(streaks())
    own, seen = (shown(copies, t).view(SIZE)[12, MIDDLE] for t in (0.0, loop_t))
    assert seen.min() > own.min() - 0.05 * (own.max() - own.min())
    assert seen.max() < own.max() + 0.05 * (own.max() - own.min())


def test_the_even_measure_is_even() -> None:
    rgb = torch.exp(0.5 * (noise() - 0.5) / noise().std())
    detail, everywhere = rgb[..., :1] - rgb[..., :1].mean(), torch.ones(SIZE, dtype=torch.bool)
    even = Even.of(detail, everywhere, LocalMeans.of(everywhere, 60))
    lights, measure = (values[:, MIDDLE].flatten().numpy() for values in (detail, even.g))
    assert skew(lights) > 1.0
    assert abs(skew(measure)) < 0.3
    assert np.isclose(measure.std(), 1.0, atol=0.15)
