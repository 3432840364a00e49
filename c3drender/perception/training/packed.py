"""Examples on disk: pictures and what is known of them, many to a shard.

A shard is a plain zip, its members stored as they are. An example is some of these under a name of its own, such as
``sea/000012`` (a rendered scene) or ``photo/t001`` (a labelled photo):

``rgb.webp``
    The picture, lossy.
``disparity.png``
    16 bits, greyscale: 0 is infinitely far, else ``1 + round(log2(disparity / DISPARITY_MIN) * STEPS)``, disparity in 1/m
    along the optical axis. A step is a factor of 1.0109. Rendered scenes have it.
``ranks.png``
    8 bits, instead of a disparity: how near, 0 (endless) to 9 (nearest of the picture), 255 where nobody knows.
``labels.png``
    8 bits: surface class (a place in `SEGMENT_CLASSES`) + 16 * layout (`LAYOUTS`), 255 where nobody knows.
``free.png``
    8 bits: 1 may move, 0 must not, 255 where nobody knows. Without it the class says (`STAYING`).
``flow.png``
    8 bits: 0 where nothing flows or nobody knows, else ``1 + 4 * angle + speed``: the angle in which the fluid moves in the
    picture, in 60 steps from +x towards +y (down), and the speed class 1..3. Left out where nothing flows at all.
``meta.json``
    Of a scene: family, seed, generator version, ``focal_px``, pitch and roll (radians), ``height_m`` of the camera, weather.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DISPARITY_MIN = 1e-4
STEPS = 64  # per factor of two
ANGLES = 60
RGB_QUALITY = 86
UNKNOWN = 255

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Example:
    """A picture and what is known of it.

    Attributes
    ----------
    name : str
    rgb : ndarray
        uint8 ``[H, W, 3]``, sRGB.
    surface, layout : ndarray
        uint8 ``[H, W]``: places in `SEGMENT_CLASSES` and `LAYOUTS`, `UNKNOWN` elsewhere.
    flow : ndarray
        float32 ``[H, W, 2]``, unit vector of a fluid's motion in the picture (x right, y down); 0 elsewhere.
    speed : ndarray
        uint8 ``[H, W]``, speed class 1..3, 0 where nothing flows or nobody knows.
    meta : dict
    disparity : ndarray or None
        float32 ``[H, W]``, 1/m along the optical axis; 0 is infinitely far.
    rank : ndarray or None
        uint8 ``[H, W]``, 0 (endless) to 9 (nearest), `UNKNOWN` elsewhere.
    free : ndarray or None
        uint8 ``[H, W]``: 1 may move, 0 must not, `UNKNOWN` elsewhere.
    """

    name: str
    rgb: Array
    surface: Array
    layout: Array
    flow: Array
    speed: Array
    meta: dict[str, Any]
    disparity: Array | None = None
    rank: Array | None = None
    free: Array | None = None


def encode_disparity(disparity: Array) -> Array:
    """float [H, W] to uint16 codes; what is nearly infinitely far gets the least code but 0."""
    code = 1 + np.round(np.log2(np.maximum(disparity, DISPARITY_MIN) / DISPARITY_MIN) * STEPS)
    return np.where(disparity > 0, code, 0).astype(np.uint16)


def decode_disparity(code: Array) -> Array:
    disparity = DISPARITY_MIN * 2.0 ** ((code.astype(np.float32) - 1) / STEPS)
    return np.where(code > 0, disparity, 0).astype(np.float32)


def encode_flow(flow: Array, speed: Array) -> Array:
    angle = np.round(np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) * ANGLES).astype(int) % ANGLES
    moves = (speed > 0) & (np.abs(flow).max(-1) > 0)
    return np.where(moves, 1 + 4 * angle + speed, 0).astype(np.uint8)


def decode_flow(code: Array) -> tuple[Array, Array]:
    """uint8 codes to the unit vectors [H, W, 2] and the speed classes [H, W]."""
    moves = code > 0
    angle = (code.astype(int) - 1) // 4 * (2 * np.pi / ANGLES)
    flow = np.stack([np.cos(angle), np.sin(angle)], -1) * moves[..., None]
    return flow.astype(np.float32), np.where(moves, (code.astype(int) - 1) % 4, 0).astype(np.uint8)


def members(example: Example) -> dict[str, bytes]:
    """File name to content, as the docstring of the module says."""
    labels = np.where(example.surface == UNKNOWN, UNKNOWN, example.surface + 16 * (example.layout % 16)).astype(np.uint8)
    found = {"rgb.webp": _image_bytes(example.rgb, "WEBP", quality=RGB_QUALITY, method=6), "labels.png": _png(labels)}
    if example.disparity is not None:
        found["disparity.png"] = _png(encode_disparity(example.disparity))
    if example.rank is not None:
        found["ranks.png"] = _png(example.rank)
    if example.free is not None:
        found["free.png"] = _png(example.free)
    flow = encode_flow(example.flow, example.speed)
    if flow.any():
        found["flow.png"] = _png(flow)
    found["meta.json"] = json.dumps(example.meta, separators=(",", ":")).encode()
    return found


def _png(pixels: Array) -> bytes:
    return _image_bytes(pixels, "PNG", optimize=True)


def _image_bytes(pixels: Array, kind: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **settings)
    return buffer.getvalue()


def write_examples(path: Path, examples: Iterator[Example] | list[Example]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for example in examples:
            for name, content in members(example).items():
                file.writestr(f"{example.name}/{name}", content)


def example_names(path: Path) -> list[str]:
    """The name of every example in a shard, in order."""
    with zipfile.ZipFile(path) as file:
        return [name.removesuffix("/meta.json") for name in file.namelist() if name.endswith("/meta.json")]


def read_examples(path: Path) -> Iterator[Example]:
    """All examples of a shard, one after the other.

    Raises
    ------
    OSError, zipfile.BadZipFile, KeyError
        For what is no shard.
    """
    with zipfile.ZipFile(path) as file:
        known = set(file.namelist())
        for name in [entry.removesuffix("/meta.json") for entry in file.namelist() if entry.endswith("/meta.json")]:

            def pixels(member: str, name: str = name) -> Array | None:
                place = f"{name}/{member}"
                return _pixels(file, place) if place in known else None

            labels, code, flow_code = _pixels(file, f"{name}/labels.png"), pixels("disparity.png"), pixels("flow.png")
            flow, speed = decode_flow(np.zeros_like(labels) if flow_code is None else flow_code)
            yield Example(
                name,
                _pixels(file, f"{name}/rgb.webp"),
                np.where(labels == UNKNOWN, UNKNOWN, labels % 16).astype(np.uint8),
                np.where(labels == UNKNOWN, UNKNOWN, labels // 16).astype(np.uint8),
                flow,
                speed,
                json.loads(file.read(f"{name}/meta.json")),
                None if code is None else decode_disparity(code),
                pixels("ranks.png"),
                pixels("free.png"),
            )


def _pixels(file: zipfile.ZipFile, name: str) -> Array:
    with Image.open(io.BytesIO(file.read(name))) as image:
        return np.array(image)
