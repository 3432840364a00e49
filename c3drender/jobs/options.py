"""A job's options: those of ``c3drender render`` by their names, from words or values, each checked before any work."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from functools import cache
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..options import add_scene_options, add_video_options, labels, numbers, size_of

if TYPE_CHECKING:
    from ..data import Flame, Fluid, Lens, Ripple, Sway

Options = Mapping[str, Any]

PICTURES = ("mask", "matte", "flow", "sway", "flame", "ripple")  # files, always
# Or something else, too.
FILES = (*PICTURES, "hints", "sway_hints", "depth", "segments", "inpainter", "camera", "model", "motion_model", "audio")
ARROWS = ("hints", "sway_hints")  # a file, or a list of arrows itself
MOTION = ("sway", "sway_hints", "sway_root", "flame", "ripple")
CODED = ("codec", "crf", "bitrate", "bits", "loops", "max_mb", "color")
LENS = ("f_number", "lens_focus", "shutter", "vignette", "grain", "ssaa", "samples")
BESIDE = ("poster", "depth_out")  # written beside a video: of many photos each would replace the last
NOT_OF_A_JOB = ("help", "quiet", *BESIDE)
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
SEPARATORS = {numbers: ",", labels: ",", size_of: "x"}


@cache
def known() -> dict[str, argparse.Action]:
    """The options of ``c3drender render``, by name."""
    parser = argparse.ArgumentParser(add_help=False)
    add_scene_options(parser)
    add_video_options(parser)
    return {action.dest: action for action in parser._actions if action.dest not in NOT_OF_A_JOB}


def read_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name, as `known` has them, from what was given.

    Parameters
    ----------
    given : mapping
        Words as on the command line, or values: numbers, sequences, paths. Names with ``-`` or ``_``; None, an empty word and
        what is the default anyway count as not given.

    Returns
    -------
    dict
        Values that JSON holds.

    Raises
    ------
    ValueError
        With one line that begins with the option's name.
    """
    options = {}
    for name, value in given.items():
        key = name.strip().replace("-", "_")
        if value is None or value == "":
            continue
        if key not in known():
            raise ValueError(f"{name}: expected an option of c3drender render ({', '.join(known())})")
        read = _arrows(key, value) if key in ARROWS and isinstance(value, (list, tuple)) else _read(key, value)
        if read != known()[key].default:
            options[key] = read
    return options


def _read(name: str, value: Any) -> Any:
    kind = known()[name].type
    if known()[name].nargs == 0:  # a flag
        said = value if isinstance(value, bool) else WORDS.get(str(value).strip().lower())
        if said is None:
            raise ValueError(f"{name}: expected true or false, got {value!r}")
        return said
    text = _text(name, value, kind)
    if not callable(kind):
        return text
    try:
        read = kind(text)
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"{name}: {error}") from None
    except ValueError:
        wanted = {int: "a whole number", float: "a number"}.get(kind, "a value")  # type: ignore[call-overload]  # by identity
        raise ValueError(f"{name}: expected {wanted}, got {text!r}") from None
    return list(read) if isinstance(read, tuple) else read


def _text(name: str, value: Any, kind: Any) -> str:
    """As it would stand on the command line."""
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value).strip()
    if kind is not None and isinstance(value, Real) and not isinstance(value, bool):
        return str(value)
    if kind in SEPARATORS and isinstance(value, (list, tuple)):
        return SEPARATORS[kind].join(str(part) for part in value)
    wanted = "a number" if kind in (int, float) else "a path or a word"
    raise ValueError(f"{name}: expected {wanted}, got {value!r}")


def _arrows(name: str, value: Any) -> Any:
    """Lists of numbers; what no photo's size is needed for is checked."""
    try:
        arrows = [[[float(x), float(y)] for x, y in (tail, tip)] for tail, tip in value]
    except (TypeError, ValueError):
        arrows = []
    if not arrows or not all(isfinite(number) for arrow in arrows for point in arrow for number in point):
        raise ValueError(f"{name}: expected arrows [[[x0, y0], [x1, y1]], ...] of numbers, got {value!r}")
    return arrows


