"""Frames into one file: which containers and codecs there are, how they are asked for, and FFmpeg's part of the work."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from math import isfinite, sqrt
from numbers import Integral, Real
from pathlib import Path
from typing import cast

import av
import cv2
import torch
from av.filter import Graph
from av.packet import Packet
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from ..data import PathLike
from .audio import Soundtrack, check_audio
from .coded_frames import FrameArray, bt709_frames, rgb_frames
from .colour import Color, check_color
from .hardware import encoder_of_gpu
from .place import naming
from .spatial import STEREO_MODES, Packing, boxes_for, insert_boxes

GoesOn = Callable[[], None]  # raises where nobody waits for the encoder any more

MEBIBYTE = 2**20
SVT_LOG, ERRORS_ONLY = "SVT_LOG", "1"
LEAST_GIF_SIDE_PX = 32
GIF_ATTEMPTS = 8
KEPT_PER_BYTE = 8  # pixels of all frames, for each byte that a GIF may have: a GIF of more would be too large by far
# An ordered pattern that stands still: errors that are handed on from pixel to pixel change everywhere when one pixel does.
DITHER = "dither=bayer:bayer_scale=4:diff_mode=rectangle"


@dataclass(frozen=True)
class Encoding:
    """How frames are coded: the arguments of `write_video` of these names. None: what the format takes by default."""

    codec: str | None = None
    crf: int | None = None
    bitrate: int | None = None
    bits: int = 8
    loops: int = 1
    max_mb: float | None = None
    color: Color = "srgb"
    alpha: bool = False
    audio: PathLike | None = None
    packing: Packing | None = None
    half_sphere: bool = False
    hardware: bool = False


@dataclass(frozen=True)
class _Codec:
    """FFmpeg's encoders for it, the best first, with their options; pixels by bit depth; quality by default, and its scale;
    pixels and options with an alpha channel."""

    encoders: dict[str, dict[str, str]]
    pixels: dict[int, str]
    crf: int | None
    most_crf: int = 0
    tag: str | None = None
    alpha: tuple[str, dict[str, str]] | None = None


# About the preset's size at the preset's PSNR, in three fifths of its time (benchmarks/encoders.py): what moves smoothly wants
# B-frames, which nothing need choose, and a look farther ahead, not small partitions, which most of the time goes into. Nor is
# there a cut to look for. It looks whole groups of a frame and its five B-frames ahead: of a part x264 would make a group, and
# compare frames for it in vain.
X264 = {"preset": "veryfast", "rc-lookahead": "18", "x264-params": "bframes=5:b-adapt=0:partitions=i8x8:me=dia:scenecut=0"}
CODECS = {
    "h264": _Codec({"libx264": X264}, {8: "yuv420p", 10: "yuv420p10le"}, 18, 51),
    "hevc": _Codec(
        {"libx265": {"preset": "veryfast", "x265-params": "log-level=error:open-gop=0"}},
        {8: "yuv420p", 10: "yuv420p10le"},
        20,
        51,
        "hvc1",
    ),
    "av1": _Codec(
        {"libsvtav1": {"preset": "8"}, "libaom-av1": {"cpu-used": "6", "row-mt": "1"}},
        {8: "yuv420p", 10: "yuv420p10le"},
        28,
        63,
    ),
    "vp9": _Codec(
        {"libvpx-vp9": {"deadline": "good", "cpu-used": "5", "row-mt": "1"}},
        {8: "yuv420p"},
        24,
        63,
        alpha=("yuva420p", {"auto-alt-ref": "0"}),
    ),
    "prores": _Codec(
        {"prores_ks": {"profile": "hq", "vendor": "apl0"}},
        {8: "yuv422p10le", 10: "yuv422p10le"},
        None,
        alpha=("yuva444p10le", {"profile": "4444"}),
    ),
}


@dataclass(frozen=True)
class _Container:
    """FFmpeg's muxer and the codecs that it takes, the first by default."""

    muxer: str
    codecs: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)


