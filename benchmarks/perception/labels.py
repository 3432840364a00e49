"""What the photos show: the labels, and the maps and pairs made of them.

A line of ``labels/*.txt`` labels one photo, each of its regions once::

    h001: sky 1-3 f0 4 f1 | cld 5 f1>r | mov 6,7 p4>dm 8 p7>df | per 9 u6@10 | gnd 10 p6 | ? 11

Groups begin with a class of `CLASSES`, or with ``?`` for regions that mix things. Regions are followed by how they lie:
``p`` a plane that recedes, ``u`` upright, ``f`` far or without a shape of its own; the rank of their nearness, 0 (endless)
to 9 (nearest of the photo), comparable within the photo alone; ``>`` and the direction in which they go in the picture (``u
d l r ul ur dl dr``, ``~`` to and fro) with its speed (``c`` calm, ``m`` moving, ``f`` fast); ``!`` must move or ``=`` must
stay, where the class's own answer (`MOTION`) is wrong; ``@`` and the region that they stand on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from marks import MAPS, middle, read_map
from numpy.typing import NDArray
from photos import Photo, Split, listed

LABELS = Path(__file__).parent / "labels"

CLASSES = {
    "sky": "sky",
    "cld": "cloud",
    "stl": "still water",
    "mov": "moving water",
    "wht": "white water",
    "smk": "smoke, steam, mist",
    "fir": "fire",
    "fol": "foliage",
    "per": "person",
    "ani": "animal",
    "gnd": "ground",
    "obj": "building, rock, object",
}
NAMES = list(CLASSES)
IGNORED = 255

Motion = Literal["must", "may", "stay"]
MOTION: dict[str, Motion] = {
    **dict.fromkeys(["mov", "wht", "smk", "fir"], "must"),
    **dict.fromkeys(["sky", "cld", "stl", "fol"], "may"),
    **dict.fromkeys(["per", "ani", "gnd", "obj"], "stay"),
}
LAYOUTS = ["p", "u", "f"]
DIRECTIONS = {"u": (0, -1), "d": (0, 1), "l": (-1, 0), "r": (1, 0), "ul": (-1, -1), "ur": (1, -1), "dl": (-1, 1), "dr": (1, 1)}
SPEEDS = ["c", "m", "f"]

HOW = re.compile(
    r"(?P<layout>[puf])(?P<rank>\d)(?:>(?P<direction>~|[ud]?[lr]|[ud])(?P<speed>[cmf])?)?(?P<motion>[!=])?(?:@(?P<on>\d+))?"
)

PAIRS_A_KIND = 4
PAIR_RANKS = 2  # a pair's ranks differ by this at least
LEVEL_SHARE = 0.08  # of the photo's height: middles closer than this lie level


@dataclass(frozen=True)
class Region:
    """One region's answer. ``direction``: x and y of unit length in the picture, None where it has none or goes to and fro."""

    kind: str
    layout: str
    rank: int
    direction: tuple[float, float] | None
    to_and_fro: bool
    speed: str | None
    motion: Motion
    stands_on: int | None


@dataclass(frozen=True)
class Pair:
    """Two places, x and y in pixels of the region map, the first of them nearer. ``easy``: it is also the lower one."""

    near_px: tuple[int, int]
    far_px: tuple[int, int]
    easy: bool


