"""A camera's path, pose by pose, for other programs and back: JSON, the ``.chan`` of Nuke and Blender, a glTF camera."""

from __future__ import annotations

import json
from math import atan, degrees
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data import Camera, CameraPath, PathLike
from .gltf import camera_glb
from .place import check_writable, naming, replacing

SUFFIXES = (".json", ".chan", ".glb")
FORMAT = "c3drender camera path"
FLIP = np.diag([1.0, -1.0, -1.0])  # between +y down, +z forward and +y up, -z forward


def write_track(path: CameraPath, camera: Camera, out: PathLike, fps: float) -> Path:
    """Write the poses of a camera.

    Parameters
    ----------
    path : CameraPath
    camera : Camera
        The photo's, whose lens the path's zoom scales.
    out : path
        ``.json``: the lens, and ``world_to_cam [3, 4]`` of every frame, +x right, +y down, +z forward; read back as a camera.
        ``.chan``: a line per frame: its number, the position x y z, the rotation x y z in degrees (order ZXY), the vertical
        angle of view; +y up, looking along -z. ``.glb``: a glTF camera that moves, whose lens cannot.
    fps : float
        Frames per second: for the JSON's reader, and of the glTF's time.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ValueError, OSError
        With one line.
    """
    target = Path(out)
    if target.suffix.lower() not in SUFFIXES:
        raise ValueError(f"out: expected the suffix {', '.join(SUFFIXES)}, got {target.name!r}")
    check_writable("out", target)
    zoom = torch.ones(len(path), dtype=torch.float32) if path.zoom is None else path.zoom
    if target.suffix.lower() == ".json":
        data = _json(path, camera, zoom, fps).encode()
    elif target.suffix.lower() == ".chan":
        data = _chan(path, camera, zoom).encode()
    elif bool((zoom == zoom[0]).all()):
        data = camera_glb(path, camera.zoomed(float(zoom[0])), fps)
    else:
        raise ValueError(
            f"camera: expected a path that does not zoom for a glTF camera, got {path.name}; .chan and .json hold it"
        )
    with naming("out", "write", target), replacing(target) as part:
        part.write_bytes(data)
    return target


def _json(path: CameraPath, camera: Camera, zoom: torch.Tensor, fps: float) -> str:
    lens = {name: getattr(camera, name) for name in ("fx", "fy", "cx", "cy", "width", "height")}
    tree = {
        "format": FORMAT,
        "fps": float(fps),
        "lens": lens,
        "zoom": zoom.tolist(),
        "world_to_cam": path.world_to_cam.tolist(),
    }
    return json.dumps(tree)


def _chan(path: CameraPath, camera: Camera, zoom: torch.Tensor) -> str:
    lines = []
    for n, (pose, factor) in enumerate(zip(path.world_to_cam.double().numpy(), zoom.tolist(), strict=True)):
        turned = FLIP @ pose[:, :3].T @ FLIP  # camera to world
        position = FLIP @ (-pose[:, :3].T @ pose[:, 3])
        x = np.arcsin(np.clip(turned[2, 1], -1, 1))
        y, z = np.arctan2(-turned[2, 0], turned[2, 2]), np.arctan2(-turned[0, 1], turned[1, 1])
        fov = 2 * degrees(atan(camera.height / 2 / (camera.fy * factor)))
        lines.append(" ".join(f"{value:.9g}" for value in (n + 1, *position, *np.degrees([x, y, z]), fov)))
    return "\n".join(lines) + "\n"


def is_track(content: Any) -> bool:
    return isinstance(content, dict) and "world_to_cam" in content


def track_of(content: dict[str, Any], shown: str) -> CameraPath:
    """The path that `write_track` wrote as JSON, or another program. ValueError with one line."""
    try:
        poses = torch.tensor(content["world_to_cam"], dtype=torch.float32)
        zoom = content.get("zoom")
        zooms = None if zoom is None else torch.tensor(zoom, dtype=torch.float32)
        if not bool(torch.isfinite(poses).all()) or (zooms is not None and not bool((zooms > 0).all())):
            raise ValueError("numbers that are not finite, or a zoom that is not > 0")
        return CameraPath(poses, Path(shown).stem, zooms)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise ValueError(f"camera: expected world_to_cam [F, 3, 4] in {shown}, got {' '.join(str(error).split())}") from error
