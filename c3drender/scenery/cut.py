"""Regions of a picture: masks cut along its edges, and carried to full size."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from ..pixels.masks import components, grown, shrunk

RNG_SEED = 1  # GrabCut starts its colour models from OpenCV's random source


def grab_cut(features: np.ndarray, likely: np.ndarray, surely: np.ndarray, surely_not: np.ndarray) -> np.ndarray:
    """Cut ``likely`` (bool ``[h, w]``) along the edges of ``features`` (``[h, w, 3]``, 0..1). Returns bool ``[h, w]``."""
    labels = np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[surely] = cv2.GC_FGD
    labels[surely_not] = cv2.GC_BGD
    inside = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if min(inside.sum(), (~inside).sum()) < 32:
        return likely

    def cut() -> None:
        cv2.setRNGSeed(RNG_SEED)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut((np.clip(features, 0, 1) * 255).astype(np.uint8), labels, None, *models, 2, cv2.GC_INIT_WITH_MASK)

    with ThreadPoolExecutor(1) as own_thread:  # OpenCV has a random source per thread: the caller's stays as it is
        own_thread.submit(cut).result()
    return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)


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

    A guided filter (each window's map is an affine function of its colour), its coefficients found at the reduced size.
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


def touching_top(mask: np.ndarray, min_share: float) -> np.ndarray:
    parts = [p for p in components(mask, min_share) if p[0].any()]
    return np.any(parts, axis=0) if parts else np.zeros_like(mask)
