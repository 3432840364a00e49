"""The case table under pytest-benchmark, every op forward and backward at 1280x720, and what else splats here beside it.

    pytest benchmarks/test_speed.py
    pytest benchmarks/test_speed.py -k splat_points --benchmark-autosave    then, after a change, with --benchmark-compare

C3D_DEVICE=cuda measures on a GPU, Python and the wait for the device included (gpu_check.py leaves them out).
"""

from __future__ import annotations

import os

import pytest
import torch
from peers import peer_cases
from pytest_benchmark.fixture import BenchmarkFixture

from c3drender.bench.cases import Case, all_cases
from c3drender.bench.table import SIZE

DEVICE = torch.device(os.environ.get("C3D_DEVICE", "cpu"))
CASES = [
    case for case in (*all_cases(SIZE), *peer_cases(SIZE)) if DEVICE.type == "cuda" or not case.op.startswith("PyTorch3D")
]


def name_of(case: Case) -> str:
    return case.op if case.channels is None else f"{case.op}, {case.channels} channels"


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_speed(benchmark: BenchmarkFixture, case: Case) -> None:
    work = case.prepare(DEVICE)
    least_bytes = work.least_bytes(work.run())
    benchmark.extra_info |= {"least_bytes": least_bytes, "points": work.num_points, "pixels": case.num_pixels}

    def run() -> None:
        work.run()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize(DEVICE)

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
