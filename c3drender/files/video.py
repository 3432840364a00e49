"""Writing frames as a video, an animated picture, or a folder of PNGs: complete or not at all."""

from __future__ import annotations

import os
import queue
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from numbers import Real
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
from torch import Tensor

from .. import defaults
from ..data import PathLike
from ..pixels.crossing import leaving
from .coded_frames import FrameArray
from .colour import Color, profile_of
from .container import SUFFIXES, Encoding, GoesOn, check_encoding, even_size, write_container
from .place import (
    alone_in,
    check_folder_takes_files,
    check_is_not_read,
    check_writable,
    naming,
    replacing,
    replacing_folder,
    where_it_leads,
)
from .spatial import Packing

FPS_LIMITS = (0.001, 1000.0)  # Matroska counts milliseconds
FPS_LIMITS_OF = {  # by the suffix or the codec
    ".gif": (0.002, 50.0),  # a delay has 16 bits of 1/100 s; players show one under 2/100 s as 10/100 s
    ".webp": (0.001, 240.0),
    "av1": (0.001, 240.0),  # SVT-AV1's
}
QUEUE_FRAMES = 4
FRAME_NAME = "frame_{:04d}.png"
FRAME_PATTERN = re.compile(r"frame_\d{4,}\.png")
SOFTWARE = "Software", "c3drender"  # in every frame of a folder: no other folder is ever replaced


