"""Many renders of random small photos and options, in one process and in many: does memory grow, does anything stay behind?

    python benchmarks/soak.py [--renders 200] [--processes 20]

Of the renders in one process the resident memory after the first quarter is held against that at the end, and so are open
descriptors and temporary files. The exit status is 1 where memory grows by more than 2 %, or anything is left.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import c3drender as c3d
from c3drender.camera import PRESETS

MOST_GROWTH = 1.02
OUTPUTS = ("o.mp4", "o.gif", "o.webp", "o.webm", "frames")


def render(seed: int, folder: Path) -> None:
    dice = np.random.default_rng(seed)
    height, width = (int(side) for side in dice.integers(24, 120, 2))
    y, x = np.mgrid[:height, :width]
    photo = np.stack([np.sin(x / dice.uniform(3, 20)), np.cos(y / dice.uniform(3, 20)), np.sin((x + y) / 9)], -1) * 0.4 + 0.5
    given: dict[str, Any] = {"depth": (1 + 3 * dice.random() * (y / height) + (x > width / 2)).astype(np.float32)}
    if dice.random() < 0.7:
        given["mask"] = np.hypot(x - width / 2, y - height / 2) < dice.uniform(3, 20)
        given["hints"] = [((width / 2, height / 3), (width / 2, height / 2))]
    given["camera"] = str(dice.choice(list(PRESETS)))
    given["blend"] = str(dice.choice(["phase", "contrast", "linear"]))
    given["frames"] = int(dice.choice([2, 4, 6]))
    out = folder / str(dice.choice(OUTPUTS))
    c3d.render_cinemagraph(photo.astype(np.float32), out, progress=False, **given)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def num_open() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def in_one_process(renders: int, folder: Path) -> list[str]:
    """What is wrong afterwards."""
    warm, started = max(renders // 4, 1), time.monotonic()
    memory, opened = 0, 0
    for n in range(renders):
        render(n, folder)
        if n + 1 == warm:
            gc.collect()
            memory, opened = resident_bytes(), num_open()
    gc.collect()
    growth, more = resident_bytes() / memory, num_open() - opened
    took = time.monotonic() - started
    grown = f"resident {memory / 2**20:.0f} MiB, then {growth:.3f} times as much, {more} descriptors more"
    print(f"one process: {renders} renders in {took:.0f} s, {grown}")
    wrong = [f"memory grows to {growth:.3f} times"] if growth > MOST_GROWTH else []
    return wrong + ([f"{more} descriptors stay open"] if more > 0 else [])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renders", type=int, default=200, help="in one process")
    parser.add_argument("--processes", type=int, default=20, help="of one render each")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak_") as name:
        temporary, folder = Path(name, "tmp"), Path(name, "out")
        temporary.mkdir()
        folder.mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        if args.one is not None:
            render(args.one, folder)
            return 0
        wrong = in_one_process(args.renders, folder)
        for n in range(args.processes):
            done = subprocess.run([sys.executable, __file__, "--one", str(10_000 + n)], capture_output=True, text=True)
            if done.returncode:
                wrong.append(f"process {n} ends with {done.returncode}: {done.stderr[-300:]}")
        print(f"{args.processes} processes of one render each")
        left = sorted(path.name for path in (*temporary.iterdir(), *folder.iterdir()) if path.name not in OUTPUTS)
        wrong += [f"left behind: {', '.join(left)}"] if left else []
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
