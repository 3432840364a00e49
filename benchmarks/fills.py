"""How long `ops.inpaint_layers` takes on what photos need: their margins, and what their nearer things hide.

    python benchmarks/fills.py [--photos DIR] [--size PX] [--camera NAME] [NAME ...]

Per photo the pixels to fill, in thousands, and the seconds (medians of five), for the margin and for the hidden layers. Each
of these takes up to two fills: what ends before a farther surface is filled apart. Asked: 1280x720, demo0's size, in under
1.5 s on two cores.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from unittest.mock import patch

import torch
from acceptance import DRAWN, LABELLED, ROOT, photo_and_hints

import c3drender
from c3drender import ops

REPEATS = 5


def fills_of(photo: Path, size: int | None, camera: str, **hints: object) -> tuple[str, list[tuple[int, float]]]:
    """The photo's size, and of each fill that preparing it takes the number of pixels and the seconds."""
    fills = []

    def timed(*args: torch.Tensor, tear_disp: float) -> tuple[torch.Tensor, torch.Tensor]:
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            filled = fill(*args, tear_disp=tear_disp)
            seconds.append(time.perf_counter() - start)
        fills.append((int(args[2].sum()), statistics.median(seconds)))
        return filled

    fill = ops.inpaint_layers
    with patch.object(ops, "inpaint_layers", timed):
        scene = c3drender.prepare(photo, depth="builtin", camera=camera, size=size, **hints)
    return f"{scene.camera.width}x{scene.camera.height}", fills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*DRAWN, *LABELLED])
    parser.add_argument("--photos", type=Path, default=ROOT.parent / "shared" / "photos")
    parser.add_argument("--size", type=int, help="longer side, px; left out: the photo's")
    parser.add_argument("--camera", default="circle", help="what the photo is prepared for (default: %(default)s)")
    args = parser.parse_args()
    print(f"{torch.get_num_threads()} threads")
    print(f"{'photo':16} {'size':>10} {'margin':>8} {'s':>6} {'hidden':>8} {'fills':>6} {'s':>6} {'in all, s':>10}")
    for name in args.names:
        path, hints = photo_and_hints(args.photos, name)
        size, [(margin, margin_s), *hidden] = fills_of(path, args.size, args.camera, **hints)
        pixels, seconds = (sum(column) for column in zip(*hidden, strict=True)) if hidden else (0, 0.0)
        columns = f"{margin / 1000:7.1f}k {margin_s:6.2f} {pixels / 1000:7.1f}k {len(hidden):6d} {seconds:6.2f}"
        print(f"{name:16} {size:>10} {columns} {margin_s + seconds:10.2f}", flush=True)


if __name__ == "__main__":
    main()
