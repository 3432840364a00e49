"""The player against the renderer, in headless Chromium with software GL, on the test photos.

    python benchmarks/player.py [--photos DIR] [--out DIR] [--size PX] [--blend BLEND] [NAME ...]

Per photo: the exported file's size, and that of its middle at 1280x720, where its mask is drawn (asked: <= 3 MB); the lowest
and the mean PSNR of the canvas against `render_frames` at eight poses and moments (asked: >= 33 dB, on the example >= 35),
PSNR of the frame at rest against the photo (>= 38), uncovered pixels (0), and how long the player takes: from the page to its
first frame, in a browser that has just been started (asked: <= 1 s), and for a frame of the playing loop (asked: <= 200 ms),
the median and the fastest, which hang on what else the machine does, and the processor's time, of all cores together, which
hangs less on that. A last table says what the first frame took. A second table counts a frame's work at 1920x1080, for a GPU:
vertices and triangles do not hang on the canvas, fragments and what they read from textures grow with it; and how many
milliseconds that is on a GPU of 2015, if nothing went on at the same time (asked: 4), for a photo as large as the canvas, and
for one of 1280x720 that is enlarged. With --out, what the canvas shows at three moments is written there to be looked at.
Needs Playwright, and chromium on the path.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from skimage.metrics import peak_signal_noise_ratio

import c3drender as c3d
from c3drender import pipeline
from c3drender.files.photo import read_photo, write_picture
from c3drender.render import BlendMode

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python_tests"))

import player_browser  # noqa: E402
from acceptance import photo_and_hints  # noqa: E402

NAMES = ("stream_cascade", "lake_boats", "sea_sunset", "smoke")
FRAMES = (0, 11, 23, 37, 52, 68, 83, 101)  # of the path's 120
LOOKED_AT = (0, 37, 83)
TIMED = 24
FULL_HD = 1920 * 1080
HD = 1280, 720
READS = {"still": 1, "edge": 8, "fluid": 6, "compose": 3}  # of textures, by a fragment, at most
COPIES, ENLARGES = 1, 9  # onto the canvas
# Of a GPU inside a processor of 2015 (Intel's of 24 units): what it does in a millisecond at 1 GHz.
READS_PER_MS, FRAGMENTS_PER_MS, VERTICES_PER_MS = 12e6, 8e6, 1e6
psnr = partial(peak_signal_noise_ratio, data_range=255)
TIME = """(count) => {
  const element = document.querySelector("c3d-cinemagraph");
  const times = [];
  for (let n = 1; n <= count; ++n) {
    const start = performance.now();
    element.seek(7 * n);
    element.renderer.read();
    times.push(performance.now() - start);
  }
  return times;
}"""
# Milliseconds since the page was asked for. What is read back has been drawn, and not only asked for.
FIRST = """document.addEventListener("ready", ({ target }) => {
  target.renderer.read();
  const marks = performance.getEntriesByType("mark").filter(({ name }) => name.startsWith("c3d-cinemagraph: "));
  window.first = [...marks.map(({ startTime }) => startTime), performance.now()];
}, { capture: true });"""
PARTS = ("page and file", "read", "built", "asked to draw", "drawn")
WORK = "() => document.querySelector('c3d-cinemagraph').renderer.work"


def hd_bytes(photo: Path, said: dict[str, Any], folder: Path, blend: BlendMode) -> int:
    """How large the page of a photo's middle is, of 1280 x 720 pixels, with what is said of those."""
    width, height = HD
    with PIL.Image.open(photo) as whole, PIL.Image.open(said["mask"]) as mask:
        left, top = (whole.width - width) // 2, (whole.height - height) // 2
        box = left, top, left + width, top + height
        whole.crop(box).save(folder / "photo.png")
        mask.crop(box).save(folder / "mask.png")
    arrows = np.array(said["hints"]) - (left, top)
    inside = ((arrows >= 0) & (arrows < HD)).all(axis=(1, 2))
    hints = arrows[inside].tolist()
    scene = c3d.prepare(folder / "photo.png", mask=folder / "mask.png", hints=hints, depth="builtin", device="cpu")
    return c3d.export_html(scene, folder / "page.html", blend=blend).stat().st_size


