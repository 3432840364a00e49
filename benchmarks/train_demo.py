"""Training runs that a CPU finishes in half an hour, judged on procedural scenes that they never saw.

    python benchmarks/train_demo.py render|motion [--resume]

Trains as `c3drender train STAGE --config benchmarks/train_STAGE.json` would, on one thread, and copies the run's logs and a
summary to benchmarks/results. Stage two is compared with colours alone: the same points, splatted with both compositors,
divided by their coverage and blended. Stage one with the field that the hints alone span, with the sample's true mean flow
everywhere, and with no flow.
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
STAGES = {"render": (RenderConfig, train_render), "motion": (MotionConfig, train_motion)}


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
    made_by, started = commit(), time.process_time()
    train(config, resume=args.resume, device="cpu")
    seconds = time.process_time() - started

    results = HERE / "results"
    results.mkdir(exist_ok=True)
    for table in ("train", "validation"):
        shutil.copyfile(Path(config.out) / f"{table}.csv", results / f"train_{args.stage}_{table}.csv")
    judged = last_row(Path(config.out) / "validation.csv")
    summary = {"commit": made_by, "machine": platform.machine(), "torch": torch.__version__, "cpu_seconds": round(seconds)}
    text = json.dumps(summary | {"validation": judged}, indent=1)
    (results / f"train_{args.stage}.json").write_text(text + "\n")
    print(f"{seconds:.0f} s of CPU, one thread, {config.schedule.num_validation} unseen scenes")
    for name, value in judged.items():
        print(f"{name:20} {value:10.4f}")


if __name__ == "__main__":
    main()
