"""Several views of a moment in one picture: both eyes on one screen, in a headset, and depth beside colour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import isfinite, pi
from numbers import Real

import cv2
import numpy as np

from ..data import Camera, DepthSpan
from ..files.spatial import Packing
from ..pixels.crossing import leaving
from .shot import Change, Shot, smaller, unchanged

EYES_PERCENT = 2.0  # of the picture's width: how far what is nearest lies from what is farthest between the eyes
MOST_PERCENT = 5.0  # beyond, eyes do not fuse what is near on a screen of ordinary size
MOST_EYE_PX = 2048  # a side of a half sphere's picture: two of them are what headsets decode

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
VR180, RGBD = "vr180", "rgbd"
KINDS = (*LAYOUTS, VR180, RGBD)
PACKINGS: dict[str, Packing] = {"sbs": "left-right", "half-sbs": "left-right", "tb": "top-bottom", VR180: "left-right"}


def check_stereo(stereo: str | None, eyes: float) -> None:
    if stereo is not None and stereo not in KINDS:
        raise ValueError(f"stereo: expected one of {', '.join(KINDS)}, got {stereo!r}")
    if isinstance(eyes, bool) or not isinstance(eyes, Real) or not isfinite(eyes) or not 0 < eyes <= MOST_PERCENT:
        raise ValueError(f"eyes: expected more than 0 and at most {MOST_PERCENT} percent of the width, got {eyes!r}")


def aside(view: Camera, span: DepthSpan, percent: float, side: float) -> Camera:
    """``view`` from beside it, parallel, ``side`` -0.5..0.5 of the way between two eyes, which see what lies at the focus at
    the same place: on the screen."""
    apart = side * percent / 100 * view.width / (view.fx * max(span.near - span.far, 1e-9))  # scene units
    pose = view.pose.clone()
    pose[0, 3] -= apart
    return replace(view.with_pose(pose), cx=view.cx + apart * view.fx * span.focus)


def eyes_of(view: Camera, span: DepthSpan, percent: float) -> tuple[Camera, Camera]:
    """The left and the right eye of ``view``."""
    return aside(view, span, percent, -0.5), aside(view, span, percent, 0.5)


def pictures_of(shot: Shot, kind: str | None, percent: float) -> Iterator[np.ndarray]:
    """One period, uint8 ``[H, W, 3]``: the shot itself, or what is asked for of it, one of `KINDS`."""
    if kind is None:
        return leaving(shot.taken(n).rgb_u8 for n in range(len(shot.path)))
    return (picture_of(shot, kind, percent, n) for n in range(len(shot.path)))


def picture_of(shot: Shot, kind: str | None, percent: float, n: int) -> np.ndarray:
    """Frame ``n`` of `pictures_of`."""
    if kind is None:
        return _colour(shot, n)
    if kind == RGBD:
        return np.concatenate([_colour(shot, n), _grey_depth(shot, n)], axis=1)
    span = shot.scene.span
    if kind == VR180:  # in a headset what is farthest lies far away, on no screen
        span = replace(span, focus=max(span.far, 1e-3 * span.near))

    def eye(side: float) -> Change:
        return lambda view: aside(view, span, percent, side)

    if kind == VR180:
        return _side_by_side(*(_on_half_sphere(shot, n, eye(side)) for side in (-0.5, 0.5)))
    return LAYOUTS[kind](*(_colour(shot, n, eye(side)) for side in (-0.5, 0.5)))


def _colour(shot: Shot, n: int, change: Change = unchanged) -> np.ndarray:
    colour: np.ndarray = shot.taken(n, change).rgb_u8.cpu().numpy()
    return colour


def _grey_depth(shot: Shot, n: int) -> np.ndarray:
    """Disparity as a grey picture, near is white: what displays take that make depth of a picture beside it."""
    far, near = shot.scene.span.limits
    share = ((shot.disp(n) - far) / (near - far)).clamp(0, 1)
    grey = (share * 255 + 0.5).byte().cpu().numpy()
    return np.repeat(grey[..., None], 3, axis=2)


def eye_px(camera: Camera) -> int:
    """The side of a half sphere's picture: the photo's middle is as large as in the photo, if headsets decode that."""
    return min(2 * round(pi * camera.fx / 2), MOST_EYE_PX)


def _on_half_sphere(shot: Shot, n: int, eye: Change) -> np.ndarray:
    """One eye's view on the equirectangular picture of the half sphere before it, black where the photo does not reach."""
    camera, side = shot.scene.camera, eye_px(shot.scene.camera)
    scale = side / (pi * camera.fx)

    def at_size(view: Camera) -> Camera:
        seen = eye(view)
        return smaller(seen, max(round(seen.width * scale), 1), max(round(seen.height * scale), 1)) if scale < 1 else seen

    flat = _colour(shot, n, at_size)
    angle = ((np.arange(side) + 0.5) / side - 0.5) * pi
    x = np.broadcast_to(np.tan(angle), (side, side))
    y = np.tan(angle)[:, None] / np.cos(angle)
    # By the photo's own focal length, about the middle of what is seen: a zoom shows as one.
    focal = camera.fx * flat.shape[1] / shot.view_at(n).width
    at_x, at_y = (at * focal + length / 2 - 0.5 for at, length in ((x, flat.shape[1]), (y, flat.shape[0])))
    seen = cv2.remap(flat, at_x.astype(np.float32), at_y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.ascontiguousarray(seen)
