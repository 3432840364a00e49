"""What preparing a photo and keeping its layers take in memory.

    python benchmarks/layers_memory.py [PHOTO] [--sizes 1280 3840]

Each size runs in a process of its own: `peak` is the resident memory at its highest during `prepare`, less what the imports
take; `layers` is what the layers' tensors take, `hidden` the part of all but the first, and `planes` what they would take as
whole planes of the canvas.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
from dataclasses import fields
from pathlib import Path

import torch

import c3drender

ROOT = Path(__file__).resolve().parent.parent
MIB = 1 << 20


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(photo: Path, size: int) -> None:
    before = peak_mib()
    layers = c3drender.prepare(photo, depth="builtin", size=size).layers
    tensors = [value for value in (getattr(layers, field.name) for field in fields(layers)) if isinstance(value, torch.Tensor)]
    per_pixel = sum(tensor.nbytes for tensor in tensors) / len(layers.pixel)
    canvas = layers.num_layers * layers.size[0] * layers.size[1]
    # Planes need no places.
    counts = (len(layers.pixel), len(layers.pixel) - layers.first[1])
    numbers = (peak_mib() - before, *(count * per_pixel / MIB for count in counts), canvas * (per_pixel - 4) / MIB)
    print(f"{size:6d} " + " ".join(f"{number:8.1f}" for number in numbers), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    photos = ROOT.parent / "shared" / "photos"
    parser.add_argument("photo", type=Path, nargs="?", default=photos / "peaks_cloud.jpg")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1280, 3840], help="longer sides, px (default: 1280 3840)")
    args = parser.parse_args()
    print(f"{'size':>6} {'peak':>8} {'layers':>8} {'hidden':>8} {'planes':>8}   MiB", flush=True)
    for size in args.sizes:
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(args.photo, size))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
