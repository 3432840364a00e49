"""Loops with one set of crests: whole turns, no ghost, and both sides of the loop show the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from c3drender.render import phase

SIZE = (24, 400)
LOOP_PX = 20.0
MIDDLE = slice(120, 280)


def copies_of(rgb: torch.Tensor, exists: torch.Tensor | None = None, loop_px: float = LOOP_PX) -> phase.LoopCopies:
    """Of a picture whose fluid (all of it) drifts to the right by ``loop_px`` in a loop."""
    exists = torch.ones(rgb.shape[:2], dtype=torch.bool) if exists is None else exists
    y, x = exists.nonzero(as_tuple=True)
    start_px = torch.stack([x, y], dim=1) + 0.5
    rank = torch.where(exists.view(-1), exists.view(-1).cumsum(0) - 1, -1).view(exists.shape)
    own = rank[y, x]
    beside = []
    for dy, dx in ((0, 1), (1, 0)):
        there = torch.nn.functional.pad(rank, (0, 1, 0, 1), value=-1)[y + dy, x + dx]
        beside.append(torch.where(there >= 0, there, own).to(torch.int32))
    loop = torch.tensor([[loop_px, 0.0]]).expand(len(x), -1)
    return phase.copies_of(rgb, exists, start_px, (beside[0], beside[1]), (loop, -loop), rgb[exists])


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
    copies = copies_of(wave(turns))
    change = copies.mixed(loop_t)[0][0]
    shown = (copies.luma[phase.REACH, 0] + change).view(SIZE)[12, MIDDLE].numpy()
    x = np.arange(SIZE[1])[MIDDLE] + 0.5
    wanted = 0.2 * np.cos(2 * np.pi * (turns * x / LOOP_PX + (turns - round(turns)) * loop_t))
    assert np.corrcoef(shown, wanted)[0, 1] > 0.97
    assert np.isclose(shown.std(), wanted.std(), rtol=0.25)


@pytest.mark.parametrize("loop_t", [0.3, 0.5, 0.7])
def test_nothing_is_there_twice(loop_t: float) -> None:
    copies = copies_of(noise())
    own = copies.luma[phase.REACH, 0].view(SIZE)
    locked = own + copies.mixed(loop_t)[0][0].view(SIZE)
    faded = (1 - loop_t) * own + loop_t * own.roll(-int(LOOP_PX), dims=1)

    def echo(plane: torch.Tensor) -> float:
        x = plane[:, MIDDLE.start : MIDDLE.stop].numpy()
        far = plane[:, MIDDLE.start + int(LOOP_PX) : MIDDLE.stop + int(LOOP_PX)].numpy()
        return float(np.corrcoef(x.ravel(), far.ravel())[0, 1])

    assert abs(echo(locked) - echo(own)) < 0.1 < 0.3 < echo(faded) - echo(own)


def test_both_sides_show_the_same_where_they_meet() -> None:
    """At a quarter of the loop: points drifted by 5 px, and by 15 px back. Only how much contrast a copy may bring differs."""
    copies = copies_of(noise())
    own = copies.luma[phase.REACH, 0]
    forward, backward = ((own + change).view(SIZE) for change, _ in copies.mixed(0.25))
    here, there = forward.roll(5, 1)[:, MIDDLE], backward.roll(-15, 1)[:, MIDDLE]
    assert (here - there).square().mean().sqrt() < 0.05 * here.std()


def test_the_loop_starts_and_ends_as_the_photo() -> None:
    for loop_t, backward in ((0.0, False), (1.0, True)):
        weights = phase.weights(loop_t, backward)
        assert np.allclose(weights, np.eye(2 * phase.REACH + 1)[phase.REACH], atol=1e-12)
    for loop_t in np.linspace(0, 1, 11):
        assert np.isclose(sum(phase.weights(loop_t, False)), 1.0)


def test_what_a_loop_does_not_reach_is_its_own_picture() -> None:
    """A pool shorter than a loop's displacement: nothing can be locked, what is left is the cross-fade."""
    exists = torch.zeros(SIZE, dtype=torch.bool)
    exists[:, 100:115] = True
    copies = copies_of(noise(), exists)
    own = copies.luma[phase.REACH, 0]
    torch.testing.assert_close(copies.luma[phase.REACH - 1, 0], own)
    torch.testing.assert_close(copies.luma[phase.REACH + 1, 0], own)
    assert (copies.luma[[0, 1, -2, -1]] == 0).all()


def test_no_copy_brings_more_contrast_than_its_place_has() -> None:
    rgb = noise()
    calm = 0.5 + 0.05 * (rgb - 0.5)
    rgb[:, 200:] = calm[:, 200:]
    copies = copies_of(rgb, loop_px=60.0)
    brought = copies.luma[phase.REACH - 1, 0].view(SIZE)[:, 240:255]  # from 180 to 195, where it is rough
    taken = copies.luma[phase.REACH, 0].view(SIZE)[:, 180:195]
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
    assert all(torch.isfinite(values).all() for values in (copies.luma, copies.tint, *copies.mixed(0.5)[1]))


def test_no_fluid_at_all() -> None:
    copies = copies_of(noise(), torch.zeros(SIZE, dtype=torch.bool))
    assert copies.luma.shape == (2 * phase.REACH + 1, 2, 0)


def test_lone_streaks_are_faded_not_locked() -> None:
    """One bright line on black: beside it the sum's negative terms would be dark lines."""
    rgb = torch.full((*SIZE, 3), 0.2)
    rgb[:, 200:203] = 0.8
    copies = copies_of(rgb)
    y, x = 12, slice(190, 213)
    own, ahead = (copies.luma[phase.REACH + k, 0].view(SIZE)[y, x] for k in (0, 1))
    torch.testing.assert_close(ahead, own)
