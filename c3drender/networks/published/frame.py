"""The released frame: two point clouds splatted with their features, blended, decoded."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ... import ops
from ...data import Camera, Raster
from ..decoder import Decoder
from .points import Sheets, Side, displaced

COLOUR_SHARPNESS = 4.0
ALPHA_CHANNEL = 3


@dataclass(frozen=True)
class Rendered:
    """``rgb`` ``[3, H, W]`` in 0..1, what the decoder made; ``direct`` ``[3, H, W]``, the splatted colours blended without it;
    ``coverage`` ``[H, W]``: the mean of both sides'."""

    rgb: Tensor
    direct: Tensor
    coverage: Tensor


def splat_sides(forward: Side, backward: Side, view: Camera) -> tuple[Raster, Raster]:
    """Both sides as ``view``, which has a pose, sees them: ``feat`` ``[H, W, 4 + C + 1]``.

    The last channel is the relative disparity: 0 at the farthest point of the frame, 1 at the nearest, hidden ones included.
    ``alpha`` and ``disp`` are what the decoder is given as such: channels 3 and -1.
    """
    axis = view.world_to_cam[2].to(forward.xyz.device)
    disp = [1.0 / (side.xyz @ axis[:3, None] + axis[3]).clamp_min(1e-6) for side in (forward, backward)]
    far, near = torch.cat(disp).min(), torch.cat(disp).max()
    sides = []
    for side, inverse in zip((forward, backward), disp, strict=True):
        feat = torch.cat([side.feat, (inverse - far) / (near - far).clamp_min(1e-6)], dim=1)
        splat = ops.splat_points(side.xyz, feat, side.radius, view, compositor="alpha")
        sides.append(Raster(splat.feat, splat.feat[..., ALPHA_CHANNEL].contiguous(), splat.feat[..., -1].contiguous()))
    return sides[0], sides[1]


def render_frame(
    sheets: Sheets, decoder: Decoder, forward_px: Tensor, backward_px: Tensor, loop_t: float, view: Camera
) -> Rendered:
    """One frame at ``loop_t`` in 0..1, from the displacements ``[2, H, W]`` of both directions, as ``view`` sees it."""
    sides = splat_sides(displaced(sheets, forward_px), displaced(sheets, backward_px), view)
    direct = ops.blend_bidirectional(*sides, loop_t, sharpness=COLOUR_SHARPNESS).feat
    blended = ops.blend_bidirectional(*sides, loop_t, sharpness=float(decoder.alpha.detach())).feat
    rgb = decoder(blended.permute(2, 0, 1)[None])[0]
    return Rendered(rgb, direct[..., :3].permute(2, 0, 1), (sides[0].alpha + sides[1].alpha) / 2)
