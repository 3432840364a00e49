"""What is drawn, and what drawing leaves: points, rasters, frames."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .checks import check_one_device, check_tensor


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Feature points in the photo's camera space.

    Attributes
    ----------
    xyz : Tensor
        float32 ``[N, 3]``.
    feat : Tensor
        float32 ``[N, C]``.
    radius : Tensor
        float32 ``[N]``, in scene units.
    opacity : Tensor or None
        float32 ``[N]``, 0..1; None: 1.
    """

    xyz: Tensor
    feat: Tensor
    radius: Tensor
    opacity: Tensor | None = None

    def __post_init__(self) -> None:
        check_tensor("PointCloud", "xyz", self.xyz, ("N", 3), torch.float32)
        check_tensor("PointCloud", "feat", self.feat, (len(self.xyz), "C"), torch.float32)
        check_tensor("PointCloud", "radius", self.radius, (len(self.xyz),), torch.float32)
        check_one_device("PointCloud", xyz=self.xyz, feat=self.feat, radius=self.radius)
        if self.opacity is not None:
            check_tensor("PointCloud", "opacity", self.opacity, (len(self.xyz),), torch.float32)
            check_one_device("PointCloud", xyz=self.xyz, opacity=self.opacity)

    def __len__(self) -> int:
        return len(self.xyz)


@dataclass(frozen=True, eq=False)
class Raster:
    """What a splat leaves, all composited (premultiplied by coverage).

    Attributes
    ----------
    feat : Tensor
        float32 ``[(V,) H, W, C]``.
    alpha, disp : Tensor
        float32 ``[(V,) H, W]``.
    idx : Tensor or None
        int32 ``[(V,) H, W, K]``, nearest hits, ascending, -1 where empty.
    """

    feat: Tensor
    alpha: Tensor
    disp: Tensor
    idx: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """One finished picture.

    Attributes
    ----------
    rgb_u8 : Tensor
        uint8 ``[H, W, 3]``, sRGB.
    uncovered : Tensor
        bool ``[H, W]``: what no point covered.
    disp : Tensor or None
        float32 ``[H, W]``, disparity (1/z) of what is shown; None: not asked for.
    """

    rgb_u8: Tensor
    uncovered: Tensor = field(repr=False)
    disp: Tensor | None = field(repr=False, default=None)
