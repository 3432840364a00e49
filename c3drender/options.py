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
    parser.add_argument("--motion-model", help="a trained motion network for the flow: sceneflow_model.pth, or its folder")
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
    parser.add_argument("--trust", action="store_true", help="run the program that the inpainter's file is")
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
        "--amplitude",
        type=numbers,
        help=f"how far the camera moves, or X,Y,Z (default: {defaults.AMPLITUDE} for a preset, less where much could crack; "
        "1 for others)",
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
    parser.add_argument("--follow", action="store_true", help="that part goes from what is near to what moves and back")
    parser.add_argument("--stereo", help="both eyes: sbs, half-sbs, tb, anaglyph, vr180; or rgbd: depth beside colour")
    parser.add_argument("--eyes", type=float, default=2.0, help="depth, percent of the width (default: %(default)s)")
    parser.add_argument("--quilt", help="COLUMNSxROWS of views, such as 8x6, for Looking Glass (its name gets _qs8x6a0.75)")
    parser.add_argument("--alpha", help="moving or near: all else is transparent (.mov .webm .mkv .apng .webp .png, PNGs)")
    parser.add_argument("--audio", help="sound: the first track of this file, repeated or cut to the video's length")
    parser.add_argument("--poster", help="also write the first frame as this picture")
    parser.add_argument("--depth-out", help="also write each frame's depth in 16 bits: .mkv (FFV1), or a folder of PNGs")
    add_lens_options(parser)


def add_lens_options(parser: argparse.ArgumentParser) -> None:
    lens = parser.add_argument_group("lens", "what a lens does, in linear light; each frame is then the mean of many pictures")
    lens.add_argument("--f-number", type=float, help="depth of field: 0.5 to 64, as if what is nearest were 1 m away")
    lens.add_argument("--lens-focus", type=numbers, help="X,Y: the photo's pixel that is sharp, or a depth (default: --focus)")
    lens.add_argument("--shutter", type=float, default=0.0, help="motion blur: degrees, to 360 (default: none)")
    lens.add_argument("--vignette", type=float, default=0.0, help="0 to 4; 1 is a simple lens's (default: none)")
    lens.add_argument("--grain", type=float, default=0.0, help="0 to 1 (default: none)")
    lens.add_argument("--ssaa", type=int, default=1, help="1 to 8: samples along each side of every pixel (default: 1)")
    lens.add_argument("--samples", type=int, help="pictures for each frame (default: what the blur needs, to 64)")


def add_batch_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="*", help="folders and photos, also URLs that fsspec knows (s3://, gs://, ...)")
    parser.add_argument("-o", "--out", help="the folder of outputs, or a URL (default: the manifest names each)")
    parser.add_argument("--manifest", help=".csv .tsv .jsonl .parquet: a row has photo, out, options of its own")
    parser.add_argument("--recursive", action="store_true", help="photos in the folders' folders, too")
    parser.add_argument("--glob", help="which files, such as '*.jpg' (default: every photo)")
    parser.add_argument("--format", default="mp4", help="mp4 webm mov mkv gif apng webp, or png: folders (default: mp4)")
    parser.add_argument("--force", action="store_true", help="render what is done, too")
    parser.add_argument("--retry-failed", action="store_true", help="try again what has failed by its own fault")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be rendered")
    parser.add_argument("--shard", help="I/N: part I, from 0, of N, for Slurm arrays, Kubernetes jobs and the like")
    parser.add_argument("--workers", type=int, help="processes at most; 0: this one alone (default: as many as fit)")
    parser.add_argument("--cpus", type=float, help="of each worker, which has as many threads (default: 1; all of one alone)")
    parser.add_argument("--gpus", type=float, default=0, help="of each worker, such as 0.5 (default: 0)")
    parser.add_argument("--ray", help="address of a Ray cluster, such as auto (default: $RAY_ADDRESS, or this machine)")
    parser.add_argument("--report", help="folder of report.jsonl, .csv and .html (default: that of the outputs)")
    parser.add_argument("--log", choices=("text", "json"), default="text", help="json: a line for each photo, and no bar")
    add_scene_options(parser)
    add_video_options(parser)


def add_serve_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine alone can reach it)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen at (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes that render (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="of each process (default: the cores, divided)")
    parser.add_argument("--queue", type=int, default=32, help="jobs that wait; past it 429 (default: %(default)s)")
    parser.add_argument("--max-mpx", type=float, default=25, help="megapixels of a photo or frame (default: %(default)s)")
    parser.add_argument("--max-mb", type=float, default=64, help="MiB of a post (default: %(default)s)")
    parser.add_argument("--max-seconds", type=float, default=600, help="that a job may take (default: %(default)s)")
    parser.add_argument("--keep-minutes", type=float, default=60, help="for which a result stays (default: %(default)s)")
    parser.add_argument("--folder", help="where posts and results lie meanwhile (default: the system's temporary folder)")
    parser.add_argument("--quiet", action="store_true", help="no line for each request")


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
