"""What the user gave, read and checked before any work is done."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from numbers import Integral, Real
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from .. import camera as cameras
from ..data import (
    Arrows,
    CameraKeys,
    CameraPath,
    Flame,
    Fluid,
    Image,
    MaskLike,
    MotionHints,
    PathLike,
    PictureLike,
    Ripple,
    Sway,
)
from ..files import read_camera_keys, read_flow, read_hints, read_segments, resize
from ..files.colour import Color
from ..files.depth import DEPTH_SUFFIXES, DepthGiven, depth_given
from ..files.depth_kind import AskedKind, AskedNear, check_asked
from ..files.embedded import photo_depth
from ..files.hints import Labels, noted_hints
from ..files.keys import read_json
from ..files.masks import read_matte
from ..files.photo import Photo, photo_of
from ..files.place import is_path, read_bytes
from ..files.segments import SEGMENTS_SUFFIXES
from ..files.source import is_address
from ..files.tell import warn
from ..files.track import is_track, track_of
from ..layers import inpainter as inpainters
from ..layers.inpainter import Inpainter
from ..models import ENTRIES, Entry, find
from ..models.store import file_of
from ..networks import MotionNetwork, RenderModel, load_motion, load_renderer
from ..ops.device import pick_or_cpu
from ..pixels.segments import Segments
from ..pixels.upsample import upsampled
from ..render import BlendMode
from .see import Eyes

MOST_FRAMES = 100_000  # an hour of video
OWN_DEPTH = "photo"
DEPTH_METHODS = ("auto", "builtin", OWN_DEPTH)
SEGMENT_METHODS = ("auto", "none")
TABLES = (".csv", ".tsv", ".jsonl", ".parquet")  # of many photos
MODEL_CONFIG = "config.json"
LEAST_MATTE = 0.02  # of a pixel: less of it moves nothing
MODEL_ID = re.compile(r"[\w.-]+/[\w.-]+")
FILE_SUFFIX = re.compile(r"\.(?!v\d)[a-z][a-z0-9]{1,4}")  # of a file, not the 2.1 or v2 that ends a model's name

CameraLike = PathLike | CameraKeys | CameraPath
Amplitude = float | Sequence[float]
Harmonic = Sway | Flame | Ripple
Motion = Sequence[Fluid | Harmonic]
FlowLike = PathLike | np.ndarray | Tensor
HintsLike = Arrows | MotionHints
SegmentsLike = PathLike | Segments


@dataclass(frozen=True, eq=False)
class HarmonicGiven:
    """What the user says that sways, flickers or ripples: where, bool ``[H, W]``, and arrows ``[A, 2, 2]``, px."""

    part: Harmonic
    mask: Tensor
    arrows: Tensor

    @property
    def named(self) -> tuple[type[Harmonic], float]:
        """Its kind, and its share of the picture."""
        return type(self.part), float(self.mask.float().mean())


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the user gave, read and checked, at the size that will be rendered."""

    image: Image
    hints: MotionHints
    step_px: Tensor | None
    focus_px: tuple[float, float] | None
    sharp_px: tuple[float, float] | None  # what a lens is focused on
    depth: DepthGiven | str  # or the name of an estimator
    segments: Segments | str  # or the name of a segmenter
    harmonic: tuple[HarmonicGiven, ...]
    notes: tuple[str, ...]  # one line per thing that was decided without being asked
    eyes: Eyes  # of the image; they may have been asked how a depth map is meant
    matte: Tensor | None = None  # float32 [H, W], 0..1: how freely each pixel of the fluid moves


@dataclass(frozen=True)
class Reading:
    """How what is given is to be read: the arguments of `c3drender.prepare` of these names."""

    depth_kind: AskedKind = "auto"
    depth_near: AskedNear = "auto"
    label: Labels = None
    color: Color = "srgb"


def check_is_one(photo: object) -> None:
    """Refuse many photos where one is expected, and say who takes them."""
    if isinstance(photo, (list, tuple)):
        raise TypeError(f"photo: expected one photo, got a list of {len(photo)}; c3drender.batch.run renders many")
    if is_path(photo) and (Path(photo).is_dir() or Path(photo).suffix.lower() in TABLES):
        table = "" if Path(photo).is_dir() else "--manifest "
        kind = "the table" if table else "the folder"
        raise ValueError(
            f"photo: expected one photo, got {kind} {photo}; c3drender batch {table}{photo} -o videos renders all"
        )


