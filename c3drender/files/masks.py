"""Masks: whatever marks a part of a photo, in black and white, in colours, by numbers of classes or by transparency."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ..data import MaskLike, PictureLike
from .coco import decode_runs
from .numbers import Numbers, check_finite, read_numbers, unit_range
from .resize import same_aspect
from .tell import Noted, warn

LEAST_COLOUR = 24  # of 255: a channel that bright is paint on black, not a decoder's rounding
GREY_SPREAD = 12  # of 255: channels that differ by less are one grey
MOST_CLASSES = 64  # distinct small integers: more are shades
BRIGHT, DARK = 230, 24  # of 255: the two tones of a painted mask
RARE = 0.001  # of the pixels: colours of less are no classes
LEAST_BLACK = 0.05  # of the pixels of a painting with many colours: with less it is a photo
MASK_KEYS = ("segmentation", "mask", "masks")  # of SAM's dictionaries, and of those of transformers' pipelines
VOID = 255  # in maps of classes: no class, as along the borders of Pascal VOC


def read_mask(mask: MaskLike, height: int, width: int) -> Tensor:
    """Read a mask of the photo's proportions.

    Grey pictures and floats in 0..1 mark what is brighter than 50 %; pictures of few small numbers, palettes and integer
    arrays are classes, of which all but 0 count; coloured pictures mark what is not black; a picture that is cut out,
    transparent around, marks what is left. Several masks, ``[N, H, W]``, ``[N, 1, H, W]`` or a list, as SAM gives them, mark
    their union. A mask of another size is scaled.

    Parameters
    ----------
    mask : path, address, bytes, open file, PIL image, array, Tensor, dict, or a list of masks
        A dictionary with a ``segmentation``, also in a list, is what SAM's generator returns; with a ``mask`` or ``masks``,
        what pipelines of transformers do.
    height, width : int
        What the photo has.

    Returns
    -------
    Tensor
        bool ``[H, W]``.

    Raises
    ------
    OSError, ValueError, TypeError
        As `read_photo`; ValueError also for other proportions than the photo's.

    Warns
    -----
    InputWarning
        Where it marks nothing.
    """
    return noted_mask("mask", mask, height, width).value


def noted_mask(name: str, mask: MaskLike, height: int, width: int) -> Noted[Tensor]:
    """`read_mask` of the argument ``name``, and how its marks were taken where that is not plain."""
    listed = [mask] if isinstance(mask, dict) else mask
    numbers = (
        Numbers(_of_list(name, listed, height, width)) if isinstance(listed, (list, tuple)) else read_numbers(name, listed)
    )
    marked, how = _marked(name, numbers, height, width)
    found = (marked.shape[0], marked.shape[1])
    if not same_aspect(*found, height, width):
        raise ValueError(
            f"{name}: expected {width} x {height} px, the photo's size, or its proportions, got {found[1]} x {found[0]}"
        )
    notes: tuple[str, ...] = (how,) if how else ()
    if found != (height, width):
        notes += (f"{name}: {found[1]} x {found[0]} px, scaled to the photo's {width} x {height}",)
        marked = scaled_mask(marked, height, width)
    if not marked.any():
        warn(f"{name}: marks nothing, so that nothing in it moves")
    return Noted(torch.from_numpy(np.array(marked, order="C")), notes)


def read_matte(matte: PictureLike, height: int, width: int) -> Tensor:
    """Read how much of each pixel is marked: float32 ``[H, W]`` in 0..1, from a grey picture, an alpha channel or floats."""
    numbers = read_numbers("matte", matte)
    values = numbers.values
    if values.ndim == 3 and values.shape[2] in (2, 4) and np.ptp(values[..., -1]) > 0:
        values = values[..., -1]
    elif values.ndim == 3:
        values = values[..., : min(values.shape[2], 3)]
    share = values.astype(np.float32) if values.dtype == bool else unit_range("matte", values)
    share = share.max(axis=2) if share.ndim == 3 else share
    if share.ndim != 2 or share.size == 0:
        raise ValueError(f"matte: expected [H, W], got {list(values.shape)}")
    if not same_aspect(share.shape[0], share.shape[1], height, width):
        raise ValueError(f"matte: expected the proportions of {width} x {height} px, got {share.shape[1]} x {share.shape[0]}")
    if not (share > 0).any():
        warn("matte: marks nothing, so that nothing in it moves")
    return torch.from_numpy(resized(share, height, width))


def scaled_mask(marked: np.ndarray, height: int, width: int) -> np.ndarray:
    """bool ``[H, W]``: a pixel is True where more than half of it was."""
    if marked.shape == (height, width):
        return marked
    return resized(marked.astype(np.uint8) * np.uint8(255), height, width) > 127


def resized(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Means over the pixels where it shrinks, bilinear where it grows."""
    if values.shape == (height, width):
        return np.ascontiguousarray(values)
    shrinks = values.shape[0] > height
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _of_list(name: str, masks: Sequence[object], height: int, width: int) -> np.ndarray:
    """``[N, H, W]`` of a list of masks, or of the dictionaries that networks hand out."""
    listed = [values for n, one in enumerate(masks) for values in _unpacked(name, one, n, height, width)]
    if not listed or any(values.shape != listed[0].shape or values.ndim != 2 for values in listed):
        shapes = ", ".join(str(list(values.shape)) for values in listed[:4]) or "none"
        raise ValueError(f"{name}: expected masks [H, W] of one size, got {shapes}")
    return np.stack(listed)


