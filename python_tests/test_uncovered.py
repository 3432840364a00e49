"""fill_uncovered against a float64 reference, against the same in torch, bit by bit, and what must hold without them."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import torch
from torch.nn import functional
from twin_cases import random_uncovered

from c3drender import ops
from c3drender.data import Frame


def random_frame(height: int, width: int, share: float) -> Frame:
    rgb, uncovered = random_uncovered(np.random.default_rng(height), (height, width), share).args
    return Frame(torch.from_numpy(rgb), torch.from_numpy(uncovered))


def in_torch(frame: Frame) -> torch.Tensor:
    """Means of ever wider neighbourhoods of what is covered."""
    weight = (~frame.uncovered)[None, None].float()
    value = frame.rgb_u8.permute(2, 0, 1)[None] * weight
    while not bool((weight > 0).all()):
        wide_value, wide_weight = functional.avg_pool2d(value, 3, 1, 1), functional.avg_pool2d(weight, 3, 1, 1)
        known = weight > 0
        value = torch.where(known, value, wide_value / wide_weight.clamp_min(1e-12))
        weight = (known | (wide_weight > 0)).float()
    return (value[0].permute(1, 2, 0) + 0.5).to(torch.uint8)


@pytest.mark.parametrize(
    ("height", "width", "share"), [(40, 61, 0.02), (33, 17, 0.4), (64, 90, 0.9), (1, 30, 0.5), (50, 2, 0.1)]
)
def test_what_is_covered_goes_on(height: int, width: int, share: float) -> None:
    frame = random_frame(height, width, share)
    assert 0 < int(frame.uncovered.sum()) < frame.uncovered.numel()
    before = frame.rgb_u8.clone()
    filled = ops.fill_uncovered(frame)
    assert torch.equal(frame.rgb_u8, before) and filled.uncovered is frame.uncovered
    assert torch.equal(filled.rgb_u8[~frame.uncovered], before[~frame.uncovered])
    assert torch.equal(filled.rgb_u8, in_torch(frame))
    want = reference.fill_uncovered(frame.rgb_u8, frame.uncovered)
    assert np.abs(filled.rgb_u8.numpy() - want).max() <= 0.5 + 1e-3


def test_where_all_or_nothing_is_covered_nothing_changes() -> None:
    frame = random_frame(12, 20, 0.5)
    for uncovered in (torch.zeros(12, 20, dtype=torch.bool), torch.ones(12, 20, dtype=torch.bool)):
        assert torch.equal(ops.fill_uncovered(Frame(frame.rgb_u8, uncovered)).rgb_u8, frame.rgb_u8)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (1, 1)])
def test_empty_and_single(size: tuple[int, int]) -> None:
    frame = Frame(torch.zeros(*size, 3, dtype=torch.uint8), torch.ones(size, dtype=torch.bool))
    assert ops.fill_uncovered(frame).rgb_u8.shape == (*size, 3)


def test_bad_input() -> None:
    rgb, uncovered = torch.zeros(4, 5, 3, dtype=torch.uint8), torch.zeros(4, 5, dtype=torch.bool)
    for frame, error, argument in (
        (Frame(rgb.float(), uncovered), TypeError, "rgb must be uint8"),
        (Frame(rgb[..., :2], uncovered), ValueError, r"rgb must be \[H, W, 3\]"),
        (Frame(rgb, uncovered[1:]), ValueError, r"uncovered must be \[4, 5\]"),
        (Frame(rgb, uncovered.byte()), TypeError, "uncovered must be bool"),
        (rgb, TypeError, "frame must be a Frame"),
    ):
        with pytest.raises(error, match=f"^fill_uncovered: {argument}"):
            ops.fill_uncovered(frame)  # type: ignore[arg-type]
