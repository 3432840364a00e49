"""A picture and what was read from it: scenery and depth."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from .checks import check_tensor


@dataclass(frozen=True, eq=False)
class Image:
    """A picture.

    Attributes
    ----------
    rgb : Tensor
        float32 ``[H, W, 3]``, sRGB-encoded, 0..1.
    """

    rgb: Tensor

    def __post_init__(self) -> None:
        check_tensor("Image", "rgb", self.rgb, ("H", "W", 3), torch.float32)

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)``"""
        return self.rgb.shape[0], self.rgb.shape[1]


@dataclass(frozen=True, eq=False)
class Scenery:
    """What the picture shows, as soft maps, each float32 ``[H, W]`` in 0..1 (1 = surely).

    Attributes
    ----------
    sky : Tensor
        Sky and clouds.
    water : Tensor
        Level water (sea, lake, pool, slow river).
    rapids : Tensor
        Falling or foaming water.
    smoke : Tensor
        Smoke, steam, flames.
    horizon_y : float
        Row (px, may lie outside the picture) of the ground's vanishing line.
    way : Tensor or None
        float32 ``[H, W, 2]``: where a fluid goes in the picture; the surer, the nearer to unit length; None: not known.
    free : Tensor or None
        float32 ``[H, W]``, 0..1: how surely a pixel may move, whatever it is; None: not known.
    """

    sky: Tensor
    water: Tensor
    rapids: Tensor
    smoke: Tensor
    horizon_y: float
    way: Tensor | None = None
    free: Tensor | None = None

    def __post_init__(self) -> None:
        if self.way is not None:
            check_tensor("Scenery", "way", self.way, (*self.sky.shape, 2), torch.float32)
        if self.free is not None:
            check_tensor("Scenery", "free", self.free, (*self.sky.shape,), torch.float32)
        for name in ("sky", "water", "rapids", "smoke"):
            check_tensor("Scenery", name, getattr(self, name), (*self.sky.shape,), torch.float32)


@dataclass(frozen=True, eq=False)
class Nearness:
    """How near things are, coarse and blurred, as a network sees it.

    Attributes
    ----------
    near : Tensor
        float32 ``[h, w]``: relative disparity, 0 (endlessly far) to 1 (nearest).
    plane : Tensor
        float32 ``[h, w]``, 0..1: how surely the surface recedes there, such as ground, water, a floor.
    kinds : Tensor
        float32 ``[K, h, w]``, 0..1: how much of a pixel is of each of `c3drender.pixels.segments.SEGMENT_CLASSES`.
    """

    near: Tensor
    plane: Tensor
    kinds: Tensor

    def __post_init__(self) -> None:
        check_tensor("Nearness", "near", self.near, ("h", "w"), torch.float32)
        check_tensor("Nearness", "plane", self.plane, (*self.near.shape,), torch.float32)
        check_tensor("Nearness", "kinds", self.kinds, ("K", *self.near.shape), torch.float32)


@dataclass(frozen=True, eq=False)
class DepthMap:
    """Depth along the view axis of every pixel.

    Attributes
    ----------
    z_cam : Tensor
        float32 ``[H, W]``, > 0, in any unit.
    measured : bool
        Its edges lie where the picture's do; an estimate's are soft and get sharpened.
    focal_px : float or None
        The photo's focal length in pixels, where what gave the depth knows it.
    """

    z_cam: Tensor
    measured: bool = False
    focal_px: float | None = None

    def __post_init__(self) -> None:
        check_tensor("DepthMap", "z_cam", self.z_cam, ("H", "W"), torch.float32)
        if self.focal_px is not None and not 0 < self.focal_px < inf:
            raise ValueError(f"DepthMap: focal_px must be finite and > 0, got {self.focal_px}")
