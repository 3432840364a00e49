"""Loops with one set of crests: each wave of the fluid's detail turns by a whole number of turns over the loop.

A wave of wave vector ``k`` that drifts by ``D`` over a loop turns by ``k . D / 2 pi`` turns. Rounded to whole turns the loop
closes with nothing faded, and no crest is there twice (phases alone are motion enough: Freeman, Adelson, Heeger 1991). Over
all waves that is a sum of the same picture, displaced by whole loops more and less: with ``H`` the photo's detail,

    frame(x, t) = sum_j sinc(t + j) H(where x was t + j loops ago)

which follows the streamlines wherever they go, needs no windows and knows no direction. Six of its terms are used. They are
kept in the points themselves, as what each would show if it had drifted by so many loops, and mixed before they are splatted:
both sides of the loop then show the same detail, and their cross-fade takes nothing from it. Beyond the fluid's borders the
terms come from its mirror image (`beyond`); where that is no fluid either, a point shows its own: the cross-fade again.

What is locked is luma, finer than `waves.BAND_SHARE`, and colours as far as they go with it; the rest stays with the points.
Half of the sum's terms are negative. Where light is spread evenly about its mean, as in water, they are water; beside lone
streaks of foam or smoke they would be dark ones. So luma is summed in an even measure (`even`). What is lone even there, or
distorted by the flow on its way, or a broad thing's outline (`waves`), is the point's own, and no copy brings more contrast
than its place has: foam does not spread over calm water.

References
----------
Freeman, Adelson, Heeger, "Motion without movement", SIGGRAPH 1991. Wadhwa, Rubinstein, Durand, Freeman, "Phase-based video
motion processing", SIGGRAPH 2013.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..ops import LoopWaves
from ..pixels.boxes import widened
from ..pixels.crossing import pair
from ..pixels.windows import LocalMeans, planar
from .beyond import REACH, Beyond, sampled
from .even import LEAST_CONTRAST, Even
from .waves import BAND_PX, band_px, luma_of, waves_in

LATE = 1.0  # how much of the turns that close the loop comes later than the cross-fade: near the photo waves drift as they are
SECOND = 1.4  # of the sinc's second lobe: what the terms left out would have taken from the echo
LEAST_EXISTENCE = 0.75  # of the fluid where a copy is taken
LEAST_VARIANCE = 1e-5  # of luma: what varies less has no tint of its own


@dataclass(frozen=True, eq=False)
class LoopCopies:
    """What each of the fluid's M points shows if it drifts by ``-REACH .. REACH`` loops.

    ``even``: float32 ``[2 REACH + 1, 2, M]``, the bent luma against the mean of its wide surroundings,
    ``skew g - skew^2 / 2`` (`Even`), and luma against that of the near ones. ``least``, ``most`` ``[M]``: what the sums of the
    first may be; ``spread [M]``: luma is ``spread (exp(even) - 1)``. ``colour [M, 3]``: what does not turn, which frames write
    anew at the fringe; ``tint [M, 3]``: in what proportion the colours follow luma around each point.
    """

    even: Tensor
    least: Tensor
    most: Tensor
    spread: Tensor
    colour: Tensor
    tint: Tensor

    def at(self, share: float, backward: bool) -> LoopWaves:
        """What the points show at a share of the loop, 0..1, on their way forward or on their way backward."""
        return self.weighted(weights(share, backward))

    def weighted(self, weight: list[float] | Tensor) -> LoopWaves:
        """What they show by these `weights`."""
        return LoopWaves(self.even, weight, self.least, self.most, self.spread, self.colour, self.tint)


def weights(share: float, backward: bool) -> list[float]:
    """Of the copies ``-REACH .. REACH``; their sum is 1."""
    found = [0.0] * (2 * REACH + 1)
    share -= LATE * math.sin(2.0 * math.pi * share) / (2.0 * math.pi)
    for j in range(-REACH, REACH):
        lobe = abs(share + j)
        value = math.sin(math.pi * lobe) / (math.pi * lobe) if lobe > 0 else 1.0
        found[REACH + (-1 - j if backward else -j)] = value * (SECOND if 1 < lobe < 2 else 1.0)
    total = sum(found)
    return [value / total for value in found]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Of each place of a fluid's picture: luma's ``wide`` mean, float32 ``[H, W, 1]``, its detail against that in the ``even``
    measure, ``tint [H, W, 3]`` as in `LoopCopies`, and ``shown [H, W, 1]``: how much of the copies shows, 0 where what varies
    is lone or no waves."""

    wide: Tensor
    even: Even
    tint: Tensor
    shown: Tensor


