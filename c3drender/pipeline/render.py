"""From a scene to frames and videos: `animate` and `render_frames`, and `render_cinemagraph` from the photo on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .. import camera as cameras
from .. import defaults, render
from ..data import Camera, CameraPath, Frame, PathLike, PictureLike
from ..files import resize, video
from ..files.colour import Color
from ..files.container import Encoding
from ..files.depth_kind import AskedKind, AskedNear
from ..files.hints import Labels
from ..files.scene import Scene
from ..layers.inpainter import Inpainter
from ..networks import RenderModel
from ..networks import render as learned
from ..pixels.seam import SeamScore
from ..progress import bar, say
from ..render import BlendMode
from .crop import crop_of, read_aspect
from .inputs import (
    Amplitude,
    CameraLike,
    FlowLike,
    HintsLike,
    Motion,
    SegmentsLike,
    check_blend,
    check_duration,
    check_motion,
    check_period,
    read_by_motion,
    read_camera,
    read_renderer,
)
from .plain import plainly
from .prepare import prepare
from .stereo import EYES_PERCENT, check_stereo, stereo_frames

NO_CAMERA = "camera: expected the name of a preset, a .json file, CameraKeys or a CameraPath, got None"


@plainly
def camera_path(scene: Scene, camera: CameraLike, frames: int, amplitude: Amplitude = 1.0, ease: float = 0.0) -> CameraPath:
    """The path that a camera's name, key frames or file stand for in this scene.

    Parameters
    ----------
    scene : Scene
        Whose disparities and focus scale and steady the path.
    camera : CameraLike
        See `render_frames`. A `CameraPath` is returned as it is.
    frames : int
        Poses, one period of the loop.
    amplitude : float or sequence of three
        See `render_frames`.
    ease : float
        See `render_frames`.

    Returns
    -------
    CameraPath

    Raises
    ------
    ValueError, TypeError, OSError
        With one line that names the argument.
    """
    wanted = read_camera(camera, amplitude, ease)
    if wanted is None:
        raise TypeError(NO_CAMERA)
    if isinstance(wanted, CameraPath):
        check_period(wanted, frames)
        return wanted
    return cameras.make_camera_path(scene.camera, wanted, frames, scene.span, amplitude=amplitude, ease=ease)


@dataclass(frozen=True, eq=False)
class Animation:
    """A scene as a loop, traced and measured once: several cameras, or a viewer, may share it. Made by `animate`.

    One thread at a time renders from it.

    Attributes
    ----------
    scene : Scene
        What is animated.
    num_frames : int
        One period.
    draw : callable
        ``draw(view, n) -> Frame``: frame ``n`` as the camera ``view``, which has a pose, sees it.

    Examples
    --------
    >>> import c3drender as c3d
    >>> animation = c3d.animate(c3d.load_scene("scene.c3d"), frames=8)
    >>> animation.frame(0).rgb_u8.shape
    torch.Size([48, 64, 3])
    >>> [len(list(animation.render(camera))) for camera in ("circle", "swing")]
    [8, 8]
    """

    scene: Scene
    num_frames: int
    draw: Callable[[Camera, int], Frame]

    @plainly
    def frame(self, n: int, world_to_cam: Tensor | None = None, zoom: float = 1.0) -> Frame:
        """Render one frame.

        Parameters
        ----------
        n : int
            Any integer: the loop repeats.
        world_to_cam : Tensor, optional
            Pose, float32 ``[3, 4]``; None: the photo's own view.
        zoom : float
            Factor of the photo's focal length.

        Returns
        -------
        Frame
        """
        pose = torch.eye(3, 4, dtype=torch.float32, device="cpu") if world_to_cam is None else world_to_cam
        return self.draw(self.scene.camera.with_pose(pose).zoomed(zoom), n)

    def render(
        self, camera: CameraLike = defaults.CAMERA, *, amplitude: Amplitude = 1.0, ease: float = 0.0
    ) -> Iterator[Frame]:
        """One period as ``camera`` sees it; the arguments are those of `render_frames`. Yields `Frame`."""
        path = camera_path(self.scene, camera, self.num_frames, amplitude, ease)
        zooms = [1.0] * len(path) if path.zoom is None else path.zoom.tolist()
        return (self.frame(n, pose, zoom) for n, (pose, zoom) in enumerate(zip(path.world_to_cam, zooms, strict=True)))


@plainly
def animate(
    scene: Scene,
    *,
    frames: int = defaults.FRAMES,
    speed: float = 1.0,
    blend: BlendMode = "phase",
    model: RenderModel | PathLike | None = None,
) -> Animation:
    """Set a scene in motion: its points, their ways over a loop of ``frames``, what contrast the loop leaves.

    Parameters
    ----------
    scene : Scene
        From `prepare` or `load_scene`.
    frames : int
        See `render_frames`.
    speed : float
        See `render_frames`.
    blend : {"phase", "contrast", "linear"}
        See `render_frames`.
    model : RenderModel or path, optional
        See `render_frames`.

    Returns
    -------
    Animation

    Raises
    ------
    ValueError, TypeError, OSError
        With one line that names the argument.
    """
    check_motion(frames, speed)
    check_blend(blend)
    count = int(frames)
    if model is not None:
        return Animation(
            scene, count, partial(learned.render_frame, animate_learned(scene, read_renderer(model), count, speed))
        )
    points = render.animate(scene, count, speed, blend=blend)
    return Animation(scene, count, lambda view, n: render.render_view(points, view, n))


def animate_learned(scene: Scene, model: RenderModel, frames: int, speed: float = 1.0) -> learned.LearnedAnimation:
    """The scene as a loop of ``frames`` whose points carry the features of ``model`` (`c3drender.networks.render`)."""
    animation = render.animate(scene, frames, speed, blend="linear")
    return learned.animate(scene, model, animation.source, partial(render.place_points, animation), frames)


def render_frames(
    scene: Scene,
    *,
    camera: CameraLike = defaults.CAMERA,
    amplitude: Amplitude = 1.0,
    ease: float = 0.0,
    frames: int | None = None,
    speed: float = 1.0,
    blend: BlendMode = "phase",
    model: RenderModel | PathLike | None = None,
) -> Iterator[Frame]:
    """Render one period of the loop, whose last frame is followed by the first.

    Parameters
    ----------
    scene : Scene
    camera : str, path, CameraKeys or CameraPath
        ``circle swing zoom dolly rise orbit still dolly-zoom``, the paper's ``paper-*``, a ``.json`` file of key frames
        (`c3drender.files.read_camera_keys`), `CameraKeys`, or a `CameraPath` (one frame per pose, and as many poses as
        ``frames`` or a whole ratio of that).
    amplitude : float or sequence of three
        How far the camera goes: one number, or three for x, y and z; 1 shifts the nearest against the farthest content by 2.5
        % of the longer side.
    ease : float
        0..1, how far the camera slows down towards the loop's start and end.
    frames : int, optional
        One period, of the camera and of the motion. None: 120, in which the camera goes round once and the motion's loop of 60
        runs twice.
    speed : float
        Of the motion, larger is faster, >= 0.
    blend : {"phase", "contrast", "linear"}
        How the loop's two sides are blended: ``"phase"`` shows each wave once, turned by whole turns over the loop;
        ``"contrast"`` fades two copies of it into each other and keeps their contrast; ``"linear"`` is the paper's cross-fade.
    model : RenderModel or path, optional
        Render by learned features instead, which ``blend`` does not concern: a checkpoint, a directory of them
        (`c3drender.networks.load_renderer`), or what was loaded.

    Yields
    ------
    Frame
        ``frame.rgb_u8`` is uint8 ``[H, W, 3]``.

    Raises
    ------
    ValueError, TypeError, OSError
        With one line that names the argument, before the first frame.

    Examples
    --------
    >>> import c3drender as c3d
    >>> scene = c3d.load_scene("scene.c3d")
    >>> frames = list(c3d.render_frames(scene, camera="swing", frames=4))
    >>> len(frames), frames[0].rgb_u8.dtype
    (4, torch.uint8)
    """
    loop, total = periods(frames)
    check_motion(loop, speed)
    path = camera_path(scene, camera, total, amplitude, ease)  # refused before the scene is traced
    return animate(scene, frames=loop, speed=speed, blend=blend, model=model).render(path)


def periods(frames: int | None) -> tuple[int, int]:
    """Frames of the motion's loop, and of the whole."""
    return (defaults.FRAMES, defaults.FRAMES * defaults.TURNS) if frames is None else (frames, frames)


