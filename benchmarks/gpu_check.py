"""Everything that wants a GPU, in one run: tests, sanitizers, and a table of every op. Writes one JSON.

    python benchmarks/gpu_check.py                          a machine with an NVIDIA GPU
    python benchmarks/gpu_check.py --device cpu --quick     small sizes, to see that it works

Exit status 1 where a test or a sanitizer failed; the table is measured all the same.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from gpu_cases import Case, Size, all_cases, peer_cases

import c3drender

REPO = Path(__file__).resolve().parent.parent
RESULTS = REPO / "benchmarks" / "results"
EXAMPLE = Path(c3drender.__file__).parent / "example" / "stream_cascade.jpg"
OP_TESTS = ("python_tests/test_device.py", "python_tests/test_torch.py")
SANITIZERS = ("memcheck", "racecheck")
SIZES = tuple(Size(w, h, (4, 16, 37, 64), (1, 8)) for w, h in ((1280, 720), (1920, 1080), (3840, 2160)))
QUICK_SIZES = (Size(160, 90, (4, 37), (1, 2)),)
COPY_BYTES, QUICK_COPY_BYTES = 1 << 30, 1 << 24
FRAMES, QUICK_FRAMES = 60, 4
SECONDS_PER_CASE, QUICK_SECONDS_PER_CASE = 1.0, 0.02
MIN_RUNS = 3
RUNS_IN_QUEUE = 10


@dataclass(frozen=True)
class Row:
    """A measured case. ``median_ms`` None: not enough memory. Bytes: every input once and every output once."""

    op: str
    width: int
    height: int
    channels: int | None
    cameras: int | None
    median_ms: float | None
    least_bytes: int | None
    of_copy: float | None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--quick", action="store_true", help="small sizes, few repeats, op tests only")
    parser.add_argument("--out", type=Path, help="JSON to write (default: benchmarks/results/<device>-<commit>.json)")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device: cuda needs an NVIDIA GPU and a torch that sees it; try --device cpu --quick")
    device = torch.device(args.device)
    report: dict[str, Any] = {"machine": describe(device)}
    print(json.dumps(report["machine"], indent=2))

    tests = OP_TESTS if args.quick else ("python_tests",)
    report["tests"] = run_tests([sys.executable, "-m", "pytest", "-q", *tests])
    report["sanitizers"] = sanitize() if device.type == "cuda" else {}
    report |= measure(device, quick=args.quick)

    name = "-".join([*report["machine"]["device"].split(), report["machine"]["commit"][:10]]).replace("/", "-")
    out = args.out or RESULTS / f"{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written: {out}")
    return int(not all(check["passed"] for check in (report["tests"], *report["sanitizers"].values())))


def describe(device: torch.device) -> dict[str, str]:
    on_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else f"{platform.machine()} CPU",
        "driver": answer("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader") if on_gpu else "none",
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "none",
        "python": platform.python_version(),
        "commit": answer("git", "-C", str(REPO), "describe", "--always", "--dirty", "--abbrev=40"),
    }


def answer(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]


# --- right? -----------------------------------------------------------------------------------------------------------


def run_tests(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    lines = done.stdout.strip().splitlines()
    summary = lines[-1] if lines else done.stderr.strip()[-400:]
    print(f"{'passed' if done.returncode == 0 else 'FAILED'}: {' '.join(command[1:])}: {summary}", flush=True)
    if done.returncode:
        print(done.stdout[-20000:], done.stderr[-4000:], flush=True)
    return {"command": command[1:], "passed": done.returncode == 0, "summary": summary}


def sanitize() -> dict[str, dict[str, Any]]:
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        print("compute-sanitizer is not on the path: not run")
        return {}
    tests = [sys.executable, "-m", "pytest", "-q", "-x", OP_TESTS[0]]
    return {name: run_tests([tool, f"--tool={name}", "--error-exitcode=9", *tests]) for name in SANITIZERS}


# --- fast? ------------------------------------------------------------------------------------------------------------


def measure(device: torch.device, *, quick: bool) -> dict[str, Any]:
    seconds = QUICK_SECONDS_PER_CASE if quick else SECONDS_PER_CASE
    sizes = QUICK_SIZES if quick else SIZES
    copy_rate = measure_copy(device, QUICK_COPY_BYTES if quick else COPY_BYTES, seconds)
    print(f"copy: {copy_rate / 1e9:.1f} GB/s")
    rows = [row for size in sizes for row in measure_cases(all_cases(size, device), device, seconds, copy_rate)]
    peers = measure_cases(peer_cases(sizes[0], device), device, seconds, copy_rate)
    return {
        "copy_bytes_per_s": copy_rate,
        "ops": [asdict(row) for row in rows],
        "peers": [asdict(row) for row in peers],
        "frames_per_s": measure_frames(device, QUICK_FRAMES if quick else FRAMES, 160 if quick else 1280),
    }


def measure_copy(device: torch.device, num_bytes: int, seconds: float) -> float:
    """Bytes per second, those read and those written together."""
    source = torch.zeros(num_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * num_bytes / (1e-3 * median_ms(lambda: target.copy_(source), device, seconds))


def measure_cases(cases: Iterable[Case], device: torch.device, seconds: float, copy_rate: float) -> list[Row]:
    rows = []
    for case in cases:
        where = (case.op, case.width, case.height, case.channels, case.cameras)
        try:
            least_bytes = case.least_bytes(case.run())
            elapsed_ms = median_ms(case.run, device, seconds)
            row = Row(*where, elapsed_ms, least_bytes, least_bytes / (1e-3 * elapsed_ms) / copy_rate)
        except (torch.OutOfMemoryError, MemoryError):
            row = Row(*where, None, None, None)
        rows.append(row)
        print(line(row), flush=True)
    return rows


def line(row: Row) -> str:
    where = f"{row.op:<36}{row.width:>5}x{row.height:<5} C {row.channels or '-':<4} cameras {row.cameras or '-':<3}"
    if row.median_ms is None:
        return where + "not enough memory"
    return f"{where}{row.median_ms:>10.3f} ms {row.least_bytes / row.median_ms / 1e6:>8.1f} GB/s {row.of_copy:>5.0%} of a copy"


def median_ms(run: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Of as many runs as fit in ``seconds``; on a GPU its own clock measures."""
    clock = gpu_ms if device.type == "cuda" else cpu_ms
    clock(run)  # the first loads kernels and fills torch's memory pool
    taken, end = [], time.perf_counter() + seconds
    while len(taken) < MIN_RUNS or time.perf_counter() < end:
        taken.append(clock(run))
    return statistics.median(taken)


def gpu_ms(run: Callable[[], object]) -> float:
    """Of one in a queue of several, so that the device does not wait for Python."""
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(RUNS_IN_QUEUE):
        run()
    stop.record()
    stop.synchronize()
    return start.elapsed_time(stop) / RUNS_IN_QUEUE


def cpu_ms(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)


def measure_frames(device: torch.device, frames: int, size: int) -> float:
    """Finished pictures per second of the bundled example, its scene prepared beforehand."""
    scene = c3drender.prepare(EXAMPLE, size=size, device=device)
    for frame in c3drender.render_frames(scene, frames=2):
        frame.rgb_u8.cpu()
    start = time.perf_counter()
    for frame in c3drender.render_frames(scene, frames=frames):
        frame.rgb_u8.cpu()
    rate = frames / (time.perf_counter() - start)
    print(f"frames: {rate:.1f} per second, {scene.camera.width} x {scene.camera.height}")
    return rate


if __name__ == "__main__":
    raise SystemExit(main())
