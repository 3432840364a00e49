"""Regions of a picture: masks cut along its edges, and carried to full size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch

from ..pixels.masks import Parts, grown, shrunk

WINDOWS_PX = (10.0, 5.0)  # of `part_by_colour`
SURE = 0.6  # a share above this tells colours
LEAST_SPREAD = 0.03  # standard deviation, of Lab / 100
BELIEF, MOST_TOLD = 0.5, 4.0  # the power and the bound of a likelihood ratio, the latter a logarithm
FEW = 0.01  # of a window: about as much as tells something of its colour
LEAST_REACH = 0.1  # where less is known of either side colours tell nothing
LEAST_DOUBT = 0.02  # a share nearer to 0 or 1 is decided
REDUCED_SIGMA_PX = 2.0
RNG_SEED = 1  # GrabCut starts its colour models from OpenCV's random source, of which every thread has its own


def grab_cut(features: np.ndarray, likely: np.ndarray, surely: np.ndarray, surely_not: np.ndarray) -> np.ndarray:
    """Cut ``likely`` (bool ``[h, w]``) along the edges of ``features`` (``[h, w, 3]``, 0..1). Returns bool ``[h, w]``."""
    labels = np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[surely] = cv2.GC_FGD
    labels[surely_not] = cv2.GC_BGD
    inside = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if min(inside.sum(), (~inside).sum()) < 32:
        return likely
    with ThreadPoolExecutor(1) as fresh:  # the caller's random source stays as it is
        labels = fresh.submit(_cut, (np.clip(features, 0, 1) * 255).astype(np.uint8), labels).result()
    return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)


def _cut(picture: np.ndarray, labels: np.ndarray) -> np.ndarray:
    cv2.setRNGSeed(RNG_SEED)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    return cv2.grabCut(picture, labels, (0, 0, 1, 1), *models, 2, cv2.GC_INIT_WITH_MASK)[0]  # the rectangle is not read


def snap_to_edges(mask: np.ndarray, lab: np.ndarray, inside: int, outside: int) -> np.ndarray:
    """Move the border of ``mask`` to the strongest colour edge, at most so many pixels inwards or outwards.

    Texture is measured in a window, which keeps the sky away from whatever rough thing stands before it.
    """
    seeds = np.where(shrunk(mask, inside), 1, np.where(grown(mask, outside), 0, 2)).astype(np.int32)
    if not ((seeds == 1).any() and (seeds == 2).any()):
        return mask
    picture = np.clip((lab * (1, 1.5, 1.5) + (0, 0.5, 0.5)) * 255, 0, 255).astype(np.uint8)
    labels = cv2.watershed(picture, seeds.copy())
    return np.where(seeds > 0, seeds == 1, np.where(labels > 0, labels == 1, mask))


def refine_to_edges(rgb: np.ndarray, small: np.ndarray, maps: np.ndarray, radius: int = 4, eps: float = 1e-4) -> np.ndarray:
    """Carry ``maps`` ``[h, w, K]`` of the reduced picture ``small`` to the size of ``rgb``, edges on the picture's edges.

    The guided filter (He, Sun and Tang 2010: each window's map is an affine function of its colour), its coefficients found at
    the reduced size (He and Sun 2015, "Fast guided filter").
    """
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, window, borderType=cv2.BORDER_REFLECT)

    h, w, num_maps = maps.shape
    mean_rgb, mean_maps = mean(small), mean(maps).reshape(h, w, num_maps)
    products = mean((small[..., :, None] * small[..., None, :]).reshape(h, w, 9)).reshape(h, w, 3, 3)
    covariance = products - mean_rgb[..., :, None] * mean_rgb[..., None, :] + eps * np.eye(3, dtype=np.float32)
    crossed = mean((small[..., :, None] * maps[..., None, :]).reshape(h, w, 3 * num_maps)).reshape(h, w, 3, num_maps)
    crossed -= mean_rgb[..., :, None] * mean_maps[..., None, :]
    gain = solve_each(covariance, crossed)
    offset = mean_maps - np.einsum("hwc,hwck->hwk", mean_rgb, gain)

    size = (rgb.shape[1], rgb.shape[0])
    channels = cv2.split(np.ascontiguousarray(rgb))
    coefficients = np.concatenate([offset[..., None, :], gain], axis=2)

    def at_full_size(part: np.ndarray) -> np.ndarray:
        return cv2.resize(mean(np.ascontiguousarray(part)), size, interpolation=cv2.INTER_LINEAR)

    full = np.zeros((num_maps, *rgb.shape[:2]), np.float32)

    def refine(k: int) -> None:
        total = at_full_size(coefficients[..., 0, k])
        for c, channel in enumerate(channels, start=1):
            cv2.accumulateProduct(channel, at_full_size(coefficients[..., c, k]), total)
        np.clip(total, 0, 1, out=full[k])

    for_each(refine, np.flatnonzero(maps.any(axis=(0, 1))))
    return np.moveaxis(full, 0, -1)


def for_each(work: Callable[[int], None], maps: Iterable[int]) -> None:
    """``work`` on each of the maps, on two cores where torch may use them: none keeps more than one busy."""
    with ThreadPoolExecutor(min(torch.get_num_threads(), 2)) as both:
        deque(both.map(work, maps), 0)


def solve_each(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """At each pixel the solution of a symmetric positive definite system, ``[h, w, 3, 3]`` and ``[h, w, 3, K]``, by Cholesky's
    factors without roots. Plane by plane: LAPACK is called for each pixel, which takes several times as long."""
    a, b, c, d, e, f = (np.ascontiguousarray(matrices[..., i, j]) for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
    low, lower = b / a, c / a
    pivot = d - low * b
    between = (e - low * c) / pivot
    last = f - lower * c - between * (e - low * c)
    x, y, z = (np.moveaxis(right[..., row, :], -1, 0) for row in range(3))
    y = y - low * x
    z = (z - lower * x - between * y) / last
    y = y / pivot - between * z
    x = x / a - low * y - lower * z
    return np.moveaxis(np.stack([x, y, z]), 1, -1).transpose(1, 2, 0, 3)


def part_by_colour(rgb: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """``maps`` float32 ``[h, w, K]``, 0..1, decided where they waver by what lies on either side: at a skyline a pixel that
    has the colour of the sky above it is sky, one that has the hill's is not, however blurred the map was.

    Each map and what it leaves are two Gaussians of Lab colour around every pixel, of the pixels that are sure; the odds of a
    pixel are multiplied by the ratio of its likelihoods, to a power and up to a bound, since neighbours' colours are no
    independent witnesses. From a wide window to a narrow one, each starting from what the last one found.
    """
    height, width = maps.shape[:2]
    lab = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2LAB) / 100
    moments = np.ones_like(lab), lab, lab**2
    sizes = [tuple(max(1, round(side * REDUCED_SIGMA_PX / sigma)) for side in (width, height)) for sigma in WINDOWS_PX]
    windows = [np.dstack([cv2.resize(moment, size, interpolation=cv2.INTER_AREA) for moment in moments]) for size in sizes]
    parted = np.empty_like(maps)

    def part(k: int) -> None:
        share = maps[..., k].copy()
        for window in windows:
            if share.max() <= SURE or share.min() >= 1 - SURE:
                break
            reduced = cv2.resize(share, window.shape[1::-1], interpolation=cv2.INTER_AREA)
            inside, outside = _sums(window, reduced), _sums(window, 1 - reduced)
            reach = np.prod([sums[..., 0] / (sums[..., 0] + FEW) for sums in (inside, outside)], axis=0)
            reach = cv2.resize(reach, (width, height), interpolation=cv2.INTER_LINEAR)
            where = np.nonzero((reach > LEAST_REACH) & (share > LEAST_DOUBT) & (share < 1 - LEAST_DOUBT))
            likely, unlikely = (_likelihood(lab[where], _sampled(sums, where, share.shape)) for sums in (inside, outside))
            told = np.clip(BELIEF * (likely - unlikely), -MOST_TOLD, MOST_TOLD) * reach[where]
            held = share[where]
            wavers = np.minimum(8 * held * (1 - held), 1)
            share[where] = 1 / (1 + (1 - held) / held * np.exp(-wavers * told))
        parted[..., k] = share

    for_each(part, range(maps.shape[2]))
    return parted


def _sums(window: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Of the moments ``[h, w, 9]`` (ones, Lab, its squares), over what is surely of ``share`` around each pixel."""
    weight = np.clip((share - SURE) / (1 - SURE), 0, 1)
    return cv2.GaussianBlur(weight[..., None] * window, (0, 0), REDUCED_SIGMA_PX)


def _likelihood(lab: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Log likelihood ``[N]`` of colours ``[N, 3]`` in the Gaussians of these sums ``[N, 9]``."""
    mean, square = np.split(sums[:, 3:] / np.maximum(sums[:, :1], 1e-6), 2, axis=1)
    variance = np.maximum(square - mean**2, 0) + LEAST_SPREAD**2
    return -0.5 * ((lab - mean) ** 2 / variance + np.log(variance)).sum(-1)


def _sampled(small: np.ndarray, where: tuple[np.ndarray, ...], shape: tuple[int, ...]) -> np.ndarray:
    """A reduced map ``[h, w, C]`` at pixels of the picture of ``shape``, linear between its own, ``[N, C]``."""
    first, last, share = [], [], []
    for at, side, small_side in zip(where, shape, small.shape, strict=False):
        place = np.clip((at + 0.5) * small_side / side - 0.5, 0, small_side - 1)
        first.append(np.floor(place).astype(np.intp))
        last.append(np.minimum(first[-1] + 1, small_side - 1))
        share.append((place - first[-1]).astype(np.float32)[:, None])
    above, below = (small[y, first[1]] * (1 - share[1]) + small[y, last[1]] * share[1] for y in (first[0], last[0]))
    return above * (1 - share[0]) + below * share[0]


def touching_top(mask: np.ndarray, min_share: float) -> np.ndarray:
    """The connected parts of ``mask`` that cover at least ``min_share`` of the picture and reach its upper border."""
    parts = Parts.of(mask)
    return parts.joined((parts.area >= min_share * mask.size) & parts.touched(0))
