"""What the photo shows: the network's word, or that of a larger segmenter where there is one, and the cues of the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..data import Image, MotionHints, Nearness, Scenery
from ..models import best, find
from ..models.segmentation import load_entry, load_transformers
from ..perception import Perception, perceive
from ..pixels.crossing import two_threads
from ..pixels.segments import Segments
from ..scenery import apply_segments, find_scenery, with_spray

FREE_CELLS = 9  # of the network's answer: its word on what may move is blurred; narrow water is as free as its middle


class Eyes:
    """What the network says of a photo, once somebody asks."""

    def __init__(self, image: Image) -> None:
        self._image = image

    @cached_property
    def seen(self) -> Perception:
        return perceive(self._image)

    def near(self) -> np.ndarray:
        """Relative disparity float32 ``[h, w]``, coarse: for `c3drender.files.depth_kind`."""
        return self.seen.nearness.near.numpy()


@dataclass(frozen=True, eq=False)
class Shown:
    """What a photo shows.

    Attributes
    ----------
    scenery : Scenery
    stays : Tensor or None
        bool ``[H, W]``: what must not move; None: not known.
    rules : bool
        Whether ``stays`` holds against the user's own mask and arrows: a segmenter's that was chosen or installed does, the
        network's own opinion does not.
    nearness : Nearness
        For `c3drender.depth.estimate_depth`.
    notes : tuple of str
        A line that says who told.
    fire : Tensor or None
        float32 ``[H, W]``, 0..1: flames; None: not known.
    still : Tensor or None
        float32 ``[H, W]``, 0..1: how much of the water there, if any, lies still and mirrors; None: not known.
    """

    scenery: Scenery
    stays: Tensor | None
    rules: bool
    nearness: Nearness
    notes: tuple[str, ...]
    fire: Tensor | None = None
    still: Tensor | None = None

    def held(self, hints: MotionHints) -> Tensor | None:
        """What must not move, given these hints."""
        pointed = hints.mask is not None or len(hints.arrows) > 0
        return self.stays if self.rules or not pointed else None


def look(
    image: Image, segments: Segments | str = "auto", device: torch.device | str = "cpu", eyes: Eyes | None = None
) -> Shown:
    """What a photo shows.

    Parameters
    ----------
    image : Image
    segments : Segments or str
        As in `prepare`.
    device : str or torch.device
        Where an installed segmenter runs.
    eyes : Eyes, optional
        Of this image, which may have been asked before.

    Returns
    -------
    Shown
    """
    eyes = Eyes(image) if eyes is None else eyes
    with two_threads() as both:
        cued, perceived = both.submit(find_scenery, image), both.submit(lambda: eyes.seen)
        cues, seen = cued.result(), perceived.result()
    if isinstance(segments, str) and segments == "none":
        return Shown(cues, None, False, seen.nearness, ())
    found, note = (segments, "segments: yours") if isinstance(segments, Segments) else _by_model(image, segments, device)
    shares = seen.segments if found is None else found
    # Larger segmenters know water, not whether it lies still: that is the network's word.
    calm, moved = (seen.segments.of(name) for name in ("still_water", "moving_water"))
    still = _at_size((calm / (calm + moved).clamp(min=1e-6))[..., None], image.size)[..., 0]
    told, stays = apply_segments(image, cues, shares, still)
    told = replace(told, way=_at_size(seen.way, image.size).to(told.sky.device))
    if found is None:  # a larger segmenter needs no second opinion
        free = functional.max_pool2d(seen.free[None], FREE_CELLS, 1, FREE_CELLS // 2)[0]
        told = replace(told, free=_at_size(free[..., None], image.size)[..., 0].to(told.sky.device))
    # Flames are bright and end sharply: where the smoke's map is refined to the picture's edges, theirs is a share of it.
    fire = _at_size(shares.of("fire")[..., None], image.size)[..., 0].to(told.smoke) * (told.smoke > 0.5)
    told = with_spray(told, fire)
    notes = () if found is None else (f"{note}; {float(stays.float().mean()):.0%} of the picture stays",)
    return Shown(told, stays, found is not None, seen.nearness, notes, fire, still.to(told.water))


def _at_size(way: Tensor, size: tuple[int, int]) -> Tensor:
    channels = functional.interpolate(way.permute(2, 0, 1)[None], size, mode="bilinear", align_corners=False)
    return channels[0].permute(1, 2, 0).contiguous()


def _by_model(image: Image, name: str, device: torch.device | str) -> tuple[Segments | None, str]:
    """A larger segmenter's word, and its name; None where ``auto`` has none."""
    entry = best("segmentation") if name == "auto" else find(name, "segmentation")
    if entry is not None:
        return load_entry(entry, device)(image), f"segments: model {entry.name}"
    if name == "auto":
        return None, ""
    return load_transformers(name, device)(image), f"segments: model {name}"
