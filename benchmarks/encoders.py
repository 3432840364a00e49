"""What coding H.264 costs: processor time a frame, size, PSNR and SSIM by x264's presets, by the options of `write_video`, and
by those with one of them changed.

    python benchmarks/encoders.py [--photo FILE ...] [--frames 120] [--size 1280]

Every coder gets the same frames, already in its colours; what brings them there is timed first, beside FFmpeg's own. Numbers
are means over the photos, `worst` is the worst frame of all. The last two columns are the size that a coder would need for the
PSNR, and for the SSIM, that `veryfast` has at the default quality, read off three qualities.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import c3drender  # isort: skip  # noqa: F401  # before torch, as in people's programs: its threads then wait asleep

import av
import numpy as np
import torch
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, VideoReformatter
from machine import REPO, describe
from skimage.metrics import structural_similarity

from c3drender import defaults, pipeline
from c3drender.files.coded_frames import FrameArray, bt709_frames
from c3drender.files.container import CODECS

EXAMPLE = REPO / "c3drender" / "example" / "stream_cascade.jpg"
RATE = Fraction(defaults.FPS)
H264 = CODECS["h264"]
OURS = H264.encoders["libx264"]
QUALITIES = (-2, 0, 2)  # beside the default
LOOKED_AT = 7  # SSIM is that of every so many frames: no pattern of B-frames has this period
REPEATS = 5


def changed(**options: str) -> dict[str, str]:
    """The options of `write_video` with some of x264's own in their place."""
    own = dict(pair.split("=") for pair in OURS["x264-params"].split(":"))
    return OURS | {"x264-params": ":".join(f"{name.replace('_', '-')}={value}" for name, value in (own | options).items())}


BY_PRESET = "veryfast"  # what the others are compared with
OPTIONS = {
    BY_PRESET: {"preset": BY_PRESET},
    "superfast": {"preset": "superfast"},
    "faster": {"preset": "faster"},
    "write_video": OURS,
    "  slices": changed(sliced_threads="1"),
    "  cuts sought": changed(scenecut="40"),
    "  hexagons": changed(me="hex"),
    "  subme=1": changed(subme="1"),
    "  no mbtree": changed(mbtree="0"),
    "  lookahead 12": changed(rc_lookahead="12"),
    "  lookahead 20": changed(rc_lookahead="20"),
    "  lookahead 24": changed(rc_lookahead="24"),
    "  8 B-frames": changed(bframes="8"),
    "  no 8x8dct": changed(**{"8x8dct": "0"}),
    "  no weightb": changed(weightb="0"),
    "  CAVLC": changed(cabac="0"),
}


class Coded(NamedTuple):
    """Of one film: processor seconds a frame, bytes, the mean PSNR of luma and that of the worst frame, dB, and its SSIM."""

    frame_s: float
    size: int
    psnr: float
    worst: float
    ssim: float


def coded(pictures: list[VideoFrame], options: dict[str, str], crf: int, part: Path) -> Coded:
    started = time.process_time()
    with av.open(str(part), "w") as box:
        stream = box.add_stream("libx264", rate=RATE, options=options | {"crf": str(crf)})
        stream.width, stream.height, stream.pix_fmt = pictures[0].width, pictures[0].height, pictures[0].format.name
        stream.codec_context.thread_count, stream.codec_context.thread_type = torch.get_num_threads(), "AUTO"
        for picture in pictures:
            box.mux(stream.encode(picture))
        box.mux(stream.encode(None))
    spent = time.process_time() - started
    ratios, similarities = [], []
    with av.open(str(part)) as box:
        for n, (shown, picture) in enumerate(zip(box.decode(video=0), pictures, strict=True)):
            one, other = luma(shown), luma(picture)
            ratios.append(10 * np.log10(255**2 / np.square(one - other).mean()))
            if n % LOOKED_AT == 0:
                similarities.append(structural_similarity(one, other, data_range=255))
    size = part.stat().st_size
    return Coded(spent / len(pictures), size, float(np.mean(ratios)), min(ratios), float(np.mean(similarities)))


