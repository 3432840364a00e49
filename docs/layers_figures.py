"""The pictures of layers.md, from two photos: python docs/layers_figures.py [../shared/photos]"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import torch

import c3drender
from c3drender.data import CameraPath, Frame
from c3drender.files.photo import read_photo, write_picture
from c3drender.files.scene import Scene
from c3drender.layers import build as layers
from c3drender.layers.matte import HARD_EDGES

REPO = Path(__file__).resolve().parent.parent
IMAGES = REPO / "docs" / "images"
CAMERA, AMPLITUDE, NUM_FRAMES = "swing", 2.0, 60
SIZE_PX = 640
CROP_PX = (120, 160)  # height, width
ENLARGED = 2
GAP_PX = 8
HOLE_COLOUR = (255, 0, 255)


@dataclass(frozen=True)
class Crop:
    """A window of a photo's frame, ``corner_px`` its upper left (x, y), at the camera's farthest to one side."""

    photo: str
    corner_px: tuple[int, int]
    rightmost: bool


CROPS = (Crop("stream_cascade.jpg", (480, 30), rightmost=False), Crop("peaks_cloud.jpg", (60, 110), rightmost=True))
EDGE_CROPS = (Crop("stream_cascade.jpg", (480, 30), rightmost=True), Crop("peaks_cloud.jpg", (60, 110), rightmost=True))


def main(photos: Path) -> None:
    for name, crops, row in (("layers_holes.jpg", CROPS, _holes_row), ("layers_edges.jpg", EDGE_CROPS, _edges_row)):
        rows = [_joined(row(photos / crop.photo, crop), axis=1) for crop in crops]
        write_picture(IMAGES / name, _joined(rows, axis=0))


def _edges_row(photo: Path, crop: Crop) -> list[np.ndarray]:
    """The crop with every edge cut hard, and as it is rendered."""
    with patch.object(layers, "find_matte", lambda *_: HARD_EDGES):
        hard = _still_scene(photo)
    frames = [_frame(scene, _farthest(scene, crop.rightmost)) for scene in (hard, _still_scene(photo))]
    return [_window(frame.rgb_u8.numpy(), crop.corner_px) for frame in frames]


def _holes_row(photo: Path, crop: Crop) -> list[np.ndarray]:
    """The crop with its holes shown, filled by Telea's method, and as it is rendered."""
    scene = _still_scene(photo)
    pose = _farthest(scene, crop.rightmost)
    seen_alone = replace(scene, layers=scene.layers.kept(scene.layers.seen))
    before, after = _frame(seen_alone, pose), _frame(scene, pose)
    hole, picture = before.uncovered.numpy(), before.rgb_u8.numpy()
    shown = np.where(hole[..., None], np.uint8(HOLE_COLOUR), picture)
    telea = cv2.inpaint(picture, hole.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    return [_window(tile, crop.corner_px) for tile in (shown, telea, after.rgb_u8.numpy())]


def _still_scene(photo: Path) -> Scene:
    height, width = read_photo(photo).size
    still = np.zeros((height, width), bool)
    return c3drender.prepare(photo, mask=still, depth="builtin", camera=CAMERA, amplitude=AMPLITUDE, size=SIZE_PX)


def _farthest(scene: Scene, rightmost: bool) -> CameraPath:
    path = c3drender.pipeline.camera_path(scene, CAMERA, NUM_FRAMES, AMPLITUDE)
    side = -path.world_to_cam[:, 0, 3] if rightmost else path.world_to_cam[:, 0, 3]
    return CameraPath(path.world_to_cam[side.argmax()][None].contiguous())


def _frame(scene: Scene, pose: CameraPath) -> Frame:
    (frame,) = c3drender.render_frames(scene, camera=pose, frames=1)
    return frame


def _window(picture: np.ndarray, corner_px: tuple[int, int]) -> np.ndarray:
    (x, y), (height, width) = corner_px, CROP_PX
    return cv2.resize(picture[y : y + height, x : x + width], None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_LANCZOS4)


def _joined(tiles: list[np.ndarray], axis: int) -> np.ndarray:
    """``tiles`` beside (1) or below (0) each other, with white between."""
    gap = [(0, 0), (0, 0), (0, 0)]
    gap[axis] = (GAP_PX, 0)
    return np.concatenate([tiles[0], *(np.pad(tile, gap, constant_values=255) for tile in tiles[1:])], axis=axis)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPO.parent / "shared" / "photos")
