"""Strips to judge by eye: of each photo what was seen of it, and frames of its video, rendered with no option.

    python benchmarks/perception/strips.py OUT [--split judged] [--count 44] [--size 480] [--a-page 8] [--segments auto]

A strip is the photo, its depth (bright is near), what moves (blue over grey), and three frames of the loop. Pages are
``OUT/page_00.png``
and on, and ``OUT/lines.txt`` is what the library said of each. ``--segments none`` sees by cues alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from photos import fetch, listed
from tqdm import tqdm

import c3drender as c3d

FRAMES, SPEED = 16, 4.0  # one loop in so many frames, as far as 60 would go
SHOWN = (3, 8, 13)
HEIGHT = 200


def strip(path: Path, size: int, segments: str = "auto") -> tuple[np.ndarray, str]:
    """uint8 ``[HEIGHT, W, 3]`` of one photo, and the lines that `prepare` said."""
    scene = c3d.prepare(path, size=size, segments=segments)
    layers = scene.layers
    frames = [frame.rgb_u8.numpy() for frame in c3d.render_frames(scene, frames=FRAMES, speed=SPEED)]
    photo = frames[0]  # the loop begins at the photo's own view
    disparity = layers.of_photo(1 / layers.z_cam).numpy()
    low, high = disparity.min(), disparity.max()
    depth = cv2.applyColorMap((255 * (disparity - low) / max(high - low, 1e-9)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    moves = np.repeat(photo.mean(-1, keepdims=True), 3, 2)
    moves[layers.of_photo(layers.moving).numpy()] *= (0.4, 0.9, 1.6)
    tiles = [photo, depth[..., ::-1], np.clip(moves, 0, 255).astype(np.uint8), *(frames[n] for n in SHOWN)]
    width = round(photo.shape[1] * HEIGHT / photo.shape[0])
    shrunk = [cv2.resize(tile, (width, HEIGHT), interpolation=cv2.INTER_AREA) for tile in tiles]
    return np.hstack(shrunk), " | ".join(scene.notes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", choices=["heldout", "fluids", "train", "reserve", "judged"], default="judged")
    parser.add_argument("--count", type=int, default=44)
    parser.add_argument("--size", type=int, default=480)
    parser.add_argument("--a-page", type=int, default=8)
    parser.add_argument("--segments", default="auto", help="auto, none, or a model's name")
    args = parser.parse_args()
    photos = listed(args.split)[: args.count]
    missing = fetch(photos)
    if missing:
        parser.error(f"{len(missing)} photos cannot be fetched: {', '.join(photo.id for photo in missing)}")
    args.out.mkdir(parents=True, exist_ok=True)
    lines, page = [], []
    for place, photo in enumerate(tqdm(photos, unit="photo", leave=False), start=1):
        tiles, said = strip(photo.file, args.size, args.segments)
        lines.append(f"{photo.id}: {said}")
        page.append(tiles)
        if place % args.a_page == 0 or place == len(photos):
            number = (place - 1) // args.a_page
            widest = max(one.shape[1] for one in page)
            rows = [np.pad(one, ((0, 6), (0, widest - one.shape[1]), (0, 0))) for one in page]
            cv2.imwrite(str(args.out / f"page_{number:02d}.png"), np.vstack(rows)[..., ::-1])
            page = []
    (args.out / "lines.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