def render_cinemagraph(
    photo: PictureLike,
    out: PathLike,
    *,
    mask: PictureLike | None = None,
    hints: HintsLike | None = None,
    flow: FlowLike | None = None,
    motion: Motion | None = None,
    matte: PictureLike | None = None,
    label: Labels = None,
    depth: PictureLike = "auto",
    depth_kind: AskedKind = "auto",
    depth_near: AskedNear = "auto",
    color: Color = "srgb",
    segments: SegmentsLike = "auto",
    inpainter: Inpainter | PathLike | None = None,
    camera: CameraLike = defaults.CAMERA,
    amplitude: Amplitude = 1.0,
    ease: float = 0.0,
    focus: tuple[float, float] | None = None,
    frames: int | None = None,
    fps: float = defaults.FPS,
    loops: int | None = None,
    duration: float | None = None,
    codec: str | None = None,
    crf: int | None = None,
    bitrate: int | None = None,
    bits: int = 8,
    max_mb: float | None = None,
    aspect: str | None = None,
    stereo: str | None = None,
    eyes: float = EYES_PERCENT,
    size: resize.Size = None,
    speed: float = 1.0,
    blend: BlendMode = "phase",
    model: RenderModel | PathLike | None = None,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> Path:
    """Turn a photo into a looping video in which its fluids move and the camera moves through the scene.

    Says in one line each what was guessed and when the size had to change.

    Parameters
    ----------
    photo : path, PIL image, array or Tensor
        See `prepare`, which says more of what it shares with this.
    out : path
        ``.mp4 .webm .gif .apng .webp`` or a folder for PNGs; it appears only when complete.
    mask : PictureLike, optional
        What moves; None: found.
    hints : Arrows or MotionHints, optional
        Which way; None: guessed.
    flow : path, array or Tensor, optional
        The dense flow itself.
    motion : sequence of Fluid, Sway, Flame and Ripple, optional
        Instead of these three.
    matte : PictureLike, optional
        How freely each pixel moves.
    label : str or sequence of str, optional
        Which labels of an annotation move.
    depth : str, path, array or Tensor
        How far; ``"auto"``: the photo's own, or estimated.
    depth_kind : {"auto", "disparity", "metric"}
        What the numbers of a depth map mean.
    depth_near : {"auto", "bright", "dark"}
        Whether near is large in a depth map.
    color : {"srgb", "p3"}
        The space of colours; Display P3 is tagged in the video.
    inpainter : callable or path, optional
        Paints what the photo does not show.
    camera : str, path, CameraKeys or CameraPath
        See `render_frames`, which says more of what it shares with this.
    amplitude : float or sequence of three
        How far the camera goes.
    ease : float
        How gently it turns, 0..1.
    focus : (float, float), optional
        The point (x, y) of the photo that stays in place.
    frames : int, optional
        One period of the loop.
    fps : float
        Frames per second.
    loops : int, optional
        How often a video repeats the period, for players that do not.
    duration : float, optional
        Seconds, instead of ``loops``: as many whole periods as come nearest.
    codec, crf, bitrate, bits, max_mb
        See `c3drender.files.write_video`.
    aspect : str, optional
        ``"9:16"``, ``"1:1"``, ...: a part of the picture in these proportions, where what moves and what is near lies.
    stereo : {"sbs", "half-sbs", "tb", "anaglyph"}, optional
        Both eyes: side by side, the same squeezed to one picture's width, one above the other, or for red and cyan glasses.
    eyes : float
        How far what is nearest lies from what is farthest between the eyes, percent of the width, at most 5.
    size : int, (int, int), "photo" or None
        The longer side in pixels, or (width, height).
    speed : float
        Of the motion, larger is faster.
    blend : {"phase", "contrast", "linear"}
        How the loop's two sides are blended.
    model : RenderModel or path, optional
        Render by learned features.
    device : str or torch.device
        Where.
    progress : bool
        Show bars and say what was guessed.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ValueError, TypeError, OSError
        With one line that names the argument, what was expected, and what came.

    References
    ----------
    Li, Cao, Sun, Zhang, Xian, Lin, "3D Cinemagraphy from a Single Image", CVPR 2023, arXiv:2303.05724.

    Examples
    --------
    >>> import c3drender as c3d
    >>> video = c3d.render_cinemagraph("photo.jpg", "out.mp4", mask="mask.png", depth="builtin", frames=4, progress=False)
    >>> video.name
    'out.mp4'
    """
    given: dict[str, object] = {"photo": photo, "mask": mask, "hints": hints, "flow": flow, "depth": depth}
    given |= {"segments": segments, "inpainter": inpainter, "camera": camera, "model": model}
    loop, total = periods(frames)
    check_duration(loops, duration)
    check_stereo(stereo, eyes)
    proportions = read_aspect(aspect)
    encoding = Encoding(codec, crf, bitrate, bits, 1 if loops is None else loops, max_mb, color)
    target = video.check_output(out, fps, given | read_by_motion(motion), encoding)
    check_motion(loop, speed)
    wanted = read_camera(camera, amplitude, ease)
    if wanted is None:
        raise TypeError(NO_CAMERA)
    if isinstance(wanted, CameraPath):
        check_period(wanted, loop)
        total = len(wanted)
    check_blend(blend)
    renderer = None if model is None else read_renderer(model)
    scene = prepare(
        photo,
        mask=mask,
        hints=hints,
        flow=flow,
        motion=motion,
        matte=matte,
        label=label,
        depth=depth,
        depth_kind=depth_kind,
        depth_near=depth_near,
        color=color,
        segments=segments,
        inpainter=inpainter,
        size=size,
        amplitude=amplitude if stereo is None else _with_eyes(amplitude, eyes),
        camera=wanted if stereo is None else None,
        focus=focus,
        device=device,
        progress=progress,
    )
    crop = (slice(None), slice(None)) if proportions is None else crop_of(scene, proportions)
    animation = animate(scene, frames=loop, speed=speed, blend=blend, model=renderer)
    path = camera_path(scene, wanted, total, amplitude, ease)
    if stereo is None:
        rendered: Iterator[np.ndarray] = (frame.rgb_u8.cpu().numpy()[crop] for frame in animation.render(path))
    else:
        rendered = stereo_frames(animation.draw, scene.camera, scene.span, path, stereo, eyes, crop)
    if duration is not None:
        loops = max(1, round(duration * fps / total))
        encoding = replace(encoding, loops=loops)
    if progress:
        say(*scene.notes)
        if loops is not None and loops > 1:
            say(f"loops: {loops} of {total / fps:.1f} s, {loops * total / fps:.1f} s in all")
    seam = SeamScore()

    def pictures(shown: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for picture in shown:
            seam.add(picture)
            yield picture

    with bar(rendered, shown=progress, total=total, desc="render", unit="frame") as shown:
        video.write_video(target, pictures(shown), fps, **vars(encoding))
    if progress:
        height, width = seam.size
        out_height, out_width = video.output_size(target, height, width)
        if (out_height, out_width) != (height, width):
            say(f"size: {width} x {height} becomes {out_width} x {out_height}, {target.suffix} needs even sides")
        if seam.score is not None:
            say(f"seam: {seam.score:.2f} (from the last frame to the first, over the other steps: 1 is none)")
    return target


def _with_eyes(amplitude: Amplitude, eyes: float) -> Amplitude:
    """The amplitude of presets that see as far around as both eyes do on a path of ``amplitude``."""
    more = eyes / 100 / cameras.PARALLAX
    if isinstance(amplitude, Sequence | np.ndarray):
        return [float(part) + more for part in amplitude]
    return float(amplitude) + more
