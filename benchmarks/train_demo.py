"""A training run that a CPU finishes in minutes, judged on procedural scenes that it never saw.

    python benchmarks/train_demo.py render|motion [--resume]

Trains as `c3drender train <stage> --config benchmarks/train_<stage>.json` would, on one thread, and copies the run's logs and
a summary to benchmarks/results. ``render`` compares the learned frames with colours alone: the same points under both
compositors. ``motion`` compares the network's flow with the hints that it was given.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import shutil
import subprocess
import time
from pathlib import Path

import torch

from c3drender.networks.training import MotionConfig, RenderConfig, read_config, train_motion, train_render

HERE = Path(__file__).resolve().parent
STAGES = {"motion": (MotionConfig, train_motion), "render": (RenderConfig, train_render)}


def last_row(path: Path) -> dict[str, float]:
    with path.open(newline="") as file:
        return {name: float(value) for name, value in list(csv.DictReader(file))[-1].items()}


def commit() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--resume", action="store_true", help="continue a run that was stopped")
    args = parser.parse_args()
    torch.set_num_threads(1)
    kind, train = STAGES[args.stage]
    config = read_config(HERE / f"train_{args.stage}.json", kind)
    started = time.process_time()
    train(config, resume=args.resume, device="cpu")
    seconds = time.process_time() - started

    results = HERE / "results"
    results.mkdir(exist_ok=True)
    for table in ("train", "validation"):
        shutil.copyfile(Path(config.out) / f"{table}.csv", results / f"train_{args.stage}_{table}.csv")
    judged = last_row(Path(config.out) / "validation.csv")
    summary = {"commit": commit(), "machine": platform.machine(), "torch": torch.__version__, "cpu_seconds": round(seconds)}
    (results / f"train_{args.stage}.json").write_text(json.dumps(summary | {"validation": judged}, indent=1) + "\n")
    print(f"{seconds:.0f} s of CPU, one thread, {config.schedule.num_validation} unseen scenes")
    for name, value in judged.items():
        print(f"{name:20} {value:10.4f}")


if __name__ == "__main__":
    main()
