"""What each pixel shows: the classes of a segmenter, and what it may call them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data import check_tensor

# What a segmenter may tell apart: what flows, what grows, and what stays (the last four).
SEGMENT_CLASSES = (
    "sky",
    "cloud",
    "still_water",
    "moving_water",
    "white_water",
    "smoke",
    "fire",
    "foliage",
    "person",
    "animal",
    "ground",
    "object",
)

# Names of ADE20K first, then those that other data sets and people use. Whatever is not here is an object.
NAMES = {
    "sky": ("sky",),
    "cloud": ("cloud", "clouds"),
    "still_water": ("water", "sea", "lake", "swimming pool", "pool", "ocean", "pond", "still water"),
    "moving_water": ("river", "stream", "creek", "moving water"),
    "white_water": ("waterfall", "rapids", "white water", "whitewater", "surf", "foam"),
    "smoke": ("smoke", "steam", "fog", "mist"),
    "fire": ("fire", "flame", "flames"),
    "foliage": ("tree", "grass", "plant", "palm", "flower", "bush", "foliage", "leaves", "vegetation"),
    "person": ("person", "people", "man", "woman", "child"),
    "animal": ("animal", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"),
    "ground": ("earth", "ground", "land", "field", "sand", "road", "sidewalk", "path", "dirt track", "floor", "hill", "snow"),
    "object": ("object", "building", "rock"),
}
_CLASS_OF = {name: kind for kind, names in NAMES.items() for name in names}


@dataclass(frozen=True, eq=False)
class Segments:
    """What each pixel shows, as a segmenter sees it.

    ``classes``: those of `SEGMENT_CLASSES` that it can tell apart. ``share``: float32 ``[K, h, w]``, 0..1, how much of a pixel
    is of each; ``h`` and ``w`` may be smaller than the photo. ``measured``: the borders lie where the picture's do; a model's
    are soft and get sharpened.
    """

    classes: tuple[str, ...]
    share: Tensor
    measured: bool = False

    def __post_init__(self) -> None:
        check_tensor("Segments", "share", self.share, (len(self.classes), "h", "w"), torch.float32)
        unknown = [name for name in self.classes if name not in SEGMENT_CLASSES]
        if unknown or not self.classes or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"Segments: expected classes of {', '.join(SEGMENT_CLASSES)}, each once, got {self.classes}")

    def of(self, *classes: str) -> Tensor:
        """How much of each pixel is of any of these classes: float32 ``[h, w]``, 0 for what the segmenter does not know."""
        rows = [self.classes.index(name) for name in classes if name in self.classes]
        return self.share[rows].sum(dim=0).clamp(max=1.0)

    def knows(self, *classes: str) -> bool:
        """Whether the segmenter can tell any of these classes."""
        return any(name in self.classes for name in classes)


def class_of(name: str) -> str:
    """The class of something named so. Of several names (``waterfall, falls``) the first counts."""
    first = re.split("[,;]", name)[0].replace("_", " ").replace("-", " ").strip().lower()
    return _CLASS_OF.get(first, "object")


def known_classes(argument: str, names: Iterable[str]) -> tuple[str, ...]:
    """Which classes a segmenter with these names can tell. ValueError where all of them would be objects."""
    found = {class_of(name) for name in names}
    if found <= {"object"}:
        raise ValueError(
            f"{argument}: expected names of classes such as sky, water or person, got {', '.join(names) or 'none'}"
        )
    return tuple(kind for kind in SEGMENT_CLASSES if kind in found)