def read_inputs(
    photo: PictureLike,
    motion: Motion,
    depth: PictureLike,
    focus: tuple[float, float] | None,
    size: resize.Size,
    segments: SegmentsLike = "none",
    reading: Reading = Reading(),
    sharp: tuple[float, float] | None = None,
) -> Inputs:
    check_asked(reading.depth_kind, reading.depth_near)
    shot = photo_of(photo, size, reading.color)
    height, width = shot.size
    target = shot.image.size
    notes = list(shot.notes)

    def hints_of(hints: HintsLike | None, mask: MaskLike | None) -> MotionHints:
        label = reading.label if hints is not None or mask is not None else None
        noted = noted_hints(hints, shot.size, target, mask, label, shot.name)
        notes.extend(noted.notes)
        return noted.value

    def masked(part: Harmonic) -> HarmonicGiven:
        hints = hints_of(part.hints, part.mask)
        if hints.mask is None:
            kind = type(part).__name__
            raise ValueError(
                f"{kind.lower()}: expected a mask of what moves, or polygons in the hints' file, got {kind}(None)"
            )
        _check_strength(part)
        held = hints.mask if hints.freeze is None else hints.mask & ~hints.freeze
        return HarmonicGiven(part, held, hints.arrows)

    harmonic = tuple(masked(part) for part in motion if not isinstance(part, Fluid))
    fluid = next((part for part in motion if isinstance(part, Fluid)), None)
    matte = None if fluid is None or fluid.matte is None else read_matte(fluid.matte, *target)
    if fluid is None:
        moving = MotionHints(torch.zeros(target, dtype=torch.bool, device="cpu"), read_hints(None, *target).arrows)
    else:
        moving = hints_of(fluid.hints, fluid.mask)
    if matte is not None and moving.mask is None:
        moving = replace(moving, mask=matte > LEAST_MATTE)
    step_px = None
    if fluid is not None and fluid.flow is not None:
        step_px = read_flow(fluid.flow, *target)
    focus_px, sharp_px = (
        None if point is None else _at_size(_check_point(name, point, height, width), (height, width), target)
        for name, point in (("focus", focus), ("lens_focus", sharp))
    )
    eyes = Eyes(shot.image)
    given = _read_depth(depth, shot, reading, eyes)
    if isinstance(given, DepthGiven):
        notes.extend(given.notes[1:])
    seen: Segments | str
    if is_path(segments) and names_a_segmenter(os.fspath(segments)):
        seen = os.fspath(segments)
    else:
        seen = read_segments(segments, *target)
    if size is None and target != (height, width):
        notes.append(f"size: {width} x {height} becomes {target[1]} x {target[0]}; size 'photo' keeps it")
    said = tuple(dict.fromkeys(notes))
    return Inputs(shot.image, moving, step_px, focus_px, sharp_px, given, seen, harmonic, said, eyes, matte)


def _read_depth(depth: PictureLike, shot: Photo, reading: Reading, eyes: Eyes) -> DepthGiven | str:
    """The user's map or the photo's own, at the photo's size, or the name of an estimator."""
    own = photo_depth(shot, eyes.near) if isinstance(depth, str) and depth in ("auto", OWN_DEPTH) else None
    if isinstance(depth, str) and depth == OWN_DEPTH and own is None:
        kinds = "a photo that holds its depth (GDepth, Dynamic Depth, MPO, HEIC)"
        raise ValueError(f"depth: expected {kinds}, got none in {shot.name or 'what is given'}")
    if own is None:
        if isinstance(depth, str) and names_an_estimator(depth):
            return depth
        own = _given_or_own(depth, shot, reading, eyes)
    return _at_photo_size(own, shot.image)


def _given_or_own(depth: PictureLike, shot: Photo, reading: Reading, eyes: Eyes) -> DepthGiven:
    """A depth map, or the depth that lies in a photo given as one."""
    if is_path(depth) and Path(depth).is_file() and Path(shot.name).is_file() and Path(depth).samefile(shot.name):
        own = photo_depth(shot, eyes.near)
        if own is not None:
            return own
    return depth_given(depth, *shot.size, reading.depth_kind, reading.depth_near, eyes.near)


def _at_photo_size(given: DepthGiven, image: Image) -> DepthGiven:
    """A larger map is sampled, a smaller one gets its edges from the photo."""
    height, width = image.size
    values, notes = given.values, given.notes
    if values.shape != (height, width):
        notes += (f"depth: {values.shape[1]} x {values.shape[0]} px, scaled to the photo's {width} x {height}",)
    if values.shape[0] < height and values.shape[1] < width:
        disp = 1.0 / values if given.kind == "metric" else values
        fine = torch.from_numpy(upsampled(disp.numpy(), image.rgb.numpy()))
        values = 1.0 / fine if given.kind == "metric" else fine
    return DepthGiven(resize.resize_depth(values, height, width), given.kind, notes)


