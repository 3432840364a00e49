"""How fast `splat_points` is here, beside how fast memory is: what `c3drender bench` prints."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from . import ops
from .data import Camera

WIDTH, HEIGHT = 1280, 720
RADIUS_PX = 1.5
POINTS_PER_PIXEL = 1.3  # one full layer and the part of a second that a moving camera reveals
CASES: tuple[tuple[ops.Compositor, int], ...] = (("alpha", 4), ("alpha", 37), ("surface", 3), ("surface", 37))
TRIAD_FLOATS = 1 << 25  # 128 MiB per array, beyond any cache
NUM_WARMUPS = 2


@dataclass(frozen=True)
class SplatRow:
    compositor: str
    num_channels: int
    median_s: float
    num_points: int
    num_pixels: int
    least_bytes: int  # every input read once, every output written once


def measure_triad(device: torch.device, repeats: int) -> float:
    """Bytes per second of ``a = b + s c``: two reads and one write per element."""
    b, c = torch.ones(2, TRIAD_FLOATS, device=device)
    a = torch.empty_like(b)
    return 3 * b.nbytes / _median_seconds(lambda: torch.add(b, c, alpha=3.0, out=a), device, repeats)


def measure_splats(device: torch.device, repeats: int) -> Iterator[SplatRow]:
    camera = Camera.for_photo(WIDTH, HEIGHT)
    xyz = _two_layers(camera).to(device)
    radius = xyz[:, 2] * (RADIUS_PX / camera.fx)
    for compositor, num_channels in CASES:
        feat = torch.rand(len(xyz), num_channels, generator=torch.Generator().manual_seed(0)).to(device)

        def splat(feat: torch.Tensor = feat, compositor: ops.Compositor = compositor) -> None:
            ops.splat_points(xyz, feat, radius, camera, compositor=compositor)

        num_pixels = WIDTH * HEIGHT
        moved = xyz.nbytes + radius.nbytes + feat.nbytes + 4 * num_pixels * (num_channels + 2)
        yield SplatRow(compositor, num_channels, _median_seconds(splat, device, repeats), len(xyz), num_pixels, moved)


def table(device: torch.device, repeats: int) -> Iterator[str]:
    """The lines of the report, each as soon as it is measured."""
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    triad = measure_triad(device, repeats)
    yield f"splat_points, {WIDTH} x {HEIGHT}, radius {RADIUS_PX} px, {where}, median of {repeats}"
    yield f"memory (triad): {triad / 1e9:.1f} GB/s"
    yield f"{'compositor':<12}{'C':>4}{'ms':>9}{'Mpoints/s':>11}{'Mpixels/s':>11}{'GB/s':>7}{'of triad':>10}"
    for row in measure_splats(device, repeats):
        per_us = 1e-6 / row.median_s
        moved = row.least_bytes / row.median_s
        yield (
            f"{row.compositor:<12}{row.num_channels:>4}{row.median_s * 1e3:>9.2f}{row.num_points * per_us:>11.1f}"
            f"{row.num_pixels * per_us:>11.1f}{moved / 1e9:>7.1f}{moved / triad:>10.0%}"
        )
    yield "GB/s counts every input read once and every output written once, the least that any splat must move."


def _two_layers(camera: Camera) -> torch.Tensor:
    """``[N, 3]`` points through the pixel centres of a waving surface, and of a farther one behind part of it."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    z_near = 3 + torch.sin(x / 90) + torch.cos(y / 70)
    rows = round(HEIGHT * (POINTS_PER_PIXEL - 1))
    u, v = torch.cat([x.flatten(), x[:rows].flatten()]), torch.cat([y.flatten(), y[:rows].flatten()])
    z = torch.cat([z_near.flatten(), 2 * z_near[:rows].flatten()])
    return torch.stack([(u - camera.cx) * z / camera.fx, (v - camera.cy) * z / camera.fy, z], dim=1)


def _median_seconds(run: Callable[[], object], device: torch.device, repeats: int) -> float:
    seconds = []
    for _ in range(NUM_WARMUPS + repeats):
        _wait_for(device)
        start = time.perf_counter()
        run()
        _wait_for(device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[NUM_WARMUPS:])


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
