"""Writing frames as a video, an animated picture, or a folder of PNGs: complete or not at all."""

from __future__ import annotations

import itertools
import os
import queue
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from pathlib import Path
from typing import cast

import av
import numpy as np
import PIL.Image
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream
from torch import Tensor

from .. import defaults
from ..data import PathLike
from .place import check_writable, naming, replacing

MAX_FPS = 240
MIN_FPS = 0.01  # a frame for 100 s
MAX_GIF_FPS = 50  # players show a delay under 2/100 s as 10/100 s
QUEUE_FRAMES = 4
FRAME_NAME = "frame_{:04d}.png"
FRAME_PATTERN = re.compile(r"frame_\d{4,}\.png")

FrameArray = np.ndarray  # uint8 [H, W, 3], sRGB


def write_video(out: PathLike, frames: Iterable[Tensor | np.ndarray], fps: float = defaults.FPS) -> Path:
    """Encode frames as they come, in a thread of its own.

    The result appears under its name only when complete: on any failure nothing is left behind, and what stood there before
    stays. Video formats need even sizes: an odd last row or column is left out (`output_size`).

    Parameters
    ----------
    out : path
        The suffix chooses: ``.mp4`` (H.264), ``.webm`` (VP9), ``.gif``, ``.apng``, ``.webp`` (these three loop for ever), or
        none for a folder of PNGs.
    frames : iterable of Tensor or array
        uint8 ``[H, W, 3]``, all of one size, at least one.
    fps : float
        At most 240; 50 for ``.gif``.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    OSError, ValueError, TypeError
        With one line: argument, what was expected, what came.

    Examples
    --------
    >>> import numpy as np
    >>> from c3drender.files import write_video
    >>> write_video("grey.gif", [np.full((16, 16, 3), level, np.uint8) for level in (80, 120)], fps=10).name
    'grey.gif'
    """
    target = check_output(out, fps)
    if _is_folder(target):
        with _replacing_folder(target) as part:
            _encode_in_background(frames, lambda arrays: _write_pngs(part, target, arrays))
    else:
        with replacing(target) as part:
            _encode_in_background(frames, lambda arrays: _write_container(part, target, arrays, fps))
    return target


def check_output(out: PathLike, fps: float = defaults.FPS) -> Path:
    """Refuse, before any work is done, an output that `write_video` could not write."""
    if not isinstance(out, (str, os.PathLike)):
        raise TypeError(f"out: expected a path, got {type(out).__name__}")
    if not isinstance(fps, Real) or isinstance(fps, bool):
        raise TypeError(f"fps: expected a number, got {fps!r}")
    target = Path(out)
    if not _is_folder(target) and target.suffix.lower() not in _FORMATS:
        raise ValueError(f"out: expected the suffix {', '.join(_FORMATS)} or none for a folder of PNGs, got {target.name!r}")
    limit = MAX_GIF_FPS if target.suffix.lower() == ".gif" else MAX_FPS
    if not MIN_FPS <= fps <= limit:
        raise ValueError(f"fps: expected more than 0 and at most {limit} for {target.name}, at least {MIN_FPS}, got {fps}")
    if _is_folder(target):
        _check_folder(target)
    else:
        check_writable("out", target)
    return target


def output_size(out: PathLike, height: int, width: int) -> tuple[int, int]:
    """The ``(height, width)`` that frames of this size get in ``out``."""
    kind = _FORMATS.get(Path(out).suffix.lower())
    if kind and kind.pixels == "yuv420p":
        return height - height % 2, width - width % 2
    return height, width


def codecs() -> dict[str, str]:
    """The FFmpeg encoder that each suffix needs."""
    return {suffix: kind.codec for suffix, kind in _FORMATS.items()}


def _is_folder(target: Path) -> bool:
    return target.suffix == ""


def _check_folder(target: Path) -> None:
    """Refuse a folder that cannot be created; an existing one is replaced only when it holds nothing but frames."""
    with naming("out", "write", target):
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(f"a file of the name {target.name} is in the way")
        others = [path.name for path in target.iterdir() if not FRAME_PATTERN.fullmatch(path.name)] if target.exists() else []
        if others:
            raise OSError(f"the folder holds other files, such as {min(others)}")
        with tempfile.TemporaryDirectory(dir=target.parent):
            pass


