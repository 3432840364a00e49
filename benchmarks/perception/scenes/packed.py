"""Reads and writes packed scenes; needs NumPy and Pillow alone.

A file is a plain zip, its members stored as they are. A scene is five of them under ``family/seed/`` (seed in six digits):

``rgb.webp``
    The picture, lossy.
``disparity.png``
    16 bits, greyscale: 0 is infinitely far, else ``1 + round(log2(disparity / DISPARITY_MIN) * STEPS)``, disparity in 1/m
    along the optical axis. A step is a factor of 1.0109.
``labels.png``
    8 bits: surface class + 16 * layout (``classes.py``).
``flow.png``
    8 bits: 0 where nothing flows, else ``1 + 4 * angle + speed``: the angle in which the fluid moves in the picture, in 60
    steps from +x towards +y (down), and the speed class 1..3. Left out where nothing flows at all.
``meta.json``
    Family, seed, generator version, ``focal_px``, pitch and roll (radians), ``height_m`` of the camera, weather.

A scene file holds one scene, a shard many.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

DISPARITY_MIN = 1e-4
STEPS = 64  # per factor of two
ANGLES = 60
RGB_QUALITY = 86


@dataclass(frozen=True)
class Scene:
    """A picture and its truth.

    Attributes
    ----------
    rgb : uint8 [H, W, 3], sRGB.
    disparity : float32 [H, W], 1/m along the optical axis; 0 is infinitely far.
    surface, layout : uint8 [H, W], see ``classes``.
    flow : float32 [H, W, 2], unit vector of a fluid's motion in the picture (x right, y down); 0 elsewhere.
    speed : uint8 [H, W], speed class, 0 where nothing flows.
    meta : family, seed, version, lens; see above.
    """

    rgb: np.ndarray
    disparity: np.ndarray
    surface: np.ndarray
    layout: np.ndarray
    flow: np.ndarray
    speed: np.ndarray
    meta: dict

    @property
    def name(self) -> str:
        return f"{self.meta['family']}/{self.meta['seed']:06d}"


def encode_disparity(disparity: np.ndarray) -> np.ndarray:
    """float [H, W] to uint16 codes; what is nearly infinitely far gets the least code but 0."""
    code = 1 + np.round(np.log2(np.maximum(disparity, DISPARITY_MIN) / DISPARITY_MIN) * STEPS)
    return np.where(disparity > 0, code, 0).astype(np.uint16)


def decode_disparity(code: np.ndarray) -> np.ndarray:
    disparity = DISPARITY_MIN * 2.0 ** ((code.astype(np.float32) - 1) / STEPS)
    return np.where(code > 0, disparity, 0).astype(np.float32)


def encode_flow(flow: np.ndarray, speed: np.ndarray) -> np.ndarray:
    angle = np.round(np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) * ANGLES).astype(int) % ANGLES
    moves = (speed > 0) & (np.abs(flow).max(-1) > 0)
    return np.where(moves, 1 + 4 * angle + speed, 0).astype(np.uint8)


def decode_flow(code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """uint8 codes to the unit vectors [H, W, 2] and the speed classes [H, W]."""
    moves = code > 0
    angle = (code.astype(int) - 1) // 4 * (2 * np.pi / ANGLES)
    flow = np.stack([np.cos(angle), np.sin(angle)], -1) * moves[..., None]
    return flow.astype(np.float32), np.where(moves, (code.astype(int) - 1) % 4, 0).astype(np.uint8)


def members(scene: Scene) -> dict[str, bytes]:
    """File name to content, as the docstring of the module says."""
    found = {
        "rgb.webp": _image_bytes(scene.rgb, "WEBP", quality=RGB_QUALITY, method=6),
        "disparity.png": _image_bytes(encode_disparity(scene.disparity), "PNG", optimize=True),
        "labels.png": _image_bytes(scene.surface + 16 * scene.layout, "PNG", optimize=True),
        "meta.json": json.dumps(scene.meta, separators=(",", ":")).encode(),
    }
    flow = encode_flow(scene.flow, scene.speed)
    if flow.any():
        found["flow.png"] = _image_bytes(flow, "PNG", optimize=True)
    return found


def _image_bytes(pixels: np.ndarray, kind: str, **settings: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **settings)
    return buffer.getvalue()


def write_scene(path: Path, scene: Scene) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for name, content in members(scene).items():
            file.writestr(f"{scene.name}/{name}", content)


def scene_names(path: Path) -> list[str]:
    """``family/seed`` of every scene in a scene file or shard, in order."""
    with zipfile.ZipFile(path) as file:
        return [name.removesuffix("/meta.json") for name in file.namelist() if name.endswith("/meta.json")]


def read_scenes(path: Path) -> Iterator[Scene]:
    """All scenes of a scene file or shard, one after the other."""
    with zipfile.ZipFile(path) as file:
        known = set(file.namelist())
        for name in [entry.removesuffix("/meta.json") for entry in file.namelist() if entry.endswith("/meta.json")]:
            labels = _pixels(file, f"{name}/labels.png")
            has_flow = f"{name}/flow.png" in known
            flow, speed = decode_flow(_pixels(file, f"{name}/flow.png") if has_flow else np.zeros_like(labels))
            yield Scene(
                _pixels(file, f"{name}/rgb.webp"),
                decode_disparity(_pixels(file, f"{name}/disparity.png")),
                labels % 16,
                labels // 16,
                flow,
                speed,
                json.loads(file.read(f"{name}/meta.json")),
            )


def _pixels(file: zipfile.ZipFile, name: str) -> np.ndarray:
    with Image.open(io.BytesIO(file.read(name))) as image:
        return np.array(image)
