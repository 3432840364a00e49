"""From a scene to frames and videos: `animate` and `render_frames`, and `render_cinemagraph` from the photo on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from .. import camera as cameras
from .. import defaults, render
from ..data import Camera, CameraKeys, CameraPath, Frame, Lens, MaskLike, PathLike, PictureLike
from ..files import resize
from ..files.colour import Color
from ..files.container import Encoding
from ..files.depth_kind import AskedKind, AskedNear
from ..files.hints import Labels
from ..files.scene import Scene
from ..files.shown import ShownPath
from ..layers.inpainter import Inpainter
from ..networks import MotionNetwork, RenderModel
from ..networks import render as learned
from ..progress import Progress, say
from ..render import BlendMode
from ..render.lens import Draw
from .amplitude import amplitude_in, amplitude_of, widened
from .crop import window_of
from .delivery import Delivery, Layout, check_delivery, deliver
from .inputs import (
    Amplitude,
    CameraLike,
    FlowLike,
    HintsLike,
    Motion,
    SegmentsLike,
    check_blend,
    check_duration,
    check_is_one,
    check_motion,
    check_period,
    read_by_motion,
    read_camera,
    read_renderer,
)
from .plain import plainly
from .prepare import prepare_sharp
from .shot import Cover, shot_of
from .stereo import EYES_PERCENT

NO_CAMERA = "camera: expected the name of a preset, a .json file, CameraKeys or a CameraPath, got None"


@plainly
def camera_path(
    scene: Scene, camera: CameraLike, frames: int, amplitude: Amplitude | None = None, ease: float = 0.0
) -> CameraPath:
    """The path that a camera's name, key frames or file stand for in this scene.

    Parameters
    ----------
    scene : Scene
        Whose disparities and focus scale and steady the path.
    camera : CameraLike
        See `render_frames`. A `CameraPath` is returned as it is.
    frames : int
        Poses, one period of the loop.
    amplitude : float or sequence of three, optional
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
    wanted = read_camera(camera, amplitude_of(camera, amplitude), ease)
    if wanted is None:
        raise TypeError(NO_CAMERA)
    if isinstance(wanted, CameraPath):
        check_period(wanted, frames)
        return wanted
    amplitude = amplitude_in(scene, wanted, amplitude)
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
        ``draw(view, n, depth=False) -> Frame``: frame ``n``, also between two, as the camera ``view``, which has a pose, sees
        it; with ``depth`` it has its ``disp``.
    cover : callable or None
        ``cover(view, n, marks) -> Tensor``: how much of each pixel shows those of the layers' pixels that are marked, float32
        ``[P]`` in 0..1; None for learned features.

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
    draw: Draw
    cover: Cover | None = None

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
        self,
        camera: CameraLike = defaults.CAMERA,
        *,
        amplitude: Amplitude | None = None,
        ease: float = 0.0,
        lens: Lens | None = None,
    ) -> Iterator[Frame]:
        """One period as ``camera`` sees it; the arguments are those of `render_frames`. Yields `Frame`."""
        path = camera_path(self.scene, camera, self.num_frames, amplitude, ease)
        shot = shot_of(self.draw, self.scene, path, lens)
        return (shot.taken(n) for n in range(len(path)))


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

    def cover(view: Camera, n: float, marks: Tensor) -> Tensor:
        return render.cover(points, view, n, marks[points.source])

    return Animation(scene, count, render.Drawing(points), cover)


def animate_learned(scene: Scene, model: RenderModel, frames: int, speed: float = 1.0) -> learned.LearnedAnimation:
    """The scene as a loop of ``frames`` whose points carry the features of ``model`` (`c3drender.networks.render`)."""
    animation = render.animate(scene, frames, speed, blend="linear")
    return learned.animate(scene, model, animation.source, partial(render.place_points, animation), frames)


