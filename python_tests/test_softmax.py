"""`splat_softmax`: against sums over all pixels in float64, and what softmax splatting is for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from c3drender import ops


def random_warp(seed: int, height: int, width: int, channels: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    shapes = ((height, width, channels), (height, width, 2), (height, width))
    return tuple(torch.from_numpy(2 * rng.normal(size=shape)).float() for shape in shapes)


def warped_by_sums(feat: Tensor, flow_px: Tensor, importance: Tensor, radius_px: float = 1.5) -> Tensor:
    height, width, channels = feat.shape
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    centres = torch.stack([u, v], dim=-1).double()
    arrives = (centres + flow_px.double()).reshape(-1, 2)
    q = torch.cdist(centres.reshape(-1, 2), arrives) ** 2 / radius_px**2
    weight = torch.where(q < 1, (1 - q).clamp_min(0) ** 6, 0) * torch.exp(importance.double()).reshape(1, -1)
    total = weight.sum(1, keepdim=True)
    out = weight @ feat.double().reshape(-1, channels) / torch.where(total > 0, total, 1)
    return out.reshape(feat.shape)


@pytest.mark.parametrize("size", [(1, 1), (9, 14), (17, 5)])
def test_softmax_equals_its_formula(size: tuple[int, int]) -> None:
    feat, flow_px, importance = random_warp(1, *size)
    got, alpha = ops.splat_softmax(feat, flow_px, importance, max_points=64)
    want = warped_by_sums(feat, flow_px, importance)
    # where only a disc's rim reaches, (1 - q)^6 has no digits left
    covered = alpha > 0.02
    assert torch.allclose(got[covered], want[covered].float(), rtol=0, atol=2e-3)
    assert not got[alpha == 0].any()


def test_the_average_without_importance() -> None:
    feat, flow_px, importance = random_warp(2, 9, 14)
    for got, want in zip(
        ops.splat_softmax(feat, flow_px), ops.splat_softmax(feat, flow_px, torch.full_like(importance, 7.0)), strict=True
    ):
        assert torch.equal(got, want)


def test_the_important_pixel_wins() -> None:
    feat, flow_px = torch.zeros(8, 8, 1), torch.zeros(8, 8, 2)
    feat[3, 2], flow_px[3, 2, 0] = 1.0, 3.0  # onto (3, 5)
    for importance, want in ((30.0, 1.0), (-30.0, 0.0)):
        weights = torch.zeros(8, 8)
        weights[3, 2] = importance
        assert float(ops.splat_softmax(feat, flow_px, weights)[0][3, 5, 0]) == pytest.approx(want, abs=1e-6)


def test_the_most_important_of_a_crowd_are_kept() -> None:
    """A hundred pixels arrive at one; more than a pixel keeps."""
    feat, importance = torch.rand(10, 10, 1), torch.zeros(10, 10)
    v, u = torch.meshgrid(torch.arange(10.0), torch.arange(10.0), indexing="ij")
    flow_px = torch.stack([5 - u, 5 - v], dim=-1)
    importance[7, 1], feat[7, 1] = 40.0, 3.0
    assert float(ops.splat_softmax(feat, flow_px, importance, max_points=1)[0][5, 5, 0]) == pytest.approx(3.0)


def test_extremes_of_importance_are_finite() -> None:
    feat, flow_px, importance = random_warp(3, 9, 14)
    got, alpha = ops.splat_softmax(feat, flow_px, 1e30 * importance)
    assert got.isfinite().all() and alpha.isfinite().all()


def test_gradients_equal_autograd() -> None:
    inputs = random_warp(4, 7, 9)
    leaves = [t.clone().requires_grad_() for t in inputs]
    exact = [t.double().requires_grad_() for t in inputs]
    got, alpha = ops.splat_softmax(*leaves, max_points=64)
    covered = (alpha > 0.3)[..., None].detach()
    weights = torch.randn(got.shape, generator=torch.Generator().manual_seed(4)) * covered
    ours = torch.autograd.grad((got * weights).sum(), leaves)
    theirs = torch.autograd.grad((warped_by_sums(*exact) * weights).sum(), exact)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine - other).abs().max() <= 1e-3 * other.abs().max()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feat": torch.zeros(4, 5)}, r"feat must be \[H, W, C\], got \[4, 5\]"),
        ({"flow_px": torch.zeros(4, 5)}, r"flow_px must be \[4, 5, 2\] \(from feat\), got \[4, 5\]"),
        ({"importance": torch.zeros(5, 4)}, r"importance must be \[4, 5\] \(from feat\), got \[5, 4\]"),
        ({"feat": torch.zeros(4, 5, 3, dtype=torch.float64)}, "feat must be float32, got float64"),
        ({"radius_px": "1"}, "radius_px must be a number, got str"),
    ],
)
def test_bad_input(change: dict, message: str) -> None:
    good = {"feat": torch.zeros(4, 5, 3), "flow_px": torch.zeros(4, 5, 2), "importance": torch.zeros(4, 5)}
    with pytest.raises((TypeError, ValueError), match=f"^splat_softmax: {message}"):
        ops.splat_softmax(**(good | change))


def test_an_empty_image() -> None:
    with pytest.raises(ValueError, match="Camera: width and height must be"):
        ops.splat_softmax(torch.zeros(0, 5, 3), torch.zeros(0, 5, 2))
