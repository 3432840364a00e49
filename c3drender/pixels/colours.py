"""Soft maps of a picture, decided by its colours where they waver."""

from __future__ import annotations

import cv2
import numpy as np

from .crossing import two_threads

WINDOWS_PX = (10.0, 5.0)  # standard deviations
SURE = 0.6  # a share above this tells colours
LEAST_SPREAD = 0.03  # standard deviation, of Lab / 100
BELIEF, MOST_TOLD = 0.5, 4.0  # the power and the bound of a likelihood ratio, the latter a logarithm
FEW = 0.01  # of a window: about as much as tells something of its colour
LEAST_REACH = 0.1  # where less is known of either side colours tell nothing
LEAST_DOUBT = 0.02  # a share nearer to 0 or 1 is decided
REDUCED_SIGMA_PX = 2.0


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

    with two_threads() as both:
        list(both.map(part, range(maps.shape[2])))
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
