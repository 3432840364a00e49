"""How long something takes on a device, and how fast the device itself is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

TRIAD_FLOATS = 1 << 25  # 128 MiB per array, beyond any cache but the largest servers'
MATRIX_SIDE = 2048
RUNS_IN_QUEUE = 10


def run_ms(run: Callable[[], object], device: torch.device) -> float:
    """Of one run. On a GPU, whose own clock measures, of one in a queue of several: the device does not wait for Python."""
    if device.type == "cuda":
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(RUNS_IN_QUEUE):
            run()
        stop.record()
        stop.synchronize()
        return start.elapsed_time(stop) / RUNS_IN_QUEUE
    started = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - started)


def median_ms(run: Callable[[], object], device: torch.device, *, repeats: int = 1, seconds: float = 0.0) -> float:
    """Of ``repeats`` runs, and of more as long as they fit in ``seconds``."""
    run_ms(run, device)  # the first loads kernels and fills torch's memory pool
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < repeats or time.perf_counter() < end:
        taken.append(run_ms(run, device))
    return statistics.median(taken)


def medians_in_turns_ms(runs: Mapping[str, Callable[[], object]], device: torch.device, repeats: int) -> dict[str, float]:
    """Medians of runs that take turns, each turn in another order, so that what else the machine does, and what a run leaves
    behind, such as the pages that the next one gets for its results, meets them alike: of an even number of runs, each follows
    each other one equally often (Williams, "Experimental designs balanced for the estimation of residual effects", 1949)."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    zigzag = [(k + 1) // 2 if k % 2 else -(k // 2) for k in range(len(names))]
    for turn in range(repeats + 1):
        for name in (names[(turn + step) % len(names)] for step in zigzag):
            elapsed_ms = run_ms(runs[name], device)
            if turn > 0:
                taken[name].append(elapsed_ms)
    return {name: statistics.median(values) for name, values in taken.items()}


def triad_bytes_per_s(device: torch.device, repeats: int) -> float:
    """Of ``a = b + s c``: two reads and one write per element."""
    b, c = torch.ones(2, TRIAD_FLOATS, device=device)
    a = torch.empty_like(b)
    return 3 * b.nbytes / (1e-3 * median_ms(lambda: torch.add(b, c, alpha=3.0, out=a), device, repeats=repeats))


def multiply_add_flop_per_s(device: torch.device, repeats: int) -> float:
    """Of a product of float32 matrices, which comes nearest to what the arithmetic units can do."""
    a, b = torch.ones(2, MATRIX_SIDE, MATRIX_SIDE, device=device)
    out = torch.empty_like(a)
    return 2 * MATRIX_SIDE**3 / (1e-3 * median_ms(lambda: torch.mm(a, b, out=out), device, repeats=repeats))
