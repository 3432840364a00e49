"""Fluids that keep their contrast over the loop: what displaced points must be given so that no pulse is seen.

A cross-fade of two displaced copies of a picture loses contrast, most in mid-loop; so do points between the pixels of the grid
and the fade at a fluid's border. Each loss is undone in the points' own colours, before they are splatted: the finest detail
by where a point lies between the pixels, all detail by a gain that was measured once per scene, for a few moments of the loop
and windows of the picture. In the blend the copies' surplus and its loss cancel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

BAND_PX = 9  # twice a box of this width: what is finer than that is detail
MEASURED_PX = 5  # the same for what is measured: the eye and the splat's loss are in the finer half of the detail
WINDOW_SHARE = 1 / 25  # of the canvas' longer side ...
LEAST_WINDOW_PX = 24  # ... but large against its detail
MOMENTS = (0.03, 0.12, 0.26, 0.4, 0.5, 0.6, 0.74, 0.88, 0.97)
PASSES = 2
EXPONENTS = (0.5, 1.0)  # range of that by which a gain follows the energy asked: 0.5 for detail that the gain scales alone
MIN_GAIN, MAX_GAIN = 0.7, 2.5
LEAST_ENERGY = 1e-7  # mean square of luma: below a twelfth of a grey level there is nothing to keep
PHASE_SPREAD = 0.9  # below 1: the fade never runs backward
PHASE_WAVES = ((1.7, 0.6, 1.0), (-0.8, 1.9, 2.0))  # periods along x and y over the canvas' longer side, and start in radians


@dataclass(frozen=True)
class Details:
    """Of each fluid point the detail of the picture around it, float32: ``fine [M, 2, 3]`` against its neighbours along x and
    along y, ``broad [M, 3]`` against the mean of its surroundings. Neighbours that are no fluid do not count."""

    fine: Tensor
    broad: Tensor


def point_details(rgb: Tensor, fluid: Tensor) -> Details:
    """The details of the points ``fluid`` bool ``[L, H, W]`` of layers ``rgb`` float32 ``[L, H, W, 3]``."""
    weight = fluid[..., None].to(rgb.dtype)

    def detail(mean_of: Callable[[Tensor], Tensor]) -> Tensor:
        return (rgb - mean_of(rgb * weight) / mean_of(weight).clamp_min(1e-4))[fluid]

    fine = [detail(lambda planes, dim=dim: _binomial(planes, dim)) for dim in (2, 1)]
    return Details(torch.stack(fine, dim=1), detail(lambda planes: _box(_box(planes, BAND_PX), BAND_PX)))


def _binomial(planes: Tensor, dim: int) -> Tensor:
    """``planes`` under the kernel 1 2 1 along ``dim``; the border repeats."""
    size = planes.shape[dim]
    first, last = planes.narrow(dim, 0, 1), planes.narrow(dim, size - 1, 1)
    before = torch.cat([first, planes.narrow(dim, 0, size - 1)], dim)
    after = torch.cat([planes.narrow(dim, 1, size - 1), last], dim)
    return 0.25 * (before + after) + 0.5 * planes


def _box(planes: Tensor, size: int) -> Tensor:
    """Means of ``[L, H, W, C]`` over ``size x size`` pixels; beyond the border nothing counts."""
    means = functional.avg_pool2d(planes.permute(0, 3, 1, 2), size, 1, size // 2, count_include_pad=False)
    return means.permute(0, 2, 3, 1)


def fine_share(offset_px: Tensor) -> Tensor:
    """How much of its fine detail along x and y a point displaced by ``offset_px [M, 2]`` must gain, ``[M, 2]``.

    Between two pixels, at ``f``, the splat takes from both. The variance of what it then takes, beyond its own on the grid,
    is ``0.2 sin^2(pi f)`` px^2 (of the kernel ``(1-q)^6``, r = 1.5 px), nearly ``3.2 (f (1-f))^2``; half of it times the
    second derivative is lost, of which the binomial detail is a quarter. Higher orders are lost too: 8 for 6.4.
    """
    part = offset_px - offset_px.floor()
    return (part * (1.0 - part)).square() * 8.0


@dataclass(frozen=True)
class ContrastGains:
    """Gains of the broad detail, ``gain`` float32 ``[T, h, w]``, at ``moments`` of the loop (0 first, 1 last). Window
    ``(i, j)`` is centred at the canvas' ``((j, i) * spacing_px)``."""

    moments: tuple[float, ...]
    gain: Tensor
    spacing_px: int

    def at(self, loop_t: float) -> Tensor:
        """``[h, w]`` at this moment, 0..1."""
        after = next(k for k, moment in enumerate(self.moments) if moment >= loop_t and k > 0)
        start, end = self.moments[after - 1], self.moments[after]
        return torch.lerp(self.gain[after - 1], self.gain[after], (loop_t - start) / (end - start))


