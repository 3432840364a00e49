"""Photo to video as the authors' released system makes it: the preset `networks.published`, their checkpoints, our ops."""

from __future__ import annotations

from pathlib import Path

import torch

from .. import camera as cameras
from .. import defaults
from ..data import CameraPath, DepthSpan, PathLike, PictureLike
from ..files import read_depth, read_hints, read_photo, resize, video
from ..networks import PublishedModels, load_published
from ..networks.published import preset
from ..progress import bar
from .inputs import Amplitude, HintsLike, read_device

DEFAULT_CAMERA = "paper-circle"
SPAN = DepthSpan(1.0, 0.1, 0.5)  # the preset's depth is 1 at the nearest pixel; the rest steadies presets not the paper's


def render_published(
    photo: PictureLike,
    out: PathLike,
    model: PublishedModels | PathLike,
    *,
    mask: PictureLike | None = None,
    hints: HintsLike,
    depth: PictureLike = "auto",
    camera: str | CameraPath = DEFAULT_CAMERA,
    amplitude: Amplitude = 1.0,
    frames: int = defaults.FRAMES,
    fps: float = defaults.FPS,
    size: resize.Size = None,
    speed: float = 1.0,
    device: str | torch.device | None = "auto",
    progress: bool = True,
) -> Path:
    """Turn a photo into a video with the authors' networks, motion and compositing; 32 pixels are cropped on every side.

    Parameters
    ----------
    photo : path, PIL image, array or Tensor
        See `c3drender.render_cinemagraph`.
    out : path
        See `c3drender.render_cinemagraph`.
    model : PublishedModels or path
        The directory of their checkpoints (`c3drender.networks.load_published`), or what was loaded from it.
    mask : PictureLike, optional
        Has to be given, or polygons in the file of ``hints``: nothing is guessed.
    hints : Arrows or MotionHints
        At least one arrow.
    depth : str, path, array or Tensor
        ``"auto"`` takes their depth network, whose weights then lie beside the others; else a depth map.
    camera : str or CameraPath
        A preset, the paper's or ours.
    amplitude : float or sequence of three
        How far the camera goes.
    frames : int
        One period of the loop.
    fps : float
        Frames per second.
    size : int, (int, int), "photo" or None
        The longer side in pixels, or (width, height), before the crop.
    speed : float
        Of the motion, larger is faster.
    device : str or torch.device
        Where the networks run.
    progress : bool
        Show a bar.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ValueError, TypeError, OSError
        With one line that names the argument.

    References
    ----------
    Li, Cao, Sun, Zhang, Xian, Lin, "3D Cinemagraphy from a Single Image", CVPR 2023, arXiv:2303.05724.
    """
    inputs: dict[str, object] = {"photo": photo, "model": model, "mask": mask, "hints": hints, "depth": depth}
    target = video.check_output(out, fps, inputs | {"camera": camera})
    target_device, _ = read_device(device)
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
    mask_at_size = resize.resize_mask(given.mask, *shape).to(target_device)
    scene = preset.prepare(models, rgb, mask_at_size, hints_at_size.arrows.to(target_device), disp)
    if isinstance(camera, CameraPath):
        path = camera
    else:
        path = cameras.make_camera_path(scene.sheets.camera, camera, frames, SPAN, amplitude=amplitude)
    rendered = preset.render(scene, models.renderer.decoder, path, frames, speed)
    with bar(rendered, shown=progress, total=len(path), desc="render", unit="frame") as shown:
        return video.write_video(target, (frame.cpu() for frame in shown), fps)
