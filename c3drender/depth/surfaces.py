"""From a coarse, blurred nearness to surfaces: segments take it on, join their like, part where the picture has an edge."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..data import Nearness, Scenery
from ..pixels.masks import shrunk
from ..pixels.nearest import nearest_inside
from ..pixels.sizes import work_size
from . import figures
from .edges import Relief, disparity_at_full_size
from .parting import Surroundings, find_parting, with_odds
from .segments import Borders, cut_into_segments, find_borders, upright_stripes
from .stage import find_sea_horizon

WORK_SIDE_PX = 480  # the longer side of the reduced picture that is cut into segments
LEAST_SIDE_PX = 8  # below this there is nothing to cut
STEEP = 0.012  # change of nearness per pixel: where it is steeper an edge lies nearby, and its blur is not believed
LEAST_TRUST = 1e-3
SEA_SHARE = 0.06  # of the height: the strip below the sea's horizon of which the network, whose word is blurred, knows little
BLUR_PX = 8  # how far the sky's endlessness is smeared over what stands before it
# Per pixel of a border: of one surface, times the odds that it is one, up to the most; of two.
HOLD, MOST_ODDS, PART = 0.2, 20.0, 20.0
DECIDED = 3  # the power of the odds, that makes a border an edge or none: its step is not to be taken by halves
# A border that is cut and should not be is a crack; one that should be and is not merely stretches what is behind: the odds of
# a cut count so many times.
WORTH = 1 / 20
CUTS_FROM = 0.1  # of the chance by those odds: where it is less, a border is never cut
# What is smaller than the first stands alone only where all its borders are likelier of two surfaces than of one; than the
# second, never.
ISLAND_PX, SLIVER_PX = 200, 20


def surfaces_from(rgb: np.ndarray, scenery: Scenery, nearness: Nearness) -> np.ndarray:
    """Relative disparity float32 ``[H, W]``, 0 (sky) .. 1 (near), edges on the picture's.

    ``rgb`` float32 ``[H, W, 3]``, 0..1. The values of the segments ``v`` minimise ``sum hold (v_a - v_b - slope)^2 + sum part
    (v_a - v_b - step)^2 + sum trust (v - near)^2``: over a border that parts two surfaces they differ by what `find_parting`
    says, over any other they go on.
    """
    height, width = rgb.shape[:2]
    _, size = work_size(height, width, WORK_SIDE_PX)
    if min(size) < LEAST_SIDE_PX:
        return cv2.resize(nearness.near.numpy(), (width, height), interpolation=cv2.INTER_LINEAR)
    around = cut(rgb, scenery, nearness)
    shown = (scenery.sky, scenery.water, scenery.smoke)
    sky, water, smoke = (cv2.resize(m.cpu().numpy(), size, interpolation=cv2.INTER_AREA) for m in shown)
    disp = disparity_at_full_size(_relief(around, sky), rgb, np.minimum(sky + smoke, 1))
    horizon = find_sea_horizon(sky > 0.5, water > 0.5)
    if horizon is None:
        return disp
    horizon = np.interp(np.arange(width) * size[0] / width, np.arange(size[0]), horizon * height / size[1])
    return _ending_at(horizon, disp, torch.maximum(scenery.water, scenery.rapids).cpu().numpy())


def cut(rgb: np.ndarray, scenery: Scenery, nearness: Nearness) -> Surroundings:
    """The picture in segments, and what is seen about their borders."""
    height, width = rgb.shape[:2]
    _, size = work_size(height, width, WORK_SIDE_PX)
    small = np.clip(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), 0, 1)
    sky, water = (cv2.resize(m.cpu().numpy(), size, interpolation=cv2.INTER_AREA) for m in (scenery.sky, scenery.water))
    maps = (nearness.near.numpy(), nearness.plane.numpy(), *nearness.kinds.numpy())
    near, plane, *kinds = (cv2.resize(values, size, interpolation=cv2.INTER_LINEAR) for values in maps)
    figure = figures.find_figure(small, kinds)
    kind = np.select([sky > 0.5, figure > 0.5, water > 0.5], [1, 2, 3], 0)
    segments = cut_into_segments(small, kind)
    striped = segments.mean(upright_stripes(small))
    borders = find_borders(segments, small, striped)
    return Surroundings(segments, borders, striped, near, plane, np.stack(kinds), figures.share_of(figure, segments, borders))


def _relief(around: Surroundings, sky: np.ndarray) -> Relief:
    segments, borders, figure = around.segments, around.borders, around.figure
    a, b = borders.a, borders.b
    told, step = find_parting(around)
    airy = segments.mean(figures.find_airy(around.kinds))
    chance = with_odds(told, WORTH * figures.odds(figure[a], figure[b], np.minimum(airy[a], airy[b])))
    coarse = _without_sky(around.near, sky > 0.5, around.plane)
    coarse = figures.without_rims(coarse, figure[segments.labels] > figures.FROM)
    down, across = cv2.Sobel(coarse, cv2.CV_32F, 0, 1, scale=1 / 8), cv2.Sobel(coarse, cv2.CV_32F, 1, 0, scale=1 / 8)
    steep = segments.mean(np.hypot(down, across))
    near = segments.mean(coarse)
    is_sky = segments.mean(sky) > 0.5
    parted = np.zeros(len(segments))
    for side in (a, b):
        np.maximum.at(parted, side, chance * (is_sky[a] == is_sky[b]))
    trust = np.where(is_sky, 1, (1 - parted) / (1 + (steep / STEEP) ** 2) + LEAST_TRUST)
    slope = np.clip(segments.mean(down), 0, STEEP) * segments.mean(around.plane) * ~is_sky
    low, high = np.percentile(coarse, (1, 99))
    # At a figure's outline nearness has no blur left, and tells the step itself.
    step = step * (high - low)
    step += np.abs(figure[a] - figure[b]) * (near[a] - near[b] - step)

    against = (1 - chance) / np.maximum(chance, 1e-3)
    edge = 1 / (1 + against**DECIDED)
    hold = borders.length * HOLD * np.minimum(against, MOST_ODDS) * (1 - edge)
    part = borders.length * PART * edge * (is_sky[a] == is_sky[b])
    even = slope[b] * (borders.row - segments.y[b]) - slope[a] * (borders.row - segments.y[a])
    weight = hold + part + 1e-4
    disp = borders.solve(weight, (hold * even + part * step) / weight, segments.area * trust, near * ~is_sky)
    whole = chance < CUTS_FROM
    joined = np.sort(np.minimum(a, b)[whole].astype(np.int64) * len(segments) + np.maximum(a, b)[whole])
    relief = Relief(segments, np.clip(disp, 0, 1), slope, is_sky, figure > figures.MOST, joined)
    return _without_islands(relief, borders, np.minimum(chance, told))  # a lock beyond the outline is the figure's, too


def _without_islands(relief: Relief, borders: Borders, chance: np.ndarray) -> Relief:
    """``relief`` in which what is small and cut off on all sides goes on from the larger neighbour that it least surely parts
    from: locks of hair along a rim, and slivers between the edges of maps, which would be left in the air as specks."""
    segments, a, b = relief.segments, borders.a, borders.b
    apart = relief.cut_apart(a, b)
    one = coo_array((np.ones(np.count_nonzero(~apart), bool), (a[~apart], b[~apart])), shape=(len(segments),) * 2)
    num, surface = connected_components(one, directed=False)
    area = np.bincount(surface, segments.area)
    here, there, parts = np.concatenate([a, b]), np.concatenate([b, a]), np.tile(chance, 2)
    small = area[surface[here]] < np.where(parts < 0.5, ISLAND_PX, SLIVER_PX)
    joins = np.flatnonzero(small & (area[surface[there]] >= ISLAND_PX))
    joins = joins[np.argsort(parts[joins], kind="stable")]
    island, first = np.unique(surface[here[joins]], return_index=True)
    host = np.full(num, -1)
    host[island] = there[joins[first]]
    like = np.where(host[surface] >= 0, host[surface], np.arange(len(segments)))
    return replace(relief, disp=relief.disp[like], slope=relief.slope[like], is_sky=relief.is_sky[like])


def _without_sky(coarse: np.ndarray, sky: np.ndarray, receding: np.ndarray) -> np.ndarray:
    """``coarse`` with what stands before the sky as near at its rim as it is farther in; what recedes does end far away."""
    inner = shrunk(~sky, BLUR_PX)
    if not (sky.any() and inner.any()):
        return coarse
    rim = ~sky & ~inner
    standing = coarse[nearest_inside(inner)]
    return np.where(rim, receding * coarse + (1 - receding) * np.maximum(standing, coarse), coarse)


def _ending_at(horizon: np.ndarray, disp: np.ndarray, water: np.ndarray) -> np.ndarray:
    """``disp`` of which ``water``, a share, falls to nothing at the row of the ``horizon``, ``[W]``: a sea ends as far away as
    the sky begins, and no view opens a gap between them."""
    below = np.arange(len(disp), dtype=np.float32)[:, None] + 0.5 - horizon.astype(np.float32)
    return disp * (1 - water * (1 - np.clip(below / (SEA_SHARE * len(disp)), 0, 1)))
