"""Layers to points: neighbours on the canvas, colours sharpened against the splat's blur, pixels lifted to camera space."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..data import Layers, SplatRules


def neighbours(layers: Layers) -> tuple[Tensor, Tensor]:
    """Of each of the layers' pixels the one to its right and the one below it, in its layer: int64 ``[P]``, its own index
    where there is none."""
    own = torch.arange(len(layers.pixel), device=layers.pixel.device)
    beside = []
    for dy, dx in ((0, 1), (1, 0)):
        of_layers = []
        for layer in range(layers.num_layers):
            there = functional.pad(layers.plane(own, layer, empty=-1)[dy:, dx:], (0, dx, 0, dy), value=-1)
            of_layers.append(there.view(-1)[layers.pixel[layers.part(layer)]])
        found = torch.cat(of_layers)
        beside.append(torch.where(found >= 0, found, own))
    return beside[0], beside[1]


def among(beside: Tensor, where: Tensor) -> Tensor:
    """Of the elements of ``where [P]`` the ranks (int32) of their neighbours ``beside [P]`` among them, else their own."""
    rank = where.cumsum(0, dtype=torch.int32) - 1
    return torch.where(where[beside], rank[beside], rank)[where]


def presharpened(layers: Layers, beside: tuple[Tensor, Tensor], rules: SplatRules) -> tuple[Tensor, Tensor]:
    """The layers' ``rgb [P, 3]`` and ``alpha [P]`` plus what the surface kernel will take away from them on an unmoved grid
    (one Van Cittert step): a splat of the result shows the picture itself, not its blur. A pixel's kernel reaches those of
    its four neighbours (``beside``: `neighbours`) that lie on its surface."""
    side = (1.0 - 1.0 / rules.radius_px**2) ** 6
    own = torch.cat([layers.rgb * layers.alpha[:, None], layers.alpha[:, None]], dim=1)
    total, weight = own.clone(), torch.ones_like(layers.alpha)
    for right in reversed(beside):
        z_right = layers.z_cam[right]
        same = (layers.z_cam - z_right).abs() < rules.depth_tolerance * torch.minimum(layers.z_cam, z_right)
        near = side * (same & (right != torch.arange(len(right), device=right.device))).to(own.dtype)
        weight += near
        total.addcmul_(near[:, None], own[right])
        # Each pixel has one neighbour on a side: no index occurs twice but with a weight of 0.
        weight.index_add_(0, right, near)
        total.index_add_(0, right, near[:, None] * own)
    sharp = 2.0 * own - total / weight[:, None]
    opacity = sharp[:, 3]
    colour = torch.where(opacity[:, None] > 1e-3, sharp[:, :3] / opacity[:, None].clamp_min(1e-3), layers.rgb)
    return colour, opacity.clamp(0.0, 1.0)
