"""The layered depth image, and the rules by which its surfaces are drawn."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import accumulate
from math import inf
from numbers import Real

import torch
from torch import Tensor

from .checks import check_tensor


@dataclass(frozen=True)
class SplatRules:
    """How the layers' surfaces are drawn as discs: what fills them, renders them and trains on them must agree on it.

    Attributes
    ----------
    radius_px : float
        Radius of a disc where nothing is stretched, px.
    depth_tolerance : float
        Relative depth within which hits are one surface.
    closed_px : float
        px between neighbours up to which discs of that radius leave no gap.
    max_stretch_px : float
        Up to which a fluid's discs widen with the distance to stay one surface.
    least_existence : float
        A point that drifts to where less of a fluid pixel is than this has left the fluid and is not drawn.
    """

    radius_px: float = 1.5
    depth_tolerance: float = 0.02
    closed_px: float = 1.5
    max_stretch_px: float = 3.0
    least_existence: float = 0.75

    def __post_init__(self) -> None:
        for rule in fields(self):
            value = getattr(self, rule.name)
            if isinstance(value, bool) or not isinstance(value, Real):
                raise TypeError(f"SplatRules: {rule.name} must be a number, got {value!r}")
        sizes_fit = 0 < self.radius_px < inf and self.closed_px > 1 and self.max_stretch_px >= 1
        if not (sizes_fit and self.depth_tolerance >= 0 and 0 <= self.least_existence < 1):
            expected = "radius_px > 0, depth_tolerance >= 0, closed_px > 1, max_stretch_px >= 1 and 0 <= least_existence < 1"
            raise ValueError(f"SplatRules: expected {expected}, got {self}")

    @property
    def tear_px(self) -> float:
        """By how much more than on the grid two neighbours may come apart and still be one surface."""
        return self.closed_px - 1.0


@dataclass(frozen=True, eq=False)
class Layers:
    """A layered depth image (LDI): the pixels that exist, near to far, on a canvas wider than the photo.

    Layer 0 is what the photo shows, continued into the margin; layer k is what layer k-1 hides and some view can reveal. Its
    pixels are ``first[k]`` to ``first[k + 1]``, row by row.

    Attributes
    ----------
    pixel : Tensor
        int32 ``[P]``, where each pixel lies on the canvas: ``y * width + x``.
    rgb : Tensor
        float32 ``[P, 3]``, sRGB-encoded.
    alpha : Tensor
        float32 ``[P]``, > 0, the share of the canvas' pixel that it covers.
    z_cam : Tensor
        float32 ``[P]``, > 0, depth along the view axis.
    seen : Tensor
        bool ``[P]``, True where the colour is the photo's own, not filled.
    step_px : Tensor
        float32 ``[P, 2]``, the flow, px per frame, continued into what was filled.
    moving : Tensor
        bool ``[P]``, what flows, continued likewise.
    first : tuple of int
        Where each layer begins, and P at the end.
    size : tuple of int
        ``(height, width)`` of the canvas.
    margin_px : int
        By how much the canvas is wider than the photo on every side.

    References
    ----------
    Shade, Gortler, He, Szeliski, "Layered Depth Images", SIGGRAPH 1998.
    """

    pixel: Tensor
    rgb: Tensor
    alpha: Tensor
    z_cam: Tensor
    seen: Tensor
    step_px: Tensor
    moving: Tensor
    first: tuple[int, ...]
    size: tuple[int, int]
    margin_px: int

    def __post_init__(self) -> None:
        check_tensor("Layers", "pixel", self.pixel, ("P",), torch.int32)
        count = len(self.pixel)
        check_tensor("Layers", "rgb", self.rgb, (count, 3), torch.float32)
        check_tensor("Layers", "alpha", self.alpha, (count,), torch.float32)
        check_tensor("Layers", "z_cam", self.z_cam, (count,), torch.float32)
        check_tensor("Layers", "seen", self.seen, (count,), torch.bool)
        check_tensor("Layers", "step_px", self.step_px, (count, 2), torch.float32)
        check_tensor("Layers", "moving", self.moving, (count,), torch.bool)
        if len(self.first) < 2 or self.first[0] != 0 or self.first[-1] != count or list(self.first) != sorted(self.first):
            raise ValueError(f"Layers: first must rise from 0 to P = {count} (from pixel), got {self.first}")

    @classmethod
    def from_planes(
        cls, rgb: Tensor, alpha: Tensor, z_cam: Tensor, seen: Tensor, step_px: Tensor, moving: Tensor, margin_px: int
    ) -> Layers:
        """Of planes ``[L, H, W, ...]`` the pixels that have some ``alpha``."""
        exists = alpha > 0
        return cls(
            pixel=exists.flatten(1).nonzero()[:, 1].to(torch.int32),
            rgb=rgb[exists],
            alpha=alpha[exists],
            z_cam=z_cam[exists],
            seen=seen[exists],
            step_px=step_px[exists],
            moving=moving[exists],
            first=(0, *exists.flatten(1).sum(dim=1).cumsum(0).tolist()),
            size=(alpha.shape[1], alpha.shape[2]),
            margin_px=margin_px,
        )

    @property
    def num_layers(self) -> int:
        return len(self.first) - 1

    def part(self, layer: int) -> slice:
        """Where the pixels of one layer are."""
        return slice(self.first[layer], self.first[layer + 1])

    def plane(self, values: Tensor, layer: int, empty: float = 0) -> Tensor:
        """``values [P, ...]`` of one layer, spread over the canvas: ``[H, W, ...]``, ``empty`` where it has no pixel."""
        plane = values.new_full((self.size[0] * self.size[1], *values.shape[1:]), empty)
        plane[self.pixel[self.part(layer)]] = values[self.part(layer)]
        return plane.view(*self.size, *values.shape[1:])

    def of_photo(self, values: Tensor, layer: int = 0) -> Tensor:
        """`plane`, inside the photo's border: ``[H, W, ...]`` of the photo."""
        margin = self.margin_px
        return self.plane(values, layer)[margin : self.size[0] - margin, margin : self.size[1] - margin]

    def centre_px(self) -> Tensor:
        """The pixels' centres (x, y), float32 ``[P, 2]``."""
        width = self.size[1]
        return torch.stack([self.pixel % width, self.pixel // width], dim=1).to(torch.float32) + 0.5

    def nearest_moving(self) -> Tensor:
        """Of each place on the canvas the nearest pixel that moves, int64 ``[H, W]``; -1 where none does."""
        nearest = torch.full((self.size[0] * self.size[1],), -1, dtype=torch.int64, device=self.pixel.device)
        for layer in range(self.num_layers):
            part = self.part(layer)
            own = torch.arange(part.start, part.stop, device=self.pixel.device)
            before = nearest[self.pixel[part]]
            nearest[self.pixel[part]] = torch.where(self.moving[part] & (before < 0), own, before)
        return nearest.view(self.size)

    def kept(self, where: Tensor) -> Layers:
        """The pixels that are True in ``where [P]`` alone."""
        counts = [int(where[self.part(layer)].sum()) for layer in range(self.num_layers)]
        names = ("pixel", "rgb", "alpha", "z_cam", "seen", "step_px", "moving")
        inside = {name: getattr(self, name)[where] for name in names}
        return replace(self, **inside, first=(0, *accumulate(counts)))


SPLAT_RULES = SplatRules()
