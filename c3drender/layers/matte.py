"""Coverage at depth edges: how much of each pixel along them belongs to the nearer surface, and the colours of both.

A pixel on an edge shows ``a F + (1 - a) B``. F and B are looked up a few pixels to either side, where each surface stands
alone; the pixel's own colour, projected on the line between them, tells ``a``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np

from ..pixels.nearest import Nearest

LEAST_CONTRAST = 0.06  # between the surfaces, length in RGB: below, nothing can be told from colour
TRUSTED, USELESS = 0.3, 0.7  # spread of the surfaces' colours over their contrast: colour tells all, nothing
CERTAIN = 0.06  # coverage that close to 0 or 1 is 0 or 1


@dataclass(frozen=True, eq=False)
class Matte:
    """Of the pixels ``pixel [P]`` (flat, ascending) that show two surfaces: ``alpha [P]``, 0..1, what the nearer one covers;
    ``near_rgb``, ``far_rgb [P, 3]`` their colours, of which the picture's is the mean by alpha; ``near_disp``, ``far_disp
    [P]``."""

    pixel: np.ndarray
    alpha: np.ndarray
    near_rgb: np.ndarray
    far_rgb: np.ndarray
    near_disp: np.ndarray
    far_disp: np.ndarray

    def at(self, where: np.ndarray) -> Matte:
        """Of the pixels ``where [H, W]`` alone."""
        there = where.reshape(-1)[self.pixel]
        return Matte(*(getattr(self, field.name)[there] for field in fields(self)))


_NONE, _NO_COLOUR = np.empty(0, np.float32), np.empty((0, 3), np.float32)
HARD_EDGES = Matte(np.empty(0, np.int64), _NONE, _NO_COLOUR, _NO_COLOUR, _NONE, _NONE)  # no pixel shows two surfaces


@dataclass(frozen=True, eq=False)
class _Band:
    """The pixels (flat) near an edge, the disparities on both sides of the nearest edge, and how far beyond it they lie (px,
    negative on the nearer side)."""

    pixel: np.ndarray
    near_disp: np.ndarray
    far_disp: np.ndarray
    beyond_px: np.ndarray


@dataclass(frozen=True)
class EdgeRules:
    """Neighbours whose disparities differ by more than ``tear_disp`` and by the factor ``gap`` are the two sides of an edge,
    which lies up to ``band_px`` beside the picture's."""

    tear_disp: float
    gap: float
    band_px: float


def find_matte(rgb: np.ndarray, disp: np.ndarray, solid: np.ndarray, where: np.ndarray, rules: EdgeRules) -> Matte:
    """The matte of the picture ``rgb`` float32 ``[H, W, 3]`` along the edges of ``disp`` float32 ``[H, W]``. Only pixels
    ``where [H, W]`` are looked at, and only what is ``solid [H, W]`` can be the nearer side."""
    window_px = 4 * round(rules.band_px) + 3  # over which a surface's colour is averaged
    band = _find_band(disp, solid, where, rules, rules.band_px + window_px // 2)
    near_rgb, far_rgb, spread = _surface_colours(rgb, band, rules.band_px, window_px)
    own = rgb.reshape(-1, 3)[band.pixel]
    line = near_rgb - far_rgb
    contrast = np.linalg.norm(line, axis=1)
    told = np.einsum("pc,pc->p", own - far_rgb, line) / np.maximum(contrast, LEAST_CONTRAST) ** 2
    told = np.clip((told - CERTAIN) / (1 - 2 * CERTAIN), 0, 1)
    trust = np.clip((USELESS - spread / np.maximum(contrast, 1e-6)) / (USELESS - TRUSTED), 0, 1) * (contrast > LEAST_CONTRAST)
    trust *= np.clip(rules.band_px + 0.5 - np.abs(band.beyond_px), 0, 1)
    on_near_side = band.beyond_px < 0
    alpha = on_near_side + trust * (told - on_near_side)
    mixed = np.where(on_near_side, (alpha < 1) & solid.reshape(-1)[band.pixel], alpha > 0)
    alpha, rest = alpha[mixed], (own - far_rgb)[mixed] - alpha[mixed, None] * line[mixed]
    # What neither explains goes with the nearer surface, as an outline does, as far as its colour allows; the farther one
    # takes what is left: the mean by alpha stays the picture.
    alpha = alpha[:, None]
    near = np.clip(near_rgb[mixed] + rest / np.maximum(alpha, 1e-6), 0, 1)
    left = (own[mixed] - alpha * near) / np.maximum(1 - alpha, 1e-6)
    return Matte(
        band.pixel[mixed],
        alpha[:, 0].astype(np.float32),
        near.astype(np.float32),
        np.where(alpha < 1, np.clip(left, 0, 1), far_rgb[mixed]).astype(np.float32),
        band.near_disp[mixed],
        band.far_disp[mixed],
    )


def _find_band(disp: np.ndarray, solid: np.ndarray, where: np.ndarray, rules: EdgeRules, reach_px: float) -> _Band:
    farthest = cv2.erode(disp, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    edge = (disp - farthest > rules.tear_disp) & (disp > rules.gap * farthest) & solid & where
    if not edge.any():
        none = np.empty(0, np.float32)
        return _Band(np.empty(0, np.int64), none, none, none)
    nearest = Nearest.of(edge)
    pixel = np.flatnonzero((nearest.distance < reach_px) & where)
    seed = nearest.to(pixel)
    near, far, own = disp.reshape(-1)[seed], farthest.reshape(-1)[seed], disp.reshape(-1)[pixel]
    away = nearest.distance.reshape(-1)[pixel]
    beyond = np.where(own > (near + far) / 2, -away - 0.5, away - 0.5)
    return _Band(pixel, near, far, beyond)


def _surface_colours(
    rgb: np.ndarray, band: _Band, band_px: float, window_px: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each pixel of the band the colours of both surfaces nearby, ``[P, 3]`` each, and ``[P]`` the spread of both, or,
    beyond the edge, of the farther one's alone."""
    height, width = rgb.shape[:2]
    own = rgb.reshape(-1, 3)[band.pixel]
    clear = (np.clip(np.abs(band.beyond_px) / (band_px + 0.5), 0, 1) ** 6 + 1e-4).astype(np.float32)
    colours, variances = [], []
    for side in (band.beyond_px < 0, band.beyond_px > 0):
        weight = clear * side
        sums = np.zeros((height * width, 4), np.float32)
        sums[band.pixel, :3], sums[band.pixel, 3] = own * weight[:, None], weight
        squares = np.zeros(height * width, np.float32)
        squares[band.pixel] = np.einsum("pc,pc->p", own, own) * weight
        window = (window_px, window_px)
        sums = cv2.boxFilter(sums.reshape(height, width, 4), -1, window, normalize=False).reshape(-1, 4)[band.pixel]
        squares = cv2.boxFilter(squares.reshape(height, width), -1, window, normalize=False).reshape(-1)[band.pixel]
        total = np.maximum(sums[:, 3], 1e-9)
        colours.append(sums[:, :3] / total[:, None])
        variances.append(np.maximum(squares / total - np.einsum("pc,pc->p", colours[-1], colours[-1]), 0))
    # What differs from a calm backdrop is not of it, however varied the colours before it are: hair, feathers, a lit roof.
    doubted = np.where(band.beyond_px < 0, variances[0] + variances[1], variances[1])
    return colours[0], colours[1], np.sqrt(doubted)