def render_frames(
    scene: Scene,
    *,
    camera: CameraLike = defaults.CAMERA,
    amplitude: Amplitude | None = None,
    ease: float = 0.0,
    frames: int | None = None,
    speed: float = 1.0,
    blend: BlendMode = "phase",
    model: RenderModel | PathLike | None = None,
    lens: Lens | None = None,
) -> Iterator[Frame]:
    """Render one period of the loop, whose last frame is followed by the first.

    Parameters
    ----------
    scene : Scene
    camera : str, path, CameraKeys or CameraPath
        ``circle swing zoom dolly rise orbit still dolly-zoom``, the paper's ``paper-*``, a ``.json`` file of key frames
        (`c3drender.files.read_camera_keys`), `CameraKeys`, or a `CameraPath` (one frame per pose, and as many poses as
        ``frames`` or a whole ratio of that).
    amplitude : float or sequence of three, optional
        How far the camera goes: one number, or three for x, y and z; 1 shifts the nearest against the farthest content by 2.5
        % of the longer side. None: 0.6 for a preset, which an estimate of depth bears, down to 0.3 where it has many
        outlines; 1 for the paper's and for paths of your own.
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
    lens : Lens, optional
        Depth of field, motion blur, vignette, grain, more samples in each pixel.

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
    check_lens(lens)
    path = camera_path(scene, camera, total, amplitude, ease)  # refused before the scene is traced
    return animate(scene, frames=loop, speed=speed, blend=blend, model=model).render(path, lens=lens)


def periods(frames: int | None) -> tuple[int, int]:
    """Frames of the motion's loop, and of the whole."""
    return (defaults.FRAMES, defaults.FRAMES * defaults.TURNS) if frames is None else (frames, frames)


