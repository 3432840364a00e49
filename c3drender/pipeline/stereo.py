"""Both eyes of a view, and how two pictures are shown on one screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import isfinite
from numbers import Real

import cv2
import numpy as np

from ..data import Camera, CameraPath, DepthSpan, Frame

Draw = Callable[[Camera, int], Frame]
Crop = tuple[slice, slice]
EYES_PERCENT = 2.0  # of the picture's width: how far what is nearest lies from what is farthest between the eyes
MOST_PERCENT = 5.0  # beyond, eyes do not fuse what is near on a screen of ordinary size

# Red and cyan glasses: least squares in the space of their filters (Dubois, "A projection method to generate anaglyph stereo
# images", ICASSP 2001), RGB of each eye to RGB shown.
DUBOIS_LEFT = np.array([[0.456, 0.500, 0.176], [-0.040, -0.038, -0.016], [-0.015, -0.021, -0.005]], np.float32)
DUBOIS_RIGHT = np.array([[-0.043, -0.088, -0.002], [0.378, 0.734, -0.018], [-0.072, -0.113, 1.226]], np.float32)


def _side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.concatenate([left, right], axis=1)


def _half_side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    height, width = left.shape[:2]
    halves = [cv2.resize(eye, (width // 2, height), interpolation=cv2.INTER_AREA) for eye in (left, right)]
    return np.concatenate(halves, axis=1)


def _top_and_bottom(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.concatenate([left, right], axis=0)


def _anaglyph(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    mixed = left.astype(np.float32) @ DUBOIS_LEFT.T + right.astype(np.float32) @ DUBOIS_RIGHT.T
    return mixed.round().clip(0, 255).astype(np.uint8)


LAYOUTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "sbs": _side_by_side,
    "half-sbs": _half_side_by_side,
    "tb": _top_and_bottom,
    "anaglyph": _anaglyph,
}


def check_stereo(stereo: str | None, eyes: float) -> None:
    if stereo is not None and stereo not in LAYOUTS:
        raise ValueError(f"stereo: expected one of {', '.join(LAYOUTS)}, got {stereo!r}")
    if isinstance(eyes, bool) or not isinstance(eyes, Real) or not isfinite(eyes) or not 0 < eyes <= MOST_PERCENT:
        raise ValueError(f"eyes: expected more than 0 and at most {MOST_PERCENT} percent of the width, got {eyes!r}")


def eyes_of(view: Camera, span: DepthSpan, percent: float) -> tuple[Camera, Camera]:
    """The left and the right eye of ``view``, parallel, which see what lies at the focus at the same place: on the screen."""
    apart = percent / 100 * view.width / (view.fx * max(span.near - span.far, 1e-9))  # scene units
    pair = []
    for side in (-0.5, 0.5):
        pose = view.pose.clone()
        pose[0, 3] -= side * apart
        pair.append(replace(view.with_pose(pose), cx=view.cx + side * apart * view.fx * span.focus))
    return pair[0], pair[1]


def stereo_frames(
    draw: Draw, camera: Camera, span: DepthSpan, path: CameraPath, layout: str, percent: float, crop: Crop
) -> Iterator[np.ndarray]:
    """One period, uint8 ``[H, W, 3]``, both eyes, each cropped, in each picture."""
    zooms = [1.0] * len(path) if path.zoom is None else path.zoom.tolist()
    for n, (pose, zoom) in enumerate(zip(path.world_to_cam, zooms, strict=True)):
        eyes = eyes_of(camera.with_pose(pose).zoomed(zoom), span, percent)
        left, right = (draw(eye, n).rgb_u8.cpu().numpy()[crop] for eye in eyes)
        yield LAYOUTS[layout](left, right)
