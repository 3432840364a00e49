"""How fast the ops are here, beside how fast memory and arithmetic are: what `c3drender bench` prints."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.resources import as_file, files
from typing import Any

import torch

from .cases import Case, FrameSize, all_cases
from .clock import median_ms, multiply_add_flop_per_s, triad_bytes_per_s
from .machine import describe

SIZE = FrameSize(1280, 720, (4, 37), (1,))
FRAMES_SIZE = 1280  # px, the longer side of the bundled example as it is
NUM_FRAMES = 30
EXAMPLE = files("c3drender") / "example" / "stream_cascade.jpg"


@dataclass(frozen=True)
class Row:
    """A measured case. ``median_ms`` None: not enough memory. Bytes: every input once and every output once."""

    op: str
    width: int
    height: int
    channels: int | None
    cameras: int | None
    num_points: int | None = None
    num_pixels: int | None = None
    median_ms: float | None = None
    least_bytes: int | None = None


def measure(case: Case, device: torch.device, *, repeats: int, seconds: float = 0.0) -> Row:
    where = case.op, case.width, case.height, case.channels, case.cameras
    try:
        work = case.prepare(device)
        least_bytes = work.least_bytes(work.run())
        elapsed_ms = median_ms(work.run, device, repeats=repeats, seconds=seconds)
    except (torch.OutOfMemoryError, MemoryError):
        return Row(*where)
    return Row(*where, work.num_points, case.num_pixels, elapsed_ms, least_bytes)


def frames_per_s(device: torch.device, frames: int, size: int) -> float:
    """Finished pictures per second of the bundled example: both sides, blend, 8 bits; its scene prepared beforehand."""
    from ..pipeline.prepare import prepare
    from ..pipeline.render import render_frames

    with as_file(EXAMPLE) as photo:
        scene = prepare(photo, size=size, device=device)
    for frame in render_frames(scene, frames=2):
        frame.rgb_u8.cpu()
    rendered = render_frames(scene, frames=frames)
    next(rendered)  # animates the scene, once for all frames
    started = time.perf_counter()
    for frame in rendered:
        frame.rgb_u8.cpu()
    return (frames - 1) / (time.perf_counter() - started)


def results(device: torch.device, repeats: int) -> dict[str, Any]:
    """What `table` prints, for other programs."""
    triad, peak = triad_bytes_per_s(device, repeats), multiply_add_flop_per_s(device, repeats)
    return {
        "machine": describe(device),
        "repeats": repeats,
        "triad_bytes_per_s": triad,
        "multiply_add_flop_per_s": peak,
        "rows": [asdict(measure(case, device, repeats=repeats)) for case in all_cases(SIZE)],
        "frames_per_s": frames_per_s(device, NUM_FRAMES, FRAMES_SIZE),
    }


def table(device: torch.device, repeats: int) -> Iterator[str]:
    """The lines of the report, each as soon as it is measured."""
    told = describe(device)
    where = told["device"] if device.type == "cuda" else f"CPU, {told['threads']} threads"
    yield f"{told['cpu']}, {told['simd']}, torch {told['torch']}, python {told['python']}"
    triad, peak = triad_bytes_per_s(device, repeats), multiply_add_flop_per_s(device, repeats)
    yield f"{where}, {SIZE.width} x {SIZE.height}, median of {repeats}"
    yield f"memory (triad) {triad / 1e9:.1f} GB/s, multiply-add (matrix product) {peak / 1e9:.0f} GFLOP/s"
    yield f"{'op':<36}{'C':>4}{'ms':>9}{'Mpoints/s':>11}{'Mpixels/s':>11}{'GB/s':>7}{'of triad':>10}"
    for case in all_cases(SIZE):
        yield line(measure(case, device, repeats=repeats), triad)
    rate = frames_per_s(device, NUM_FRAMES, FRAMES_SIZE)
    yield f"{'frames of the example, 8 bits':<36}{3:>4}{1e3 / rate:>9.2f}  {rate:.1f} frames/s"
    yield "GB/s counts every input read once and every output written once, the least that any implementation must move."


def line(row: Row, triad: float) -> str:
    name = f"{row.op:<36}{row.channels or '-':>4}"
    if row.median_ms is None or row.least_bytes is None or row.num_pixels is None:
        return name + "  not enough memory"
    per_us = 1e-3 / row.median_ms
    points = "-" if row.num_points is None else f"{row.num_points * per_us:.1f}"
    moved = row.least_bytes / row.median_ms * 1e3
    return f"{name}{row.median_ms:>9.2f}{points:>11}{row.num_pixels * per_us:>11.1f}{moved / 1e9:>7.1f}{moved / triad:>10.0%}"
