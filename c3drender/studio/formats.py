"""What the export dialog offers: every format of the library, and what each can be asked for, checked as it comes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from ..files.container import CODECS, CONTAINERS
from ..pipeline.stereo import EYES_PERCENT, MOST_PERCENT, VR180

Options = dict[str, Any]
VIDEO, MOVING, STILL = "Video", "Picture that moves", "Picture"
WEB, SHAPES, LAYERS, OTHER = "For the web", "In three dimensions", "Layers and depth", "To go on with"
QUALITY, FRAME, VIEWS, LENS = "Quality", "Frame", "Stereo and displays", "Lens"


@dataclass(frozen=True)
class Choice:
    """``values``: the option's, and what the page calls it; the empty one is what is taken by itself. ``needs``: shown where
    one of these is chosen."""

    title: str
    group: str
    values: Mapping[str, str]
    needs: tuple[str, ...] = ()

    def read(self, name: str, value: Any) -> str:
        if value not in self.values:
            raise ValueError(f"{name}: expected one of {', '.join(filter(None, self.values))}, got {value!r:.60}")
        return str(value)


@dataclass(frozen=True)
class Number:
    """``rest``: what stands where nothing is given. ``by_codec``: the most, and what is taken by itself, of each codec that
    takes it."""

    title: str
    group: str
    least: float
    most: float
    step: float
    rest: str
    needs: tuple[str, ...] = ()
    by_codec: Mapping[str, tuple[int, int]] | None = None

    def read(self, name: str, value: Any) -> float | int:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
        if not is_number or not self.least <= value <= self.most:
            raise ValueError(f"{name}: expected a number in {self.least:g}..{self.most:g}, got {value!r:.60}")
        return int(value) if float(value).is_integer() else float(value)


@dataclass(frozen=True)
class File:
    """A file that the page sends before, whose name in the project's work folder is given then. ``accept``: as in HTML."""

    title: str
    group: str
    accept: str
    needs: tuple[str, ...] = ()

    def read(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or not SENT.fullmatch(value):
            raise ValueError(f"{name}: expected the name that a file got when it was sent, got {value!r:.60}")
        return value


SENT = re.compile(r"sent-[0-9a-f]{16}")
CODEC_TITLES = {"h264": "H.264", "hevc": "HEVC (H.265)", "av1": "AV1", "vp9": "VP9", "prores": "ProRes"}
CRF = {name: (codec.most_crf, codec.crf) for name, codec in CODECS.items() if codec.crf is not None}
STEREO = {
    "": "One eye", "sbs": "Side by side", "half-sbs": "Side by side, half width", "tb": "One above the other",
    "anaglyph": "Red and cyan glasses", VR180: "VR180 headset", "rgbd": "Depth beside it",
}  # fmt: skip
ASPECTS = ("16:9", "3:2", "4:3", "1:1", "4:5", "9:16", "21:9")
AT_REST, ANIMATED, SEQUENCE = "", "animated", "sequence"
MOTIONS = {AT_REST: "At rest", ANIMATED: "Animated, with the camera", SEQUENCE: "One file per frame, in a ZIP"}
# By name; those but `motion` are options of ``c3drender render``.
FIELDS: dict[str, Choice | Number | File] = {
    "fps": Number("Frames per second", QUALITY, 5, 60, 1, "the project's"),
    "codec": Choice("Codec", QUALITY, {"": ""}),
    "crf": Number("CRF, 0 is best", QUALITY, 0, 63, 1, "", by_codec=CRF),
    "bits": Choice("Colour depth", QUALITY, {"": "8 bits", "10": "10 bits"}),
    "loops": Number("Repeats", QUALITY, 1, 100, 1, "1"),
    "audio": File("Sound, repeated or cut", QUALITY, "audio/*,video/*"),
    "max_mb": Number("At most, MiB", QUALITY, 0.1, 1000, 0.1, "any size"),
    "aspect": Choice("Proportions", FRAME, {"": "The photo's", **{aspect: aspect for aspect in ASPECTS}}),
    "follow": Choice("The part shown", FRAME, {"": "Stays", "true": "Follows what moves"}, needs=("aspect",)),
    "alpha": Choice("Background", FRAME, {"": "All is shown", "moving": "Only what moves", "near": "Only what is near"}),
    "stereo": Choice("Stereo", VIEWS, STEREO),
    "quilt": Choice(
        "Looking Glass", VIEWS, {"": "No quilt", "8x6": "8 by 6 views", "5x9": "5 by 9 views", "7x7": "7 by 7 views"}
    ),
    "eyes": Number("Depth, % of width", VIEWS, 0.1, MOST_PERCENT, 0.1, f"{EYES_PERCENT:g}", needs=("stereo", "quilt")),
    "f_number": Choice(
        "Depth of field", LENS, {"": "All is sharp", **{f"{f:g}": f"f/{f:g}" for f in (1.4, 2, 2.8, 4, 5.6, 8, 11)}}
    ),
    "shutter": Choice("Motion blur", LENS, {"": "None", "90": "90°", "180": "180°, as in films", "360": "360°"}),
    "vignette": Number("Vignette", LENS, 0, 4, 0.1, "0"),
    "grain": Number("Grain", LENS, 0, 1, 0.05, "0"),
    "ssaa": Choice("Oversampling", LENS, {"": "None", "2": "2 by 2", "3": "3 by 3", "4": "4 by 4"}),
    "motion": Choice("Motion", QUALITY, MOTIONS),
}
PICTURE = ("aspect", "follow", "stereo", "quilt", "eyes", "f_number", "shutter", "vignette", "grain", "ssaa")
ENCODED = ("fps", "codec", "crf", "bits", "loops", "audio")


@dataclass(frozen=True)
class Format:
    """``title`` and ``group`` for the page; ``suffix`` of the file; ``takes``: what can be asked for; ``of_frames``: it
    takes as long as it has frames."""

    title: str
    group: str
    suffix: str
    takes: tuple[str, ...] = ()
    of_frames: bool = False


FORMATS = {
    "mp4": Format("MP4", VIDEO, ".mp4", (*ENCODED, *PICTURE), True),
    "webm": Format("WebM", VIDEO, ".webm", (*ENCODED, "alpha", *PICTURE), True),
    "mov": Format("QuickTime", VIDEO, ".mov", (*ENCODED, "alpha", *PICTURE), True),
    "mkv": Format("Matroska", VIDEO, ".mkv", (*ENCODED, "alpha", *PICTURE), True),
    "gif": Format("GIF", MOVING, ".gif", ("fps", "max_mb", *PICTURE), True),
    "webp": Format("WebP", MOVING, ".webp", ("fps", "alpha", *PICTURE), True),
    "apng": Format("APNG", MOVING, ".apng", ("fps", "alpha", *PICTURE), True),
    "frames": Format(
        "Frames, PNG in a ZIP", MOVING, ".zip", ("fps", "alpha", *(name for name in PICTURE if name != "quilt")), True
    ),
    "png": Format("First frame, PNG", STILL, ".png", ("alpha", *PICTURE)),
    "jpg": Format("First frame, JPEG", STILL, ".jpg", PICTURE),
    "html": Format("Page that plays, one HTML file", WEB, ".html"),
    "site": Format("Player and scene, in a ZIP", WEB, ".zip"),
    "glb": Format("Meshes, glTF", SHAPES, ".glb", ("motion",)),
    "ply": Format("Points, PLY", SHAPES, ".ply", ("motion",)),
    "splats": Format("Gaussians, PLY", SHAPES, ".ply", ("motion",)),
    "spz": Format("Gaussians, SPZ", SHAPES, ".spz", ("motion",)),
    "psd": Format("Layers, Photoshop", LAYERS, ".psd"),
    "ora": Format("Layers, OpenRaster", LAYERS, ".ora"),
    "depth": Format("Depth, 16 bits, Matroska", LAYERS, ".mkv", (), True),
    "depth-frames": Format("Depth, 16 bits, PNG in a ZIP", LAYERS, ".zip", (), True),
    "c3d": Format("Scene of c3drender", OTHER, ".c3d"),
    "c3dplay": Format("Scene for C++ programs", OTHER, ".c3dplay"),
    "npz": Format("Arrays, NumPy", OTHER, ".npz"),
    "camera": Format("Camera path, JSON", OTHER, ".json"),
    "camera-chan": Format("Camera path, Nuke", OTHER, ".chan"),
    "camera-glb": Format("Camera path, glTF", OTHER, ".glb"),
    "labelme": Format("What was drawn, labelme", OTHER, ".json"),
}


def fields_of(kind: str) -> dict[str, Choice | Number | File]:
    """What a format can be asked for, by name."""
    suffix, fields = FORMATS[kind].suffix, {name: FIELDS[name] for name in FORMATS[kind].takes}
    for name, field in fields.items():
        if isinstance(field, Choice):
            fields[name] = replace(field, values=_values(kind, suffix, name, field.values))
    return {name: field for name, field in fields.items() if not isinstance(field, Choice) or len(field.values) > 1}


def _values(kind: str, suffix: str, name: str, values: Mapping[str, str]) -> dict[str, str]:
    if name == "codec":
        first, *others = CONTAINERS[suffix].codecs
        return {"": CODEC_TITLES[first], **{codec: CODEC_TITLES[codec] for codec in others}}
    if name == "stereo" and kind not in ("mp4", "mov"):
        return {value: text for value, text in values.items() if value != VR180}
    if name == "motion" and kind != "glb":
        return {value: text for value, text in values.items() if value != ANIMATED}
    return dict(values)


def read_options(kind: str, given: Mapping[str, Any]) -> Options:
    """What was asked for beside the format, checked; what is taken by itself is left out. Raises ValueError with one line."""
    if kind not in FORMATS:
        raise ValueError(f"kind: expected one of {', '.join(FORMATS)}, got {kind[:40]!r}")
    fields, options = fields_of(kind), {}
    for name, value in given.items():
        if name not in fields:
            raise ValueError(f"{name[:40]}: expected one of {', '.join(fields) or 'no option'} for {kind}")
        if value not in ("", None):
            options[name] = fields[name].read(name, value)
    return options


def told_formats() -> list[dict[str, Any]]:
    """All of it for the page."""
    return [
        {"kind": kind, "title": one.title, "group": one.group, "codec": next(iter(CONTAINERS[one.suffix].codecs), "")
         if "codec" in one.takes else "", "fields": [{"name": name, **vars(field)} for name, field in fields_of(kind).items()]}
        for kind, one in FORMATS.items()
    ]  # fmt: skip
