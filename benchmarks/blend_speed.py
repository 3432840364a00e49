"""What each blend of the loop costs: processor time to animate a scene and to render a frame, measured in turns in one run.

    python benchmarks/blend_speed.py [--photo FILE --hints FILE] [--rounds 5] [--blends phase contrast]

The photo is that of photo_to_mp4.py (1280x720). Each round animates the scene anew with every blend and renders `FRAMES` with
every blend, one frame of each after the other; a blend's number is its median over rounds and frames, its ratio the median of
those to the last blend's of the same turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import c3drender  # isort: skip  # before torch, as in people's programs: its threads then wait asleep

import torch
from machine import describe
from photo_to_mp4 import HINTS, PHOTO

from c3drender import pipeline, render

NUM_FRAMES = 60
FRAMES = (3, 11, 19, 27, 30, 35, 43, 51, 57)


def processor_s(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, default=PHOTO)
    parser.add_argument("--hints", type=Path, default=HINTS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--blends", nargs="+", choices=get_args(render.BlendMode), default=("phase", "contrast"))
    args = parser.parse_args()

    print(", ".join(f"{name} {value}" for name, value in describe(torch.device("cpu")).items()))
    scene = c3drender.prepare(args.photo, hints=args.hints, depth="builtin", camera="circle")
    path = pipeline.camera_path(scene, "circle", NUM_FRAMES, amplitude=1.0)
    animate_s: dict[str, list[float]] = {blend: [] for blend in args.blends}
    frame_s: dict[str, list[float]] = {blend: [] for blend in args.blends}
    for _ in range(args.rounds):
        animations = {}
        for blend in args.blends:
            spent, animations[blend] = processor_s(lambda blend=blend: render.animate(scene, NUM_FRAMES, blend=blend))
            animate_s[blend].append(spent)
        for n in FRAMES:
            for blend, animation in animations.items():
                spent, _ = processor_s(lambda a=animation, n=n: render.render_frame(a, path.world_to_cam[n], n))
                frame_s[blend].append(spent)
    size, threads = f"{scene.camera.width}x{scene.camera.height}", torch.get_num_threads()
    print(f"{size}, {threads} threads, processor time; to that of {args.blends[-1]}:")
    for blend in args.blends:
        print(
            f"{blend:9} animate {statistics.median(animate_s[blend]):6.2f} s, x {_ratio(animate_s, blend):.3f}; "
            f"frame {1000 * statistics.median(frame_s[blend]):6.1f} ms, x {_ratio(frame_s, blend):.3f}"
        )


def _ratio(seconds: dict[str, list[float]], blend: str) -> float:
    """The median over turns of ``blend``'s time to the last blend's."""
    last = list(seconds.values())[-1]
    return statistics.median(one / other for one, other in zip(seconds[blend], last, strict=True))


if __name__ == "__main__":
    main()