CONTAINERS = {
    ".mp4": _Container("mp4", ("h264", "hevc", "av1"), {"movflags": "+faststart"}),
    ".webm": _Container("webm", ("vp9", "av1")),
    ".mov": _Container("mov", ("prores", "h264", "hevc"), {"movflags": "+faststart"}),
    ".mkv": _Container("matroska", ("h264", "hevc", "av1", "vp9", "prores")),
}


@dataclass(frozen=True)
class _Animation:
    """A picture that moves: FFmpeg's muxer and encoder, pixels, options of both, pixels with an alpha channel."""

    muxer: str
    encoder: str
    pixels: str
    options: dict[str, str]
    muxer_options: dict[str, str]
    alpha: str | None = None


ANIMATIONS = {
    ".gif": _Animation("gif", "gif", "pal8", {}, {"loop": "0"}),
    ".apng": _Animation("apng", "apng", "rgb24", {"pred": "sub", "compression_level": "3"}, {"plays": "0"}, "rgba"),
    ".webp": _Animation("webp", "libwebp_anim", "bgra", {"quality": "90", "compression_level": "2"}, {"loop": "0"}, "bgra"),
}
MATROSKA_STEREO: dict[Packing, str] = {"left-right": "left_right", "top-bottom": "top_bottom"}
SUFFIXES = (*CONTAINERS, *ANIMATIONS)


def encoders() -> dict[str, str]:
    """The FFmpeg encoder that each suffix needs by default."""
    videos = {suffix: next(iter(CODECS[kind.codecs[0]].encoders)) for suffix, kind in CONTAINERS.items()}
    return videos | {suffix: kind.encoder for suffix, kind in ANIMATIONS.items()}


def check_encoding(target: Path, encoding: Encoding) -> None:
    """Raise with one line unless ``target`` can be coded so, by this build of FFmpeg."""
    suffix, container = target.suffix.lower(), CONTAINERS.get(target.suffix.lower())
    check_color(encoding.color)
    named = suffix or "a folder of PNGs"
    for name, value in (("codec", encoding.codec), ("crf", encoding.crf), ("bitrate", encoding.bitrate)):
        if value is not None and container is None:
            raise ValueError(f"{name}: expected a video ({', '.join(CONTAINERS)}), got {named}")
    for name, number in (("loops", encoding.loops), ("crf", encoding.crf or 0), ("bitrate", encoding.bitrate or 1)):
        if not isinstance(number, Integral) or isinstance(number, bool):
            raise TypeError(f"{name}: expected a whole number, got {number!r}")
    if encoding.loops < 1:
        raise ValueError(f"loops: expected >= 1, got {encoding.loops}")
    if encoding.loops > 1 and container is None:
        raise ValueError(f"loops: expected a video ({', '.join(CONTAINERS)}), got {named}, which loops by itself")
    if encoding.bits not in (8, 10) or (encoding.bits == 10 and container is None):
        raise ValueError(f"bits: expected 8, or 10 for a video ({', '.join(CONTAINERS)}), got {encoding.bits} for {named}")
    if encoding.color != "srgb" and suffix in ANIMATIONS:
        raise ValueError(f"color: expected a video or a folder, which say what their colours are, got {named}")
    if encoding.max_mb is not None:
        most = encoding.max_mb
        if suffix != ".gif":
            raise ValueError(f"max_mb: expected a .gif, got {named}")
        if isinstance(most, bool) or not isinstance(most, Real) or not isfinite(most) or most <= 0:
            raise ValueError(f"max_mb: expected a number > 0, got {most!r}")
    if encoding.packing is not None and encoding.packing not in STEREO_MODES:
        raise ValueError(f"packing: expected {' or '.join(STEREO_MODES)}, got {encoding.packing!r}")
    if encoding.half_sphere and (suffix not in (".mp4", ".mov") or encoding.packing is None):
        raise ValueError(f"half_sphere: expected both eyes in an .mp4 or a .mov, which can say so, got {named}")
    if encoding.audio is not None and container is None:
        raise ValueError(f"audio: expected a video ({', '.join(CONTAINERS)}), got {named}")
    if encoding.alpha and suffix in ANIMATIONS and ANIMATIONS[suffix].alpha is None:
        raise ValueError(f"alpha: expected .mov, .webm, .mkv, .apng, .webp or a folder of PNGs, got {named}")
    if container is not None:
        _check_codec(suffix, container, encoding)
    if encoding.audio is not None:
        check_audio(encoding.audio)


