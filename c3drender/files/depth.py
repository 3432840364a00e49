"""Depth maps from disk or memory: their numbers, what those mean, and what stands in where there are none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data import PictureLike
from ..pixels.gaps import filled_from_farther, is_scattered
from ..pixels.nearest import nearest_inside
from .colourised import numbers_of_colours
from .depth_kind import (
    RELATIVE_NEAR,
    AskedKind,
    AskedNear,
    DepthKind,
    Meaning,
    Seen,
    check_asked,
    marks,
    meaning_of,
    sky_level,
)
from .numbers import Numbers, read_numbers
from .resize import resize_depth
from .tell import warn

DEPTH_SUFFIXES = (".npy", ".npz", ".pfm", ".exr", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".avif", ".gif", ".bmp")
FLOAT_SPREAD = 1e-3  # of the range: the same of floats
GREY_SPREAD = 24  # of 255: channels that differ by less are one grey that a lossy file rounded
DEPTH_KEYS = ("predicted_depth", "depth")
BEYOND = 2.0  # the sky lies this many times as far as the farthest that is not sky
FAR_SHARE = 0.99  # of what has a depth: beyond lie specks
MOST_STRETCH = 0.1  # networks round the sides of what they see: so much may the proportions differ from the photo's
LEAST_SIZE = 1e-30  # of the largest number: below it, or above its inverse, 32 bits lose the others
SAID_SHARE = 0.0005  # gaps of a smaller share are filled without a word


@dataclass(frozen=True, eq=False)
class DepthGiven:
    """A depth map, float32 ``[h, w]`` of its own size without gaps; ``metric`` (z, > 0) or ``disparity`` (near is large)."""

    values: Tensor
    kind: DepthKind
    notes: tuple[str, ...] = ()


def read_depth(
    depth: PictureLike, height: int, width: int, *, kind: AskedKind = "auto", near: AskedNear = "auto"
) -> tuple[Tensor, DepthKind]:
    """Read a depth map of the photo's proportions.

    Numbers that are no measurement (NaN, 0 in metric depth, infinite in disparity) are continued from the farther side of what
    is around them; infinite metric depth, or one large value all alone, is the sky. Colours of a known map (turbo, jet,
    viridis, magma, inferno, plasma, spectral) are turned into numbers.

    Parameters
    ----------
    depth : path, address, bytes, open file, PIL image, array or Tensor
        Pictures of 8 or 16 bit, ``.npy``, ``.npz``, ``.pfm``, ``.exr``, TIFF of integers or floats.
    height, width : int
        The photo's; a map of another size is scaled, nearest.
    kind : {"auto", "disparity", "metric"}
        What the numbers mean: relative inverse depth, or depth along the view axis in any unit. ``"auto"``: pictures and
        integers are disparity unless they are a sensor's millimetres; floats are what their range and layout say.
    near : {"auto", "bright", "dark"}
        Whether near is large (bright) or small; ``"auto"``: as the kind has it.

    Returns
    -------
    values : Tensor
        float32 ``[H, W]``.
    kind : {"disparity", "metric"}
        What they are now: disparity, near is large, or metric depth > 0.

    Raises
    ------
    OSError
        For an unreadable file.
    ValueError
        For other proportions, unknown colours, no number anywhere.
    TypeError
        For another kind of argument or of numbers.

    Warns
    -----
    InputWarning
        Where the meaning was taken from the picture's layout alone, or from colours.
    """
    given = depth_given(depth, height, width, kind, near)
    return resize_depth(given.values, height, width), given.kind


def depth_given(
    depth: PictureLike,
    height: int,
    width: int,
    kind: AskedKind = "auto",
    near: AskedNear = "auto",
    seen: Seen | None = None,
) -> DepthGiven:
    """`read_depth` at the map's own size, with lines that say what was taken; ``seen`` judges what nobody says."""
    check_asked(kind, near)
    if isinstance(depth, dict):  # as pipelines of transformers hand it out
        depth = next((depth[key] for key in DEPTH_KEYS if depth.get(key) is not None), depth)
    numbers = read_numbers("depth", depth)
    shape = without_batch(numbers.values).shape
    check_proportions(shape[:2] if len(shape) == 3 else shape, height, width)  # before much is made of many pixels
    values, how = single_channel(numbers)
    notes: tuple[str, ...] = ()
    if how is not None:
        warn(f"depth: {how}")
        numbers = Numbers(values, picture=True)
    meaning = meaning_of(numbers, values, kind, near, seen)
    if not meaning.sure:
        warn(f"depth: taken as {meaning.why}; depth_kind and depth_near say otherwise")
    return settled(values, meaning, f"depth: yours, {meaning.why}", notes)


