"""Options that several commands share, and how their values are read. Nothing heavy is imported."""

from __future__ import annotations

import argparse

from . import defaults

DEFAULT_FRAMES = defaults.FRAMES * defaults.TURNS
FRAMES_HELP = f"frames of one loop (default: {DEFAULT_FRAMES}, in which the motion's loop of {defaults.FRAMES} runs twice)"
SIZE_HELP = f"longer side in pixels, WIDTHxHEIGHT, or photo (default: the photo's, at most {defaults.LONGER_SIDE_PX})"


def add_scene_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mask", help="picture of the photo's proportions, white or coloured moves (default: found automatically)"
    )
    parser.add_argument("--matte", help="grey picture: how freely each pixel moves, for soft edges of the mask")
    parser.add_argument(
        "--hints", help="JSON list of arrows [[x0, y0], [x1, y1]], or an annotation: labelme, COCO, VIA (default: guessed)"
    )
    parser.add_argument("--label", type=labels, help="which labels of the annotation move, A,B (default: motion*)")
    parser.add_argument("--flow", help="dense flow, .npy or .flo, instead of hints")
    parser.add_argument("--sway", help="mask of what sways: trees, grass, flags, boats")
    parser.add_argument("--sway-hints", help="arrows whose direction and length are the swing's, as --hints")
    parser.add_argument("--sway-root", default="bottom", help="bottom, top, left or right: where it is held (default: bottom)")
    parser.add_argument("--flame", help="mask of what burns or steams from a base that stays: candles, fires, steam")
    parser.add_argument("--ripple", help="mask of still water whose reflections ripple")
    parser.add_argument(
        "--depth",
        default="auto",
        help="auto, photo (its own), builtin, a model's name, or a file: picture, .npy .npz .pfm .exr",
    )
    parser.add_argument(
        "--depth-kind", default="auto", help="auto, disparity or metric: what its numbers mean (default: auto)"
    )
    parser.add_argument("--depth-near", default="auto", help="auto, bright or dark: whether near is large (default: auto)")
    parser.add_argument("--color", default="srgb", help="srgb or p3, from the photo to the video (default: %(default)s)")
    parser.add_argument("--segments", default="auto", help="auto, none, a model's name, or a file: .png with .json, .npz")
    parser.add_argument("--inpainter", help="paints what the photo does not show: a model's name, or its file, .pt or .onnx")
    parser.add_argument("--focus", type=numbers, help="X,Y: the pixel that the camera keeps in place (default: the middle)")
    parser.add_argument("--size", type=size_of, help=SIZE_HELP)
    add_common_options(parser)


def add_common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--quiet", action="store_true", help="no progress bars, no notes")


def add_path_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--camera",
        default=defaults.CAMERA,
        help="circle, swing, zoom, dolly, rise, orbit, still, dolly-zoom, or a .json of key frames (default: %(default)s)",
    )
    parser.add_argument(
        "--amplitude", type=numbers, default=1.0, help="how far the camera moves, or X,Y,Z (default: %(default)s)"
    )
    parser.add_argument(
        "--ease", type=float, default=0.0, help="0..1: slow down towards the loop's start and end (default: %(default)s)"
    )
    parser.add_argument("--frames", type=int, help=FRAMES_HELP)
    parser.add_argument(
        "--speed", type=float, default=1.0, help="speed of the motion, larger is faster (default: %(default)s)"
    )
    parser.add_argument("--blend", default="phase", help="phase, contrast, or linear: the paper's (default: %(default)s)")


def add_motion_options(parser: argparse.ArgumentParser) -> None:
    add_path_options(parser)
    parser.add_argument("--model", help="render by learned features: a checkpoint model_<step>.pth, or the directory it is in")


def add_video_options(parser: argparse.ArgumentParser) -> None:
    add_motion_options(parser)
    parser.add_argument("--fps", type=float, default=defaults.FPS, help="frames per second (default: %(default)s)")
    parser.add_argument("--loops", type=int, help="how often the video repeats, for players that do not (default: 1)")
    parser.add_argument("--duration", type=float, help="seconds, instead: as many whole loops as come nearest")
    parser.add_argument("--codec", help="h264 hevc av1 vp9 prores, as the container takes it (default: by the suffix)")
    parser.add_argument("--crf", type=int, help="quality, 0 is best (default: by the codec)")
    parser.add_argument("--bitrate", type=bits, help="bits per second, such as 8M, instead of --crf")
    parser.add_argument("--bits", type=int, default=8, help="8 or 10 per channel (default: %(default)s)")
    parser.add_argument("--max-mb", type=float, help="the most MiB of a .gif, which shrinks until it fits")
    parser.add_argument("--aspect", help="9:16, 1:1, 4:5, ...: the part where most moves, in these proportions")
    parser.add_argument("--stereo", help="sbs, half-sbs, tb or anaglyph: both eyes")
    parser.add_argument("--eyes", type=float, default=2.0, help="depth, percent of the width (default: %(default)s)")


def bits(text: str) -> int:
    scale = {"k": 10**3, "m": 10**6}.get(text[-1:].lower(), 1)
    try:
        return round(float(text[:-1] if scale > 1 else text) * scale)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"expected bits per second, such as 8M, got {text!r}") from None


def size_of(text: str) -> int | tuple[int, ...] | str:
    if text == "photo":
        return text
    try:
        numbers = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected the longer side, WIDTHxHEIGHT or photo, got {text!r}") from None
    return numbers[0] if len(numbers) == 1 else numbers


def numbers(text: str) -> float | tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers, separated by commas, got {text!r}") from None
    return numbers[0] if len(numbers) == 1 else numbers


def labels(text: str) -> list[str]:
    return [label.strip() for label in text.split(",")]