def _check_codec(suffix: str, container: _Container, encoding: Encoding) -> None:
    name = encoding.codec or container.codecs[0]
    if name not in container.codecs:
        raise ValueError(f"codec: expected one of {', '.join(container.codecs)} for {suffix}, got {name!r}")
    codec = CODECS[name]
    _encoder_of(name)
    if encoding.alpha and codec.alpha is None:
        takers = ", ".join(taker for taker, kind in CODECS.items() if kind.alpha is not None)
        raise ValueError(f"alpha: expected a codec that has it ({takers}) or another container, got {name} in {suffix}")
    if encoding.bits not in codec.pixels:
        raise ValueError(f"bits: expected {' or '.join(map(str, codec.pixels))} for {name}, got {encoding.bits}")
    if encoding.crf is not None and encoding.bitrate is not None:
        raise ValueError("crf: expected crf or bitrate, got both")
    if encoding.crf is not None and (codec.crf is None or not 0 <= encoding.crf <= codec.most_crf):
        wanted = f"0 to {codec.most_crf}" if codec.crf is not None else "none"
        raise ValueError(f"crf: expected {wanted} for {name}, got {encoding.crf}")
    if encoding.bitrate is not None and (codec.crf is None or encoding.bitrate < 1000):
        raise ValueError(f"bitrate: expected >= 1000 bits a second, none for prores, got {encoding.bitrate} for {name}")


def _encoder_of(name: str) -> tuple[str, dict[str, str]]:
    known = CODECS[name].encoders
    found = next((encoder for encoder in known if encoder in av.codecs_available), None)
    if found is None:
        raise ValueError(f"codec: expected one that this build of PyAV has, got {name}, which needs {' or '.join(known)}")
    return found, known[found]


def even_size(suffix: str, height: int, width: int) -> tuple[int, int]:
    """The ``(height, width)`` that frames of this size get: videos need even sides."""
    return (height - height % 2, width - width % 2) if suffix in CONTAINERS else (height, width)


def write_container(
    part: Path, target: Path, frames: Iterator[FrameArray], rate: Fraction, encoding: Encoding, goes_on: GoesOn
) -> None:
    """Code ``frames`` into the file ``part``, which is to become ``target``."""
    first = next(frames, None)
    if first is None:
        return
    suffix = target.suffix.lower()
    height, width = even_size(suffix, *first.shape[:2])
    if min(height, width) < 1:
        raise ValueError(f"frames: expected at least 2 x 2 px for {target.name}, got {first.shape[1]} x {first.shape[0]}")
    arrays = (array[:height, :width] for array in itertools.chain([first], frames))
    with naming("out", "write", target), _as_os_errors():
        if suffix in CONTAINERS:
            _write_video(part, arrays, (height, width), rate, encoding, CONTAINERS[suffix], goes_on)
            if encoding.packing is not None and suffix in (".mp4", ".mov"):
                insert_boxes(part, boxes_for(encoding.packing, encoding.half_sphere))
        elif encoding.max_mb is not None:
            _write_small_gif(part, arrays, (height, width), rate, encoding.max_mb, goes_on)
        else:
            _write_animation(part, arrays, (height, width), rate, ANIMATIONS[suffix], goes_on, encoding.alpha)


