"""Everything that wants a GPU, in one run: tests, sanitizers, and a table of every op. Writes one JSON.

    python benchmarks/gpu_check.py                          a machine with an NVIDIA GPU
    python benchmarks/gpu_check.py --device cpu --quick     small sizes, to see that it works

Exit status 1 where a test or a sanitizer failed; the table is measured all the same.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from machine import REPO, RESULTS, describe, write_result
from peers import peer_cases

from c3drender.bench.cases import Case, FrameSize, all_cases
from c3drender.bench.clock import median_ms
from c3drender.bench.table import Row, frames_per_s, measure

OP_TESTS = ("python_tests/test_device.py", "python_tests/test_torch.py")
SANITIZERS = ("memcheck", "racecheck")
SIZES = tuple(FrameSize(w, h, (4, 16, 37, 64), (1, 8)) for w, h in ((1280, 720), (1920, 1080), (3840, 2160)))
QUICK_SIZES = (FrameSize(160, 90, (4, 37), (1, 2)),)
COPY_BYTES, QUICK_COPY_BYTES = 1 << 30, 1 << 24
FRAMES, QUICK_FRAMES = 60, 4
SECONDS_PER_CASE, QUICK_SECONDS_PER_CASE = 0.2, 0.02
MIN_RUNS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--quick", action="store_true", help="small sizes, few repeats, op tests only")
    parser.add_argument("--out", type=Path, help="JSON to write (default: benchmarks/results/<device>-<commit>.json)")
    parser.add_argument("--commit", help="what these sources are, where they are a copy without a history")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device: cuda needs an NVIDIA GPU and a torch that sees it; try --device cpu --quick")
    device = torch.device(args.device)
    machine = describe(device, args.commit)
    print(json.dumps(machine, indent=2))

    tests = OP_TESTS if args.quick else ("python_tests",)
    commands = {"tests": [sys.executable, "-m", "pytest", "-q", *tests]}
    if device.type == "cuda":
        commands |= sanitizer_commands()
    with ThreadPoolExecutor() as pool:  # at once: they mostly wait for one processor core each
        checks = dict(zip(commands, pool.map(run_tests, commands.values()), strict=True))
    name = "-".join([*machine["device"].split(), machine["commit"][:10]]).replace("/", "-")
    report: dict[str, Any] = {"tests": checks.pop("tests"), "sanitizers": checks}
    for part in measure_speed(device, quick=args.quick):  # written again with each part: a borrowed machine may be taken back
        report |= part
        write_result(args.out or RESULTS / f"{name}.json", device, report, args.commit)
    return int(not all(check["passed"] for check in (report["tests"], *report["sanitizers"].values())))


# --- right? -----------------------------------------------------------------------------------------------------------


def run_tests(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    lines = done.stdout.strip().splitlines()
    summary = lines[-1] if lines else done.stderr.strip()[-400:]
    print(f"{'passed' if done.returncode == 0 else 'FAILED'}: {' '.join(command[1:])}: {summary}", flush=True)
    if done.returncode:
        print(done.stdout[-20000:], done.stderr[-4000:], flush=True)
    return {"command": command[1:], "passed": done.returncode == 0, "summary": summary}


def sanitizer_commands() -> dict[str, list[str]]:
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        print("compute-sanitizer is not on the path: not run")
        return {}
    tests = [sys.executable, "-m", "pytest", "-q", "-x", OP_TESTS[0], "-k", "not million and not 8k"]
    return {name: [tool, f"--tool={name}", "--error-exitcode=9", *tests] for name in SANITIZERS}


# --- fast? ------------------------------------------------------------------------------------------------------------


def measure_speed(device: torch.device, *, quick: bool) -> Iterator[dict[str, Any]]:
    seconds = QUICK_SECONDS_PER_CASE if quick else SECONDS_PER_CASE
    sizes = QUICK_SIZES if quick else SIZES
    copy_rate = measure_copy(device, QUICK_COPY_BYTES if quick else COPY_BYTES, seconds)
    print(f"copy: {copy_rate / 1e9:.1f} GB/s")
    yield {"copy_bytes_per_s": copy_rate}
    rate = frames_per_s(device, QUICK_FRAMES if quick else FRAMES, 160 if quick else 1280)
    print(f"frames: {rate:.1f} per second")
    yield {"frames_per_s": rate}
    peers = measure_cases(peer_cases(sizes[0]), device, seconds, copy_rate)
    yield {"peers": [as_json(row, copy_rate) for row in peers]}
    rows: list[Row] = []
    for size in sizes:
        rows += measure_cases(all_cases(size), device, seconds, copy_rate)
        yield {"ops": [as_json(row, copy_rate) for row in rows]}


def measure_copy(device: torch.device, num_bytes: int, seconds: float) -> float:
    """Bytes per second, those read and those written together."""
    source = torch.zeros(num_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * num_bytes / (1e-3 * median_ms(lambda: target.copy_(source), device, repeats=MIN_RUNS, seconds=seconds))


def measure_cases(cases: Iterable[Case], device: torch.device, seconds: float, copy_rate: float) -> list[Row]:
    rows = []
    for case in cases:
        rows.append(measure(case, device, repeats=MIN_RUNS, seconds=seconds))
        print(line(rows[-1], copy_rate), flush=True)
    return rows


def of_copy(row: Row, copy_rate: float) -> float | None:
    return None if row.median_ms is None else row.least_bytes / (1e-3 * row.median_ms) / copy_rate


def as_json(row: Row, copy_rate: float) -> dict[str, Any]:
    return asdict(row) | {"of_copy": of_copy(row, copy_rate)}


def line(row: Row, copy_rate: float) -> str:
    where = f"{row.op:<36}{row.width:>5}x{row.height:<5} C {row.channels or '-':<4} cameras {row.cameras or '-':<3}"
    if row.median_ms is None:
        return where + "not enough memory"
    rate = row.least_bytes / row.median_ms / 1e6
    return f"{where}{row.median_ms:>10.3f} ms {rate:>8.1f} GB/s {of_copy(row, copy_rate):>5.0%} of a copy"


if __name__ == "__main__":
    raise SystemExit(main())
