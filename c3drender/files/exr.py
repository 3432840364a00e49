"""OpenEXR files, by the package of that name: one map of numbers out of whatever channels there are."""

from __future__ import annotations

import io
import re
import struct
from typing import Any

import numpy as np

from .decode import FORMATS_EXTRA, check_area, optional_module
from .place import one_line

MAGIC = b"\x76\x2f\x31\x01"
DEPTH_CHANNEL = re.compile(r"(.*\.)?(z|depth|depth\.[vyz]|zdepth|distance)", re.IGNORECASE)
COLOURS = ("R", "G", "B")


def read_exr(name: str, data: bytes, shown: str) -> tuple[np.ndarray, str | None]:
    """Numbers float32 ``[H, W]`` or ``[H, W, 3]``, and the name of the channel that they come from where it means depth.

    What the display window has and the data window has not is NaN.
    """
    module = optional_module("OpenEXR")
    if module is None:
        raise ValueError(f"{name}: reading .exr needs the package OpenEXR: {FORMATS_EXTRA}; got {shown}")
    for window in re.finditer(rb"(?:data|display)Window\0box2i\0\x10\0\0\0(.{16})", data[: 2**16], re.DOTALL):
        x0, y0, x1, y1 = struct.unpack("<4i", window.group(1))
        check_area(name, max(x1 - x0 + 1, 0), max(y1 - y0 + 1, 0), shown)
    try:
        with module.File(io.BytesIO(data), separate_channels=True) as file:
            parts = [
                (part.header, {key: np.asarray(channel.pixels) for key, channel in part.channels.items()})
                for part in file.parts
            ]
    except Exception as error:
        # The library reports what it finds damaged as RuntimeError, and its bindings as others.
        raise ValueError(f"{name}: expected a complete EXR picture in {shown}, got {one_line(error)}") from error
    if not any(channels for _, channels in parts):
        raise ValueError(f"{name}: expected a complete EXR picture in {shown}, got one without channels")
    for header, channels in parts:
        for key in sorted(channels, key=len):
            if DEPTH_CHANNEL.fullmatch(key):
                return _placed(channels[key], header), key
    header, channels = next(part for part in parts if part[1])
    if len(channels) == 1:
        return _placed(next(iter(channels.values())), header), None
    colours = [_colour(channels, colour) for colour in COLOURS]
    if all(colour is not None for colour in colours):
        return np.stack([_placed(colour, header) for colour in colours if colour is not None], axis=-1), None
    luma = _colour(channels, "Y")
    if luma is not None:
        return _placed(luma, header), None
    raise ValueError(f"{name}: expected a channel Z or depth, or one channel, in {shown}, got {', '.join(sorted(channels))}")


def _colour(channels: dict[str, np.ndarray], colour: str) -> np.ndarray | None:
    """The channel of that name, of the first layer where layers have names."""
    if colour in channels:
        return channels[colour]
    return next((channels[key] for key in sorted(channels) if key.rsplit(".", 1)[-1] == colour), None)


def _placed(pixels: np.ndarray, header: dict[str, Any]) -> np.ndarray:
    """``pixels`` of the data window, float32, in the display window."""
    values = pixels.astype(np.float32)
    data, display = header.get("dataWindow"), header.get("displayWindow")
    if data is None or display is None or np.array_equal(data, display):
        return values
    (dx, dy), (x0, y0), (x1, y1) = data[0], display[0], display[1]
    whole = np.full((y1 - y0 + 1, x1 - x0 + 1), np.nan, np.float32)
    top, left = int(dy - y0), int(dx - x0)
    rows = slice(max(top, 0), min(top + values.shape[0], whole.shape[0]))
    cols = slice(max(left, 0), min(left + values.shape[1], whole.shape[1]))
    whole[rows, cols] = values[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]
    return whole
