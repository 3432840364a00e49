"""Depth maps shown in colours: which colour map it was, and the numbers behind it."""

from __future__ import annotations

import cv2
import numpy as np
import scipy

SAMPLE_PX = 20_000
LIKE = 14.0  # of 255, distance in RGB to the nearest colour of the map: what a lossy picture adds
LEAST_LIKE = 0.95  # of the pixels must be that near

# The anchors of ColorBrewer's Spectral, from its red to its blue end, as Matplotlib has them.
SPECTRAL = (
    (158, 1, 66),
    (213, 62, 79),
    (244, 109, 67),
    (253, 174, 97),
    (254, 224, 139),
    (255, 255, 191),
    (230, 245, 152),
    (171, 221, 164),
    (102, 194, 165),
    (50, 136, 189),
    (94, 79, 162),
)
# Those that depth is shown in; the near end is the one that is red, yellow or white.
OPENCV_MAPS = {
    "turbo": cv2.COLORMAP_TURBO,
    "jet": cv2.COLORMAP_JET,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "magma": cv2.COLORMAP_MAGMA,
    "inferno": cv2.COLORMAP_INFERNO,
    "plasma": cv2.COLORMAP_PLASMA,
    "hot": cv2.COLORMAP_HOT,
}


def colour_maps() -> dict[str, np.ndarray]:
    """Every known map, float64 ``[256, 3]`` RGB of 0..255, from its far to its near end."""
    steps = np.arange(256, dtype=np.uint8)[:, None]
    maps = {name: cv2.applyColorMap(steps, code)[:, 0, ::-1].astype(np.float64) for name, code in OPENCV_MAPS.items()}
    anchors = np.array(SPECTRAL[::-1], np.float64)
    at = np.linspace(0, 1, len(anchors))
    maps["spectral"] = np.stack([np.interp(np.linspace(0, 1, 256), at, anchors[:, c]) for c in range(3)], axis=1)
    return maps


def numbers_of_colours(rgb: np.ndarray) -> tuple[np.ndarray, str] | None:
    """The numbers float32 ``[H, W]``, 0..255, near is large, behind uint8 ``rgb [H, W, 3]``, and the map's name; None where
    the colours are those of no known map."""
    pixels = rgb.reshape(-1, 3)
    sample = pixels[:: max(len(pixels) // SAMPLE_PX, 1)].astype(np.float64)
    known = colour_maps()
    away_from = {name: scipy.spatial.KDTree(colours).query(sample)[0] for name, colours in known.items()}
    errors = {name: np.minimum(away, 4 * LIKE).mean() for name, away in away_from.items()}
    name = min(errors, key=lambda key: errors[key])
    if (away_from[name] < LIKE).mean() < LEAST_LIKE:
        return None
    red, green, blue = (pixels[:, c].astype(np.int32) for c in range(3))
    code = (red << 16 | green << 8 | blue).reshape(rgb.shape[:2])
    used = np.flatnonzero(np.bincount(code.ravel(), minlength=1 << 24))  # each colour once, without sorting the pixels
    away, numbers = scipy.spatial.KDTree(known[name]).query(np.stack([used >> 16, used >> 8 & 255, used & 255], axis=1))
    number_of, is_mixed = np.zeros(1 << 24, np.float32), np.zeros(1 << 24, bool)
    # Between two colours a lossy picture mixes others, which mean numbers that are not there.
    number_of[used], is_mixed[used] = numbers, away > LIKE / 2
    found, mixed = number_of[code], is_mixed[code]
    return np.where(mixed, cv2.medianBlur(found, 5), found), name
