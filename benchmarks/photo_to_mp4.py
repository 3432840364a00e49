"""Photo to mp4, stage by stage: seconds, processor seconds and peak memory of 60 frames of 1280x720.

python benchmarks/photo_to_mp4.py [--photo FILE] [--hints FILE] [--frames 60]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from c3drender import depth, files, pipeline, render, scenery, video
from c3drender.annotations import read_hints
from c3drender.motion import find_flow

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", type=Path, default=SHARED / "photos" / "demo0" / "image.png")
    parser.add_argument("--hints", type=Path, default=SHARED / "photos" / "demo0" / "image.json")
    parser.add_argument("--frames", type=int, default=60)
    args = parser.parse_args()

    def stage(name: str, run: Callable[[], Any]) -> Any:
        started, worked = time.perf_counter(), time.process_time()
        result = run()
        took, worked = time.perf_counter() - started, time.process_time() - worked
        print(f"{name:12} {took:7.2f} s {worked:7.2f} s of processor time", flush=True)
        return result

    begin, work_begin = time.perf_counter(), time.process_time()
    image = stage("load", lambda: files.read_photo(args.photo))
    hints = read_hints(args.hints, *image.size)
    shown = stage("scenery", lambda: scenery.find_scenery(image))
    depth_map, _ = stage("depth", lambda: depth.estimate_depth(image, shown, method="builtin"))
    flow, _ = stage("flow", lambda: find_flow(image, depth_map, shown, hints))
    scene = stage("layers", lambda: pipeline.build_scene(image, depth_map, flow, "circle", 1.0, ()))
    prepared, work = time.perf_counter() - begin, time.process_time() - work_begin
    animation = stage("animate", lambda: render.animate(scene, args.frames))
    path = pipeline.camera_path(scene, "circle", args.frames)
    with tempfile.TemporaryDirectory() as folder:
        frames = (frame.rgb_u8 for frame in render.render_path(animation, path))
        stage("render, mp4", lambda: video.write_video(Path(folder) / "out.mp4", frames))
    total = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = f"{image.size[1]}x{image.size[0]}"
    print(f"preparation {prepared:.2f} s ({work:.2f} s of processor time); ", end="")
    print(f"photo to mp4 {total:.2f} s for {args.frames} frames of {size}, ", end="")
    print(f"peak memory {peak:.2f} GB, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
