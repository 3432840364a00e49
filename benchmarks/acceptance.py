"""What the pipeline promises, measured on the test photos.

    python benchmarks/acceptance.py [--photos DIR] [--out DIR] [NAME ...]

Per photo: PSNR of the unmoved first frame against the photo (asked: >= 40 dB), the lowest PSNR of the static pixels over the
loop under a resting camera (>= 45 dB), whether frame N equals frame 0, and the uncovered pixels over all frames of all presets
(0). With --out, frames 0, N/4, N/2 and 3N/4 of the circle are written there to be looked at.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio

import c3drender
from c3drender import pipeline, render
from c3drender.camera import PRESETS
from c3drender.files.photo import read_photo, write_picture

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "python_tests" / "data"
LABELLED = {"demo0": "demo0/image.png", "demo1": "demo1/image.jpg"}
DRAWN = ("stream_cascade", "sea_sunset", "lake_boats", "peaks_cloud", "smoke")
NUM_FRAMES = 60
psnr = partial(peak_signal_noise_ratio, data_range=255)


def photo_and_hints(photos: Path, name: str) -> tuple[Path, dict]:
    """The photo, and the arguments of `prepare` that say what moves in it."""
    if name in LABELLED:
        return photos / LABELLED[name], {"hints": photos / name / "image.json"}
    arrows = json.loads((DATA / "hints.json").read_text())[name]
    return photos / f"{name}.jpg", {"mask": DATA / "masks" / f"{name}.png", "hints": arrows}


def measure(path: Path, hints: dict, every: int, out: Path | None) -> dict:
    scene = c3drender.prepare(path, depth="builtin", **hints)
    photo = (read_photo(path).rgb.numpy() * 255).round()
    animation = render.animate(scene, NUM_FRAMES)
    static = ~scene.layers.of_photo(scene.layers.moving).numpy()
    rest = torch.eye(3, 4)
    frames = {n: render.render_frame(animation, rest, n).rgb_u8.numpy() for n in range(0, NUM_FRAMES, every)}
    uncovered = 0
    for preset in PRESETS:
        views = pipeline.camera_path(scene, preset, NUM_FRAMES, amplitude=1.0)
        for n in range(0, NUM_FRAMES, every):
            zoom = 1.0 if views.zoom is None else float(views.zoom[n])
            frame = render.render_frame(animation, views.world_to_cam[n], n, zoom=zoom)
            uncovered += int(frame.uncovered.sum())
            if out and preset == "circle" and n in (0, NUM_FRAMES // 4, NUM_FRAMES // 2, 3 * NUM_FRAMES // 4):
                write_picture(out / f"{path.parent.name if path.stem == 'image' else path.stem}_{n:02d}.png", frame.rgb_u8)
    again = render.render_frame(animation, rest, NUM_FRAMES).rgb_u8.numpy()
    return {
        "rest_db": psnr(frames[0], photo),
        "static_db": min(psnr(frame[static], photo[static]) for frame in frames.values()),
        "loops": bool(np.array_equal(again, frames[0])),
        "uncovered": uncovered,
        "layers": scene.layers.num_layers,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[*DRAWN, *LABELLED])
    parser.add_argument("--photos", type=Path, default=ROOT.parent / "shared" / "photos")
    parser.add_argument("--every", type=int, default=5, help="measure every so many frames (default: %(default)s)")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
    print(f"{'photo':16} {'rest dB':>8} {'static dB':>10} {'N = 0':>6} {'uncovered':>10} {'layers':>7}")
    for name in args.names:
        row = measure(*photo_and_hints(args.photos, name), args.every, args.out)
        decibels = f"{row['rest_db']:8.2f} {row['static_db']:10.2f}"
        print(f"{name:16} {decibels} {row['loops']!s:>6} {row['uncovered']:10d} {row['layers']:7d}", flush=True)


if __name__ == "__main__":
    main()
