"""What stages take on a machine that others use too: alone, beside one busy process, beside one per core.

    python benchmarks/shared_cores.py [--size 1280] [--turns 3]

The neighbours are started here, and end with it. Printed are the medians of some turns in seconds, and how many times a stage
took what it took alone: beside neighbours (goal: 2.5 with one per core, which leave it half of the processor's time), and with
twice as many threads as cores (goal: 1.2).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import c3drender as c3d  # isort: skip  # before torch, as in people's programs

import torch
from machine import REPO, RESULTS, write_result

from c3drender import pipeline

EXAMPLE = REPO / "c3drender" / "example"
FRAMES = 20
WARM_UP_S = 1.0
Stage = tuple[str, Callable[[], Any]]


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many processes that never rest."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(WARM_UP_S if count else 0)
        yield
    finally:
        for process in busy:
            process.kill()
        for process in busy:
            process.wait()


def stages(size: int) -> list[Stage]:
    photo, hints = EXAMPLE / "stream_cascade.jpg", EXAMPLE / "hints.json"

    def prepare() -> c3d.Scene:
        return c3d.prepare(photo, hints=hints, size=size, device="cpu")

    scene = prepare()
    animation, path = c3d.animate(scene), pipeline.camera_path(scene, "circle", 3 * FRAMES, amplitude=1.0)

    def inpaint(height: int, width: int) -> Callable[[], Any]:
        rgb = torch.rand(height, width, 3, generator=torch.Generator().manual_seed(0))
        hole = torch.zeros(height, width, dtype=torch.bool)
        hole[height // 4 : height // 2, width // 4 : width // 2] = True
        wall = torch.full((height, width), 0.5)
        return lambda: c3d.ops.inpaint_layers(rgb, torch.where(hole, 1.0, wall), hole, wall, tear_disp=0.02)

    return [
        ("inpaint 16 x 64", inpaint(16, 64)),
        ("inpaint 256 x 256", inpaint(256, 256)),
        ("prepare", prepare),
        ("animate", lambda: c3d.animate(scene)),
        (f"{FRAMES} frames", lambda: list(islice(animation.render(path), FRAMES))),
    ]


def measure(timed: list[Stage], turns: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name, _ in timed}
    for _ in range(turns):
        for name, stage in timed:
            start = time.perf_counter()
            stage()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1280, help="longer side of the photo in pixels (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=3, help="default: %(default)s")
    args = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(cores)
    timed = stages(args.size)
    measure(timed, 1)
    seconds = {}
    for count in sorted({0, 1, cores}):
        with neighbours(count):
            seconds[f"beside {count}"] = measure(timed, args.turns)
    torch.set_num_threads(2 * cores)
    seconds["twice the threads"] = measure(timed, args.turns)
    print(f"{cores} cores, {args.size} px" + "".join(f"{name:>26}" for name in seconds))
    for name, alone in seconds["beside 0"].items():
        row = "".join(f"{taken[name]:18.3f} s {taken[name] / alone:4.1f}x" for taken in seconds.values())
        print(f"{name:18}{row}")
    result = {"size_px": args.size, "cores": cores, "seconds": seconds}
    write_result(RESULTS / "shared_cores.json", torch.device("cpu"), result)


if __name__ == "__main__":
    main()
