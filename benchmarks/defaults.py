"""What a person waits for: `c3drender render PHOTO -o OUT.mp4` with no option, the whole program, imports and all.

    python benchmarks/defaults.py [--photo FILE] [--json FILE]

Once with the photo (the bundled example) as it is and once with it enlarged to 24 million pixels, as phones take them. Prints
the video's size and length, seconds, processor seconds and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import torch
from machine import REPO, describe, write_result
from PIL import Image

EXAMPLE = REPO / "c3drender" / "example" / "stream_cascade.jpg"
PHONE_PX = 24_000_000


def enlarged(photo: Path, to: Path) -> Path:
    with Image.open(photo) as image:
        scale = (PHONE_PX / (image.width * image.height)) ** 0.5
        size = (round(image.width * scale), round(image.height * scale))
        image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(to, quality=92)
    return to


def rendered(photo: Path, out: Path) -> dict[str, Any]:
    """Render with no option, in a process of its own."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "c3drender", "render", str(photo), "-o", str(out), "--quiet"]
    child = subprocess.Popen(command, cwd=REPO)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if child.returncode:
        sys.exit(f"{' '.join(command[1:])} ended with {child.returncode}")
    with Image.open(photo) as image, av.open(str(out)) as box:
        stream = box.streams.video[0]
        return {
            "photo_px": [image.width, image.height],
            "video_px": [stream.width, stream.height],
            "frames": stream.frames,
            "seconds": seconds,
            "processor_s": used.ru_utime + used.ru_stime,
            "peak_bytes": 1024 * used.ru_maxrss,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, default=EXAMPLE)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    args = parser.parse_args()
    print(", ".join(f"{name} {value}" for name, value in describe(torch.device("cpu")).items()))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for photo in (args.photo, enlarged(args.photo, Path(folder) / "phone.jpg")):
            row = rendered(photo, Path(folder) / "out.mp4")
            rows.append(row)
            photo_size, video_size = ("x".join(map(str, row[key])) for key in ("photo_px", "video_px"))
            print(f"{photo_size} to {row['frames']} frames of {video_size}: {row['seconds']:.1f} s,", end=" ")
            print(f"{row['processor_s']:.1f} s of processor time, {row['peak_bytes'] / 1e9:.2f} GB")
    if args.json:
        write_result(args.json, torch.device("cpu"), {"rows": rows})


if __name__ == "__main__":
    main()
