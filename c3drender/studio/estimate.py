"""How large an export is, and about how long it takes: what it renders, times the pace that the last ones had."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .. import defaults
from ..pipeline.crop import read_aspect
from ..pipeline.quilt import ASPECT, MOST_PX, read_quilt
from .edits import Document
from .formats import FORMATS, STILL, Options
from .timing import timing_of

SCENE_S = 3.0  # to make a scene of a megapixel, on two cores
PICTURE_S = 0.06  # to render one and code it
EYES = 2  # also of depth beside the picture
MOST_SAMPLES, FEW_SAMPLES, SHUTTER_SAMPLES = 64, 16, 8  # of a lens (`c3drender.render.lens`)
WIDE_OPEN = 3.0  # the f-number up to which a photo's blur needs them all, as a rule


@dataclass(frozen=True)
class Cost:
    """``width`` and ``height`` of a picture, px; ``frames``, and the seconds that they play; ``scene`` and ``rendered``:
    megapixels."""

    width: int
    height: int
    frames: int
    plays_s: float
    scene: float
    rendered: float

    def told(self) -> dict[str, Any]:
        return {"width": self.width, "height": self.height, "frames": self.frames, "plays": self.plays_s}


@dataclass
class Paces:
    """Seconds per megapixel that exports of each kind took here."""

    known: dict[str, float] = field(default_factory=dict)

    def learn(self, kind: str, cost: Cost, seconds: float) -> None:
        if cost.rendered > 0:
            self.known[kind] = seconds / cost.rendered

    def seconds(self, kind: str, cost: Cost) -> float:
        return SCENE_S * cost.scene + cost.rendered * self.known.get(kind, PICTURE_S)


def cost_of(document: Document, kind: str, size: int | None, options: Options) -> Cost:
    """Of an export with ``options`` (`formats.read_options`)."""
    photo, timing = document.photo, timing_of(document.settings, options.get("fps"))
    longer = max(photo.width, photo.height)
    scale = (size or min(longer, defaults.LONGER_SIDE_PX)) / longer
    width, height = max(round(photo.width * scale), 1), max(round(photo.height * scale), 1)
    scene = width * height / 1e6
    one = FORMATS[kind]
    frames = timing.total if one.of_frames else 1 if one.group == STILL else 0
    quilt = read_quilt(options.get("quilt"))
    aspect = read_aspect(options.get("aspect", ASPECT if quilt else None))
    if aspect is not None:
        width, height = min(width, round(height * aspect)), min(height, round(width / aspect))
    views, pixels = 1, width * height
    if quilt is not None:
        views = quilt.columns * quilt.rows
        shrinks = min(1.0, MOST_PX / (quilt.columns * width), MOST_PX / (quilt.rows * height))
        pixels = round(pixels * shrinks**2)
        width, height = round(quilt.columns * width * shrinks), round(quilt.rows * height * shrinks)
    elif "stereo" in options:
        views = EYES
        width *= EYES if options["stereo"] in ("sbs", "rgbd") else 1
        height *= EYES if options["stereo"] == "tb" else 1
    rendered = frames * views * _samples(options) * pixels / 1e6
    return Cost(width, height, frames, frames / timing.fps if one.of_frames else 0.0, scene, rendered)


def _samples(options: Options) -> int:
    cells = int(options.get("ssaa", 1)) ** 2
    if "f_number" in options:
        return max(MOST_SAMPLES if float(options["f_number"]) <= WIDE_OPEN else FEW_SAMPLES, cells)
    return max(SHUTTER_SAMPLES if "shutter" in options else 1, cells)
