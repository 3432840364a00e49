"""What was drawn as labelme's annotation, and an annotation as edits: outlines and lines, by the labels that the CLI knows."""

from __future__ import annotations

import base64
import io
from typing import Any

import cv2
import numpy as np
import PIL.Image

from ..files.labelme import is_labelme, labelme_shapes, labelme_size
from ..files.resize import same_aspect
from ..files.shapes import LINES, Shape, draw
from ..files.shapes import Sheet as ShapeSheet
from . import edits as of
from .drawn import Drawn, Sheet
from .region import outlines_of

LABELS = {"flows": "motion", "sways": "sway", "flickers": "flame", "ripples": "ripple", "still": "freeze"}
KINDS = {label: kind for kind, label in LABELS.items()}
HINT = "hint"
VERSION = "5.5.0"  # of labelme, whose format this is


def to_labelme(document: of.Document, drawn: Drawn, sheet: Sheet) -> dict[str, Any]:
    """An annotation in pixels of the photo. What has holes, which an outline cannot say, becomes a bitmap."""
    photo = document.photo
    shapes = []
    for part in drawn.parts.values():
        count, pieces = cv2.connectedComponents((part.matte > 0.5).astype(np.uint8), connectivity=4)
        for n in range(1, count):
            outlines = outlines_of(pieces == n, (1 / sheet.scale[0], 1 / sheet.scale[1]))
            if len(outlines) == 1:
                shapes.append(_shape(LABELS[part.kind], "polygon", outlines[0]))
            elif outlines:
                shapes.append(_bitmap(LABELS[part.kind], pieces == n, photo))
    shapes += [_shape(HINT, "line", [arrow.start, arrow.end]) for arrow in arrows_of(document).values()]
    told: dict[str, Any] = {"version": VERSION, "flags": {}, "shapes": shapes, "imagePath": photo.file, "imageData": None}
    return told | {"imageHeight": photo.height, "imageWidth": photo.width}


def from_labelme(content: Any, photo: of.Photo) -> of.Step:
    """The edits that say the same, in place of what the library found. Raises ValueError with one line."""
    if not is_labelme(content):
        raise ValueError("labelme: expected an annotation with shapes, got something else")
    shapes, stated = labelme_shapes(content), labelme_size(content)
    height, width = stated or (photo.height, photo.width)
    if not same_aspect(height, width, photo.height, photo.width):
        of_photo = f"an annotation of the {photo.width} x {photo.height} photo"
        raise ValueError(f"labelme: expected {of_photo}, got one of {width} x {height}")
    scale = photo.width / width, photo.height / height
    edits: list[Any] = []
    for n, shape in enumerate(shapes):
        label = shape.label.strip().lower()
        if label.startswith(HINT) and shape.kind in LINES and len(shape.points) >= 2:
            ends = shape.points[[0, -1]] * scale
            edits.append({"do": "arrow", "arrow": f"labelme-{n}", "start": tuple(ends[0]), "end": tuple(ends[1])})
            continue
        kind = next((kind for prefix, kind in KINDS.items() if label.startswith(prefix)), None if label else "flows")
        outlines = [] if kind is None else _outlines(shape, photo, scale)
        if outlines:
            region = f"labelme-{kind}"
            if not any(edit.get("region") == region for edit in edits):
                edits.append({"do": "region", "region": region, "kind": kind, "title": LABELS[kind] if kind else ""})
            edits.append({"do": "area", "region": region, "outlines": outlines})
    if not edits:
        known = ", ".join(f"{label}*" for label in (*KINDS, HINT))
        raise ValueError(f"labelme: expected shapes labelled {known}, got none")
    return of.read_step([{"do": "drop-region", "region": of.FOUND}, *edits])


def arrows_of(document: of.Document) -> dict[str, of.Arrow]:
    """The arrows that hold."""
    arrows: dict[str, of.Arrow] = {}
    for edit in document.edits(of.Arrow, of.DropArrow):
        if isinstance(edit, of.Arrow):
            arrows[edit.arrow] = edit
        else:
            arrows.pop(edit.arrow, None)
    return arrows


def _outlines(shape: Shape, photo: of.Photo, scale: tuple[float, float]) -> list[Any]:
    if shape.kind == "polygon":
        return [[tuple(point) for point in (shape.points * scale).tolist()]]
    region = np.zeros((photo.height, photo.width), bool)
    draw(shape, region, ShapeSheet(photo.height, photo.width, scale))
    return outlines_of(region, (1.0, 1.0))


def _shape(label: str, kind: str, points: Any) -> dict[str, Any]:
    return {"label": label, "points": [list(point) for point in points], "group_id": None, "shape_type": kind, "flags": {}}


def _bitmap(label: str, inside: np.ndarray, photo: of.Photo) -> dict[str, Any]:
    whole = cv2.resize(inside.astype(np.uint8), (photo.width, photo.height), interpolation=cv2.INTER_NEAREST)
    rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
    x0, y0, x1, y1 = int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
    file = io.BytesIO()
    PIL.Image.fromarray(whole[y0 : y1 + 1, x0 : x1 + 1] * 255).save(file, "PNG")
    mask = {"mask": base64.b64encode(file.getvalue()).decode()}
    return _shape(label, "mask", [(x0, y0), (x1, y1)]) | mask
