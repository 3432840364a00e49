"""Makes the pictures of the README and of motion.md from the bundled example: python docs/make_figures.py"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import cv2
import motion_figures
import numpy as np
import PIL.Image

import c3drender
from c3drender.files.photo import read_photo, write_picture
from c3drender.inspect import contact_sheet

IMAGES = Path(__file__).resolve().parent / "images"
EXAMPLE = files("c3drender") / "example"
NUM_FRAMES = 60
LOOP_WIDTH = 560


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    photo = str(EXAMPLE / "stream_cascade.jpg")
    scene = c3drender.prepare(photo, mask=str(EXAMPLE / "mask.png"), hints=str(EXAMPLE / "hints.json"), depth="builtin")
    frames = list(c3drender.render_frames(scene, camera="circle", frames=NUM_FRAMES))

    shown = {n: frames[n] for n in range(0, NUM_FRAMES, NUM_FRAMES // 5)}
    write_picture(IMAGES / "how_it_works.jpg", contact_sheet(read_photo(photo), scene, shown, NUM_FRAMES))

    height = round(LOOP_WIDTH * scene.camera.height / scene.camera.width)
    loop = [_shrink(frame.rgb_u8.numpy(), LOOP_WIDTH, height) for frame in frames[::2]]
    first, *others = loop
    first.save(IMAGES / "stream_cascade.webp", save_all=True, append_images=others, duration=80, loop=0, quality=60)
    motion_figures.main()


def _shrink(rgb_u8: np.ndarray, width: int, height: int) -> PIL.Image.Image:
    return PIL.Image.fromarray(cv2.resize(rgb_u8, (width, height), interpolation=cv2.INTER_AREA))


if __name__ == "__main__":
    main()
