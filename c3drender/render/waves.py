"""Waves or shapes: where what varies in a fluid's picture is a texture of crests, as on water, and where it is broad things
with outlines, as clouds are. Crests can be summed and raised; an outline that is taken away beside its thing, or raised twice,
is a dark rim.

It shows in how broad the detail is. Of luma's variance about the mean of wide surroundings, what there is about that of ones a
quarter as wide is 0.1 to 0.35 of the whole in most clouds, and 0.3 to 0.9 in most water.
"""

from __future__ import annotations

from torch import Tensor

from ..pixels.windows import LocalMeans, planar

BAND_PX = 9  # twice a box of this width: what is finer than that is detail
BAND_SHARE = 1 / 14  # of the canvas' longer side: twice a box of this width; broader light only fades
FINER = 4  # times as narrow as the wide surroundings are those that tell waves
SHAPES, WAVES = 0.25, 0.45  # range of that share
LEAST_VARIANCE = 1e-5  # of luma: what varies less has neither


def band_px(exists: Tensor) -> int:
    """How wide surroundings are on this canvas."""
    return max(round(BAND_SHARE * max(exists.shape)), BAND_PX)


def luma_of(rgb: Tensor) -> Tensor:
    """Of ``rgb [..., 3]``, ``[..., 1]``."""
    return (rgb[..., :1] + rgb[..., 1:2] + rgb[..., 2:]) / 3.0  # of so few a sum is faster than `mean`


def waves_in(luma: Tensor, exists: Tensor, mean: LocalMeans) -> Tensor:
    """1 where a fluid has waves, 0 where it has shapes, float32 ``[H, W, 1]``: by its ``luma [H, W, 1]`` where it ``exists``,
    bool ``[H, W]``; ``mean``: of its wide surroundings."""
    wide = (luma - mean(luma)).square()
    fine = (luma - LocalMeans.of(exists, max(mean.width_px // FINER, 1))(luma)).square()
    variances = mean(planar(wide, fine))
    share = variances[..., 1:] / variances[..., :1].clamp_min(LEAST_VARIANCE)
    return ((share - SHAPES) / (WAVES - SHAPES)).clamp(0.0, 1.0)
