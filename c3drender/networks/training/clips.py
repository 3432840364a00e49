"""The Eulerian-flow dataset as published (Holynski et al. 2021), ``<clip>_gt.mp4`` and ``<clip>_motion.pth``, into the folders
that `folder.read_clips` reads.

A motion file is an LZ4 frame around a pickled NumPy array, ``[1, 2, H, W]`` (x, y), px per frame. A pickle is a program; this
one is not run: its instructions may name NumPy's array and its number format alone, which stand-ins here take down as shape,
format and bytes. A tensor that ``torch.save`` wrote is read as weights are.
"""

from __future__ import annotations

import io
import pickle
from math import prod
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...data import PathLike
from ...files.place import make_folder, naming, one_line, read_bytes, replacing_folder
from ...progress import bar
from ..checkpoints import read_weights
from .folder import FLOW_NAMES

VIDEO_END, MOTION_END = "_gt.mp4", "_motion.pth"
LZ4_MAGIC, ZIP_MAGIC = b"\x04\x22\x4d\x18", b"PK"
MOST_BYTES = 1 << 28  # of a flow: 5800 x 5800 px
FORMATS = {"f2": np.float16, "f4": np.float32, "f8": np.float64}
JPEG = {"quality": 95, "subsampling": 0}


def convert_clips(source: PathLike, out: PathLike, *, progress: bool = True) -> list[Path]:
    """Convert every clip of a folder; one whose folder is there already is left as it is.

    Parameters
    ----------
    source : path
        Folder with ``<clip>_gt.mp4`` and ``<clip>_motion.pth``.
    out : path
        Gets ``<clip>/00000.jpg``, ``00001.jpg``, ... and ``<clip>/motion.npy``, float32 ``[H, W, 2]``, px per frame.
    progress : bool
        Show a bar.

    Returns
    -------
    list of Path
        The folders that were written.

    Raises
    ------
    ValueError, OSError
        With one line that names the file. Motion files need the package ``lz4`` (``pip install c3drender[clips]``).
    """
    folder, target = Path(source), Path(out)
    with naming("source", "read", folder):
        names = {path.name for path in folder.iterdir()}
    clips = sorted(name.removesuffix(VIDEO_END) for name in names if name.endswith(VIDEO_END))
    lone = [clip for clip in clips if clip + MOTION_END not in names]
    if not clips or lone:
        got = f"no {lone[0]}{MOTION_END}" if lone else "none"
        raise ValueError(f"source: expected <clip>{VIDEO_END} and <clip>{MOTION_END} in {folder}, got {got}")
    make_folder("out", target)
    left = [clip for clip in clips if not (target / clip).exists()]
    with bar(left, shown=progress, desc="convert", unit="clip") as shown:
        return [_convert(folder, target / clip, clip) for clip in shown]


def _convert(folder: Path, target: Path, clip: str) -> Path:
    motion, video = folder / f"{clip}{MOTION_END}", folder / f"{clip}{VIDEO_END}"
    flow = read_motion(motion)
    with replacing_folder(target, _refuse) as part:
        count = _write_frames(video, part, (flow.shape[1], flow.shape[0]))
        if count < 3:
            raise ValueError(f"source: expected three frames or more in {video}, got {count}")
        np.save(part / FLOW_NAMES[1], flow)
    return target


def _refuse(target: Path) -> None:
    raise ValueError(f"out: expected no folder of the name yet, got {target}")


def _write_frames(video: Path, part: Path, size: tuple[int, int]) -> int:
    """``size``: (width, height) of the flow, which is the frames'."""
    count = 0
    try:
        with av.open(str(video)) as container:
            for count, frame in enumerate(container.decode(video=0), start=1):
                if (frame.width, frame.height) != size:
                    raise ValueError(
                        f"source: expected frames of the flow's {size[0]} x {size[1]} px in {video}, "
                        f"got {frame.width} x {frame.height}"
                    )
                frame.to_image().save(part / f"{count - 1:05d}.jpg", **JPEG)
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"source: expected a video in {video}, got {one_line(error)}") from error
    return count


