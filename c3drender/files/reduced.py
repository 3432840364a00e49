"""A photo's colours, reduced while it is decoded where they are more than is asked for: piece by piece, from the top."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

import cv2
import numpy as np
import PIL.Image

from .bands import Bands, Pixels, in_bands
from .coded import coded_bands
from .colour import SRGB, ColourSpace, by_littlecms, converted, is_same, space_of
from .decode import MOST_DECODED_BYTES, Opened, all_bits, is_deep, loaded, numbers_of, upright
from .memory import MUCH_BYTES, check_memory, coefficient_bytes
from .numbers import unit_range

SPARE = 2  # a photo is reduced while decoding to no less than this many times its size, so that the rest is resampled well
REDUCE_ABOVE_PX = 2**24  # smaller photos are decoded whole
STRIP_PX = 2**20  # of a photo that is reduced, so many pixels are converted at a time
HEAD_BYTES = 2**16  # in which a JPEG 2000 says of how many levels it is, each of half the size
CODING_STYLE, LEVELS_AT = b"\xff\x52\0", 9
DEEP_BYTES = MOST_DECODED_BYTES * 3 // 4  # of 16 bit; more is read in 8, where the file cannot be read in bands


def reduced_rgb(name: str, opened: Opened, wanted: tuple[int, int], target: ColourSpace) -> np.ndarray:
    """float32 ``[h, w, 3]``, upright, in ``target``, of at least ``wanted`` (height, width) where the picture has as much."""
    space = space_of(opened.picture, opened.data)
    width, height = opened.picture.size
    bands = None
    if width * height > REDUCE_ABOVE_PX:
        rows = max(STRIP_PX // max(opened.picture.size), 1)
        bands = in_bands(name, opened, rows)
        if bands is None and opened.data:
            check_memory(name, opened, wanted, _halved_while_decoding(opened, wanted))
            bands = coded_bands(opened, rows)
    if bands is None:
        bands = _whole(name, opened, wanted)
    height, width = bands.size
    factor = _factor(bands.size, wanted[::-1] if bands.orientation >= 5 else wanted)
    rgb = np.empty((ceil(height / factor), ceil(width / factor), 3), np.float32)
    top = 0
    for piece in _in_blocks(bands.pieces, factor):
        part = _rgb_of(piece, factor, space, target)
        rgb[top : top + len(part)] = part
        top += len(part)
    return upright(rgb, bands.orientation)


def as_rgb(pixels: np.ndarray) -> np.ndarray:
    """float32 ``[H, W, 3]`` in 0..1 of ``[H, W]`` or ``[H, W, C]``; transparent parts become white."""
    unit = unit_range("photo", pixels if pixels.ndim == 3 else pixels[..., None])
    if unit.shape[2] in (2, 4):
        alpha = unit[..., -1:]
        unit = unit[..., :-1] * alpha + (1 - alpha)
    return np.repeat(unit, 3, axis=2) if unit.shape[2] == 1 else unit


def moved(rgb: np.ndarray, space: ColourSpace | None, target: ColourSpace) -> np.ndarray:
    """``rgb`` of ``space`` (None: sRGB) in ``target``."""
    source = SRGB if space is None else space
    return rgb if source is target or is_same(source, target) else converted(rgb, source, target)


def _halved_while_decoding(opened: Opened, wanted: tuple[int, int]) -> int:
    """How many of the finest levels of a JPEG 2000, now left out, are not asked for."""
    picture: Any = opened.picture
    if picture.format != "JPEG2000":
        return 0
    at = opened.data[:HEAD_BYTES].find(CODING_STYLE)
    stored = wanted[::-1] if opened.orientation >= 5 else wanted
    levels = opened.data[at + LEVELS_AT] if at >= 0 else 0
    halvings = min(levels, _factor(picture.size[::-1], stored).bit_length() - 1)
    picture.reduce = halvings
    return halvings


def _factor(size: tuple[int, int], wanted: tuple[int, int]) -> int:
    """By how much a picture of this size may be reduced at once."""
    if size[0] * size[1] <= REDUCE_ABOVE_PX:
        return 1
    return max(min(size[0] // (SPARE * wanted[0]), size[1] // (SPARE * wanted[1])), 1)


def _whole(name: str, opened: Opened, wanted: tuple[int, int]) -> Bands:
    """A picture that its decoder knows only whole, or reduces itself."""
    picture, turn = opened.picture, opened.orientation
    if opened.data and is_deep(opened) and picture.size[0] * picture.size[1] * 8 <= DEEP_BYTES:
        pixels: Pixels = all_bits(name, opened)
    else:
        if picture.format in ("JPEG", "MPO") and picture.size[0] * picture.size[1] > REDUCE_ABOVE_PX:
            stored = wanted[::-1] if turn >= 5 else wanted
            # Beside so many coefficients there is no room for a picture of more pixels than are asked for.
            spare = 1 if coefficient_bytes(opened) > MUCH_BYTES else SPARE
            picture.draft(None, (spare * stored[1], spare * stored[0]))
        pixels = loaded(name, opened)
        if pixels.mode.startswith("I") or pixels.mode == "F":
            pixels = numbers_of(pixels)
    height, width = _size(pixels)
    rows = height if height * width <= REDUCE_ABOVE_PX else max(STRIP_PX // width, 1)
    return Bands((height, width), turn, (_rows(pixels, top, min(top + rows, height)) for top in range(0, height, rows)))


def _in_blocks(pieces: Iterator[Pixels], factor: int) -> Iterator[Pixels]:
    """The same rows in pieces of a multiple of ``factor`` rows, but for the last one."""
    left: Pixels | None = None
    for piece in pieces:
        joined = piece if left is None else _joined(left, piece)
        height = _size(joined)[0]
        end = height // factor * factor
        left = None if end == height else _rows(joined, end, height)
        if end:
            yield joined if left is None else _rows(joined, 0, end)
    if left is not None:
        yield left


def _size(pixels: Pixels) -> tuple[int, int]:
    if isinstance(pixels, np.ndarray):
        return pixels.shape[0], pixels.shape[1]
    return pixels.size[1], pixels.size[0]


def _rows(pixels: Pixels, start: int, end: int) -> Pixels:
    if isinstance(pixels, np.ndarray):
        return pixels[start:end]
    whole = (start, end) == (0, pixels.size[1])
    return pixels if whole else pixels.crop((0, start, pixels.size[0], end))


def _joined(upper: Pixels, lower: Pixels) -> Pixels:
    if isinstance(upper, np.ndarray) or isinstance(lower, np.ndarray):
        return np.concatenate([upper, lower])
    both = lower.crop((0, -upper.size[1], *lower.size))
    both.paste(upper, (0, 0))
    return both


def _rgb_of(pixels: Pixels, factor: int, space: ColourSpace | None, target: ColourSpace) -> np.ndarray:
    """float32 ``[h, w, 3]``, reduced by ``factor``."""
    if isinstance(pixels, PIL.Image.Image):
        planes, space = _planes(pixels, space)
        return moved(as_rgb(np.asarray(planes.reduce(factor) if factor > 1 else planes)), space, target)
    if pixels.dtype.kind in "iu" and pixels.dtype.itemsize > 2:
        pixels = pixels.clip(0, 65535).astype(np.uint16)
    if factor > 1:
        size = (ceil(pixels.shape[1] / factor), ceil(pixels.shape[0] / factor))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return moved(as_rgb(pixels), space, target)


def _planes(picture: PIL.Image.Image, space: ColourSpace | None) -> tuple[PIL.Image.Image, ColourSpace | None]:
    """A decoded picture as RGB or RGBA, and the space of these."""
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    colour = picture.convert("RGB") if picture.mode not in ("RGB", "CMYK", "L", "LAB") else picture
    if space is None:
        managed = by_littlecms(colour)
        space, colour = (None, colour) if managed is None else (SRGB, managed)
    planes = colour.convert("RGB")
    if alpha is not None:
        planes.putalpha(alpha)
    return planes, space
