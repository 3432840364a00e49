"""`benchmarks/gpu_check.py`, as far as it runs without a GPU."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from c3drender import ops
from c3drender.bench.cases import Case, two_layers
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
    size = gpu_check.FrameSize(24, 16, (3, 4), (1, 2))
    rows = gpu_check.measure_cases(gpu_check.all_cases(size), CPU, 0.0, 1e9)
    measured = {row.op for row in rows}
    defined = {name.partition("::")[2] for name in torch._C._dispatch_get_all_op_names() if name.startswith("c3drender::")}
    assert any(name.endswith("kept memory") for name in measured)
    for op in defined:
        forward = op.removesuffix("_bwd").removesuffix("_out")
        assert any(name.startswith(forward) and name.endswith("backward") == op.endswith("_bwd") for name in measured), op
    for row in rows:
        assert row.median_ms > 0
        assert gpu_check.of_copy(row, 1e9) == pytest.approx(row.least_bytes / (1e-3 * row.median_ms) / 1e9)


def test_bytes_are_those_of_inputs_and_outputs(gpu_check: ModuleType) -> None:
    size = gpu_check.FrameSize(20, 10, (5,), (3,))
    work = next(iter(gpu_check.all_cases(size))).prepare(CPU)
    points, pixels = 260, 3 * 20 * 10
    assert work.num_points == points
    assert work.least_bytes(work.run()) == 4 * (points * (3 + 1 + 5) + pixels * (5 + 2))


def test_peers_draw_the_same_picture(gpu_check: ModuleType) -> None:
    """One layer through the pixel centres: a bilinear splat reproduces it, coverage and disparity too. A hole stays empty."""
    size = gpu_check.FrameSize(24, 16, (3,), (1,))
    assert any("plain torch" in case.op for case in gpu_check.peer_cases(size))
    camera = Camera.for_photo(24, 16).with_pose(torch.eye(3, 4))
    xyz, radius = two_layers(camera, CPU)
    front = slice(0, 24 * 16 - 1)
    rgb = torch.rand(24 * 16 - 1, 3)
    feat, alpha, disp = sys.modules["peers"].plain_torch_splat(xyz[front].contiguous(), rgb, radius[front], camera)()
    torch.testing.assert_close(feat.flatten(0, 1)[front], rgb, atol=1e-4, rtol=0)
    torch.testing.assert_close(disp.flatten()[front], 1 / xyz[front, 2], atol=1e-4, rtol=0)
    torch.testing.assert_close(alpha.flatten()[front], torch.ones(24 * 16 - 1), atol=1e-4, rtol=0)
    assert alpha[-1, -1] < 1e-4


def test_peers_see_through_the_same_camera(gpu_check: ModuleType) -> None:
    """A point that a moved camera sees elsewhere, or not at all."""
    pose = torch.eye(3, 4)
    pose[0, 3] = 1.0
    camera = Camera.for_photo(24, 16).with_pose(pose)
    xyz = torch.tensor([[0.0, 0.0, 6.0], [0.0, 0.0, -6.0]])  # focal length 24 px: 4 px to the right; behind the camera
    _, alpha, _ = sys.modules["peers"].plain_torch_splat(xyz, torch.ones(2, 1), torch.ones(2), camera)()
    assert alpha.sum() == pytest.approx(1.0)
    assert alpha[7:9, 15:17].tolist() == [[0.25, 0.25], [0.25, 0.25]]
    ours = ops.splat_points(xyz, torch.ones(2, 1), 0.3, camera)
    torch.testing.assert_close(ours.alpha > 0, alpha > 0)


def test_what_does_not_fit_is_said(gpu_check: ModuleType) -> None:
    def build(case: Case, device: torch.device) -> None:
        raise MemoryError

    (row,) = gpu_check.measure_cases([Case("huge", 1, 1, None, None, build)], CPU, 0.0, 1.0)
    assert row.median_ms is None and gpu_check.as_json(row, 1.0)["of_copy"] is None
    assert "not enough memory" in gpu_check.line(row, 1.0)


def test_a_failing_test_run_is_reported(gpu_check: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_check.run_tests([sys.executable, "-c", "print('3 passed')"])["summary"] == "3 passed"
    assert not gpu_check.run_tests([sys.executable, "-c", "raise SystemExit('broken')"])["passed"]
    assert "FAILED" in capsys.readouterr().out
