"""A scene for other programs: a layered mesh with textures (glTF), points or Gaussians (PLY, SPZ), pictures with depth
(OpenRaster, PSD), its arrays (NumPy).

Meshes, points and SPZ lie in the axes of glTF and of most viewers: +x right, +y up, the camera at the origin and looking along
-z; a PLY of Gaussians in those of 3D Gaussian Splatting's own files, +y down and +z forward. Units are the scene's.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..data import CameraPath, PathLike
from .geometry import LoopMotion, Moment, at_rest, cloud_of
from .gltf import scene_glb
from .layered import ora, psd
from .place import check_folder_takes_files, check_writable, naming, replacing, replacing_folder
from .points import ply_gaussians, ply_points, spz
from .scene import Scene

SUFFIXES = (".glb", ".ply", ".spz", ".ora", ".psd", ".npz")
SEQUENCES = ("glb", "ply", "spz")
FRAME_PATTERN = re.compile(r"frame_\d{4,}\.(glb|ply|spz)")


def write_scene(
    scene: Scene, out: PathLike, splats: bool = False, motion: LoopMotion | None = None, path: CameraPath | None = None
) -> Path:
    """Write a scene on the CPU at rest, or as a ``.glb`` with its ``motion`` and the camera's ``path``
    (`c3drender.export_scene`)."""
    target = check_export(out, splats, motion is not None)
    with naming("out", "write", target), replacing(target) as part:
        if target.suffix.lower() == ".glb":
            part.write_bytes(scene_glb(scene, at_rest(scene), motion, path))
        else:
            part.write_bytes(_MAKE[target.suffix.lower()](scene, at_rest(scene), splats))
    return target


def write_sequence(scene: Scene, out: PathLike, kind: str, moments: Iterator[Moment], splats: bool = False) -> Path:
    """Write a folder of ``frame_0000.<kind>`` ..., one for each of ``moments``, complete or not at all."""
    target = check_sequence(out, kind, splats)
    with replacing_folder(target, _check_holds_frames) as part, naming("out", "write", target):
        for n, moment in enumerate(moments):
            (part / f"frame_{n:04d}.{kind}").write_bytes(_MAKE[f".{kind}"](scene, moment, splats))
    return target


def check_export(out: PathLike, splats: bool = False, animated: bool = False) -> Path:
    """``out``, if `write_scene` can write it so."""
    target = Path(out)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"out: expected the suffix {', '.join(SUFFIXES)}, got {target.name!r}")
    if splats and suffix not in (".ply", ".spz"):
        raise ValueError(f"splats: expected a .ply or .spz, got {target.name!r}")
    if animated and suffix != ".glb":
        raise ValueError(f"animated: expected a .glb, or a sequence of any kind, got {target.name!r}")
    check_writable("out", target)
    return target


def check_sequence(out: PathLike, kind: str, splats: bool = False) -> Path:
    """``out``, if `write_sequence` can write it so."""
    target = Path(out)
    if kind not in SEQUENCES:
        raise ValueError(f"sequence: expected one of {', '.join(SEQUENCES)}, got {kind!r}")
    if splats and kind == "glb":
        raise ValueError("splats: expected a sequence of ply or spz, got glb")
    if target.suffix:
        raise ValueError(f"out: expected a folder for a sequence, without a suffix, got {target.name!r}")
    with naming("out", "write", target):
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(f"a file of the name {target.name} is in the way")
        if target.exists():
            _check_holds_frames(target)
        check_folder_takes_files(target)
    return target


def _check_holds_frames(folder: Path) -> None:
    other = next((entry.name for entry in sorted(folder.iterdir()) if not FRAME_PATTERN.fullmatch(entry.name)), None)
    if other is not None:
        raise OSError(f"the folder holds other files, such as {other}")


def _points(scene: Scene, moment: Moment, splats: bool) -> bytes:
    return (ply_gaussians if splats else ply_points)(cloud_of(scene, moment))


def _arrays(scene: Scene) -> bytes:
    layers, camera, file = scene.layers, scene.camera, io.BytesIO()
    arrays: dict[str, Any] = {"xyz_cam": at_rest(scene).xyz, "lens": np.array([camera.fx, camera.fy, camera.cx, camera.cy])}
    arrays |= {name: getattr(layers, name).numpy() for name in ("pixel", "rgb", "alpha", "z_cam", "seen", "step_px", "moving")}
    arrays |= {name: np.array(getattr(layers, name)) for name in ("first", "size", "margin_px")}
    np.savez_compressed(file, **arrays)
    return file.getvalue()


_MAKE: dict[str, Callable[[Scene, Moment, bool], bytes]] = {
    ".glb": lambda scene, moment, _: scene_glb(scene, moment),
    ".ply": _points,
    ".spz": lambda scene, moment, _: spz(cloud_of(scene, moment)),
    ".ora": lambda scene, *_: ora(scene),
    ".psd": lambda scene, *_: psd(scene),
    ".npz": lambda scene, *_: _arrays(scene),
}