@dataclass(frozen=True)
class Labelled:
    """A photo's labels. ``regions``: None where a region is to be ignored. All maps have the region map's size."""

    photo: Photo
    regions: dict[int, Region | None]

    @property
    def rgb_path(self) -> Path:
        """The photo's file, there once fetched."""
        return self.photo.file

    @cached_property
    def region_map(self) -> NDArray[np.uint8]:
        """uint8 ``[H, W]``, regions 1..n."""
        return read_map(MAPS / f"{self.photo.id}.png")

    @property
    def class_map(self) -> NDArray[np.uint8]:
        """uint8 ``[H, W]``, places in `NAMES`, `IGNORED` elsewhere."""
        return self._painted(lambda region: NAMES.index(region.kind), IGNORED, np.uint8)

    @property
    def layout_map(self) -> NDArray[np.uint8]:
        """uint8 ``[H, W]``, places in `LAYOUTS`, `IGNORED` elsewhere."""
        return self._painted(lambda region: LAYOUTS.index(region.layout), IGNORED, np.uint8)

    @property
    def rank_map(self) -> NDArray[np.uint8]:
        """uint8 ``[H, W]``, 0 (endless) to 9 (nearest), `IGNORED` elsewhere."""
        return self._painted(lambda region: region.rank, IGNORED, np.uint8)

    @property
    def must_move(self) -> NDArray[np.bool_]:
        """bool ``[H, W]``: a cinemagraph of the photo without motion here is wrong."""
        return self._painted(lambda region: region.motion == "must", False, np.bool_)

    @property
    def must_stay(self) -> NDArray[np.bool_]:
        """bool ``[H, W]``: motion here is wrong."""
        return self._painted(lambda region: region.motion == "stay", False, np.bool_)

    @property
    def direction_map(self) -> NDArray[np.float32]:
        """float32 ``[H, W, 2]``, x and y of unit length in the picture; zero where none is labelled."""
        return self._painted(lambda region: region.direction or (0.0, 0.0), (0.0, 0.0), np.float32)

    @property
    def speed_map(self) -> NDArray[np.uint8]:
        """uint8 ``[H, W]``, places in `SPEEDS`, `IGNORED` where none is labelled."""
        return self._painted(lambda region: SPEEDS.index(region.speed) if region.speed else IGNORED, IGNORED, np.uint8)

    @property
    def pairs(self) -> list[Pair]:
        """Places whose order in depth is known, up to four easy and four hard ones, of the largest regions."""
        height = self.region_map.shape[0]
        inside = {number: middle(self.region_map == number) for number, region in self.regions.items() if region}
        size = np.bincount(self.region_map.ravel(), minlength=256)
        found = []
        for a, near in self.regions.items():
            for b, far in self.regions.items():
                if near and far and near.rank - far.rank >= PAIR_RANKS:
                    lower = inside[a][1] - inside[b][1]
                    found.append((-min(size[a], size[b]), a, b, lower > LEVEL_SHARE * height))
        pairs, used = [], {}
        for _, a, b, easy in sorted(found):
            keys = [(a, easy), (b, easy)]
            if sum(pair.easy == easy for pair in pairs) < PAIRS_A_KIND and all(used.get(key, 0) < 2 for key in keys):
                pairs.append(Pair(inside[a], inside[b], easy))
                used.update({key: used.get(key, 0) + 1 for key in keys})
        return pairs

    def _painted(self, value, ignored, dtype) -> NDArray:
        table = np.full((256, *np.shape(ignored)), ignored, dtype)
        for number, region in self.regions.items():
            if region:
                table[number] = value(region)
        return table[self.region_map]


def parsed(line: str) -> tuple[str, dict[int, Region | None]]:
    """The photo's id and the answers of a line.

    Raises
    ------
    ValueError
        Where the line is not as this module's head says, or answers a region twice.
    """
    photo_id, _, text = line.partition(":")
    regions: dict[int, Region | None] = {}
    for group in text.split("|"):
        kind, *words = group.split() or [""]
        if kind != "?" and (kind not in CLASSES or len(words) % 2):
            raise ValueError(f"{photo_id}: expected a class and regions with how they lie, got {group.strip()!r}")
        answers = [(word, None) for word in words] if kind == "?" else zip(words[::2], words[1::2], strict=True)
        for numbers, how in answers:
            for number in _numbers(photo_id, numbers):
                if number in regions:
                    raise ValueError(f"{photo_id}: expected each region once, got region {number} twice")
                regions[number] = how and _region(photo_id, kind, how)
    return photo_id, regions


def _numbers(photo_id: str, text: str) -> list[int]:
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text):
        raise ValueError(f"{photo_id}: expected regions such as 1-4,7, got {text!r}")
    ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    return [number for end in ends for number in range(end[0], end[-1] + 1)]


def _region(photo_id: str, kind: str, how: str) -> Region:
    found = HOW.fullmatch(how)
    if not found:
        raise ValueError(f"{photo_id}: expected how regions lie, such as p4>dm, got {how!r}")
    x, y = DIRECTIONS.get(found["direction"], (0, 0))
    length = float(np.hypot(x, y))
    return Region(
        kind=kind,
        layout=found["layout"],
        rank=int(found["rank"]),
        direction=(x / length, y / length) if length else None,
        to_and_fro=found["direction"] == "~",
        speed=found["speed"],
        motion={"!": "must", "=": "stay", None: MOTION[kind]}[found["motion"]],
        stands_on=int(found["on"]) if found["on"] else None,
    )


def read(split: Split, name: str | None = None) -> list[Labelled]:
    """The labelled photos of a split, in the list's order. ``name``: of another file of labels, such as a second pass."""
    lines = (LABELS / f"{name or split}.txt").read_text(encoding="ascii").splitlines()
    answers = dict(parsed(line) for line in lines if line)
    return [Labelled(photo, answers[photo.id]) for photo in listed(split) if photo.id in answers]
