"""From disparity per segment to disparity per pixel: smooth within a surface, cut exactly on the picture's edge."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from ..pixels.standing import FROM, find_thin, on_their_feet
from ..pixels.upsample import upsampled
from .halfway import settle_halfway
from .segments import Segments

CUT_DISP = 0.04  # segments whose disparities differ by more than this and their slope are different surfaces
RELAX_STEPS, RELAX_RATE = 40, np.float32(0.2)  # of explicit diffusion, about 4 px wide
SMOOTHING = (60.0, 15.0, 4.0)  # squared reach (px^2) of each round of smoothing


@dataclass(frozen=True, eq=False)
class Relief:
    """A plane in each segment: ``disp`` at its centre, ``slope`` per row; ``is_sky``: it is sky; ``whole``: it is part of a
    person or an animal, of which nothing lies halfway to what is behind it. ``joined``: int64, sorted, ``i * n + j`` of the
    neighbours ``i < j`` among the n segments that are one surface, however steep."""

    segments: Segments
    disp: np.ndarray
    slope: np.ndarray
    is_sky: np.ndarray
    whole: np.ndarray
    joined: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def cut_apart(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Do segments ``i`` and ``j`` belong to different surfaces?"""
        sloped = np.maximum(self.slope[i], self.slope[j]) * np.abs(self.segments.y[i] - self.segments.y[j])
        apart = (np.abs(self.disp[i] - self.disp[j]) > CUT_DISP + sloped) | (self.is_sky[i] != self.is_sky[j])
        if len(self.joined):
            pair = np.minimum(i, j).astype(np.int64) * len(self.segments) + np.maximum(i, j)
            place = np.minimum(np.searchsorted(self.joined, pair), len(self.joined) - 1)
            apart &= self.joined[place] != pair
        return apart


def disparity_at_full_size(relief: Relief, rgb: np.ndarray, behind: np.ndarray | None = None) -> np.ndarray:
    """Disparity float32 of the size of ``rgb``; surfaces that are cut apart meet on its edges, with no pixel in between.
    ``behind`` float32 ``[h, w]``: how much of each pixel is sky or mist; what is thin before it stands on its feet."""
    labels = relief.segments.labels
    cut_down, cut_right = relief.cut_apart(labels[:-1], labels[1:]), relief.cut_apart(labels[:, :-1], labels[:, 1:])
    smooth = _smooth_within_surfaces(relief, cut_down, cut_right)
    small = np.clip(cv2.resize(rgb, labels.shape[::-1], interpolation=cv2.INTER_AREA), 0, 1)
    if behind is not None:
        smooth = on_their_feet(smooth, find_thin(behind, small), behind > FROM)
    return upsampled(settle_halfway(small, smooth, relief.whole[labels]), rgb)


def _smooth_within_surfaces(relief: Relief, cut_down: np.ndarray, cut_right: np.ndarray) -> np.ndarray:
    labels = relief.segments.labels
    rows = np.arange(len(labels))[:, None] + 0.5
    disp = relief.disp[labels] + relief.slope[labels] * (rows - relief.segments.y[labels])
    for strength in SMOOTHING:
        disp = _smooth_lines(disp.T, strength * ~cut_right.T).T
        disp = _smooth_lines(disp, strength * ~cut_down)
    return _relaxed(np.clip(disp, 0, 1).astype(np.float32), cut_down, cut_right)


def _relaxed(disp: np.ndarray, cut_down: np.ndarray, cut_right: np.ndarray) -> np.ndarray:
    """Even in all directions: where a cut ends inside a surface, lines smoothed one by one would leave stripes beside it."""
    disp, down, right = disp.copy(), RELAX_RATE * ~cut_down, RELAX_RATE * ~cut_right
    for _ in range(RELAX_STEPS):
        flow_down, flow_right = down * np.diff(disp, axis=0), right * np.diff(disp, axis=1)
        disp[:-1] += flow_down
        disp[1:] -= flow_down
        disp[:, :-1] += flow_right
        disp[:, 1:] -= flow_right
    return disp


def _smooth_lines(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Along axis 0, minimise ``(u - values)^2 + weight (u_k - u_{k+1})^2`` (tridiagonal elimination, all columns at once).

    Rows and columns in turn, round by round with less weight, are the Fast Global Smoother (Min et al. 2014, "Fast global
    image smoothing based on weighted least squares"), here with weights that are 0 across a cut.
    """
    diagonal = np.ones_like(values)
    diagonal[:-1] += weight
    diagonal[1:] += weight
    u = values.copy()
    for k in range(1, len(u)):
        ratio = weight[k - 1] / diagonal[k - 1]
        diagonal[k] -= ratio * weight[k - 1]
        u[k] += ratio * u[k - 1]
    u[-1] /= diagonal[-1]
    for k in range(len(u) - 2, -1, -1):
        u[k] = (u[k] + weight[k] * u[k + 1]) / diagonal[k]
    return u
