"""What a result must say beside its numbers, and how it is written."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import torch

from c3drender.bench import machine

REPO = Path(__file__).resolve().parent.parent
RESULTS = REPO / "benchmarks" / "results"


def describe(device: torch.device, commit: str | None = None) -> dict[str, str]:
    """``commit``: of a copy of the sources that has no history of its own."""
    on_gpu = device.type == "cuda"
    return machine.describe(device) | {
        "driver": _answer("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader") if on_gpu else "none",
        "commit": commit or _answer("git", "-C", str(REPO), "describe", "--always", "--dirty", "--abbrev=40"),
    }


def write_result(path: Path, device: torch.device, result: dict[str, Any], commit: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": describe(device, commit)} | result, indent=1) + "\n")
    print(f"written: {path.name}")


def _answer(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