def _write_video(
    part: Path,
    arrays: Iterator[FrameArray],
    size: tuple[int, int],
    rate: Fraction,
    encoding: Encoding,
    container: _Container,
    goes_on: GoesOn,
) -> None:
    name = encoding.codec or container.codecs[0]
    codec = CODECS[name]
    encoder, options = _encoder_of(name)
    pixels = codec.pixels[encoding.bits]
    if encoding.alpha and codec.alpha is not None:
        pixels, options = codec.alpha[0], options | codec.alpha[1]
    if encoding.bitrate is None and codec.crf is not None:
        options = options | {"crf": str(codec.crf if encoding.crf is None else encoding.crf)}
        options |= {"b": "0"} if encoder.startswith(("libvpx", "libaom")) else {}
    if encoding.hardware and encoding.crf is None and encoding.bits == 8:
        quality = codec.crf if encoding.bitrate is None else None
        encoder, options = encoder_of_gpu(name, quality, size, rate) or (encoder, options)
    if "420" in pixels:
        options = options | {"chroma_sample_location": "center"}  # by default players take them as lying to the left
    with _quiet_svt(), av.open(str(part.absolute()), "w", format=container.muxer, container_options=container.options) as box:
        stream = cast(VideoStream, box.add_stream(encoder, rate=rate, options=options))
        stream.height, stream.width = size
        stream.codec_context.thread_count = torch.get_num_threads()  # an encoder takes all cores, whoever else works on them
        stream.codec_context.thread_type = "AUTO"  # frames beside each other; PyAV's own cuts each into slices, one a thread
        stream.pix_fmt = pixels
        stream.colorspace, stream.color_range = Colorspace.ITU709, ColorRange.MPEG
        stream.color_trc = ColorTrc.BT709
        primaries = ColorPrimaries.SMPTE432 if encoding.color == "p3" else ColorPrimaries.BT709
        stream.color_primaries = primaries
        if encoding.bitrate is not None:
            stream.bit_rate = int(encoding.bitrate)
        if codec.tag is not None and container.muxer in ("mp4", "mov"):
            stream.codec_context.codec_tag = codec.tag
        if container.muxer in ("matroska", "webm"):
            stream.metadata.update({"alpha_mode": "1"} if encoding.alpha else {})
            stream.metadata.update({} if encoding.packing is None else {"stereo_mode": MATROSKA_STEREO[encoding.packing]})
        sound = None if encoding.audio is None else Soundtrack(encoding.audio, box, container.muxer)
        period: list[Packet[VideoStream]] = []
        count = 0

        def mux(packet: Packet[VideoStream]) -> None:
            goes_on()
            if sound is not None:
                box.mux(list(sound.until(Fraction(packet.pts or 0) * packet.time_base)))
            box.mux(packet)

        for picture in bt709_frames(arrays, rate, pixels, primaries):
            count += 1
            for packet in stream.encode(picture):
                period += [_copied(packet, stream)] if encoding.loops > 1 else []
                mux(packet)
        for packet in stream.encode(None):
            period += [_copied(packet, stream)] if encoding.loops > 1 else []
            mux(packet)
        # A period begins with a key frame, and every codec here decodes nothing across one: its packets can be repeated.
        for turn in range(1, encoding.loops):
            for kept in period:
                again = _copied(kept, stream)
                shift = round(turn * count / rate / kept.time_base)
                again.pts, again.dts = cast(int, kept.pts) + shift, cast(int, kept.dts) + shift
                mux(again)
        if sound is not None:
            box.mux(list(sound.until(encoding.loops * count / rate, ends=True)))


def _copied(packet: Packet[VideoStream], stream: VideoStream) -> Packet[VideoStream]:
    """Muxing takes a packet's content: a copy that can be muxed again."""
    copy = cast("Packet[VideoStream]", Packet(bytes(packet)))
    copy.pts, copy.dts, copy.time_base, copy.duration = packet.pts, packet.dts, packet.time_base, packet.duration
    copy.is_keyframe, copy.stream = packet.is_keyframe, stream
    for side in packet.iter_sidedata():  # VP9's alpha channel
        copy.set_sidedata(side)
    return copy