def write_video(
    out: PathLike,
    frames: Iterable[Tensor | np.ndarray],
    fps: float = defaults.FPS,
    *,
    codec: str | None = None,
    crf: int | None = None,
    bitrate: int | None = None,
    bits: int = 8,
    loops: int = 1,
    max_mb: float | None = None,
    color: Color = "srgb",
    alpha: bool = False,
    audio: PathLike | None = None,
    packing: Packing | None = None,
    half_sphere: bool = False,
    hardware: bool = False,
) -> Path:
    """Encode frames as they come, in a thread of its own.

    The result appears under its name only when complete: on any failure nothing is left behind, and what stood there before
    stays. Video formats need even sizes: an odd last row or column is left out (`output_size`).

    Parameters
    ----------
    out : path
        The suffix chooses: ``.mp4`` (H.264), ``.webm`` (VP9), ``.mov`` (ProRes), ``.mkv``, ``.gif``, ``.apng``, ``.webp``
        (these three loop for ever), or none for a folder of PNGs. A link is followed. A folder that is there is replaced where
        it is empty or holds nothing but frames that this wrote.
    frames : iterable of Tensor or array
        uint8 ``[H, W, 3]``, all of one size, at least one; with ``alpha`` ``[H, W, 4]``.
    fps : float
        0.001 to 1000; to 240 for ``.webp`` and ``av1``, 0.002 to 50 for ``.gif``.
    codec : str, optional
        ``h264``, ``hevc``, ``av1``, ``vp9`` or ``prores``, as the container takes it.
    crf : int, optional
        Quality, 0 is best; the codec's scale (51, or 63 for ``av1`` and ``vp9``).
    bitrate : int, optional
        Bits per second, instead of ``crf``.
    bits : int
        8 or 10 per channel.
    loops : int
        How often a video repeats the frames, for players that do not.
    max_mb : float, optional
        The most MiB that a ``.gif`` may have: its sides shrink until it fits.
    color : {"srgb", "p3"}
        The space of the frames' numbers, by which a video or a folder is tagged.
    alpha : bool
        Frames have an alpha channel, by which their colours are not multiplied: ``.mov`` (ProRes 4444), ``.webm`` and ``.mkv``
        (VP9, ProRes), ``.apng``, ``.webp``, PNGs.
    audio : path, optional
        The sound of a video: this file's first track, repeated or cut to its length.
    packing : {"left-right", "top-bottom"}, optional
        How a frame holds both eyes, by which an MP4, QuickTime or Matroska file is tagged.
    half_sphere : bool
        Each eye is an equirectangular picture of the half sphere before the viewer (VR180), by which ``.mp4`` and ``.mov`` are
        tagged.
    hardware : bool
        An NVIDIA GPU codes ``h264`` and ``hevc`` (NVENC), where this build of PyAV has its encoder and that opens; else the
        CPU does, and one line says so. With ``crf``, which is the scale of x264 and x265, or 10 bits, the CPU codes.

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
    encoding = Encoding(codec, crf, bitrate, bits, loops, max_mb, color, alpha, audio, packing, half_sphere, hardware)
    target = check_output(out, fps, encoding=encoding)
    rate = rate_of(fps)
    checked = _checked(frames, 4 if alpha else 3)
    if _is_folder(target):
        with replacing_folder(target, check_holds_our_frames) as part:
            _encode_in_background(checked, lambda arrays, _: _write_pngs(part, target, arrays, color))
    else:
        with replacing(target) as part:
            _encode_in_background(
                checked, lambda arrays, goes_on: write_container(part, target, arrays, rate, encoding, goes_on)
            )
    return target


def check_output(
    out: PathLike,
    fps: float = defaults.FPS,
    given: Mapping[str, object] | None = None,
    encoding: Encoding = Encoding(),  # noqa: B008 (frozen)
) -> Path:
    """Refuse, before any work is done, an output that `write_video` could not write, or that would replace one of the inputs
    ``given`` by name."""
    target = path_of(out)
    check_kind(target, fps, encoding)
    if _is_folder(target):
        check_folder(target)
    else:
        check_writable("out", target)
    check_is_not_read(target, {"audio": encoding.audio} | dict(given or {}))
    return target


def check_kind(target: Path, fps: float, encoding: Encoding) -> None:
    """Refuse what no file of this suffix can hold; nothing on the disk is looked at."""
    if not isinstance(fps, Real) or isinstance(fps, bool):
        raise TypeError(f"fps: expected a number, got {fps!r}")
    if target.name.lower() in SUFFIXES:
        raise ValueError(f"out: expected a name before the suffix, got {target.name!r}")
    if not _is_folder(target) and target.suffix.lower() not in SUFFIXES:
        raise ValueError(f"out: expected the suffix {', '.join(SUFFIXES)} or none for a folder of PNGs, got {target.name!r}")
    limits = [FPS_LIMITS_OF.get(kind or "", FPS_LIMITS) for kind in (target.suffix.lower(), encoding.codec)]
    least, most = max(low for low, _ in limits), min(high for _, high in limits)
    if not least <= fps <= most:
        raise ValueError(f"fps: expected {least:g} to {most:g} for {target.name}, got {fps}")
    check_encoding(target, encoding)


def path_of(out: PathLike) -> Path:
    """``out``, which is a path and names a file or a folder."""
    if not isinstance(out, (str, os.PathLike)):
        raise TypeError(f"out: expected a path, got {type(out).__name__}")
    if os.fspath(out) == "-":
        raise ValueError("out: expected the name of a file or a folder, got - (nothing is written to standard output)")
    return Path(out)


def output_size(out: PathLike, height: int, width: int) -> tuple[int, int]:
    """The ``(height, width)`` that frames of this size get in ``out``."""
    return even_size(Path(out).suffix.lower(), height, width)


def _is_folder(target: Path) -> bool:
    return target.suffix == ""


def check_folder(target: Path) -> None:
    """Refuse a folder that cannot be created, or that is there and must not be replaced."""
    with naming("out", "write", target):
        place = where_it_leads(target)
        if place in (Path.cwd(), *Path.cwd().parents):
            raise OSError("it is the current folder, or holds it; name a folder of its own")
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(f"a file of the name {target.name} is in the way")
        with alone_in(place.parent):
            if place.exists():
                check_holds_our_frames(place)
        check_folder_takes_files(target)


def check_holds_our_frames(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    others = [name for name in names if not FRAME_PATTERN.fullmatch(name)]
    if others:
        raise OSError(f"the folder holds other files, such as {others[0]}")
    foreign = next((name for name in names if not _is_our_frame(folder / name)), None)
    if foreign:
        raise OSError(f"the folder holds frames that c3drender has not written, such as {foreign}")


def _is_our_frame(path: Path) -> bool:
    try:
        with PIL.Image.open(path, formats=["PNG"]) as picture:
            return picture.info.get(SOFTWARE[0]) == SOFTWARE[1]
    except (OSError, ValueError, SyntaxError):
        return False


class _Abandoned(Exception):
    """Nobody waits for the result any more."""


def _encode_in_background(frames: Iterator[FrameArray], encode: Callable[[Iterator[FrameArray], GoesOn], None]) -> None:
    """Run ``encode`` in a thread on the frames as they come; whichever side fails first stops the other."""
    waiting: queue.Queue[FrameArray | None] = queue.Queue(QUEUE_FRAMES)
    abandoned = threading.Event()

    def goes_on() -> None:
        if abandoned.is_set():
            raise _Abandoned

    with ThreadPoolExecutor(1, thread_name_prefix="c3drender-encode") as pool:
        try:  # around the start, too: an interruption there leaves a thread that waits for frames
            encoding = pool.submit(encode, _taken(waiting, goes_on), goes_on)
            for array in frames:
                if not _put(waiting, array, encoding):
                    break
            _put(waiting, None, encoding)
            encoding.result()
        except BaseException:
            abandoned.set()
            raise


def _taken(waiting: queue.Queue[FrameArray | None], goes_on: GoesOn) -> Iterator[FrameArray]:
    while True:
        goes_on()
        try:
            array = waiting.get(timeout=0.1)
        except queue.Empty:
            continue
        if array is None:
            return
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


def _checked(frames: Iterable[Tensor | np.ndarray], channels: int) -> Iterator[FrameArray]:
    shape = None
    for array in leaving(frames):
        if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
            raise TypeError(f"frames: expected uint8 arrays or tensors, got {getattr(array, 'dtype', type(array).__name__)}")
        if array.ndim != 3 or array.shape[2] != channels or array.size == 0 or array.shape != (shape or array.shape):
            raise ValueError(f"frames: expected [H, W, {channels}], all of one size, got {list(array.shape)}")
        shape = array.shape
        yield array
    if shape is None:
        raise ValueError("frames: expected at least one frame, got none")


def _write_pngs(part: Path, target: Path, frames: Iterator[FrameArray], color: Color) -> None:
    written_by = signed()
    profile = profile_of(color)
    with naming("out", "write", target):
        for n, array in enumerate(frames):
            path = part / FRAME_NAME.format(n)
            PIL.Image.fromarray(array).save(path, compress_level=1, pnginfo=written_by, icc_profile=profile)


def signed() -> PIL.PngImagePlugin.PngInfo:
    """What a PNG says that c3drender may replace."""
    info = PIL.PngImagePlugin.PngInfo()
    info.add_text(*SOFTWARE)
    return info


def rate_of(fps: float) -> Fraction:
    """``fps`` as a fraction of small numbers, whether above 1 or below."""
    exact = Fraction(float(fps))
    return exact.limit_denominator(1001) if exact >= 1 else 1 / (1 / exact).limit_denominator(1001)
