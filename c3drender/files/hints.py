"""Motion hints from disk or memory: arrows, lists of arrows in JSON, and labelme annotations of any age."""

from __future__ import annotations

import base64
import io
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ..data import Arrows, MotionHints, PictureLike
from .keys import read_json
from .photo import UNREADABLE, read_mask
from .place import one_line
from .resize import same_aspect

FARTHEST_PX = 1e6  # a corner farther out lies there
Points = np.ndarray  # float64 [P, 2], (x, y) in pixels of the photo


def read_hints(hints: Arrows | MotionHints | None, height: int, width: int, mask: PictureLike | None = None) -> MotionHints:
    """Read what the user says about motion in a photo of this size.

    An arrow starts inside the picture and may end outside. An annotation of a scaled copy of the photo is scaled to it.

    Parameters
    ----------
    hints : path, sequence of arrows, array, Tensor, MotionHints or None
        Arrows ``((x0, y0), (x1, y1))`` in pixels; a JSON file with a list of such arrows; or a labelme file, where shapes
        labelled ``motion*`` make the mask, ``freeze*`` what stays, and lines ``hint*`` the arrows (a strip of lines is one
        arrow along a bent way).
    height, width : int
        The photo's.
    mask : PictureLike, optional
        See `read_mask`; it replaces the annotation's.

    Returns
    -------
    MotionHints

    Raises
    ------
    OSError, ValueError, TypeError
        With one line: argument, what was expected, what came.

    Examples
    --------
    >>> from c3drender.files import read_hints
    >>> read_hints([((20, 40), (30, 44))], height=48, width=64).arrows.shape
    torch.Size([1, 2, 2])
    """
    if isinstance(hints, MotionHints):
        read = hints
    elif isinstance(hints, (str, os.PathLike)):
        read = _read_json(Path(hints), height, width)
    else:
        read = MotionHints(mask=None, arrows=_arrows([] if hints is None else hints))
    _check_inside(read.arrows, height, width)
    moving = read.mask if mask is None else read_mask(mask, height, width)
    return MotionHints(mask=moving, arrows=read.arrows, freeze=read.freeze)


def _read_json(path: Path, height: int, width: int) -> MotionHints:
    content = read_json("hints", path)
    if isinstance(content, list):
        return MotionHints(mask=None, arrows=_arrows(content))
    if isinstance(content, dict) and isinstance(content.get("shapes"), list):
        return _from_labelme(content, height, width)
    raise ValueError(f"hints: expected a list of arrows or a labelme annotation in {path}, got neither")


