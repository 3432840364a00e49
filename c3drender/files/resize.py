"""Changes of size: a photo and everything that is given in its pixels. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Literal

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from .. import defaults
from ..data import Image, MotionHints

MIN_SIDE_PX = 16
MOST_SIDE_PX = 2**14  # 16K; scenes larger than that fit into no memory
MAX_ASPECT_CHANGE = 0.01  # relative; more is not rounding but another picture

Size = int | Sequence[int] | Literal["photo"] | None  # whole numbers of NumPy count, too


def fit_size(height: int, width: int, size: Size) -> tuple[int, int]:
    """The ``(height, width)`` that a photo gets.

    Parameters
    ----------
    height, width : int
        The photo's.
    size : int, (int, int), "photo" or None
        An int is the longer side; a pair is ``(w, h)`` and must have the photo's proportions: nothing is stretched or cropped.
        ``"photo"`` is whatever the photo has, None that up to `defaults.LONGER_SIDE_PX`. Whole numbers of NumPy count, too.

    Returns
    -------
    (int, int)

    Raises
    ------
    TypeError, ValueError
        With one line.
    """
    if isinstance(size, str) and size == "photo":
        return height, width
    if size is None:
        if max(height, width) <= defaults.LONGER_SIDE_PX:
            return height, width
        size = defaults.LONGER_SIDE_PX
    given = (size,) if isinstance(size, Integral) else size
    if not isinstance(given, (Sequence, np.ndarray)) or isinstance(given, str) or not all(map(_is_whole, given)):
        raise TypeError(f"size: expected the longer side in pixels, (width, height) or 'photo', got {size!r}")
    numbers = [int(n) for n in given]
    if max(numbers) > MOST_SIDE_PX:
        raise ValueError(f"size: expected at most {MOST_SIDE_PX} px a side, got {size!r}")
    if len(numbers) not in (1, 2) or min(numbers) < MIN_SIDE_PX:
        raise ValueError(f"size: expected the longer side or (width, height), each >= {MIN_SIDE_PX} px, got {size!r}")
    if len(numbers) == 1:
        scale = numbers[0] / max(height, width)
        fitted = max(round(height * scale), 1), max(round(width * scale), 1)
        if min(fitted) < MIN_SIDE_PX:
            raise ValueError(f"size: {size} makes the photo {fitted[1]} x {fitted[0]}, expected >= {MIN_SIDE_PX} px a side")
        return fitted
    new_width, new_height = numbers
    if not same_aspect(height, width, new_height, new_width):
        raise ValueError(f"size: expected the proportions of the photo, {width} x {height}, got {new_width} x {new_height}")
    return new_height, new_width


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def same_aspect(height: int, width: int, other_height: int, other_width: int) -> bool:
    """Whether one size is the other, scaled and rounded to whole pixels."""
    ideal_width = other_height * width / height
    ideal_height = other_width * height / width
    return min(abs(ideal_width - other_width) - 1, abs(ideal_height - other_height) - 1) <= MAX_ASPECT_CHANGE * min(
        other_width, other_height
    )


def resize_photo(photo: Image, height: int, width: int) -> Image:
    """Antialiased bicubic."""
    if photo.size == (height, width):
        return photo
    return Image(_resample(photo.rgb, height, width, "bicubic").clamp(0, 1).contiguous())


def resize_hints(hints: MotionHints, from_size: tuple[int, int], height: int, width: int) -> MotionHints:
    """``from_size`` is the ``(height, width)`` in whose pixels the hints are given."""
    if from_size == (height, width):
        return hints
    xy_scale = hints.arrows.new_tensor([width / from_size[1], height / from_size[0]])
    return MotionHints(
        mask=None if hints.mask is None else resize_mask(hints.mask, height, width),
        arrows=hints.arrows * xy_scale,
        freeze=None if hints.freeze is None else resize_mask(hints.freeze, height, width),
    )


def resize_mask(mask: Tensor, height: int, width: int) -> Tensor:
    """Bool ``[H, W]``: a pixel is True where more than half of it was."""
    return _resample(mask.float(), height, width, "bilinear") > 0.5


def resize_flow(step_px: Tensor, height: int, width: int) -> Tensor:
    """``[H, W, 2]``; the steps are scaled with the picture."""
    old_height, old_width = step_px.shape[:2]
    xy_scale = step_px.new_tensor([width / old_width, height / old_height])
    return (_resample(step_px, height, width, "bilinear") * xy_scale).contiguous()


def resize_depth(depth: Tensor, height: int, width: int) -> Tensor:
    """``[H, W]``, nearest: a mean over a depth edge would be a surface that is not there."""
    return F.interpolate(depth[None, None], (height, width), mode="nearest-exact")[0, 0].contiguous()


def _resample(value: Tensor, height: int, width: int, mode: str) -> Tensor:
    planes = value[None, None] if value.dim() == 2 else value.permute(2, 0, 1)[None]
    resized = F.interpolate(planes, (height, width), mode=mode, antialias=True, align_corners=False)[0]
    return resized[0] if value.dim() == 2 else resized.permute(1, 2, 0)
