"""Motion hints from disk or memory: arrows, lists of arrows in JSON, and annotations of the usual tools."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import Arrows, MaskLike, MotionHints
from .coco import coco_shapes, is_coco
from .keys import read_json
from .labelme import is_labelme, labelme_shapes, labelme_size
from .masks import noted_mask
from .place import is_path
from .resize import resize_hints, same_aspect
from .shapes import LINES, Points, Shape, Sheet, draw
from .tell import Noted, warn
from .via import is_via, via_shapes

MOST_ARROWS = 10_000  # who has more has a dense flow
MOST_SIDES = 20.0  # an arrow, 50 frames of motion, is at most so many times as long as the picture
BACKGROUND = ("_background_", "background", "__ignore__", "ignore")
ROLES = ("motion", "freeze", "hint")
Labels = str | Sequence[str] | None


def read_hints(
    hints: Arrows | MotionHints | None, height: int, width: int, mask: MaskLike | None = None, label: Labels = None
) -> MotionHints:
    """Read what the user says about motion in a photo of this size.

    An arrow starts inside the picture and may end outside. An annotation of a scaled copy of the photo is scaled to it.

    Parameters
    ----------
    hints : path, sequence of arrows, array, Tensor, MotionHints or None
        Arrows ``((x0, y0), (x1, y1))`` in pixels; a JSON file with a list of such arrows; or annotations of labelme,
        X-AnyLabeling, COCO, SAM or VGG's VIA. Shapes labelled ``motion*``, or not at all, make the mask, ``freeze*`` what
        stays, and lines ``hint*`` the arrows (a strip of lines is one arrow along a bent way); capitals do not matter.
    height, width : int
        The photo's.
    mask : MaskLike, optional
        See `read_mask`; it replaces the annotation's. An annotation, ``.json``, marks what all its shapes mark.
    label : str or sequence of str, optional
        The labels that move instead of ``motion*``.

    Returns
    -------
    MotionHints

    Raises
    ------
    OSError, ValueError, TypeError
        With one line: argument, what was expected, what came.

    Warns
    -----
    InputWarning
        Names labels that mean nothing, and regions that mark nothing.

    Examples
    --------
    >>> from c3drender.files import read_hints
    >>> read_hints([((20, 40), (30, 44))], height=48, width=64).arrows.shape
    torch.Size([1, 2, 2])
    """
    return noted_hints(hints, (height, width), (height, width), mask, label).value


def noted_hints(
    hints: Arrows | MotionHints | None,
    photo_size: tuple[int, int],
    size: tuple[int, int],
    mask: MaskLike | None = None,
    label: Labels = None,
    photo: str = "",
) -> Noted[MotionHints]:
    """`read_hints` of a photo of ``photo_size`` (height, width), in the pixels of ``size``; ``photo``: its name."""
    labels = _labels(label)
    notes: tuple[str, ...] = ()
    if isinstance(hints, MotionHints):
        _check_arrows(hints.arrows, *photo_size)
        read = resize_hints(hints, photo_size, *size)
    elif isinstance(hints, (str, os.PathLike)):
        read = _read_json(hints, photo_size, size, labels, photo)
    else:
        if labels is not None and mask is None:
            raise ValueError("label: expected hints in a file, whose labels it chooses from, got none")
        arrows = _arrows([] if hints is None else hints)
        _check_arrows(arrows, *photo_size)
        read = MotionHints(mask=None, arrows=arrows * _scale(arrows, photo_size, size))
    if mask is None:
        return Noted(read, notes)
    if is_path(mask) and os.fspath(mask).lower().endswith(".json"):
        moving = _marked_by(mask, photo_size, size, labels, photo)
    else:
        noted = noted_mask("mask", mask, *size)
        moving, notes = noted.value, noted.notes
    return Noted(MotionHints(mask=moving, arrows=read.arrows, freeze=read.freeze), notes)


def _labels(label: Labels) -> tuple[str, ...] | None:
    if label is None:
        return None
    listed = [label] if isinstance(label, str) else label
    if not isinstance(listed, (list, tuple)) or not listed or not all(isinstance(one, str) and one.strip() for one in listed):
        raise TypeError(f"label: expected the name of a label, or a list of them, got {label!r}")
    return tuple(one.strip().lower() for one in listed)


def _read_json(
    path: Any, photo_size: tuple[int, int], size: tuple[int, int], labels: tuple[str, ...] | None, photo: str
) -> MotionHints:
    content = read_json("hints", path)
    if isinstance(content, list) and not is_coco(content) and not any(isinstance(one, dict) for one in content):
        arrows = _arrows(content)
        if len(arrows) == 0:
            warn(f"hints: nothing in {os.fspath(path)} says what moves")
        _check_arrows(arrows, *photo_size)
        return MotionHints(mask=None, arrows=arrows * _scale(arrows, photo_size, size))
    shapes, sheet = _shapes_of(content, path, photo_size, size, photo)
    roles = _roles(shapes, labels)
    if not any(roles):
        warn(f"hints: nothing in {os.fspath(path)} says what moves")
    regions: dict[str, np.ndarray | None] = {"motion": None, "freeze": None}
    listed: list[np.ndarray] = []
    for shape, role in zip(shapes, roles, strict=True):
        if role == "hint":
            listed.extend(_arrows_along(shape))
        elif role in regions:
            drawn = regions[role]
            drawn = np.zeros(size, dtype=bool) if drawn is None else drawn
            _draw_alone(shape, drawn, sheet)
            regions[role] = drawn
    annotated = (size[0] / sheet.scale[1], size[1] / sheet.scale[0])
    arrows = _arrows(listed)
    _check_arrows(arrows, *annotated)
    masks = {role: None if region is None else torch.from_numpy(region) for role, region in regions.items()}
    return MotionHints(masks["motion"], arrows * arrows.new_tensor(sheet.scale), masks["freeze"])


def _marked_by(
    path: Any, photo_size: tuple[int, int], size: tuple[int, int], labels: tuple[str, ...] | None, photo: str
) -> Tensor:
    """What the shapes of an annotation given as a mask mark: all, or those of ``labels``; lines and what stays left out."""
    shapes, sheet = _shapes_of(read_json("mask", path), path, photo_size, size, photo)
    region = np.zeros(size, dtype=bool)
    for shape in shapes:
        label = shape.label.strip().lower()
        chosen = label in labels if labels is not None else not label.startswith(("freeze", "hint", *BACKGROUND))
        if chosen and (shape.kind not in (*LINES, "point") or labels is not None):
            draw(shape, region, sheet)
    if not region.any():
        got = ", ".join(sorted({shape.label for shape in shapes})) or "no shape"
        raise ValueError(f"mask: expected shapes that mark something in {os.fspath(path)}, got {got[:200]}")
    return torch.from_numpy(region)


def _shapes_of(
    content: Any, path: Any, photo_size: tuple[int, int], size: tuple[int, int], photo: str
) -> tuple[list[Shape], Sheet]:
    if is_labelme(content):
        shapes, stated = labelme_shapes(content), labelme_size(content)
    elif is_coco(content):
        shapes, stated = coco_shapes(content, photo)
    elif is_via(content):
        shapes, stated = via_shapes(content, photo), None
    else:
        kinds = "a list of arrows or a labelme, COCO or VIA annotation"
        raise ValueError(f"hints: expected {kinds} in {os.fspath(path)}, got neither")
    height, width = stated or photo_size
    listed = [shape.points for shape in shapes if shape.bitmap is None]
    if _are_shares(listed):
        warn(f"hints: the points lie in 0..1 and are taken as shares of {width} x {height} px")
        shapes = [replace(shape, points=shape.points * (width, height)) for shape in shapes]
    if not same_aspect(height, width, *photo_size):
        of = f"an annotation of the {photo_size[1]} x {photo_size[0]} photo"
        raise ValueError(f"hints: expected {of}, got one of {width} x {height}")
    return shapes, Sheet(*size, (size[1] / width, size[0] / height))


def _are_shares(points: Sequence[np.ndarray]) -> bool:
    """Whether these are not pixels but shares of a picture's sides: all in 0..1, and not all whole."""
    listed = np.concatenate([one.reshape(-1) for one in points]) if points else np.zeros(0)
    return listed.size > 0 and bool(((listed >= 0) & (listed <= 1)).all() and (listed % 1 != 0).any())


