"""Segments from disk: what any segmenter found, in one of two plain formats."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..pixels.segments import Segments, class_of, known_classes
from .decode import MOST_DECODED_BYTES
from .masks import resized
from .numbers import decode_npy, read_numbers
from .place import is_path, one_line, parse_json, read_bytes
from .resize import same_aspect

SEGMENTS_SUFFIXES = (".png", ".npz")


def read_segments(segments: Any, height: int, width: int) -> Segments:
    """Read segments of the photo's proportions; those of another size are scaled.

    ``.png``: one number per pixel (grey or a palette's index), and beside it a ``.json`` of the same stem that names them:
    ``{"0": "sky", "4": "person"}``; what it does not name is nothing in particular. ``.npz``: one array ``[H, W]`` per class,
    under its name; bool, or floats in 0..1. Names are those of `pixels.segments.SEGMENT_CLASSES` or of ADE20K.
    """
    if isinstance(segments, Segments):
        return segments
    if not is_path(segments):
        raise TypeError(f"segments: expected a path, the name of a model, or Segments, got {type(segments).__name__}")
    suffix = Path(segments).suffix.lower()
    if suffix not in SEGMENTS_SUFFIXES:
        raise ValueError(f"segments: expected a .png with its .json, or a .npz, got {os.fspath(segments)}")
    maps = _read_indexed(Path(segments)) if suffix == ".png" else _read_arrays(Path(segments))
    classes = known_classes("segments", maps)
    share = np.zeros((len(classes), height, width), np.float32)
    for name, values in maps.items():
        if values.ndim != 2 or values.size == 0 or not same_aspect(values.shape[0], values.shape[1], height, width):
            got = "x".join(map(str, values.shape[::-1]))
            raise ValueError(f"segments: expected {width} x {height} px, the photo's size, or its proportions, got {got}")
        share[classes.index(class_of(name))] += resized(values.astype(np.float32), height, width)
    return Segments(classes, torch.from_numpy(share.clip(0, 1)), measured=True)


def _read_indexed(path: Path) -> dict[str, np.ndarray]:
    """One bool map per name of the legend."""
    index = read_numbers("segments", path).values
    legend_path = path.with_suffix(".json")
    text = read_bytes("segments", legend_path)
    try:
        legend = {int(number): str(name) for number, name in parse_json(text).items()}
    except (ValueError, AttributeError) as error:
        raise ValueError(f'segments: expected {{"0": "sky", ...}} in {legend_path}, got {one_line(error)}') from error
    if index.ndim != 2:
        raise ValueError(f"segments: expected one number per pixel in {path} (grey or a palette), got a colour picture")
    maps: dict[str, np.ndarray] = {}
    for number, name in legend.items():
        maps[name] = maps.get(name, False) | (index == number)
    return maps


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    data = read_bytes("segments", path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            if sum(info.file_size for info in infos) > MOST_DECODED_BYTES:
                raise ValueError(f"more than {MOST_DECODED_BYTES // 2**20} MiB")
            contents = {info.filename.removesuffix(".npy"): archive.read(info) for info in infos}
    except Exception as error:
        # A damaged archive fails as whatever zipfile, zlib or LZMA runs into.
        raise ValueError(f"segments: expected NumPy arrays in {path}, got {one_line(error)}") from error
    maps = {name: decode_npy("segments", content, os.fspath(path)) for name, content in contents.items()}
    for name, values in maps.items():
        if values.dtype != bool and values.dtype.kind != "f":
            raise TypeError(f"segments: expected bool or floats for {name}, got {values.dtype}")
        if not (np.isfinite(values).all() and values.min(initial=0) >= 0 and values.max(initial=0) <= 1):
            raise ValueError(f"segments: expected 0..1 for {name}, got other numbers")
    return maps