def list_motion(motion: Motion | None, **single: Any) -> Motion:
    """``motion``, or the one `Fluid` that ``mask``, ``hints`` and ``flow`` describe."""
    if motion is None:
        return (Fluid(**single),)
    given = [name for name, value in single.items() if value is not None]
    if given:
        raise ValueError(f"motion: expected {', '.join(given)} inside a Fluid of the list, got both")
    if not isinstance(motion, (list, tuple)) or not all(isinstance(part, (Fluid, Harmonic)) for part in motion):
        raise TypeError(f"motion: expected a list of Fluid, Sway, Flame and Ripple, got {motion!r}")
    if sum(isinstance(part, Fluid) for part in motion) > 1:
        raise ValueError("motion: expected at most one Fluid (its mask may have many regions), got more")
    return motion


def names_an_estimator(depth: str) -> bool:
    """Whether ``depth`` is a method, or a model's name, folder or ``owner/name``, and no file of a depth map. A file that is
    there is never a model's name; what is neither, such as a method misspelt, is a ValueError."""
    if Path(depth).exists():
        return _is_model_folder("depth", depth)
    if depth in DEPTH_METHODS or find(depth, "depth") is not None:
        return True
    suffix = Path(depth).suffix.lower()
    if suffix in DEPTH_SUFFIXES or is_address(depth):
        return False
    _check_known("depth", depth, [entry for entry in ENTRIES if entry.task == "depth"])
    if MODEL_ID.fullmatch(depth) and not FILE_SUFFIX.fullmatch(suffix):
        return True
    known = [*DEPTH_METHODS, *(f"{depth[: -len(suffix)]}{other}" for other in DEPTH_SUFFIXES if suffix)]
    near = difflib.get_close_matches(depth.lower(), known, n=1, cutoff=0.7)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    models = "a model of transformers (its folder or owner/name)"
    raise ValueError(
        f"depth: expected {', '.join(DEPTH_METHODS)}, {models} or a file ({' '.join(DEPTH_SUFFIXES)}), got {depth!r}{meant}"
    )


def names_a_segmenter(segments: str) -> bool:
    """As `names_an_estimator`, of segments."""
    if Path(segments).exists():
        return _is_model_folder("segments", segments)
    if segments in SEGMENT_METHODS or find(segments, "segmentation") is not None:
        return True
    if Path(segments).suffix.lower() in SEGMENTS_SUFFIXES:
        return False
    _check_known("segments", segments, [entry for entry in ENTRIES if entry.task == "segmentation"])
    if MODEL_ID.fullmatch(segments) and not FILE_SUFFIX.fullmatch(Path(segments).suffix.lower()):
        return True
    files = " ".join(SEGMENTS_SUFFIXES)
    raise ValueError(f"segments: expected {', '.join(SEGMENT_METHODS)}, a model's name or a file ({files}), got {segments!r}")


def _is_model_folder(name: str, path: str) -> bool:
    """Whether what is there is a model's folder; a folder that is none is a ValueError, a file is never a model."""
    if not Path(path).is_dir():
        return False
    if not (Path(path) / MODEL_CONFIG).is_file():
        raise ValueError(f"{name}: expected a file, or a model's folder with {MODEL_CONFIG} in it, got the folder {path}")
    return True


def _check_known(name: str, value: str, entries: Sequence[Entry]) -> None:
    """Raise where ``value`` is all but a known model's name or source: a typo."""
    names = {known.lower(): known for entry in entries for known in (entry.name, entry.source)}
    near = difflib.get_close_matches(value.lower(), names, n=1, cutoff=0.85)
    if near and names[near[0]] != value and (value.lower() == near[0] or not MODEL_ID.fullmatch(value)):
        raise ValueError(f"{name}: expected a known model, got {value!r}; did you mean {names[near[0]]!r}?")


def read_device(device: str | torch.device | None) -> tuple[torch.device, tuple[str, ...]]:
    """The device that it stands for, and what to say of it. Whoever names one that the ops do not run on is warned."""
    found, line = pick_or_cpu(device)
    if line is not None and device not in (None, "auto"):
        warn(line)
        return found, ()
    return found, () if line is None else (line,)


def read_camera(camera: CameraLike | None, amplitude: Amplitude, ease: float = 0.0) -> str | CameraKeys | CameraPath | None:
    """``camera``, read where it is a file of key frames. Raises unless all three are what they should be."""
    cameras.check_amplitude(amplitude)
    cameras.check_ease(ease)
    if camera is None or isinstance(camera, (CameraKeys, CameraPath)):
        return camera
    if not isinstance(camera, (str, os.PathLike)):
        kinds = "the name of a preset, a .json file, CameraKeys or a CameraPath"
        raise TypeError(f"camera: expected {kinds}, got {type(camera).__name__}")
    if Path(camera).suffix.lower() == ".json":
        content = read_json("camera", camera)
        return track_of(content, os.fspath(camera)) if is_track(content) else read_camera_keys(camera)
    cameras.check_preset(str(camera))
    return str(camera)


