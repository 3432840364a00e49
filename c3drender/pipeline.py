"""The whole way from a photo to a video: `prepare` makes a `Scene`, `render_frames` its frames, `render_cinemagraph` both.

The only module that composes the stages. Values are checked here and in `files`, before any work is done.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, isfinite
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from . import camera as cameras
from . import depth as depths
from . import files, harmonic, layers, render, resize, ripple, scenery, sway, video
from . import motion as flows
from .annotations import read_hints
from .data import (
    Camera,
    CameraKeys,
    CameraPath,
    DepthMap,
    Flow,
    FlowField,
    Frame,
    Harmonics,
    Image,
    MotionHints,
    Ripple,
    Scene,
    Scenery,
    Sway,
    to_device,
)
from .device import pick_device
from .inpainter import Inpainter
from .networks import RenderModel, load_renderer
from .networks import render as learned

DEFAULT_FRAMES = 60
DEPTH_METHODS = ("auto", "builtin")
MARGIN_SPARE_PX = 3  # beyond what the path shows: a splat's reach and the rounding of the border

Arrows = Any
PathLike = str | os.PathLike
CameraLike = PathLike | CameraKeys | CameraPath
Amplitude = float | tuple[float, float, float]
Motion = Sequence[Flow | Sway | Ripple]


@dataclass(frozen=True)
class _Inputs:
    """What the user gave, read and checked, at the size that will be rendered."""

    image: Image
    hints: MotionHints
    step_px: Tensor | None
    focus_px: tuple[float, float] | None
    depth: Tensor | None
    harmonic: tuple[tuple[Sway | Ripple, MotionHints], ...]
    depth_kind: str  # "disparity", "metric", or the estimator's method where depth is None


def _read_inputs(photo: Any, motion: Motion, depth: Any, focus: Any, size: resize.Size) -> _Inputs:
    original = files.read_photo(photo)
    height, width = original.size
    target = resize.fit_size(height, width, size)

    def hints_of(hints: Any, mask: Any) -> MotionHints:
        return resize.resize_hints(read_hints(hints, height, width, mask), (height, width), *target)

    harmonic = tuple((part, hints_of(part.hints, part.mask)) for part in motion if not isinstance(part, Flow))
    fluid = next((part for part in motion if isinstance(part, Flow)), None)
    moving = hints_of(None, np.zeros((height, width), bool)) if fluid is None else hints_of(fluid.hints, fluid.mask)
    step_px = None
    if fluid is not None and fluid.flow is not None:
        step_px = resize.resize_flow(files.read_flow(fluid.flow, height, width), *target)
    focus_px = None
    if focus is not None:
        x, y = _check_focus(focus, height, width)
        focus_px = (x * target[1] / width, y * target[0] / height)
    values, kind = None, depth
    if not (isinstance(depth, str) and _names_an_estimator(depth)):
        values, kind = files.read_depth(depth, height, width)
        values = resize.resize_depth(values, *target)
    return _Inputs(resize.resize_photo(original, *target), moving, step_px, focus_px, values, harmonic, kind)


def _list_motion(motion: Motion | None, **single: Any) -> Motion:
    """``motion``, or the one `Flow` that ``mask``, ``hints`` and ``flow`` describe."""
    if motion is None:
        return (Flow(**single),)
    given = [name for name, value in single.items() if value is not None]
    if given:
        raise ValueError(f"motion: expected {', '.join(given)} inside a Flow of the list, got both")
    if not isinstance(motion, (list, tuple)) or not all(isinstance(part, (Flow, Sway, Ripple)) for part in motion):
        raise TypeError(f"motion: expected a list of Flow, Sway and Ripple, got {motion!r}")
    if sum(isinstance(part, Flow) for part in motion) > 1:
        raise ValueError("motion: expected at most one Flow (its mask may have many regions), got more")
    return motion


def _find_harmonics(inputs: _Inputs, depth: DepthMap, flow: FlowField) -> tuple[Harmonics | None, tuple[str, ...]]:
    """What sways and ripples beside the flow, and one line for each."""
    fields, notes = [], []
    for part, hints in inputs.harmonic:
        held = hints.mask if hints.freeze is None else hints.mask & ~hints.freeze
        mask, arrows = held.numpy(), hints.arrows.numpy()
        if isinstance(part, Sway):
            field = sway.sway_field(mask, arrows, part.root, part.strength)
        else:
            field = ripple.ripple_field(mask, 1.0 / depth.z_cam.cpu().numpy(), arrows, part.strength)
        fields.append(harmonic.held_still(field, flow.moving))
        reach = harmonic.reach_px(fields[-1])
        notes.append(f"{type(part).__name__.lower()}: {mask.mean():.0%} of the picture, by up to {reach:.1f} px")
    return (harmonic.joined(fields) if fields else None), tuple(notes)


def _names_an_estimator(depth: str) -> bool:
    """A word that is no file with a suffix of a depth map names an estimator: a method, a model's id or its directory."""
    return depth in DEPTH_METHODS or Path(depth).is_dir() or Path(depth).suffix.lower() not in files.DEPTH_SUFFIXES


