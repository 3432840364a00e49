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

from ..pixels.exact import lerp
from ..pixels.fits import smooth_step

BAND_PX = 9  # twice a box of this width: what is finer than that is detail
MEASURED_PX = 5  # the same for what is measured: the eye and the splat's loss are in the finer half of the detail
WINDOW_SHARE = 1 / 25  # of the canvas' longer side ...
LEAST_WINDOW_PX = 24  # ... but large against its detail
MOMENTS = (0.017, 0.12, 0.24, 0.35, 0.43, 0.5, 0.57, 0.65, 0.76, 0.88, 0.983)
PASSES = 2
EXPONENTS = (0.5, 1.0)  # range of that by which a gain follows the energy asked: 0.5 for detail that the gain scales alone
MIN_GAIN, MAX_GAIN = 0.7, 2.5
LEAST_ENERGY = 1e-7  # mean square of luma: below a twelfth of a grey level there is nothing to keep
PHASE_SPREAD = 0.9  # below 1: the fade never runs backward
PHASE_WAVES = ((1.7, 0.6, 1.0), (-0.8, 1.9, 2.0))  # periods along x and y over the canvas' longer side, and start in radians


@dataclass(frozen=True, eq=False)
class PointDetails:
    """Of each fluid point the detail of the picture around it, float32: ``fine [M, 2, 3]`` against its neighbours along x and
    along y, ``broad [M, 3]`` against the mean of its surroundings. Neighbours that are no fluid do not count."""

    fine: Tensor
    broad: Tensor


def point_details(rgb: Tensor, fluid: Tensor) -> PointDetails:
    """The details of the pixels ``fluid`` bool ``[H, W]`` of one layer, ``rgb`` float32 ``[H, W, 3]``."""
    x0, y0, x1, y1 = bounds_of(fluid, 2 * BAND_PX)
    rgb, fluid = rgb[y0:y1, x0:x1], fluid[y0:y1, x0:x1]
    weight = fluid[..., None].to(rgb.dtype)
    means = [_binomial(rgb * weight, dim) / _binomial(weight, dim).clamp_min(1e-4) for dim in (1, 0)]
    fine = torch.stack([(rgb - mean)[fluid] for mean in means], dim=1)
    return PointDetails(fine, (rgb - LocalMeans.of(fluid, BAND_PX)(rgb))[fluid])


@dataclass(frozen=True, eq=False)
class LocalMeans:
    """Means under twice a box of ``width_px``: of what has ``weight [H, W, 1]``, whose own mean is ``share``."""

    weight: Tensor
    share: Tensor
    width_px: int

    @classmethod
    def of(cls, where: Tensor, width_px: int) -> LocalMeans:
        """Of what is True in ``where [H, W]``."""
        weight = where[..., None].to(torch.float32)
        return cls(weight, _box(_box(weight, width_px), width_px).clamp_min(1e-4), width_px)

    def __call__(self, plane: Tensor) -> Tensor:
        """Of ``plane [H, W, C]``."""
        return _box(_box(plane * self.weight, self.width_px), self.width_px) / self.share


def bounds_of(where: Tensor, margin_px: int) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 around what is True in ``where [H, W]``, with a margin as far as there are pixels; nothing: one pixel."""
    ends = []
    for dim in (0, 1):
        (places,) = where.any(dim=dim).nonzero(as_tuple=True)
        first, last = (int(places[0]), int(places[-1])) if len(places) > 0 else (0, 0)
        ends.append((max(first - margin_px, 0), min(last + 1 + margin_px, where.shape[1 - dim])))
    (x0, x1), (y0, y1) = ends
    return x0, y0, x1, y1


def _binomial(plane: Tensor, dim: int) -> Tensor:
    """``plane`` under the kernel 1 2 1 along ``dim``; the border repeats."""
    size = plane.shape[dim]
    first, last = plane.narrow(dim, 0, 1), plane.narrow(dim, size - 1, 1)
    before = torch.cat([first, plane.narrow(dim, 0, size - 1)], dim)
    after = torch.cat([plane.narrow(dim, 1, size - 1), last], dim)
    return 0.25 * (before + after) + 0.5 * plane


def _box(plane: Tensor, size: int) -> Tensor:
    """Means of ``[H, W, C]`` over ``size x size`` pixels; beyond the border nothing counts."""

    def sums(picture: np.ndarray, along: int, down: int) -> np.ndarray:
        return cv2.boxFilter(picture, cv2.CV_32F, (along, down), normalize=False, borderType=cv2.BORDER_CONSTANT)

    height, width = plane.shape[:2]
    count = sums(np.ones((height, 1), np.float32), 1, size) * sums(np.ones((1, width), np.float32), size, 1)
    means = sums(plane.cpu().numpy(), size, size).reshape(plane.shape)
    means /= count[..., None]
    return torch.from_numpy(means).to(plane.device)


@dataclass(frozen=True, eq=False)
class ContrastGains:
    """Gains of the broad detail, ``gain`` float32 ``[T, h, w]``, at ``moments`` of the loop (0 first, 1 last). Window
    ``(i, j)`` is centred at the canvas' ``((j, i) * spacing_px)``."""

    moments: tuple[float, ...]
    gain: Tensor
    spacing_px: int

    def at(self, loop_t: float) -> Tensor:
        """``[h, w]`` at this moment, 0..1."""
        row, share = self.between(loop_t)
        return lerp(self.gain[row], self.gain[row + 1], share)

    def between(self, loop_t: float) -> tuple[int, float]:
        """The moment before this one, or at it, and how far it is to the next, 0..1."""
        after = next(k for k, moment in enumerate(self.moments) if moment >= loop_t and k > 0)
        start, end = self.moments[after - 1], self.moments[after]
        return after - 1, (loop_t - start) / (end - start)


