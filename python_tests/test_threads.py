"""The threads that ops run on: any number, from any thread, after a fork."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import c3drender as c3d


def painted(seed: int = 0) -> torch.Tensor:
    """Of an op with hundreds of short runs."""
    height, width = 40, 56
    rgb = torch.rand(height, width, 3, generator=torch.Generator().manual_seed(seed))
    hole = torch.zeros(height, width, dtype=torch.bool)
    hole[10:30, 12:40] = True
    wall = torch.full((height, width), 0.5)
    return c3d.ops.inpaint_layers(rgb, torch.where(hole, 1.0, wall), hole, wall, tear_disp=0.02)[0]


def test_any_number_of_threads_gives_the_same_bits() -> None:
    wanted = painted()
    before = torch.get_num_threads()
    try:
        for count in (1, 2, 7, 3):
            torch.set_num_threads(count)
            assert torch.equal(painted(), wanted)
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted on Linux")
def test_no_more_threads_than_cores() -> None:
    program = """
import os, sys, torch
sys.path.insert(0, {tests!r})
from test_threads import painted
torch.set_num_threads(len(os.sched_getaffinity(0)) + 20)
torch.ones(1 << 22).exp_()  # on all of torch's own
before = len(os.listdir("/proc/self/task"))
painted()
assert len(os.listdir("/proc/self/task")) < before + 20
"""
    command = [sys.executable, "-c", program.format(tests=str(Path(__file__).parent))]
    assert subprocess.run(command, timeout=120).returncode == 0


def test_many_callers_at_once_get_their_own_results() -> None:
    wanted = [painted(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as callers:
        for found in callers.map(lambda i: (i % 8, painted(i % 8)), range(64)):
            assert torch.equal(found[1], wanted[found[0]])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    program = """
import os, sys, torch
sys.path.insert(0, {tests!r})
from test_threads import painted
torch.set_num_threads(3)
wanted = painted()
child = os.fork()
if child == 0:
    os._exit(0 if all(torch.equal(painted(), wanted) for _ in range(3)) else 1)
status = os.waitpid(child, 0)[1]
assert torch.equal(painted(), wanted)
sys.exit(os.waitstatus_to_exitcode(status))
"""
    command = [sys.executable, "-c", program.format(tests=str(Path(__file__).parent))]
    assert subprocess.run(command, timeout=120).returncode == 0


def test_threads_of_a_torch_that_comes_later_wait_asleep() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    policy = "import os; print(os.environ.get('OMP_WAIT_POLICY'))"
    for given, first, wanted in ((None, "", "passive"), ("active", "", "active"), (None, "import torch; ", "None")):
        told = environment if given is None else {**environment, "OMP_WAIT_POLICY": given}
        program = f"{first}import c3drender; {policy}"
        found = subprocess.run([sys.executable, "-c", program], env=told, capture_output=True, text=True, check=True)
        assert found.stdout.strip() == wanted
