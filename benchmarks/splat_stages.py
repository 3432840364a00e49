"""Where the time of splat_points goes on the CPU, stage by stage: one thread, 1280x720, 1.2 million points, 8 hits a pixel.

    python benchmarks/splat_stages.py [--channels 4 37] [--runs 30]

Builds the torch-free core with debug information, samples it with `perf` (cpu-clock, which virtual machines have too), and
asks `addr2line` for the chain of inlined functions at each sample: the code is the one that ships, nothing is held back from
inlining. A stage is named by the outermost functions. Cycles: time by the clock that a chain of additions shows; fragments:
hits that pixels keep.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import torch
from machine import REPO
from roofline import count_hits

from c3drender import ops
from c3drender.bench.cases import random, two_layers
from c3drender.data import Camera

BUILD = REPO / "build" / "stages"
WIDTH, HEIGHT = 1280, 720
DEPTH = 3  # functions that name a stage
LEAST_SHARE = 0.01
SAMPLES_PER_S = 4000
TOOLS = ("perf", "addr2line", "cmake", "c++")


def build() -> Path:
    """The harness, at fixed addresses, linked with the core as CMake builds it."""
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS=-g", "-DC3D_CUDA=OFF", "-DBUILD_TESTING=OFF"]
    run("cmake", "-S", REPO, "-B", BUILD, *options)
    run("cmake", "--build", BUILD, "--target", "c3d")
    harness = BUILD / "splat_stages"
    source = REPO / "benchmarks" / "splat_stages.cpp"
    run(
        "c++",
        "-std=c++17",
        "-O2",
        "-no-pie",
        f"-I{REPO / 'csrc' / 'include'}",
        source,
        BUILD / "libc3d.a",
        "-pthread",
        "-o",
        harness,
    )
    return harness


def write_points(path: Path, channels: int) -> int:
    xyz, radius = two_layers(Camera.for_photo(WIDTH, HEIGHT), torch.device("cpu"))
    feat = random(torch.device("cpu"), len(xyz), channels)
    path.write_bytes(b"".join(values.numpy().tobytes() for values in (xyz, radius, feat)))
    return len(xyz)


def sample(command: list[str | Path], folder: Path) -> Counter[tuple[int, str]]:
    """How often each address, and the symbol that it lies in, was met while the command ran."""
    data = folder / "perf.data"
    run("perf", "record", "-q", "-e", "cpu-clock", "-F", SAMPLES_PER_S, "-o", data, *command)
    lines = run("perf", "script", "-i", data, "-F", "ip,sym").splitlines()
    return Counter(
        (int(address, 16), symbol) for address, symbol in (line.split(maxsplit=1) for line in lines if line.strip())
    )


def name_stages(harness: Path, addresses: Counter[tuple[int, str]]) -> Counter[str]:
    """Samples by stage, without the harness' own. Addresses without debug information, the system's, keep their symbol."""
    asked = sorted({address for address, _ in addresses})
    answers = run("addr2line", "-a", "-f", "-i", "-C", "-e", harness, *(hex(address) for address in asked))
    chains = dict(zip(asked, parse_chains(answers), strict=True))
    stages: Counter[str] = Counter()
    for (address, symbol), count in addresses.items():
        chain = chains[address] or [f"system: {symbol}"]
        if chain[0] != "main":
            stages[" > ".join(chain[:DEPTH])] += count
    return stages


def parse_chains(answers: str) -> list[list[str]]:
    """Of each address the functions inlined around it, outermost first; empty where nothing is known."""
    chains: list[list[str]] = []
    is_function = True
    for line in answers.splitlines():
        if re.fullmatch(r"0x[0-9a-f]+", line):
            chains.append([])
            is_function = True
            continue
        if is_function and line != "??":
            chains[-1].insert(0, short_name(line))
        is_function = not is_function
    return chains


def short_name(function: str) -> str:
    """Without namespaces, return type, template's and function's arguments."""
    bare = function.replace("(anonymous namespace)", "").replace("operator()", "call")
    while (shorter := re.sub(r"<[^<>]*>|\([^()]*\)", "", bare)) != bare:
        bare = shorter
    return re.split(r"[\s:]+", bare.replace(" const", "").strip())[-1]


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def print_stages(stages: Counter[str], ms: float, clock_ghz: float, num_hits: int) -> None:
    cycles = 1e6 * ms * clock_ghz / num_hits
    print(f"  {'stage':<72}{'share':>7}{'ms':>8}{'cycles a fragment':>19}")
    total = stages.total()
    for stage, count in stages.most_common():
        share = count / total
        if share >= LEAST_SHARE:
            print(f"  {stage:<72}{share:>7.1%}{share * ms:>8.2f}{share * cycles:>19.2f}")
    print(f"  {'all':<72}{1:>7.1%}{ms:>8.2f}{cycles:>19.2f}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", nargs="+", type=int, default=[4, 37])
    parser.add_argument("--runs", type=int, default=30)
    args = parser.parse_args()
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        print(f"splat_stages: not measured, needs {', '.join(missing)}")
        return
    harness = build()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for channels in args.channels:
            num_points = write_points(folder / "points.f32", channels)
            for compositor, number in ops.COMPOSITORS.items():
                numbers = map(str, (num_points, channels, WIDTH, HEIGHT, number, args.runs))
                command: list[str | Path] = [harness, folder / "points.f32", *numbers]
                ms, clock_ghz = map(float, run(*command).split())
                _, num_hits = count_hits(WIDTH, HEIGHT, compositor)
                print(
                    f"{compositor}, C = {channels}, {clock_ghz:.2f} GHz, {num_hits / (WIDTH * HEIGHT):.1f} fragments a pixel"
                )
                print_stages(name_stages(harness, sample(command, folder)), ms, clock_ghz, num_hits)


if __name__ == "__main__":
    main()
