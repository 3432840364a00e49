"""Seeded, periodic textures whose spectrum falls as that of photographs does, and their filtered lookup."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Material = Callable[[Array, Array, Array], Array]  # surface coordinates s, t and the footprint, in units -> [H, W, 3], 0..1

SHARPER = 0.5  # levels below the one whose texel is as wide as the footprint: bilinear lookup blurs by about as much


def noise(seed: int, size: int = 1024, slope: float = 1.0, stretch: float = 1.0, lowest: float = 2.0) -> Array:
    """Periodic noise ``[size, size]``, mean 0, deviation 1, whose amplitude falls as ``f ** -slope`` above ``lowest`` cycles.

    ``stretch`` > 1 draws it out along x.
    """
    spectrum = np.fft.rfft2(np.random.default_rng(seed).standard_normal((size, size)))
    fx, fy = np.fft.rfftfreq(size, 1 / size), np.fft.fftfreq(size, 1 / size)
    root = np.sqrt(stretch)
    spectrum *= np.maximum(np.hypot(fx[None] * root, fy[:, None] / root), lowest) ** -slope
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, s=(size, size))
    return (field / field.std()).astype(np.float32)


def ramp(values: Array, *stops: tuple[float, tuple[float, float, float]]) -> Array:
    """Colours ``[..., 3]``: ``values`` looked up between ``(value, rgb)`` stops, which ascend."""
    at = [value for value, _ in stops]
    return np.stack([np.interp(values, at, channel) for channel in zip(*(rgb for _, rgb in stops), strict=True)], -1).astype(
        np.float32
    )


def relief(height: Array, strength: float) -> Array:
    """Brightness ``[H, W]`` about 1 of a surface of that ``height``, lit from the upper left."""
    down, across = np.roll(height, -1, 0) - height, np.roll(height, -1, 1) - height
    return (1 + strength * np.tanh(2 * (down + across) / max(float((down + across).std()) * 4, 1e-6))).astype(np.float32)


def mix(a: Array, b: Array, share: Array | float) -> Array:
    """``a`` where ``share`` is 0, ``b`` where it is 1; a share ``[H, W]`` serves all channels."""
    if isinstance(share, np.ndarray) and share.ndim < np.ndim(a):
        share = share[..., None]
    return a + (b - a) * share


class Texture:
    """A periodic picture ``[size, size, C]`` on a surface, ``period`` units wide, with its halvings for filtered lookup."""

    def __init__(self, texels: Array, period: float) -> None:
        self.period = period
        self.levels = [np.ascontiguousarray(texels, dtype=np.float32)]
        while len(self.levels[-1]) > 4:
            half = len(self.levels[-1]) // 2
            self.levels.append(cv2.resize(self.levels[-1], (half, half), interpolation=cv2.INTER_AREA))

    def __call__(self, s: Array, t: Array, footprint: Array) -> Array:
        """The texture at ``s, t`` (``[H, W]``, units), filtered for pixels that are ``footprint`` units wide. ``[H, W, C]``"""
        texel = self.period / len(self.levels[0])
        level = np.clip(np.log2(np.maximum(footprint, 1e-9) / texel) - SHARPER, 0, len(self.levels) - 1).astype(np.float32)
        u, v = np.mod(s / self.period, 1), np.mod(t / self.period, 1)
        total = np.zeros((*level.shape, *self.levels[0].shape[2:]), np.float32)
        for index in range(int(level.min()), int(np.ceil(level.max())) + 1):
            near = np.abs(level - index) < 1
            rows = np.flatnonzero(near.any(axis=1))
            if not len(rows):
                continue
            band = slice(rows[0], rows[-1] + 1)  # a level covers few rows of a ground that recedes
            weight = np.maximum(0, 1 - np.abs(level[band] - index))
            picture = self.levels[index]
            at = ((x[band] * len(picture) - 0.5).astype(np.float32) for x in (u, v))
            found = cv2.remap(picture, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            total[band] += found * (weight[..., None] if found.ndim == 3 else weight)
        return total


def surface_noise(seed: int, period: float, **shape: float) -> Texture:
    """`noise` as a one-channel texture."""
    return Texture(noise(seed, **shape), period)
