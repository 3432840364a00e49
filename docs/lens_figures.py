"""The pictures of lens.md, from the bundled example: python docs/lens_figures.py"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np

import c3drender
from c3drender.data import Lens
from c3drender.files.photo import write_picture
from c3drender.files.scene import Scene
from c3drender.pipeline.crop import window_of
from c3drender.pipeline.cutout import cutouts_of
from c3drender.pipeline.quilt import quilt_of, read_quilt
from c3drender.pipeline.shot import Shot, shot_of
from c3drender.pipeline.stereo import picture_of
from c3drender.pixels.sheet import Tile, compose

IMAGES = Path(__file__).resolve().parent / "images"
EXAMPLE = files("c3drender") / "example"
PHOTO, MASK, HINTS = (str(EXAMPLE / name) for name in ("stream_cascade.jpg", "mask.png", "hints.json"))
WIDTH, FRAMES, SHOWN = 640, 24, 6
NEAR_PX, FAR_PX = (555, 330), (330, 150)  # the rock on the right, the wood behind the stream
COLUMNS = 3
CHECKS = np.array([215, 245], np.uint8)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    scene = c3drender.prepare(PHOTO, mask=MASK, hints=HINTS, depth="builtin", size=WIDTH, amplitude=1.8)
    animation = c3drender.animate(scene, frames=FRAMES)
    _lens(scene, animation)
    _layouts(scene, animation)


def _shot(scene: Scene, animation: c3drender.Animation, lens: Lens | None = None, camera: str = "circle") -> Shot:
    return shot_of(animation.draw, scene, c3drender.camera_path(scene, camera, FRAMES), lens)


def _lens(scene: Scene, animation: c3drender.Animation) -> None:
    lenses = {
        ("no lens", ""): None,
        ("depth of field", "--f-number 1, --lens-focus on the rock"): Lens(f_number=1.0, focus=NEAR_PX),
        ("depth of field", "--f-number 1, --lens-focus on the wood"): Lens(f_number=1.0, focus=FAR_PX),
        ("motion blur", "--shutter 360, the camera swings in 24 frames"): Lens(shutter=360.0),
        ("vignette", "--vignette 2"): Lens(vignette=2.0),
        ("grain", "--grain 0.4"): Lens(grain=0.4),
    }
    tiles = [Tile(_taken(scene, animation, lens), *caption) for caption, lens in lenses.items()]
    write_picture(IMAGES / "lens.jpg", compose(tiles, COLUMNS))


def _taken(scene: Scene, animation: c3drender.Animation, lens: Lens | None) -> np.ndarray:
    picture: np.ndarray = _shot(scene, animation, lens, "swing").taken(0).rgb_u8.numpy()
    return picture


def _layouts(scene: Scene, animation: c3drender.Animation) -> None:
    shot = _shot(scene, animation)
    assert animation.cover is not None
    moving, near = (_over_checks(next(cutouts_of(shot, animation.cover, kind))) for kind in ("moving", "near"))
    quilt = read_quilt("4x2")
    assert quilt is not None
    window = window_of(scene, 3 / 4, shot.path)
    narrow = shot_of(animation.draw, scene, shot.path, None, window)
    tiles = [
        Tile(moving, "what moves", "--alpha moving"),
        Tile(near, "what is near", "--alpha near"),
        Tile(picture_of(shot, "rgbd", 2.0, SHOWN), "colour and depth", "--stereo rgbd"),
        Tile(picture_of(shot, "vr180", 2.0, SHOWN), "two half spheres", "--stereo vr180"),
        Tile(quilt_of(narrow, quilt, 5.0, SHOWN), "a quilt", "--quilt 4x2"),
        Tile(_marked(scene, shot.taken(SHOWN).rgb_u8.numpy(), narrow), "all that the window sees", "--aspect 3:4 --follow"),
    ]
    write_picture(IMAGES / "lens_layouts.jpg", compose(tiles, COLUMNS))


def _over_checks(rgba: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[0 : rgba.shape[0], 0 : rgba.shape[1]]
    checks = CHECKS[(rows // 16 + columns // 16) % 2][..., None]
    alpha = rgba[..., 3:] / 255.0
    return (rgba[..., :3] * alpha + checks * (1 - alpha)).round().astype(np.uint8)


def _marked(scene: Scene, picture: np.ndarray, narrow: Shot) -> np.ndarray:
    """What the window shows in some frame, on the whole picture, the rest dark."""
    shown = np.zeros(picture.shape[:2], bool)
    for n in range(FRAMES):
        view = narrow.view_at(n)
        left, top = round(scene.camera.cx - view.cx), round(scene.camera.cy - view.cy)
        shown[top : top + view.height, left : left + view.width] = True
    return np.where(shown[..., None], picture, picture // 3)


if __name__ == "__main__":
    main()
