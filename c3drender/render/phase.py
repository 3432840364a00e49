"""Loops with one set of crests: each wave of the fluid's detail turns by a whole number of turns over the loop.

A wave of wave vector ``k`` that drifts by ``D`` over a loop turns by ``k . D / 2 pi`` turns. Rounded to whole turns the loop
closes with nothing faded, and no crest is there twice (phases alone are motion enough: Freeman, Adelson, Heeger 1991). Over
all waves that is a sum of the same picture, displaced by whole loops more and less: with ``H`` the photo's detail,

    frame(x, t) = sum_j sinc(t + j) H(where x was t + j loops ago)

which follows the streamlines wherever they go, needs no windows and knows no direction. Six of its terms are used. They are
kept in the points themselves, as what each would show if it had drifted by so many loops, and mixed before they are splatted:
both sides of the loop then show the same detail, and their cross-fade takes nothing from it.

What is locked is luma, finer than `BAND_SHARE`, and colours as far as they go with it; the rest of them stays with the points:
the sum's negative terms would show a crest's complementary colour. What no loop's displacement reaches inside the
fluid (its borders, the canvas' edge), and what the flow distorts on the way, is left out of the sum, which is the cross-fade
again where nothing else is left; and no copy brings more contrast than its place has: foam does not spread over calm water.
Half of the sum's terms are negative. In dense texture they are texture; beside a lone bright streak they would be a dark one.
What is shown stays in the range of what is near, and where luma is that of lone streaks, by its kurtosis, all copies are the
point's own picture, which is the cross-fade, too.

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
from torch.nn import functional

from ..pixels.exact import weighted_sum
from .contrast import BAND_PX, local_mean

REACH = 3  # loops: so far back and ahead a point's copies are taken
BAND_SHARE = 1 / 14  # of the canvas' longer side: twice a box of this width; broader light only fades
SECOND = 1.2  # of the sinc's second lobe: what the terms left out would have taken from the echo
LEAST_EXISTENCE = 0.75  # of the fluid where a copy is taken
LEAST_CONTRAST = 0.003  # of white: what varies less is as good as flat
MOST_STRETCH = 3.0  # by which a copy may be distorted and count in full
RANGE_PX = 3  # what is darker or brighter than all so near, and than its copies a loop away, is no part of the picture
DENSE_KURTOSIS, LONE_KURTOSIS = 4.0, 6.0  # of luma around a place; noise has 3
LEAST_VARIANCE = 1e-5  # of luma: what varies less has no tint of its own


@dataclass(frozen=True, eq=False)
class LoopCopies:
    """What each of the fluid's M points shows if it drifts by ``-REACH .. REACH`` loops.

    ``luma`` float32 ``[2 REACH + 1, 2, M]``: against the mean of its wide surroundings, and of the near ones (fine detail).
    ``least``, ``most`` ``[2, M]``: what their sums may show. ``colour [M, 3]``: at rest; ``tint [M, 3]``: in what proportion
    the colours follow luma around each point.
    """

    luma: Tensor
    least: Tensor
    most: Tensor
    colour: Tensor
    tint: Tensor

    def mixed(self, share: float) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """At a share of the loop, 0..1, of the points on their way forward and of those on their way backward: what is to be
        added to their luma, and their fine detail, ``[M]`` each."""
        sides = []
        for backward in (False, True):
            wide, near = weighted_sum(weights(share, backward), self.luma).clamp_(self.least, self.most)
            sides.append((wide - self.luma[REACH, 0], near))
        return sides[0], sides[1]


def weights(share: float, backward: bool) -> list[float]:
    """Of the copies ``-REACH .. REACH``; their sum is 1."""
    found = [0.0] * (2 * REACH + 1)
    for j in range(-REACH, REACH):
        lobe = abs(share + j)
        value = math.sin(math.pi * lobe) / (math.pi * lobe) if lobe > 0 else 1.0
        found[REACH + (-1 - j if backward else -j)] = value * (SECOND if 1 < lobe < 2 else 1.0)
    total = sum(found)
    return [value / total for value in found]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Of each place of a fluid's picture, float32 ``[H, W, 1]``: luma's ``wide`` mean, its ``contrast``, how ``dense`` its
    texture is, 0..1; and ``tint [H, W, 3]`` as in `LoopCopies`."""

    wide: Tensor
    contrast: Tensor
    dense: Tensor
    tint: Tensor


def surroundings_of(rgb: Tensor, exists: Tensor) -> Surroundings:
    """Of the picture ``rgb [H, W, 3]`` where it ``exists``, bool ``[H, W]``."""
    width_px = max(round(BAND_SHARE * max(exists.shape)), BAND_PX)
    luma = rgb.mean(dim=-1, keepdim=True)
    mean = local_mean(luma, exists, width_px)
    energy, fourth = (local_mean((luma - mean).pow(power), exists, width_px).clamp_min(0.0) for power in (2, 4))
    dense = ((LONE_KURTOSIS - fourth / energy.square().clamp_min(1e-12)) / (LONE_KURTOSIS - DENSE_KURTOSIS)).clamp(0.0, 1.0)
    return Surroundings(mean, energy.sqrt() + LEAST_CONTRAST, dense, _tint(rgb, luma - mean, exists, width_px))


