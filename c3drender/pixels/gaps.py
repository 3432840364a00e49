"""Maps with gaps: what is not known, continued from the farther side of what is around it."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

from .masks import square
from .nearest import nearest_inside

SCATTERED = 0.5  # of the pixels around a known one: where fewer are known, the map is a scatter of samples


def is_scattered(known: np.ndarray) -> bool:
    """Whether ``known`` bool ``[H, W]`` are samples far apart, as a LiDAR's projected into a picture, rather than a map with
    gaps."""
    if not known.any():
        return False
    around = cv2.blur(known.astype(np.float32), (3, 3), borderType=cv2.BORDER_REFLECT_101)[known]
    return bool((around.mean() * 9 - 1) / 8 < SCATTERED)


def filled_from_farther(farness: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, ...]:
    """For each pixel the index of the known one that stands in for it, itself where it is known.

    A gap is a shadow of the sensor behind something near: it continues what is farther. Of each gap's rim what is farther
    than its mean is taken, and of that the nearest pixel.

    Parameters
    ----------
    farness : array
        ``[H, W]``, larger is farther; read where known.
    known : array
        bool ``[H, W]``, at least one.

    Returns
    -------
    tuple of array
        ``values[filled_from_farther(...)]`` is ``values`` without gaps.
    """
    labels, count = ndimage.label(~known)
    rim = cv2.dilate((~known).view(np.uint8), square(1)).view(bool) & known
    if not rim.any():
        return tuple(np.indices(known.shape))
    own = ndimage.grey_dilation(labels, size=(3, 3))[rim]
    far = farness[rim]
    mean = np.bincount(own, far, count + 1) / np.maximum(np.bincount(own, minlength=count + 1), 1)
    source = np.zeros_like(known)
    source[rim] = far >= mean[own] - 1e-6 * np.abs(mean[own])
    stands_in = nearest_inside(source)
    return tuple(np.where(known, at, found) for at, found in zip(np.indices(known.shape), stands_in, strict=True))
