"""The preset: photo, mask and arrows to the frames that the authors' demo makes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data import CameraPath
from ..checkpoints import PublishedModels
from ..decoder import Decoder, quickest
from .bins import depth_bins
from .depth import depth_from_disparity, estimate_disparity
from .frame import render_frame
from .layers import build_layers
from .motion import predict_flow
from .points import Sheets, euler_offsets, make_sheets

CROP_PX = 32


@dataclass(frozen=True, eq=False)
class PublishedScene:
    """What stays the same from frame to frame: the layers, ready to be displaced, and the flow ``step_px [2, H, W]``."""

    sheets: Sheets
    step_px: Tensor


@torch.no_grad()
def prepare(
    models: PublishedModels, rgb: Tensor, moving: Tensor, arrows: Tensor, disp: Tensor | None = None
) -> PublishedScene:
    """``rgb [3, H, W]`` in 0..1; ``moving`` bool ``[H, W]`` and ``arrows [A, 2, 2]`` as in `data.MotionHints`, at least one;
    ``disp [H, W]``: disparity of any range, or None to estimate it as the authors do. All on the models' device.

    Raises ValueError where there is no arrow, neither disparity nor a network for it, or nothing left after cropping.
    """
    if len(arrows) == 0:
        raise ValueError("hints: the published preset needs at least one arrow, got none")
    if min(rgb.shape[1:]) <= 2 * CROP_PX:
        raise ValueError(f"photo: the published preset crops {CROP_PX} px on every side, got {rgb.shape[2]} x {rgb.shape[1]}")
    if disp is None:
        if models.depth is None:
            raise ValueError("depth: the published preset needs a depth map, or its network's weights beside the others")
        disp = estimate_disparity(models.depth, rgb)
    z_cam = depth_from_disparity(disp)
    layers = build_layers(rgb, z_cam, depth_bins(z_cam), models.depth_inpainter, models.colour_inpainter)
    features = models.renderer.features(layers.rgba.contiguous(memory_format=torch.channels_last))
    return PublishedScene(make_sheets(rgb, layers, features), predict_flow(models.motion, rgb, moving, arrows))


@torch.no_grad()
def render(scene: PublishedScene, decoder: Decoder, path: CameraPath, num_frames: int, speed: float = 1.0) -> Iterator[Tensor]:
    """Frames uint8 ``[H - 64, W - 64, 3]``, one per view of ``path``: the released code crops what its border does not cover.

    Depths are those of `prepare`, 1 at the nearest pixel; ``speed`` scales the motion. ``decoder`` runs in the device's
    fastest number format.
    """
    sheets = scene.sheets
    quick, sharpness = quickest(decoder, sheets.feat.device), float(decoder.alpha)
    forward_px = euler_offsets(scene.step_px * speed, num_frames)
    backward_px = euler_offsets(-scene.step_px * speed, num_frames)
    for frame in range(len(path)):
        n = frame % num_frames
        view = sheets.camera.with_pose(path.world_to_cam[frame])
        if path.zoom is not None:
            view = view.zoomed(float(path.zoom[frame]))
        made = render_frame(sheets, quick, forward_px[n], backward_px[num_frames - n], n / num_frames, view, sharpness)
        shown = made[:, CROP_PX:-CROP_PX, CROP_PX:-CROP_PX].permute(1, 2, 0)
        yield (shown.clamp(0, 1) * 255).to(torch.uint8).contiguous()
