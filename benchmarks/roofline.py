"""How near splat_points comes to what memory and arithmetic allow: GB/s and GFLOP/s beside a measured triad and product.

    python benchmarks/roofline.py [--repeats 9] [--out FILE]

1280x720, 1.2 million points, radius 1.5 px, 8 hits a pixel. Bytes: every input read once, every output written once.
Operations: those of compositor alpha's definition, on the hits that there are: {PER_POINT} a point to project it, {PER_HIT} a
hit for its distance and weight, and two for each of its channels, coverage and disparity. The floor is the longer of what the
bytes take at the triad's rate and the operations at the product's. Stream: nothing but reading the inputs once and writing as
many bytes as there are results to fresh pages of 2 MB, as the op's own results are; the system clears them first. All cases
take turns, with the plain torch splat of compare.py.
"""

from __future__ import annotations

import argparse
import mmap
from dataclasses import dataclass
from pathlib import Path

import torch
from machine import write_result
from peers import peer_cases

from c3drender import ops
from c3drender.bench.cases import MAX_POINTS, Case, FrameSize, Run, Work, all_cases, two_layers
from c3drender.bench.clock import medians_in_turns_ms, multiply_add_flop_per_s, triad_bytes_per_s
from c3drender.data import Camera

SIZE = FrameSize(1280, 720, (1, 4, 16, 37, 64, 128), (1,))
PEER_SIZE = FrameSize(1280, 720, (4, 37), (1,))
OPS = ("splat_points alpha", "splat_points surface")
PEER = "plain torch, index_add_"
PER_POINT = (
    26  # the pose: 9 multiplications, 9 additions; two coordinates and the radius by focal length / z, and their centre
)
PER_HIT = 10  # d^2 / r^2: 6; the weight, what it lets through, and their product: 4
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Point:
    """A case in the roofline's plane. ``floor_ms``: the least that it could take; ``stream_ms``: its bytes alone, measured."""

    op: str
    channels: int
    ms: float
    num_hits: int
    gbytes_per_s: float
    gflop_per_s: float
    flop_per_byte: float
    floor_ms: float
    stream_ms: float


def stream(work: Work, written_bytes: int) -> Run:
    """Reads the work's inputs, then writes to memory that nobody has touched."""

    def run() -> tuple[torch.Tensor, ...]:
        sums = tuple(t.sum() for t in work.reads)
        fresh = mmap.mmap(-1, written_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        fresh.madvise(mmap.MADV_HUGEPAGE)
        torch.frombuffer(fresh, dtype=torch.float32).fill_(1.0)
        return sums

    return run


def count_hits(width: int, height: int, compositor: ops.Compositor) -> tuple[int, int]:
    """Points of the case, and hits that its pixels keep."""
    camera = Camera.for_photo(width, height)
    xyz, radius = two_layers(camera, CPU)
    feat = torch.zeros(len(xyz), 1)
    raster = ops.splat_points(xyz, feat, radius, camera, compositor=compositor, max_points=MAX_POINTS, return_idx=True)
    return len(xyz), int((raster.idx >= 0).sum())


def num_flop(num_points: int, num_hits: int, channels: int) -> int:
    return PER_POINT * num_points + (PER_HIT + 2 * (channels + 2)) * num_hits


def place(
    case: Case, ms: float, stream_ms: float, least_bytes: int, counts: tuple[int, int], triad: float, peak: float
) -> Point:
    flop = num_flop(*counts, case.channels)
    floor_ms = 1e3 * max(least_bytes / triad, flop / peak)
    rates = 1e-6 * least_bytes / ms, 1e-6 * flop / ms
    return Point(case.op, case.channels, ms, counts[1], *rates, flop / least_bytes, floor_ms, stream_ms)


def measure(repeats: int) -> tuple[float, float, list[Point], dict[int, float]]:
    """The triad's bytes and the product's operations per second, the cases, and the peer's ms by channels."""
    triad, peak = triad_bytes_per_s(CPU, repeats), multiply_add_flop_per_s(CPU, repeats)
    cases = {f"{case.op} {case.channels}": case for case in all_cases(SIZE) if case.op in OPS}
    works = {name: case.prepare(CPU) for name, case in cases.items()}
    written = {name: sum(t.nbytes for t in work.run()) for name, work in works.items()}
    peers = {case.channels: case.prepare(CPU).run for case in peer_cases(PEER_SIZE) if case.op == PEER}
    runs = {name: work.run for name, work in works.items()}
    streams = {f"stream {name}": stream(work, written[name]) for name, work in works.items() if name.startswith(OPS[0])}
    found = medians_in_turns_ms(runs | streams | {f"{PEER} {c}": run for c, run in peers.items()}, CPU, repeats)
    counts = {case.op: count_hits(case.width, case.height, case.op.split()[1]) for case in cases.values()}
    points = []
    for name, case in cases.items():
        stream_ms = found[f"stream {OPS[0]} {case.channels}"]
        least_bytes = written[name] + sum(t.nbytes for t in works[name].reads)
        points.append(place(case, found[name], stream_ms, least_bytes, counts[case.op], triad, peak))
    return triad, peak, points, {c: found[f"{PEER} {c}"] for c in peers}


def main() -> None:
    text = __doc__.format(PER_POINT=PER_POINT, PER_HIT=PER_HIT)
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    args = parser.parse_args()
    with torch.inference_mode():
        triad, peak, points, peer_ms = measure(args.repeats)
    print(f"triad {triad / 1e9:.1f} GB/s, product {peak / 1e9:.0f} GFLOP/s, {torch.get_num_threads()} threads")
    title = f"{'op':<22}{'C':>4}{'ms':>9}{'GB/s':>8}{'GFLOP/s':>9}{'FLOP/byte':>11}"
    print(f"{title}{'floor, ms':>11}{'x floor':>9}{'stream, ms':>12}{'x stream':>10}")
    for p in points:
        rates = f"{p.gbytes_per_s:>8.1f}{p.gflop_per_s:>9.1f}{p.flop_per_byte:>11.2f}"
        floors = f"{p.floor_ms:>11.1f}{p.ms / p.floor_ms:>9.1f}{p.stream_ms:>12.1f}{p.ms / p.stream_ms:>10.1f}"
        print(f"{p.op:<22}{p.channels:>4}{p.ms:>9.1f}{rates}{floors}")
    alpha = {p.channels: p for p in points if p.op == OPS[0]}
    for channels, ms in peer_ms.items():
        p = alpha[channels]
        print(f"{PEER}, C = {channels}: {ms:.1f} ms, {ms / p.ms:.1f} x {p.op}, {ms / p.stream_ms:.1f} x the stream")
    if args.out:
        result = {"triad_bytes_per_s": triad, "multiply_add_flop_per_s": peak, "points": [vars(p) for p in points]}
        result["plain_torch_ms"] = peer_ms
        write_result(args.out, CPU, result)


if __name__ == "__main__":
    main()
