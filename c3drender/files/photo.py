"""The photo: read from anywhere, upright, in one colour space, reduced while it is decoded; and pictures to disk."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ..data import Image, PathLike, PictureLike
from .colour import SPACES, Color, ColourSpace, check_color, profile_of
from .decode import (
    DeepPlanes,
    Opened,
    RawPhoto,
    all_bits,
    check_area,
    is_raw,
    is_tiff,
    open_picture,
    optional_module,
    orientation_of,
    raw_line,
)
from .numbers import read_numbers
from .on_disk import Data, stream_of
from .place import check_writable, naming, one_line, replacing
from .reduced import as_rgb, moved, reduced_rgb
from .resize import MIN_SIDE_PX, Size, fit_size, resize_photo
from .source import is_source, open_source, shown, suffix_of


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as it was read: at the size asked for; ``size`` (height, width) is that of the file, upright, in whose pixels
    arrows are given. ``data``: the file's bytes, in which its depth may be."""

    image: Image
    size: tuple[int, int]
    notes: tuple[str, ...] = ()
    data: Data = b""
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
    data: Data = b""
    name = ""
    if is_source(photo):
        data, name = open_source("photo", photo), shown(photo)
        opened = None if is_raw(data, suffix_of(photo)) else _opened(data, name)
        if isinstance(opened, np.ndarray):
            rgb = as_rgb(opened)
            height, width = rgb.shape[:2]
        elif opened is None:
            rgb = _developed(data, name, target)
            height, width = rgb.shape[:2]
        else:
            notes = (opened.note,) if opened.note else ()
            height, width = _upright_size(opened.picture)
            rgb = reduced_rgb("photo", opened, _wanted(height, width, size), target)
    elif isinstance(photo, PIL.Image.Image):
        height, width = _upright_size(photo)
        check_area("photo", width, height, "the picture given")
        rgb = reduced_rgb("photo", Opened(photo, b"", "the picture given"), _wanted(height, width, size), target)
    else:
        rgb = as_rgb(_pixels_of(photo))
        height, width = rgb.shape[:2]
    _check_sides(height, width)
    image = Image(torch.from_numpy(np.ascontiguousarray(rgb)))
    return Photo(resize_photo(image, *fit_size(height, width, size)), (height, width), notes, data, name)


def _opened(data: Data, name: str) -> Opened | np.ndarray | None:
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
            return all_bits("photo", data, name)
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


def _developed(data: Data, name: str, target: ColourSpace) -> np.ndarray:
    """A raw photo as its camera would show it, by LibRaw: float32 ``[H, W, 3]``."""
    rawpy = optional_module("rawpy")
    if rawpy is None:
        raise ValueError(raw_line("photo", name))
    try:
        with rawpy.imread(stream_of(data)) as raw:
            check_area("photo", raw.sizes.width, raw.sizes.height, name)
            pixels = raw.postprocess(use_camera_wb=True, output_bps=16)
    except (rawpy.LibRawError, OSError, RuntimeError) as error:
        raise ValueError(raw_line("photo", name, f" that LibRaw cannot develop ({one_line(error)})")) from error
    return moved(as_rgb(pixels), None, target)


def _pixels_of(photo: object) -> np.ndarray:
    pixels = read_numbers("photo", photo).values
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or pixels.size == 0:
        raise ValueError(f"photo: expected [H, W] or [H, W, 1|3|4], got {list(pixels.shape)}")
    return pixels


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