def _roles(shapes: list[Shape], labels: tuple[str, ...] | None) -> list[str | None]:
    """What each shape is: motion, freeze, hint, or None where its label says nothing; those are named in a warning, and where
    no shape says anything it is an error."""
    roles: list[str | None] = []
    for shape in shapes:
        label = shape.label.strip().lower()
        if labels is not None and label in labels:
            roles.append("hint" if shape.kind in LINES else "motion")
        elif label == "":
            roles.append("motion" if labels is None else None)
        else:
            known = [role for role in ROLES if label.startswith(role)]
            roles.append(known[0] if known and not (labels is not None and known[0] == "motion") else None)
    left = Counter(
        shape.label or "without a label"
        for shape, role in zip(shapes, roles, strict=True)
        if role is None and not shape.label.strip().lower().startswith(BACKGROUND)
    )
    listed = ", ".join(f"{label[:40]} ({count})" for label, count in left.most_common(12))
    if labels is not None and "motion" not in roles and "hint" not in roles:
        raise ValueError(f"label: expected a label of the file, {listed or 'which has none'}, got {', '.join(labels)}")
    if left and not any(roles):
        raise ValueError(
            f"hints: expected shapes labelled motion*, freeze* or hint*, got {listed}; label= says which of them move"
        )
    if left:
        warn(f"hints: left out, as their labels say nothing of motion: {listed}; label= makes them move")
    return roles


