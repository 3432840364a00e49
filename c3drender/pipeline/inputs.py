"""What the user gave, read and checked before any work is done."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from numbers import Integral, Real
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from .. import camera as cameras
from ..data import Arrows, CameraKeys, CameraPath, Fluid, Image, MotionHints, PathLike, PictureLike, Ripple, Sway
from ..files import read_camera_keys, read_depth, read_flow, read_hints, read_photo, read_segments, resize
from ..files.maps import DEPTH_SUFFIXES, DepthKind
from ..files.place import is_path, read_bytes
from ..files.segments import SEGMENTS_SUFFIXES
from ..layers import inpainter as inpainters
from ..layers.inpainter import Inpainter
from ..models import find
from ..models.store import file_of
from ..networks import RenderModel, load_renderer
from ..pixels.segments import Segments
from ..render import BlendMode

MOST_FRAMES = 100_000  # an hour of video
DEPTH_METHODS = ("auto", "builtin")
MODEL_ID = re.compile(r"[\w.-]+/[\w.-]+")
FILE_SUFFIX = re.compile(r"\.(?!v\d)[a-z][a-z0-9]{1,4}")  # of a file, not the 2.1 or v2 that ends a model's name

CameraLike = PathLike | CameraKeys | CameraPath
Amplitude = float | Sequence[float]
Motion = Sequence[Fluid | Sway | Ripple]
FlowLike = PathLike | np.ndarray | Tensor
HintsLike = Arrows | MotionHints
SegmentsLike = PathLike | Segments


@dataclass(frozen=True, eq=False)
class DepthGiven:
    """A depth map of the user's, float32 ``[H, W]``, and what its numbers mean."""

    values: Tensor
    kind: DepthKind


@dataclass(frozen=True, eq=False)
class HarmonicGiven:
    """What the user says that sways or ripples: where, bool ``[H, W]``, and arrows ``[A, 2, 2]``, px."""

    part: Sway | Ripple
    mask: Tensor
    arrows: Tensor


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the user gave, read and checked, at the size that will be rendered."""

    image: Image
    hints: MotionHints
    step_px: Tensor | None
    focus_px: tuple[float, float] | None
    depth: DepthGiven | str  # or the name of an estimator
    segments: Segments | str  # or the name of a segmenter
    harmonic: tuple[HarmonicGiven, ...]
    notes: tuple[str, ...]  # one line per thing that was decided without being asked


def read_inputs(
    photo: PictureLike,
    motion: Motion,
    depth: PictureLike,
    focus: tuple[float, float] | None,
    size: resize.Size,
    segments: SegmentsLike = "none",
) -> Inputs:
    original = read_photo(photo)
    height, width = original.size
    target = resize.fit_size(height, width, size)

    def hints_of(hints: HintsLike | None, mask: PictureLike | None) -> MotionHints:
        return resize.resize_hints(read_hints(hints, height, width, mask), (height, width), *target)

    def masked(part: Sway | Ripple) -> HarmonicGiven:
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
    moving = hints_of(None, np.zeros((height, width), bool)) if fluid is None else hints_of(fluid.hints, fluid.mask)
    step_px = None
    if fluid is not None and fluid.flow is not None:
        step_px = resize.resize_flow(read_flow(fluid.flow, height, width), *target)
    focus_px = None
    if focus is not None:
        x, y = _check_focus(focus, height, width)
        focus_px = (x * target[1] / width, y * target[0] / height)
    given: DepthGiven | str
    if isinstance(depth, str) and _names_an_estimator(depth):
        given = depth
    else:
        values, kind = read_depth(depth, height, width)
        given = DepthGiven(resize.resize_depth(values, *target), kind)
    seen: Segments | str
    if is_path(segments) and Path(segments).suffix.lower() not in SEGMENTS_SUFFIXES:
        seen = os.fspath(segments)
    else:
        seen = read_segments(segments, height, width)
    notes: tuple[str, ...] = ()
    if size is None and target != (height, width):
        notes = (f"size: {width} x {height} becomes {target[1]} x {target[0]}; size 'photo' keeps it",)
    return Inputs(resize.resize_photo(original, *target), moving, step_px, focus_px, given, seen, harmonic, notes)


def list_motion(motion: Motion | None, **single: Any) -> Motion:
    """``motion``, or the one `Fluid` that ``mask``, ``hints`` and ``flow`` describe."""
    if motion is None:
        return (Fluid(**single),)
    given = [name for name, value in single.items() if value is not None]
    if given:
        raise ValueError(f"motion: expected {', '.join(given)} inside a Fluid of the list, got both")
    if not isinstance(motion, (list, tuple)) or not all(isinstance(part, (Fluid, Sway, Ripple)) for part in motion):
        raise TypeError(f"motion: expected a list of Fluid, Sway and Ripple, got {motion!r}")
    if sum(isinstance(part, Fluid) for part in motion) > 1:
        raise ValueError("motion: expected at most one Fluid (its mask may have many regions), got more")
    return motion


def _names_an_estimator(depth: str) -> bool:
    """Whether ``depth`` is a method, or a model's folder or ``owner/name``, and no file of a depth map. What is neither, such
    as a file of another kind, or a method misspelt, is a ValueError."""
    if depth in DEPTH_METHODS or Path(depth).is_dir():
        return True
    suffix = Path(depth).suffix.lower()
    if suffix in DEPTH_SUFFIXES or Path(depth).exists():
        return False
    if MODEL_ID.fullmatch(depth) and not FILE_SUFFIX.fullmatch(suffix):
        return True
    known = [*DEPTH_METHODS, *(f"{depth[: -len(suffix)]}{other}" for other in DEPTH_SUFFIXES if suffix)]
    near = difflib.get_close_matches(depth.lower(), known, n=1, cutoff=0.7)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    models = "a model of transformers (its folder or owner/name)"
    raise ValueError(
        f"depth: expected {', '.join(DEPTH_METHODS)}, {models} or a file ({' '.join(DEPTH_SUFFIXES)}), got {depth!r}{meant}"
    )


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
        return read_camera_keys(camera)
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


def _check_strength(part: Sway | Ripple) -> None:
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
    parts = [part for part in motion or () if isinstance(part, (Fluid, Sway, Ripple))]
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


def read_renderer(model: RenderModel | PathLike) -> RenderModel:
    if not isinstance(model, (RenderModel, str, os.PathLike)):
        raise TypeError(f"model: expected a checkpoint, a directory of them or a RenderModel, got {type(model).__name__}")
    return model if isinstance(model, RenderModel) else load_renderer(model)


def read_inpainter(inpainter: Inpainter | PathLike | None, device: torch.device) -> Inpainter | None:
    entry = find(inpainter, "inpainting") if isinstance(inpainter, str) else None
    if entry is not None:
        inpainter = file_of(entry)
    if isinstance(inpainter, (str, os.PathLike)):
        return inpainters.load(read_bytes("inpainter", inpainter), os.fspath(inpainter), device)
    if inpainter is not None and not callable(inpainter):
        raise TypeError(f"inpainter: expected a callable, a model's name or its file, got {type(inpainter).__name__}")
    return inpainter
