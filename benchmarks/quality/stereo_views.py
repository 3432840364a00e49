"""Real pixels: the right view of a measured stereo pair, made from its left picture by the whole pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import stereo
import torch

from c3drender.data import DepthMap, Image
from c3drender.depth import estimate as depths
from c3drender.pipeline.see import look

from .metrics import Numbers, psnr, similarity


def measure_stereo(folder: Path) -> list[Numbers]:
    """PSNR (dB) and SSIM of the right view: by the measured disparity, and by the built-in depth fitted to it.

    ``rest`` is the left picture as it is: what not moving at all would score.
    """
    pair = stereo.read_pair(folder)
    image = Image(torch.from_numpy(np.ascontiguousarray(pair.left)))
    measured = np.isfinite(pair.disparity)
    disparity = stereo.complete(pair.disparity)
    shown = look(image)
    estimate, _ = depths.estimate_depth(image, shown.scenery, shown.nearness, method="builtin")
    guess = 1 / estimate.z_cam.numpy().astype(np.float64)
    scale, shift = np.polyfit(guess[measured], pair.disparity[measured], 1)
    fitted = np.clip(scale * guess + shift, disparity.min(), disparity.max())
    true = (pair.right * 255 + 0.5).astype(np.uint8)
    visible = stereo.co_visible(pair.disparity)
    rows = [_row("the left picture itself", (pair.left * 255 + 0.5).astype(np.uint8), true, visible)]
    estimated = DepthMap(torch.from_numpy((max(pair.disparity.shape) / fitted).astype(np.float32)))
    for name, depth in (("measured depth", stereo.measured_depth(pair)), ("built-in depth, fitted", estimated)):
        rows.append(_row(name, stereo.right_view(pair, depth), true, visible))
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
