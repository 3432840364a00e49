"""The command line. Heavy modules are imported by the command that needs them, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse
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

from . import defaults

if TYPE_CHECKING:
    from .data import Fluid, Frame, Ripple, Sway
    from .files.scene import Scene

DEBUG = "C3D_DEBUG"  # in the environment: an error's traceback is printed before its line
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # what a shell reports for Ctrl-C ...
EXIT_TERMINATED = 143  # ... and for SIGTERM
DEFAULT_FRAMES = defaults.FRAMES * defaults.TURNS
FRAMES_HELP = f"frames of one loop (default: {DEFAULT_FRAMES}, in which the motion's loop of {defaults.FRAMES} runs twice)"
SIZE_HELP = f"longer side in pixels, WIDTHxHEIGHT, or photo (default: the photo's, at most {defaults.LONGER_SIDE_PX})"
NUM_SHEET_FRAMES = 5  # with the seven tiles before them, three full rows
EXAMPLE_FOLDER = files("c3drender") / "example"
EXAMPLE_FILES = ("stream_cascade.jpg", "mask.png", "hints.json")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USER_ERROR, f"c3drender: error: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        with _ended_by_sigterm():
            args.run(args)
    except KeyboardInterrupt:
        print("c3drender: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (ValueError, TypeError, OSError) as error:
        if os.environ.get(DEBUG):
            traceback.print_exc()
        print(f"c3drender: error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_USER_ERROR
    return 0


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
        epilog=f"With {DEBUG}=1 in the environment an error shows its traceback too.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    render = _command(
        commands, "render", _render, "photo to video", "c3drender render photo.jpg -o out.mp4 --mask mask.png --camera circle"
    )
    render.add_argument("photo", help="the photo (JPEG, PNG, WebP, TIFF, ...)")
    render.add_argument("-o", "--out", help=".mp4 .webm .gif .apng .webp, or a folder of PNGs (default: <photo>.mp4, here)")
    _add_scene_options(render)
    _add_video_options(render)

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
    published.add_argument("--size", type=_size, help=SIZE_HELP)
    published.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    published.add_argument("--quiet", action="store_true", help="no progress bar")

    demo = _command(commands, "demo", _demo, "render the bundled example", "c3drender demo -o demo.mp4")
    demo.add_argument(
        "-o", "--out", default="demo.mp4", help="the video; its contact sheet goes to <name>_sheet.png beside it"
    )
    _add_common_options(demo)

    sheet = _command(
        commands, "inspect", _inspect, "write a contact sheet of every step", "c3drender inspect photo.jpg -o sheet.png"
    )
    sheet.add_argument("photo", help="the photo (JPEG, PNG, WebP, TIFF, ...)")
    sheet.add_argument("-o", "--out", help="the picture (default: <photo>_sheet.png, here)")
    _add_scene_options(sheet)
    _add_motion_options(sheet)

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

    train = commands.add_parser(
        "train", help="train the networks", description="Train the networks, in the paper's two stages."
    )
    stages = train.add_subparsers(required=True, metavar="stage")
    for stage, summary in (("motion", "stage one: the motion network"), ("render", "stage two: extractor and decoder")):
        run = _command(stages, stage, _train, summary, f"c3drender train {stage} --config {stage}.json")
        run.add_argument("--config", required=True, help="JSON file; docs/training.md lists its names")
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
    return parser


def _add_scene_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mask", help="picture of the photo's size, white moves (default: found automatically)")
    parser.add_argument("--hints", help="JSON list of arrows [[x0, y0], [x1, y1]], or a labelme file (default: guessed)")
    parser.add_argument("--flow", help="dense flow, .npy or .flo, instead of hints")
    parser.add_argument("--sway", help="mask of what sways: trees, grass, flags, boats")
    parser.add_argument("--sway-hints", help="arrows whose direction and length are the swing's, as --hints")
    parser.add_argument("--sway-root", default="bottom", help="bottom, top, left or right: where it is held (default: bottom)")
    parser.add_argument("--ripple", help="mask of still water whose reflections ripple")
    parser.add_argument("--depth", default="auto", help="auto, builtin, a model's name, or a file: grey picture, .npy, .pfm")
    parser.add_argument("--segments", default="auto", help="auto, none, a model's name, or a file: .png with .json, .npz")
    parser.add_argument("--inpainter", help="paints what the photo does not show: a model's name, or its file, .pt or .onnx")
    parser.add_argument("--focus", type=_numbers, help="X,Y: the pixel that the camera keeps in place (default: the middle)")
    parser.add_argument("--size", type=_size, help=SIZE_HELP)
    _add_common_options(parser)


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--quiet", action="store_true", help="no progress bars, no notes")


def _add_motion_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--camera",
        default=defaults.CAMERA,
        help="circle, swing, zoom, dolly, rise, orbit, still, dolly-zoom, or a .json of key frames (default: %(default)s)",
    )
    parser.add_argument(
        "--amplitude", type=_numbers, default=1.0, help="how far the camera moves, or X,Y,Z (default: %(default)s)"
    )
    parser.add_argument(
        "--ease", type=float, default=0.0, help="0..1: slow down towards the loop's start and end (default: %(default)s)"
    )
    parser.add_argument("--frames", type=int, help=FRAMES_HELP)
    parser.add_argument(
        "--speed", type=float, default=1.0, help="speed of the motion, larger is faster (default: %(default)s)"
    )
    parser.add_argument("--blend", default="phase", help="phase, contrast, or linear: the paper's (default: %(default)s)")
    parser.add_argument("--model", help="render by learned features: a checkpoint model_<step>.pth, or the directory it is in")


def _add_video_options(parser: argparse.ArgumentParser) -> None:
    _add_motion_options(parser)
    parser.add_argument("--fps", type=float, default=defaults.FPS, help="frames per second (default: %(default)s)")


def _size(text: str) -> int | tuple[int, ...] | str:
    if text == "photo":
        return text
    try:
        numbers = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected the longer side, WIDTHxHEIGHT or photo, got {text!r}") from None
    return numbers[0] if len(numbers) == 1 else numbers


def _numbers(text: str) -> float | tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers, separated by commas, got {text!r}") from None
    return numbers[0] if len(numbers) == 1 else numbers


def _scene_arguments(args: argparse.Namespace) -> dict[str, Any]:
    names = ("depth", "segments", "inpainter", "focus", "size", "device")
    fluid = {name: getattr(args, name) for name in ("mask", "hints", "flow")}
    moves: dict[str, Any] = fluid | {"motion": None}
    if args.sway or args.ripple:
        moves = dict.fromkeys(fluid) | {"motion": _motion_list(args, fluid)}
    return {name: getattr(args, name) for name in names} | moves | {"progress": not args.quiet}


def _motion_list(args: argparse.Namespace, fluid: dict[str, Any]) -> list[Fluid | Sway | Ripple]:
    from .data import Fluid, Ripple, Sway

    sway = [Sway(args.sway, args.sway_hints, args.sway_root)] if args.sway else []
    return [Fluid(**fluid), *sway, *([Ripple(args.ripple)] if args.ripple else [])]


def _motion_arguments(args: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(args, name) for name in ("camera", "amplitude", "ease", "frames", "speed", "blend", "model")}


def _render(args: argparse.Namespace) -> None:
    from .pipeline import render_cinemagraph

    out = args.out or f"{Path(args.photo).stem}.mp4"
    render_cinemagraph(args.photo, out, fps=args.fps, **_motion_arguments(args), **_scene_arguments(args))
    _say(args, f"wrote {out}")


def _published(args: argparse.Namespace) -> None:
    from .pipeline.published import render_published

    out = args.out or f"{Path(args.photo).stem}.mp4"
    names = ("mask", "hints", "depth", "camera", "frames", "fps", "size", "device")
    given = {name: getattr(args, name) for name in names}
    render_published(args.photo, out, args.model, **given, progress=not args.quiet)
    _say(args, f"wrote {out}")


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
    from .pipeline import prepare, render_frames

    out = check_picture_output(args.out or f"{Path(args.photo).stem}_sheet.png")
    scene = prepare(args.photo, camera=args.camera, amplitude=args.amplitude, **_scene_arguments(args))
    kept: dict[int, Frame] = {}
    num_frames = args.frames or DEFAULT_FRAMES
    frames = _keeping(render_frames(scene, **_motion_arguments(args)), kept, num_frames)
    for _ in _bar(args, frames, num_frames):
        pass
    _write_sheet(args.photo, args.size, scene, kept, num_frames, out)
    _say(args, *scene.notes, f"wrote {out}")


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
    from .bench.table import table
    from .ops.device import pick_device

    if args.repeats < 1:
        raise ValueError(f"repeats: expected at least 1, got {args.repeats}")
    for line in table(pick_device(args.device), args.repeats):
        print(line, flush=True)


def _train(args: argparse.Namespace) -> None:
    from .networks import training

    rest = {"resume": args.resume, "device": args.device, "progress": not args.quiet}
    if args.stage == "motion":
        training.train_motion(training.read_config(args.config, training.MotionConfig), **rest)
    else:
        training.train_render(training.read_config(args.config, training.RenderConfig), **rest)


def _keeping(frames: Iterable[Frame], kept: dict[int, Frame], num_frames: int) -> Iterator[Frame]:
    """Pass the frames on and keep a few, spread over the loop, for the contact sheet."""
    wanted = {n * num_frames // NUM_SHEET_FRAMES for n in range(NUM_SHEET_FRAMES)}
    for n, frame in enumerate(frames):
        if n in wanted:
            kept[n] = frame
        yield frame


def _bar(args: argparse.Namespace, frames: Iterable[Frame], num_frames: int) -> Iterable[Frame]:
    from tqdm import tqdm

    return tqdm(frames, "rendering", num_frames, unit="frame", disable=args.quiet)


def _write_sheet(photo: str | Path, size: Any, scene: Scene, kept: dict[int, Frame], num_frames: int, out: Path) -> None:
    from .files.photo import read_photo, write_picture
    from .inspect import contact_sheet

    write_picture(out, contact_sheet(read_photo(photo, size), scene, kept, num_frames))


def _say(args: argparse.Namespace, *lines: str) -> None:
    if not args.quiet:
        print(*lines, sep="\n")
