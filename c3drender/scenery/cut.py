"""Regions of a picture: masks cut along its edges, and carried to full size."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from ..pixels.fits import mean_within
from ..pixels.masks import Parts, grown, shrunk

WINDOWS_PX = (24.0, 12.0, 6.0, 4.0)  # of `part_by_colour`
SURE = 0.6  # a share above this tells colours
LEAST_SPREAD = 0.03  # standard deviation, of Lab / 100
BELIEF, MOST_TOLD = 0.5, 4.0  # the power and the bound of a likelihood ratio, the latter a logarithm
FEW = 0.01  # of a window: about as much as tells something of its colour
LEAST_ODDS = 1e-4
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
    gain = np.linalg.solve(covariance, crossed)
    offset = mean_maps - np.einsum("hwc,hwck->hwk", mean_rgb, gain)

    size = (rgb.shape[1], rgb.shape[0])
    full = np.empty((*rgb.shape[:2], num_maps), np.float32)
    for k in range(num_maps):
        gain_k = cv2.resize(mean(np.ascontiguousarray(gain[..., k])), size, interpolation=cv2.INTER_LINEAR)
        offset_k = cv2.resize(mean(np.ascontiguousarray(offset[..., k])), size, interpolation=cv2.INTER_LINEAR)
        full[..., k] = np.clip(np.einsum("hwc,hwc->hw", gain_k, rgb) + offset_k, 0, 1)
    return full


def part_by_colour(rgb: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """``maps`` float32 ``[h, w, K]``, 0..1, decided where they waver by what lies on either side: at a skyline a pixel that has
    the colour of the sky above it is sky, one that has the hill's is not, however blurred the map was.

    Each map and what it leaves are two Gaussians of Lab colour around every pixel, of the pixels that are sure; the odds of a
    pixel are multiplied by the ratio of its likelihoods, to a power and up to a bound, since neighbours' colours are no
    independent witnesses. From a wide window to a narrow one, each starting from what the last one found.
    """
    lab = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2LAB) / 100
    parted = maps.copy()
    for k in range(maps.shape[2]):
        for sigma_px in WINDOWS_PX:
            share = parted[..., k]
            if share.max() <= SURE or share.min() >= 1 - SURE:
                break
            inside, of_inside = _likelihood(lab, share, sigma_px)
            outside, of_outside = _likelihood(lab, 1 - share, sigma_px)
            told = np.clip(BELIEF * (inside - outside), -MOST_TOLD, MOST_TOLD) * of_inside * of_outside
            wavers = np.minimum(8 * share * (1 - share), 1)
            held = np.clip(share, LEAST_ODDS, 1 - LEAST_ODDS)
            parted[..., k] = 1 / (1 + np.exp(-(np.log(held / (1 - held)) + wavers * told)))
    return parted


def _likelihood(lab: np.ndarray, share: np.ndarray, sigma_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Log likelihood ``[h, w]`` of each pixel's colour among the colours around it that are surely of ``share``, and how far
    there are such, 0..1."""
    weight = np.clip((share - SURE) / (1 - SURE), 0, 1)
    known = cv2.GaussianBlur(weight, (0, 0), sigma_px)
    mean = mean_within(lab, weight, sigma_px)
    variance = np.maximum(mean_within(lab**2, weight, sigma_px) - mean**2, 0) + LEAST_SPREAD**2
    return -0.5 * ((lab - mean) ** 2 / variance + np.log(variance)).sum(-1), known / (known + FEW)


def touching_top(mask: np.ndarray, min_share: float) -> np.ndarray:
    """The connected parts of ``mask`` that cover at least ``min_share`` of the picture and reach its upper border."""
    parts = Parts.of(mask)
    return parts.joined((parts.area >= min_share * mask.size) & parts.touched(0))
