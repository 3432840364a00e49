"""Pictures and maps from disk or memory: photo, mask, depth and flow, each checked once, here.

Every reader takes a path, a PIL image, a NumPy array or a tensor. An unreadable file raises OSError, unusable content
ValueError, a wrong kind of argument TypeError; each message is one line: argument, what was expected, what came.
"""

from __future__ import annotations

import csv
import io
import json
import os
import struct
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps
import torch
from torch import Tensor

from .data import CameraKeys, Image
from .inpainter import Inpainter, from_module
from .resize import MIN_SIDE_PX, Size, fit_size, resize_photo

DEPTH_SUFFIXES = (".npy", ".pfm", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
DepthKind = Literal["disparity", "metric"]

PNG_BIT_DEPTH_BYTE = 24
FLO_MAGIC = b"PIEH"
FLO_UNKNOWN_PX = 1e9  # Middlebury's mark for "no flow known here"
FLOAT_RANGE = (-0.5, 1.5)  # resampling overshoots 0..1 a little; more is another scale, such as 0..255


def read_photo(photo: Any, size: Size = None) -> Image:
    """Read a photo, upright, in sRGB.

    Files: whatever Pillow reads (JPEG, PNG of 8 and 16 bit, WebP, TIFF, AVIF, ...); the EXIF orientation is applied and an
    ICC profile converted. Arrays and tensors: ``[H, W]`` or ``[H, W, 1|3|4]``, uint8, uint16 or float in 0..1.
    Transparent parts become white, as most viewers show them. ``size``: see `fit_size`.
    """
    pixels = _unit_range("photo", _pixels("photo", photo))
    rgb = _flatten(pixels, background=1.0)
    if rgb.shape[2] == 1:
        rgb = np.repeat(rgb, 3, axis=2)
    height, width = rgb.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise ValueError(f"photo: expected at least {MIN_SIDE_PX} x {MIN_SIDE_PX} px, got {width} x {height}")
    return resize_photo(Image(torch.from_numpy(np.ascontiguousarray(rgb))), *fit_size(height, width, size))


def read_mask(mask: Any, height: int, width: int) -> Tensor:
    """Read a mask of the photo's size: bool ``[H, W]``, True where it is brighter than 50 %.

    Integer arrays and pictures that hold only 0 and 1 are taken as labels: 1 is True. Transparent parts are False.
    """
    pixels = _pixels("mask", mask)
    if pixels.dtype == bool or (pixels.dtype.kind in "iu" and pixels.size and pixels.max() <= 1):
        pixels = pixels.astype(np.float32)
    grey = _flatten(_unit_range("mask", pixels), background=0.0).mean(axis=2)
    _check_size("mask", grey.shape, height, width)
    return torch.from_numpy(grey > 0.5)


def read_depth(depth: Any, height: int, width: int) -> tuple[Tensor, DepthKind]:
    """Read a depth map of the photo's size: float32 ``[H, W]`` and what its numbers mean.

    ``"disparity"`` (relative, larger is nearer, >= 0): grey pictures of 8 or 16 bit, and arrays of integers.
    ``"metric"`` (depth along the view axis, > 0): ``.npy`` and arrays of floats, and ``.pfm``.
    """
    if _has_suffix(depth, ".pfm"):
        values = _decode_with_opencv("depth", depth, _read_bytes("depth", depth))
    elif isinstance(depth, PIL.Image.Image) or (_is_path(depth) and not _has_suffix(depth, ".npy")):
        values = _pixels("depth", depth)
    else:
        values = _array("depth", depth)
    values = _single_channel(values)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"depth: expected integers (disparity) or floats (metric depth), got {values.dtype}")
    _check_size("depth", values.shape, height, width)
    kind: DepthKind = "metric" if values.dtype.kind == "f" else "disparity"
    values = values.astype(np.float32)
    _check_finite("depth", values)
    if kind == "metric" and values.min() <= 0:
        raise ValueError(f"depth: expected metric depth > 0 everywhere, got {values.min():g} as the least value")
    if kind == "disparity" and values.min() < 0:
        raise ValueError(f"depth: expected disparity >= 0, got {values.min():g} as the least value")
    if values.max() == 0:
        raise ValueError("depth: expected a disparity above zero somewhere, got zero everywhere")
    return torch.from_numpy(np.ascontiguousarray(values)), kind


def read_flow(flow: Any, height: int, width: int) -> Tensor:
    """Read a dense flow of the photo's size: float32 ``[H, W, 2]``, (x, y) pixels per frame.

    Files: ``.npy`` and Middlebury ``.flo``, whose unknown flow counts as still.
    """
    values = _decode_flo(flow, _read_bytes("flow", flow)) if _has_suffix(flow, ".flo") else _array("flow", flow)
    if values.dtype.kind != "f":
        raise TypeError(f"flow: expected floats, got {values.dtype}")
    if values.shape != (height, width, 2):
        raise ValueError(f"flow: expected [{height}, {width}, 2] (the photo's height and width), got {list(values.shape)}")
    _check_finite("flow", values)
    return torch.from_numpy(np.array(values, dtype=np.float32, order="C"))