@contextmanager
def _replacing_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``target``, which takes its place on success. At every moment the old or the new one is
    there whole: under the name, or, between the two renames, beside it under a hidden one."""
    unique = uuid.uuid4().hex[:8]
    part, old = (target.with_name(f".{target.name}.{unique}.{kind}") for kind in ("part", "old"))
    try:
        part.mkdir()
        yield part
        if target.exists():
            target.replace(old)
        try:
            part.replace(target)
        except BaseException:
            if old.exists():
                old.replace(target)
            raise
        if old.is_symlink():  # what it points to is not ours
            old.unlink()
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _encode_in_background(frames: Iterable[Tensor | np.ndarray], encode: Callable[[Iterator[FrameArray]], None]) -> None:
    """Run ``encode`` in a thread on the frames as they come; whichever side fails first stops the other."""
    waiting: queue.Queue[FrameArray | None] = queue.Queue(QUEUE_FRAMES)
    with ThreadPoolExecutor(1, thread_name_prefix="c3drender-encode") as pool:
        encoding = pool.submit(encode, _taken(waiting))
        try:
            for array in _checked(frames):
                if not _put(waiting, array, encoding):
                    break
        finally:
            _put(waiting, None, encoding)
        encoding.result()


def _taken(waiting: queue.Queue[FrameArray | None]) -> Iterator[FrameArray]:
    while (array := waiting.get()) is not None:
        yield array


def _put(waiting: queue.Queue[FrameArray | None], item: FrameArray | None, encoding: Future[None]) -> bool:
    """Wait for room; False when the encoder has ended and nobody will take the item."""
    while not encoding.done():
        try:
            waiting.put(item, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False


def _checked(frames: Iterable[Tensor | np.ndarray]) -> Iterator[FrameArray]:
    shape = None
    for frame in frames:
        array = frame.cpu().numpy() if isinstance(frame, Tensor) else frame
        if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
            raise TypeError(f"frames: expected uint8 arrays or tensors, got {getattr(array, 'dtype', type(array).__name__)}")
        if array.ndim != 3 or array.shape[2] != 3 or array.size == 0 or array.shape != (shape or array.shape):
            raise ValueError(f"frames: expected [H, W, 3], all of one size, got {list(array.shape)}")
        shape = array.shape
        yield array
    if shape is None:
        raise ValueError("frames: expected at least one frame, got none")


def _write_pngs(part: Path, target: Path, frames: Iterator[FrameArray]) -> None:
    with naming("out", "write", target):
        for n, array in enumerate(frames):
            PIL.Image.fromarray(array).save(part / FRAME_NAME.format(n), compress_level=1)


@dataclass(frozen=True)
class _Format:
    muxer: str
    codec: str
    pixels: str
    codec_options: dict[str, str]
    muxer_options: dict[str, str]


_FORMATS = {
    ".mp4": _Format("mp4", "libx264", "yuv420p", {"crf": "18", "preset": "veryfast"}, {"movflags": "+faststart"}),
    ".webm": _Format(
        "webm", "libvpx-vp9", "yuv420p", {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"}, {}
    ),
    ".gif": _Format("gif", "gif", "pal8", {}, {"loop": "0"}),
    ".apng": _Format("apng", "apng", "rgb24", {"pred": "sub", "compression_level": "3"}, {"plays": "0"}),
    ".webp": _Format("webp", "libwebp_anim", "bgra", {"quality": "90", "compression_level": "2"}, {"loop": "0"}),
}


def _write_container(part: Path, target: Path, frames: Iterator[FrameArray], fps: float) -> None:
    first = next(frames, None)
    if first is None:
        return
    kind = _FORMATS[target.suffix.lower()]
    height, width = output_size(target, *first.shape[:2])
    if min(height, width) < 1:
        raise ValueError(f"frames: expected at least 2 x 2 px for {target.name}, got {first.shape[1]} x {first.shape[0]}")
    rate = _rate(fps)
    pictures: Iterator[VideoFrame] = (
        _video_frame(array[:height, :width], n, rate) for n, array in enumerate(itertools.chain([first], frames))
    )
    with (
        naming("out", "write", target),
        _as_os_errors(),
        av.open(str(part.absolute()), "w", format=kind.muxer, container_options=kind.muxer_options) as box,
    ):
        stream = cast(VideoStream, box.add_stream(kind.codec, rate=rate, options=kind.codec_options))
        stream.width, stream.height, stream.pix_fmt = width, height, kind.pixels
        if kind.pixels == "yuv420p":
            pictures = map(_to_bt709, pictures)
            stream.colorspace, stream.color_range = Colorspace.ITU709, ColorRange.MPEG
            stream.color_primaries, stream.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        if kind.pixels == "pal8":
            pictures = _with_one_palette(pictures, width, height, rate)
        for picture in pictures:
            box.mux(stream.encode(picture))
        box.mux(stream.encode(None))


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """FFmpeg's own errors, of which only those of the system are OSErrors, as such."""
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise OSError(f"{error.strerror or error}") from error


def _rate(fps: float) -> Fraction:
    """``fps`` as a fraction of small numbers, whether above 1 or below."""
    exact = Fraction(float(fps))
    return exact.limit_denominator(1001) if exact >= 1 else 1 / (1 / exact).limit_denominator(1001)


def _video_frame(array: FrameArray, n: int, rate: Fraction) -> VideoFrame:
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
    frame.pts, frame.time_base = n, 1 / rate
    return frame


def _to_bt709(frame: VideoFrame) -> VideoFrame:
    """Full-range RGB to limited-range BT.709, which is what the stream is tagged with and players assume."""
    return frame.reformat(
        format="yuv420p",
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation="AREA",
    )


def _with_one_palette(frames: Iterator[VideoFrame], width: int, height: int, rate: Fraction) -> Iterator[VideoFrame]:
    """256 colours chosen from all frames: a palette per frame would flicker. The filter holds every frame until the last."""
    graph = Graph()
    source = graph.add_buffer(width=width, height=height, format=VideoFormat("rgb24"), time_base=1 / rate)
    split, choose, use, sink = (graph.add(name) for name in ("split", "palettegen", "paletteuse", "buffersink"))
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
