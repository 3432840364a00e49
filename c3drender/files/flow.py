"""Dense flows from disk or memory, checked once, here."""

from __future__ import annotations

import struct

import numpy as np
import torch
from torch import Tensor

from ..data import PathLike
from .decode import check_area
from .numbers import check_finite, read_array
from .resize import resize_flow, same_aspect
from .source import is_source, read_source, shown, suffix_of

FLO_MAGIC = b"PIEH"
FLO_UNKNOWN_PX = 1e9  # Middlebury's mark for "no flow known here"
MOST_SIDES = 1.0  # a step may cross the picture's longer side once per frame; what claims more is no flow of it


def read_flow(flow: PathLike | np.ndarray | Tensor, height: int, width: int) -> Tensor:
    """Read a dense flow of the photo's proportions.

    Parameters
    ----------
    flow : path, array or Tensor
        Floats ``[H, W, 2]``. Files: ``.npy``, ``.npz`` and Middlebury ``.flo``, whose unknown flow counts as still. A flow of
        another size is scaled, and its steps with it.
    height, width : int
        The photo's.

    Returns
    -------
    Tensor
        float32 ``[H, W, 2]``, (x, y) pixels per frame.

    Raises
    ------
    OSError, ValueError, TypeError
        As `read_depth`; ValueError also for steps longer than the picture.
    """
    is_flo = is_source(flow) and suffix_of(flow) == ".flo"
    values = _decode_flo(flow) if is_flo else read_array("flow", flow)
    if values.dtype.kind != "f":
        raise TypeError(f"flow: expected floats, got {values.dtype}")
    if values.ndim != 3 or values.shape[2] != 2 or not same_aspect(values.shape[0], values.shape[1], height, width):
        raise ValueError(f"flow: expected [{height}, {width}, 2] (the photo's height and width), got {list(values.shape)}")
    check_finite("flow", values)
    longest = float(np.abs(values).max(initial=0))
    if longest > MOST_SIDES * max(values.shape[:2]):
        raise ValueError(f"flow: expected steps in pixels per frame, shorter than the picture, got one of {longest:g} px")
    step_px = torch.from_numpy(np.array(values, dtype=np.float32, order="C"))
    return step_px if values.shape[:2] == (height, width) else resize_flow(step_px, height, width)


def _decode_flo(flow: object) -> np.ndarray:
    """Middlebury's layout: magic, int32 width and height, then rows of (x, y) float32, little-endian."""
    data = read_source("flow", flow)  # type: ignore[arg-type]  # asked by the caller
    width, height = struct.unpack_from("<ii", data, 4) if len(data) >= 12 else (0, 0)
    if not data.startswith(FLO_MAGIC) or min(width, height) < 1 or len(data) - 12 != 8 * width * height:
        raise ValueError(f"flow: expected a Middlebury .flo file, got something else or a truncated file: {shown(flow)}")  # type: ignore[arg-type]
    check_area("flow", width, height, shown(flow))  # type: ignore[arg-type]
    values = np.frombuffer(data, dtype="<f4", offset=12).reshape(height, width, 2)
    return np.where(np.abs(values).max(axis=2, keepdims=True) < FLO_UNKNOWN_PX, values, 0)