def _arrows(listed: Any) -> Tensor:
    """float32 ``[A, 2, 2]``"""
    if not isinstance(listed, (Sequence, np.ndarray, Tensor)) or isinstance(listed, str):
        raise TypeError(f"hints: expected arrows ((x0, y0), (x1, y1)) or a path, got {type(listed).__name__}")
    try:
        arrows = np.array([np.array(arrow, dtype=np.float32) for arrow in listed], dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError("hints: expected every arrow to be ((x0, y0), (x1, y1)), got something else") from error
    if len(arrows) == 0:
        return torch.zeros(0, 2, 2)
    if arrows.shape[1:] != (2, 2) or not np.isfinite(arrows).all():
        raise ValueError(f"hints: expected every arrow to be ((x0, y0), (x1, y1)), finite, got {list(arrows.shape[1:])}")
    return torch.from_numpy(arrows)


def _check_inside(arrows: Tensor, height: int, width: int) -> None:
    start = arrows[:, 0]
    outside = ((start < 0) | (start > start.new_tensor([width, height]))).any(dim=1).nonzero().flatten().tolist()
    if outside:
        x, y = start[outside[0]].tolist()
        raise ValueError(f"hints: expected arrow {outside[0]} to start inside {width} x {height} px, got ({x:g}, {y:g})")


def _from_labelme(annotation: dict[str, Any], height: int, width: int) -> MotionHints:
    ann_height, ann_width = _annotated_size(annotation) or (height, width)
    if not same_aspect(ann_height, ann_width, height, width):
        raise ValueError(
            f"hints: expected an annotation of the {width} x {height} photo, got one of {ann_width} x {ann_height}"
        )
    xy_scale = np.array([width / ann_width, height / ann_height])
    regions: dict[str, np.ndarray | None] = {"motion": None, "freeze": None}
    arrows: list[np.ndarray] = []
    for n, shape in enumerate(annotation["shapes"]):
        label, points = _label_and_points(shape, n, xy_scale)
        if label.startswith("hint"):
            arrows.extend(_arrows_along(points, n))
        for kind, region in regions.items():
            if label.startswith(kind):
                drawn = np.zeros((height, width), dtype=bool) if region is None else region
                regions[kind] = _draw_region(drawn, shape, points, n)
    masks = {kind: None if region is None else torch.from_numpy(region) for kind, region in regions.items()}
    return MotionHints(mask=masks["motion"], arrows=_arrows(arrows), freeze=masks["freeze"])


def _annotated_size(annotation: dict[str, Any]) -> tuple[int, int] | None:
    """``(height, width)``: stated since labelme 3, before that the embedded picture's; None where there is neither."""
    height, width = annotation.get("imageHeight"), annotation.get("imageWidth")
    if height is None and width is None:
        return _embedded(annotation["imageData"], "imageData").size[::-1] if annotation.get("imageData") else None
    if not (isinstance(height, int) and isinstance(width, int) and min(height, width) > 0):
        raise ValueError(f"hints: expected imageHeight and imageWidth > 0, got {height!r} and {width!r}")
    return height, width


def _embedded(encoded: Any, name: str) -> PIL.Image.Image:
    """The picture that an annotation holds as text, not decoded yet."""
    try:
        return PIL.Image.open(io.BytesIO(base64.b64decode(encoded)))
    except (*UNREADABLE, TypeError) as error:
        raise ValueError(f"hints: expected a picture in the annotation's {name}, got {one_line(error)}") from error


def _label_and_points(shape: Any, n: int, xy_scale: np.ndarray) -> tuple[str, Points]:
    try:
        label, points = str(shape["label"]), np.array(shape["points"], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"hints: expected shape {n} to have a label and points, got {type(error).__name__}: {error}"
        ) from error
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError(
            f"hints: expected the points of shape {n} ({label}) to be finite (x, y) pairs, got {list(points.shape)}"
        )
    return label, points * xy_scale


def _arrows_along(points: Points, n: int) -> list[np.ndarray]:
    """One arrow per piece of a line, each as long as the whole line: the way takes the time of one arrow."""
    if len(points) < 2:
        raise ValueError(f"hints: expected shape {n} to be a line of two or more points, got {len(points)}")
    steps = np.diff(points, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    if lengths.sum() == 0:
        return [points[:2]]
    return [
        np.stack([start, start + step * (lengths.sum() / length)])
        for start, step, length in zip(points[:-1], steps, lengths, strict=True)
        if length > 0
    ]


def _draw_region(region: np.ndarray, shape: dict[str, Any], points: Points, n: int) -> np.ndarray:
    shape_type = shape.get("shape_type") or "polygon"
    if shape_type not in _DRAW:
        raise ValueError(f"hints: expected shape {n} ({shape['label']}) to be {', '.join(_DRAW)}, got {shape_type}")
    least_points, draw = _DRAW[shape_type]
    if len(points) < least_points:
        raise ValueError(f"hints: expected shape {n} ({shape['label']}) to have >= {least_points} points, got {len(points)}")
    draw(region, points, shape)
    return region


def _draw_polygon(region: np.ndarray, points: Points, shape: dict[str, Any]) -> None:
    """Mark the pixels whose centre is inside, by the even-odd rule."""
    height, width = region.shape
    crossings = np.zeros((height, width + 1), dtype=np.int32)  # at [y, x]: edges between the centres of x - 1 and x
    for edge in zip(points, np.roll(points, -1, axis=0), strict=True):
        (x0, y0), (x1, y1) = sorted(edge, key=lambda point: point[1])
        rows = np.arange(max(math.ceil(y0 - 0.5), 0), min(math.ceil(y1 - 0.5), height))
        if len(rows) == 0:
            continue
        at_x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
        crossings[rows, np.ceil(at_x - 0.5).clip(0, width).astype(int)] += 1
    region |= np.cumsum(crossings, axis=1)[:, :width] % 2 == 1


def _draw_rectangle(region: np.ndarray, points: Points, shape: dict[str, Any]) -> None:
    (x0, y0), (x1, y1) = points[:2]
    _draw_polygon(region, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), shape)


def _draw_circle(region: np.ndarray, points: Points, shape: dict[str, Any]) -> None:
    """Centre and one point of the rim."""
    centre, rim = points[:2]
    angles = np.linspace(0, 2 * math.pi, 256, endpoint=False)
    _draw_polygon(region, centre + np.linalg.norm(rim - centre) * np.stack([np.cos(angles), np.sin(angles)], axis=1), shape)


def _draw_bitmap(region: np.ndarray, points: Points, shape: dict[str, Any]) -> None:
    """Two corners and a bitmap, as labelme's assisted annotation leaves it."""
    picture = _embedded(shape.get("mask"), "mask")
    try:
        bitmap = np.asarray(picture)
    except UNREADABLE as error:
        raise ValueError(f"hints: expected a complete picture in the annotation's mask, got {one_line(error)}") from error
    if bitmap.ndim != 2:
        raise ValueError(f"hints: expected the bitmap of shape {shape['label']} to be [H, W], got {list(bitmap.shape)}")
    corners = np.clip(points[:2], -FARTHEST_PX, FARTHEST_PX)
    (x0, y0), (x1, y1) = np.round([corners.min(axis=0), corners.max(axis=0)]).astype(int)
    width, height = max(x1 - x0, 1), max(y1 - y0, 1)
    # Nearest, of what lies in the picture alone: the corners may be far outside.
    rows = np.arange(max(y0, 0), min(y0 + height, region.shape[0]))
    cols = np.arange(max(x0, 0), min(x0 + width, region.shape[1]))
    own_rows, own_cols = (rows - y0) * bitmap.shape[0] // height, (cols - x0) * bitmap.shape[1] // width
    region[np.ix_(rows, cols)] |= bitmap[np.ix_(own_rows, own_cols)] > 0


_DRAW: dict[str, tuple[int, Callable[[np.ndarray, Points, dict[str, Any]], None]]] = {
    "polygon": (3, _draw_polygon),
    "rectangle": (2, _draw_rectangle),
    "circle": (2, _draw_circle),
    "mask": (2, _draw_bitmap),
}