def _check_point(name: str, point: Any, height: int, width: int) -> tuple[float, float]:
    try:
        x, y = (float(value) for value in point)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected (x, y) in pixels, got {point!r}") from None
    if not (0 <= x <= width and 0 <= y <= height):
        raise ValueError(f"{name}: expected (x, y) inside {width} x {height} px, got ({x:g}, {y:g})")
    return x, y


def _at_size(point: tuple[float, float], size: tuple[int, int], target: tuple[int, int]) -> tuple[float, float]:
    return point[0] * target[1] / size[1], point[1] * target[0] / size[0]


def _check_strength(part: Harmonic) -> None:
    value = part.strength
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value) or value < 0:
        kind = type(part).__name__.lower()
        raise ValueError(f"{kind}: expected a strength that is a finite number >= 0, got {value!r}")


def check_period(path: CameraPath, frames: int) -> None:
    longer, shorter = max(len(path), frames), min(len(path), frames)
    if longer % shorter:
        raise ValueError(f"camera: expected {frames} poses, one loop of the motion, or a whole ratio of that, got {len(path)}")


def check_blend(blend: str) -> None:
    if blend not in get_args(BlendMode):
        raise ValueError(f"blend: expected one of {', '.join(get_args(BlendMode))}, got {blend!r}")


def read_by_motion(motion: Motion | None) -> dict[str, object]:
    """What the parts of a motion are read from, by name."""
    parts = [part for part in motion or () if isinstance(part, (Fluid, Harmonic))]
    return {
        f"motion[{n}].{name}": getattr(part, name, None) for n, part in enumerate(parts) for name in ("mask", "hints", "flow")
    }


def check_motion(frames: int, speed: float) -> None:
    if not isinstance(frames, Integral) or isinstance(frames, bool):
        raise TypeError(f"frames: expected a whole number, got {frames!r}")
    if not 1 <= frames <= MOST_FRAMES:
        raise ValueError(f"frames: expected 1 to {MOST_FRAMES}, got {frames}")
    if isinstance(speed, bool) or not isinstance(speed, Real) or not isfinite(speed) or speed < 0:
        raise ValueError(f"speed: expected a finite number >= 0, got {speed!r}")


def check_duration(loops: int | None, duration: float | None) -> None:
    if duration is None:
        return
    if loops is not None:
        raise ValueError("duration: expected loops or duration, got both")
    if isinstance(duration, bool) or not isinstance(duration, Real) or not isfinite(duration) or duration <= 0:
        raise ValueError(f"duration: expected seconds > 0, got {duration!r}")


def read_renderer(model: RenderModel | PathLike) -> RenderModel:
    if not isinstance(model, (RenderModel, str, os.PathLike)):
        raise TypeError(f"model: expected a checkpoint, a directory of them or a RenderModel, got {type(model).__name__}")
    return model if isinstance(model, RenderModel) else load_renderer(model)


def read_motion_model(
    motion_model: MotionNetwork | PathLike | None, motion: Motion, device: torch.device
) -> MotionNetwork | None:
    """``motion``: what moves (`list_motion`), where it must find a fluid whose flow is open."""
    if motion_model is None:
        return None
    if not isinstance(motion_model, (MotionNetwork, str, os.PathLike)):
        kinds = "a checkpoint, the folder of one or a MotionNetwork"
        raise TypeError(f"motion_model: expected {kinds}, got {type(motion_model).__name__}")
    fluid = next((part for part in motion if isinstance(part, Fluid)), None)
    if fluid is None:
        raise ValueError("motion_model: expected a Fluid in motion, whose flow it is asked for, got none")
    if fluid.flow is not None:
        raise ValueError("motion_model: expected flow or motion_model, got both")
    return motion_model if isinstance(motion_model, MotionNetwork) else load_motion(motion_model, device)


def read_inpainter(inpainter: Inpainter | PathLike | None, device: torch.device, trust: bool = False) -> Inpainter | None:
    """A file of the user's is a program and needs ``trust``; an installed model was checked by its digest."""
    entry = None
    if isinstance(inpainter, str) and not Path(inpainter).exists():
        entry = find(inpainter, "inpainting")
        if entry is None:
            _check_known("inpainter", inpainter, [entry for entry in ENTRIES if entry.task == "inpainting"])
    if entry is not None:
        inpainter = file_of(entry)
    if isinstance(inpainter, (str, os.PathLike)):
        data = read_bytes("inpainter", inpainter)
        if entry is None and not trust:
            programs = "a TorchScript or ONNX file is a program, which may do anything"
            raise ValueError(f"inpainter: expected trust (--trust) beside {os.fspath(inpainter)}, got none: {programs}")
        return inpainters.load(data, os.fspath(inpainter), device)
    if inpainter is not None and not callable(inpainter):
        raise TypeError(f"inpainter: expected a callable, a model's name or its file, got {type(inpainter).__name__}")
    return inpainter
