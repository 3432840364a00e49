"""splat_points on the CPU beside what else splats here, in one run: the case of 1280 x 720, 1.3 layers, radius 1.5 px.

The runs of all methods take turns, so that what else the machine does meets them alike; medians, and ratios of medians.
OpenCV's remap, which only moves pixels, is the floor. PyTorch3D (naive, on the CPU) and gsplat take part where they are
installed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from gpu_cases import peer_cases, random, two_layers
from gpu_check import describe

from c3drender import ops
from c3drender.data import Camera

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 1280, 720
CHANNELS = (4, 37)


class OneSize:
    """What `peer_cases` reads of a size."""

    def __init__(self, channels: int) -> None:
        self.width, self.height, self.channels = WIDTH, HEIGHT, (channels,)


def methods(channels: int) -> dict:
    device = torch.device("cpu")
    camera = Camera.for_photo(WIDTH, HEIGHT)
    xyz, radius = two_layers(camera, device)
    feat = random(device, len(xyz), channels)
    half = feat.half()
    ours = {
        "alpha": lambda: ops.splat_points(xyz, feat, radius, camera, compositor="alpha"),
        "alpha, float16": lambda: ops.splat_points(xyz, half, radius, camera, compositor="alpha"),
        "surface": lambda: ops.splat_points(xyz, feat, radius, camera, compositor="surface", max_points=8),
    }
    picture = np.ascontiguousarray(feat[: WIDTH * HEIGHT, :4].reshape(HEIGHT, WIDTH, 4).numpy())
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32) + 3.3, np.arange(HEIGHT, dtype=np.float32) - 1.7)
    floor = {"OpenCV remap, 4 channels": lambda: cv2.remap(picture, x, y, cv2.INTER_LINEAR)}
    return ours | {case.op: case.run for case in peer_cases(OneSize(channels), device)} | floor


def medians_ms(runs: dict, repeats: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if turn > 0:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) * 1e3 for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    args = parser.parse_args()
    results = {}
    with torch.inference_mode():
        for channels in CHANNELS:
            found = medians_ms(methods(channels), args.repeats)
            results[f"C = {channels}"] = found
            print(f"{WIDTH} x {HEIGHT}, C = {channels}, {torch.get_num_threads()} threads, median of {args.repeats}")
            for name, ms in found.items():
                print(f"  {name:28} {ms:9.1f} ms   {ms / found['alpha']:6.2f} x alpha", flush=True)
    if args.out:
        args.out.write_text(json.dumps({"machine": describe(torch.device("cpu")), "ms": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