def _find_depth(inputs: _Inputs, shown: Scenery, device: torch.device) -> tuple[DepthMap, str]:
    if inputs.depth is None:
        return depths.estimate_depth(inputs.image, shown, method=inputs.depth_kind, device=device)
    if inputs.depth_kind == "metric":
        return depths.depth_from_metric(inputs.depth), "depth: yours, along the view axis"
    return depths.depth_from_disparity(inputs.depth), "depth: yours, near is bright"


def _read_camera(camera: CameraLike | None, amplitude: Amplitude, ease: float = 0.0) -> str | CameraKeys | CameraPath | None:
    """``camera``, read where it is a file of key frames. Raises unless all three are what they should be."""
    cameras.check_amplitude(amplitude)
    cameras.check_ease(ease)
    if camera is None or isinstance(camera, (CameraKeys, CameraPath)):
        return camera
    if not isinstance(camera, (str, os.PathLike)):
        kinds = "the name of a preset, a .json file, CameraKeys or a CameraPath"
        raise TypeError(f"camera: expected {kinds}, got {type(camera).__name__}")
    if Path(camera).suffix.lower() == ".json":
        return files.read_camera_keys(camera)
    cameras.check_preset(str(camera))
    return str(camera)


def _check_focus(focus: Any, height: int, width: int) -> tuple[float, float]:
    try:
        x, y = (float(value) for value in focus)
    except (TypeError, ValueError):
        raise ValueError(f"focus: expected (x, y) in pixels, got {focus!r}") from None
    if not (0 <= x <= width and 0 <= y <= height):
        raise ValueError(f"focus: expected (x, y) inside {width} x {height} px, got ({x:g}, {y:g})")
    return x, y


def _check_period(path: CameraPath, frames: int) -> None:
    longer, shorter = max(len(path), frames), min(len(path), frames)
    if longer % shorter:
        raise ValueError(f"camera: expected {frames} poses, one loop of the motion, or a whole ratio of that, got {len(path)}")


def _check_blend(blend: str) -> None:
    if blend not in get_args(render.Blend):
        raise ValueError(f"blend: expected one of {', '.join(get_args(render.Blend))}, got {blend!r}")


def _check_motion(frames: int, speed: float) -> None:
    if not isinstance(frames, int) or isinstance(frames, bool):
        raise TypeError(f"frames: expected a whole number, got {frames!r}")
    if frames < 1:
        raise ValueError(f"frames: expected >= 1, got {frames}")
    if not isinstance(speed, (int, float)) or not isfinite(speed) or speed < 0:
        raise ValueError(f"speed: expected a finite number >= 0, got {speed!r}")


def _renderer(model: RenderModel | PathLike) -> RenderModel:
    if not isinstance(model, (RenderModel, str, os.PathLike)):
        raise TypeError(f"model: expected a checkpoint, a directory of them or a RenderModel, got {type(model).__name__}")
    return model if isinstance(model, RenderModel) else load_renderer(model)


def _inpainter(inpainter: Inpainter | PathLike | None, device: torch.device) -> Inpainter | None:
    if isinstance(inpainter, (str, os.PathLike)):
        return files.read_inpainter(inpainter, device)
    if inpainter is not None and not callable(inpainter):
        raise TypeError(f"inpainter: expected a callable or a TorchScript file, got {type(inpainter).__name__}")
    return inpainter


