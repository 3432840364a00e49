"""Photo to mp4, stage by stage: seconds, processor seconds, minor page faults and peak memory of 60 frames; then, uncounted,
rendering alone. The process is set up as the command's own.

    python benchmarks/photo_to_mp4.py [--photo FILE --hints FILE] [--frames 60] [--size 3840] [--out FILE]

The photo is ../shared's demo0 (1280x720) or, where that is missing, the bundled example. The peak is of the whole process.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from c3drender.program import set_up_process  # isort: skip  # before torch, as the command: threads then wait asleep

import torch
from machine import REPO, describe, write_result

from c3drender import files, pipeline, render
from c3drender.data import Frame
from c3drender.depth import estimate as depth
from c3drender.files import resize, video
from c3drender.files.hints import read_hints
from c3drender.motion.flow import find_flow
from c3drender.pipeline.see import look

DEMO = REPO.parent / "shared" / "photos" / "demo0"
EXAMPLE = REPO / "c3drender" / "example"
PHOTO, HINTS = (
    (DEMO / "image.png", DEMO / "image.json") if DEMO.exists() else (EXAMPLE / "stream_cascade.jpg", EXAMPLE / "hints.json")
)
FRAMES_ALONE = 15


def page_faults() -> int:
    """Minor ones: of pages that the system had to give to this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


class Stages:
    """Runs stages one after the other, prints and keeps what each took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.processor_seconds: dict[str, float] = {}
        self.page_faults: dict[str, int] = {}

    def run(self, name: str, stage: Callable[[], Any]) -> Any:
        started, worked, faults = time.perf_counter(), time.process_time(), page_faults()
        result = stage()
        self.seconds[name] = time.perf_counter() - started
        self.processor_seconds[name] = time.process_time() - worked
        self.page_faults[name] = page_faults() - faults
        spent = f"{self.processor_seconds[name]:7.2f} s of processor time {self.page_faults[name]:8,} page faults"
        print(f"{name:12} {self.seconds[name]:7.2f} s {spent}", flush=True)
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, default=PHOTO)
    parser.add_argument("--hints", type=Path, default=HINTS)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--size", type=int, help="longer side in pixels (default: the photo's)")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    args = parser.parse_args()

    set_up_process()
    print(", ".join(f"{name} {value}" for name, value in describe(torch.device("cpu")).items()))
    stages = Stages()
    image, hints = stages.run("load", lambda: load(args.photo, args.hints, args.size))
    shown = stages.run("look", lambda: look(image))
    depth_map, _ = stages.run("depth", lambda: depth.estimate_depth(image, shown.scenery, shown.nearness, method="builtin"))
    flow, _ = stages.run("flow", lambda: find_flow(image, depth_map, shown.scenery, hints, None, shown.held(hints)))
    scene = stages.run("layers", lambda: pipeline.build_scene(image, depth_map, flow, "circle", 1.0, ()))
    prepared = sum(stages.seconds.values())
    animation = stages.run("animate", lambda: render.animate(scene, args.frames))
    path = pipeline.camera_path(scene, "circle", args.frames, amplitude=1.0)
    with tempfile.TemporaryDirectory() as folder:
        frames = (frame.rgb_u8 for frame in render.render_path(animation, path))
        stages.run("render, mp4", lambda: video.write_video(Path(folder) / "out.mp4", frames))
    total = sum(stages.seconds.values())
    peak_bytes = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rendered_per_s = 1.0 / median_frame_s(render.render_path(animation, path))

    height, width = image.size
    print(f"{args.frames} frames of {width}x{height}, {torch.get_num_threads()} threads: ", end="")
    print(f"preparation {prepared:.2f} s, photo to mp4 {total:.2f} s, peak memory {peak_bytes / 1e9:.2f} GB; ", end="")
    print(f"rendering alone {rendered_per_s:.1f} frames/s")
    if args.out:
        result = {"width": width, "height": height, "frames": args.frames, "preparation_s": prepared, "total_s": total}
        result |= {"peak_bytes": peak_bytes, "rendered_per_s": rendered_per_s}
        result |= {"stages_s": stages.seconds, "stages_processor_s": stages.processor_seconds}
        result |= {"stages_page_faults": stages.page_faults}
        write_result(args.out, torch.device("cpu"), result)


def load(photo: Path, hints: Path, size: resize.Size) -> tuple[Any, Any]:
    """The photo and its hints at ``size``."""
    original = files.read_photo(photo)
    target = resize.fit_size(*original.size, size)
    return (
        resize.resize_photo(original, *target),
        resize.resize_hints(read_hints(hints, *original.size), original.size, *target),
    )


def median_frame_s(frames: Iterator[Frame]) -> float:
    """Of some frames from the loop's beginning on, whose first, with one side only, does not count."""
    next(frames)
    seconds, started = [], time.perf_counter()
    for _ in islice(frames, FRAMES_ALONE):
        now = time.perf_counter()
        seconds.append(now - started)
        started = now
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
