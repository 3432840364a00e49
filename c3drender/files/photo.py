"""The photo: read from anywhere, upright, in one colour space, reduced while it is decoded; and pictures to disk."""

from __future__ import annotations

import io
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ..data import Image, PathLike, PictureLike
from .colour import SPACES, SRGB, Color, ColourSpace, by_littlecms, check_color, converted, is_same, profile_of, space_of
from .decode import (
    MOST_DECODED_BYTES,
    DeepPlanes,
    Opened,
    RawPhoto,
    check_area,
    is_deep,
    is_raw,
    is_tiff,
    loaded,
    numbers_of,
    open_picture,
    optional_module,
    orientation_of,
    raw_line,
    upright,
    with_opencv,
)
from .numbers import read_numbers
from .place import check_writable, naming, one_line, replacing
from .resize import MIN_SIDE_PX, Size, fit_size, resize_photo
from .source import is_source, read_source, shown, suffix_of

FLOAT_RANGE = (-0.5, 1.5)  # resampling overshoots 0..1 a little; more is another scale, such as 0..255
SPARE = 2  # a photo is reduced while decoding to no less than this many times its size, so that the rest is resampled well
REDUCE_ABOVE_PX = 2**24  # smaller photos are decoded whole
STRIP_PX = 2**22  # of a photo that is reduced, so many pixels are converted at a time
DEEP_BYTES = MOST_DECODED_BYTES * 3 // 4  # of 16 bit; more is read in 8


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as it was read: at the size asked for; ``size`` (height, width) is that of the file, upright, in whose pixels
    arrows are given. ``data``: the file's bytes, in which its depth may be."""

    image: Image
    size: tuple[int, int]
    notes: tuple[str, ...] = ()
    data: bytes = b""
    name: str = ""


def read_photo(photo: PictureLike, size: Size = "photo", color: Color = "srgb") -> Image:
    """Read a photo, upright, in sRGB.

    Files: whatever Pillow reads (JPEG, PNG and TIFF of 8 and 16 bit, WebP, AVIF, ...); HEIC and raw files with the extra
    ``formats``. The EXIF orientation is applied, an ICC profile or CICP code followed, a large photo reduced while it is
    decoded. Transparent parts become white, as most viewers show them.

    Parameters
    ----------
    photo : path, address, bytes, open file, PIL image, array or Tensor
        Addresses begin with ``https://``. Arrays and tensors: ``[H, W]`` or ``[H, W, 1|3|4]``, uint8, uint16 or float in 0..1.
    size : int, (int, int), "photo" or None
        The longer side in pixels, or (width, height) of the photo's proportions; ``"photo"`` keeps its size; None does up to
        `defaults.LONGER_SIDE_PX`.
    color : {"srgb", "p3"}
        The space of the numbers: sRGB, or Display P3, which holds what phones and wide-gamut screens show.

    Returns
    -------
    Image

    Raises
    ------
    OSError
        For an unreadable file.
    ValueError
        For a file that is no whole picture, another shape, values out of range, less than 16 px a side.
    TypeError
        For another kind of argument.

    Examples
    --------
    >>> from c3drender.files import read_photo
    >>> read_photo("photo.jpg", size=32).rgb.shape
    torch.Size([24, 32, 3])
    """
    return photo_of(photo, size, color).image


def photo_of(photo: PictureLike, size: Size, color: Color = "srgb") -> Photo:
    """`read_photo`, with all that is known of the file."""
    target = SPACES[check_color(color)]
    notes: tuple[str, ...] = ()
    data, name = b"", ""
    if is_source(photo):
        data, name = read_source("photo", photo), shown(photo)
        opened = None if is_raw(data, suffix_of(photo)) else _opened(data, name)
        if isinstance(opened, np.ndarray):
            rgb = _as_rgb(opened if opened.ndim == 3 else opened[..., None])
            height, width = rgb.shape[:2]
        elif opened is None:
            rgb = _developed(data, name, target)
            height, width = rgb.shape[:2]
        else:
            notes = (opened.note,) if opened.note else ()
            height, width = _upright_size(opened.picture)
            rgb = _decoded(opened, _wanted(height, width, size), target)
    elif isinstance(photo, PIL.Image.Image):
        height, width = _upright_size(photo)
        check_area("photo", width, height, "the picture given")
        rgb = _decoded(Opened(photo, b"", "the picture given"), _wanted(height, width, size), target)
    else:
        rgb = _as_rgb(_pixels_of(photo))
        height, width = rgb.shape[:2]
    _check_sides(height, width)
    image = Image(torch.from_numpy(np.ascontiguousarray(rgb)))
    return Photo(resize_photo(image, *fit_size(height, width, size)), (height, width), notes, data, name)