def _draw_alone(shape: Shape, region: np.ndarray, sheet: Sheet) -> None:
    """Draw it, and see that it marks something of the picture."""
    alone = np.zeros_like(region)
    draw(shape, alone, sheet)
    if not alone.any():
        warn(f"hints: {shape.name} marks nothing of the picture")
    region |= alone


def _scale(arrows: Tensor, from_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    return arrows.new_tensor([size[1] / from_size[1], size[0] / from_size[0]])


def _arrows(listed: Any) -> Tensor:
    """float32 ``[A, 2, 2]``"""
    if not isinstance(listed, (Sequence, np.ndarray, Tensor)) or isinstance(listed, (str, bytes)):
        raise TypeError(f"hints: expected arrows ((x0, y0), (x1, y1)) or a path, got {type(listed).__name__}")
    if len(listed) > MOST_ARROWS:
        raise ValueError(f"hints: expected at most {MOST_ARROWS} arrows (a dense field is a flow), got {len(listed)}")
    try:
        arrows = np.array([np.array(arrow, dtype=np.float32) for arrow in listed], dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("hints: expected every arrow to be ((x0, y0), (x1, y1)), got something else") from error
    if len(arrows) == 0:
        return torch.zeros(0, 2, 2, dtype=torch.float32, device="cpu")
    if arrows.shape[1:] != (2, 2) or not np.isfinite(arrows).all():
        raise ValueError(f"hints: expected every arrow to be ((x0, y0), (x1, y1)), finite, got {list(arrows.shape[1:])}")
    return torch.from_numpy(arrows)


def _check_arrows(arrows: Tensor, height: float, width: float) -> None:
    """Arrows start inside the picture, in whose pixels they are, and are not absurdly long."""
    if _are_shares([arrows.numpy()]):
        raise ValueError(f"hints: expected arrows in pixels of {width:.0f} x {height:.0f}, got shares of them, 0..1")
    start = arrows[:, 0]
    outside = ((start < 0) | (start > start.new_tensor([width, height]))).any(dim=1).nonzero().flatten().tolist()
    if outside:
        x, y = start[outside[0]].tolist()
        raise ValueError(
            f"hints: expected arrow {outside[0]} to start inside {width:.0f} x {height:.0f} px, got ({x:g}, {y:g})"
        )
    length = (arrows[:, 1] - start).norm(dim=1)
    most = MOST_SIDES * max(height, width)
    long = (length > most).nonzero().flatten().tolist()
    if long:
        raise ValueError(
            f"hints: expected arrow {long[0]} to be at most {most:.0f} px long, got {float(length[long[0]]):g} px"
        )


def _arrows_along(shape: Shape) -> list[np.ndarray]:
    """One arrow per piece of a line, each as long as the whole line: the way takes the time of one arrow."""
    points: Points = shape.points
    if len(points) < 2:
        raise ValueError(f"hints: expected {shape.name} to be a line of two or more points, got {len(points)}")
    steps = np.diff(points, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    if lengths.sum() == 0:
        return [points[:2]]
    return [
        np.stack([start, start + step * (lengths.sum() / length)])
        for start, step, length in zip(points[:-1], steps, lengths, strict=True)
        if length > 0
    ]