def _unpacked(name: str, one: object, n: int, height: int, width: int) -> list[np.ndarray]:
    """One mask, or those of a dictionary: of SAM's generator, COCO's run lengths, a pipeline of transformers."""
    if isinstance(one, dict):
        found = next((one[key] for key in MASK_KEYS if key in one), one)
        if isinstance(found, dict) and {"size", "counts"} <= found.keys():
            return [decode_runs(name, found, f"mask {n}")]
        if isinstance(found, (list, tuple)) and all(isinstance(mask, (np.ndarray, Tensor, PIL.Image.Image)) for mask in found):
            return [values for mask in found for values in _unpacked(name, mask, n, height, width)]
        if isinstance(found, (dict, list, tuple)):
            wanted = f"{' or '.join(MASK_KEYS)} with pixels or run lengths"
            raise TypeError(f"{name}: expected {wanted} in mask {n}, got {', '.join(map(str, one))[:200]}")
        one = found
    if isinstance(one, (np.ndarray, Tensor)):
        values = read_numbers(name, one).values
        several = values.ndim == 3 and same_aspect(values.shape[1], values.shape[2], height, width)
        return list(values) if several else [values.squeeze()]
    return [_marked(name, read_numbers(name, one), height, width)[0]]


def _single_masks(values: np.ndarray, height: int, width: int) -> tuple[np.ndarray, int]:
    """``values`` without an axis of one batch or one channel, of several masks the largest numbers; and how many they were."""
    if values.ndim > 3:
        values = values.reshape([side for side in values.shape if side != 1] or [1, 1])
    if values.ndim != 3:
        return values, 1
    count, rows, columns = values.shape
    if columns == 1:
        return values[..., 0], 1
    as_picture = columns in (3, 4) and same_aspect(count, rows, height, width)
    if not as_picture and same_aspect(rows, columns, height, width):
        return values.max(axis=0), count
    return values, 1


def _marked(name: str, numbers: Numbers, height: int, width: int) -> tuple[np.ndarray, str | None]:
    """What is marked, bool ``[h, w]`` of the mask's own size, and a line where that took a decision."""
    values = numbers.values
    if values.size == 0 or values.dtype.kind not in "biuf":
        kind = f"{list(values.shape)}" if values.size == 0 else f"{values.dtype}"
        error = ValueError if values.size == 0 else TypeError
        raise error(f"{name}: expected uint8, uint16, bool, classes as integers, or float in 0..1, got {kind}")
    values, count = _single_masks(values, height, width)
    if count > 1:
        return _of_grey(name, values)[0], f"{name}: the union of {count} masks"
    if numbers.palette is not None:
        return _of_palette(name, values, numbers.palette)
    if values.ndim == 2:
        return _of_grey(name, values)
    if values.ndim != 3 or values.shape[2] not in (3, 4):
        raise ValueError(f"{name}: expected [H, W] or [H, W, 1|3|4], got {list(values.shape)}")
    if values.dtype.kind == "b" or (values.dtype.kind in "iu" and values.max() <= 1):
        values = values.astype(np.uint8) * np.uint8(255)
    return _of_colours(name, _bytes(name, values))


def _bytes(name: str, values: np.ndarray) -> np.ndarray:
    return values if values.dtype == np.uint8 else (unit_range(name, values) * 255).round().astype(np.uint8)


