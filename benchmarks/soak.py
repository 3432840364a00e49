"""Many renders of random small photos and options, in one process and in many: does memory grow, does anything stay behind?

    python benchmarks/soak.py [--renders 200] [--processes 20] [--seed 0]

In one process the resident memory after the first quarter is held against that at the end (the medians of a twentieth of the
renders), and so are open descriptors. As many processes as asked make one render each. After both no temporary file is left.
The exit status is 1 where memory grows by more than 2 %, a render fails, or anything is left.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import c3drender as c3d
from c3drender.camera import PRESETS

MOST_GROWTH = 1.02
TOLD_EVERY = 100
VIDEOS = ("o.mp4", "o.webm", "o.mov", "o.mkv")
MOVING = (*VIDEOS, "o.gif", "o.webp", "o.apng", "o.png", "frames")
EXPORTS = ("o.glb", "o.ply", "o.spz", "o.ora", "o.psd", "o.npz", "o.html", "o.c3dplay", "o.c3d")
OUTPUTS = MOVING + EXPORTS
# What a video may be given beside; most take nothing of it.
EXTRAS: tuple[dict[str, Any], ...] = (
    {"stereo": "sbs"},
    {"stereo": "anaglyph"},
    {"aspect": "1:1"},
    {"aspect": "9:16", "follow": True},
    {"lens": c3d.Lens(vignette=1.0, grain=0.3)},
    {"lens": c3d.Lens(f_number=2.0, samples=2)},
    {"lens": c3d.Lens(shutter=180.0, samples=2)},
    {"loops": 2},
    {"color": "p3"},
    *({},) * 9,
)


def render(seed: int, folder: Path) -> None:
    dice = np.random.default_rng(seed)
    height, width = (int(side) for side in dice.integers(40, 113, 2))
    y, x = np.mgrid[:height, :width]
    photo = np.stack([np.sin(x / dice.uniform(3, 20)), np.cos(y / dice.uniform(3, 20)), np.sin((x + y) / 9)], -1) * 0.4 + 0.5
    mask = np.hypot(x - width / 2, y - height / 2) < dice.uniform(3, 20)
    given: dict[str, Any] = {"depth": (1 + 3 * dice.random() * (y / height) + (x > width / 2)).astype(np.float32)}
    given["depth_kind"], given["segments"], arrow = "metric", "none", [((width / 2, height / 3), (width / 2, height / 2))]
    kind = dice.choice(["fluid", "fluid", "sway", "flame", "ripple", "still"])
    if kind == "fluid":
        given |= {"mask": mask, "hints": arrow}
    elif kind != "still":
        motion = {
            "sway": lambda: c3d.Sway(mask, hints=arrow),
            "flame": lambda: c3d.Flame(mask),
            "ripple": lambda: c3d.Ripple(mask),
        }
        given["motion"] = [motion[kind]()]
    seen: dict[str, Any] = {"camera": str(dice.choice(list(PRESETS))), "frames": int(dice.choice([2, 4, 6]))}
    name = str(dice.choice(OUTPUTS))
    out = folder / name
    if name in MOVING:
        given |= seen | {"blend": str(dice.choice(["phase", "contrast", "linear"]))}
        given |= EXTRAS[dice.integers(len(EXTRAS))] if name in VIDEOS else {}
        c3d.render_cinemagraph(photo.astype(np.float32), out, progress=False, **given)
        return
    scene = c3d.prepare(photo.astype(np.float32), progress=False, **given)
    if name == "o.html":
        c3d.export_html(scene, out)
    elif name == "o.c3dplay":
        c3d.export_play(scene, out, **seen)
    elif name == "o.c3d":
        scene.save(out)
        c3d.load_scene(out)
    else:
        c3d.export_scene(scene, out, **seen)


def render_apart(seed: int, temporary: Path, folder: Path) -> None:
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    render(seed, folder / str(seed % 2))  # not in the way of the other worker


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def num_open() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def in_one_process(renders: int, seed: int, folder: Path) -> list[str]:
    """What is wrong afterwards."""
    warm, window, started = max(renders // 4, 1), max(renders // 20, 1), time.monotonic()
    memory, opened = [], []
    for n in range(renders):
        render(seed + n, folder)
        memory.append(resident_bytes())
        opened.append(num_open())
        if (n + 1) % TOLD_EVERY == 0:
            print(f"{n + 1} renders: resident {memory[-1] / 2**20:.0f} MiB, {opened[-1]} descriptors", flush=True)
    early, late = (statistics.median(part) for part in (memory[warm : warm + window] or memory, memory[-window:]))
    growth, more, took = late / early, opened[-1] - opened[min(warm, renders - 1)], time.monotonic() - started
    grown = f"resident {early / 2**20:.0f} MiB, then {growth:.3f} times as much, {more} descriptors more"
    print(f"one process: {renders} renders in {took:.0f} s, {grown}", flush=True)
    wrong = [f"memory grows to {growth:.3f} times"] if growth > MOST_GROWTH else []
    return wrong + ([f"{more} descriptors stay open"] if more > 0 else [])


def in_many_processes(processes: int, seed: int, temporary: Path, folder: Path) -> list[str]:
    """Two at a time, each a fork of a server that has imported everything; what is wrong afterwards."""
    context, wrong, started = multiprocessing.get_context("forkserver"), [], time.monotonic()
    context.set_forkserver_preload(["c3drender.pipeline.render", "c3drender.pipeline.export", "c3drender.web"])
    with context.Pool(2, maxtasksperchild=1) as pool:
        made = [pool.apply_async(render_apart, (seed + n, temporary, folder)) for n in range(processes)]
        for n, one in enumerate(made):
            try:
                one.get()
            except Exception as error:
                wrong.append(f"render {seed + n} ends in {type(error).__name__}: {error}")
            if (n + 1) % TOLD_EVERY == 0:
                print(f"{n + 1} processes", flush=True)
        pool.close()
        pool.join()
    print(f"{processes} processes of one render each in {time.monotonic() - started:.0f} s", flush=True)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renders", type=int, default=200, help="in one process")
    parser.add_argument("--processes", type=int, default=20, help="of one render each")
    parser.add_argument("--seed", type=int, default=0, help="of the first render; each has the next")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak_") as name:
        temporary, folder = Path(name, "tmp"), Path(name, "out")
        for place in (temporary, folder / "0", folder / "1", folder / "2"):
            place.mkdir(parents=True)
        wrong = in_many_processes(args.processes, args.seed + args.renders, temporary, folder) if args.processes else []
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        wrong += in_one_process(args.renders, args.seed, folder / "2") if args.renders else []
        left = [path.name for place in folder.iterdir() for path in place.iterdir() if path.name not in OUTPUTS]
        left += [path.name for path in temporary.iterdir()]
        wrong += [f"left behind: {', '.join(sorted(left))}"] if left else []
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