def camera_path(scene: Scene, camera: CameraLike, frames: int, amplitude: Amplitude = 1.0, ease: float = 0.0) -> CameraPath:
    """The path of ``frames`` poses that ``camera`` names for this scene (see `camera.make_camera_path`), or the path given."""
    wanted = _read_camera(camera, amplitude, ease)
    if isinstance(wanted, CameraPath):
        _check_period(wanted, frames)
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


def prepare(
    photo: Any,
    *,
    mask: Any = None,
    hints: Arrows = None,
    flow: Any = None,
    motion: Motion | None = None,
    depth: Any = "auto",
    inpainter: Inpainter | PathLike | None = None,
    size: resize.Size = None,
    amplitude: Amplitude = 1.0,
    camera: CameraLike | None = None,
    focus: tuple[float, float] | None = None,
    device: str | torch.device = "auto",
    seed: int = 0,
    progress: bool = False,
) -> Scene:
    """Everything that comes before the first frame: depth, flow, layers, filled holes.

    ``photo``: path, PIL image, array or tensor (`files.read_photo`). ``mask``: picture or array, white moves; None: found.
    ``hints``: arrows ``((x0, y0), (x1, y1))`` in pixels, each as long as 50 frames of motion, or a JSON or labelme file
    (`annotations.read_hints`). ``flow``: dense px per frame, ``[H, W, 2]``, ``.npy`` or ``.flo``. ``motion``: instead of
    these three a list of what moves, `Flow`, `Sway` and `Ripple`, each with its own mask. ``depth``: ``"auto"``,
    ``"builtin"``, a model of transformers, or a depth map (`files.read_depth`). ``size``: the longer side in pixels.
    ``inpainter``: paints what the photo does not show instead of `ops.inpaint_layers`, ``f(rgb, hole) -> rgb``
    (`inpainter.Inpainter`), or a TorchScript file of one, such as LaMa's (`inpainter.from_module`).

    The scene can be rendered by any preset up to ``amplitude``; with ``camera`` (as in `render_frames`) it is filled for that
    path only, which is quicker. ``focus``: the point (x, y) of the photo that every camera keeps in place; None: its middle.
    ``seed`` is kept for estimators that draw random numbers; none of the built-in ones does.

    Raises ValueError, TypeError or OSError with one line that names the argument.
    """
    wanted = _read_camera(camera, amplitude)
    parts = _list_motion(motion, mask=mask, hints=hints, flow=flow)
    target_device = pick_device(device)
    painter = _inpainter(inpainter, target_device)
    torch.manual_seed(seed)
    steps = tqdm(total=4, desc="prepare", unit="stage", disable=not progress, leave=False)
    inputs = _read_inputs(photo, parts, depth, focus, size)
    steps.set_description("depth")
    shown = scenery.find_scenery(inputs.image)
    depth_map, depth_note = _find_depth(inputs, shown, target_device)
    steps.update()
    steps.set_description("flow")
    field, motion_note = flows.find_flow(inputs.image, depth_map, shown, inputs.hints, inputs.step_px)
    harmonics, harmonic_notes = _find_harmonics(inputs, depth_map, field)
    flow_notes = (motion_note,) if any(isinstance(part, Flow) for part in parts) else ()
    steps.update()
    steps.set_description("layers")
    notes = (depth_note, *flow_notes, *harmonic_notes)
    scene = build_scene(inputs.image, depth_map, field, wanted, amplitude, notes, inputs.focus_px, harmonics, painter)
    steps.update(2)
    steps.close()
    return to_device(scene, target_device)


