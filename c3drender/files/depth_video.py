"""A video's depth in 16 bits: a folder of grey PNGs, or FFV1 in Matroska, for compositing and for displays that take it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import av
import numpy as np
import PIL.Image

from .. import defaults
from ..data import PathLike
from .place import check_is_not_read, check_writable, naming, replacing, replacing_folder
from .video import FRAME_NAME, check_folder, check_holds_our_frames, rate_of, signed

SUFFIX = ".mkv"
NAME = "depth_out"


def check_depth_output(out: PathLike, given: Mapping[str, object] | None = None) -> Path:
    """Refuse, before any work is done, what `write_depth` could not write."""
    target = Path(out)
    if target.suffix.lower() not in ("", SUFFIX):
        raise ValueError(f"{NAME}: expected {SUFFIX} (FFV1), or no suffix for a folder of PNGs, got {target.name!r}")
    if target.suffix:
        check_writable(NAME, target)
    else:
        check_folder(target)
    check_is_not_read(target, given or {}, NAME)
    return target


def write_depth(out: PathLike, disps: Iterable[np.ndarray], limits: tuple[float, float], fps: float = defaults.FPS) -> Path:
    """Write disparities as 16-bit grey frames, lossless, near is bright.

    Parameters
    ----------
    out : path
        ``.mkv`` (FFV1, gray16), or none for a folder of PNGs, ``frame_0000.png`` ...
    disps : iterable of array
        float32 ``[H, W]``, disparities (1/z), all of one size, at least one.
    limits : (float, float)
        The disparities that 0 and 65535 stand for, written into the file as ``disparity_0`` and ``disparity_65535``.
    fps : float

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    OSError, ValueError
        With one line: argument, what was expected, what came.
    """
    target = check_depth_output(out)
    says = {f"disparity_{level}": f"{disp:.9g}" for level, disp in zip((0, 65535), limits, strict=True)}
    frames = (_levels(disp, limits) for disp in disps)
    if target.suffix:
        with replacing(target, NAME) as part, naming(NAME, "write", target):
            _write_ffv1(part, frames, fps, says)
        return target
    with replacing_folder(target, check_holds_our_frames, NAME) as part, naming(NAME, "write", target):
        info = signed()
        for key, value in says.items():
            info.add_text(key, value)
        for n, frame in enumerate(frames):
            PIL.Image.fromarray(frame).save(part / FRAME_NAME.format(n), compress_level=1, pnginfo=info)
    return target


def _levels(disp: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    share = (disp - limits[0]) / (limits[1] - limits[0])
    return (share * 65535).round().clip(0, 65535).astype(np.uint16)


def _write_ffv1(part: Path, frames: Iterable[np.ndarray], fps: float, says: Mapping[str, str]) -> None:
    rate = rate_of(fps)
    with av.open(str(part.absolute()), "w", format="matroska") as box:
        box.metadata.update(says)
        stream = box.add_stream("ffv1", rate=rate, options={"level": "3"})
        for n, frame in enumerate(frames):
            if n == 0:
                stream.height, stream.width = frame.shape
                stream.pix_fmt = "gray16le"
            picture = av.VideoFrame.from_ndarray(frame, format="gray16le")
            picture.pts, picture.time_base = n, 1 / rate
            box.mux(stream.encode(picture))
        box.mux(stream.encode(None))
