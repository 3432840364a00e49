"""Real pixels: the right view of a measured stereo pair, made from its left picture by the whole pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import stereo
import torch

from c3drender import depth as depths
from c3drender import pipeline, render, scenery
from c3drender.data import CameraPath, DepthMap, FlowField, Image

from .metrics import Numbers, psnr, similarity


def measure_stereo(folder: Path) -> list[Numbers]:
    """PSNR (dB) and SSIM of the right view: by the measured disparity, and by the built-in depth fitted to it.

    ``rest`` is the left picture as it is: what not moving at all would score.
    """
    pair = stereo.read_pair(folder)
    height, width = pair.disparity.shape
    image = Image(torch.from_numpy(np.ascontiguousarray(pair.left)))
    measured = np.isfinite(pair.disparity)
    disparity = stereo.complete(pair.disparity)
    estimate, _ = depths.estimate_depth(image, scenery.find_scenery(image), method="builtin")
    guess = 1 / estimate.z_cam.numpy().astype(np.float64)
    scale, shift = np.polyfit(guess[measured], pair.disparity[measured], 1)
    fitted = np.clip(scale * guess + shift, disparity.min(), disparity.max())
    true = (pair.right * 255 + 0.5).astype(np.uint8)
    visible = stereo.co_visible(pair.disparity)
    rows = [_row("the left picture itself", (pair.left * 255 + 0.5).astype(np.uint8), true, visible)]
    for name, values in (("measured depth", disparity), ("built-in depth, fitted", fitted)):
        # Depth in units in which the baseline is 1: the pipeline's focal length is the longer side.
        depth = DepthMap(torch.from_numpy((max(height, width) / values).astype(np.float32)), measured=name == "measured depth")
        still = FlowField(torch.zeros(height, width, 2), torch.zeros(height, width, dtype=torch.bool))
        views = CameraPath(torch.stack([stereo.pose(0), stereo.pose(1)]))
        animation = render.animate(pipeline.build_scene(image, depth, still, views, 1.0, ()), 1)
        made = render.render_frame(animation, stereo.pose(1), 0).rgb_u8.numpy()
        rows.append(_row(name, made, true, visible))
    return rows


def _row(name: str, made: np.ndarray, true: np.ndarray, visible: np.ndarray) -> Numbers:
    ssim = similarity(made, true)
    return {
        "right view from": name,
        "psnr": psnr(made, true),
        "psnr co-visible": psnr(made, true, visible),
        "psnr elsewhere": psnr(made, true, ~visible),
        "ssim": float(ssim.mean()),
        "ssim co-visible": float(ssim[visible].mean()),
    }
