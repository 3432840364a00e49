"""What the photo shows: the cues, and a segmenter's word where there is one."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data import Scenery
from ..models import best, find
from ..models.segmentation import load_entry, load_transformers
from ..pixels.segments import Segments
from ..scenery import apply_segments, find_scenery
from .inputs import Inputs


def see_scenery(inputs: Inputs, device: torch.device) -> tuple[Scenery, Tensor | None, tuple[str, ...]]:
    """The scenery, what must never move (bool ``[H, W]``; None: not known), and a line that says who told."""
    scenery = find_scenery(inputs.image)
    segments, note = _find_segments(inputs, device)
    if segments is None:
        return scenery, None, ()
    told, stays = apply_segments(inputs.image, scenery, segments)
    return told, stays, (f"{note}; {float(stays.float().mean()):.0%} of the picture stays",)


def _find_segments(inputs: Inputs, device: torch.device) -> tuple[Segments | None, str]:
    given = inputs.segments
    if isinstance(given, Segments):
        return given, "segments: yours"
    if given == "none":
        return None, ""
    entry = best("segmentation") if given == "auto" else find(given, "segmentation")
    if entry is not None:
        return load_entry(entry, device)(inputs.image), f"segments: model {entry.name}"
    if given == "auto":
        return None, ""
    return load_transformers(given, device)(inputs.image), f"segments: model {given}"
