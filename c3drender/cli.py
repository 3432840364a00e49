"""The command line. Heavy modules are imported by the command that needs them, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from . import __version__, defaults
from .console import (
    EXPECTED,
    drop_output,
    is_expected,
    line_of,
    open_closed_streams,
    print_message,
    show_every_character,
    warnings_on_one_line,
)
from .options import (
    DEFAULT_FRAMES,
    SIZE_HELP,
    add_batch_options,
    add_common_options,
    add_motion_options,
    add_path_options,
    add_scene_options,
    add_serve_options,
    add_video_options,
    size_of,
)

if TYPE_CHECKING:
    from .data import Frame
    from .files.scene import Scene

DEBUG = "C3D_DEBUG"  # in the environment: an error's traceback is printed before its line
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # what a shell reports for Ctrl-C ...
EXIT_TERMINATED = 143  # ... and for SIGTERM
EXIT_BROKEN_PIPE = 141  # ... and for SIGPIPE
NUM_SHEET_FRAMES = 5  # with the seven tiles before them, three full rows
EXAMPLE_FOLDER = files("c3drender") / "example"
EXAMPLE_FILES = ("stream_cascade.jpg", "mask.png", "hints.json")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USER_ERROR, f"c3drender: error: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    open_closed_streams()
    show_every_character()
    debug = bool(os.environ.get(DEBUG))
    try:
        words = list(sys.argv[1:] if argv is None else argv)
        args = _parser().parse_args(words)
        args.words = words
        debug = debug or args.debug
        with _ended_by_sigterm(), warnings_on_one_line():
            status: int | None = args.run(args)  # None: all went well
        sys.stdout.flush()
    except KeyboardInterrupt:
        print_message("c3drender: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        drop_output()
        return EXIT_BROKEN_PIPE
    except (*EXPECTED, RuntimeError) as error:
        if not is_expected(error):
            raise
        if debug:
            traceback.print_exc()
        print_message(f"c3drender: error: {line_of(error)}", file=sys.stderr)
        return EXIT_USER_ERROR
    return status or 0


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the stack, as Ctrl-C does, so that no unfinished file stays behind."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(EXIT_TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="c3drender",
        description="Turn one photo into a looping 3D cinemagraph.",
        epilog=f"With --debug, or {DEBUG}=1 in the environment, an error shows its traceback too.",
    )
    parser.add_argument("--debug", action="store_true", help="show an error's traceback")
    parser.add_argument("--version", action="version", version=f"c3drender {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    render = _command(
        commands, "render", _render, "photo to video", "c3drender render photo.jpg -o out.mp4 --mask mask.png --camera circle"
    )
    render.add_argument("photo", help="the photo (JPEG, PNG, WebP, TIFF, ...); or a scene, .c3d, or a project of the studio")
    render.add_argument(
        "-o",
        "--out",
        help=".mp4 .webm .mov .mkv .gif .apng .webp, a folder of PNGs, or .png .jpg: one frame (default: <photo>.mp4)",
    )
    add_scene_options(render)
    add_video_options(render)

    many = _command(
        commands, "batch", _batch, "many photos, on every core or a cluster", "c3drender batch photos -o videos --recursive"
    )
    add_batch_options(many)

    service = _command(
        commands, "serve", _serve, "photos by HTTP, for other programs", "c3drender serve --port 8000 --workers 2"
    )
    add_serve_options(service)

    published = _command(
        commands,
        "published",
        _published,
        "photo to video by the authors' checkpoints, as their code does it",
        "c3drender published photo.jpg --model ckpts --mask mask.png --hints hints.json -o out.mp4",
    )
    published.add_argument("photo", help="the photo (JPEG, PNG, WebP, TIFF, ...)")
    published.add_argument("-o", "--out", help=".mp4 .webm .gif .apng .webp, or a folder of PNGs (default: <photo>.mp4, here)")
    published.add_argument("--model", required=True, help="the directory of model_150000.pth, sceneflow_model.pth, ...")
    published.add_argument("--mask", help="picture of the photo's size, white moves (or polygons in the file of hints)")
    published.add_argument("--hints", required=True, help="JSON list of arrows [[x0, y0], [x1, y1]], or a labelme file")
    published.add_argument("--depth", default="auto", help="auto: the authors' network; or a file: grey picture, .npy, .pfm")
    published.add_argument("--camera", default="paper-circle", help="a camera preset (default: %(default)s)")
    published.add_argument("--frames", type=int, default=defaults.FRAMES, help="frames of one loop (default: %(default)s)")
    published.add_argument("--fps", type=float, default=defaults.FPS, help="frames per second (default: %(default)s)")
    published.add_argument("--size", type=size_of, help=SIZE_HELP)
    published.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    published.add_argument("--quiet", action="store_true", help="no progress bar")

    export = _command(
        commands,
        "export",
        _export,
        "photo to a page that plays in a browser, or to a scene for other programs",
        "c3drender export photo.jpg -o scene.html",
    )
    export.add_argument("photo", help="the photo, or a scene, .c3d, as Scene.save writes it")
    export.add_argument(
        "-o",
        "--out",
        help=".html: a page; .c3dplay: for programs in C++; .glb: meshes; .ply .spz: points; .ora .psd: layers; .npz: arrays",
    )
    export.add_argument("--folder", action="store_true", help="write the page as separate files, for a server")
    export.add_argument("--title", help="of the page (default: the name of the file)")
    export.add_argument("--splats", action="store_true", help="Gaussians instead of points in the .ply")
    export.add_argument("--animated", action="store_true", help="motion and the camera's path inside the .glb")
    export.add_argument("--sequence", help="glb, ply or spz: a folder with a file for each frame of the motion's loop")
    export.add_argument("--camera-path", help=".json, .chan or .glb: the poses of --camera")
    add_scene_options(export)
    add_path_options(export)
    export.add_argument("--fps", type=float, default=defaults.FPS, help="frames per second (default: %(default)s)")

    studio = _command(commands, "studio", _studio, "a page on which to paint motion and depth", "c3drender studio photo.jpg")
    studio.add_argument("photo", nargs="?", help="a photo, or a project's folder (default: choose on the page)")
    studio.add_argument("--folder", default="c3d-projects", help="where the projects are (default: %(default)s, here)")
    studio.add_argument(
        "--host", default="127.0.0.1", help="another address than this machine's own needs a token, which is printed"
    )
    studio.add_argument("--port", type=int, help="default: 8765, or the next that is free")
    studio.add_argument("--no-browser", action="store_true", help="do not open the page")

    demo = _command(commands, "demo", _demo, "render the bundled example", "c3drender demo -o demo.mp4")
    demo.add_argument(
        "-o", "--out", default="demo.mp4", help="the video; its contact sheet goes to <name>_sheet.png beside it"
    )
    add_common_options(demo)

    sheet = _command(
        commands, "inspect", _inspect, "write a contact sheet of every step", "c3drender inspect photo.jpg -o sheet.png"
    )
    sheet.add_argument("photo", help="the photo (JPEG, PNG, WebP, TIFF, ...)")
    sheet.add_argument("-o", "--out", help="the picture (default: <photo>_sheet.png, here)")
    add_scene_options(sheet)
    add_motion_options(sheet)

    models = commands.add_parser("models", help="large public models: list, fetch, remove", description="Large public models.")
    actions = models.add_subparsers(required=True, metavar="action")
    _command(actions, "list", _models_list, "what there is, and what is here", "c3drender models list")
    for action, summary in (
        ("get", "fetch a model and check it; an interrupted download goes on"),
        ("path", "check an installed model and print its folder"),
        ("remove", "delete an installed model"),
    ):
        one = _command(actions, action, _models, summary, f"c3drender models {action} depth-anything-v2-small")
        one.add_argument("name", help="as `c3drender models list` prints it")
        one.add_argument("--quiet", action="store_true", help="no progress bar, no notes")
        one.set_defaults(action=action)

    _command(commands, "info", _info, "versions, devices and what this build can do", "c3drender info")

    bench = _command(
        commands, "bench", _bench, "measure the splatting throughput", "c3drender bench --device cpu --repeats 20"
    )
    bench.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    bench.add_argument(
        "--repeats", type=int, default=10, help="timed runs per row; the median is printed (default: %(default)s)"
    )
    bench.add_argument("--json", action="store_true", help="print JSON, with what the machine is")

    train = commands.add_parser(
        "train", help="train the networks", description="Train the networks: the paper's two stages, and the eyes."
    )
    stages = train.add_subparsers(required=True, metavar="stage")
    for stage, summary in (
        ("motion", "stage one: the motion network"),
        ("render", "stage two: extractor and decoder"),
        ("perception", "what a photo shows"),
    ):
        run = _command(stages, stage, _train, summary, f"c3drender train {stage} --config {stage}.json")
        run.add_argument("--config", required=True, help="JSON file; docs/training.md lists its names")
        run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="instead of what the config says")
        run.add_argument("--resume", action="store_true", help="continue the run that stands in the config's folder")
        run.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
        run.add_argument("--quiet", action="store_true", help="no progress bar, no notes")
        run.set_defaults(stage=stage)
    return parser


def _command(commands: Any, name: str, run: Any, summary: str, example: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", epilog=f"example: {example}"
    )
    parser.set_defaults(run=run)
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


def _scene_arguments(args: argparse.Namespace) -> dict[str, Any]:
    names = ["label", "depth", "depth_kind", "depth_near", "color", "segments", "inpainter", "trust"]
    names += ["focus", "size", "device"]
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


def _render(args: argparse.Namespace) -> None:
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


def _batch(args: argparse.Namespace) -> int:
    from .batch.command import batch

    return batch(args)


def _serve(args: argparse.Namespace) -> int:
    from .serve.command import serve

    return serve(args)


def _published(args: argparse.Namespace) -> None:
    from .pipeline.published import render_published

    out = args.out or f"{Path(args.photo).stem}.mp4"
    names = ("mask", "hints", "depth", "camera", "frames", "fps", "size", "device")
    given = {name: getattr(args, name) for name in names}
    render_published(args.photo, out, args.model, **given, progress=not args.quiet)
    _say(args, f"wrote {out}")


def _studio(args: argparse.Namespace) -> None:
    from .prepared import needs_studio

    with needs_studio():
        from .studio.launch import launch
    launch(args.photo, args.folder, args.host, args.port, not args.no_browser)


def _demo(args: argparse.Namespace) -> None:
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


def _inspect(args: argparse.Namespace) -> None:
    from .files.photo import check_picture_output
    from .files.place import check_is_not_read
    from .pipeline import prepare, render_frames

    out = check_picture_output(args.out or f"{Path(args.photo).stem}_sheet.png")
    check_is_not_read(out, vars(args) | {"out": None})
    scene = prepare(args.photo, camera=args.camera, amplitude=args.amplitude, **_scene_arguments(args))
    kept: dict[int, Frame] = {}
    num_frames = args.frames or DEFAULT_FRAMES
    frames = _keeping(render_frames(scene, **_motion_arguments(args)), kept, num_frames)
    for _ in _bar(args, frames, num_frames):
        pass
    _write_sheet(args.photo, args.size, scene, kept, num_frames, out)
    _say(args, *scene.notes, f"wrote {out}")


def _export(args: argparse.Namespace) -> None:
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
        path = camera_path(scene, args.camera, DEFAULT_FRAMES if args.frames is None else args.frames)
        _say(args, f"wrote {write_track(path, scene.camera, args.camera_path, args.fps)}")


def _scene_to_export(args: argparse.Namespace) -> Scene:
    """A photo's scene, for any camera, as a hand moves it off its path; or the one in a file, which is as it was prepared."""
    from .pipeline import prepare
    from .prepared import is_prepared, scene_and_settings

    if is_prepared(args.photo):
        return scene_and_settings(args)[0]
    return prepare(args.photo, amplitude=args.amplitude, **_scene_arguments(args))


