"""What the command line takes instead of a photo: a scene's file, or a project of the studio."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .files.scene import SUFFIX, Scene, load_scene
from .options import add_scene_options, add_video_options
from .progress import say

PROJECT = "project.json"  # in a project's folder
OF_THE_STUDIO = ("camera", "amplitude", "frames", "fps", "speed")  # settings of a project that are options, too


def is_prepared(photo: str) -> bool:
    return Path(photo).suffix.lower() == SUFFIX or (Path(photo) / PROJECT).is_file()


def scene_and_settings(args: argparse.Namespace) -> tuple[Scene, dict[str, Any]]:
    """A scene that is prepared, and how the studio's project looks at it. Raises ValueError for options of preparing."""
    options = argparse.ArgumentParser()
    add_scene_options(options)
    for action in options._actions:
        if action.dest not in ("help", "quiet", "device", "color") and getattr(args, action.dest) != action.default:
            raise ValueError(f"{action.dest}: expected a photo to prepare with it, got {args.photo}, which is prepared")
    if not Path(args.photo).is_dir():
        return load_scene(args.photo).to(_device(args)), {}
    with needs_studio():
        from .studio import project
    document = project.load(Path(args.photo))
    settings = {name: getattr(document.settings, name) for name in OF_THE_STUDIO}
    amplitude = _seen_amplitude(args, settings["amplitude"])
    return project.scene_of(Path(args.photo), document, amplitude=amplitude).to(_device(args)), settings


def _seen_amplitude(args: argparse.Namespace, own: float) -> float:
    """The amplitude of all that is seen of a project: by both eyes, by a lens, by a camera that goes farther than its own."""
    from .jobs.options import lens_of
    from .pipeline.amplitude import widened

    if not hasattr(args, "stereo"):  # of a command that writes no video
        return own
    asked = args.amplitude if "amplitude" in given_in(args.words) else own
    most = max(asked) if isinstance(asked, tuple) else asked
    seen = widened(float(most), args.eyes if args.stereo or args.quilt else 0.0, lens_of(vars(args)))
    assert isinstance(seen, float)
    return seen


def given_in(words: list[str]) -> frozenset[str]:
    """The options of a video that a command line names, be it with their defaults' values."""
    options = argparse.ArgumentParser(add_help=False)
    add_scene_options(options)  # so that abbreviations are the same ones
    add_video_options(options)
    for action in options._actions:
        action.default = argparse.SUPPRESS
    return frozenset(vars(options.parse_known_args(words)[0]))


@contextmanager
def needs_studio() -> Iterator[None]:
    """Raises ValueError with one line where a package of the extra is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(f"studio: expected the extra, pip install c3drender[studio], got no {error.name}") from error


def _device(args: argparse.Namespace) -> Any:
    from .pipeline.inputs import read_device

    device, notes = read_device(args.device)
    say(*notes, shown=not args.quiet)
    return device
