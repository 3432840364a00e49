"""An even measure of luma: its detail bent so that lone streaks, of foam or smoke, are as far above the mean as what is dark
between them is below it. What is summed in that measure and taken back has the photo's own distribution of lights
(Heitz and Neyret, "High-performance by-example noise using a histogram-preserving blending operator", HPG 2018): a sum with
negative terms draws no dark streaks beside bright ones.

Around each place luma is taken for a shifted lognormal of its variance and skewness,
``q luma / deviation = exp(s g - s^2 / 2) - 1`` with ``q^2 = exp(s^2) - 1``, whose ``g`` is normal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..pixels.windows import LocalMeans, largest_near, planar

LEAST_CONTRAST = 0.003  # of white: what varies less is as good as flat
SKEWS = (0.02, 0.8)  # range of s: below, luma is as good as even
LEAST_BELOW = 0.05  # of ``1 + q luma / deviation``: what lies lower has no measure of its own
DENSE_KURTOSIS, LONE_KURTOSIS = 4.0, 6.0  # of g around a place; noise has 3
RANGE_PX = 3  # what is darker or brighter than all so near, and than its copies a loop away, is no part of the picture ...
ROOM, LONE_SKEW = 1.0, 0.4  # ... by more than so many deviations of g where luma is even, by none from this s on


@dataclass(frozen=True, eq=False)
class Even:
    """All ``[H, W, 1]``: the even measure ``g``, its deviation ``skew`` (s, negative where the dark is lone), luma's
    ``deviation`` and ``steep`` (q); ``dense``: 1 where nothing is lone, 0 where even ``g`` has lone streaks; ``least``,
    ``most``: what of ``skew g`` is near."""

    g: Tensor
    skew: Tensor
    deviation: Tensor
    steep: Tensor
    dense: Tensor
    least: Tensor
    most: Tensor

    @classmethod
    def of(cls, detail: Tensor, exists: Tensor, mean: LocalMeans) -> Even:
        """Of luma's ``detail [H, W, 1]`` where the fluid ``exists [H, W]``, by the windows of its ``mean``."""
        square = detail.square()
        moments = mean(planar(square, square * detail))
        deviation = moments[..., :1].clamp_min(0.0).sqrt() + LEAST_CONTRAST
        skewness = moments[..., 1:] / deviation.pow(3)
        size = (2.0 * torch.sinh(torch.asinh(skewness.abs() / 2.0) / 3.0)).clamp(*SKEWS)  # skewness = 3 s + s^3
        skew = torch.where(skewness < 0, -size, size)
        steep = skew.sign() * skew.square().expm1().sqrt()
        bent = (steep * detail / deviation).clamp_min(LEAST_BELOW - 1.0).log1p() + 0.5 * skew.square()
        g = bent / skew
        powers = mean(planar(g.square(), g.square().square())).clamp_min(1e-6)
        kurtosis = powers[..., 1:] / powers[..., :1].square()
        dense = ((LONE_KURTOSIS - kurtosis) / (LONE_KURTOSIS - DENSE_KURTOSIS)).clamp(0.0, 1.0)
        room = ROOM * skew.abs() * (1.0 - skew.abs() / LONE_SKEW).clamp_min(0.0)
        most, least = (end * _largest(end * bent, exists) + end * room for end in (1.0, -1.0))
        return cls(g, skew, deviation, steep, dense, least, most)


def _largest(plane: Tensor, exists: Tensor) -> Tensor:
    """Of each place the largest of ``plane [H, W, 1]`` within `RANGE_PX` where it ``exists``."""
    return largest_near(torch.where(exists, plane[..., 0], -math.inf), RANGE_PX)[..., None]
