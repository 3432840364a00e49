"""A small map at the size of its picture, its edges on the picture's."""

from __future__ import annotations

import cv2
import numpy as np

COLOUR_SIGMA = 0.08  # of RGB in 0..1: colours that differ by more belong to different surfaces
SPACE_SIGMA = 1.0  # of the small map's pixels
REACH = range(-1, 3)  # of the small map's pixels, from the one above and left: those that are asked
SAME_SURFACE = 0.05  # of the map's range: values closer to the likeliest one are of its surface
CHUNK_PX = 2**17


def upsampled(values: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """``values`` float32 ``[h, w]`` at the size of ``rgb`` float32 ``[H, W, 3]``.

    Within a surface it is bilinear. Near an edge of the map each pixel asks the small map's pixels around it, by nearness in
    space and colour: the likeliest tells the surface, and the mean of those on it the value, so that none lies between two.

    References
    ----------
    Kopf, Cohen, Lischinski, Uyttendaele, "Joint Bilateral Upsampling", SIGGRAPH 2007.
    """
    height, width = rgb.shape[:2]
    small_h, small_w = values.shape
    near = float(np.ptp(values)) * SAME_SURFACE
    out = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
    window = np.ones((5, 5), np.uint8)
    edge = cv2.dilate(values, window) - cv2.erode(values, window) > near
    ys, xs = np.nonzero(cv2.resize(edge.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST))
    small_rgb = cv2.resize(rgb, (small_w, small_h), interpolation=cv2.INTER_AREA)
    for start in range(0, len(ys), CHUNK_PX):
        y, x = ys[start : start + CHUNK_PX], xs[start : start + CHUNK_PX]
        at_y, at_x = (y + 0.5) * small_h / height - 0.5, (x + 0.5) * small_w / width - 0.5
        own = rgb[y, x]
        votes, found = [], []
        for dy in REACH:
            row = np.floor(at_y).astype(int) + dy
            for dx in REACH:
                col = np.floor(at_x).astype(int) + dx
                cell = np.clip(row, 0, small_h - 1), np.clip(col, 0, small_w - 1)
                away = ((row - at_y) ** 2 + (col - at_x) ** 2) / (2 * SPACE_SIGMA**2)
                unlike = ((own - small_rgb[cell]) ** 2).sum(axis=1) / (2 * COLOUR_SIGMA**2)
                votes.append(np.exp(-away - unlike) + 1e-12 * np.exp(-away))
                found.append(values[cell])
        weight, value = np.stack(votes), np.stack(found)
        # All who vote for a surface tell it together: a lone pixel of the right colour may be a mixed one.
        support = np.stack([(weight * (np.abs(value - other) < near)).sum(axis=0) for other in value])
        best = np.take_along_axis(value, support.argmax(axis=0)[None], axis=0)
        weight *= np.abs(value - best) < near
        out[y, x] = (weight * value).sum(axis=0) / weight.sum(axis=0)
    return out
