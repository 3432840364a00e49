"""Edits as maps: strokes and outlines become soft masks, one per region, and corrections of the depth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil

import cv2
import numpy as np

from ..pixels.fits import smooth_step
from . import edits as of

GAP = 0.06  # of the range of disparities, by which the nearer of two surfaces is nearer at least
AROUND_PX = 3  # a point's depth is the median of what lies around it
FOOT_SHARE = 0.1  # of a thing's height: its foot, on which it stands
PLANE_ROUNDS = 4
SUBPIXEL_BITS = 4  # of OpenCV's coordinates


@dataclass(frozen=True, eq=False)
class Part:
    """A region: ``matte`` float32 ``[H, W]``, 0..1, how much of each pixel is of it."""

    kind: str
    speed: float
    title: str
    matte: np.ndarray


@dataclass(frozen=True, eq=False)
class Drawn:
    """What the edits of motion come to; regions do not overlap: who paints over one takes from it.

    Attributes
    ----------
    parts : dict of str to Part
        By the regions' names; there may be none.
    size : (int, int)
        Height and width of their mattes.
    arrows : dict of str to array
        float64 ``[2, 2]``, (start, end) x (x, y), px of this size.
    """

    parts: dict[str, Part]
    size: tuple[int, int]
    arrows: dict[str, np.ndarray] = field(default_factory=dict)

    def joined(self, kind: str) -> np.ndarray:
        """float32 ``[H, W]``: all regions of a kind."""
        found = [part.matte for part in self.parts.values() if part.kind == kind]
        return np.max(found, axis=0) if found else np.zeros(self.size, np.float32)


@dataclass(frozen=True)
class Sheet:
    """What is drawn on: its pixels are the photo's times ``scale`` (x, y)."""

    height: int
    width: int
    scale: tuple[float, float]

    def px(self, length: float) -> float:
        return length * (self.scale[0] + self.scale[1]) / 2


def draw_motion(drawn: Drawn, changes: Iterable[of.MotionEdit], sheet: Sheet) -> Drawn:
    """``drawn``, and then these edits."""
    parts, arrows = dict(drawn.parts), dict(drawn.arrows)
    empty = np.zeros((sheet.height, sheet.width), np.float32)
    for edit in changes:
        if isinstance(edit, of.Region):
            matte = parts[edit.region].matte if edit.region in parts else empty
            parts[edit.region] = Part(edit.kind, edit.speed, edit.title, matte)
        elif isinstance(edit, of.DropRegion):
            parts.pop(edit.region, None)
        elif isinstance(edit, of.Arrow):
            arrows[edit.arrow] = np.array([edit.start, edit.end]) * sheet.scale
        elif isinstance(edit, of.DropArrow):
            arrows.pop(edit.arrow, None)
        else:
            cover = stroke(edit, sheet) if isinstance(edit, of.Stroke) else area(edit.outlines, sheet, edit.feather_px)
            own = parts.get(edit.region, Part("flows", 1.0, "", empty))
            parts[edit.region] = own
            for name in [edit.region] if edit.erase else list(parts):
                part = parts[name]
                if name == edit.region and not edit.erase:
                    matte = np.maximum(part.matte, cover)
                else:
                    matte = np.minimum(part.matte, 1 - cover)
                parts[name] = Part(part.kind, part.speed, part.title, matte)
    return Drawn(parts, drawn.size, arrows)


def drawn_nothing(sheet: Sheet) -> Drawn:
    size = sheet.height, sheet.width
    return Drawn({of.FOUND: Part("flows", 1.0, "", np.zeros(size, np.float32))}, size)


def stroke(edit: of.Stroke | of.DepthStroke, sheet: Sheet) -> np.ndarray:
    """float32 ``[H, W]``, 0..1: how much a brush covers."""
    points = np.array(edit.points) * sheet.scale
    radius = max(sheet.px(edit.radius_px), 0.5)
    cover = np.zeros((sheet.height, sheet.width), np.float32)
    reach = ceil(radius) + 1
    x0, y0 = np.maximum(np.floor(points.min(axis=0)).astype(int) - reach, 0)
    x1, y1 = np.minimum(np.ceil(points.max(axis=0)).astype(int) + reach + 1, (sheet.width, sheet.height))
    if x1 <= x0 or y1 <= y0:
        return cover
    # Beyond the picture, too, a brush's way counts: it is drawn on a sheet that holds all of it that can reach in.
    off = ~np.zeros((y1 - y0 + 2 * reach, x1 - x0 + 2 * reach), np.uint8)
    way = np.round((points - 0.5 - (x0 - reach, y0 - reach)) * 2**SUBPIXEL_BITS).astype(np.int32)
    way = np.concatenate([way, way[-1:]])  # of a single point OpenCV draws nothing
    cv2.polylines(off, [way.reshape(-1, 1, 2)], False, 0, 1, cv2.LINE_8, SUBPIXEL_BITS)
    distance = _distance(off)[reach:-reach, reach:-reach]
    cover[y0:y1, x0:x1] = smooth_step((radius - distance) / max(edit.feather * radius, 1.0))
    return cover