def _write_animation(
    part: Path,
    arrays: Iterable[FrameArray],
    size: tuple[int, int],
    rate: Fraction,
    kind: _Animation,
    goes_on: GoesOn,
    alpha: bool = False,
) -> None:
    with av.open(str(part.absolute()), "w", format=kind.muxer, container_options=kind.muxer_options) as box:
        stream = cast(VideoStream, box.add_stream(kind.encoder, rate=rate, options=kind.options))
        stream.height, stream.width = size
        stream.pix_fmt = kind.alpha if alpha and kind.alpha is not None else kind.pixels
        pictures = rgb_frames(arrays, rate)
        if kind.pixels == "pal8":
            pictures = _with_one_palette(pictures, size, rate)
        for picture in pictures:
            goes_on()
            box.mux(stream.encode(picture))
        box.mux(stream.encode(None))


def _write_small_gif(
    part: Path, arrays: Iterator[FrameArray], size: tuple[int, int], rate: Fraction, max_mb: float, goes_on: GoesOn
) -> None:
    """A GIF of at most ``max_mb`` MiB, as large as that allows: the sides shrink until it fits."""
    most = max_mb * MEBIBYTE
    kept: list[FrameArray] = []
    scale = 1.0
    for array in arrays:
        goes_on()
        kept.append(_shrunk(array, scale))
        held = len(kept) * size[0] * size[1] * scale**2
        if held > KEPT_PER_BYTE * most:
            scale *= sqrt(0.5)
            kept = [_shrunk(frame, scale * size[1] / frame.shape[1]) for frame in kept]
    kept = [frame if frame.shape == kept[-1].shape else _resized(frame, kept[-1].shape) for frame in kept]
    scale = 1.0
    for _ in range(GIF_ATTEMPTS):
        frames = [_shrunk(frame, scale) for frame in kept]
        if min(frames[0].shape[:2]) < LEAST_GIF_SIDE_PX:
            break
        _write_animation(part, frames, frames[0].shape[:2], rate, ANIMATIONS[".gif"], goes_on)
        taken = part.stat().st_size
        if taken <= most:
            return
        scale *= min(sqrt(most / taken) * 0.97, 0.97)
    raise ValueError(f"max_mb: expected room for {len(kept)} frames of {LEAST_GIF_SIDE_PX} px a side, got {max_mb:g}")


def _shrunk(frame: FrameArray, scale: float) -> FrameArray:
    height, width = frame.shape[:2]
    return frame if scale >= 1 else _resized(frame, (max(round(height * scale), 1), max(round(width * scale), 1), 3))


def _resized(frame: FrameArray, shape: tuple[int, ...]) -> FrameArray:
    return cv2.resize(frame, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)


@contextmanager
def _quiet_svt() -> Iterator[None]:
    """SVT-AV1 prints its settings over any progress bar, unless a variable that it reads at its start tells it not to."""
    told = SVT_LOG in os.environ
    os.environ.setdefault(SVT_LOG, ERRORS_ONLY)
    try:
        yield
    finally:
        if not told:
            del os.environ[SVT_LOG]


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """FFmpeg's own errors, of which only those of the system are OSErrors, as such."""
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise OSError(f"{error.strerror or error}") from error


def _with_one_palette(frames: Iterator[VideoFrame], size: tuple[int, int], rate: Fraction) -> Iterator[VideoFrame]:
    """256 colours chosen from all frames: a palette per frame would flicker. The filter holds every frame until the last."""
    graph = Graph()
    source = graph.add_buffer(width=size[1], height=size[0], format=VideoFormat("rgb24"), time_base=1 / rate)
    split, choose, sink = (graph.add(name) for name in ("split", "palettegen", "buffersink"))
    use = graph.add("paletteuse", DITHER)
    source.link_to(split)
    split.link_to(choose, 0, 0)
    split.link_to(use, 1, 0)
    choose.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    for frame in frames:
        graph.push(frame)
    graph.push(None)
    while True:
        try:
            yield graph.vpull()
        except (EOFError, BlockingIOError):
            return
