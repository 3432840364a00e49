"""Arrays of raw numbers, as masks and depth are: from arrays and from files of any kind, with no colour management."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass

import numpy as np
import PIL.Image
from torch import Tensor

from .decode import (
    MOST_DECODED_BYTES,
    RAW_SUFFIXES,
    Opened,
    all_bits,
    check_area,
    is_deep,
    is_tiff,
    loaded,
    numbers_of,
    open_picture,
    orientation_of,
    upright,
)
from .exr import MAGIC as EXR_MAGIC
from .exr import read_exr
from .place import one_line
from .source import is_source, read_source, shown, suffix_of

NPY_MAGIC, ZIP_MAGIC, PFM_MAGICS = b"\x93NUMPY", b"PK", (b"Pf", b"PF")
PFM_HEADER = re.compile(rb"(P[fF])\s+(\d{1,9})\s+(\d{1,9})\s+([-+.0-9eE]{1,32})[ \t\r]*\n")
FLOAT_RANGE = (-0.5, 1.5)  # resampling overshoots 0..1 a little; more is another scale, such as 0..255
PREFERRED_ARRAYS = ("depth", "disparity", "disp", "z", "mask", "masks", "predicted_depth", "depths", "arr_0")


@dataclass(frozen=True, eq=False)
class Numbers:
    """What a map holds.

    ``values [H, W]`` or ``[H, W, C]``; ``picture``: a picture's, whose numbers are brightness; ``told``: the name that a file
    itself gives them; ``palette`` uint8 ``[N, 3]``: the colours that ``values`` are indices of; ``suffix``: of the file.
    """

    values: np.ndarray
    picture: bool = False
    told: str | None = None
    palette: np.ndarray | None = None
    suffix: str = ""


def read_numbers(name: str, value: object) -> Numbers:
    """The numbers of a path, bytes, an open file, a PIL image, an array or a tensor."""
    if isinstance(value, Tensor):
        plain = value.detach().cpu()
        return Numbers((plain.float() if plain.dtype.is_floating_point and plain.element_size() < 4 else plain).numpy())
    if isinstance(value, np.ma.MaskedArray):
        none = False if value.dtype == bool else np.nan
        return Numbers(np.where(np.ma.getmaskarray(value), none, np.ma.getdata(value)))
    if isinstance(value, np.ndarray):
        return Numbers(value)
    if isinstance(value, PIL.Image.Image):
        return _of_picture(name, value)
    if not is_source(value):
        raise TypeError(f"{name}: expected a path, a PIL image, a NumPy array or a tensor, got {type(value).__name__}")
    data, suffix = read_source(name, value), suffix_of(value)
    if data.startswith(NPY_MAGIC) or suffix == ".npy":
        return Numbers(decode_npy(name, data, shown(value)), suffix=".npy")
    if suffix == ".npz" or (data.startswith(ZIP_MAGIC) and zipfile.is_zipfile(io.BytesIO(data))):
        values, told = _decode_npz(name, data, shown(value))
        return Numbers(values, told=told, suffix=".npz")
    if data.startswith(PFM_MAGICS) or suffix == ".pfm":
        return Numbers(_decode_pfm(name, data, shown(value)), suffix=".pfm")
    if data.startswith(EXR_MAGIC) or suffix == ".exr":
        values, told = read_exr(name, data, shown(value))
        return Numbers(values, told=told, suffix=".exr")
    try:
        opened = open_picture(name, data, shown(value))
    except ValueError as error:
        if suffix in RAW_SUFFIXES or not is_tiff(data):
            raise
        try:
            values = all_bits(name, data, shown(value))  # of doubles, or several floats a pixel, which Pillow does not read
        except ValueError:
            raise error from None
        return Numbers(values, picture=values.dtype.kind != "f")
    return _of_file(name, opened)


def read_array(name: str, value: object) -> np.ndarray:
    """An array from memory or from a ``.npy`` or ``.npz`` file."""
    numbers = read_numbers(name, value)
    if numbers.picture:
        raise ValueError(f"{name}: expected an array or a .npy file, got a picture")
    return numbers.values


def _of_file(name: str, opened: Opened) -> Numbers:
    picture = opened.picture
    depth = {"F": 4, "I": 4, "RGBA": 4, "RGB": 3}.get(picture.mode, 2)
    if picture.size[0] * picture.size[1] * depth > MOST_DECODED_BYTES:
        raise ValueError(f"{name}: expected at most {MOST_DECODED_BYTES // 2**20} MiB of pixels, got more in {opened.shown}")
    if is_deep(opened):
        return Numbers(upright(all_bits(name, opened), opened.orientation), True)
    turn = opened.orientation
    numbers = _of_picture(name, loaded(name, opened), turn)
    return Numbers(numbers.values, numbers.picture, None, numbers.palette)


def _of_picture(name: str, picture: PIL.Image.Image, turn: int | None = None) -> Numbers:
    turn = orientation_of(picture) if turn is None else turn
    if picture.mode == "P" and "transparency" not in picture.info:
        colours = picture.getpalette("RGB") or []
        return Numbers(upright(np.asarray(picture), turn), True, None, np.array(colours, np.uint8).reshape(-1, 3))
    if picture.mode.startswith("I") or picture.mode in ("F", "L", "RGB", "RGBA", "1"):
        pixels = numbers_of(picture)
    elif picture.mode in ("LA", "La", "PA") or picture.has_transparency_data:
        pixels = np.asarray(picture.convert("RGBA"))
    else:
        pixels = np.asarray(picture.convert("RGB"))
    return Numbers(upright(pixels, turn), picture=picture.mode != "F")


def decode_npy(name: str, data: bytes, shown: str) -> np.ndarray:
    """A ``.npy`` file's array; its header is held against the file's length before memory is taken."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = header[version if version in header else (2, 0)](file)
        if dtype.hasobject or dtype.itemsize == 0:
            raise ValueError("objects, which are not loaded")
        count = 1
        for size in shape:
            count *= int(size)
        if count < 0 or count * dtype.itemsize > len(data) - file.tell():
            raise ValueError(f"a header of {list(shape)} and a truncated file")
        values = np.frombuffer(data, dtype, count, file.tell())
        return values.reshape(shape, order="F" if fortran else "C")
    except Exception as error:
        # A damaged header fails as whatever NumPy's reader, which evaluates a literal, runs into.
        raise ValueError(f"{name}: expected a NumPy array in {shown}, got {one_line(error)}") from error