def build_scene(
    image: Image,
    depth: DepthMap,
    flow: FlowField,
    camera: str | CameraKeys | CameraPath | None,
    amplitude: Amplitude,
    notes: tuple[str, ...],
    focus_px: tuple[float, float] | None = None,
    harmonics: Harmonics | None = None,
    inpainter: Inpainter | None = None,
) -> Scene:
    """The last stage of `prepare`: the layers that ``camera`` (None: any preset) can look at."""
    height, width = image.size
    lens = Camera.for_photo(width, height)
    disp = 1.0 / depth.z_cam
    # The nearest and farthest percent may be a speck; the focus lies in the middle of what there is.
    sample = disp[:: max(height // 256, 1), :: max(width // 256, 1)].flatten()
    near, far, focus = (float(sample.quantile(q)) for q in (0.99, 0.01, 0.5))
    if focus_px is not None:
        focus = float(disp[min(int(focus_px[1]), height - 1), min(int(focus_px[0]), width - 1)])
    scale = {"disp_near": near, "disp_far": min(far, 0.98 * near), "disp_focus": focus, "focus_px": focus_px}
    if isinstance(camera, CameraPath):
        views = camera
    elif camera is None:
        views = cameras.envelope_path(lens, **scale, amplitude=amplitude)
    else:
        views = cameras.make_camera_path(lens, camera, 16, **scale, amplitude=amplitude)
    nearest, farthest = float(disp.max()), float(disp.min())
    swing_px = 0.0 if harmonics is None else harmonic.reach_px(harmonics)
    reach = [cameras.max_shift_px(lens, views, d) + swing_px for d in (nearest, farthest)]
    parallax_px = cameras.parallax_px(lens, views, nearest, farthest)
    if bool(flow.moving.any()):
        # However little the camera looks behind things, what drifts comes out from there.
        parallax_px = max(parallax_px, cameras.PARALLAX * max(width, height) / max(nearest - farthest, 0.1 * nearest))
    config = layers.LayerConfig(
        views=views,
        parallax_px=parallax_px,
        margin_px=min(ceil(max(reach)) + MARGIN_SPARE_PX, min(height, width) - 1),
        loop_steps=DEFAULT_FRAMES,
    )
    layered = layers.build_layers(image, depth, flow, lens, config, inpainter)
    on_canvas = None if harmonics is None else harmonic.on_canvas(harmonics, layered.margin_px)
    return Scene(lens, layered, **scale, notes=notes, harmonics=on_canvas)


def render_frames(
    scene: Scene,
    *,
    camera: CameraLike = "circle",
    amplitude: Amplitude = 1.0,
    ease: float = 0.0,
    frames: int = DEFAULT_FRAMES,
    speed: float = 1.0,
    blend: render.Blend = "contrast",
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
    _check_motion(frames, speed)
    _check_blend(blend)
    path = camera_path(scene, camera, frames, amplitude, ease)
    if model is not None:
        return learned.render_path(animate_learned(scene, _renderer(model), frames, speed), path)
    return render.render_path(render.animate(scene, frames, speed, measure_contrast=blend == "contrast"), path, blend)


def animate_learned(scene: Scene, model: RenderModel, frames: int, speed: float = 1.0) -> learned.LearnedAnimation:
    """The scene as a loop of ``frames`` whose points carry the features of ``model`` (`networks.render`)."""
    animation = render.animate(scene, frames, speed, measure_contrast=False)
    return learned.animate(scene, model, animation.source, partial(render.place_points, animation), frames)


def render_cinemagraph(
    photo: Any,
    out: PathLike,
    *,
    mask: Any = None,
    hints: Arrows = None,
    flow: Any = None,
    motion: Motion | None = None,
    depth: Any = "auto",
    inpainter: Inpainter | PathLike | None = None,
    camera: CameraLike = "circle",
    amplitude: Amplitude = 1.0,
    ease: float = 0.0,
    focus: tuple[float, float] | None = None,
    frames: int = DEFAULT_FRAMES,
    fps: float = 25,
    size: resize.Size = None,
    speed: float = 1.0,
    blend: render.Blend = "contrast",
    model: RenderModel | PathLike | None = None,
    device: str | torch.device = "auto",
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """Turn a photo into a looping video in which its fluids move and the camera moves through the scene.

    ``out``: ``.mp4 .webm .gif .apng .webp`` or a folder for PNGs; it appears only when complete. The other arguments are those
    of `prepare` and `render_frames`. Says in one line each what was guessed and when the size had to change. Returns ``out``.
    """
    target = video.check_output(out, fps)
    _check_motion(frames, speed)
    wanted = _read_camera(camera, amplitude, ease)
    if isinstance(wanted, CameraPath):
        _check_period(wanted, frames)
    _check_blend(blend)
    renderer = None if model is None else _renderer(model)
    scene = prepare(
        photo,
        mask=mask,
        hints=hints,
        flow=flow,
        motion=motion,
        depth=depth,
        inpainter=inpainter,
        size=size,
        amplitude=amplitude,
        camera=wanted,
        focus=focus,
        device=device,
        seed=seed,
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