def surroundings_of(rgb: Tensor, exists: Tensor, width_px: int) -> Surroundings:
    """Of the picture ``rgb [H, W, 3]`` where it ``exists``, bool ``[H, W]``, by twice a box of ``width_px``."""
    mean = LocalMeans.of(exists, width_px)
    around = mean(rgb)
    wide, luma = luma_of(around), luma_of(rgb)
    detail = luma - wide
    even = Even.of(detail, exists, mean)
    return Surroundings(wide, even, _tint(rgb - around, detail, mean), even.dense * waves_in(luma, exists, mean))


def copies_of(rgb: Tensor, exists: Tensor, start_px: Tensor, beyond: Beyond, colour: Tensor) -> LoopCopies:
    """Of the fluid's picture on the canvas, ``rgb [H, W, 3]`` where it ``exists``, for points that start at ``start_px``
    ``[M, 2]`` and go ``beyond``; their ``colour [M, 3]`` at rest."""
    width_px = band_px(exists)
    x0, y0, x1, y1 = widened(beyond.box, width_px, exists.shape)
    rgb, exists, corner_px = planar(rgb[y0:y1, x0:x1]), exists[y0:y1, x0:x1], pair(x0, y0, start_px)
    around = surroundings_of(rgb, exists, width_px)
    even, luma = around.even, luma_of(rgb)
    near = luma - LocalMeans.of(exists, BAND_PX)(luma)
    planes = planar(even.g, near, even.deviation, torch.ones_like(luma)) * exists[..., None]
    x, y = (start_px - corner_px).to(torch.int64).unbind(dim=1)
    own, deviation, skew, shares = planes[y, x, :2], even.deviation[y, x], even.skew[y, x], around.shown[y, x]
    copies = {0: own}
    for sign in (1, -1):
        for loops, (at_px, likeness) in enumerate(beyond.copies(start_px, sign > 0), start=1):
            there = sampled(planes, at_px - corner_px)
            # The even measure is in units of each place's deviation: it is luma that may be less there, and never more.
            ratio = deviation / there[:, 2:3].clamp_min(LEAST_CONTRAST)
            found = there[:, :2] * torch.cat([(1.0 / ratio).clamp_max(1.0), ratio.clamp_max(1.0)], dim=1)
            nothing = own if loops == 1 else torch.zeros_like(own)  # a loop away is the other side's own picture
            found = torch.lerp(nothing, found, torch.where(there[:, 3:] > LEAST_EXISTENCE, likeness, 0.0))
            copies[sign * loops] = torch.lerp(own, found, shares)
    scale, bend = torch.cat([skew, torch.ones_like(skew)], dim=1), 0.5 * skew.square()
    shown = torch.stack([(copies[k] * scale).T for k in range(-REACH, REACH + 1)])
    shown[:, 0] -= bend[:, 0]
    a_loop_away = shown[REACH - 1, 0], shown[REACH + 1, 0]
    least = torch.minimum((even.least[y, x] - bend)[:, 0], torch.minimum(*a_loop_away))
    most = torch.maximum((even.most[y, x] - bend)[:, 0], torch.maximum(*a_loop_away))
    spread = (deviation / even.steep[y, x])[:, 0]
    tint = around.tint[y, x]
    resting = colour - (spread * shown[REACH, 0].expm1())[:, None] * tint
    return LoopCopies(shown, least, most, spread, resting, tint)


def _tint(colours: Tensor, detail: Tensor, mean: LocalMeans) -> Tensor:
    """By how much the detail of ``colours [H, W, 3]`` rises where luma's does, ``detail [H, W, 1]``; on the mean 1."""
    products = mean(planar(colours * detail, detail.square()))
    return (products[..., :3] + LEAST_VARIANCE) / (products[..., 3:] + LEAST_VARIANCE)