def render_cinemagraph(
    photo: PictureLike,
    out: PathLike,
    *,
    mask: MaskLike | None = None,
    hints: HintsLike | None = None,
    flow: FlowLike | None = None,
    motion: Motion | None = None,
    motion_model: MotionNetwork | PathLike | None = None,
    matte: PictureLike | None = None,
    label: Labels = None,
    depth: PictureLike = "auto",
    depth_kind: AskedKind = "auto",
    depth_near: AskedNear = "auto",
    color: Color = "srgb",
    segments: SegmentsLike = "auto",
    inpainter: Inpainter | PathLike | None = None,
    trust: bool = False,
    camera: CameraLike = defaults.CAMERA,
    amplitude: Amplitude | None = None,
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
    follow: bool = False,
    stereo: str | None = None,
    eyes: float = EYES_PERCENT,
    quilt: str | None = None,
    alpha: str | None = None,
    lens: Lens | None = None,
    audio: PathLike | None = None,
    poster: PathLike | None = None,
    depth_out: PathLike | None = None,
    size: resize.Size = None,
    speed: float = 1.0,
    blend: BlendMode = "phase",
    model: RenderModel | PathLike | None = None,
    device: str | torch.device | None = "auto",
    progress: Progress = True,
) -> Path:
    """Turn a photo into a looping video in which its fluids move and the camera moves through the scene.

    Says in one line each what was guessed and when the size had to change.

    Parameters
    ----------
    photo : path, PIL image, array or Tensor
        See `prepare`, which says more of what it shares with this.
    out : path
        ``.mp4 .webm .mov .mkv .gif .apng .webp``, a folder for PNGs, or ``.png .jpg`` for the first frame alone; it appears
        only when complete.
    mask : MaskLike, optional
        What moves; None: found.
    hints : Arrows or MotionHints, optional
        Which way; None: guessed.
    flow : path, array or Tensor, optional
        The dense flow itself.
    motion : sequence of Fluid, Sway, Flame and Ripple, optional
        Instead of these three.
    motion_model : MotionNetwork or path, optional
        Which way and how fast, by a trained network.
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
    trust : bool
        Run the program that a TorchScript or ONNX file is.
    camera : str, path, CameraKeys or CameraPath
        See `render_frames`, which says more of what it shares with this.
    amplitude : float or sequence of three, optional
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
    follow : bool
        That part goes from what is near to what moves and back in one loop, and with what is near as the camera moves.
    stereo : {"sbs", "half-sbs", "tb", "anaglyph", "vr180", "rgbd"}, optional
        Both eyes: side by side, the same squeezed to one picture's width, one above the other, for red and cyan glasses, or on
        half spheres for a headset; ``"rgbd"``: depth, near is white, to the right of the picture.
    eyes : float
        How far what is nearest lies from what is farthest between the eyes, or a quilt's outermost views, percent of the
        width, at most 5.
    quilt : str, optional
        ``"8x6"``: so many columns and rows of views from left to right, for Looking Glass displays; the aspect is 3:4 unless
        given, and the name of ``out`` gets what players read, ``_qs8x6a0.75``.
    alpha : {"moving", "near"}, optional
        Transparent but for what moves, or what is near.
    lens : Lens, optional
        Depth of field, motion blur, vignette, grain, more samples in each pixel. A point in focus is one of the photo's.
    audio : path, optional
        Sound for the video, repeated or cut to its length.
    poster : path, optional
        A picture of the first frame.
    depth_out : path, optional
        The depth of each frame in 16 bits: ``.mkv``, or a folder of PNGs (`c3drender.files.write_depth`).
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
    progress : bool or Watcher
        Show bars and say what was guessed, or tell a `c3drender.progress.Watcher`.

    Returns
    -------
    Path
        ``out``, or a quilt's name; a notebook shows it as what it is: a video that plays.

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
    check_is_one(photo)
    given: dict[str, object] = {"photo": photo, "mask": mask, "hints": hints, "flow": flow, "depth": depth}
    given |= {"segments": segments, "inpainter": inpainter, "camera": camera}
    given |= {"model": model, "motion_model": motion_model}
    check_duration(loops, duration)
    check_lens(lens)
    encoding = Encoding(codec, crf, bitrate, bits, 1 if loops is None else loops, max_mb, color, audio=audio)
    layout = Layout(stereo, eyes, quilt, alpha, aspect, follow)
    delivery = check_delivery(out, fps, encoding, layout, lens, poster, depth_out, given | read_by_motion(motion), duration)
    looks = read_looks(frames, camera, amplitude, ease, speed, blend, model, lens)
    # A path of the user's own may go farther than any preset: its layers are those that it sees, a lens' rim or not.
    has_rim = lens is not None and lens.f_number is not None and isinstance(looks.camera, str)
    scene, sharp_px = prepare_sharp(
        photo,
        mask=mask,
        hints=hints,
        flow=flow,
        motion=motion,
        motion_model=motion_model,
        matte=matte,
        label=label,
        depth=depth,
        depth_kind=depth_kind,
        depth_near=depth_near,
        color=color,
        segments=segments,
        inpainter=inpainter,
        trust=trust,
        size=size,
        amplitude=widened(amplitude_of(looks.camera, looks.amplitude), eyes if delivery.sees_around else 0.0, lens),
        camera=None if delivery.sees_around or has_rim else looks.camera,
        focus=focus,
        device=device,
        progress=progress,
        sharp=lens.focus if lens is not None and isinstance(lens.focus, tuple | list) else None,
    )
    return _write(scene, looks, delivery, fps, loops, duration, progress, sharp_px)


def render_scene(
    scene: Scene,
    out: PathLike,
    *,
    camera: CameraLike = defaults.CAMERA,
    amplitude: Amplitude | None = None,
    ease: float = 0.0,
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
    follow: bool = False,
    stereo: str | None = None,
    eyes: float = EYES_PERCENT,
    quilt: str | None = None,
    alpha: str | None = None,
    lens: Lens | None = None,
    audio: PathLike | None = None,
    poster: PathLike | None = None,
    depth_out: PathLike | None = None,
    speed: float = 1.0,
    blend: BlendMode = "phase",
    model: RenderModel | PathLike | None = None,
    color: Color = "srgb",
    progress: Progress = True,
) -> Path:
    """Turn a scene into a looping video: `render_cinemagraph` from where the photo is prepared.

    Parameters
    ----------
    scene : Scene
        From `prepare` or `load_scene`.
    out : path
        See `render_cinemagraph`, as for everything else.
    color : {"srgb", "p3"}
        The space of the scene's colours, by which the video is tagged.

    Returns
    -------
    Path
        ``out``, or a quilt's name.

    Raises
    ------
    ValueError, TypeError, OSError
        With one line that names the argument.
    """
    check_duration(loops, duration)
    check_lens(lens)
    encoding = Encoding(codec, crf, bitrate, bits, 1 if loops is None else loops, max_mb, color, audio=audio)
    layout = Layout(stereo, eyes, quilt, alpha, aspect, follow)
    given: dict[str, object] = {"camera": camera, "model": model}
    delivery = check_delivery(out, fps, encoding, layout, lens, poster, depth_out, given, duration)
    looks = read_looks(frames, camera, amplitude, ease, speed, blend, model, lens)
    return _write(scene, looks, delivery, fps, loops, duration, progress)


@dataclass(frozen=True, eq=False)
class Looks:
    """How a scene is looked at, read and checked: the arguments of `render_cinemagraph` of these names, and the frames of the
    motion's ``loop`` and of the ``total``."""

    loop: int
    total: int
    camera: str | CameraKeys | CameraPath
    amplitude: Amplitude | None
    ease: float
    speed: float
    blend: BlendMode
    model: RenderModel | None
    lens: Lens | None


