"""Photo to video as the authors' released system makes it: the preset `networks.published`, their checkpoints, our ops."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from .. import camera as cameras
from .. import defaults
from ..data import CameraPath, DepthSpan
from ..files import read_depth, read_hints, read_photo, resize, video
from ..networks import PublishedModels, load_published
from ..networks.published import preset
from ..ops.device import pick_device

DEFAULT_CAMERA = "paper-circle"
SPAN = DepthSpan(1.0, 0.1, 0.5)  # the preset's depth is 1 at the nearest pixel; the rest steadies presets not the paper's


def render_published(
    photo: Any,
    out: str | os.PathLike,
    model: PublishedModels | str | os.PathLike,
    *,
    mask: Any = None,
    hints: Any,
    depth: Any = "auto",
    camera: str | CameraPath = DEFAULT_CAMERA,
    amplitude: float = 1.0,
    frames: int = defaults.FRAMES,
    fps: float = defaults.FPS,
    size: resize.Size = None,
    speed: float = 1.0,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> Path:
    """Turn a photo into a video with the authors' networks, motion and compositing; 32 pixels are cropped on every side.

    ``model``: the directory of their checkpoints (`networks.load_published`), or what was loaded from it. ``hints`` (at least
    one arrow) and ``mask`` (or polygons in the hints' file) have to be given: nothing is guessed. ``depth``: ``"auto"`` takes
    their depth network, whose weights then lie beside the others; else a depth map. The other arguments are those of
    `pipeline.render_cinemagraph`. Returns ``out``.

    Raises ValueError, TypeError or OSError with one line that names the argument.
    """
    target = video.check_output(out, fps)
    target_device = pick_device(device)
    models = model if isinstance(model, PublishedModels) else load_published(model, target_device)
    image = read_photo(photo)
    given = read_hints(hints, *image.size, mask)
    if given.mask is None:
        raise ValueError("mask: the published preset needs a mask, or polygons in the file of hints, got none")
    shape = resize.fit_size(*image.size, size)
    disp = None
    if not (isinstance(depth, str) and depth == "auto"):
        values, kind = read_depth(depth, *image.size)
        disp = resize.resize_depth(1.0 / values if kind == "metric" else values, *shape).to(target_device)
    hints_at_size = resize.resize_hints(given, image.size, *shape)
    rgb = resize.resize_photo(image, *shape).rgb.permute(2, 0, 1).to(target_device)
    moving, arrows = hints_at_size.mask.to(target_device), hints_at_size.arrows.to(target_device)
    scene = preset.prepare(models, rgb, moving, arrows, disp)
    path = camera
    if not isinstance(camera, CameraPath):
        path = cameras.make_camera_path(scene.sheets.camera, camera, frames, SPAN, amplitude=amplitude)
    rendered = preset.render(scene, models.renderer.decoder, path, frames, speed)
    shown = tqdm(rendered, total=len(path), desc="render", unit="frame", disable=not progress)
    return video.write_video(target, (frame.cpu() for frame in shown), fps)
