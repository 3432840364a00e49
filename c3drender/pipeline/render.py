"""From a scene to frames and videos: `animate` and `render_frames`, and `render_cinemagraph` from the photo on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from .. import camera as cameras
from .. import defaults, render
from ..data import Camera, CameraPath, Frame, Scene
from ..files import resize, video
from ..layers.inpainter import Inpainter
from ..networks import RenderModel
from ..networks import render as learned
from ..render import BlendMode
from .inputs import (
    Amplitude,
    Arrows,
    CameraLike,
    Motion,
    PathLike,
    PictureLike,
    SegmentsLike,
    check_blend,
    check_motion,
    check_period,
    read_camera,
    read_renderer,
)
from .prepare import prepare


def camera_path(scene: Scene, camera: CameraLike, frames: int, amplitude: Amplitude = 1.0, ease: float = 0.0) -> CameraPath:
    """The path of ``frames`` poses that ``camera`` names for this scene (see `camera.make_camera_path`), or the path given."""
    wanted = read_camera(camera, amplitude, ease)
    if wanted is None:
        raise TypeError("camera: expected the name of a preset, a .json file, CameraKeys or a CameraPath, got None")
    if isinstance(wanted, CameraPath):
        check_period(wanted, frames)
        return wanted
    return cameras.make_camera_path(
        scene.camera,
        wanted,
        frames,
        disp_near=scene.disp_near,
        disp_far=scene.disp_far,
        disp_focus=scene.disp_focus,
        focus_px=scene.focus_px,
        amplitude=amplitude,
        ease=ease,
    )


@dataclass(frozen=True, eq=False)
class Animation:
    """A scene as a loop of ``num_frames``, traced and measured once: several cameras, or a viewer, may share it. One thread at
    a time renders from it. Made by `animate`."""

    scene: Scene
    num_frames: int
    draw: Callable[[Camera, int], Frame]

    def frame(self, n: int, world_to_cam: Tensor | None = None, zoom: float = 1.0) -> Frame:
        """Frame ``n`` (any integer: the loop repeats) from the pose ``world_to_cam`` float32 ``[3, 4]`` (None: the photo's own
        view), with the photo's focal length times ``zoom``."""
        pose = torch.eye(3, 4) if world_to_cam is None else world_to_cam
        return self.draw(self.scene.camera.with_pose(pose).zoomed(zoom), n)

    def render(
        self, camera: CameraLike = defaults.CAMERA, *, amplitude: Amplitude = 1.0, ease: float = 0.0
    ) -> Iterator[Frame]:
        """One period as ``camera`` sees it; the arguments are those of `render_frames`."""
        path = camera_path(self.scene, camera, self.num_frames, amplitude, ease)
        zooms = [1.0] * len(path) if path.zoom is None else path.zoom.tolist()
        return (self.frame(n, pose, zoom) for n, (pose, zoom) in enumerate(zip(path.world_to_cam, zooms, strict=True)))


def animate(
    scene: Scene,
    *,
    frames: int = defaults.FRAMES,
    speed: float = 1.0,
    blend: BlendMode = "contrast",
    model: RenderModel | PathLike | None = None,
) -> Animation:
    """Set a scene in motion: its points, their ways over a loop of ``frames``, what contrast the loop leaves.

    Parameters are those of `render_frames`. Raises ValueError, TypeError or OSError with one line that names the argument.
    """
    check_motion(frames, speed)
    check_blend(blend)
    count = int(frames)
    if model is not None:
        return Animation(
            scene, count, partial(learned.render_frame, animate_learned(scene, read_renderer(model), count, speed))
        )
    points = render.animate(scene, count, speed, measure_contrast=blend == "contrast")
    return Animation(scene, count, lambda view, n: render.render_view(points, view, n, blend))


def animate_learned(scene: Scene, model: RenderModel, frames: int, speed: float = 1.0) -> learned.LearnedAnimation:
    """The scene as a loop of ``frames`` whose points carry the features of ``model`` (`networks.render`)."""
    animation = render.animate(scene, frames, speed, measure_contrast=False)
    return learned.animate(scene, model, animation.source, partial(render.place_points, animation), frames)


