"""What measures speed: `c3drender bench` and the scripts of `benchmarks/`, at sizes that take no time."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
import torch

from c3drender import cli, ops
from c3drender.bench import clock as bench_clock
from c3drender.bench import machine
from c3drender.bench import table as bench
from c3drender.bench.cases import Case, FrameSize, Work, all_cases

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import compare
import peers
import photo_to_mp4
import report
import roofline
import scale
import splat_stages

CPU = torch.device("cpu")
TINY = FrameSize(48, 32, (3,), (1,))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SIZE", TINY)
    monkeypatch.setattr(bench, "FRAMES_SIZE", 64)
    monkeypatch.setattr(bench, "NUM_FRAMES", 3)
    monkeypatch.setattr(bench_clock, "TRIAD_FLOATS", 1000)
    monkeypatch.setattr(bench_clock, "MATRIX_SIDE", 16)


@pytest.mark.usefixtures("tiny")
def test_bench_prints_a_row_of_rates_for_every_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--device", "cpu", "--repeats", "1"]) == 0
    out = capsys.readouterr().out
    for case in all_cases(TINY):
        (row,) = [line for line in out.splitlines() if line[:36].rstrip() == case.op]
        numbers = row[36:].split()
        assert len(numbers) == 6 and float(numbers[1]) > 0 and numbers[-1].endswith("%")
    assert "triad" in out and "GFLOP/s" in out and "frames/s" in out


@pytest.mark.usefixtures("tiny")
def test_bench_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--device", "cpu", "--repeats", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["machine"]) >= {"device", "cpu", "simd", "threads", "torch", "python", "c3drender"}
    assert [row["op"] for row in told["rows"]] == [case.op for case in all_cases(TINY)]
    assert all(row["median_ms"] > 0 for row in told["rows"]) and told["frames_per_s"] > 0


def test_what_the_processor_is(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: A Processor @ 2 GHz\nflags\t\t: fpu avx2 fma bmi2\n")
    assert machine.cpu_model(info) == "A Processor @ 2 GHz" and machine.simd_level(info) == "AVX2"
    info.write_text("flags : avx2 fma bmi2 avx512bw avx512vl avx512dq\n")
    assert machine.simd_level(info) == "AVX-512"
    assert machine.simd_level(tmp_path / "none").endswith("baseline")


def test_a_peer_that_does_not_run_here_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    def build(case: Case, device: torch.device) -> Work:
        raise RuntimeError("no kernel image\nof a kind")

    assert not peers.runs_here(Case("theirs", 1, 1, 3, 1, build), CPU)
    assert capsys.readouterr().out == "theirs does not run here: left out (RuntimeError: no kernel image)\n"
    assert all(peers.runs_here(case, CPU) for case in peers.peer_cases(TINY) if case.op.startswith("plain"))


def test_rates_of_a_row() -> None:
    row = bench.Row("splat", 10, 10, 4, 1, num_points=2_000_000, num_pixels=1_000_000, median_ms=4.0, least_bytes=8_000_000)
    assert bench.line(row, triad=4e9).split() == ["splat", "4", "4.00", "500.0", "250.0", "2.0", "50%"]


def test_too_much_memory_is_said() -> None:
    def build(case: Case, device: torch.device) -> Work:
        raise MemoryError

    row = bench.measure(Case("huge", 1, 1, None, None, build), CPU, repeats=1)
    assert row.median_ms is None and "not enough memory" in bench.line(row, 1e9)


def test_runs_take_turns_in_changing_order_and_the_first_turn_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    times = {"a": [100.0, 1.0, 3.0, 2.0], "b": [100.0, 20.0, 50.0, 30.0]}

    def run_ms(run, device) -> float:
        name = run()
        called.append(name)
        return times[name][called.count(name) - 1]

    monkeypatch.setattr(bench_clock, "run_ms", run_ms)
    assert bench_clock.medians_in_turns_ms({"a": lambda: "a", "b": lambda: "b"}, CPU, 3) == {"a": 2.0, "b": 30.0}
    assert called == ["a", "b", "b", "a"] * 2


def test_each_run_follows_each_other_one_equally_often(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(bench_clock, "run_ms", lambda run, device: called.append(run()) or 1.0)
    bench_clock.medians_in_turns_ms({name: lambda name=name: name for name in "abcdef"}, CPU, 5)
    turns = ["".join(called[i : i + 6]) for i in range(0, 36, 6)]
    assert all(sorted(turn) == list("abcdef") for turn in turns)
    pairs = [turn[i : i + 2] for turn in turns for i in range(5)]
    assert len(set(pairs)) == len(pairs) == 6 * 5


def test_compare_measures_ours_and_the_plain_splat_on_the_same_points() -> None:
    cases = compare.chosen_cases(TINY)
    assert {*compare.OURS, "plain torch, index_add_"} <= {case.op for case in cases}
    found = compare.compare(cases, TINY.width, TINY.height, 1)
    assert all(ms > 0 for ms in found.values())
    works = {case.op: case.prepare(CPU) for case in cases}
    for name, work in works.items():
        for ours, theirs in zip(works[compare.OURS[0]].reads, work.reads, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=0, check_dtype="float16" not in name)
        if "PyTorch3D" not in name:
            assert [t.shape[-1] for t in work.run()] == [3, TINY.width, TINY.width]


# --- scale ------------------------------------------------------------------------------------------------------------


def judged(ms: list[float], memory: list[float]) -> list[bool]:
    axis = scale.Axis("points", tuple((work, scale.Cloud()) for work in (1.0, 4.0, 16.0)), span=4.0)
    found = [(t, int(m)) for t, m in zip(ms, memory, strict=True)]
    return [row.passed for row in scale.judge_axis(axis, found)]


def test_growth_is_judged_over_a_factor_of_work() -> None:
    linear, quadratic = [1.0, 4.0, 16.0], [1.0, 16.0, 256.0]
    assert judged(linear, [10, 40, 160]) == [True, True, True]
    assert judged(quadratic, [10, 40, 160]) == [True, False, False]
    assert judged(linear, [10, 160, 2560]) == [True, False, False]
    # A fixed cost at the beginning does not hide what the end does.
    assert judged([100.0, 100.0, 1600.0], [10, 40, 160]) == [True, True, False]
    close = scale.Axis("layers", tuple((work, scale.Cloud()) for work in (1.0, 2.0, 4.0)), span=4.0)
    rows = scale.judge_axis(close, [(1.0, 1), (100.0, 1), (4.0, 1)])
    assert [row.growth for row in rows] == [None, None, (pytest.approx(1.0), 0.0)]


def test_a_second_thread_must_not_take_longer() -> None:
    (axis,) = [axis for axis in scale.all_axes("alpha", threads=2) if axis.name == "threads"]
    assert [cloud.threads for _, cloud in axis.clouds] == [1, 2]
    assert [row.passed for row in scale.judge_axis(axis, [(10.0, 5), (9.0, 10)])] == [True, True]
    assert [row.passed for row in scale.judge_axis(axis, [(10.0, 5), (11.0, 5)])] == [True, False]
    assert [row.passed for row in scale.judge_axis(axis, [(10.0, 5), (9.0, 11)])] == [True, False]


def test_worst_cases_are_judged_by_time_and_memory() -> None:
    clouds = scale.worst_clouds("alpha")
    passed = [row.passed for row in scale.judge_worst(clouds, [(1.0, 10), (20.0, 10), (21.0, 10), (1.0, 201)])]
    assert passed == [True, True, False, False]


def test_every_axis_is_long_enough_to_be_judged() -> None:
    for axis in scale.all_axes("alpha", threads=2):
        assert axis.clouds[-1][0] >= axis.span * axis.clouds[0][0], axis.name


@pytest.mark.parametrize("shape", ["even", "one tile", "one depth", "one disc"])
def test_clouds_are_what_they_say(shape: str) -> None:
    cloud = scale.Cloud(num_points=5000, shape=shape)
    xyz, radius, camera = scale.make_points(cloud)
    u, v = camera.fx * xyz[:, 0] / xyz[:, 2] + camera.cx, camera.fy * xyz[:, 1] / xyz[:, 2] + camera.cy
    radius_px = camera.fx * radius / xyz[:, 2]
    assert len(xyz) == len(radius) == 5000
    rest = slice(1, None) if shape == "one disc" else slice(None)
    torch.testing.assert_close(radius_px[rest], torch.full_like(radius_px[rest], 1.5))
    spread = (float(u[rest].max() - u[rest].min()), float(v[rest].max() - v[rest].min()))
    if shape == "one tile":
        for low, high, side in ((u - radius_px, u + radius_px, 32), (v - radius_px, v + radius_px, 16)):
            assert (low.min() // side) == (high.max() // side)
    else:
        assert spread[0] > 0.95 * cloud.width and spread[1] > 0.95 * cloud.height
    assert (xyz[:, 2].unique().numel() == 1) == (shape == "one depth")
    if shape == "one disc":
        alpha = ops.splat_points(xyz[:1], torch.ones(1, 1), radius[:1], camera).alpha
        assert bool((alpha > 0).all()) and xyz[0, 2] == xyz[:, 2].min()


def test_layers_lie_behind_each_other() -> None:
    xyz, _, camera = scale.make_points(scale.Cloud(width=64, height=36, num_points=3 * 64 * 36, layers=3))
    u = camera.fx * xyz[:, 0] / xyz[:, 2]
    first, second, third = xyz[:, 2].chunk(3)
    assert first.max() < second.min() and second.max() < third.min()
    torch.testing.assert_close(u.chunk(3)[0], u.chunk(3)[2], atol=1e-3, rtol=0)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux")
def test_memory_is_at_least_that_of_inputs_and_result() -> None:
    cloud = scale.Cloud(width=640, height=360, num_points=500_000, channels=16)
    ((ms, memory),) = scale.measure_all([cloud], turns=1)
    inputs, result = 4 * cloud.num_points * (3 + 1 + 16), 4 * 640 * 360 * (16 + 2)
    assert ms > 0 and inputs + result < memory < 4 * (inputs + result)


# --- roofline and stages ----------------------------------------------------------------------------------------------


def test_hits_of_a_case_and_its_place_in_the_roofline() -> None:
    num_points, num_hits = roofline.count_hits(48, 32, "alpha")
    assert num_points == 48 * 32 + 48 * 10
    assert 4 * 48 * 32 < num_hits <= roofline.MAX_POINTS * 48 * 32
    flop = roofline.num_flop(num_points, num_hits, 5)
    assert flop - roofline.num_flop(num_points, num_hits, 4) == 2 * num_hits
    case = next(iter(all_cases(TINY)))
    point = roofline.place(case, 2.0, 1.5, 4_000_000, (num_points, num_hits), triad=1e9, peak=1e12)
    assert (point.gbytes_per_s, point.floor_ms, point.stream_ms) == (pytest.approx(2.0), pytest.approx(4.0), 1.5)
    assert point.gflop_per_s == pytest.approx(point.flop_per_byte * point.gbytes_per_s)


def test_chains_of_inlined_functions_are_read_from_the_outside() -> None:
    answers = (
        "0x0000000000401000\n"
        "float32 c3d::cpu::avx512::load<float __vector(16)>(void const*)\na.h:1\n"
        "void c3d::cpu::avx512::draw_narrow<true>(c3d::cpu::TileArgs const&)\na.h:2\n"
        "c3d::cpu::avx512::render_tile(c3d::cpu::TileArgs const&)\na.h:3\n"
        "0xffffffff81000000\n??\n??:0\n"
    )
    assert splat_stages.parse_chains(answers) == [["render_tile", "draw_narrow", "load"], []]


# --- results ----------------------------------------------------------------------------------------------------------


def test_readme_shows_what_was_measured() -> None:
    readme = report.README.read_text()
    assert report.with_table(readme, report.speed_table()) == readme, "run benchmarks/report.py"


def test_the_table_says_times_and_ratios() -> None:
    ms = {"splat_points alpha": 20.0, "plain torch, index_add_": 230.0}
    compared = {"machine": {"threads": "2"}, "comparisons": [{"width": 8, "height": 4, "channels": 4, "ms": ms}]}
    video = {"frames": 60, "width": 8, "height": 4, "preparation_s": 2.0, "total_s": 9.5, "rendered_per_s": 16.0}
    table = report.table(compared, [video | {"peak_bytes": 1_250_000_000}])
    assert "| `alpha` | 20 ms (1.00) |" in table and "230 ms (11.50) |" in table
    assert "| 60 frames of 8x4 | 2.0 s | 9.5 s | 16.0 frames/s | 1.25 GB |" in table
    with pytest.raises(ValueError, match="expected one block"):
        report.with_table("no block", table)


def test_plots_are_the_same_bytes_for_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the plots need matplotlib")
    row = {"ms": 1.0, "work": 1.0, "memory_bytes": 1, "growth": None, "passed": True}
    rows = [
        row | {"axis": axis, "compositor": compositor, "work": work, "ms": math.sqrt(work)}
        for axis in report.AXES
        for compositor in report.COMPOSITORS
        for work in (1.0, 10.0, 100.0)
    ]
    points = [
        {"op": f"splat_points {compositor}", "channels": c, "flop_per_byte": 4.0 / c, "gflop_per_s": 2.0 * c}
        for compositor in report.COMPOSITORS
        for c in (1, 4)
    ]
    limits = {"triad_bytes_per_s": 20e9, "multiply_add_flop_per_s": 200e9, "points": points}
    for name in ("a.svg", "b.svg"):
        report.plot(rows, limits, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "GFLOP/s" in (tmp_path / "a.svg").read_text()


def test_photo_to_mp4_measures_every_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = photo_to_mp4.EXAMPLE
    out = tmp_path / "result.json"
    options = ["--photo", example / "stream_cascade.jpg", "--hints", example / "hints.json", "--size", 96, "--frames", 3]
    monkeypatch.setattr(sys, "argv", ["photo_to_mp4.py", *map(str, options), "--out", str(out)])
    photo_to_mp4.main()
    found = json.loads(out.read_text())
    assert (found["width"], found["height"], found["frames"]) == (96, 64, 3)
    assert found["total_s"] == pytest.approx(sum(found["stages_s"].values()))
    assert found["preparation_s"] < found["total_s"] and found["rendered_per_s"] > 0
    assert found["peak_bytes"] > 50e6
