"""`benchmarks/gpu_check.py`, as far as it runs without a GPU."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from c3drender.data import Camera

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def gpu_check() -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import gpu_check
    finally:
        sys.path.remove(str(BENCHMARKS))
    return gpu_check


def test_every_op_is_measured_in_both_directions(gpu_check: ModuleType) -> None:
    size = gpu_check.Size(24, 16, (3, 4), (1, 2))
    rows = gpu_check.measure_cases(gpu_check.all_cases(size, CPU), CPU, 0.0, 1e9)
    measured = {row.op for row in rows}
    defined = {name.partition("::")[2] for name in torch._C._dispatch_get_all_op_names() if name.startswith("c3drender::")}
    for op in defined:
        forward = op.removesuffix("_bwd")
        assert any(name.startswith(forward) and name.endswith("backward") == op.endswith("_bwd") for name in measured), op
    for row in rows:
        assert row.median_ms > 0 and row.of_copy == pytest.approx(row.least_bytes / (1e-3 * row.median_ms) / 1e9)


def test_bytes_are_those_of_inputs_and_outputs(gpu_check: ModuleType) -> None:
    size = gpu_check.Size(20, 10, (5,), (3,))
    case = next(iter(gpu_check.all_cases(size, CPU)))
    points, pixels = 260, 3 * 20 * 10
    assert case.least_bytes(case.run()) == 4 * (points * (3 + 1 + 5) + pixels * (5 + 2))


def test_peers_draw_the_same_picture(gpu_check: ModuleType) -> None:
    """Of one colour everywhere: whatever the weights, that colour."""
    size = gpu_check.Size(24, 16, (3,), (1,))
    camera = Camera.for_photo(24, 16)
    assert any("plain torch" in case.op for case in gpu_check.peer_cases(size, CPU))
    gpu_cases = sys.modules["gpu_cases"]
    xyz, radius = gpu_cases.two_layers(camera, CPU)
    (picture,) = gpu_cases.plain_torch_splat(xyz, torch.full((len(xyz), 3), 0.25), radius, camera)()
    torch.testing.assert_close(picture, torch.full_like(picture, 0.25))


def test_what_does_not_fit_is_said(gpu_check: ModuleType) -> None:
    def run() -> None:
        raise MemoryError

    (row,) = gpu_check.measure_cases([gpu_check.Case("huge", 1, 1, None, None, (), run)], CPU, 0.0, 1.0)
    assert row.median_ms is None and "not enough memory" in gpu_check.line(row)


def test_a_failing_test_run_is_reported(gpu_check: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_check.run_tests([sys.executable, "-c", "print('3 passed')"])["summary"] == "3 passed"
    assert not gpu_check.run_tests([sys.executable, "-c", "raise SystemExit('broken')"])["passed"]
    assert "FAILED" in capsys.readouterr().out