def full_hd(scene: c3d.Scene, work: dict[str, int], photo_px: int) -> tuple[float, float, float]:
    """Fragments of a frame of 1920x1080 of a photo of so many pixels, what they read from textures, and the milliseconds that
    takes: those of this frame, scaled by its area."""
    pixels = scene.camera.width * scene.camera.height
    margin, drifts = scene.layers.margin_px, scene.layers.nearest_moving() >= 0
    fluid = 2 * int(drifts[margin : margin + scene.camera.height, margin : margin + scene.camera.width].sum())
    counts = {"still": pixels, "edge": work["cuts"], "fluid": fluid, "compose": pixels}
    fragments = photo_px / pixels * sum(counts.values()) + FULL_HD
    reads = photo_px / pixels * sum(count * READS[name] for name, count in counts.items())
    reads += FULL_HD * (COPIES if photo_px == FULL_HD else ENLARGES)
    return fragments, reads, reads / READS_PER_MS + fragments / FRAGMENTS_PER_MS + work["vertices"] / VERTICES_PER_MS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--photos", type=Path, default=ROOT.parent / "shared" / "photos")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--blend", default="phase")
    args = parser.parse_args()
    if (why := player_browser.missing()) is not None:
        parser.exit(2, f"player.py: {why}\n")
    columns = (
        "file, KB",
        "of 1280 x 720, KB",
        "lowest, dB",
        "mean, dB",
        "at rest, dB",
        "uncovered",
        "first, s",
        "frame, ms (fastest)",
        "processor, ms",
    )
    print("| photo | px |", " | ".join(columns), "|")
    print("|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    works, firsts = [], []
    for name in args.names:
        photo, said = photo_and_hints(args.photos, name)
        scene = c3d.prepare(photo, size=args.size, depth="builtin", device="cpu", **said)
        size = scene.camera.width, scene.camera.height
        with tempfile.TemporaryDirectory() as folder, player_browser.chromium() as browser:
            page_file = c3d.export_html(scene, Path(folder) / f"{name}.html", blend=args.blend)
            kilobytes = page_file.stat().st_size / 1e3
            hd_size = f"{hd_bytes(photo, said, Path(folder), args.blend) / 1e3:.0f}" if "mask" in said else ""
            before = player_browser.processor_s()
            with player_browser.opened(browser, page_file, size, script=FIRST, reduced_motion="reduce") as page:
                player_browser.ready(page)
                firsts.append((name, page.evaluate("first"), player_browser.processor_s() - before))
                first = firsts[-1][1][-1] / 1000
            with player_browser.opened(browser, page_file, size) as page:
                player_browser.ready(page)
                shown = {n: player_browser.shown_at(page, n) for n in FRAMES}
                before = player_browser.processor_s()
                frame_ms = page.evaluate(TIME, TIMED)
                processor_ms = 1000 * (player_browser.processor_s() - before) / TIMED
                work = page.evaluate(WORK)
        path = pipeline.camera_path(scene, "circle", 120)
        animation = c3d.animate(scene, blend=args.blend)
        rendered = {n: animation.frame(n, path.world_to_cam[n]).rgb_u8.numpy() for n in FRAMES}
        against = [psnr(rendered[n], shown[n].rgb) for n in FRAMES]
        at_rest = psnr((read_photo(photo, args.size).rgb * 255).round().to(torch.uint8).numpy(), shown[0].rgb)
        uncovered = sum(view.uncovered for view in shown.values())
        print(
            f"| {name} | {size[0]} x {size[1]} | {kilobytes:.0f} | {hd_size} | {min(against):.1f} | {np.mean(against):.1f} |"
            f" {at_rest:.1f} | {uncovered} | {first:.1f} |"
            f" {np.median(frame_ms):.0f} ({min(frame_ms):.0f}) | {processor_ms:.0f} |",
            flush=True,
        )
        fragments, reads, gpu_ms = full_hd(scene, work, FULL_HD)
        thousands = f"{work['vertices'] / 1e3:.0f} | {work['triangles'] / 1e3:.0f}"
        counted = f"{fragments / 1e6:.1f} | {reads / 1e6:.1f} | {gpu_ms:.1f} | {full_hd(scene, work, HD[0] * HD[1])[2]:.1f}"
        works.append(f"| {name} | {thousands} | {counted} |")
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            for n in LOOKED_AT:
                write_picture(args.out / f"{name}_{n}.png", shown[n].rgb)
    columns = ("vertices, thousand", "triangles, thousand", "fragments, million", "reads, million", "ms", "enlarged, ms")
    print("\n| photo |", " | ".join(columns), "|")
    print("|---|---|---|---|---|---|---|", *works, sep="\n")
    print("\n| the first frame |", ", ms | ".join(PARTS), ", ms | processor, ms |")
    print("|---|---|---|---|---|---|---|")
    for name, marks, spent_s in firsts:
        parts = " | ".join(f"{part:.0f}" for part in np.diff([0, *marks]))
        print(f"| {name} | {parts} | {1000 * spent_s:.0f} |")


if __name__ == "__main__":
    main()
