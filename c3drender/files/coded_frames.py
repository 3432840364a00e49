"""Arrays as FFmpeg's frames: RGB as they are, or in the colours of video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
import torch
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter

from .. import ops

FrameArray = np.ndarray  # uint8 [H, W, 3], of one colour space; with alpha [H, W, 4], colours not multiplied by it


def rgb_frames(arrays: Iterable[FrameArray], rate: Fraction) -> Iterator[VideoFrame]:
    """Frames for what codes RGB."""
    return _in_order((_rgb(array) for array in arrays), rate)


def bt709_frames(arrays: Iterable[FrameArray], rate: Fraction, pixels: str, primaries: ColorPrimaries) -> Iterator[VideoFrame]:
    """Full-range RGB to limited-range BT.709, which is what streams are tagged with and players assume: in FFmpeg's format
    ``pixels``, of even sides where that halves them, chroma in the middle between the pixels that share it. ProRes keeps the
    tags of its frames."""
    reformatter = VideoReformatter()

    def converted(array: FrameArray) -> VideoFrame:
        if pixels == "yuv420p":
            rgb_u8 = torch.from_numpy(np.require(array, requirements=("C", "W")))  # torch warns of what is read-only
            yuv = ops.convert_to_yuv(rgb_u8).numpy()
            is_taken = array.shape[0] % 4 == 0  # by PyAV as it lies; of other heights it would leave out two rows
            frame = (VideoFrame.from_numpy_buffer if is_taken else VideoFrame.from_ndarray)(yuv, format=pixels)
            frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
        else:
            frame = reformatter.reformat(
                _rgb(array),
                format=pixels,
                src_colorspace=Colorspace.ITU709,
                dst_colorspace=Colorspace.ITU709,
                src_color_range=ColorRange.JPEG,
                dst_color_range=ColorRange.MPEG,
                interpolation="AREA",
            )
        frame.color_primaries, frame.color_trc = primaries, ColorTrc.BT709  # told to `reformat`, it would convert, too
        return frame

    return _in_order(map(converted, arrays), rate)


def _rgb(array: FrameArray) -> VideoFrame:
    return VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24" if array.shape[2] == 3 else "rgba")


def _in_order(frames: Iterable[VideoFrame], rate: Fraction) -> Iterator[VideoFrame]:
    for n, frame in enumerate(frames):
        frame.pts, frame.time_base = n, 1 / rate
        yield frame
