"""Annotations of the VGG Image Annotator, versions 1 and 2: exported regions or whole projects."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import numpy as np

from .place import one_line
from .shapes import MOST_POINTS, Shape

Content = dict[str, Any]
LABEL_KEYS = ("label", "name", "class", "type")


def is_via(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    files = content.get("_via_img_metadata", content)
    return (
        isinstance(files, dict)
        and len(files) > 0
        and all(isinstance(one, dict) and "regions" in one for one in files.values())
    )


def via_shapes(content: Content, photo: str) -> list[Shape]:
    """The shapes of the picture called ``photo``, of the only one where there is one."""
    files = list(content.get("_via_img_metadata", content).values())
    name = PurePath(photo).name
    found = files if len(files) == 1 else [one for one in files if PurePath(str(one.get("filename"))).name == name]
    if len(found) != 1:
        raise ValueError(
            f"hints: expected annotations of one picture, or of {name or 'the photo'} by its name, got {len(files)} pictures"
        )
    regions = found[0]["regions"]
    try:
        listed = list(regions.values()) if isinstance(regions, dict) else list(regions)
        shapes = [_shape(region, n) for n, region in enumerate(listed)]
    except (KeyError, TypeError, AttributeError, OverflowError, ValueError) as error:
        if str(error).startswith("hints: "):
            raise
        got = f"{type(error).__name__}: {one_line(error)[:80]}"
        raise ValueError(f"hints: expected regions as VIA has them, got {got}") from error
    if sum(len(shape.points) for shape in shapes) > MOST_POINTS:
        raise ValueError(f"hints: expected at most {MOST_POINTS} points in all shapes, got more")
    return shapes


def _word(value: Any) -> str:
    """What was written, chosen, or ticked first."""
    if isinstance(value, dict):
        value = next((name for name, ticked in value.items() if ticked), "")
    return value if isinstance(value, str) else ""


def _shape(region: Content, n: int) -> Shape:
    drawn, told = region["shape_attributes"], region.get("region_attributes") or {}
    values = [told[key] for key in LABEL_KEYS if key in told] + list(told.values())
    label = next(filter(None, map(_word, values)), "")
    name = f"region {n}" + (f" ({label[:40]})" if label else "")
    kind = drawn["name"]

    def of(*keys: str) -> list[float]:
        return [float(drawn[key]) for key in keys]

    if kind in ("polygon", "polyline"):
        points = np.stack([np.array(drawn[key], dtype=np.float64) for key in ("all_points_x", "all_points_y")], axis=1)
    elif kind == "rect":
        x, y, width, height = of("x", "y", "width", "height")
        kind, points = "rectangle", np.array([[x, y], [x + width, y + height]])
    elif kind == "circle":
        x, y, radius = of("cx", "cy", "r")
        points = np.array([[x, y], [x + radius, y]])
    elif kind == "ellipse":
        x, y, along, across = of("cx", "cy", "rx", "ry")
        turn = float(drawn.get("theta", 0.0))
        ends = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) * [[along], [across]]
        points = np.array([x, y]) + np.concatenate([np.zeros((1, 2)), ends])
    else:
        points = np.array([of("cx", "cy")]) if "cx" in drawn else np.zeros((1, 2))
    if points.ndim != 2 or not np.isfinite(points).all():
        raise ValueError(f"hints: expected the points of {name} to be finite, got others")
    return Shape(label, str(kind), points, name)