def _opened(data: bytes, name: str) -> Opened | np.ndarray | None:
    """The picture of a file; its pixels where it is one of several floats, which Pillow does not read; None where it shows
    itself to be a raw one that can be developed."""
    try:
        return open_picture("photo", data, name)
    except RawPhoto:
        if optional_module("rawpy") is None:
            raise
        return None
    except DeepPlanes:
        raise
    except ValueError as error:
        if not is_tiff(data):
            raise
        try:
            return with_opencv("photo", data, name)
        except ValueError:
            raise error from None


def _check_sides(height: int, width: int) -> None:
    if min(height, width) < MIN_SIDE_PX:
        raise ValueError(f"photo: expected at least {MIN_SIDE_PX} x {MIN_SIDE_PX} px, got {width} x {height}")


def _wanted(height: int, width: int, size: Size) -> tuple[int, int]:
    _check_sides(height, width)
    return fit_size(height, width, size)


def _upright_size(picture: PIL.Image.Image) -> tuple[int, int]:
    width, height = picture.size
    return (width, height) if orientation_of(picture) >= 5 else (height, width)


def _decoded(opened: Opened, wanted: tuple[int, int], target: ColourSpace) -> np.ndarray:
    """float32 ``[h, w, 3]``, upright, in ``target``, of at least ``wanted`` (height, width)."""
    picture, turn = opened.picture, opened.orientation
    stored = wanted[::-1] if turn >= 5 else wanted
    space = space_of(picture, opened.data)
    if opened.data and is_deep(opened) and picture.size[0] * picture.size[1] * 8 <= DEEP_BYTES:
        pixels = with_opencv("photo", opened)
        factor = _factor(pixels.shape[:2], stored)
        if factor > 1:
            size = (ceil(pixels.shape[1] / factor), ceil(pixels.shape[0] / factor))
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        return upright(_moved(_as_rgb(pixels if pixels.ndim == 3 else pixels[..., None]), space, target), turn)
    if picture.format in ("JPEG", "MPO") and picture.size[0] * picture.size[1] > REDUCE_ABOVE_PX:
        picture.draft(None, (SPARE * stored[1], SPARE * stored[0]))
    # Decoded pictures are reduced strip by strip: a second copy of a large one would take as much memory again.
    whole = loaded("photo", opened)
    factor = _factor((whole.size[1], whole.size[0]), stored)
    strip = max(STRIP_PX // whole.size[0] // factor, 1) * factor if factor > 1 else whole.size[1]
    parts = []
    for top in range(0, whole.size[1], strip):
        part = whole if strip >= whole.size[1] else whole.crop((0, top, whole.size[0], min(top + strip, whole.size[1])))
        parts.append(_rgb_of(part, factor, space, target))
    return upright(parts[0] if len(parts) == 1 else np.concatenate(parts), turn)


def _factor(size: tuple[int, int], wanted: tuple[int, int]) -> int:
    """By how much a picture of this size may be reduced at once."""
    if size[0] * size[1] <= REDUCE_ABOVE_PX:
        return 1
    return max(min(size[0] // (SPARE * wanted[0]), size[1] // (SPARE * wanted[1])), 1)


def _rgb_of(picture: PIL.Image.Image, factor: int, space: ColourSpace | None, target: ColourSpace) -> np.ndarray:
    """float32 ``[h, w, 3]`` of a decoded picture, reduced by ``factor``, not turned."""
    if picture.mode.startswith("I") or picture.mode == "F":
        pixels = numbers_of(picture)
        if picture.mode != "F":
            pixels = pixels.clip(0, 65535).astype(np.uint16)
        if factor > 1:
            size = (ceil(pixels.shape[1] / factor), ceil(pixels.shape[0] / factor))
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        return _moved(_as_rgb(pixels[..., None]), space, target)
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    colour = picture.convert("RGB") if picture.mode not in ("RGB", "CMYK", "L", "LAB") else picture
    if space is None:
        managed = by_littlecms(colour)
        space, colour = (None, colour) if managed is None else (SRGB, managed)
    planes = colour.convert("RGB")
    if alpha is not None:
        planes.putalpha(alpha)
    if factor > 1:
        planes = planes.reduce(factor)
    return _moved(_as_rgb(np.asarray(planes)), space, target)


def _moved(rgb: np.ndarray, space: ColourSpace | None, target: ColourSpace) -> np.ndarray:
    source = SRGB if space is None else space
    return rgb if source is target or is_same(source, target) else converted(rgb, source, target)


def _developed(data: bytes, name: str, target: ColourSpace) -> np.ndarray:
    """A raw photo as its camera would show it, by LibRaw: float32 ``[H, W, 3]``."""
    rawpy = optional_module("rawpy")
    if rawpy is None:
        raise ValueError(raw_line("photo", name))
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            check_area("photo", raw.sizes.width, raw.sizes.height, name)
            pixels = raw.postprocess(use_camera_wb=True, output_bps=16)
    except (rawpy.LibRawError, OSError, RuntimeError) as error:
        raise ValueError(raw_line("photo", name, f" that LibRaw cannot develop ({one_line(error)})")) from error
    return _moved(_as_rgb(pixels), None, target)


def _pixels_of(photo: object) -> np.ndarray:
    pixels = read_numbers("photo", photo).values
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or pixels.size == 0:
        raise ValueError(f"photo: expected [H, W] or [H, W, 1|3|4], got {list(pixels.shape)}")
    return pixels


def _as_rgb(pixels: np.ndarray) -> np.ndarray:
    """float32 ``[H, W, 3]`` in 0..1; transparent parts become white."""
    unit = unit_range("photo", pixels)
    if unit.shape[2] in (2, 4):
        alpha = unit[..., -1:]
        unit = unit[..., :-1] * alpha + (1 - alpha)
    return np.repeat(unit, 3, axis=2) if unit.shape[2] == 1 else unit


def write_picture(out: PathLike, rgb_u8: Tensor | np.ndarray, color: Color = "srgb") -> Path:
    """Write a picture in the format that the suffix names, complete or not at all.

    Parameters
    ----------
    out : path
    rgb_u8 : Tensor or array
        uint8 ``[H, W, 3]``, or ``[H, W, 4]`` where the format has an alpha channel.
    color : {"srgb", "p3"}
        The space of its numbers; Display P3 is tagged by a profile.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ValueError, OSError
        For a suffix that names no picture; for a file that cannot be written.
    """
    target = check_picture_output(out)
    profile = profile_of(check_color(color))
    with naming("out", "write", target), replacing(target) as part:
        picture = PIL.Image.fromarray(np.asarray(rgb_u8))
        if profile is None:
            picture.save(part)
        else:
            picture.save(part, icc_profile=profile)
    return target


def check_picture_output(out: PathLike, name: str = "out") -> Path:
    """Refuse, before any work is done, an output that `write_picture` could not write."""
    target = Path(out)
    if not _can_write(target.suffix.lower()):
        raise ValueError(f"{name}: expected the suffix of a picture, such as .png or .jpg, got {target.name!r}")
    check_writable(name, target)
    return target


def _can_write(suffix: str) -> bool:
    """Whether Pillow writes colour under this suffix: it registers formats, too, that it only reads or writes without."""
    kind = PIL.Image.registered_extensions().get(suffix)
    if kind not in PIL.Image.SAVE:
        return False
    try:
        PIL.Image.new("RGB", (MIN_SIDE_PX, MIN_SIDE_PX)).save(io.BytesIO(), kind)
    except (OSError, ValueError):
        return False
    return True


def unit_range(name: str, pixels: np.ndarray) -> np.ndarray:
    """float32 in 0..1."""
    if pixels.dtype in (np.uint8, np.uint16):
        scaled: np.ndarray = pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
        return scaled
    if pixels.dtype.kind != "f":
        raise TypeError(f"{name}: expected uint8, uint16 or float, got {pixels.dtype}")
    check_finite(name, pixels)
    if pixels.min() < FLOAT_RANGE[0] or pixels.max() > FLOAT_RANGE[1]:
        raise ValueError(f"{name}: expected floats in 0..1, got {pixels.min():g} to {pixels.max():g}")
    return pixels.astype(np.float32).clip(0, 1)


def check_finite(name: str, values: np.ndarray) -> None:
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise ValueError(f"{name}: expected finite numbers, got {bad} NaN or infinite of {values.size}")
