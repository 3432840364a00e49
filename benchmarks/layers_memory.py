"""What preparing a photo and keeping its scene take in memory, and how much of the layers' planes holds pixels.

    python benchmarks/layers_memory.py [PHOTO] [--sizes 1280 3840]

Each size runs in a process of its own: `peak` is the resident memory at its highest during `prepare`, less what the imports
take; `scene` is what the scene's tensors take; `second` is the second layer's part of it, and `filled` the share of its pixels
that exist; `cropped` is what the second layer would take if it were cut to the box around them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
from dataclasses import fields
from pathlib import Path

import torch

import c3drender
from c3drender.data import Layers

ROOT = Path(__file__).resolve().parent.parent
MIB = 1 << 20


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plane_bytes(layers: Layers) -> int:
    """Of one pixel of one layer, over all its maps."""
    maps = [getattr(layers, field.name) for field in fields(layers)]
    return sum(m.element_size() * m[0, 0, 0].numel() for m in maps if isinstance(m, torch.Tensor))


def measure(photo: Path, size: int) -> None:
    before = peak_mib()
    layers = c3drender.prepare(photo, depth="builtin", size=size).layers
    per_pixel, (num_layers, height, width) = plane_bytes(layers), layers.alpha.shape
    exists = (layers.alpha[1:] > 0).any(dim=0)
    rows, columns = exists.any(dim=1).nonzero(), exists.any(dim=0).nonzero()
    box = int((rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)) if exists.any() else 0
    numbers = (
        peak_mib() - before,
        num_layers * height * width * per_pixel / MIB,
        (num_layers - 1) * height * width * per_pixel / MIB,
        float(exists.float().mean()),
        box * per_pixel / MIB,
    )
    peak, scene, second, filled, cropped = numbers
    print(f"{size:6d} {peak:8.0f} {scene:8.0f} {second:8.0f} {filled:8.1%} {cropped:8.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    photos = ROOT.parent / "shared" / "photos"
    parser.add_argument("photo", type=Path, nargs="?", default=photos / "peaks_cloud.jpg")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1280, 3840], help="longer sides, px (default: 1280 3840)")
    args = parser.parse_args()
    print(f"{'size':>6} {'peak':>8} {'scene':>8} {'second':>8} {'filled':>8} {'cropped':>8}   MiB", flush=True)
    for size in args.sizes:
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(args.photo, size))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
