"""splat_points beside what else splats here, in one run: the same points, features and camera.

    python benchmarks/compare.py [--repeats 15] [--out FILE]

The runs of all methods take turns, so that what else the machine does meets them alike; medians, and ratios of medians. "Kept
memory" writes every result over the last one. OpenCV's remap, which only moves four channels of pixels, is the floor.
PyTorch3D takes part where it is installed: on the CPU, where its cost grows with points times pixels, at a size that it can
bear.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import torch
from machine import describe, write_result
from peers import peer_cases, runs_here

from c3drender.bench.cases import Case, FrameSize, Run, all_cases
from c3drender.bench.clock import medians_in_turns_ms

SIZE = FrameSize(1280, 720, (4, 37), (1,))
SMALL = FrameSize(256, 144, (4, 37), (1,))
OURS = tuple(f"splat_points {kind}{how}" for kind in ("alpha", "surface") for how in ("", ", kept memory", ", float16"))
CPU = torch.device("cpu")


def chosen_cases(size: FrameSize) -> list[Case]:
    ours = [case for case in all_cases(size) if case.op in OURS]
    slow = size != SMALL
    peers = [case for case in peer_cases(size) if not (slow and case.op.startswith("PyTorch3D"))]
    return ours + [case for case in peers if runs_here(case, CPU)]


def remap_floor(width: int, height: int) -> Run:
    picture = np.random.default_rng(0).random((height, width, 4), dtype=np.float32)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32) + 3.3, np.arange(height, dtype=np.float32) - 1.7)
    return lambda: (torch.from_numpy(cv2.remap(picture, x, y, cv2.INTER_LINEAR)),)


def compare(cases: Iterable[Case], width: int, height: int, repeats: int) -> dict[str, float]:
    runs: dict[str, Run] = {case.op: case.prepare(CPU).run for case in cases}
    runs["OpenCV remap, 4 channels"] = remap_floor(width, height)
    return medians_in_turns_ms(runs, CPU, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    args = parser.parse_args()
    cv2.setNumThreads(torch.get_num_threads())
    sizes = [SIZE] + ([SMALL] if find_spec("pytorch3d") else [])
    if len(sizes) == 1:
        print("PyTorch3D is not installed: left out")
    told = describe(CPU)
    print(f"{told['cpu']}, {told['simd']}, torch {told['torch']}, python {told['python']}")
    results = []
    with torch.inference_mode():
        for size in sizes:
            for channels in size.channels:
                cases = [case for case in chosen_cases(size) if case.channels == channels]
                found = compare(cases, size.width, size.height, args.repeats)
                results.append({"width": size.width, "height": size.height, "channels": channels, "ms": found})
                where = f"{size.width} x {size.height}, C = {channels}"
                print(f"{where}, {torch.get_num_threads()} threads, median of {args.repeats}")
                for name, ms in found.items():
                    print(f"  {name:34} {ms:9.1f} ms   {ms / found[OURS[0]]:6.2f} x alpha", flush=True)
    if args.out:
        write_result(args.out, CPU, {"comparisons": results})


if __name__ == "__main__":
    main()
