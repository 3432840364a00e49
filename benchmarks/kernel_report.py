"""What nvcc's assembler says of each kernel: registers, stack and spills, as a Markdown table.

python benchmarks/kernel_report.py 75 90 120
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

CSRC = Path(__file__).resolve().parent.parent / "csrc"
KERNEL = re.compile(
    r"Compiling entry function '(?P<symbol>\S+)' for.*?"
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores.*?Used (?P<registers>\d+) registers",
    re.DOTALL,
)
NAME = re.compile(r"\d((?:splat|trace|blend|holes|inpaint|drift|frame)_\w+?_kernel)(I(?:\w*?Li\d+E)+)?")
VARIANTS = {
    "IfLi1E": " float32 x1",
    "IfLi4E": " float32 x4",
    "ILi1E": " of 1 channel",
    "ILi3E": " of 3 channels",
    "ILi16ELi3E": ", 16 lanes, 3 loads",
}


def report_of(source: Path, architecture: str) -> dict[str, str]:
    """``{kernel: registers and stack}``; the library's own kernels are left out."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["nvcc", "-std=c++17", "-O3", "-fmad=false", f"-I{CSRC / 'include'}", f"-arch=sm_{architecture}"]
        command += ["-Xptxas", "-v", "-c", str(source), "-o", str(Path(folder, "kernels.o"))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {}
    for match in KERNEL.finditer(done.stderr):
        name = NAME.search(match["symbol"])
        if name is None or "cub" in match["symbol"]:
            continue
        variant = VARIANTS.get(name[2] or "", "" if name[2] is None else None)
        if variant is not None:
            spilled = f", {match['stores']} spilled" if match["stores"] != "0" else ""
            stack = f", {match['stack']} B stack{spilled}" if match["stack"] != "0" else ""
            found[name[1] + variant] = match["registers"] + stack
    return found


def bytes_of_a_side(
    channels: int, *, width: int = 1280, height: int = 720, layers: float = 1.3, radius_px: float = 1.5
) -> dict[str, float]:
    """Megabytes between memory and chip for one splat of float32 features, everything read and written once a kernel."""
    points, pixels = layers * width * height, width * height
    tiles_per_point = (1 + 2 * radius_px / 16) ** 2
    entries = 4 * tiles_per_point * points
    moved = {
        "positions in": 12 * points,
        "discs out, in twice": 3 * 16 * points,
        "list entries out and in": 2 * entries,
        "features in": 4 * channels * points,
        "picture out": 4 * (channels + 2) * pixels,
    }
    return {what: number / 1e6 for what, number in moved.items()}


def print_bytes(channels: list[int], gigabytes_per_s: float = 3000) -> None:
    sides = [bytes_of_a_side(c) for c in channels]
    print("| MB, 1280x720, 1,198,080 points | " + " | ".join(f"C = {c}" for c in channels) + " |")
    print("|---" * (len(channels) + 1) + "|")
    for what in sides[0]:
        print(f"| {what} | " + " | ".join(f"{side[what]:.0f}" for side in sides) + " |")
    blends = [4 * 1280 * 720 * (2 * (c + 2) + c + 3) / 1e6 for c in channels]
    print("| blend, in and out | " + " | ".join(f"{b:.0f}" for b in blends) + " |")
    frames = [2 * sum(side.values()) + blend for side, blend in zip(sides, blends, strict=True)]
    print("| **both sides and blend** | " + " | ".join(f"{f:.0f}" for f in frames) + " |")
    print(f"| ms at {gigabytes_per_s / 1000:.0f} TB/s | " + " | ".join(f"{f / gigabytes_per_s:.2f}" for f in frames) + " |\n")


def main(architectures: list[str]) -> None:
    print_bytes([4, 16, 37, 64])
    print("| kernel | " + " | ".join(f"sm_{a}" for a in architectures) + " |")
    print("|---" * (len(architectures) + 1) + "|")
    for source in sorted((CSRC / "cuda").glob("*.cu")):
        reports = [report_of(source, architecture) for architecture in architectures]
        for kernel in sorted(reports[0]):
            print(f"| {kernel} | " + " | ".join(report.get(kernel, "") for report in reports) + " |")


if __name__ == "__main__":
    main(sys.argv[1:] or ["75", "90", "120"])
