"""The encoder of an NVIDIA GPU (NVENC), where FFmpeg has it and it answers."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import av
from av.video.codeccontext import VideoCodecContext

from .tell import warn

NVENC = {"h264": "h264_nvenc", "hevc": "hevc_nvenc"}
OPTIONS = {"preset": "p5", "tune": "hq", "rc": "vbr"}


def encoder_of_gpu(
    codec: str, quality: int | None, size: tuple[int, int], rate: Fraction
) -> tuple[str, dict[str, str]] | None:
    """FFmpeg's encoder for ``codec`` on a GPU, and its options: a constant ``quality``, or None for a bit rate; for pictures
    of this size (height, width). None where there is none for the codec, or where it cannot code here: one line says so."""
    encoder = NVENC.get(codec)
    if encoder is None:
        return None
    options = OPTIONS | ({} if quality is None else {"cq": str(quality), "b": "0"})
    problem = problem_of(encoder, options, size, rate)
    if problem is not None:
        warn(f"hardware: {encoder} cannot code here ({problem}): the CPU codes {codec}")
        return None
    return encoder, options


def problem_of(encoder: str, options: dict[str, str], size: tuple[int, int], rate: Fraction) -> str | None:
    """Why an encoder cannot code pictures of this size here; None: it can."""
    if encoder not in av.codecs_available:
        return "this build of PyAV does not have it"
    context = cast(VideoCodecContext, VideoCodecContext.create(encoder, "w"))
    context.height, context.width = size
    context.pix_fmt, context.time_base, context.options = "yuv420p", 1 / rate, options
    try:
        context.open()
    except av.FFmpegError as error:
        return f"it does not open: {error.strerror or error}"
    return None
