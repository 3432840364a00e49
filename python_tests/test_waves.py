"""Waves are told from shapes, and shapes are neither summed nor raised."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from c3drender.pixels.boxes import bounds_of
from c3drender.pixels.windows import LocalMeans
from c3drender.render import contrast, phase
from c3drender.render.beyond import Beyond
from c3drender.render.waves import BAND_PX, band_px, waves_in

SIZE = (160, 320)
EVERYWHERE = torch.ones(SIZE, dtype=torch.bool)
FRAMES = 16
LOOP_PX = 16.0


def blurred(width_px: int, seed: int = 0) -> torch.Tensor:
    """Noise under twice a box, 0.5 on the mean, deviation 0.1, ``[H, W, 1]``."""
    plane = torch.rand(1, 1, *SIZE, generator=torch.Generator().manual_seed(seed))
    for _ in range(2):
        plane = functional.avg_pool2d(plane, width_px, 1, width_px // 2, count_include_pad=False)
    return (0.5 + 0.1 * (plane - plane.mean()) / plane.std())[0, 0, ..., None]


def cloud() -> torch.Tensor:
    """A bright disc with a sharp edge before the dark, ``[H, W, 3]``."""
    y, x = torch.meshgrid(torch.arange(SIZE[0]) - 80.0, torch.arange(SIZE[1]) - 160.0, indexing="ij")
    return torch.where((x.square() + y.square()).sqrt() < 50, 0.8, 0.3)[..., None].repeat(1, 1, 3)


def waves_of(luma: torch.Tensor) -> torch.Tensor:
    return waves_in(luma, EVERYWHERE, LocalMeans.of(EVERYWHERE, band_px(EVERYWHERE)))


def test_fine_noise_is_waves_and_broad_noise_is_shapes() -> None:
    assert float(waves_of(blurred(3)).mean()) > 0.95
    assert float(waves_of(blurred(21)).mean()) < 0.05


def test_nothing_at_all_has_no_waves() -> None:
    assert not waves_of(torch.full((*SIZE, 1), 0.5)).any()


def test_surroundings_are_never_narrower_than_detail() -> None:
    assert band_px(EVERYWHERE) == 23 and band_px(torch.ones(20, 30)) == BAND_PX


@pytest.mark.parametrize("loop_t", [0.3, 0.5, 0.7])
def test_a_cloud_has_no_dark_rim(loop_t: float) -> None:
    """Copies that are taken away beside a bright thing would be darker than the dark around it."""
    rgb, step_px = cloud(), torch.tensor([LOOP_PX / FRAMES, 0.0]).expand(*SIZE, 2)
    y, x = EVERYWHERE.nonzero(as_tuple=True)
    start_px = torch.stack([x, y], dim=1) + 0.5
    copies = phase.copies_of(
        rgb, EVERYWHERE, start_px, Beyond.of(step_px, EVERYWHERE, bounds_of(EVERYWHERE, 0), FRAMES), rgb[EVERYWHERE]
    )
    weights = copies.at(loop_t, False).weight
    even = sum(weight * copy for weight, copy in zip(weights, copies.even[:, 0], strict=True))
    detail = copies.spread * torch.minimum(torch.maximum(even, copies.least), copies.most).expm1()
    seen = (copies.colour + detail[:, None] * copies.tint).view(*SIZE, 3)
    assert float((seen - rgb).abs().max()) < 0.02


def test_what_loses_its_outlines_gets_half_back() -> None:
    """A cross-fade of two unlike pictures halves the energy of both."""
    gains = []
    for width_px in (3, 21):
        rgb, other = (blurred(width_px, seed).expand(*SIZE, 3) for seed in (1, 2))
        faded = 0.5 * (rgb + other)
        measured = contrast.measure_gains(lambda t, g, faded=faded: faded, rgb, EVERYWHERE, bounds_of(EVERYWHERE, 0), 24)
        gains.append(float(measured.at(0.5).mean()))
    assert gains[0] > 1.3 and 0.4 < (gains[1] - 1) / (gains[0] - 1) < 0.6