def sample_gain(gain: Tensor, spacing_px: int, xy_px: Tensor) -> Tensor:
    """``gain [h, w]`` of one moment at canvas positions ``xy_px [M, 2]``, bilinear between windows' centres: ``[M, 1]``."""
    height, width = gain.shape
    last = xy_px.new_tensor([max(width - 1, 1), max(height - 1, 1)]) * spacing_px
    grid = (xy_px / last * 2.0 - 1.0)[None, None]
    return functional.grid_sample(gain[None, None], grid, align_corners=True, padding_mode="border")[0, 0, 0, :, None]


def measure_gains(
    blended: Callable[[float, ContrastGains | None], Tensor], resting: Tensor, fluid: Tensor, num_frames: int
) -> ContrastGains:
    """The gains that keep the local contrast of the fluid what it is at rest, at every place and moment.

    ``blended(loop_t, gains)``: the fluid's blended picture ``[H, W, 3]`` on the canvas at a moment that is a frame's, with the
    points' details raised by ``gains`` (None: not at all); ``resting [H, W, 3]``: its picture at rest, splatted too; ``fluid``
    bool ``[H, W]``.
    """
    height, width = fluid.shape
    window = max(2 * round(WINDOW_SHARE * max(height, width) / 2), LEAST_WINDOW_PX)
    window = min(window, 2 * max(min(height, width) // 2, 1))
    wanted = _window_energy(resting, fluid, window)
    frames = sorted({round(moment * num_frames) for moment in MOMENTS} - {0, num_frames})
    moments = (0.0, *(n / num_frames for n in frames), 1.0)
    one = torch.ones_like(wanted)
    plain = [wanted / _window_energy(blended(moment, None), fluid, window) for moment in moments[1:-1]]
    table = [ratio.sqrt().clamp(MIN_GAIN, MAX_GAIN) for ratio in plain]
    for _ in range(PASSES - 1):
        gains = ContrastGains(moments, torch.stack([one, *table, one]), window // 2)
        for k, moment in enumerate(moments[1:-1]):
            ratio = wanted / _window_energy(blended(moment, gains), fluid, window)
            # What the gain has bought so far, in logarithms, tells the exponent (a secant).
            bought = (plain[k] / ratio).log() / table[k].log()
            exponent = (1.0 / bought).nan_to_num(nan=EXPONENTS[0]).clamp(*EXPONENTS)
            table[k] = (table[k] * ratio**exponent).clamp(MIN_GAIN, MAX_GAIN)
    return ContrastGains(moments, torch.stack([one, *table, one]), window // 2)


def _window_energy(rgb: Tensor, fluid: Tensor, window: int) -> Tensor:
    """Mean square of the luma's detail over half-overlapping windows of the fluid."""
    weight = fluid[None, :, :, None].to(rgb.dtype)
    luma = rgb.mean(dim=-1)[None, :, :, None]
    mean = _box(_box(luma * weight, MEASURED_PX), MEASURED_PX) / _box(_box(weight, MEASURED_PX), MEASURED_PX).clamp_min(1e-4)
    energy = ((luma - mean) * weight).square()[..., 0]
    pooled = functional.avg_pool2d(energy, window, window // 2, window // 2, count_include_pad=False)[0]
    return pooled.clamp_min(LEAST_ENERGY)


def phase_of(xy_px: Tensor, longer_side_px: int) -> Tensor:
    """A smooth field over the canvas, -1..1, ``[M]``: where the cross-fade runs early and where late."""
    x, y = (xy_px / longer_side_px).unbind(1)
    waves = [torch.sin(2 * math.pi * (along * x + down * y) + start) for along, down, start in PHASE_WAVES]
    return sum(waves) / len(waves)


def fade_shares(loop_t: float, phase: Tensor) -> tuple[Tensor, Tensor]:
    """Factors ``[M]`` of the points' confidence, forward and backward, that let the fade of ``loop_t`` (0 < t < 1) be early or
    late: the shares become ``1 - a`` and ``a``, ``a = t + spread phase sin(pi t) / pi``, which is 0 at 0, 1 at 1 and rises."""
    shifted = loop_t + PHASE_SPREAD * phase * (math.sin(math.pi * loop_t) / math.pi)
    return (1.0 - shifted) / (1.0 - loop_t), shifted / loop_t