def copies_of(
    rgb: Tensor,
    exists: Tensor,
    start_px: Tensor,
    neighbours: tuple[Tensor, Tensor],
    whole_loops: tuple[Tensor, Tensor],
    colour: Tensor,
) -> LoopCopies:
    """Of the fluid's picture on the canvas, ``rgb [H, W, 3]`` where it ``exists``, for points that start at ``start_px``
    ``[M, 2]``, with ``neighbours`` as in `FluidPoints`, and drift by ``whole_loops``, px ``[M, 2]``, in one loop forward and
    one backward; their ``colour [M, 3]`` at rest."""
    around = surroundings_of(rgb, exists)
    luma = rgb.mean(dim=-1, keepdim=True)
    wide, near = luma - around.wide, luma - local_mean(luma, exists, BAND_PX)
    planes = torch.cat([wide, near, around.contrast, torch.ones_like(luma)], dim=-1) * exists[..., None]
    x, y = start_px.to(torch.int64).unbind(dim=1)
    own, own_contrast = planes[y, x, :2], planes[y, x, 2:3]
    copies = {0: own}
    for sign, loop_px in zip((1, -1), whole_loops, strict=True):
        way = planes.new_zeros(*exists.shape, 2)
        way[y, x] = loop_px
        at_px, inside = start_px, torch.ones_like(own_contrast, dtype=torch.bool)
        for loops in range(1, REACH + 1):
            at_px = at_px + sampled(way, at_px)
            there = sampled(planes, at_px)
            inside = inside & (there[:, 3:] > LEAST_EXISTENCE)
            likeness = (own_contrast / there[:, 2:3].clamp_min(LEAST_CONTRAST)).clamp_max(1.0) * _likeness(at_px, neighbours)
            beyond = own if loops == 1 else torch.zeros_like(own)  # a loop away is the other side's own picture: none is there
            copies[sign * loops] = torch.where(inside, there[:, :2] * likeness, beyond)
    copies = {loops: torch.lerp(own, copy, around.dense[y, x]) for loops, copy in copies.items()}
    shown = torch.stack([copies[k].T for k in range(-REACH, REACH + 1)])
    ranges = []
    for end in (-1.0, 1.0):
        near_px = end * largest_near(end * planes[..., :2], exists)[y, x]
        ends = torch.stack([near_px, copies[1], copies[-1]])
        ranges.append((end * (end * ends).amax(dim=0)).T.contiguous())
    return LoopCopies(shown, ranges[0], ranges[1], colour, around.tint[y, x])


def largest_near(planes: Tensor, exists: Tensor) -> Tensor:
    """Of each place the largest of ``planes [H, W, C]`` within `RANGE_PX` where it ``exists``."""
    found = torch.where(exists[..., None], planes, -math.inf).permute(2, 0, 1)[None]
    for size in ((2 * RANGE_PX + 1, 1), (1, 2 * RANGE_PX + 1)):
        found = functional.max_pool2d(found, size, 1, (size[0] // 2, size[1] // 2))
    return found[0].permute(1, 2, 0)


def _likeness(at_px: Tensor, neighbours: tuple[Tensor, Tensor]) -> Tensor:
    """How like the picture is that points show when they take it from ``at_px [M, 2]``, ``[M, 1]``: 1 up to a stretch or a
    shrinkage by `MOST_STRETCH`, less beyond."""
    spread = []
    for beside, resting_px in zip(neighbours, ((1.0, 0.0), (0.0, 1.0)), strict=True):
        apart_px = at_px[beside] - at_px
        alone = beside == torch.arange(len(beside), device=beside.device)
        spread.append(torch.where(alone[:, None], at_px.new_tensor(resting_px), apart_px))
    (ax, ay), (bx, by) = (side.unbind(dim=1) for side in spread)
    # The singular values of the Jacobian.
    total, area = ax.square() + ay.square() + bx.square() + by.square(), (ax * by - ay * bx).clamp_min(0.0)
    largest = (0.5 * (total + (total.square() - 4.0 * area.square()).clamp_min(0.0).sqrt())).sqrt().clamp_min(1e-6)
    return (MOST_STRETCH * torch.minimum(area / largest, 1.0 / largest)).clamp_max(1.0)[:, None]


def _tint(rgb: Tensor, detail: Tensor, exists: Tensor, width_px: int) -> Tensor:
    """By how much each colour of ``rgb [H, W, 3]`` rises where luma does, on the mean 1; ``detail [H, W, 1]``: luma's."""
    colours = rgb - local_mean(rgb, exists, width_px)
    products = local_mean(torch.cat([colours * detail, detail.square()], dim=-1), exists, width_px)
    return (products[..., :3] + LEAST_VARIANCE) / (products[..., 3:] + LEAST_VARIANCE)


def sampled(plane: Tensor, at_px: Tensor) -> Tensor:
    """``plane [H, W, C]`` at ``at_px [M, 2]``, ``[M, C]``; beyond the canvas 0."""
    size = at_px.new_tensor([plane.shape[1], plane.shape[0]])
    grid = (2.0 * at_px / size - 1.0)[None, None]
    return functional.grid_sample(plane.permute(2, 0, 1)[None], grid, mode="bilinear", align_corners=False)[0, :, 0].T