def _of_grey(name: str, values: np.ndarray) -> tuple[np.ndarray, str | None]:
    if values.dtype == bool:
        return values, None
    if values.dtype.kind == "f":
        check_finite(name, values)
        if 1.5 < values.max() <= 255 and values.min() >= 0 and (values == np.round(values)).all():
            return _of_grey(name, values.astype(np.uint8))
        if values.min() < -0.5 and values.max() > 0:
            return values > 0, f"{name}: numbers below zero, taken as a network's logits: what is above zero is marked"
        return unit_range(name, values) > 0.5, None
    classes = _classes(values)
    if classes is not None:
        kinds = f"{len(classes)} classes" if len(classes) > 1 else f"class {classes[0]}"
        plain = len(classes) == 1 and classes[0] == 1
        void = values.dtype == np.uint8 and len(classes) > 0
        marked = (values > 0) & (values != VOID) if void and classes[-1] != VOID else values > 0
        return marked, None if plain else f"{name}: numbers of {kinds}, all of which are marked"
    if values.dtype not in (np.uint8, np.uint16):
        if values.min() >= 0 and values.max() <= 255:
            return _of_grey(name, values.astype(np.uint8))
        return values > 0, f"{name}: integers, of which those above zero are marked"
    return values > np.iinfo(values.dtype).max // 2, None


def _classes(values: np.ndarray) -> list[int] | None:
    """The classes of a map that numbers them, 0 left out; None where the numbers are shades of grey."""
    present = np.unique(values)
    if len(present) > MOST_CLASSES or (present[0] < 0 and values.dtype.kind != "i"):
        return None
    kinds = [int(n) for n in present if n > 0]
    if not kinds:
        return None
    if values.dtype not in (np.uint8, np.uint16):
        return kinds
    most = np.iinfo(values.dtype).max
    below = [n for n in kinds if n != most]
    if not below:
        return None  # black and white
    if most in kinds:
        # White beside small numbers is Pascal VOC's void; beside greys, a mask's soft rim.
        return below if max(below) < most // 4 and (values == most).mean() < 0.1 and len(below) <= most // 8 else None
    return kinds if max(kinds) <= most // 2 or (present[0] == 0 and max(kinds) < BRIGHT * (most // VOID)) else None


def _of_palette(name: str, index: np.ndarray, palette: np.ndarray) -> tuple[np.ndarray, str | None]:
    used = np.unique(index)
    colours = palette[np.minimum(used, len(palette) - 1)] if len(palette) else np.zeros((len(used), 3), np.uint8)
    if (np.ptp(colours.astype(int), axis=1) <= GREY_SPREAD).all():
        greys = np.zeros(256, np.uint8)
        greys[used] = colours.mean(axis=1).round()
        if len(set(greys[used].tolist())) > 1 or len(used) == 1:
            return _of_grey(name, greys[index])
    black = (colours.max(axis=1) < LEAST_COLOUR).any()
    on_black = np.zeros(256, bool)
    on_black[used] = colours.max(axis=1) >= LEAST_COLOUR
    marked = on_black[index] if black and on_black.any() else index > 0
    if VOID in used and len(used) > 2 and (index == VOID).mean() < 0.1:
        marked &= index != VOID
    kinds = len(np.unique(index[marked]))
    return marked, f"{name}: a palette, of which {kinds} colour{'s are' if kinds != 1 else ' is'} marked"


def _of_colours(name: str, pixels: np.ndarray) -> tuple[np.ndarray, str | None]:
    """Of uint8 ``[h, w, 3|4]``."""
    colours = pixels[..., :3]
    brightest = colours.max(axis=2)
    if pixels.shape[2] == 4 and np.ptp(pixels[..., 3]) > 0:
        shows = pixels[..., 3] > pixels[..., 3].max() // 2
        tones = brightest[shows]
        dark, bright = (tones < DARK).mean() if len(tones) else 0.0, (tones > BRIGHT).mean() if len(tones) else 0.0
        painted = dark + bright > 0.98 and bright > 0.001
        if not painted or dark < 0.001:
            return shows, None if painted else f"{name}: a cut-out, marked where it is not transparent"
        return shows & (brightest > 127), None
    if brightest.max() < LEAST_COLOUR:  # too dark for colours: numbers, in any channel
        return _of_grey(name, brightest)
    if (brightest - colours.min(axis=2)).max() <= GREY_SPREAD:
        return _of_grey(name, colours.mean(axis=2).round().astype(np.uint8))
    marked = brightest >= LEAST_COLOUR
    shades = np.unique(colours.reshape(-1, 3), axis=0, return_counts=True)[1]
    rare = shades < RARE * brightest.size
    many = len(shades) > MOST_CLASSES
    if marked.any() and (many or (rare.sum() > 4 and rare.mean() > 0.5)):
        # Not clean labels, but a brush with a soft rim or a lossy file: half of the paint marks.
        marked = brightest >= max(LEAST_COLOUR, float(np.median(brightest[marked])) / 2)
    if marked.all() or (many and (brightest < LEAST_COLOUR).mean() < LEAST_BLACK):
        raise ValueError(
            f"{name}: expected colours on black, or black and white, got a picture without black (the photo itself?)"
        )
    return marked, f"{name}: a coloured picture, marked where it is not black"
