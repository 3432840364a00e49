"""Layers to points: neighbours on the canvas, colours sharpened against the splat's blur, pixels lifted to camera space."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data import Layers, SplatRules


def neighbours(layers: Layers) -> tuple[Tensor, Tensor]:
    """Of each of the layers' pixels the one to its right and the one below it, in its layer: int64 ``[P]``, its own index
    where there is none."""
    (height, width), pixel = layers.size, layers.pixel
    own = torch.arange(len(pixel), device=pixel.device)
    follows = (pixel[1:] == pixel[:-1] + 1) & (pixel[1:] % width != 0)
    for first in layers.first:
        if 0 < first < len(pixel):
            follows[first - 1 : first].zero_()
    right = own.clone()
    right[:-1] += follows
    below = torch.empty_like(own)
    place = torch.empty((height + 1) * width, dtype=torch.int32, device=pixel.device)  # a row more: the last has none below
    for layer in range(layers.num_layers):
        part = layers.part(layer)
        place.fill_(-1)[pixel[part]] = own[part].to(torch.int32)
        below[part] = place[pixel[part] + width]
    return right, torch.where(below >= 0, below, own)


def among(beside: Tensor, where: Tensor, index: Tensor) -> Tensor:
    """Of the elements of ``where [P]``, which are ``index``, the ranks (int32) of their neighbours ``beside [P]`` among them,
    else their own."""
    rank = where.cumsum(0, dtype=torch.int32) - 1
    beside = beside[index]
    return torch.where(where[beside], rank[beside], rank[index])


def presharpened(layers: Layers, beside: tuple[Tensor, Tensor], rules: SplatRules) -> tuple[Tensor, Tensor]:
    """The layers' ``rgb [P, 3]`` and ``alpha [P]`` plus what the surface kernel will take away from them on an unmoved grid
    (one Van Cittert step): a splat of the result shows the picture itself, not its blur. A pixel's kernel reaches those of
    its four neighbours (``beside``: `neighbours`) that lie on its surface."""
    side = (1.0 - 1.0 / rules.radius_px**2) ** 6
    own = torch.empty(len(layers.pixel), 4, dtype=layers.rgb.dtype, device=layers.rgb.device)
    torch.mul(layers.rgb, layers.alpha[:, None], out=own[:, :3])
    own[:, 3] = layers.alpha
    total, weight, there = own.clone(), torch.ones_like(layers.alpha), torch.empty_like(own)
    for right in reversed(beside):
        z_right = layers.z_cam[right]
        same = (layers.z_cam - z_right).abs_() < rules.depth_tolerance * torch.minimum(layers.z_cam, z_right)
        near = side * (same & (right != torch.arange(len(right), device=right.device))).to(own.dtype)
        weight += near
        total.addcmul_(near[:, None], torch.index_select(own, 0, right, out=there))
        # Each pixel has one neighbour on a side: no index occurs twice but with a weight of 0.
        weight.index_add_(0, right, near)
        total.index_add_(0, right, torch.mul(near[:, None], own, out=there))
    sharp = own.mul_(2.0).sub_(total.div_(weight[:, None]))
    opacity = sharp[:, 3]
    colour = torch.where(opacity[:, None] > 1e-3, sharp[:, :3] / opacity[:, None].clamp_min(1e-3), layers.rgb)
    return colour, opacity.clamp(0.0, 1.0)
