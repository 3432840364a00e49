"""The released frame: two point clouds splatted with their features, blended, decoded."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ... import ops
from ...data import Raster
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


def splat_sides(sheets: Sheets, forward: Side, backward: Side, shift: Tensor) -> tuple[Raster, Raster]:
    """Both sides with the camera's translation ``shift [3]`` added to their points: ``feat`` ``[H, W, 4 + C + 1]``.

    The last channel is the relative disparity: 0 at the farthest point of the frame, 1 at the nearest, hidden ones included.
    ``alpha`` and ``disp`` are what the decoder is given as such: channels 3 and -1.
    """
    moved = [side.xyz + shift for side in (forward, backward)]
    disp = [1.0 / xyz[:, 2:].clamp_min(1e-6) for xyz in moved]
    far, near = torch.cat(disp).min(), torch.cat(disp).max()
    sides = []
    for side, xyz, inverse in zip((forward, backward), moved, disp, strict=True):
        feat = torch.cat([side.feat, (inverse - far) / (near - far)], dim=1)
        splat = ops.splat_points(xyz, feat, side.radius, sheets.camera, compositor="alpha")
        sides.append(Raster(splat.feat, splat.feat[..., ALPHA_CHANNEL].contiguous(), splat.feat[..., -1].contiguous()))
    return sides[0], sides[1]


def render_frame(
    sheets: Sheets, decoder: Decoder, forward_px: Tensor, backward_px: Tensor, loop_t: float, shift: Tensor
) -> Rendered:
    """One frame at ``loop_t`` in 0..1, from the displacements ``[2, H, W]`` of both directions."""
    sides = splat_sides(sheets, displaced(sheets, forward_px), displaced(sheets, backward_px), shift)
    direct = ops.blend_bidirectional(*sides, loop_t, sharpness=COLOUR_SHARPNESS).feat
    blended = ops.blend_bidirectional(*sides, loop_t, sharpness=float(decoder.alpha.detach())).feat
    rgb = decoder(blended.permute(2, 0, 1)[None])[0]
    return Rendered(rgb, direct[..., :3].permute(2, 0, 1), (sides[0].alpha + sides[1].alpha) / 2)