def luma(picture: VideoFrame) -> np.ndarray:
    return picture.to_ndarray()[: picture.height].astype(np.float32)


def by_ffmpeg(frames: list[FrameArray]) -> None:
    reformatter = VideoReformatter()
    for frame in frames:
        reformatter.reformat(
            VideoFrame.from_ndarray(frame, format="rgb24"),
            format=H264.pixels[8],
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation="AREA",
        )


def converted(frames: list[FrameArray]) -> list[VideoFrame]:
    return list(bt709_frames(frames, RATE, H264.pixels[8], ColorPrimaries.BT709))


def frame_ms(convert: Callable[[list[FrameArray]], object], frames: list[FrameArray]) -> float:
    """Processor time a frame, the least of some runs."""
    spent = []
    for _ in range(REPEATS):
        started = time.process_time()
        convert(frames)
        spent.append(time.process_time() - started)
    return 1e3 * min(spent) / len(frames)


def size_at(films: list[Coded], measure: Callable[[Coded], float], wanted: float) -> float:
    line = np.polyfit([measure(film) for film in films], [np.log(film.size) for film in films], 1)
    return float(np.exp(np.polyval(line, wanted)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, nargs="+", default=[EXAMPLE])
    parser.add_argument("--frames", type=int, default=defaults.FRAMES * defaults.TURNS)
    parser.add_argument("--size", type=int, help="longer side in pixels (default: the photo's)")
    args = parser.parse_args()
    print(", ".join(f"{name} {value}" for name, value in describe(torch.device("cpu")).items()))
    films: dict[str, list[list[Coded]]] = {name: [] for name in OPTIONS}
    for photo in args.photo:
        scene = pipeline.prepare(photo, camera=defaults.CAMERA, size=args.size)
        frames = [frame.rgb_u8.numpy() for frame in islice(pipeline.render_frames(scene), args.frames)]
        height, width = (side - side % 2 for side in frames[0].shape[:2])
        frames = [np.ascontiguousarray(frame[:height, :width]) for frame in frames]
        own, other = frame_ms(converted, frames), frame_ms(by_ffmpeg, frames)
        print(f"{photo.name}: {width} x {height}, colours {own:.2f} ms/frame, FFmpeg's {other:.2f}", flush=True)
        pictures = converted(frames)
        assert H264.crf is not None
        with tempfile.TemporaryDirectory() as folder:
            for name, options in OPTIONS.items():
                out = Path(folder) / "out.mp4"
                films[name].append([coded(pictures, options, H264.crf + more, out) for more in QUALITIES])
    tell(films)


def tell(films: dict[str, list[list[Coded]]]) -> None:
    middle = QUALITIES.index(0)
    print(f"{'':16}{'ms/frame':>9}{'MB':>8}{'PSNR, dB':>10}{'worst':>8}{'SSIM':>9}{'MB at PSNR':>12}{'at SSIM':>9}")
    for name, of_photos in films.items():
        wanted = [of_photo[middle] for of_photo in films[BY_PRESET]]
        own = [of_photo[middle] for of_photo in of_photos]
        spent = 1e3 * np.mean([film.frame_s for of_photo in of_photos for film in of_photo])
        pairs = list(zip(of_photos, wanted, strict=True))
        at_psnr = np.mean([size_at(of_photo, lambda film: film.psnr, goal.psnr) for of_photo, goal in pairs])
        at_ssim = np.mean([size_at(of_photo, lambda film: film.ssim, goal.ssim) for of_photo, goal in pairs])
        mean = Coded(*(float(np.mean(column)) for column in zip(*own, strict=True)))
        print(f"{name:16}{spent:9.1f}{mean.size / 1e6:8.2f}{mean.psnr:10.2f}{min(film.worst for film in own):8.2f}", end="")
        print(f"{mean.ssim:9.4f}{at_psnr / 1e6:12.2f}{at_ssim / 1e6:9.2f}")


if __name__ == "__main__":
    main()
