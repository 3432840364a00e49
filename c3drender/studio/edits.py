"""The document: everything that was said about a photo, as a list of steps, each one or more edits; undone ones are kept.

Lengths and places are in pixels of the photo as it was given, upright; so nothing depends on the size that is rendered.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from .. import camera as cameras
from .. import defaults

MOST_POINTS = 20_000  # of a stroke or an outline
MOST_OUTLINES = 2_000
MOST_EDITS = 10_000  # of a project
FOUND = "found"  # the region that the library finds by itself; it is there from the start
KINDS = ("flows", "sways", "flickers", "ripples", "still")

Coordinate = Annotated[float, Field(ge=-1e5, le=1e5, allow_inf_nan=False)]
Point = tuple[Coordinate, Coordinate]
Name = Annotated[str, Field(pattern=r"^[\w-]{1,40}$")]
Length = Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Strength = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
Points = Annotated[tuple[Point, ...], Field(min_length=1, max_length=MOST_POINTS)]
Outline = Annotated[tuple[Point, ...], Field(min_length=3, max_length=MOST_POINTS)]
Outlines = Annotated[tuple[Outline, ...], Field(max_length=MOST_OUTLINES)]
Kind = Literal["flows", "sways", "flickers", "ripples", "still"]


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stroke(_Value):
    """A brush's or an eraser's way over a region: soft from ``1 - feather`` of the radius on."""

    do: Literal["stroke"] = "stroke"
    region: Name
    points: Points
    radius_px: Length
    feather: Share = 0.5
    erase: bool = False


class Area(_Value):
    """Outlines that are filled, by the even-odd rule; soft over ``feather_px``."""

    do: Literal["area"] = "area"
    region: Name
    outlines: Outlines
    feather_px: Length = 0.0
    erase: bool = False


class Region(_Value):
    """A region's name, kind, and speed (of what flows) or strength (of what else moves); made if it is not there."""

    do: Literal["region"] = "region"
    region: Name
    kind: Kind
    speed: Strength = 1.0
    title: Annotated[str, Field(max_length=80)] = ""


class DropRegion(_Value):
    do: Literal["drop-region"] = "drop-region"
    region: Name


class Arrow(_Value):
    """Motion asked at a place, 50 frames of it; without length a pin: that place holds. One of this name is replaced."""

    do: Literal["arrow"] = "arrow"
    arrow: Name
    start: Point
    end: Point


class DropArrow(_Value):
    do: Literal["drop-arrow"] = "drop-arrow"
    arrow: Name


class DepthStroke(_Value):
    """A soft brush that brings nearer (``by`` > 0) or takes away, by this share of the photo's range of disparities."""

    do: Literal["depth-stroke"] = "depth-stroke"
    points: Points
    radius_px: Length
    feather: Share = 1.0
    by: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]


class Nearer(_Value):
    """What lies in the outlines is nearer than what is at the point ``than``."""

    do: Literal["nearer"] = "nearer"
    outlines: Outlines
    than: Point


class Surface(_Value):
    """What lies in the outlines is flat: a plane as it lies, or upright on its foot."""

    do: Literal["surface"] = "surface"
    outlines: Outlines
    shape: Literal["plane", "upright"]


class Settings(_Value):
    """How the scene is looked at; a step replaces them all. ``frames`` None: the camera's round of two loops."""

    do: Literal["settings"] = "settings"
    camera: str = defaults.CAMERA
    amplitude: Annotated[float, Field(ge=0, le=3, allow_inf_nan=False)] = defaults.AMPLITUDE
    focus: Point | None = None
    frames: Annotated[int, Field(ge=8, le=600)] | None = None
    fps: Annotated[float, Field(ge=1, le=60, allow_inf_nan=False)] = float(defaults.FPS)
    speed: Strength = 1.0

    @model_validator(mode="after")
    def _known(self) -> Settings:
        cameras.check_preset(self.camera)
        return self


MotionEdit = Stroke | Area | Region | DropRegion | Arrow | DropArrow
DepthEdit = DepthStroke | Nearer | Surface
Edit = Annotated[MotionEdit | DepthEdit | Settings, Field(discriminator="do")]
Step = Annotated[tuple[Edit, ...], Field(min_length=1, max_length=MOST_EDITS)]
MOTION = (Stroke, Area, Region, DropRegion, Arrow, DropArrow)
DEPTH = (DepthStroke, Nearer, Surface)
_STEP: TypeAdapter[Step] = TypeAdapter(Step)


class Photo(_Value):
    """The photo's file in the project's folder, and its size, upright, px."""

    file: Annotated[str, Field(pattern=r"^photo(\.\w{1,5})?$")]
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]
    sha256: str


class Document(_Value):
    """A project. ``revision`` counts every change, undoing included, so that two who change it notice each other."""

    version: Literal[1] = 1
    photo: Photo
    steps: tuple[Step, ...] = ()
    undone: tuple[Step, ...] = ()
    revision: Annotated[int, Field(ge=0)] = 0

    def edits(self, *kinds: type[_Value]) -> tuple[Any, ...]:
        """Those that hold, in their order; of ``kinds`` alone, if any are named."""
        return tuple(edit for step in self.steps for edit in step if not kinds or isinstance(edit, kinds))

    @property
    def settings(self) -> Settings:
        return (Settings(), *self.edits(Settings))[-1]

    def done(self, step: Step) -> Document:
        """With one more step; what was undone is gone."""
        count = len(self.edits()) + len(step)
        if count > MOST_EDITS:
            raise ValueError(f"edits: expected at most {MOST_EDITS} in a project, got {count}")
        return self._changed(steps=(*self.steps, step), undone=())

    def undo(self) -> Document:
        if not self.steps:
            raise ValueError("undo: expected something that was done, got nothing")
        return self._changed(steps=self.steps[:-1], undone=(*self.undone, self.steps[-1]))

    def redo(self) -> Document:
        if not self.undone:
            raise ValueError("redo: expected something that was undone, got nothing")
        return self._changed(steps=(*self.steps, self.undone[-1]), undone=self.undone[:-1])

    def _changed(self, **values: Any) -> Document:
        return self.model_copy(update={**values, "revision": self.revision + 1})


def read_step(value: Any) -> Step:
    """Edits as JSON, checked. Raises ValueError with one line."""
    try:
        return _STEP.validate_python(value)
    except ValidationError as error:
        raise ValueError(line_of("edits", error)) from None


def read_document(text: str | bytes) -> Document:
    """A project's JSON, checked. Raises ValueError with one line."""
    try:
        return Document.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(line_of("project", error)) from None


def line_of(name: str, error: ValidationError) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    got = "" if first["type"] == "value_error" else f", got {str(first['input'])[:60]!r}"
    return f"{name}: {place}: {first['msg']}{got}"


def digest(*values: Any) -> str:
    """Names what a result was made from: edits, sizes, settings."""
    text = "\n".join(value.model_dump_json() if isinstance(value, BaseModel) else repr(value) for value in values)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