def read_motion(path: PathLike) -> NDArray[np.float32]:
    """The flow of a motion file: float32 ``[H, W, 2]``, px per frame. Raises ValueError with one line that names the file."""
    data = read_bytes("source", path)
    if data.startswith(ZIP_MAGIC):
        content = read_weights("source", path)
        values = content.numpy() if isinstance(content, Tensor) else None
    else:
        values = _unpickled(_decompressed(data, Path(path)) if data.startswith(LZ4_MAGIC) else data, Path(path))
    if values is None or values.dtype.kind != "f" or values.ndim not in (3, 4) or values.shape[-3:-2] != (2,):
        got = "something else" if values is None else f"{values.dtype} {list(values.shape)}"
        raise ValueError(f"source: expected a flow of floats, [1, 2, H, W], in {path}, got {got}")
    if values.ndim == 4 and len(values) != 1:
        raise ValueError(f"source: expected one flow in {path}, got {len(values)}")
    flow = values.reshape(values.shape[-3:]).transpose(1, 2, 0).astype(np.float32)
    if flow.size == 0 or not np.isfinite(flow).all():
        raise ValueError(f"source: expected finite numbers in {path}, got NaN, infinity or none")
    return np.ascontiguousarray(flow)


def _decompressed(data: bytes, path: Path) -> bytes:
    try:
        from lz4.frame import LZ4FrameDecompressor
    except ImportError:
        raise ValueError(f"source: {path} needs the package lz4: pip install c3drender[clips]") from None
    decompressor = LZ4FrameDecompressor()
    try:
        plain = decompressor.decompress(data, max_length=MOST_BYTES)
    except RuntimeError as error:
        raise ValueError(f"source: expected an LZ4 frame in {path}, got {one_line(error)}") from error
    if not decompressor.eof:
        raise ValueError(f"source: expected a whole LZ4 frame of at most {MOST_BYTES >> 20} MiB in {path}, got less or more")
    return plain


# --- a pickled array, read and not run --------------------------------------------------------------------------------


class _Format:
    """In the place of ``numpy.dtype``: its code, and the order of its bytes."""

    def __init__(self, code: str, *flags: Any) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


class _Array:
    """In the place of ``numpy.ndarray``: what it was pickled as."""

    def __init__(self, *told: Any) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state[1:]  # after the version: shape, format, whether columns come first, bytes

    def values(self) -> NDArray[Any]:
        shape, kind, by_columns, raw = self.state
        if not isinstance(kind, _Format) or kind.code not in FORMATS or not isinstance(raw, bytes):
            raise ValueError(f"numbers of the format {getattr(kind, 'code', kind)!r:.40}")
        if not all(isinstance(side, int) and side >= 0 for side in shape):
            raise ValueError(f"a shape of {shape!r:.40}")
        dtype = np.dtype(FORMATS[kind.code]).newbyteorder(">" if kind.order == ">" else "<")
        if len(raw) != prod(shape) * dtype.itemsize:
            raise ValueError(f"{len(raw)} bytes for {list(shape)}")
        return np.frombuffer(raw, dtype).reshape(shape, order="F" if by_columns else "C")


def _buffer(raw: Any, kind: Any, shape: Any, order: Any) -> _Array:
    """In the place of NumPy's ``_frombuffer``, by which newer pickles hold an array."""
    array = _Array()
    array.state = (shape, kind, order == "F", bytes(raw))
    return array


def _encoded(text: str, encoding: str) -> bytes:
    """In the place of ``codecs.encode``, by which old pickles hold bytes."""
    return text.encode("latin-1")


NUMPY = ("numpy.core", "numpy._core")
STAND_INS: dict[tuple[str, str], Any] = {("numpy", "dtype"): _Format, ("numpy", "ndarray"): _Array}
STAND_INS |= {(f"{numpy}.multiarray", "_reconstruct"): _Array for numpy in NUMPY}
STAND_INS |= {(f"{numpy}.numeric", "_frombuffer"): _buffer for numpy in NUMPY}
STAND_INS |= {("_codecs", "encode"): _encoded}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in STAND_INS:
            raise pickle.UnpicklingError(f"a program that asks for {module}.{name}")
        return STAND_INS[module, name]


def _unpickled(data: bytes, path: Path) -> NDArray[Any]:
    try:
        array = _Unpickler(io.BytesIO(data)).load()
        if not isinstance(array, _Array):
            raise ValueError(type(array).__name__)
        return array.values()
    except MemoryError:
        raise
    except Exception as error:
        # Damaged instructions fail as whatever they run into.
        raise ValueError(f"source: expected a pickled array of floats in {path}, got {one_line(error)}") from error
