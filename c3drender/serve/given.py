"""What a client posts: a photo, files that belong to it, and options. No client names a file of the server's."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from ..files.place import one_line, parse_json
from ..files.resize import MIN_SIDE_PX, fit_size
from ..files.source import suffix_of
from ..jobs.options import ARROWS, FILES, check_options, read_options
from ..jobs.run import Job
from ..models import find, installed
from ..models.registry import Task
from ..pipeline.inputs import DEPTH_METHODS, SEGMENT_METHODS
from .limits import Limits

PHOTO, OPTIONS, FORMAT = "photo", "options", "format"
UPLOADS = ("mask", "matte", "hints", "flow", "sway", "sway_hints", "flame", "ripple", "depth", "segments", "camera", "audio")
FORMATS = ("mp4", "webm", "mov", "mkv", "gif", "apng", "webp")
NAMED: dict[str, tuple[Task, tuple[str, ...]]] = {  # options that may name an installed model
    "depth": ("depth", DEPTH_METHODS),
    "segments": ("segmentation", SEGMENT_METHODS),
    "inpainter": ("inpainting", ()),
}
NOT_A_CLIENTS = ("device", "model", "motion_model", "trust")
SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


def job_of(folder: Path, files: Mapping[str, tuple[str, IO[bytes]]], fields: Mapping[str, str], limits: Limits) -> Job:
    """The job of a post, whose files are put into ``folder``.

    Parameters
    ----------
    folder : Path
    files : mapping of str to (str, file)
        Parts with a file, by their names: what the client calls it, which gives the suffix, and its bytes.
    fields : mapping of str to str
        The other parts: ``options``, a JSON object, ``format``, and options by their names.
    limits : Limits

    Raises
    ------
    ValueError, TypeError, OSError
        With one line that begins with the part's name.
    """
    if PHOTO not in files:
        raise ValueError(f"{PHOTO}: expected a file in the part of this name, got none")
    unknown = next((name for name in files if name not in (PHOTO, *UPLOADS)), None)
    if unknown is not None:
        raise ValueError(f"{unknown}: expected files named {PHOTO}, {', '.join(UPLOADS)}")
    given = _options(fields)
    suffix = str(given.pop(FORMAT, FORMATS[0])).lower().lstrip(".")
    if suffix not in FORMATS:
        raise ValueError(f"{FORMAT}: expected one of {', '.join(FORMATS)}, got {suffix!r}")
    doubled = next((name for name in files if name in given), None)
    if doubled is not None:
        raise ValueError(f"{doubled}: expected a file or a value, got both")
    options = read_options(given)
    for name, value in options.items():
        _check_names_no_file(name, value)
    paths = {name: _kept(folder, name, *file) for name, file in files.items()}
    photo = paths.pop(PHOTO)
    options |= paths
    out = str(folder / f"out.{suffix}")
    check_options(options, out)
    if options.get("frames", 0) > limits.frames:
        raise ValueError(f"frames: expected at most {limits.frames}, got {options['frames']}")
    _check_pixels(photo, options, limits)
    return Job(photo, out, options)


def _options(fields: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {name: value for name, value in fields.items() if name != OPTIONS}
    if OPTIONS in fields:
        try:
            more = parse_json(fields[OPTIONS])
        except ValueError as error:
            raise ValueError(f"{OPTIONS}: expected a JSON object, got {one_line(error)}") from None
        if not isinstance(more, dict):
            raise ValueError(f"{OPTIONS}: expected a JSON object, got {json.dumps(more)[:100]}")
        given |= more
    return given


def _check_names_no_file(name: str, value: Any) -> None:
    if name in NOT_A_CLIENTS:
        raise ValueError(f"{name}: expected to be left to the server, got {value!r}")
    if name not in FILES or (name in ARROWS and isinstance(value, list)):
        return
    if name in NAMED:
        task, words = NAMED[name]
        entry = find(value, task)
        if value in words or (entry is not None and entry in installed(task=task)):
            return
        models = [entry.name for entry in installed(task=task)]
        allowed = ", ".join([*words, *models, "a file"] if name in UPLOADS else models) or "no model, as none is installed"
        raise ValueError(f"{name}: expected {allowed}, got {value!r}")
    if name == "camera" and re.fullmatch(r"[a-z-]+", value):
        return
    raise ValueError(f"{name}: expected a file in the part of this name, got {value!r}")


def _kept(folder: Path, name: str, shown: str, file: IO[bytes]) -> str:
    suffix = suffix_of(shown)
    path = folder / f"{name}{suffix if SUFFIX.fullmatch(suffix) else ''}"
    with path.open("wb") as kept:
        shutil.copyfileobj(file, kept)
    return str(path)


def _check_pixels(photo: str, options: Mapping[str, Any], limits: Limits) -> None:
    """Hold the photo, by its header, and the frames to the limit. What has no header that Pillow reads is not taken."""
    from ..files.decode import open_picture

    width, height = open_picture(PHOTO, Path(photo).read_bytes(), "what was posted").picture.size
    if height * width > limits.pixels:
        most = f"{limits.pixels / 1e6:g} Mpx"
        raise ValueError(f"{PHOTO}: expected at most {most}, got {width} x {height}, {width * height / 1e6:.0f} Mpx")
    size = options.get("size")
    rendered = fit_size(max(height, MIN_SIDE_PX), max(width, MIN_SIDE_PX), tuple(size) if isinstance(size, list) else size)
    if rendered[0] * rendered[1] > limits.pixels:
        raise ValueError(f"size: expected frames of at most {limits.pixels / 1e6:g} Mpx, got {rendered[1]} x {rendered[0]}")