def _decode_npz(name: str, data: bytes, shown: str) -> tuple[np.ndarray, str | None]:
    """The one array of a ``.npz`` file, or the one whose name is usual, and that name."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist() if info.filename.endswith(".npy")}
            key = _array_of(name, list(infos), shown)
            if infos[key].file_size > MOST_DECODED_BYTES:
                raise _Told(f"{name}: expected at most {MOST_DECODED_BYTES // 2**20} MiB in {shown}, got more")
            content = archive.read(infos[key])
    except _Told as told:
        raise ValueError(str(told)) from None
    except Exception as error:
        # A damaged archive fails as whatever zipfile, zlib or LZMA runs into.
        raise ValueError(f"{name}: expected NumPy arrays in {shown}, got {one_line(error)}") from error
    return decode_npy(name, content, shown), key


class _Told(ValueError):
    """A line of our own."""


def _array_of(name: str, keys: list[str], shown: str) -> str:
    if len(keys) == 1:
        return keys[0]
    for wanted in PREFERRED_ARRAYS:
        for key in keys:
            if key.lower() == wanted:
                return key
    none = "none (of torch.save's files none is read: numpy.save writes arrays)"
    raise _Told(f"{name}: expected one array, or one of the name depth, in {shown}, got {', '.join(keys) or none}")


def _decode_pfm(name: str, data: bytes, shown: str) -> np.ndarray:
    """Portable float map: rows run upward; a negative scale means little-endian."""
    header = PFM_HEADER.match(data[:256])
    if header is None:
        raise ValueError(f"{name}: expected a picture in {shown}, got something else or a truncated file")
    channels, width, height = 3 if header[1] == b"PF" else 1, int(header[2]), int(header[3])
    check_area(name, width, height, shown)
    try:
        scale = float(header[4])
    except ValueError:
        scale = 0.0
    count = width * height * channels
    if scale == 0 or count == 0 or len(data) - header.end() < 4 * count:
        raise ValueError(f"{name}: expected a picture in {shown}, got something else or a truncated file")
    values = np.frombuffer(data, "<f4" if scale < 0 else ">f4", count, header.end()).astype(np.float32)
    shape = (height, width) if channels == 1 else (height, width, channels)
    return values.reshape(shape)[::-1]


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
