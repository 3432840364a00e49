"""The formulas that keep a fluid's contrast: what a displaced texture loses is given back, and nothing else changes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import torch

from c3drender import ops
from c3drender.data import Camera, Raster
from c3drender.pixels.boxes import bounds_of
from c3drender.pixels.windows import box_means
from c3drender.render import contrast as lc

SIZE = 96
CAMERA = Camera(SIZE, SIZE, SIZE / 2, SIZE / 2, SIZE, SIZE)
INNER = np.s_[8:-8, 8:-8]
EVERYWHERE = torch.ones(SIZE, SIZE, dtype=torch.bool)


def texture(seed: int = 1) -> torch.Tensor:
    noise = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.avg_pool2d(noise, 3, 1, 1, count_include_pad=False)
    return smooth[0].permute(1, 2, 0).contiguous()


def splatted(colour: torch.Tensor, offset_px: tuple[float, float]) -> torch.Tensor:
    """Points of ``colour [H*W, 3]`` on the grid, displaced, as the surface compositor shows them."""
    y, x = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")
    u, v = x.flatten() + offset_px[0] - SIZE / 2, y.flatten() + offset_px[1] - SIZE / 2
    xyz = torch.stack([u / SIZE, v / SIZE, torch.ones_like(u)], dim=1)
    return ops.splat_points(xyz, colour, 1.5 / SIZE, CAMERA).feat


def details_of(rgb: torch.Tensor, fluid: torch.Tensor) -> lc.PointDetails:
    return lc.point_details(rgb[fluid], fluid.view(-1).nonzero()[:, 0], bounds_of(fluid, 0), (SIZE, SIZE))


def energy(rgb: torch.Tensor) -> float:
    luma = rgb.mean(dim=-1)
    return float((luma - box_means(box_means(luma[..., None], 5), 5)[..., 0])[INNER].square().mean())


@pytest.mark.parametrize("offset_px", [(0.5, 0.0), (0.0, 0.5), (0.5, 0.5), (3.3, -1.6)])
def test_fine_detail_makes_up_for_the_grid(offset_px: tuple[float, float]) -> None:
    rgb = texture()
    details = details_of(rgb, EVERYWHERE)
    share = torch.from_numpy(reference.fine_share([offset_px])).float()
    plain = rgb.reshape(-1, 3)
    sharpened = plain + (share[:, :, None] * details.fine).sum(dim=1)
    photo, blurred, kept = energy(rgb), energy(splatted(plain, offset_px)), energy(splatted(sharpened, offset_px))
    lost, left = (1 - math.sqrt(value / photo) for value in (blurred, kept))
    assert lost > 0.1 and -0.03 < left < 0.6 * lost


def test_details_do_not_see_across_the_border_of_the_fluid() -> None:
    rgb = torch.zeros(SIZE, SIZE, 3)
    fluid = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    fluid[:, : SIZE // 2] = True
    rgb[~fluid] = 1.0
    details = details_of(rgb, fluid)
    assert details.fine.abs().max() < 1e-6 and details.broad.abs().max() < 1e-6
    assert len(details.fine) == int(fluid.sum())


def sampled(gains: lc.ContrastGains, loop_t: float, xy_px: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(reference.bilinear(gains.at(loop_t)[..., None], xy_px / gains.spacing_px + 0.5)).float()


def cross_fade(rgb: torch.Tensor, other: torch.Tensor, loop_t: float, gains: lc.ContrastGains | None) -> torch.Tensor:
    """Two unlike pictures, their broad details raised by the gains, faded into each other."""
    y, x = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")
    xy_px = torch.stack([x, y], dim=-1).reshape(-1, 2)
    sides = []
    for picture in (rgb, other):
        gain = 1.0 if gains is None else sampled(gains, loop_t, xy_px)
        raised = picture.reshape(-1, 3) + (gain - 1.0) * details_of(picture, EVERYWHERE).broad
        sides.append(Raster(raised.reshape(SIZE, SIZE, 3), torch.ones(SIZE, SIZE), torch.ones(SIZE, SIZE)))
    return ops.blend_bidirectional(*sides, loop_t).feat


def test_gains_keep_the_energy_of_a_cross_fade() -> None:
    rgb, other = texture(1), texture(2)
    gains = lc.measure_gains(lambda t, g: cross_fade(rgb, other, t, g), rgb, EVERYWHERE, bounds_of(EVERYWHERE, 0), 60)
    assert (gains.gain[[0, -1]] == 1).all() and 1.3 < float(gains.at(0.5).mean()) < 1.5
    for n in (6, 15, 30, 42):
        plain, kept = (energy(cross_fade(rgb, other, n / 60, g)) / energy(rgb) for g in (None, gains))
        assert plain < 0.85 and 0.93 < math.sqrt(kept) < 1.04


def test_what_loses_nothing_gains_nothing() -> None:
    rgb = texture()
    gains = lc.measure_gains(lambda t, g: rgb, rgb, EVERYWHERE, bounds_of(EVERYWHERE, 0), 24)
    torch.testing.assert_close(gains.gain, torch.ones_like(gains.gain))


def test_the_fade_is_early_here_and_late_there_but_always_whole() -> None:
    phase = torch.tensor([-1.0, 0.0, 1.0])
    middle = torch.tensor([lc.backward_share(n / 60) for n in range(1, 60)])
    assert (middle.diff() > 0).all() and lc.backward_share(0.0) == 0 and lc.backward_share(1.0) == 1
    torch.testing.assert_close(middle + middle.flip(0), torch.ones(59))
    shares = []
    for s in middle.tolist():
        forward, backward = (1 + fade * phase for fade in lc.fades(s))
        share = s * backward
        torch.testing.assert_close((1 - s) * forward, 1 - share)
        shares.append(share)
    rising = torch.stack(shares)
    assert (rising.diff(dim=0) > 0).all() and rising.min() > 0 and rising.max() < 1
    torch.testing.assert_close(rising[:, 1], middle)
    assert rising[29, 2] - rising[29, 0] > 0.5
    field = lc.phase_of(torch.rand(4000, 2) * torch.tensor([1280.0, 720.0]), 1280)
    assert field.min() < -0.5 and field.max() > 0.5 and field.abs().max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (33, 7)])
def test_odd_and_tiny_canvases(size: tuple[int, int]) -> None:
    rgb = torch.rand(*size, 3, generator=torch.Generator().manual_seed(0))
    gains = lc.measure_gains(lambda t, g: 0.5 * rgb, rgb, torch.ones(size, dtype=torch.bool), (0, 0, size[1], size[0]), 3)
    assert torch.isfinite(gains.gain).all()
