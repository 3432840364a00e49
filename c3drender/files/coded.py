"""A large WebP, AVIF or HEIC in bands of rows, out of what its decoder holds.

Pillow makes one to three copies more of all its pixels. FFmpeg has a WebP or AVIF in the planes that it is coded in, which
become RGB band by band; libheif lends its RGB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import PIL.Image
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation

from .bands import Bands, Pixels
from .decode import UNREADABLE, Opened, optional_module
from .on_disk import stream_of

ROUNDED = Interpolation.BILINEAR | Interpolation.ACCURATE_RND
BAND_ROWS = 4  # a band begins at a multiple of them, as planes of colours may have fewer rows
KINDS = {"WEBP": ("RGB", "RGBA"), "AVIF": ("RGB",), "HEIF": ("RGB", "RGBA")}


def is_coded(opened: Opened) -> bool:
    """Whether a picture may be read here: one that does not move, an AVIF without an alpha channel."""
    picture = opened.picture
    if picture.format != "HEIF" and getattr(picture, "n_frames", 1) > 1:
        return False
    return picture.mode in KINDS.get(picture.format or "", ())


def coded_bands(opened: Opened, rows: int) -> Bands | None:
    """The picture in bands of about ``rows`` rows; None for another kind, an AVIF of tiles or of grey alone, a damaged one."""
    if not is_coded(opened):
        return None
    rows = -(-rows // BAND_ROWS) * BAND_ROWS
    pieces = _of_heif(opened, rows) if opened.picture.format == "HEIF" else _of_ffmpeg(opened, rows)
    if pieces is None:
        return None
    width, height = opened.picture.size
    return Bands((height, width), opened.orientation, _with_info(pieces, dict(opened.picture.info)))


def _with_info(pieces: Iterator[np.ndarray], info: dict[str | tuple[int, int], Any]) -> Iterator[Pixels]:
    """As pictures that know their profile."""
    for pixels in pieces:
        piece = PIL.Image.fromarray(pixels)
        piece.info = info
        yield piece


def _of_heif(opened: Opened, rows: int) -> Iterator[np.ndarray] | None:
    try:
        file = optional_module("pillow_heif").open_heif(stream_of(opened.data))
        pixels = np.asarray(file)
    except UNREADABLE:
        return None
    width, height = opened.picture.size
    if file.mode != opened.picture.mode or pixels.shape[0] != height or file.size[0] != width:
        return None
    return (pixels[top : top + rows, :width] for top in range(0, height, rows))


def _of_ffmpeg(opened: Opened, rows: int) -> Iterator[np.ndarray] | None:
    try:
        with av.open(stream_of(opened.data), mode="r") as file:
            file.streams.video[0].thread_count = 1  # others would take memory for pictures to come
            frame = next(file.decode(video=0))
    except (av.FFmpegError, StopIteration, IndexError):
        return None
    if (frame.width, frame.height) != opened.picture.size or frame.format.name.startswith("gray"):
        return None
    kind = "rgba" if opened.picture.mode == "RGBA" else "rgb24"
    return (_rgb(frame, top, min(rows, frame.height - top), kind) for top in range(0, frame.height, rows))


def _rgb(frame: VideoFrame, top: int, rows: int, kind: str) -> np.ndarray:
    """``rows`` rows of ``frame`` from ``top`` on.

    Colours of fewer pixels are spread here: FFmpeg takes them to lie as a video's do, at the left of those they belong to.
    """
    part = VideoFrame(frame.width, rows, re.sub("(?<=yuv|uva|uvj)4[0-9]{2}", "444", frame.format.name))
    part.colorspace = frame.colorspace
    sample = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    for source, target in zip(frame.planes, part.planes, strict=True):
        down, across = -(-frame.height // source.height), -(-frame.width // source.width)
        stored = np.frombuffer(memoryview(source), sample).reshape(-1, source.line_size // sample().itemsize)
        into = np.frombuffer(memoryview(target), sample).reshape(-1, target.line_size // sample().itemsize)
        spread = stored[top // down : -(-(top + rows) // down)].repeat(down, 0).repeat(across, 1)
        width = min(into.shape[1], spread.shape[1])
        into[:rows, :width] = spread[:rows, :width]
    return part.reformat(
        format=kind,
        interpolation=ROUNDED,
        src_color_range=frame.color_range or ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    ).to_ndarray()
