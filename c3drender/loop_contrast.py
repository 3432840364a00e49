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

import cv2
import numpy as np
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
    pictures = planes.cpu().numpy()

    def sums(picture: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(picture, cv2.CV_32F, (size, size), normalize=False, borderType=cv2.BORDER_CONSTANT)

    count = sums(np.ones(pictures.shape[1:3], np.float32))[..., None]
    means = [sums(picture).reshape(picture.shape) / count for picture in pictures]
    return torch.from_numpy(np.stack(means)).to(planes.device)


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


def backward_share(loop_t: float) -> float:
    """The backward side's share of the blend, 0 at 0 and 1 at 1: a side that is still near the photo is nearly alone."""
    return loop_t * loop_t * (3.0 - 2.0 * loop_t)


def fades(share: float) -> tuple[float, float]:
    """Factors of the phase, forward and backward, that let the fade to ``share`` (0 < s < 1) be early or late: with
    confidences times ``1 + fade * phase`` the shares become ``1 - a`` and ``a``, ``a = s + spread phase sin(pi s) / pi``,
    which is 0 at 0, 1 at 1 and rises with s."""
    shift = PHASE_SPREAD * math.sin(math.pi * share) / math.pi
    return -shift / (1.0 - share), shift / share