def measured_box(fluid: Tensor) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the part of the canvas, ``fluid`` bool ``[H, W]``, that `measure_gains` needs to see."""
    spacing = _window_px(fluid) // 2
    x0, y0, x1, y1 = bounds_of(fluid, MEASURED_PX)
    return x0 // spacing * spacing, y0 // spacing * spacing, x1, y1


def measure_gains(
    blended: Callable[[float, ContrastGains | None], Tensor], resting: Tensor, fluid: Tensor, num_frames: int
) -> ContrastGains:
    """The gains that keep the local contrast of the fluid what it is at rest, at every place and moment.

    ``blended(loop_t, gains)``: the fluid's blended picture ``[h, w, 3]`` in the `measured_box` of the canvas at a moment that
    is a frame's, with the points' details raised by ``gains`` (None: not at all); ``resting [h, w, 3]``: its picture at rest,
    splatted too; ``fluid`` bool ``[H, W]``, of the whole canvas.
    """
    window = _window_px(fluid)
    spacing = window // 2
    x0, y0, x1, y1 = measured_box(fluid)
    weight = fluid[y0:y1, x0:x1, None].to(resting.dtype)
    weight_mean = _box(_box(weight, MEASURED_PX), MEASURED_PX).clamp_min(1e-4)

    def energy(rgb: Tensor) -> np.ndarray:
        """Mean square of the luma's detail over half-overlapping windows of the fluid."""
        luma = (rgb[..., :1] + rgb[..., 1:2] + rgb[..., 2:]) / 3.0  # of so few a sum is faster than `mean`
        mean = _box(_box(luma * weight, MEASURED_PX), MEASURED_PX) / weight_mean
        square = ((luma - mean) * weight).square()[..., 0]
        pooled = functional.avg_pool2d(square[None], window, spacing, spacing, count_include_pad=False)[0]
        return pooled.clamp_min(LEAST_ENERGY).double().cpu().numpy()

    wanted = energy(resting)
    frames = sorted({round(moment * num_frames) for moment in MOMENTS} - {0, num_frames})
    moments = (0.0, *(n / num_frames for n in frames), 1.0)

    def over_the_canvas(table: list[np.ndarray]) -> ContrastGains:
        gain = resting.new_ones(len(moments), *(size // spacing + 1 for size in fluid.shape))
        if not table:  # a loop of one frame shows the photo alone
            return ContrastGains(moments, gain, spacing)
        height, width = wanted.shape
        gain[1:-1, y0 // spacing :, x0 // spacing :][:, :height, :width] = torch.from_numpy(np.stack(table))
        return ContrastGains(moments, gain, spacing)

    plain = [wanted / energy(blended(moment, None)) for moment in moments[1:-1]]
    table = [np.sqrt(ratio).clip(MIN_GAIN, MAX_GAIN) for ratio in plain]
    for _ in range(PASSES - 1):
        gains = over_the_canvas(table)
        for k, moment in enumerate(moments[1:-1]):
            ratio = wanted / energy(blended(moment, gains))
            # What the gain has bought so far, in logarithms, tells the exponent (a secant).
            with np.errstate(divide="ignore", invalid="ignore"):
                exponent = np.log(table[k]) / np.log(plain[k] / ratio)
            exponent = np.nan_to_num(exponent, nan=EXPONENTS[0]).clip(*EXPONENTS)
            table[k] = (table[k] * ratio**exponent).clip(MIN_GAIN, MAX_GAIN)
    return over_the_canvas(table)


def _window_px(fluid: Tensor) -> int:
    height, width = fluid.shape
    window = max(2 * round(WINDOW_SHARE * max(height, width) / 2), LEAST_WINDOW_PX)
    return min(window, 2 * max(min(height, width) // 2, 1))


def phase_of(xy_px: Tensor, longer_side_px: int) -> Tensor:
    """A smooth field over the canvas, -1..1, ``[M]``: where the cross-fade runs early and where late."""
    # NumPy's sine: torch's may differ in the last bit from run to run, by where in memory its argument lies.
    x, y = (xy_px.cpu().numpy() / np.float32(longer_side_px)).T
    waves = [np.sin(2 * math.pi * (along * x + down * y) + start) for along, down, start in PHASE_WAVES]
    return torch.from_numpy((sum(waves) / len(waves)).astype(np.float32)).to(xy_px.device)


def backward_share(loop_t: float) -> float:
    """The backward side's share of the blend, 0 at 0 and 1 at 1: a side that is still near the photo is nearly alone."""
    return smooth_step(loop_t)


def fades(share: float) -> tuple[float, float]:
    """Factors of the phase, forward and backward, that let the fade to ``share`` (0 < s < 1) be early or late: with
    confidences times ``1 + fade * phase`` the shares become ``1 - a`` and ``a``, ``a = s + spread phase sin(pi s) / pi``,
    which is 0 at 0, 1 at 1 and rises with s."""
    shift = PHASE_SPREAD * math.sin(math.pi * share) / math.pi
    return -shift / (1.0 - share), shift / share
