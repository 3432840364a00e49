"""Pictures from disk or memory: photo and mask, each checked once, here; and pictures to disk.

Every reader takes a path, a PIL image, a NumPy array or a tensor. An unreadable file raises OSError, unusable content
ValueError, a wrong kind of argument TypeError; each message is one line: argument, what was expected, what came.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps
import torch
from torch import Tensor

from ..data import Image, PathLike, PictureLike
from .place import check_writable, is_path, naming, one_line, read_bytes, replacing
from .resize import MIN_SIDE_PX, Size, fit_size, resize_photo

PNG_BIT_DEPTH_BYTE = 24
# What Pillow raises for a damaged file, or for one that claims more pixels than a picture has.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, PIL.Image.DecompressionBombError)
FLOAT_RANGE = (-0.5, 1.5)  # resampling overshoots 0..1 a little; more is another scale, such as 0..255


def read_photo(photo: PictureLike, size: Size = "photo") -> Image:
    """Read a photo, upright, in sRGB.

    Files: whatever Pillow reads (JPEG, PNG of 8 and 16 bit, WebP, TIFF, AVIF, ...); the EXIF orientation is applied and an ICC
    profile converted. Transparent parts become white, as most viewers show them.

    Parameters
    ----------
    photo : path, PIL image, array or Tensor
        Arrays and tensors: ``[H, W]`` or ``[H, W, 1|3|4]``, uint8, uint16 or float in 0..1.
    size : int, (int, int), "photo" or None
        The longer side in pixels, or (width, height) of the photo's proportions; ``"photo"`` keeps its size; None does up to
        `defaults.LONGER_SIDE_PX`.

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
    pixels = _unit_range("photo", read_pixels("photo", photo))
    rgb = _flatten(pixels, background=1.0)
    if rgb.shape[2] == 1:
        rgb = np.repeat(rgb, 3, axis=2)
    height, width = rgb.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise ValueError(f"photo: expected at least {MIN_SIDE_PX} x {MIN_SIDE_PX} px, got {width} x {height}")
    return resize_photo(Image(torch.from_numpy(np.ascontiguousarray(rgb))), *fit_size(height, width, size))


def read_mask(mask: PictureLike, height: int, width: int) -> Tensor:
    """Read a mask of the photo's size.

    Integer arrays and pictures that hold only 0 and 1 are taken as labels: 1 is True. Transparent parts are False.

    Parameters
    ----------
    mask : path, PIL image, array or Tensor
    height, width : int
        The photo's.

    Returns
    -------
    Tensor
        bool ``[H, W]``, True where it is brighter than 50 %.

    Raises
    ------
    OSError, ValueError, TypeError
        As `read_photo`; ValueError also for another size than the photo's.
    """
    pixels = read_pixels("mask", mask)
    if pixels.dtype == bool or (pixels.dtype.kind in "iu" and pixels.size and pixels.max() <= 1):
        pixels = pixels.astype(np.float32)
    grey = _flatten(_unit_range("mask", pixels), background=0.0).mean(axis=2)
    check_size("mask", grey.shape, height, width)
    return torch.from_numpy(grey > 0.5)


