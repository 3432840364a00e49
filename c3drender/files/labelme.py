"""Annotations of labelme, of any age, and of X-AnyLabeling, which writes its format with more kinds of shapes."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
import PIL.Image

from .decode import UNREADABLE, loaded, open_picture
from .place import one_line
from .shapes import MOST_POINTS, Points, Shape

DATA_URL = "data:image/png;base64,"


def is_labelme(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("shapes"), list)


def labelme_shapes(annotation: dict[str, Any]) -> list[Shape]:
    shapes = [_shape(shape, n) for n, shape in enumerate(annotation["shapes"])]
    if sum(len(shape.points) for shape in shapes) > MOST_POINTS:
        raise ValueError(f"hints: expected at most {MOST_POINTS} points in all shapes, got more")
    return shapes


def labelme_size(annotation: dict[str, Any]) -> tuple[int, int] | None:
    """``(height, width)``: stated since labelme 3, before that the embedded picture's; None where there is neither."""
    height, width = annotation.get("imageHeight"), annotation.get("imageWidth")
    if height is None and width is None:
        return _embedded(annotation["imageData"], "imageData").size[::-1] if annotation.get("imageData") else None
    height, width = (int(side) if isinstance(side, float) and side.is_integer() else side for side in (height, width))
    if not all(isinstance(side, int) and not isinstance(side, bool) and 0 < side < 2**31 for side in (height, width)):
        raise ValueError(f"hints: expected imageHeight and imageWidth > 0, got {height!r} and {width!r}"[:200])
    return height, width  # type: ignore[return-value]  # both are int


def _shape(shape: Any, n: int) -> Shape:
    try:
        label, listed = str(shape["label"]), shape["points"]
        points = np.array(listed, dtype=np.float64)
        kind = shape.get("shape_type") or "polygon"
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"hints: expected shape {n} to have a label and points, got {type(error).__name__}: {one_line(error)[:80]}"
        ) from error
    name = f"shape {n} ({label[:40]})"
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError(f"hints: expected the points of {name} to be finite (x, y) pairs, got {list(points.shape)}")
    if kind == "mask":
        return _bitmap(shape, label, points, name)
    return Shape(label, str(kind), points, name)


def _bitmap(shape: dict[str, Any], label: str, points: Points, name: str) -> Shape:
    """Two corners, the second inclusive, and a bitmap, as labelme's assisted annotation leaves it."""
    picture = _embedded(shape.get("mask"), "mask")
    try:
        bitmap = np.asarray(picture)
    except (*UNREADABLE, MemoryError) as error:
        raise ValueError(f"hints: expected a complete picture in the annotation's mask, got {one_line(error)}") from error
    if bitmap.ndim != 2:
        raise ValueError(f"hints: expected the bitmap of {name} to be [H, W], got {list(bitmap.shape)}")
    if len(points) == 0:
        raise ValueError(f"hints: expected {name} to have >= 1 points, got 0")
    return Shape(label, "mask", points.min(axis=0, keepdims=True), name, bitmap > 0)


def _embedded(encoded: Any, name: str) -> PIL.Image.Image:
    """The picture that an annotation holds as text, its header read."""
    try:
        data = base64.b64decode(encoded.removeprefix(DATA_URL) if isinstance(encoded, str) else encoded)
        opened = open_picture("hints", data, f"the annotation's {name}")
    except (binascii.Error, TypeError, ValueError) as error:
        raise ValueError(f"hints: expected a picture in the annotation's {name}, got {one_line(error)}") from error
    if name == "mask":
        try:
            return loaded("hints", opened)
        except ValueError as error:
            raise ValueError(f"hints: expected a complete picture in the annotation's mask, got {one_line(error)}") from error
    return opened.picture