def settled(values: np.ndarray, meaning: Meaning, line: str, notes: tuple[str, ...] = ()) -> DepthGiven:
    """``values`` without gaps, near large or metric > 0, and the notes with what was filled."""
    known = np.isfinite(values) & ~marks(values)
    values, scale = _in_32_bits(values, known)
    if scale != 1:
        notes += (f"depth: its numbers are divided by {scale:.0e}, as 32 bits do not hold them",)
    plain = values.astype(np.float32)
    far = np.zeros_like(known)
    if meaning.kind == "metric" and not meaning.relative and known.any() and plain[known].max() < 0:
        plain = -plain  # along an axis that points backwards
    if meaning.kind == "metric":
        sky = None if meaning.relative else sky_level(plain[known])
        far = np.isposinf(plain) if sky is None else np.isposinf(plain) | (plain >= sky)
        known &= ~far
        if meaning.relative:
            plain = _placed_before(plain, known)
        elif meaning.zero_is_gap:
            known &= plain > 0
    if not known.any():
        raise ValueError(f"depth: expected a {_wanted(meaning)} somewhere, got none")
    if meaning.kind == "disparity":
        plain = plain if meaning.near_large else plain[known].max() - plain
        if plain[known].max() == 0 and plain[known].min() == 0:
            raise ValueError("depth: expected a disparity above zero somewhere, got zero everywhere")
    gaps = ~known & ~far
    if gaps.any():
        farness = plain if meaning.kind == "metric" else -plain
        scattered = is_scattered(known | far)
        stands_in = nearest_inside(known) if scattered else filled_from_farther(np.where(known, farness, 0), known)
        plain = plain[stands_in]
        if gaps.mean() >= SAID_SHARE:
            around = "what is nearest" if scattered else "what is farther around them"
            notes += (f"depth: {int(gaps.sum())} px ({gaps.mean():.1%}) have no value and continue {around}",)
    if far.any():
        measured = np.sort(plain[known])
        plain = np.where(far, BEYOND * measured[int(FAR_SHARE * (len(measured) - 1))], plain)
    return DepthGiven(torch.from_numpy(np.ascontiguousarray(plain, dtype=np.float32)), meaning.kind, (line, *notes))


def check_proportions(shape: tuple[int, ...], height: int, width: int) -> None:
    if len(shape) != 2:
        raise ValueError(f"depth: expected [H, W], got {list(shape)}")
    if min(shape) == 0 or abs(np.log(shape[1] * height / (shape[0] * width))) > MOST_STRETCH + 1 / min(shape):
        raise ValueError(
            f"depth: expected {width} x {height} px, the photo's size, or its proportions, got {shape[1]} x {shape[0]}"
        )


def _in_32_bits(values: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, float]:
    """``values``, divided by the largest where 32 bits do not hold them, and what they were divided by."""
    if values.dtype != np.float64 or not known.any():
        return values, 1.0
    largest = float(np.abs(values[known]).max())
    if largest == 0 or LEAST_SIZE < largest < 1 / LEAST_SIZE:
        return values, 1.0
    return values / largest, largest


def _wanted(meaning: Meaning) -> str:
    return "metric depth > 0" if meaning.kind == "metric" else "disparity"


def _placed_before(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Relative depth, of which no zero is known, at a distance from the camera."""
    if not known.any():
        return values
    low, high = values[known].min(), values[known].max()
    placed: np.ndarray = values - low + max(RELATIVE_NEAR * float(high - low), np.finfo(np.float32).tiny)
    return placed


def without_batch(values: np.ndarray) -> np.ndarray:
    """``[1, H, W]`` or ``[1, 1, H, W]``, as networks answer, as ``[H, W]``."""
    while values.ndim > 2 and values.shape[0] == 1:
        values = values[0]
    return values


def single_channel(numbers: Numbers) -> tuple[np.ndarray, str | None]:
    """``[H, W]`` of a grey picture, or of the colours of a known map, and a line where that was a guess. What is transparent
    has no number."""
    values = numbers.values
    if numbers.palette is not None and len(numbers.palette):
        values = numbers.palette[np.minimum(values, len(numbers.palette) - 1)]
    if values.dtype == bool:
        values = values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"depth: expected integers (disparity) or floats (metric depth), got {values.dtype}")
    values = without_batch(values)
    if values.ndim != 3:
        return values, None
    clear = values[..., -1] == 0 if values.shape[2] in (2, 4) else np.zeros(values.shape[:2], bool)
    colours = values[..., : 1 if values.shape[2] <= 2 else 3]
    spread = float(GREY_SPREAD if values.dtype == np.uint8 else GREY_SPREAD * 257 if values.dtype == np.uint16 else 0)
    shown = [channel[~clear] if clear.any() else channel for channel in np.moveaxis(colours, -1, 0)]
    if shown[0].size == 0:
        raise ValueError("depth: expected a picture with something in it, got a transparent one")
    finite = np.logical_and.reduce([np.isfinite(channel) for channel in shown])
    most, least = (extreme.reduce(shown)[finite] for extreme in (np.maximum, np.minimum))
    if values.dtype.kind == "f" and finite.any():  # what arithmetic rounds
        spread = FLOAT_SPREAD * float(most.max() - least.min())
    varied = [c for c, channel in enumerate(shown) if np.ptp(channel) > 0]
    how = None
    if len(varied) == 1 and not any(channel.any() for c, channel in enumerate(shown) if c not in varied):
        single = colours[..., varied[0]]  # the others are black
    elif all(np.array_equal(channel, shown[0], equal_nan=channel.dtype.kind == "f") for channel in shown):
        single = colours[..., 0]
    elif spread and np.quantile(most - least, 0.999) <= spread:
        mean = colours.mean(axis=2)
        single = mean if values.dtype.kind == "f" else mean.round().astype(values.dtype)
    else:
        found = numbers_of_colours(colours) if values.dtype == np.uint8 else None
        if found is None:
            raise ValueError("depth: expected a grey picture or [H, W], got different colour channels of no known colour map")
        single, name = found
        how = f"the colours of {name}, turned into numbers of 8 bits; near is taken as their red or bright end"
    if clear.any():
        single = np.where(clear, np.nan, single.astype(np.float32))
    return single, how
