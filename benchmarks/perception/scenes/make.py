"""Renders scenes: ``python make.py --out DIR --first SEED --count N [--family F] [--seconds S]``.

A scene depends on its family and seed alone. What exists is skipped and files appear whole: a run may be stopped and started
again at will. A scene that fails leaves a ``.failed`` file with the reason and is skipped, too.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
import traceback
from pathlib import Path

from c3drender.perception.training.packed import Example, write_examples

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from scenes.registry import FAMILIES, HELD_OUT  # noqa: E402

SCENES_PER_PROCESS = 8  # Blender leaks: a fresh process now and then bounds it
LONGEST_CPU_S = 240  # per scene, of a process's CPU time: the machine may be busy with other things


def main() -> None:
    parser = argparse.ArgumentParser(description="Renders training scenes, round-robin over the families.")
    parser.add_argument("--out", required=True, type=Path, help="folder to write to")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=1, help="seeds per family")
    parser.add_argument("--family", help="comma-separated; without it all that are trained on")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start nothing after this time")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--jobs", help=argparse.SUPPRESS)  # family:seed,...: render these in this process
    options = parser.parse_args()
    if importlib.util.find_spec("bpy") is None:
        sys.exit("make.py: expected Blender as a module, got none: pip install 'bpy==4.5.*' OpenEXR (Python 3.11)")
    options.out.mkdir(parents=True, exist_ok=True)
    stop = time.monotonic() + options.seconds
    if options.jobs:
        jobs = [(family, int(seed)) for family, seed in (job.split(":") for job in options.jobs.split(","))]
        limit = LONGEST_CPU_S * len(jobs)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        for family, seed in jobs:
            if time.monotonic() < stop:
                _render(options.out, family, seed, options.threads)
        return
    families = options.family.split(",") if options.family else list(FAMILIES)
    unknown = [family for family in families if family not in {**FAMILIES, **HELD_OUT}]
    if unknown:
        sys.exit(f"--family: expected some of {', '.join([*FAMILIES, *HELD_OUT])}, got {', '.join(unknown)}")
    jobs = [(family, seed) for seed in range(options.first, options.first + options.count) for family in families]
    jobs = _open(options.out, jobs)
    while jobs and time.monotonic() < stop:
        _render_apart(options.out, jobs[:SCENES_PER_PROCESS], options.threads, stop)
        jobs = jobs[SCENES_PER_PROCESS:]


def _place(out: Path, family: str, seed: int, suffix: str = ".zip") -> Path:
    return out / f"{family}_{seed:06d}{suffix}"


def _open(out: Path, jobs: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The jobs that have neither a result nor a failure."""
    return [job for job in jobs if not any(_place(out, *job, suffix).exists() for suffix in (".zip", ".failed"))]


def _render_apart(out: Path, batch: list[tuple[str, int]], threads: int, stop: float) -> None:
    """Renders a batch in processes of their own: one, and another for the rest each time that one dies."""
    while (batch := _open(out, batch)) and time.monotonic() < stop:
        command = [sys.executable, __file__, "--out", str(out), "--threads", str(threads)]
        command += ["--jobs", ",".join(f"{family}:{seed}" for family, seed in batch)]
        if stop < float("inf"):
            command += ["--seconds", str(stop - time.monotonic())]
        # Blender reports every sample on stdout.
        code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
        left = _open(out, batch)
        if left and code != 0:
            _place(out, *left[0], ".failed").write_text(f"the process ended with {code}\n")


def _render(out: Path, family: str, seed: int, threads: int) -> None:
    from scenes.parts.passes import Rejected, shoot
    from scenes.parts.stage import new_stage

    started = time.process_time()
    try:
        stage = new_stage(family, seed)
        importlib.import_module(f"scenes.families.{family}").build(stage)
        built = time.process_time()
        shot = shoot(stage, out / f".{os.getpid()}.exr", threads)
    except Rejected as reason:
        _place(out, family, seed, ".failed").write_text(f"{reason}\n")
        return
    except Exception:
        _place(out, family, seed, ".failed").write_text(traceback.format_exc())
        print(f"{family} {seed} failed: {traceback.format_exc(limit=-1)}", file=sys.stderr, flush=True)
        return
    camera = stage.camera
    meta = {
        "family": family,
        "seed": seed,
        "version": {**FAMILIES, **HELD_OUT}[family],
        "focal_px": round(float(camera.focal_px), 3),
        "pitch": round(float(camera.pitch), 5),
        "roll": round(float(camera.roll), 5),
        "height_m": round(float(camera.location[2]), 3),
        **stage.notes,
    }
    maps = shot.rgb, shot.surface, shot.layout, shot.flow, shot.speed
    example = Example(f"{family}/{seed:06d}", *maps, json.loads(json.dumps(meta)), shot.disparity)
    partial = out / f".{os.getpid()}.zip"
    write_examples(partial, [example])
    partial.replace(_place(out, family, seed))
    print(
        f"{family} {seed}: built {built - started:.1f} s, rendered {time.process_time() - built:.1f} s of CPU",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    main()
