"""What `fuzz_ops.py` and `fuzz_files.py` share: random choices from one seed, and many attempts in a process whose memory and
whose time for each are limited."""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import resource
import struct
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
LIMIT_BYTES = 8 << 30  # of address space, of which an interpreter with torch takes three
LIMIT_S = 60  # of the processor, for an attempt
LIMIT_ASLEEP_S = 900  # of the clock: the machine may be busy


class Dice:
    """Random choices from one seed."""

    def __init__(self, seed: int) -> None:
        self.numbers = np.random.default_rng(seed)

    def below(self, end: int) -> int:
        return int(self.numbers.integers(end))

    def one_of(self, items: Any) -> Any:
        return items[self.below(len(items))]

    def hits(self, chance: float) -> bool:
        return bool(self.numbers.random() < chance)

    def tensor(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.from_numpy(self.numbers.uniform(low, high, shape).astype(np.float32))

    def side(self) -> int:
        return self.one_of((1, 2, 3, 7, 16, 33, 70))


class Found(Exception):
    """An attempt broke the rules."""


Attempt = Callable[[int], str]
"""``f(seed)`` makes one attempt and says what became of it, or raises Found."""


def work(attempt: Attempt, first: int, seconds: float, progress: str) -> None:
    """Attempts from seed ``first`` on. ``progress``: a file that always holds the seed of the one being made."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with Path(progress).open("r+b") as file, mmap.mmap(file.fileno(), 16) as note:
        end, seed, counts = time.monotonic() + seconds, first, Counter[str]()
        note[8:] = struct.pack("q", 0)
        while time.monotonic() < end:
            note[:8] = struct.pack("q", seed)
            try:
                counts[attempt(seed)] += 1
            except Found as found:
                counts["found"] += 1
                print(f"call {seed}: {found}", flush=True)
            seed += 1
            note[8:] = struct.pack("q", seed - first)
    print("counts", json.dumps(counts), flush=True)


def watch(script: str, seconds: float, seed: int) -> tuple[Counter[str], list[str]]:
    """Lets a worker make attempts, and another one where it dies or hangs; returns what became of them, and what was found."""
    progress = ROOT / "build" / f"{Path(script).stem}.{os.getpid()}"
    progress.parent.mkdir(exist_ok=True)
    end, counts, found = time.monotonic() + seconds, Counter[str](), list[str]()
    environment = os.environ | {"MALLOC_PERTURB_": "197", "OMP_WAIT_POLICY": "passive", "OPENCV_LOG_LEVEL": "OFF"}
    while (left := end - time.monotonic()) > 0:
        progress.write_bytes(struct.pack("qq", seed, -1))  # -1: not begun
        command = [sys.executable, script, "--work", str(progress), "--seconds", str(left), "--seed", str(seed)]
        with TemporaryFile() as output:
            with subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment) as worker:
                how = follow(worker, progress)
            output.seek(0)
            said = output.read().decode(errors="replace").splitlines()
        at, made = struct.unpack("qq", progress.read_bytes())
        for line in said:
            if line.startswith("counts "):
                counts.update(json.loads(line.removeprefix("counts ")))
        news = [line for line in said if line.startswith("call ")]
        if made < 0:
            raise SystemExit(f"the worker never began: {' | '.join(said)[-500:]}")
        if how:
            news.append(f"call {at}: {how}; {' | '.join(line for line in said if line not in news)[-500:]}")
            counts.update({"before a crash or hang": made, "crash or hang": 1})
        for line in news:
            print(line, flush=True)
        found += news
        seed = at + 1
    progress.unlink()
    return counts, found


def follow(worker: subprocess.Popen[bytes], progress: Path) -> str:
    """Waits for a worker; how it failed, or nothing."""
    before, since, used = b"", time.monotonic(), 0.0
    while worker.poll() is None:
        time.sleep(0.2)
        now = progress.read_bytes()
        if now != before:
            before, since, used = now, time.monotonic(), processor_s(worker.pid)
        elif processor_s(worker.pid) - used > LIMIT_S or time.monotonic() - since > LIMIT_ASLEEP_S:
            worker.kill()
            return f"takes more than {LIMIT_S} s of the processor, or waits for ever"
    return f"ends the process with {worker.returncode}" if worker.returncode else ""


def processor_s(pid: int) -> float:
    """What a process has used so far, in all threads; a busy machine does not count."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(attempt: Attempt, script: str, description: str, what: str) -> int:
    """The command line of a script whose attempts are called ``what``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()) * 1_000_000, help="of the first call (default: the time)")
    parser.add_argument("--call", type=int, help="make this call only")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        ctypes.CDLL(None).prctl(1, 9)  # ends with its parent
        work(attempt, args.seed, args.seconds, args.work)
        return 0
    if args.call is not None:
        try:
            print(attempt(args.call))
        except Found:
            traceback.print_exc()
            return 1
        return 0
    print(f"from seed {args.seed}, for {args.seconds:.0f} s", flush=True)
    counts, found = watch(script, args.seconds, args.seed)
    print(f"{sum(counts.values())} {what}:", ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    return bool(found)
