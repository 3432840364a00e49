"""The command line: its words, and what an end means. ``commands`` does the work."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from . import __version__, commands, defaults
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
    pass

DEBUG = "C3D_DEBUG"  # in the environment: an error's traceback is printed before its line
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # what a shell reports for Ctrl-C ...
EXIT_TERMINATED = 143  # ... and for SIGTERM
EXIT_BROKEN_PIPE = 141  # ... and for SIGPIPE


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USER_ERROR, f"c3drender: error: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    open_closed_streams()
    show_every_character()
    debug = os.environ.get(DEBUG, "0") not in ("", "0")
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
    parsers = parser.add_subparsers(required=True, metavar="command")

    render = _command(
        parsers,
        "render",
        commands.render,
        "photo to video",
        "c3drender render photo.jpg -o out.mp4 --mask mask.png --camera circle",
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
        parsers,
        "batch",
        commands.batch,
        "many photos, on every core or a cluster",
        "c3drender batch photos -o videos --recursive",
    )
    add_batch_options(many)

    service = _command(
        parsers, "serve", commands.serve, "photos by HTTP, for other programs", "c3drender serve --port 8000 --workers 2"
    )
    add_serve_options(service)

    published = _command(
        parsers,
        "published",
        commands.published,
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
        parsers,
        "export",
        commands.export,
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

    studio = _command(
        parsers, "studio", commands.studio, "a page on which to paint motion and depth", "c3drender studio photo.jpg"
    )
    studio.add_argument("photo", nargs="?", help="a photo, or a project's folder (default: choose on the page)")
    studio.add_argument("--folder", default="c3d-projects", help="where the projects are (default: %(default)s, here)")
    studio.add_argument(
        "--host", default="127.0.0.1", help="another address than this machine's own needs a token, which is printed"
    )
    studio.add_argument("--port", type=int, help="default: 8765, or the next that is free")
    studio.add_argument("--no-browser", action="store_true", help="do not open the page")

    demo = _command(parsers, "demo", commands.demo, "render the bundled example", "c3drender demo -o demo.mp4")
    demo.add_argument(
        "-o", "--out", default="demo.mp4", help="the video; its contact sheet goes to <name>_sheet.png beside it"
    )
    add_common_options(demo)

    sheet = _command(
        parsers, "inspect", commands.inspect, "write a contact sheet of every step", "c3drender inspect photo.jpg -o sheet.png"
    )
    sheet.add_argument("photo", help="the photo (JPEG, PNG, WebP, TIFF, ...)")
    sheet.add_argument("-o", "--out", help="the picture (default: <photo>_sheet.png, here)")
    add_scene_options(sheet)
    add_motion_options(sheet)

    models = parsers.add_parser("models", help="large public models: list, fetch, remove", description="Large public models.")
    actions = models.add_subparsers(required=True, metavar="action")
    _command(actions, "list", commands.models_list, "what there is, and what is here", "c3drender models list")
    for action, summary in (
        ("get", "fetch a model and check it; an interrupted download goes on"),
        ("path", "check an installed model and print its folder"),
        ("remove", "delete an installed model"),
    ):
        one = _command(actions, action, commands.models, summary, f"c3drender models {action} depth-anything-v2-small")
        one.add_argument("name", help="as `c3drender models list` prints it")
        one.add_argument("--quiet", action="store_true", help="no progress bar, no notes")
        one.set_defaults(action=action)

    _command(parsers, "info", commands.info, "versions, devices and what this build can do", "c3drender info")

    bench = _command(
        parsers, "bench", commands.bench, "measure the splatting throughput", "c3drender bench --device cpu --repeats 20"
    )
    bench.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    bench.add_argument(
        "--repeats", type=int, default=10, help="timed runs per row; the median is printed (default: %(default)s)"
    )
    bench.add_argument("--json", action="store_true", help="print JSON, with what the machine is")

    train = parsers.add_parser(
        "train", help="train the networks", description="Train the networks: the paper's two stages, and the eyes."
    )
    stages = train.add_subparsers(required=True, metavar="stage")
    for stage, summary in (
        ("motion", "stage one: the motion network"),
        ("render", "stage two: extractor and decoder"),
        ("perception", "what a photo shows"),
    ):
        run = _command(stages, stage, commands.train, summary, f"c3drender train {stage} --config {stage}.json")
        run.add_argument("--config", required=True, help="JSON file; docs/training.md lists its names")
        run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="instead of what the config says")
        run.add_argument("--resume", action="store_true", help="continue the run that stands in the config's folder")
        if stage != "perception":
            run.add_argument("--init", metavar="CHECKPOINT", help="start from these weights: of a run, or the authors'")
        run.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
        run.add_argument("--quiet", action="store_true", help="no progress bar, no notes")
        run.set_defaults(stage=stage)
    clips = _command(
        stages,
        "clips",
        commands.clips,
        "the Eulerian-flow dataset's clips into folders to train on",
        "c3drender train clips eulerian/train -o clips/train",
    )
    clips.add_argument("source", help="folder of <clip>_gt.mp4 and <clip>_motion.pth")
    clips.add_argument("-o", "--out", required=True, help="folder that gets one folder for each clip")
    clips.add_argument("--quiet", action="store_true", help="no progress bar, no notes")
    return parser


def _command(parsers: Any, name: str, run: Any, summary: str, example: str) -> argparse.ArgumentParser:
    parser = parsers.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", epilog=f"example: {example}"
    )
    parser.set_defaults(run=run)
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser
