"""How time and memory of splat_points grow, on the CPU. Exit status 1 where they grow faster than the work.

    python benchmarks/scale.py [--axes points layers ...] [--out FILE]

One axis is changed at a time, from a base of 1280x720, 1.2 million points, 4 channels, radius 1.5 px, one layer, all threads.
Each row is held against the next smaller one of at most 1/{SPAN:.0f} of its work: the growth is log(time ratio) / log(work
ratio), and likewise for memory. 1 is linear, and at most {LIMIT} passes, which leaves room for noise and for the step from
cache to memory. Work is what the axis says: points, pixels, channels, the area that a disc covers, layers. A second thread
must not take longer, and may take twice the memory. Worst cases must stay within {WORST:.0f} times of the even spread of as
many points.

Every row has a process of its own: memory is the peak that the call adds to what its process held before inputs were made. The
rows of an axis take turns, and medians are taken over all turns.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import re
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from machine import write_result
from torch import Tensor

from c3drender import ops
from c3drender.data import Camera

LIMIT = 1.1
SPAN = 16.0
WORST = 20.0
TURNS = 2
SECONDS_PER_ROW = 0.3
MIN_RUNS = 2
CLUSTER = (640, 352, 16)  # px: corner and side of a square that lies in one tile of any implementation here
DEPTH = 3.0


@dataclass(frozen=True)
class Cloud:
    """Points for one camera, each layer a grid in the order of the picture's rows. ``shape``: even, one tile, one depth, one
    disc (the nearest covers the frame)."""

    compositor: ops.Compositor = "alpha"
    width: int = 1280
    height: int = 720
    num_points: int = 1_198_080
    channels: int = 4
    radius_px: float = 1.5
    layers: int = 1
    threads: int = 0  # 0: as many as torch takes
    shape: str = "even"


@dataclass(frozen=True)
class Axis:
    """``clouds`` by their work, ascending. ``most_growth``: of time, and of memory, over a factor of work of ``span``."""

    name: str
    clouds: tuple[tuple[float, Cloud], ...]
    most_growth: tuple[float, float] = (LIMIT, LIMIT)
    span: float = SPAN


@dataclass(frozen=True)
class Row:
    """``growth``: of time and memory, in powers of the work; None where no row has so much less."""

    axis: str
    compositor: str
    work: float
    ms: float
    memory_bytes: int
    growth: tuple[float, float] | None
    passed: bool


@dataclass(frozen=True)
class WorstRow:
    """``times``: of time and memory, how many of the even spread's."""

    shape: str
    compositor: str
    ms: float
    memory_bytes: int
    times: tuple[float, float]
    passed: bool


def all_axes(compositor: ops.Compositor, threads: int) -> Iterator[Axis]:
    base = Cloud(compositor)
    quarter = replace(base, width=640, height=360, num_points=640 * 360)
    frames = ((640, 360), (1280, 720), (1920, 1080), (3840, 2160), (7680, 4320))
    yield Axis(
        "points", tuple((n, replace(base, num_points=n)) for n in (100_000, 500_000, 2_500_000, 12_500_000, 50_000_000))
    )
    yield Axis("pixels", tuple((w * h, replace(base, width=w, height=h, num_points=w * h)) for w, h in frames))
    yield Axis("channels", tuple((c, replace(base, channels=c)) for c in (1, 4, 16, 37, 64, 128)))
    radii = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
    yield Axis("disc area", tuple((math.pi * r * r, replace(base, radius_px=r)) for r in radii))
    layered = ((k, replace(quarter, layers=k, num_points=k * quarter.num_points)) for k in (1, 2, 4, 8, 16, 32, 64))
    yield Axis("layers", tuple(layered))
    yield Axis("threads", tuple((n, replace(base, threads=n)) for n in sorted({1, threads})), (0.0, 1.0), span=2.0)


def worst_clouds(compositor: ops.Compositor) -> tuple[Cloud, ...]:
    even = Cloud(compositor)
    return even, *(replace(even, shape=shape) for shape in ("one tile", "one depth", "one disc"))


def make_points(cloud: Cloud) -> tuple[Tensor, Tensor, Camera]:
    """``xyz [N, 3]`` and ``radius [N]``."""
    camera = Camera.for_photo(cloud.width, cloud.height)
    a_layer = -(-cloud.num_points // cloud.layers)
    columns = math.ceil(math.sqrt(a_layer * cloud.width / cloud.height))
    place = torch.arange(cloud.num_points)
    layer, place = place // a_layer, place % a_layer
    left, top, wide, high = 0, 0, cloud.width, cloud.height
    if cloud.shape == "one tile":
        # No disc reaches over the tile's border.
        margin = math.ceil(cloud.radius_px)
        left, top = CLUSTER[0] + margin, CLUSTER[1] + margin
        wide = high = CLUSTER[2] - 2 * margin
    u = left + (place % columns + 0.5) * (wide / columns)
    v = top + (place // columns + 0.5) * (high / -(-a_layer // columns))
    z = DEPTH + torch.sin(u / 90) + torch.cos(v / 70) + 4 * layer
    if cloud.shape == "one depth":
        z = torch.full_like(z, DEPTH)
    xyz = torch.stack([(u - camera.cx) * z / camera.fx, (v - camera.cy) * z / camera.fy, z], dim=1)
    radius = z * (cloud.radius_px / camera.fx)
    if cloud.shape == "one disc":
        xyz[0], radius[0] = torch.tensor([0.0, 0.0, 0.1]), 1.0
    return xyz, radius, camera


def measure(cloud: Cloud) -> tuple[list[float], int]:
    """Milliseconds of some runs, and the bytes that inputs, result and working memory took at their peak."""
    if cloud.threads:
        torch.set_num_threads(cloud.threads)
    before = _resident_bytes("VmRSS")
    xyz, radius, camera = make_points(cloud)
    feat = torch.ones(cloud.num_points, cloud.channels)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far, which making the points reached
    taken: list[float] = []
    end = math.inf
    with torch.inference_mode():
        while len(taken) <= MIN_RUNS or time.perf_counter() < end:
            started = time.perf_counter()
            ops.splat_points(xyz, feat, radius, camera, compositor=cloud.compositor, max_points=8)
            now = time.perf_counter()
            taken.append(1e3 * (now - started))
            end = min(end, now + SECONDS_PER_ROW)
    return taken[1:], _resident_bytes("VmHWM") - before


def _resident_bytes(name: str) -> int:
    return 1024 * int(re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])


def measure_all(clouds: list[Cloud], turns: int) -> list[tuple[float, int]]:
    """Median milliseconds and peak bytes of each, every run in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["c3drender.ops"])
    with context.Pool(1, maxtasksperchild=1) as pool:
        found = list(pool.imap(measure, clouds * turns, chunksize=1))
    by_cloud = [found[i :: len(clouds)] for i in range(len(clouds))]
    return [
        (statistics.median(ms for taken, _ in turns for ms in taken), max(peak for _, peak in turns)) for turns in by_cloud
    ]


def judge_axis(axis: Axis, found: list[tuple[float, int]]) -> list[Row]:
    rows: list[Row] = []
    for (work, cloud), (ms, memory) in zip(axis.clouds, found, strict=True):
        smaller = [row for row in rows if row.work * axis.span <= work]
        grew = None
        if smaller:
            from_ms, from_memory = smaller[-1].ms, smaller[-1].memory_bytes
            over = math.log(work / smaller[-1].work)
            grew = math.log(ms / from_ms) / over, math.log(memory / from_memory) / over
        passed = grew is None or all(g <= most for g, most in zip(grew, axis.most_growth, strict=True))
        rows.append(Row(axis.name, cloud.compositor, work, ms, memory, grew, passed))
    return rows


def line(row: Row) -> str:
    where = f"{row.axis:<10}{row.compositor:<9}{row.work:>14,.1f}{row.ms:>10.1f}{row.memory_bytes / 1e6:>9.0f}"
    grew = f"{'':>8}{'':>8}" if row.growth is None else f"{row.growth[0]:>8.2f}{row.growth[1]:>8.2f}"
    return f"{where}{grew}   {'pass' if row.passed else 'FAIL'}"


def judge_worst(clouds: tuple[Cloud, ...], found: list[tuple[float, int]]) -> list[WorstRow]:
    """Against the first, the even one."""
    even_ms, even_memory = found[0]
    return [
        WorstRow(
            cloud.shape,
            cloud.compositor,
            ms,
            memory,
            (ms / even_ms, memory / even_memory),
            max(ms / even_ms, memory / even_memory) <= WORST,
        )
        for cloud, (ms, memory) in zip(clouds, found, strict=True)
    ]


def line_of_worst(row: WorstRow) -> str:
    times = "{:>7.2f}x{:>7.2f}x".format(*row.times)
    where = f"{row.shape:<10}{row.compositor:<9}{'':>14}{row.ms:>10.1f}{row.memory_bytes / 1e6:>9.0f}"
    return f"{where}{times}   {'pass' if row.passed else 'FAIL'}"


def main() -> int:
    text = __doc__.format(LIMIT=LIMIT, SPAN=SPAN, WORST=WORST)
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    axes = [axis for compositor in ops.COMPOSITORS for axis in all_axes(compositor, torch.get_num_threads())]
    names = list(dict.fromkeys([*(axis.name for axis in axes), "worst"]))
    parser.add_argument("--axes", nargs="+", choices=names, default=names)
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    args = parser.parse_args()

    print(f"{'axis':<10}{'':<9}{'work':>14}{'ms':>10}{'MB':>9}{'growth':>8}{'of MB':>8}")
    rows: list[Row] = []
    for axis in axes:
        if axis.name in args.axes:
            found = judge_axis(axis, measure_all([cloud for _, cloud in axis.clouds], TURNS))
            print("\n".join(map(line, found)), flush=True)
            rows += found
    worst: list[WorstRow] = []
    for compositor in ops.COMPOSITORS if "worst" in args.axes else ():
        clouds = worst_clouds(compositor)
        judged = judge_worst(clouds, measure_all(list(clouds), TURNS))
        print("\n".join(map(line_of_worst, judged)), flush=True)
        worst += judged
    if args.out:
        result = {"rows": [vars(row) for row in rows], "worst": [vars(row) for row in worst]}
        write_result(args.out, torch.device("cpu"), result)
    return int(not all(row.passed for row in (*rows, *worst)))


if __name__ == "__main__":
    sys.exit(main())
