"""What the commands do, their words read. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import defaults
from .console import print_message
from .options import DEFAULT_FRAMES

if TYPE_CHECKING:
    from .data import Frame
    from .files.scene import Scene

NUM_SHEET_FRAMES = 5  # with the seven tiles before them, three full rows
EXAMPLE_FOLDER = files("c3drender") / "example"
EXAMPLE_FILES = ("stream_cascade.jpg", "mask.png", "hints.json")


def _scene_arguments(args: argparse.Namespace) -> dict[str, Any]:
    names = ["label", "depth", "depth_kind", "depth_near", "color", "segments", "inpainter", "trust"]
    names += ["motion_model", "focus", "size", "device"]
    fluid = {name: getattr(args, name) for name in ("mask", "hints", "flow", "matte")}
    moves: dict[str, Any] = fluid | {"motion": None}
    if args.sway or args.flame or args.ripple:
        from .jobs.options import motion_of

        moves = dict.fromkeys(fluid) | {"motion": motion_of(vars(args), fluid)}
    return {name: getattr(args, name) for name in names} | moves | {"progress": not args.quiet}


def _path_arguments(args: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(args, name) for name in ("camera", "amplitude", "ease", "frames", "speed", "blend")}


def _motion_arguments(args: argparse.Namespace) -> dict[str, Any]:
    return _path_arguments(args) | {"model": args.model}


def render(args: argparse.Namespace) -> None:
    from .jobs.options import lens_of
    from .prepared import given_in, is_prepared, scene_and_settings

    out = args.out or f"{Path(args.photo).stem}.mp4"
    file = ("fps", "loops", "duration", "codec", "crf", "bitrate", "bits", "max_mb", "audio", "poster", "depth_out")
    picture = ("aspect", "follow", "stereo", "eyes", "quilt", "alpha")
    looks = {name: getattr(args, name) for name in file + picture} | {"lens": lens_of(vars(args))} | _motion_arguments(args)
    if is_prepared(args.photo):
        from .pipeline import render_scene

        scene, settings = scene_and_settings(args)
        settings = {name: value for name, value in settings.items() if name not in given_in(args.words)}
        written = render_scene(scene, out, **{**looks, **settings}, color=args.color, progress=not args.quiet)
    else:
        from .pipeline import render_cinemagraph

        written = render_cinemagraph(args.photo, out, **looks, **_scene_arguments(args))
    _say(args, *(f"wrote {path}" for path in (written, args.poster, args.depth_out) if path is not None))


def batch(args: argparse.Namespace) -> int:
    from .batch.command import batch

    return batch(args)


def serve(args: argparse.Namespace) -> int:
    from .serve.command import serve

    return serve(args)


def published(args: argparse.Namespace) -> None:
    from .pipeline.published import render_published

    out = args.out or f"{Path(args.photo).stem}.mp4"
    names = ("mask", "hints", "depth", "camera", "frames", "fps", "size", "device")
    given = {name: getattr(args, name) for name in names}
    render_published(args.photo, out, args.model, **given, progress=not args.quiet)
    _say(args, f"wrote {out}")


def studio(args: argparse.Namespace) -> None:
    from .prepared import needs_studio

    with needs_studio():
        from .studio.launch import launch
    launch(args.photo, args.folder, args.host, args.port, not args.no_browser)


def demo(args: argparse.Namespace) -> None:
    from .files.photo import check_picture_output
    from .files.video import check_output, write_video
    from .pipeline import prepare, render_frames

    out = check_output(args.out)
    sheet = check_picture_output(out.with_name(f"{out.stem}_sheet.png"))
    with ExitStack() as stack:
        photo, mask, hints = (stack.enter_context(as_file(EXAMPLE_FOLDER / name)) for name in EXAMPLE_FILES)
        scene = prepare(photo, mask=mask, hints=hints, camera=defaults.CAMERA, device=args.device, progress=not args.quiet)
        kept: dict[int, Frame] = {}
        frames = _keeping(render_frames(scene, camera=defaults.CAMERA), kept, DEFAULT_FRAMES)
        write_video(out, (frame.rgb_u8 for frame in _bar(args, frames, DEFAULT_FRAMES)), defaults.FPS)
        _write_sheet(photo, None, scene, kept, DEFAULT_FRAMES, sheet)
    _say(args, *scene.notes, f"wrote {out} and {sheet}")


def inspect(args: argparse.Namespace) -> None:
    from .files.photo import check_picture_output
    from .files.place import check_is_not_read
    from .pipeline import prepare, render_frames
    from .pipeline.amplitude import amplitude_of

    out = check_picture_output(args.out or f"{Path(args.photo).stem}_sheet.png")
    check_is_not_read(out, vars(args) | {"out": None})
    scene = prepare(
        args.photo, camera=args.camera, amplitude=amplitude_of(args.camera, args.amplitude), **_scene_arguments(args)
    )
    kept: dict[int, Frame] = {}
    num_frames = args.frames or DEFAULT_FRAMES
    frames = _keeping(render_frames(scene, **_motion_arguments(args)), kept, num_frames)
    for _ in _bar(args, frames, num_frames):
        pass
    _write_sheet(args.photo, args.size, scene, kept, num_frames, out)
    _say(args, *scene.notes, f"wrote {out}")


def export(args: argparse.Namespace) -> None:
    from .files.export import check_export, check_sequence
    from .files.track import write_track
    from .pipeline import camera_path, export_scene
    from .pipeline.play import SUFFIX, export_play
    from .web import export_html
    from .web.export import check_page

    name = Path(args.photo).stem
    scene_only = args.splats or args.animated or args.sequence is not None
    as_page = args.folder or (not scene_only and (args.out is None or Path(args.out).suffix.lower() in (".html", ".htm")))
    if args.out is None and args.camera_path is None:
        args.out = name if args.folder or args.sequence else f"{name}.html"
    for option, of_page in (("folder", True), ("title", True), ("splats", False), ("animated", False), ("sequence", False)):
        if getattr(args, option) and (as_page != of_page or args.out is None):
            raise ValueError(
                f"{option}: expected {'a page' if of_page else 'a scene for other programs'} to write, got {args.out}"
            )
    as_play = args.out is not None and Path(args.out).suffix.lower() == SUFFIX
    if as_page and args.out is not None:
        check_page(args.out, args.folder)
    elif args.sequence is not None:
        check_sequence(args.out, args.sequence, args.splats)
    elif args.out is not None and not as_play:
        check_export(args.out, args.splats, args.animated)
    scene = _scene_to_export(args)
    if args.out is not None and as_page:
        out = check_page(args.out, args.folder)
        export_html(scene, out, folder=args.folder, fps=args.fps, title=args.title or name, **_path_arguments(args))
        _say(args, *scene.notes, f"wrote {out}")
    elif as_play:
        _say(args, *scene.notes, f"wrote {export_play(scene, args.out, fps=args.fps, **_path_arguments(args))}")
    elif args.out is not None:
        names = ("splats", "animated", "sequence", "camera", "fps", "speed")
        options = {key: getattr(args, key) for key in names} | {"frames": args.frames or defaults.FRAMES}
        _say(args, f"wrote {export_scene(scene, args.out, **options)}")
    if args.camera_path is not None:
        num_frames = DEFAULT_FRAMES if args.frames is None else args.frames
        path = camera_path(scene, args.camera, num_frames, args.amplitude, args.ease)
        _say(args, f"wrote {write_track(path, scene.camera, args.camera_path, args.fps)}")


def _scene_to_export(args: argparse.Namespace) -> Scene:
    """A photo's scene, for any camera, as a hand moves it off its path; or the one in a file, which is as it was prepared."""
    from .pipeline import prepare
    from .pipeline.amplitude import amplitude_of
    from .prepared import is_prepared, scene_and_settings

    if is_prepared(args.photo):
        return scene_and_settings(args)[0]
    return prepare(args.photo, amplitude=amplitude_of(args.camera, args.amplitude), **_scene_arguments(args))