def is_url(value: object) -> bool:
    return isinstance(value, str) and "://" in value


def check_options(options: Options, out: str) -> None:
    """Raise, in one line that begins with the argument's name, for what no photo could be rendered with.

    Parameters
    ----------
    options : mapping
        As `read_options` returns them.
    out : str
        The output, whose suffix limits how it can be coded.
    """
    from .. import defaults
    from ..files.container import Encoding
    from ..files.depth_kind import check_asked
    from ..files.resize import fit_size
    from ..files.video import check_kind
    from ..pipeline import inputs
    from ..pipeline.amplitude import amplitude_of
    from ..pipeline.crop import read_aspect
    from ..pipeline.stereo import EYES_PERCENT, check_stereo

    got = options.get
    inputs.check_motion(got("frames", defaults.FRAMES), got("speed", 1.0))
    inputs.check_duration(got("loops"), got("duration"))
    inputs.check_blend(got("blend", "phase"))
    check_stereo(got("stereo"), got("eyes", EYES_PERCENT))
    read_aspect(got("aspect"))
    check_asked(got("depth_kind", "auto"), got("depth_near", "auto"))
    size = got("size")
    if isinstance(size, int):
        fit_size(size, size, size)
    lens_of(_lens_options(options))
    coded = {name: options[name] for name in CODED if name in options}
    check_kind(Path(out), got("fps", defaults.FPS), Encoding(**coded))
    for name in FILES:
        value = got(name)
        if isinstance(value, str) and not is_url(value) and _is_file_name(name, value) and not Path(value).exists():
            raise FileNotFoundError(f"{name}: cannot read {value}: no such file")
    camera = got("camera", defaults.CAMERA)
    inputs.read_camera(None if is_url(camera) else camera, amplitude_of(camera, got("amplitude")), got("ease", 0.0))


def _is_file_name(name: str, value: str) -> bool:
    """Whether a file is meant, rather than a method, a model or a preset. Raises for a method's name misspelt."""
    from ..models import find
    from ..pipeline import inputs

    if name == "depth":
        return not inputs.names_an_estimator(value)
    if name == "segments":
        return not inputs.names_a_segmenter(value)
    if name == "inpainter":
        return find(value, "inpainting") is None
    return name != "camera"  # whose file is read at once


def arguments_of(options: Options) -> dict[str, Any]:
    """The arguments of `c3drender.render_cinemagraph` that these options stand for."""
    arguments = {name: value for name, value in options.items() if name not in (*MOTION, *LENS)}
    if any(name in options for name in LENS):
        arguments["lens"] = lens_of(_lens_options(options))
    if options.get("sway") or options.get("flame") or options.get("ripple"):
        fluid = {name: arguments.pop(name, None) for name in ("mask", "hints", "flow", "matte")}
        arguments["motion"] = motion_of(options, fluid)
    return arguments


def _lens_options(options: Options) -> Options:
    return {name: options.get(name, known()[name].default) for name in LENS}


def lens_of(options: Options) -> Lens | None:
    """None where none of `LENS` asks for anything."""
    from ..data import Lens

    focus = options["lens_focus"]
    rest = {name: options[name] for name in LENS if name != "lens_focus"}
    lens = Lens(focus=tuple(focus) if isinstance(focus, list) else focus, **rest)
    return None if lens.is_plain else lens


def motion_of(options: Options, fluid: Mapping[str, Any]) -> list[Fluid | Sway | Flame | Ripple]:
    """What moves, where ``sway``, ``flame`` or ``ripple`` is given beside a fluid of these arguments."""
    from ..data import Flame, Fluid, Ripple, Sway

    root = options.get("sway_root", known()["sway_root"].default)
    sway = [Sway(options["sway"], options.get("sway_hints"), root)] if options.get("sway") else []
    others = [kind(options[name]) for name, kind in (("flame", Flame), ("ripple", Ripple)) if options.get(name)]
    return [Fluid(**fluid), *sway, *others]
