"""Regions of a picture: masks cut along its edges, and carried to full size."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from ..pixels.crossing import two_threads
from ..pixels.masks import Parts, grown, shrunk

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

    with two_threads() as both:
        list(both.map(refine, np.flatnonzero(maps.any(axis=(0, 1)))))
    return np.moveaxis(full, 0, -1)


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


def touching_top(mask: np.ndarray, min_share: float) -> np.ndarray:
    """The connected parts of ``mask`` that cover at least ``min_share`` of the picture and reach its upper border."""
    parts = Parts.of(mask)
    return parts.joined((parts.area >= min_share * mask.size) & parts.touched(0))