def render_frames(
    scene: Scene,
    *,
    camera: CameraLike = defaults.CAMERA,
    amplitude: Amplitude = 1.0,
    ease: float = 0.0,
    frames: int = defaults.FRAMES,
    speed: float = 1.0,
    blend: BlendMode = "contrast",
    model: RenderModel | PathLike | None = None,
) -> Iterator[Frame]:
    """Render one period of the loop: ``frames`` frames, the last of which is followed by the first.

    ``camera``: ``circle swing zoom dolly rise orbit still dolly-zoom``, the paper's ``paper-*``, a ``.json`` file of key
    frames (`files.read_camera_keys`), `CameraKeys`, or a `CameraPath` (one frame per pose, and as many poses as
    ``frames`` or a whole ratio of that). ``amplitude``: one number, or
    three for x, y and z. ``ease`` 0..1: how far the camera slows down towards the loop's start and end.
    ``speed``: larger is faster. ``blend``: ``"contrast"``, or ``"linear"`` for the paper's cross-fade (`render.render_frame`).
    ``model``: render by learned features instead, which ``blend`` does not concern: a checkpoint, a directory of them
    (`networks.load_renderer`), or what was loaded.
    Yields `Frame`; ``frame.rgb_u8`` is uint8 ``[H, W, 3]``.
    """
    check_motion(frames, speed)
    path = camera_path(scene, camera, frames, amplitude, ease)  # refused before the scene is traced
    return animate(scene, frames=frames, speed=speed, blend=blend, model=model).render(path)


def render_cinemagraph(
    photo: PictureLike,
    out: PathLike,
    *,
    mask: PictureLike | None = None,
    hints: Arrows | None = None,
    flow: PictureLike | None = None,
    motion: Motion | None = None,
    depth: PictureLike = "auto",
    segments: SegmentsLike = "auto",
    inpainter: Inpainter | PathLike | None = None,
    camera: CameraLike = defaults.CAMERA,
    amplitude: Amplitude = 1.0,
    ease: float = 0.0,
    focus: tuple[float, float] | None = None,
    frames: int = defaults.FRAMES,
    fps: float = defaults.FPS,
    size: resize.Size = None,
    speed: float = 1.0,
    blend: BlendMode = "contrast",
    model: RenderModel | PathLike | None = None,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> Path:
    """Turn a photo into a looping video in which its fluids move and the camera moves through the scene.

    ``out``: ``.mp4 .webm .gif .apng .webp`` or a folder for PNGs; it appears only when complete. The other arguments are those
    of `prepare` and `render_frames`. Says in one line each what was guessed and when the size had to change. Returns ``out``.
    """
    target = video.check_output(out, fps)
    check_motion(frames, speed)
    wanted = read_camera(camera, amplitude, ease)
    if isinstance(wanted, CameraPath):
        check_period(wanted, frames)
    check_blend(blend)
    renderer = None if model is None else read_renderer(model)
    scene = prepare(
        photo,
        mask=mask,
        hints=hints,
        flow=flow,
        motion=motion,
        depth=depth,
        segments=segments,
        inpainter=inpainter,
        size=size,
        amplitude=amplitude,
        camera=wanted,
        focus=focus,
        device=device,
        progress=progress,
    )
    height, width = scene.camera.height, scene.camera.width
    out_height, out_width = video.output_size(target, height, width)
    if progress:
        for note in scene.notes:
            tqdm.write(note)
        if (out_height, out_width) != (height, width):
            tqdm.write(f"size: {width} x {height} becomes {out_width} x {out_height}, {target.suffix} needs even sides")
    rendered = render_frames(
        scene, camera=wanted, amplitude=amplitude, ease=ease, frames=frames, speed=speed, blend=blend, model=renderer
    )
    total = len(wanted) if isinstance(wanted, CameraPath) else frames
    shown = tqdm(rendered, total=total, desc="render", unit="frame", disable=not progress)
    return video.write_video(target, (frame.rgb_u8.cpu() for frame in shown), fps)
