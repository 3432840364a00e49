"""Annotations in COCO's format, and what SAM writes: polygons, boxes and run-length masks, with or without categories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from .decode import check_area
from .place import one_line
from .shapes import MOST_POINTS, Shape

Content = dict[str, Any]
LABEL_KEYS = ("class_name", "category", "label", "class")  # of annotations without categories
CHUNK_BITS, CONTINUES, SIGN = 5, 0x20, 0x10  # of compressed run lengths: bits a character, more follow, below zero
FIRST_CHARACTER = 48


def is_coco(content: Any) -> bool:
    if isinstance(content, dict):
        return isinstance(content.get("annotations"), list) or _is_mask(content)
    return (
        isinstance(content, list)
        and len(content) > 0
        and all(isinstance(one, dict) and "segmentation" in one for one in content)
    )


def coco_shapes(content: Any, photo: str) -> tuple[list[Shape], tuple[int, int] | None]:
    """The shapes of the picture called ``photo``, or of the only one, and its (height, width) where it is told."""
    try:
        if isinstance(content, dict) and _is_mask(content):
            content = [{"segmentation": content}]
        if isinstance(content, list):
            content = {"annotations": content}
        image = _image_of(content, photo)
        names = {str(kind["id"]): str(kind["name"]) for kind in content.get("categories") or []}
        listed = [one for one in content["annotations"] if image is None or _is_of(one, image)]
        shapes = [shape for n, one in enumerate(listed) for shape in _shapes(one, n, names)]
        size = None if image is None or "height" not in image else (int(image["height"]), int(image["width"]))
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError, ValueError) as error:
        if str(error).startswith("hints: "):
            raise
        got = f"{type(error).__name__}: {one_line(error)[:80]}"
        raise ValueError(f"hints: expected annotations as COCO has them, got {got}") from error
    if size is None:
        size = next((shape.bitmap.shape for shape in shapes if shape.bitmap is not None), None)
    if sum(len(shape.points) for shape in shapes) > MOST_POINTS:
        raise ValueError(f"hints: expected at most {MOST_POINTS} points in all shapes, got more")
    if size is not None and min(size) < 1:
        raise ValueError(f"hints: expected an image's height and width > 0, got {size[0]} and {size[1]}")
    return shapes, size


def _is_of(one: Content, image: Content) -> bool:
    """Ids are numbers in some files and texts in others, and both in some."""
    return str(one.get("image_id", image.get("id"))) == str(image.get("id"))


def _image_of(content: Content, photo: str) -> Content | None:
    images = content.get("images") or ([content["image"]] if "image" in content else [])
    if isinstance(content.get("image"), dict):  # SAM's own files name the image, but not in its annotations
        image = content["image"]
        return {"id": None, "height": image["height"], "width": image["width"]}
    if len(images) < 2:
        return images[0] if images else None
    name = PurePath(photo).name
    found = [image for image in images if PurePath(str(image.get("file_name"))).name == name]
    if len(found) != 1:
        raise ValueError(
            f"hints: expected annotations of one picture, or of {name or 'the photo'} by its name, got {len(images)} pictures"
        )
    one: Content = found[0]
    return one


def _shapes(one: Content, n: int, names: dict[str, str]) -> list[Shape]:
    told = (one[key] for key in LABEL_KEYS if isinstance(one.get(key), str))
    label = names.get(str(one.get("category_id")), next(told, ""))
    name = f"annotation {n}" + (f" ({label[:40]})" if label else "")
    outline = one.get("segmentation")
    if isinstance(outline, dict):
        return [Shape(label, "mask", np.zeros((1, 2)), name, decode_runs("hints", outline, name))]
    if outline:
        rings = outline if isinstance(outline[0], (list, tuple)) else [outline]
        return [Shape(label, "polygon", _pairs(ring, name), name) for ring in rings]
    if one.get("bbox"):
        x, y, width, height = (float(v) for v in one["bbox"])
        return [Shape(label, "rectangle", _pairs([x, y, x + width, y + height], name), name)]
    raise ValueError(f"hints: expected {name} to have a segmentation or a bbox, got neither")


def _pairs(flat: Sequence[Any], name: str) -> np.ndarray:
    values = np.array(flat, dtype=np.float64)
    if values.ndim != 1 or values.size % 2 or not np.isfinite(values).all():
        raise ValueError(f"hints: expected the points of {name} to be finite x, y, x, y, ..., got {list(values.shape)}")
    return values.reshape(-1, 2)


def _is_mask(content: Content) -> bool:
    return "counts" in content and "size" in content


def decode_runs(argument: str, mask: Content, name: str) -> np.ndarray:
    """COCO's run lengths, plain or compressed to text, down the columns: bool ``[height, width]``."""
    height, width = (int(side) for side in mask["size"])
    if min(height, width) < 1:
        raise ValueError(f"{argument}: expected {name} to have a size > 0, got {height} x {width}")
    check_area(argument, width, height, name)
    counts = mask["counts"]
    runs = np.array(_expanded(argument, counts) if isinstance(counts, (str, bytes)) else counts, dtype=np.int64).reshape(-1)
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"{argument}: expected the runs of {name} to fill {height} x {width} px, got {int(runs.sum())}")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T


def _expanded(argument: str, text: str | bytes) -> list[int]:
    """As in cocoapi's ``rleFrString``: six bits a character, and from the third run on the difference to the last but one."""
    runs: list[int] = []
    value, shift = 0, 0
    for code in text.encode("latin-1") if isinstance(text, str) else text:
        bits = code - FIRST_CHARACTER
        value |= (bits & 0x1F) << shift
        shift += CHUNK_BITS
        if shift > 60:
            raise ValueError(f"{argument}: expected run lengths as COCO compresses them, got something else")
        if not bits & CONTINUES:
            if bits & SIGN:
                value |= -1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    return runs