def write_picture(out: PathLike, rgb_u8: Tensor | np.ndarray) -> Path:
    """Write a picture in the format that the suffix names, complete or not at all.

    Parameters
    ----------
    out : path
    rgb_u8 : Tensor or array
        uint8 ``[H, W, 3]``.

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
    with naming("out", "write", target), replacing(target) as part:
        PIL.Image.fromarray(np.asarray(rgb_u8)).save(part)
    return target


def check_picture_output(out: PathLike) -> Path:
    """Refuse, before any work is done, an output that `write_picture` could not write."""
    target = Path(out)
    if not _can_write(target.suffix.lower()):
        raise ValueError(f"out: expected the suffix of a picture, such as .png or .jpg, got {target.name!r}")
    check_writable("out", target)
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


def read_array(name: str, value: object) -> np.ndarray:
    """An array from memory or from a ``.npy`` file."""
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return value
    if not is_path(value):
        raise TypeError(f"{name}: expected a path, a PIL image, a NumPy array or a tensor, got {type(value).__name__}")
    try:
        array: np.ndarray = np.lib.format.read_array(io.BytesIO(read_bytes(name, value)), allow_pickle=False)
        return array
    except ValueError as error:
        raise ValueError(f"{name}: expected a NumPy array in {os.fspath(value)}, got {one_line(error)}") from error


def read_pixels(name: str, value: object) -> np.ndarray:
    """Raw pixels ``[H, W]`` or ``[H, W, C]`` of a picture from anywhere, upright, C in 1, 3 (RGB), 4 (RGBA)."""
    if isinstance(value, PIL.Image.Image):
        pixels = _from_pil(value)
    elif is_path(value):
        pixels = _decode_picture(name, value, read_bytes(name, value))
    else:
        pixels = read_array(name, value)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or pixels.size == 0:
        raise ValueError(f"{name}: expected [H, W] or [H, W, 1|3|4], got {list(pixels.shape)}")
    return pixels


def _decode_picture(name: str, path: PathLike, data: bytes) -> np.ndarray:
    try:
        with PIL.Image.open(io.BytesIO(data)) as picture:
            # Pillow cuts 16-bit colour to 8. OpenCV keeps it but knows no profile, and the right colour is worth more.
            deep = picture.format == "PNG" and data[PNG_BIT_DEPTH_BYTE] == 16 and "icc_profile" not in picture.info
            if not deep:
                return _from_pil(picture)
    except PIL.UnidentifiedImageError as error:
        raise ValueError(f"{name}: expected a picture, got a file of another kind: {os.fspath(path)}") from error
    except UNREADABLE as error:
        raise ValueError(f"{name}: expected a complete picture in {os.fspath(path)}, got {one_line(error)}") from error
    return decode_with_opencv(name, path, data)


def decode_with_opencv(name: str, path: PathLike, data: bytes) -> np.ndarray:
    encoded = np.frombuffer(data, dtype=np.uint8)
    try:
        pixels = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if len(encoded) else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ValueError(f"{name}: expected a picture in {os.fspath(path)}, got something else or a truncated file")
    if pixels.ndim == 3:
        return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return pixels


def _from_pil(picture: PIL.Image.Image) -> np.ndarray:
    """uint8, uint16 or float32 pixels, upright, in sRGB, with an alpha channel where the picture has transparency."""
    upright: PIL.Image.Image = PIL.ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I"):
        return np.asarray(upright).clip(0, 65535).astype(np.uint16)
    if upright.mode == "F":
        return np.asarray(upright)
    alpha = upright.convert("RGBA").getchannel("A") if upright.has_transparency_data else None
    if upright.mode in ("1", "L"):
        return np.asarray(upright.convert("L"))
    rgb = _to_srgb(upright)
    if alpha is not None:
        rgb.putalpha(alpha)
    return np.asarray(rgb)


def _to_srgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "RGBA", "CMYK"):
        colour = picture.convert("RGB") if picture.mode == "RGBA" else picture
        try:
            source = PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = PIL.ImageCms.createProfile("sRGB")
            converted = PIL.ImageCms.profileToProfile(colour, source, target, outputMode="RGB")
            return cast(PIL.Image.Image, converted)  # None stands for a conversion in place
        except (OSError, PIL.ImageCms.PyCMSError):
            pass  # a damaged profile: the picture's own numbers are the best guess
    return picture.convert("RGB")


def _unit_range(name: str, pixels: np.ndarray) -> np.ndarray:
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


def _flatten(pixels: np.ndarray, background: float) -> np.ndarray:
    """Composite RGBA over a grey ``background``; other pictures pass."""
    if pixels.shape[2] != 4:
        return pixels
    alpha = pixels[..., 3:]
    composited: np.ndarray = pixels[..., :3] * alpha + background * (1 - alpha)
    return composited


def check_size(name: str, shape: tuple[int, ...], height: int, width: int) -> None:
    if len(shape) != 2:
        raise ValueError(f"{name}: expected [H, W], got {list(shape)}")
    if shape != (height, width):
        raise ValueError(f"{name}: expected {width} x {height} px, the photo's size, got {shape[1]} x {shape[0]}")


def check_finite(name: str, values: np.ndarray) -> None:
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise ValueError(f"{name}: expected finite numbers, got {bad} NaN or infinite of {values.size}")
