"""Depth maps and dense flows from disk or memory, each checked once, here."""

from __future__ import annotations

import os
import struct
from typing import Literal

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps
import torch
from torch import Tensor

from ..data import PathLike, PictureLike
from .photo import check_finite, check_size, decode_with_opencv, read_array, read_pixels
from .place import has_suffix, is_path, read_bytes

DEPTH_SUFFIXES = (".npy", ".pfm", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
DepthKind = Literal["disparity", "metric"]
FLO_MAGIC = b"PIEH"
FLO_UNKNOWN_PX = 1e9  # Middlebury's mark for "no flow known here"


def read_depth(depth: PictureLike, height: int, width: int) -> tuple[Tensor, DepthKind]:
    """Read a depth map of the photo's size.

    Parameters
    ----------
    depth : path, PIL image, array or Tensor
        Grey pictures of 8 or 16 bit and arrays of integers hold relative disparity (larger is nearer, >= 0); ``.npy`` and
        arrays of floats, and ``.pfm``, metric depth along the view axis (> 0).
    height, width : int
        The photo's.

    Returns
    -------
    values : Tensor
        float32 ``[H, W]``.
    kind : {"disparity", "metric"}
        What the numbers mean.

    Raises
    ------
    OSError
        For an unreadable file.
    ValueError
        For another size, colours, numbers that are not finite or out of range.
    TypeError
        For another kind of argument or of numbers.
    """
    if has_suffix(depth, ".pfm"):
        values = decode_with_opencv("depth", depth, read_bytes("depth", depth))
    elif isinstance(depth, PIL.Image.Image) or (is_path(depth) and not has_suffix(depth, ".npy")):
        values = read_pixels("depth", depth)
    else:
        values = read_array("depth", depth)
    values = _single_channel(values)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"depth: expected integers (disparity) or floats (metric depth), got {values.dtype}")
    check_size("depth", values.shape, height, width)
    kind: DepthKind = "metric" if values.dtype.kind == "f" else "disparity"
    values = values.astype(np.float32)
    check_finite("depth", values)
    if kind == "metric" and values.min() <= 0:
        raise ValueError(f"depth: expected metric depth > 0 everywhere, got {values.min():g} as the least value")
    if kind == "disparity" and values.min() < 0:
        raise ValueError(f"depth: expected disparity >= 0, got {values.min():g} as the least value")
    if values.max() == 0:
        raise ValueError("depth: expected a disparity above zero somewhere, got zero everywhere")
    return torch.from_numpy(np.ascontiguousarray(values)), kind


def read_flow(flow: PathLike | np.ndarray | Tensor, height: int, width: int) -> Tensor:
    """Read a dense flow of the photo's size.

    Parameters
    ----------
    flow : path, array or Tensor
        Floats ``[H, W, 2]``. Files: ``.npy`` and Middlebury ``.flo``, whose unknown flow counts as still.
    height, width : int
        The photo's.

    Returns
    -------
    Tensor
        float32 ``[H, W, 2]``, (x, y) pixels per frame.

    Raises
    ------
    OSError, ValueError, TypeError
        As `read_depth`.
    """
    values = _decode_flo(flow, read_bytes("flow", flow)) if has_suffix(flow, ".flo") else read_array("flow", flow)
    if values.dtype.kind != "f":
        raise TypeError(f"flow: expected floats, got {values.dtype}")
    if values.shape != (height, width, 2):
        raise ValueError(f"flow: expected [{height}, {width}, 2] (the photo's height and width), got {list(values.shape)}")
    check_finite("flow", values)
    return torch.from_numpy(np.array(values, dtype=np.float32, order="C"))


def _single_channel(values: np.ndarray) -> np.ndarray:
    """``[H, W]`` from ``[H, W, C]`` with equal colour channels; a fourth channel (alpha) is left out."""
    if values.ndim != 3:
        return values
    grey = values[..., 0]
    if any(not np.array_equal(values[..., c], grey) for c in range(1, min(values.shape[2], 3))):
        raise ValueError("depth: expected a grey picture or [H, W], got different colour channels (a colour map?)")
    return grey


def _decode_flo(path: PathLike, data: bytes) -> np.ndarray:
    """Middlebury's layout: magic, int32 width and height, then rows of (x, y) float32, little-endian."""
    width, height = struct.unpack_from("<ii", data, 4) if len(data) >= 12 else (0, 0)
    if not data.startswith(FLO_MAGIC) or min(width, height) < 1 or len(data) - 12 != 8 * width * height:
        raise ValueError(f"flow: expected a Middlebury .flo file, got something else or a truncated file: {os.fspath(path)}")
    values = np.frombuffer(data, dtype="<f4", offset=12).reshape(height, width, 2)
    return np.where(np.abs(values).max(axis=2, keepdims=True) < FLO_UNKNOWN_PX, values, 0)
