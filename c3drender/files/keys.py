"""JSON files: key frames of a camera, and what others read from them."""

from __future__ import annotations

import os
from typing import Any

from ..data import CameraKeys, PathLike
from .place import parse_json, read_bytes


def read_json(name: str, path: PathLike) -> Any:
    """What a JSON file holds; ``name`` is the argument that an error names."""
    data = read_bytes(name, path)
    try:
        return parse_json(data)
    except ValueError as error:
        raise ValueError(f"{name}: expected JSON in {os.fspath(path)}, got {error}") from error


def read_camera_keys(path: PathLike) -> CameraKeys:
    """Read a camera's key frames from JSON.

    Parameters
    ----------
    path : path
        A list of objects with ``x``, ``y``, ``z`` (0 where left out), ``zoom`` (1) and ``t`` (evenly spaced where all leave it
        out), or ``{"closed": false, "keys": [...]}``.

    Returns
    -------
    CameraKeys

    Raises
    ------
    OSError, ValueError
        With one line.

    Examples
    --------
    >>> from pathlib import Path
    >>> from c3drender.files import read_camera_keys
    >>> Path("keys.json").write_text('[{"x": 0}, {"x": 1, "zoom": 1.1}]')
    33
    >>> read_camera_keys("keys.json").loop_t
    (0.0, 0.5)
    """
    try:
        content = parse_json(read_bytes("camera", path))
        closed, listed = (content.get("closed", True), content["keys"]) if isinstance(content, dict) else (True, content)
        unknown = {name for key in listed for name in key} - {"t", "x", "y", "z", "zoom"}
        if unknown:
            raise ValueError(f"unknown {', '.join(sorted(unknown))}")
        if not isinstance(closed, bool):
            raise ValueError(f"closed {closed!r}")
        even = len(listed) if closed else max(len(listed) - 1, 1)
        timed = any("t" in key for key in listed)
        return CameraKeys(
            loop_t=tuple(float(key["t"]) if timed else n / even for n, key in enumerate(listed)),
            position=tuple((float(key.get("x", 0)), float(key.get("y", 0)), float(key.get("z", 0))) for key in listed),
            zoom=tuple(float(key.get("zoom", 1)) for key in listed),
            closed=closed,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"camera: expected key frames with t, x, y, z, zoom in {os.fspath(path)}, got {error}") from error