def _info(args: argparse.Namespace) -> None:
    from .info import report

    for line in report():
        print(line)


def _models_list(args: argparse.Namespace) -> None:
    from .models import ENTRIES, model_folder
    from .models.store import table

    for line in (*table(ENTRIES), f"in {model_folder()}"):
        print(line)


def _models(args: argparse.Namespace) -> None:
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


def _bench(args: argparse.Namespace) -> None:
    from .bench.table import results, table
    from .ops.device import pick_device

    if args.repeats < 1:
        raise ValueError(f"repeats: expected at least 1, got {args.repeats}")
    if args.json:
        print(json.dumps(results(pick_device(args.device), args.repeats), indent=1))
        return
    for line in table(pick_device(args.device), args.repeats):
        print(line, flush=True)


def _train(args: argparse.Namespace) -> None:
    from .networks import training

    rest: dict[str, Any] = {"resume": args.resume, "device": args.device, "progress": not args.quiet}
    if args.stage == "perception":
        from .perception.training import PerceptionConfig, train_perception

        train_perception(training.read_config(args.config, PerceptionConfig, args.set), **rest)
    elif args.stage == "motion":
        training.train_motion(training.read_config(args.config, training.MotionConfig, args.set), **rest)
    else:
        training.train_render(training.read_config(args.config, training.RenderConfig, args.set), **rest)


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