def read_json(name: str, path: str | os.PathLike) -> Any:
    """What a JSON file holds; ``name`` is the argument that an error names."""
    data = _read_bytes(name, path)
    try:
        return json.loads(data)
    except ValueError as error:
        raise ValueError(f"{name}: expected JSON in {os.fspath(path)}, got {error}") from error


def read_camera_keys(path: str | os.PathLike) -> CameraKeys:
    """Read a camera's key frames from JSON: a list of objects with ``x``, ``y``, ``z`` (0 where left out), ``zoom`` (1) and
    ``t`` (evenly spaced where all leave it out), or ``{"closed": false, "keys": [...]}``; see `CameraKeys`."""
    try:
        content = json.loads(_read_bytes("camera", path))
        closed, listed = (content.get("closed", True), content["keys"]) if isinstance(content, dict) else (True, content)
        unknown = {name for key in listed for name in key} - {"t", "x", "y", "z", "zoom"}
        if unknown:
            raise ValueError(f"unknown {', '.join(sorted(unknown))}")
        if not isinstance(closed, bool):
            raise ValueError(f"closed {closed!r}")
        even = len(listed) if closed else max(len(listed) - 1, 1)
        timed = any("t" in key for key in listed)
        return CameraKeys(
            loop_t=tuple(float(key["t"]) if timed else n / even for n, key in enumerate(listed)),
            position=tuple((float(key.get("x", 0)), float(key.get("y", 0)), float(key.get("z", 0))) for key in listed),
            zoom=tuple(float(key.get("zoom", 1)) for key in listed),
            closed=closed,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"camera: expected key frames with t, x, y, z, zoom in {os.fspath(path)}, got {error}") from error


def read_inpainter(path: str | os.PathLike, device: torch.device) -> Inpainter:
    """Read a learned inpainter from a TorchScript file (see `inpainter.from_module`), to run on ``device``."""
    data = _read_bytes("inpainter", path)
    try:
        module = torch.jit.load(io.BytesIO(data), map_location=device)
    except RuntimeError as error:
        raise ValueError(f"inpainter: expected a TorchScript file, got something else: {os.fspath(path)}") from error
    return from_module(module.eval(), device)


def write_picture(out: str | os.PathLike, rgb_u8: Tensor | np.ndarray) -> Path:
    """Write uint8 ``[H, W, 3]`` in the format that the suffix names, complete or not at all."""
    target = check_picture_output(out)
    with naming("out", "write", target), replacing(target) as part:
        PIL.Image.fromarray(np.asarray(rgb_u8)).save(part)
    return target


def check_picture_output(out: str | os.PathLike) -> Path:
    """Refuse, before any work is done, an output that `write_picture` could not write."""
    target = Path(out)
    if target.suffix.lower() not in PIL.Image.registered_extensions():
        raise ValueError(f"out: expected the suffix of a picture, such as .png or .jpg, got {target.name!r}")
    check_writable("out", target)
    return target


def check_writable(name: str, target: Path) -> None:
    """Refuse a file that cannot be created, or replaced, where it should go."""
    with naming(name, "write", target):
        if target.is_dir():
            raise IsADirectoryError(f"a folder of the name {target.name} is in the way")
        with tempfile.TemporaryFile(dir=target.parent):
            pass


def make_folder(name: str, path: str | os.PathLike) -> list[Path]:
    """Make a folder, and those above it, unless it is there. Returns what is in it."""
    with naming(name, "create", path):
        Path(path).mkdir(parents=True, exist_ok=True)
        return sorted(Path(path).iterdir())


def append_row(name: str, path: str | os.PathLike, row: Mapping[str, str]) -> None:
    """Append a row to a CSV table, whose columns are the names of its first row."""
    with naming(name, "write", path), Path(path).open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow(row)


