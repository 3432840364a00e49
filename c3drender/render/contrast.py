"""Fluids that keep their contrast over the loop: what displaced points must be given so that no pulse is seen.

A cross-fade of two displaced copies of a picture loses contrast, most in mid-loop; so do points between the pixels of the grid
and the fade at a fluid's border. Each loss is undone in the points' own colours, before they are splatted: the finest detail
by where a point lies between the pixels, all detail by a gain that was measured once per scene, for a few moments of the loop
and windows of the picture. In the blend the copies' surplus and its loss cancel. What loses its outlines, as clouds do, gets
half of it back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..pixels.boxes import Box, widened
from ..pixels.crossing import aside, is_host
from ..pixels.exact import lerp
from ..pixels.fits import smooth_step
from ..pixels.windows import LocalMeans, box_means
from .waves import BAND_PX, band_px, luma_of, waves_in

MEASURED_PX = 5  # the same for what is measured: the eye and the splat's loss are in the finer half of the detail
WINDOW_SHARE = 1 / 25  # of the canvas' longer side ...
LEAST_WINDOW_PX = 24  # ... but large against its detail
MOMENTS = (0.017, 0.12, 0.24, 0.35, 0.43, 0.5, 0.57, 0.65, 0.76, 0.88, 0.983)
EXPONENTS = (0.5, 1.0)  # range of that by which a gain follows the energy asked: 0.5 for detail that the gain scales alone
MIN_GAIN, MAX_GAIN = 0.7, 2.5
SHAPES_RAISED = 0.5  # how much of a gain shapes get (`waves`): with all of it they have dark rims, with none they pulse
LEAST_ENERGY = 1e-7  # mean square of luma: below a twelfth of a grey level there is nothing to keep
PHASE_SPREAD = 0.9  # below 1: the fade never runs backward
PHASE_WAVES = ((1.7, 0.6, 1.0), (-0.8, 1.9, 2.0))  # periods along x and y over the canvas' longer side, and start in radians


@dataclass(frozen=True, eq=False)
class PointDetails:
    """Of each fluid point the detail of the picture around it, float32: ``fine [M, 2, 3]`` against its neighbours along x and
    along y, ``broad [M, 3]`` against the mean of its surroundings. Neighbours that are no fluid do not count."""

    fine: Tensor
    broad: Tensor


def point_details(rgb: Tensor, pixel: Tensor, box: Box, size: tuple[int, int]) -> PointDetails:
    """The details of the points of one layer, ``rgb`` float32 ``[M, 3]``; ``pixel [M]`` are their flat indices on a canvas of
    this ``size`` (height, width), and ``box`` lies around them."""
    x0, y0, x1, y1 = widened(box, 2 * BAND_PX, size)
    height, width = y1 - y0, x1 - x0
    at = (pixel // size[1] - y0) * width + (pixel % size[1] - x0)
    planes, fluid = rgb.new_zeros(3, height * width), torch.zeros(height * width, dtype=torch.bool, device=rgb.device)
    planes[:, at] = rgb.T
    fluid[at] = True
    weight = fluid.view(height, width, 1).to(rgb.dtype)
    picture = planes.view(3, height, width).permute(1, 2, 0)
    means = [_binomial(picture * weight, dim) / _binomial(weight, dim).clamp_min(1e-4) for dim in (1, 0)]
    means.append(LocalMeans.of(fluid.view(height, width), BAND_PX)(picture))
    along, down, broad = ((picture - mean).permute(2, 0, 1).flatten(1)[:, at].T for mean in means)
    return PointDetails(torch.stack([along, down], dim=1), broad.contiguous())


def _binomial(plane: Tensor, dim: int) -> Tensor:
    """``plane`` under the kernel 1 2 1 along ``dim``; the border repeats."""
    size = plane.shape[dim]
    first, last = plane.narrow(dim, 0, 1), plane.narrow(dim, size - 1, 1)
    both = torch.empty_like(plane)
    both.narrow(dim, 0, 1).copy_(first)
    both.narrow(dim, 1, size - 1).copy_(plane.narrow(dim, 0, size - 1))
    both.narrow(dim, 0, size - 1).add_(plane.narrow(dim, 1, size - 1))
    both.narrow(dim, size - 1, 1).add_(last)
    return both.mul_(0.25).add_(plane, alpha=0.5)


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


def measured_box(fluid: Tensor, box: Box) -> Box:
    """Of the part of the canvas that `measure_gains` needs to see, of which ``fluid`` bool ``[H, W]`` lies within ``box``."""
    spacing = _window_px(fluid) // 2
    x0, y0, x1, y1 = widened(box, MEASURED_PX, fluid.shape)
    return x0 // spacing * spacing, y0 // spacing * spacing, x1, y1


def measure_gains(
    blended: Callable[[float, ContrastGains | None], Tensor],
    resting: Tensor,
    fluid: Tensor,
    box: Box,
    num_frames: int,
) -> ContrastGains:
    """The gains that keep the local contrast of the fluid what it is at rest, at every place and moment.

    ``blended(loop_t, gains)``: the fluid's blended picture ``[h, w, 3]`` in the `measured_box` of the canvas at a moment that
    is a frame's, with the points' details raised by ``gains`` (None: not at all); ``resting [h, w, 3]``: its picture at rest,
    splatted too; ``fluid`` bool ``[H, W]``, of the whole canvas, lies within ``box``.
    """
    window = _window_px(fluid)
    spacing = window // 2
    x0, y0, x1, y1 = measured_box(fluid, box)
    weight = fluid[y0:y1, x0:x1, None].to(resting.dtype)
    weight_mean = box_means(box_means(weight, MEASURED_PX), MEASURED_PX).clamp_min(1e-4)

    def energy(rgb: Tensor) -> Tensor:
        """Mean square of the luma's detail over half-overlapping windows of the fluid, float64."""
        luma = luma_of(rgb)
        mean = box_means(box_means(luma * weight, MEASURED_PX), MEASURED_PX) / weight_mean
        return pooled(((luma - mean) * weight).square()).clamp_min(LEAST_ENERGY).double()

    def pooled(plane: Tensor) -> Tensor:
        return functional.avg_pool2d(plane[None, ..., 0], window, spacing, spacing, count_include_pad=False)[0]

    wanted = energy(resting)
    frames = sorted({round(moment * num_frames) for moment in MOMENTS} - {0, num_frames})
    moments = (0.0, *(n / num_frames for n in frames), 1.0)

    def over_the_canvas(table: list[Tensor]) -> ContrastGains:
        gain = resting.new_ones(len(moments), *(size // spacing + 1 for size in fluid.shape))
        if not table:  # a loop of one frame shows the photo alone
            return ContrastGains(moments, gain, spacing)
        height, width = wanted.shape
        gain[1:-1, y0 // spacing :, x0 // spacing :][:, :height, :width] = torch.stack(table)
        return ContrastGains(moments, gain, spacing)

    with aside(resting) as helper:  # while the next picture is drawn

        def ratios(gains: ContrastGains | None, some: Sequence[float]) -> list[Tensor]:
            """Of the energy wanted to what there is at each of these moments."""
            found: list[Future[Tensor]] = []
            for moment in some:
                picture = blended(moment, gains)
                if found:
                    found[-1].result()  # one picture waits, no more
                found.append(helper.submit(energy, picture))
            return [wanted / one.result() for one in found]

        plain = ratios(None, moments[1:-1])
        table = [ratio.sqrt().clip(MIN_GAIN, MAX_GAIN) for ratio in plain]
        # What is still missing then changes slowly: every other moment is looked at again.
        again = range(0, len(table), 2)
        missing = {}
        for k, ratio in zip(again, ratios(over_the_canvas(table), moments[1:-1:2]), strict=True):
            # What the gain has bought so far, in logarithms, tells the exponent (a secant).
            exponent = table[k].log() / (plain[k] / ratio).log()
            exponent = exponent.nan_to_num(nan=EXPONENTS[0]).clip(*EXPONENTS)
            missing[k] = ratio**exponent
        for k in range(1, len(table), 2):
            missing[k] = (missing[k - 1] * missing.get(k + 1, missing[k - 1])).sqrt()
        table = [(gain * missing[k]).clip(MIN_GAIN, MAX_GAIN) for k, gain in enumerate(table)]
    here = fluid[y0:y1, x0:x1]
    waves = waves_in(luma_of(resting), here, LocalMeans.of(here, band_px(fluid)))
    wavy = (pooled(waves * weight) / pooled(weight).clamp_min(1e-4)).double()
    raised = SHAPES_RAISED + (1.0 - SHAPES_RAISED) * wavy
    return over_the_canvas([1.0 + (gain - 1.0) * raised for gain in table])


def _window_px(fluid: Tensor) -> int:
    height, width = fluid.shape
    window = max(2 * round(WINDOW_SHARE * max(height, width) / 2), LEAST_WINDOW_PX)
    return min(window, 2 * max(min(height, width) // 2, 1))


def phase_of(xy_px: Tensor, longer_side_px: int) -> Tensor:
    """A smooth field over the canvas, -1..1, ``[M]``: where the cross-fade runs early and where late."""
    if not is_host(xy_px):
        return _sum_of_waves(xy_px / longer_side_px, torch.sin)
    # NumPy's sine: torch's may differ in the last bit from run to run, by where in memory its argument lies.
    field = _sum_of_waves(xy_px.numpy() / np.float32(longer_side_px), np.sin)
    return torch.from_numpy(field.astype(np.float32))


def _sum_of_waves(at: Any, sin: Callable[[Any], Any]) -> Any:
    x, y = at[:, 0], at[:, 1]
    waves = [sin(2 * math.pi * (along * x + down * y) + start) for along, down, start in PHASE_WAVES]
    return sum(waves) / len(waves)


def backward_share(loop_t: float) -> float:
    """The backward side's share of the blend, 0 at 0 and 1 at 1: a side that is still near the photo is nearly alone."""
    return smooth_step(loop_t)


def fades(share: float) -> tuple[float, float]:
    """Factors of the phase, forward and backward, that let the fade to ``share`` (0 < s < 1) be early or late: with
    confidences times ``1 + fade * phase`` the shares become ``1 - a`` and ``a``, ``a = s + spread phase sin(pi s) / pi``,
    which is 0 at 0, 1 at 1 and rises with s."""
    shift = PHASE_SPREAD * math.sin(math.pi * share) / math.pi
    return -shift / (1.0 - share), shift / share
