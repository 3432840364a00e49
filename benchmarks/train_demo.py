"""A training run that a CPU finishes in minutes, judged on procedural scenes that it never saw.

    python benchmarks/train_demo.py [--resume]

Trains stage two as `c3drender train render --config benchmarks/train_render.json` would, on one thread, and copies the run's
logs and a summary to benchmarks/results. The learned frames are compared with colours alone: the same points, splatted with
both compositors, divided by their coverage and blended.
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

from c3drender.networks.training import RenderConfig, read_config, train_render

HERE = Path(__file__).resolve().parent


def last_row(path: Path) -> dict[str, float]:
    with path.open(newline="") as file:
        return {name: float(value) for name, value in list(csv.DictReader(file))[-1].items()}


def commit() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resume", action="store_true", help="continue a run that was stopped")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = read_config(HERE / "train_render.json", RenderConfig)
    started = time.process_time()
    train_render(config, resume=args.resume, device="cpu")
    seconds = time.process_time() - started

    results = HERE / "results"
    results.mkdir(exist_ok=True)
    for table in ("train", "validation"):
        shutil.copyfile(Path(config.out) / f"{table}.csv", results / f"train_render_{table}.csv")
    judged = last_row(Path(config.out) / "validation.csv")
    summary = {"commit": commit(), "machine": platform.machine(), "torch": torch.__version__, "cpu_seconds": round(seconds)}
    (results / "train_render.json").write_text(json.dumps(summary | {"validation": judged}, indent=1) + "\n")
    print(f"{seconds:.0f} s of CPU, one thread, {config.schedule.num_validation} unseen scenes")
    for name, value in judged.items():
        print(f"{name:20} {value:10.4f}")


if __name__ == "__main__":
    main()