def info(args: argparse.Namespace) -> None:
    from .info import report

    for line in report():
        print(line)


def models_list(args: argparse.Namespace) -> None:
    from .models import ENTRIES, model_folder
    from .models.store import table

    for line in (*table(ENTRIES), f"in {model_folder()}"):
        print(line)


def models(args: argparse.Namespace) -> None:
    from .models import ENTRIES, find, get, path, remove

    entry = find(args.name)
    if entry is None:
        raise ValueError(f"models: expected one of {', '.join(entry.name for entry in ENTRIES)}, got {args.name!r}")
    if args.action == "remove":
        remove(entry)
        _say(args, f"removed {entry.name}")
    elif args.action == "path":
        print(path(entry))
    else:
        terms = "" if entry.any_use else ", which does not allow commercial use"
        _say(args, f"{entry.name} from {entry.source}, licence {entry.licence}{terms}")
        print(get(entry, progress=not args.quiet))


def bench(args: argparse.Namespace) -> None:
    from .bench.table import results, table
    from .ops.device import pick_device

    if args.repeats < 1:
        raise ValueError(f"repeats: expected at least 1, got {args.repeats}")
    if args.json:
        print(json.dumps(results(pick_device(args.device), args.repeats), indent=1))
        return
    for line in table(pick_device(args.device), args.repeats):
        print(line, flush=True)


def train(args: argparse.Namespace) -> None:
    from .networks import training

    rest: dict[str, Any] = {"resume": args.resume, "device": args.device, "progress": not args.quiet}
    if args.stage != "perception":
        rest["init"] = args.init
    if args.stage == "perception":
        from .perception.training import PerceptionConfig, train_perception

        train_perception(training.read_config(args.config, PerceptionConfig, args.set), **rest)
    elif args.stage == "motion":
        training.train_motion(training.read_config(args.config, training.MotionConfig, args.set), **rest)
    else:
        training.train_render(training.read_config(args.config, training.RenderConfig, args.set), **rest)


def clips(args: argparse.Namespace) -> None:
    from .networks.training.clips import convert_clips

    written = convert_clips(args.source, args.out, progress=not args.quiet)
    _say(args, f"wrote {len(written)} clips to {args.out}")


def _keeping(frames: Iterable[Frame], kept: dict[int, Frame], num_frames: int) -> Iterator[Frame]:
    """Pass the frames on and keep a few, spread over the loop, for the contact sheet."""
    wanted = {n * num_frames // NUM_SHEET_FRAMES for n in range(NUM_SHEET_FRAMES)}
    for n, frame in enumerate(frames):
        if n in wanted:
            kept[n] = frame
        yield frame


def _bar(args: argparse.Namespace, frames: Iterable[Frame], num_frames: int) -> Iterable[Frame]:
    from .progress import bar

    shown: Iterable[Frame] = bar(frames, shown=not args.quiet, desc="rendering", total=num_frames, unit="frame")
    return shown


def _write_sheet(photo: str | Path, size: Any, scene: Scene, kept: dict[int, Frame], num_frames: int, out: Path) -> None:
    from .files.photo import read_photo, write_picture
    from .inspect import contact_sheet

    write_picture(out, contact_sheet(read_photo(photo, size), scene, kept, num_frames))


def _say(args: argparse.Namespace, *lines: str) -> None:
    if not args.quiet:
        print_message(*lines)
