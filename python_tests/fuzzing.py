"""What `fuzz_ops.py` and `fuzz_files.py` share: random choices from one seed, and many attempts in a process whose memory and
whose time for each are limited."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import resource
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
LIMIT_BYTES = 8 << 30  # of address space, of which an interpreter with torch takes three
LIMIT_S = 60  # of the processor, for an attempt
LIMIT_ASLEEP_S = 900  # of the clock: the machine may be busy
WRITE_S = 10  # between two writings of a log
UNIFORM = np.random.default_rng(0).random(1 << 20, np.float32)  # from which attempts cut their numbers
KINDS = ("refused", "answered", "plain", "on meta", "read", "found")  # what an attempt can come to


class Dice:
    """Random choices from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.choices = random.Random(seed)  # for single ones, of which most attempts are made, ten times as quick as NumPy's

    @cached_property
    def numbers(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    def below(self, end: int) -> int:
        return int(self.choices.random() * end)

    def one_of(self, items: Any) -> Any:
        return items[self.below(len(items))]

    def hits(self, chance: float) -> bool:
        return self.choices.random() < chance

    def tensor(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        count = prod(shape)
        at = self.below(max(len(UNIFORM) - count, 1))
        flat = UNIFORM[at : at + count] if count <= len(UNIFORM) else self.numbers.random(count, np.float32)
        return torch.from_numpy((flat * np.float32(high - low) + np.float32(low)).reshape(shape))

    def side(self) -> int:
        return self.one_of((33, 70) if self.hits(0.05) else (1, 2, 3, 7, 9, 16))

    def num_points(self) -> int:
        return self.one_of((300, 3000) if self.hits(0.05) else (0, 1, 7, 40))


class Found(Exception):
    """An attempt broke the rules."""


Attempt = Callable[[int], str]
"""``f(seed)`` makes one attempt and says what became of it, or raises Found."""


class Progress:
    """What a worker has done, in a file that outlives it: the seed of the attempt being made, and how often each kind came."""

    def __init__(self, path: Path) -> None:
        self.numbers = np.memmap(path, np.int64, "r+")

    @classmethod
    def begin(cls, path: Path) -> Progress:
        np.full(1 + len(KINDS), -1, np.int64).tofile(path)
        return cls(path)

    @property
    def seed(self) -> int:
        return int(self.numbers[0])

    def counts(self) -> Counter[str]:
        return Counter({kind: count for kind, count in zip(KINDS, self.numbers[1:].tolist(), strict=True) if count > 0})


def work(attempt: Attempt, first: int, attempts: int, seconds: float, path: Path) -> None:
    """Attempts from seed ``first`` on, noted in the `Progress` of ``path``."""
    end, numbers = time.monotonic() + seconds, Progress(path).numbers
    numbers[1:] = 0
    for seed in range(first, first + attempts):
        if time.monotonic() > end:
            break
        numbers[0] = seed
        try:
            kind = attempt(seed)
        except Found as found:
            kind = "found"
            print(f"call {seed}: {found}", flush=True)
        numbers[1 + KINDS.index(kind)] += 1


class Log:
    """What was done so far, kept in a JSON file where one is named, from which a later run goes on."""

    def __init__(self, path: Path | None, seed: int) -> None:
        self.path = path
        told = json.loads(path.read_text()) if path and path.exists() else {}
        self.seed: int = told.get("next_seed", seed)
        self.counts = Counter[str](told.get("counts", {}))
        self.found: list[str] = told.get("found", [])
        self.processor_s: float = told.get("processor_s", 0.0)

    def write(self, seed: int, more: Counter[str], used_s: float) -> None:
        if self.path:
            told = {"next_seed": seed, "attempts": (self.counts + more).total(), "counts": dict(self.counts + more)}
            told |= {"found": self.found, "processor_s": round(self.processor_s + used_s, 1)}
            partial = self.path.with_suffix(".partial")
            partial.write_text(json.dumps(told, indent=1) + "\n")
            partial.replace(self.path)


def watch(script: str, what: str, seconds: float, attempts: int, log: Log) -> None:
    """Lets a worker make attempts, and another one where it dies or hangs, until so many are in the log."""
    end = time.monotonic() + seconds
    with TemporaryDirectory(prefix=f"{Path(script).stem}_") as folder:
        path = Path(folder, "progress")
        # With one arena a thread takes little of the limited address space; libgomp ends the process where it gets none.
        own = {
            "TMPDIR": folder,
            "MALLOC_PERTURB_": "197",
            "OMP_WAIT_POLICY": "passive",
            "MALLOC_ARENA_MAX": "1",
            "OPENCV_LOG_LEVEL": "OFF",
        }
        while (left := end - time.monotonic()) > 0 and (still := attempts - log.counts.total()) > 0:
            progress = Progress.begin(path)
            command = [sys.executable, script, "--work", str(path), "--seconds", str(left)]
            command += ["--seed", str(log.seed), f"--{what}", str(still)]
            with TemporaryFile() as output:
                with subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | own) as worker:
                    how = follow(worker, progress, log)
                output.seek(0)
                said = output.read().decode(errors="replace").splitlines()
            if progress.seed < 0:
                raise SystemExit(f"the worker never began: {' | '.join(said)[-500:]}")
            news = [line for line in said if line.startswith("call ")]
            if how:
                news.append(f"call {progress.seed}: {how}; {' | '.join(line for line in said if line not in news)[-500:]}")
            for line in news:
                print(line, flush=True)
            log.found += news
            log.counts += progress.counts() + Counter({"crash or hang": 1} if how else {})
            log.seed = progress.seed + 1
            log.write(log.seed, Counter(), 0.0)


def follow(worker: subprocess.Popen[bytes], progress: Progress, log: Log) -> str:
    """Waits for a worker; how it failed, or nothing."""
    before, since, spent, spent_before, written = b"", time.monotonic(), 0.0, 0.0, time.monotonic()
    while worker.poll() is None:
        time.sleep(0.2)
        now, clock = progress.numbers.tobytes(), time.monotonic()
        spent = max(spent, processor_s(worker.pid))
        if now != before:
            before, since, spent_before = now, clock, spent
        elif spent - spent_before > LIMIT_S or clock - since > LIMIT_ASLEEP_S:
            worker.kill()
            worker.wait()
            return f"takes more than {LIMIT_S} s of the processor, or waits for ever"
        if clock - written > WRITE_S and progress.seed >= 0:
            written = clock
            log.write(progress.seed, progress.counts(), spent)
    log.processor_s += spent
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
    parser.add_argument(f"--{what}", dest="attempts", metavar="N", type=int, default=10**9, help="at most so many")
    parser.add_argument("--log", type=Path, help="a JSON file that keeps the counts; where it exists, what it counts goes on")
    parser.add_argument("--seed", type=int, default=int(time.time()) * 1_000_000, help="of the first call (default: the time)")
    parser.add_argument("--call", type=int, help="make this call only")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work or args.call is not None:
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if args.work:
        ctypes.CDLL(None).prctl(1, 9)  # ends with its parent
        work(attempt, args.seed, args.attempts, args.seconds, args.work)
        return 0
    if args.call is not None:
        try:
            print(attempt(args.call))
        except Found:
            traceback.print_exc()
            return 1
        return 0
    log = Log(args.log, args.seed)
    print(f"from seed {log.seed}, for {args.seconds:.0f} s", flush=True)
    watch(script, what, args.seconds, args.attempts, log)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(log.counts.items()))
    print(f"{log.counts.total()} {what}: {kinds}; {log.processor_s:.0f} s of the processor")
    return bool(log.found)
