"""The released frame: two point clouds splatted with their features, blended, decoded."""

from __future__ import annotations

import torch
from torch import Tensor

from ... import ops
from ...data import Camera, Raster
from ..decoder import ALPHA_CHANNEL, Decoder
from .points import Sheets, Side, displaced, spread_offsets


def splat_sides(forward: Side, backward: Side, view: Camera) -> tuple[Raster, Raster]:
    """Both sides as ``view``, which has a pose, sees them: ``feat`` ``[H, W, 4 + C + 1]``.

    The last channel, which is written into the sides, is the relative disparity: 0 at the farthest point of the frame, 1 at
    the nearest, hidden ones included. ``alpha`` and ``disp`` are what the decoder is given as such: channels 3 and -1.
    """
    axis = view.pose[2].to(forward.xyz.device)
    disp = [1.0 / (side.xyz @ axis[:3] + axis[3]).clamp_min(1e-6) for side in (forward, backward)]
    far, near = torch.cat(disp).min(), torch.cat(disp).max()
    sides: list[Raster] = []
    for side, inverse in zip((forward, backward), disp, strict=True):
        side.feat[:, -1] = (inverse - far) / (near - far).clamp_min(1e-6)
        splat = ops.splat_points(side.xyz, side.feat, side.radius, view, compositor="alpha")
        sides.append(Raster(splat.feat, splat.feat[..., ALPHA_CHANNEL].contiguous(), splat.feat[..., -1].contiguous()))
    return sides[0], sides[1]


def render_frame(
    sheets: Sheets,
    decoder: Decoder,
    forward_px: Tensor,
    backward_px: Tensor,
    loop_t: float,
    view: Camera,
    sharpness: float,
) -> Tensor:
    """One frame ``[3, H, W]`` in 0..1 at ``loop_t`` in 0..1, from the displacements ``[2, H, W]`` of both directions, as
    ``view`` sees it. ``decoder`` in any number format; ``sharpness`` is its ``alpha``."""
    forward, backward = spread_offsets(sheets, torch.cat([forward_px, backward_px])).split(2, dim=1)
    sides = splat_sides(displaced(sheets, forward), displaced(sheets, backward), view)
    blended = ops.blend_bidirectional(*sides, loop_t, sharpness=sharpness).feat
    return decoder(blended.to(decoder.alpha.dtype).permute(2, 0, 1)[None])[0].float()
