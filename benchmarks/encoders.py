"""What coding H.264 costs: processor time a frame, size and PSNR of the bundled example by the options of `write_video` and by
x264's presets.

    python benchmarks/encoders.py [--photo FILE] [--frames 120]

Every coder gets the same frames, already in its colours. The last column is the size that it would need for the PSNR that
`veryfast` has at the default quality, read off three qualities.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import c3drender  # isort: skip  # noqa: F401  # before torch, as in people's programs: its threads then wait asleep

import av
import numpy as np
import torch
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries
from machine import REPO, describe

from c3drender import defaults, pipeline
from c3drender.files.container import CODECS, to_bt709, video_frames

EXAMPLE = REPO / "c3drender" / "example" / "stream_cascade.jpg"
H264 = CODECS["h264"]
OPTIONS = {
    "veryfast": {"preset": "veryfast"},
    "superfast": {"preset": "superfast"},
    "faster": {"preset": "faster"},
    "write_video": H264.encoders["libx264"],
}


class Coded(NamedTuple):
    """Of one film: processor seconds a frame, bytes, the mean PSNR of luma and that of the worst frame, dB."""

    frame_s: float
    size: int
    psnr: float
    worst: float


def coded(pictures: list[VideoFrame], options: dict[str, str], crf: int, part: Path) -> Coded:
    started = time.process_time()
    with av.open(str(part), "w") as box:
        stream = box.add_stream("libx264", rate=Fraction(defaults.FPS), options=options | {"crf": str(crf)})
        stream.width, stream.height, stream.pix_fmt = pictures[0].width, pictures[0].height, pictures[0].format.name
        stream.codec_context.thread_count = torch.get_num_threads()
        for picture in pictures:
            box.mux(stream.encode(picture))
        box.mux(stream.encode(None))
    spent = time.process_time() - started
    with av.open(str(part)) as box:
        shown = zip(box.decode(video=0), pictures, strict=True)
        ratios = [10 * np.log10(255**2 / np.square(luma(one) - luma(other)).mean()) for one, other in shown]
    return Coded(spent / len(pictures), part.stat().st_size, float(np.mean(ratios)), min(ratios))


def luma(picture: VideoFrame) -> np.ndarray:
    return picture.to_ndarray()[: picture.height].astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, default=EXAMPLE)
    parser.add_argument("--frames", type=int, default=defaults.FRAMES * defaults.TURNS)
    args = parser.parse_args()
    print(", ".join(f"{name} {value}" for name, value in describe(torch.device("cpu")).items()))
    scene = pipeline.prepare(args.photo, camera=defaults.CAMERA)
    shown = (frame.rgb_u8.numpy() for frame in islice(pipeline.render_frames(scene), args.frames))
    taken = video_frames(shown, Fraction(defaults.FPS))
    pictures = [to_bt709(frame, H264.pixels[8], ColorPrimaries.BT709) for frame in taken]
    assert H264.crf is not None
    wanted = None
    print(f"{'':14}{'ms/frame':>10}{'MB':>8}{'PSNR, dB':>10}{'worst':>8}{'MB at equal PSNR':>18}")
    with tempfile.TemporaryDirectory() as folder:
        for name, options in OPTIONS.items():
            films = {
                crf: coded(pictures, options, crf, Path(folder) / "out.mp4") for crf in range(H264.crf - 2, H264.crf + 3, 2)
            }
            own = films[H264.crf]
            wanted = own.psnr if wanted is None else wanted
            line = np.polyfit([film.psnr for film in films.values()], [np.log(film.size) for film in films.values()], 1)
            frame_ms = 1e3 * np.mean([film.frame_s for film in films.values()])
            print(f"{name:14}{frame_ms:10.1f}{own.size / 1e6:8.2f}{own.psnr:10.2f}{own.worst:8.2f}", end="")
            print(f"{np.exp(np.polyval(line, wanted)) / 1e6:18.2f}", flush=True)


if __name__ == "__main__":
    main()