def read_looks(
    frames: int | None,
    camera: CameraLike,
    amplitude: Amplitude | None,
    ease: float,
    speed: float,
    blend: BlendMode,
    model: RenderModel | PathLike | None,
    lens: Lens | None,
) -> Looks:
    """Raises with one line that names the argument, before any work is done."""
    loop, total = periods(frames)
    check_motion(loop, speed)
    wanted = read_camera(camera, amplitude_of(camera, amplitude), ease)
    if wanted is None:
        raise TypeError(NO_CAMERA)
    if isinstance(wanted, CameraPath):
        check_period(wanted, loop)
        total = len(wanted)
    check_blend(blend)
    renderer = None if model is None else read_renderer(model)
    return Looks(loop, total, wanted, amplitude, ease, speed, blend, renderer, lens)


def _write(
    scene: Scene,
    looks: Looks,
    delivery: Delivery,
    fps: float,
    loops: int | None,
    duration: float | None,
    progress: Progress,
    sharp_px: tuple[float, float] | None = None,
) -> Path:
    animation = animate(scene, frames=looks.loop, speed=looks.speed, blend=looks.blend, model=looks.model)
    path = camera_path(scene, looks.camera, looks.total, looks.amplitude, looks.ease)
    window = None
    if delivery.proportions is not None:
        window = window_of(scene, delivery.proportions, path if delivery.layout.follow else None)
    shot = shot_of(animation.draw, scene, path, looks.lens, window, sharp_px)
    if duration is not None:
        loops = max(1, round(duration * fps / looks.total))
        delivery = replace(delivery, encoding=replace(delivery.encoding, loops=loops))
    delivery = replace(delivery, encoding=replace(delivery.encoding, hardware=scene.layers.pixel.is_cuda))
    say(*scene.notes, shown=progress)
    if loops is not None and loops > 1:
        say(f"loops: {loops} of {looks.total / fps:.1f} s, {loops * looks.total / fps:.1f} s in all", shown=progress)
    return ShownPath(deliver(delivery, shot, animation.cover, fps, progress))


def check_lens(lens: Lens | None) -> None:
    if lens is not None and not isinstance(lens, Lens):
        raise TypeError(f"lens: expected a Lens, got {type(lens).__name__}")