def area(outlines: of.Outlines, sheet: Sheet, feather_px: float = 0.0) -> np.ndarray:
    """float32 ``[H, W]``, 0..1: how much outlines cover."""
    inside = np.zeros((sheet.height, sheet.width), np.uint8)
    ways = [np.round((np.array(way) * sheet.scale - 0.5) * 2**SUBPIXEL_BITS).astype(np.int32) for way in outlines]
    if ways:
        cv2.fillPoly(inside, ways, 1, cv2.LINE_8, SUBPIXEL_BITS)
    feather = sheet.px(feather_px)
    if feather < 1 or not inside.any():
        return inside.astype(np.float32)
    within, beyond = _distance(inside), _distance(1 - inside)
    return smooth_step(0.5 + (within - beyond) / (2 * feather)).astype(np.float32)


def _distance(mask: np.ndarray) -> np.ndarray:
    """To the nearest pixel that is 0, px. OpenCV's last bits change from call to call; those of a sixteenth do not: distances
    are roots of whole numbers, of which none under 2000 px lies so near to the middle between two sixteenths."""
    exact = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.round(exact * 16) / np.float32(16)


def correct_depth(disp: np.ndarray, changes: Iterable[of.DepthEdit], sheet: Sheet) -> np.ndarray:
    """Disparities ``[H, W]`` with the edits of depth applied in their order, within the range that they had."""
    low, high = float(disp.min()), float(disp.max())
    for edit in changes:
        if isinstance(edit, of.DepthStroke):
            disp = disp + edit.by * (high - low) * stroke(edit, sheet)
        elif isinstance(edit, of.Nearer):
            inside = area(edit.outlines, sheet) > 0
            if inside.any():
                lacks = _disp_at(disp, edit.than, sheet) + GAP * (high - low) - float(np.median(disp[inside]))
                disp = np.where(inside, disp + max(lacks, 0.0), disp)
        else:
            inside = area(edit.outlines, sheet) > 0
            if inside.any():
                disp = np.where(inside, _plane(disp, inside) if edit.shape == "plane" else _foot(disp, inside), disp)
        disp = np.clip(disp, low, high)
    return disp.astype(np.float32)


def _disp_at(disp: np.ndarray, point: of.Point, sheet: Sheet) -> float:
    x, y = (int(value * scale) for value, scale in zip(point, sheet.scale, strict=True))
    x, y = min(max(x, 0), sheet.width - 1), min(max(y, 0), sheet.height - 1)
    return float(np.median(disp[max(y - AROUND_PX, 0) : y + AROUND_PX + 1, max(x - AROUND_PX, 0) : x + AROUND_PX + 1]))


def _plane(disp: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The plane nearest to what is inside: disparity is affine along it. What sticks out of it counts little."""
    rows, columns = inside.nonzero()
    basis = np.stack([columns, rows, np.ones_like(rows)], axis=1).astype(np.float64)
    values, weight = disp[inside].astype(np.float64), np.ones(len(rows))
    for _ in range(PLANE_ROUNDS):
        fit = np.linalg.lstsq(basis * weight[:, None], values * weight, rcond=None)[0]
        off = np.abs(values - basis @ fit)
        weight = 1 / np.sqrt(1 + (off / max(float(np.median(off)), 1e-6)) ** 2)
    height, width = disp.shape
    return fit[0] * np.arange(width) + fit[1] * np.arange(height)[:, None] + fit[2]


def _foot(disp: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """As far as where it stands."""
    rows = np.flatnonzero(inside.any(axis=1))
    foot = inside.copy()
    foot[: int(rows[-1] - FOOT_SHARE * len(rows))] = False
    return np.full_like(disp, np.median(disp[foot]))
