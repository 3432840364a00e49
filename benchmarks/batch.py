"""Many photos by `c3drender batch`: how fast, and what is left after everything that can go wrong has gone wrong.

    python benchmarks/batch.py                      everything, some fifteen minutes on two quiet cores
    python benchmarks/batch.py --throughput         two workers against one process, of one thread each: three minutes
    python benchmarks/batch.py --disturbed          a full disk, killed workers and drivers, damaged photos
    python benchmarks/batch.py --nodes              two machines, in network namespaces, of which one goes down
    python benchmarks/batch.py --memory PHOTO       what rendering takes, against what `c3drender.jobs.memory` asks for

Real Ray, real processes. The photos are made here: small ones, a tenth of them damaged, and one that claims 30,000 pixels a
side. The run that is disturbed meets a full disk first, then loses a random worker every few seconds and its driver twice.
Outputs are animated WebP: the x264 in PyAV's wheels writes other bytes from run to run for the same frames.
Needs ``pip install c3drender[batch]``; the full disk and the namespaces also root's rights.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import PIL.Image
import torch
from batch_cases import FRAMES, HEIGHT, WIDTH, Batch, checksums, make_photos, workers_of
from batch_nodes import two_nodes
from machine import write_result

MIB = 2**20
MS = 1e3
LEAST_RATIO = 1.8
LEAST_BETWEEN_KILLS = 8  # photos
LINE = (
    "alone {alone_s:.3f} s a photo, two workers {both_s:.3f}: {ratio:.2f} times; beside rendering {beside_alone_ms:.1f} ms "
    "a photo alone, {beside_ray_ms:.1f} by Ray; processor: alone {processor_alone_ms:.0f} ms, a worker "
    "{processor_worker_ms:.0f}, command {processor_command_ms:.1f}, Ray's own {processor_ray_ms:.1f}; first result after "
    "{first_alone_s:.1f} and {first_both_s:.1f} s; load {load:.1f}"
)
MEMORY_CASES: tuple[tuple[int, dict[str, Any]], ...] = (
    (640, {}),
    (1280, {}),
    (1920, {}),
    (1280, {"stereo": "sbs"}),
    (1280, {"codec": "av1"}),
    (3840, {}),
)


def throughput(count: int, repeats: int) -> dict[str, Any]:
    """In turns, so that neighbours meet both. Beside the ratio of the times, which they disturb, that of the processor's."""
    runs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photos(folder / "photos", count, damaged=False)
        for repeat in range(repeats):
            alone = Batch(folder / "photos", folder / f"alone_{repeat}", "--workers", "0", "--cpus", "1")
            assert alone.end()[0] == 0
            both = Batch(folder / "photos", folder / f"both_{repeat}", "--workers", "2")
            assert both.end()[0] == 0
            assert checksums(folder / f"alone_{repeat}") == checksums(folder / f"both_{repeat}")
            runs.append(compared(alone, both))
            print(LINE.format(**runs[-1]), flush=True)
    median = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    fastest = min(run["alone_s"] for run in runs) / min(run["both_s"] for run in runs)
    print(
        f"{count} photos of {WIDTH} x {HEIGHT}: median {median['ratio']:.2f} times, fastest by fastest {fastest:.2f} "
        f"(goal: {LEAST_RATIO}); by the processor's time two free cores give {median['ratio_by_processor']:.2f}",
        flush=True,
    )
    holds = max(median["ratio"], fastest) >= LEAST_RATIO
    return {
        "holds": holds,
        "photos": count,
        "ratio": median["ratio"],
        "ratio_of_fastest": fastest,
        "median": median,
        "runs": runs,
    }


def compared(alone: Batch, both: Batch) -> dict[str, float]:
    """Numbers of a pair of runs."""
    one, two = alone.processor(), both.processor()
    return {
        "alone_s": alone.per_photo(),
        "both_s": both.per_photo(),
        "ratio": alone.per_photo() / both.per_photo(),
        "ratio_by_processor": 2 * one["command"] / sum(two.values()),
        "beside_alone_ms": MS * (alone.per_photo() - alone.in_worker()),
        "beside_ray_ms": MS * (2 * both.per_photo() - both.in_worker()),
        "processor_alone_ms": MS * one["command"],
        "processor_worker_ms": MS * two["workers"],
        "processor_command_ms": MS * two["command"],
        "processor_ray_ms": MS * two["ray"],
        "first_alone_s": alone.times[0] - alone.started,
        "first_both_s": both.times[0] - both.started,
        "load": os.getloadavg()[0],
    }


