"""The released layer builder: layers cut at depth bins, each continued behind the nearer ones by two networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .filters import erode, opened, refine_depth, smooth

Inpaint = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

MIN_LAYER_PX = 10
CONTEXT_INSET = 10
HOLE_REACH_PX = 40
LOG_OFFSET = 1e-8
FARTHEST = 1e3


@dataclass(frozen=True, eq=False)
class DepthLayers:
    """Near to far: ``rgba`` ``[L, 4, H, W]`` (colour times alpha), ``z_cam`` ``[L, H, W]``, ``visible`` ``[L, H, W]``: 1
    where the photo shows the layer, else 0."""

    rgba: Tensor
    z_cam: Tensor
    visible: Tensor


def build_layers(rgb: Tensor, z_cam: Tensor, bins: Tensor, inpaint_depth: Inpaint, inpaint_colour: Inpaint) -> DepthLayers:
    """Layers of a picture ``rgb [3, H, W]`` with depth ``z_cam [H, W]`` between the edges ``bins``.

    ``inpaint_depth`` and ``inpaint_colour`` are called like `networks.inpainters`, with a leading batch of one.
    """
    z_cam = z_cam[None]
    alpha = ((z_cam >= bins[0]) & (z_cam < bins[1])).float()
    layers = [(torch.cat([rgb * alpha, alpha]), refine_depth(z_cam, alpha), alpha)]
    nearer = z_cam * alpha
    for index in range(1, len(bins) - 1):
        near_edge, far_edge = bins[index], bins[index + 1]
        if erode(((z_cam >= near_edge) & (z_cam < far_edge)).float(), CONTEXT_INSET).sum() < MIN_LAYER_PX:
            continue
        context = erode((z_cam >= near_edge).float(), CONTEXT_INSET)
        hole = (1 - context) * inpainting_box(context)
        depth = _continued_depth(z_cam, context, hole, torch.minimum(near_edge, far_edge), inpaint_depth)
        before_next = (depth < far_edge).float()
        known = rgb * context
        inpainted = inpaint_colour(known[None], torch.zeros_like(context)[None], context[None], hole[None])[0]
        alpha = opened(hole + context)
        rgba = torch.cat([inpainted * hole + known, alpha])
        if index < len(bins) - 2:
            rgba, alpha = rgba * before_next, alpha * before_next
            depth = refine_depth(depth, alpha)
        depth = torch.where((alpha > 0) & (depth <= nearer), nearer * 1.05, depth)
        nearer = torch.where(alpha > 0, depth, nearer)
        layers.append((rgba, depth, context * before_next))
    rgba, depths, visible = (torch.stack(planes) for planes in zip(*layers, strict=True))
    return DepthLayers(rgba, depths[:, 0], visible[:, 0])


def limited_depth(z_cam: Tensor) -> Tensor:
    """``z_cam`` as points use it: within 0.001 .. 1000."""
    return 1.0 / (1.0 / z_cam.clamp_min(1.0 / FARTHEST)).clamp_min(1.0 / FARTHEST)


def inpainting_box(context: Tensor, reach_px: int = HOLE_REACH_PX) -> Tensor:
    """1 in the box around ``context [1, H, W]``, grown by ``reach_px``; the picture's last row and column stay out, as the
    released code has it."""
    height, width = context.shape[1:]
    rows, columns = context[0].any(dim=1).nonzero(), context[0].any(dim=0).nonzero()
    inside = torch.zeros_like(context)
    if len(rows):
        top, bottom = max(int(rows[0]) - reach_px, 0), min(int(rows[-1]) + reach_px, height - 1)
        left, right = max(int(columns[0]) - reach_px, 0), min(int(columns[-1]) + reach_px, width - 1)
        inside[:, top:bottom, left:right] = 1.0
    return inside


def _continued_depth(z_cam: Tensor, context: Tensor, hole: Tensor, near_edge: Tensor, inpaint: Inpaint) -> Tensor:
    is_known = context > 0.5
    log_depth = (z_cam + LOG_OFFSET).log() * context
    mean = log_depth.sum() / context.sum().clamp_min(1.0)
    centred = (log_depth - mean) * context
    predicted = inpaint(centred[None], torch.zeros_like(context)[None], context[None], hole[None])[0]
    depth = torch.where(is_known, z_cam, (predicted + mean).exp())
    depth = torch.where(is_known, z_cam, smooth(depth))
    depth = torch.where(depth < z_cam, z_cam * 1.01, depth)
    return torch.maximum(depth, near_edge * 0.9)
