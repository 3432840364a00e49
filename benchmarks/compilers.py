"""Which compilers build the core, and how fast their splat_points is: one thread, 1280x720, 1.2 million points, 8 hits kept.

    python benchmarks/compilers.py [--compilers g++-11 g++ clang++] [--turns 5] [--runs 10] [--against CHECKOUT]

Builds the torch-free core with each compiler found, as CMake does by itself, and lets the programs splat in turns; a program's
time is its processor's time, so that what else runs on the machine counts little. Ratios are to the first one's, which with
``--against`` is the core of another checkout, such as of the commit before a change, by the first compiler.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from machine import REPO
from splat_stages import HEIGHT, WIDTH, run, write_points

from c3drender import ops

CHANNELS = (4, 37)


def build(compiler: str, checkout: Path = REPO) -> Path:
    """The harness of splat_stages, linked with the core of ``checkout``, all by one compiler."""
    folder = REPO / "build" / "compilers" / (compiler if checkout == REPO else "against")
    options = [f"-DCMAKE_CXX_COMPILER={compiler}", "-DCMAKE_BUILD_TYPE=Release", "-DC3D_CUDA=OFF", "-DBUILD_TESTING=OFF"]
    run("cmake", "-S", checkout, "-B", folder, *options)
    run("cmake", "--build", folder, "--target", "c3d")
    harness = folder / "splat_stages"
    sources = [REPO / "benchmarks" / "splat_stages.cpp", folder / "libc3d.a"]
    run(compiler, "-std=c++17", "-O2", f"-I{checkout / 'csrc' / 'include'}", *sources, "-pthread", "-o", harness)
    return harness


def time_in_turns(harnesses: dict[str, Path], arguments: list[object], turns: int) -> dict[str, float]:
    """Of each compiler the median ms over the turns, of which every other one goes backward."""
    taken: dict[str, list[float]] = {compiler: [] for compiler in harnesses}
    for turn in range(turns):
        for compiler in list(harnesses)[:: -1 if turn % 2 else 1]:
            taken[compiler].append(float(run(harnesses[compiler], *arguments).split()[0]))
    return {compiler: statistics.median(ms) for compiler, ms in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compilers", nargs="+", default=["g++", "g++-11", "clang++"])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--runs", type=int, default=10, help="splats in a turn")
    parser.add_argument("--against", type=Path, help="another checkout")
    args = parser.parse_args()
    found = [compiler for compiler in args.compilers if shutil.which(compiler)]
    harnesses = {} if args.against is None else {"before": build(found[0], args.against.resolve())}
    harnesses |= {compiler: build(compiler) for compiler in found}
    for compiler in found:
        print(run(compiler, "--version").splitlines()[0])
    with tempfile.TemporaryDirectory() as name:
        points = Path(name, "points.f32")
        for channels in CHANNELS:
            num_points = write_points(points, channels)
            for compositor, number in ops.COMPOSITORS.items():
                arguments = [points, num_points, channels, WIDTH, HEIGHT, number, args.runs]
                ms = time_in_turns(harnesses, arguments, args.turns)
                first = next(iter(ms.values()))
                row = "".join(f"{compiler:>12} {time:6.1f} ms x{time / first:.2f}" for compiler, time in ms.items())
                print(f"{compositor:<8} C = {channels:<3}{row}", flush=True)


if __name__ == "__main__":
    main()
