"""The player against the renderer, in headless Chromium with software GL, on the test photos.

    python benchmarks/player.py [--photos DIR] [--out DIR] [--size PX] [NAME ...]

Per photo: the exported file's size, the lowest and the mean PSNR of the canvas against `render_frames` (blend `contrast`) at
eight poses and moments (asked: >= 33 dB, on the example >= 35), PSNR of the frame at rest against the photo (>= 38),
uncovered pixels (0), and how long the player takes: from the page to its first frame, and for a frame of the playing loop,
which hangs on what else the machine does. With --out, what the canvas shows at three moments is written there to be looked at.
Needs Playwright, and chromium on the path.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio

import c3drender as c3d
from c3drender import pipeline
from c3drender.files.photo import read_photo, write_picture

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python_tests"))

import player_browser  # noqa: E402
from acceptance import photo_and_hints  # noqa: E402

NAMES = ("stream_cascade", "lake_boats", "sea_sunset", "smoke")
FRAMES = (0, 11, 23, 37, 52, 68, 83, 101)  # of the path's 120
LOOKED_AT = (0, 37, 83)
TIMED = 4
psnr = partial(peak_signal_noise_ratio, data_range=255)
TIME = """(count) => {
  const element = document.querySelector("c3d-cinemagraph");
  const start = performance.now();
  for (let n = 1; n <= count; ++n) { element.seek(7 * n); element.renderer.read(); }
  return (performance.now() - start) / count;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--photos", type=Path, default=ROOT.parent / "shared" / "photos")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--size", type=int, default=640)
    args = parser.parse_args()
    if (why := player_browser.missing()) is not None:
        parser.exit(2, f"player.py: {why}\n")
    print("| photo | px | file, KB | lowest, dB | mean, dB | at rest, dB | uncovered | first frame, s | frame, ms |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in args.names:
        photo, said = photo_and_hints(args.photos, name)
        scene = c3d.prepare(photo, size=args.size, depth="builtin", device="cpu", **said)
        size = scene.camera.width, scene.camera.height
        with tempfile.TemporaryDirectory() as folder, player_browser.chromium() as browser:
            page_file = c3d.export_html(scene, Path(folder) / f"{name}.html")
            kilobytes = page_file.stat().st_size / 1e3
            start = time.perf_counter()
            with player_browser.opened(browser, page_file, size, reduced_motion="reduce") as page:
                player_browser.ready(page)
                first = time.perf_counter() - start
            with player_browser.opened(browser, page_file, size) as page:
                player_browser.ready(page)
                shown = {n: player_browser.shown_at(page, n) for n in FRAMES}
                frame_ms = page.evaluate(TIME, TIMED)
        path = pipeline.camera_path(scene, "circle", 120)
        animation = c3d.animate(scene, blend="contrast")
        rendered = {n: animation.frame(n, path.world_to_cam[n]).rgb_u8.numpy() for n in FRAMES}
        against = [psnr(rendered[n], shown[n].rgb) for n in FRAMES]
        at_rest = psnr((read_photo(photo, args.size).rgb * 255).round().to(torch.uint8).numpy(), shown[0].rgb)
        uncovered = sum(view.uncovered for view in shown.values())
        print(
            f"| {name} | {size[0]} x {size[1]} | {kilobytes:.0f} | {min(against):.1f} | {np.mean(against):.1f} |"
            f" {at_rest:.1f} | {uncovered} | {first:.1f} | {frame_ms:.0f} |",
            flush=True,
        )
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            for n in LOOKED_AT:
                write_picture(args.out / f"{name}_{n}.png", shown[n].rgb)


if __name__ == "__main__":
    main()