def keep_rows(name: str, path: str | os.PathLike, column: str, last: int) -> None:
    """Take the rows whose whole number in ``column`` is above ``last`` out of a CSV table, if there is one."""
    if not Path(path).exists():
        return
    with naming(name, "write", path):
        with Path(path).open(newline="") as file:
            table = csv.DictReader(file)
            kept = [row for row in table if int(row[column]) <= last]
        with replacing(Path(path)) as part, part.open("w", newline="") as file:
            writer = csv.DictWriter(file, table.fieldnames or [])
            writer.writeheader()
            writer.writerows(kept)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a temporary path beside ``target``; it takes the target's place on success and is removed on any failure."""
    part = target.with_name(f".{target.stem}.{uuid.uuid4().hex[:8]}.part{target.suffix}")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def naming(name: str, verb: str, path: str | os.PathLike) -> Iterator[None]:
    """Turn an OSError into one line that names the argument and the path, of the same kind where callers may care."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else _one_line(error)
        kinds = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
        kind = next((kind for kind in kinds if isinstance(error, kind)), OSError)
        raise kind(f"{name}: cannot {verb} {os.fspath(path)}: {reason}") from error


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def _has_suffix(value: Any, suffix: str) -> bool:
    return _is_path(value) and os.fspath(value).lower().endswith(suffix)


def _read_bytes(name: str, path: str | os.PathLike) -> bytes:
    with naming(name, "read", path):
        return Path(path).read_bytes()


def _array(name: str, value: Any) -> np.ndarray:
    """An array from memory or from a ``.npy`` file."""
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return value
    if not _is_path(value):
        raise TypeError(f"{name}: expected a path, a PIL image, a NumPy array or a tensor, got {type(value).__name__}")
    try:
        return np.lib.format.read_array(io.BytesIO(_read_bytes(name, value)), allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{name}: expected a NumPy array in {os.fspath(value)}, got {_one_line(error)}") from error


def _pixels(name: str, value: Any) -> np.ndarray:
    """Raw pixels ``[H, W]`` or ``[H, W, C]`` of a picture from anywhere, upright, C in 1, 3 (RGB), 4 (RGBA)."""
    if isinstance(value, PIL.Image.Image):
        pixels = _from_pil(value)
    elif _is_path(value):
        pixels = _decode_picture(name, value, _read_bytes(name, value))
    else:
        pixels = _array(name, value)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or pixels.size == 0:
        raise ValueError(f"{name}: expected [H, W] or [H, W, 1|3|4], got {list(pixels.shape)}")
    return pixels


def _decode_picture(name: str, path: str | os.PathLike, data: bytes) -> np.ndarray:
    try:
        with PIL.Image.open(io.BytesIO(data)) as picture:
            # Pillow cuts 16-bit colour to 8. OpenCV keeps it but knows no profile, and the right colour is worth more.
            deep = picture.format == "PNG" and data[PNG_BIT_DEPTH_BYTE] == 16 and "icc_profile" not in picture.info
            if not deep:
                return _from_pil(picture)
    except PIL.UnidentifiedImageError as error:
        raise ValueError(f"{name}: expected a picture, got a file of another kind: {os.fspath(path)}") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, PIL.Image.DecompressionBombError) as error:
        raise ValueError(f"{name}: expected a complete picture in {os.fspath(path)}, got {_one_line(error)}") from error
    return _decode_with_opencv(name, path, data)


def _decode_with_opencv(name: str, path: str | os.PathLike, data: bytes) -> np.ndarray:
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
    upright = PIL.ImageOps.exif_transpose(picture)
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
            return PIL.ImageCms.profileToProfile(colour, source, PIL.ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (OSError, PIL.ImageCms.PyCMSError):
            pass  # a damaged profile: the picture's own numbers are the best guess
    return picture.convert("RGB")


def _unit_range(name: str, pixels: np.ndarray) -> np.ndarray:
    """float32 in 0..1."""
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
    if pixels.dtype.kind != "f":
        raise TypeError(f"{name}: expected uint8, uint16 or float, got {pixels.dtype}")
    _check_finite(name, pixels)
    if pixels.min() < FLOAT_RANGE[0] or pixels.max() > FLOAT_RANGE[1]:
        raise ValueError(f"{name}: expected floats in 0..1, got {pixels.min():g} to {pixels.max():g}")
    return pixels.astype(np.float32).clip(0, 1)


def _flatten(pixels: np.ndarray, background: float) -> np.ndarray:
    """Composite RGBA over a grey ``background``; other pictures pass."""
    if pixels.shape[2] != 4:
        return pixels
    alpha = pixels[..., 3:]
    return pixels[..., :3] * alpha + background * (1 - alpha)


def _single_channel(values: np.ndarray) -> np.ndarray:
    """``[H, W]`` from ``[H, W, C]`` with equal colour channels; a fourth channel (alpha) is left out."""
    if values.ndim != 3:
        return values
    grey = values[..., 0]
    if any(not np.array_equal(values[..., c], grey) for c in range(1, min(values.shape[2], 3))):
        raise ValueError("depth: expected a grey picture or [H, W], got different colour channels (a colour map?)")
    return grey


def _decode_flo(path: str | os.PathLike, data: bytes) -> np.ndarray:
    """Middlebury's layout: magic, int32 width and height, then rows of (x, y) float32, little-endian."""
    width, height = struct.unpack_from("<ii", data, 4) if len(data) >= 12 else (0, 0)
    if not data.startswith(FLO_MAGIC) or min(width, height) < 1 or len(data) - 12 != 8 * width * height:
        raise ValueError(f"flow: expected a Middlebury .flo file, got something else or a truncated file: {os.fspath(path)}")
    values = np.frombuffer(data, dtype="<f4", offset=12).reshape(height, width, 2)
    return np.where(np.abs(values).max(axis=2, keepdims=True) < FLO_UNKNOWN_PX, values, 0)


def _check_size(name: str, shape: tuple[int, ...], height: int, width: int) -> None:
    if len(shape) != 2:
        raise ValueError(f"{name}: expected [H, W], got {list(shape)}")
    if shape != (height, width):
        raise ValueError(f"{name}: expected {width} x {height} px, the photo's size, got {shape[1]} x {shape[0]}")


def _check_finite(name: str, values: np.ndarray) -> None:
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise ValueError(f"{name}: expected finite numbers, got {bad} NaN or infinite of {values.size}")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