class Killer(threading.Thread):
    """SIGKILL for a random worker of a batch, every few seconds, while it runs: later where the machine is so slow that few
    photos have been done since the last."""

    def __init__(self, batch: Batch, every_s: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.killed, self._batch, self._every_s, self._random = 0, batch, every_s, random.Random(seed)

    def run(self) -> None:
        driver = self._batch.process
        while driver.poll() is None:
            done = len(self._batch.results)
            time.sleep(self._every_s * self._random.uniform(0.5, 1.5))
            while driver.poll() is None and len(self._batch.results) < done + LEAST_BETWEEN_KILLS:
                time.sleep(0.2)
            workers = workers_of(driver.pid)
            if workers:
                os.kill(self._random.choice(workers), signal.SIGKILL)
                self.killed += 1


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[bool]:
    """A file system of so many bytes at ``folder``; False where nothing may be mounted."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", folder], capture_output=True)
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", folder], check=True)


class Steps:
    """What each run of a study ended with, printed and kept."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def add(self, name: str, run: Batch, out: Path, **more: int) -> None:
        status, said = run.end()
        seconds = round(time.monotonic() - run.started, 1)
        counts = {"status": status, "seconds": seconds, "outputs": len(checksums(out)), **more}
        counts["retried"] = sum(result["deaths"] for result in run.results)
        last = ([line for line in said.splitlines() if "(raylet)" not in line] or [""])[-1]
        self.told.append({"step": name, **counts, "said": re.sub(r"; \S*/report[-0-9]*.html", "", last)})
        print(f"{name}: {', '.join(f'{key} {value}' for key, value in counts.items())}; {last}", flush=True)


def disturbed(count: int, kill_every_s: float) -> dict[str, Any]:
    """Everything that can go wrong."""
    steps = Steps()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = make_photos(folder / "photos", count, damaged=True)
        calm = Batch(folder / "photos", folder / "calm", "--workers", "2")
        steps.add("undisturbed", calm, folder / "calm")
        expected = checksums(folder / "calm")
        taken = sum(path.stat().st_size for path in (folder / "calm").iterdir())
        out = folder / "out"
        with small_disk(out, taken // 3) as is_small:
            if is_small:
                steps.add("full disk", Batch(folder / "photos", out, "--workers", "2"), out)
                subprocess.run(["mount", "-o", f"remount,size={taken * 4}", out], check=True)
            else:
                print("full disk: left out, nothing may be mounted here", flush=True)
            for attempt, share in enumerate((0.5, 0.75, 2.0)):
                run = Batch(folder / "photos", out, "--workers", "2")
                killer = Killer(run, kill_every_s, attempt)
                killer.start()
                while run.process.poll() is None:
                    time.sleep(0.2)
                    if len(list(out.glob("*.webp"))) >= share * len(expected):
                        run.process.kill()
                steps.add(f"run {attempt + 1}", run, out, killed=killer.killed)
            last = Batch(folder / "photos", out, "--workers", "2", "--retry-failed")
            steps.add("last, left alone, --retry-failed", last, out)
            checks = judged(out, good, expected, last.results)
    return {
        "holds": all(checks.values()),
        "photos": count,
        "kill_every_s": kill_every_s,
        "steps": steps.told,
        "checks": checks,
    }


def judged(out: Path, good: dict[str, bool], expected: dict[str, str], results: list[dict]) -> dict[str, bool]:
    """What is there against what should be."""
    by_name = {Path(result["photo"]).name: result for result in results}
    got = checksums(out)
    wanted = {Path(name).stem + ".webp" for name, is_good in good.items() if is_good}
    bad = [by_name.get(name, {"state": "", "reason": ""}) for name, is_good in good.items() if not is_good]
    others = [path.name for path in out.iterdir() if re.search(r"\.(part|old)", path.name)]
    checks = {
        f"{len(wanted)} good photos have their output": set(got) == wanted == set(expected),
        "each is what the undisturbed run made": got == expected,
        f"{len(bad)} bad ones have a reason": all(
            result["state"] == "failed" and result["reason"].startswith("photo: ") for result in bad
        ),
        "each photo has one row": len(by_name) == len(results) == len(good),
        "no part file is left": not others,
    }
    for line, holds in checks.items():
        print(f"{'yes' if holds else 'NO '} {line}", flush=True)
    return checks


def measure_memory(photo: str, size: int, options: dict[str, Any]) -> None:
    """Peak resident memory of a render in this process, against the estimate."""
    from c3drender.jobs.memory import needed_bytes
    from c3drender.jobs.run import Job, run_job

    out = Path(tempfile.mkdtemp()) / "out.mp4"
    width, height = PIL.Image.open(photo).size
    run_job(Job(photo, str(out), {"size": size, "frames": FRAMES} | options))
    shutil.rmtree(out.parent)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    asked = needed_bytes(height, width, {"size": size} | options) / MIB
    print(f"{size:5d} px {options or ''}: takes {peak:.0f} MiB, asks for {asked:.0f} MiB", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=500, help="how many (default: 500)")
    parser.add_argument("--kill-every", type=float, default=6.0, help="seconds, on average (default: 6)")
    parser.add_argument("--throughput", action="store_true", help="only that, with 60 photos unless told")
    parser.add_argument("--repeats", type=int, default=3, help="of the throughput (default: 3)")
    parser.add_argument("--disturbed", action="store_true", help="only that")
    parser.add_argument("--nodes", action="store_true", help="only the two machines")
    parser.add_argument("--memory", metavar="PHOTO", help="only that, of this photo")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write batch_throughput.json and so on there")
    args = parser.parse_args()
    if args.memory:
        for size, options in MEMORY_CASES:
            process = multiprocessing.get_context("spawn").Process(target=measure_memory, args=(args.memory, size, options))
            process.start()
            process.join()
        return 0
    parts = {
        "throughput": lambda: throughput(60 if args.photos == parser.get_default("photos") else args.photos, args.repeats),
        "disturbed": lambda: disturbed(args.photos, args.kill_every),
        "nodes": two_nodes,
    }
    holds = True
    for name in [name for name in parts if getattr(args, name)] or parts:
        result = parts[name]()
        holds = result["holds"] and holds
        if args.out:
            write_result(args.out / f"batch_{name}.json", torch.device("cpu"), result)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
