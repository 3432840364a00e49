"""The ``.c3d`` file: a zip of ``.npy`` tensors and a JSON header that says how the dataclasses hold them. No pickle."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import data
from ..data import Camera, DepthSpan, Harmonics, Layers, PathLike, to_device
from .place import naming, replacing

FORMAT_NAME = "c3drender scene"
FORMAT_VERSION = 2
HEADER_NAME = "header.json"
SUFFIX = ".c3d"
# Uncompressed: a scene is written and read at the disk's speed, and its floats hardly compress.
COMPRESSION = zipfile.ZIP_STORED


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that `c3drender.render_frames` needs, constant over the video. Made by `c3drender.prepare`.

    Attributes
    ----------
    camera : Camera
        The photo's (identity pose).
    layers : Layers
        What the photo shows, and what it hides.
    span : DepthSpan
        Of its depth: scales camera paths.
    notes : tuple of str
        One line per guess that preparation made.
    harmonics : Harmonics or None
        What sways and ripples, on the layers' canvas, the same in every layer; None: nothing.

    Examples
    --------
    >>> import c3drender as c3d
    >>> scene = c3d.prepare("photo.jpg", mask="mask.png", depth="builtin")
    >>> scene.save("again.c3d").name
    'again.c3d'
    >>> c3d.load_scene("again.c3d").to("cpu").layers.rgb.device
    device(type='cpu')
    """

    camera: Camera
    layers: Layers
    span: DepthSpan
    notes: tuple[str, ...] = ()
    harmonics: Harmonics | None = None

    def to(self, device: torch.device | str) -> Scene:
        """A copy whose tensors lie on ``device``: ``"cpu"``, ``"cuda"``, ``"cuda:N"``."""
        return to_device(self, device)

    def save(self, path: PathLike) -> Path:
        """`save_scene`: write it as a ``.c3d`` file."""
        return save_scene(self, path)


def save_scene(scene: Scene, path: PathLike) -> Path:
    """Write everything that `c3drender.render_frames` needs, complete or not at all.

    Parameters
    ----------
    scene : Scene
        On any device.
    path : path
        Ends in ``.c3d``.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    TypeError, ValueError, OSError
        For what is no scene, another suffix, a file that cannot be written.
    """
    if not isinstance(scene, Scene):
        raise TypeError(f"scene: expected a Scene, got {type(scene).__name__}")
    target = Path(path)
    if target.suffix.lower() != SUFFIX:
        raise ValueError(f"path: expected the suffix {SUFFIX}, got {target.name!r}")
    tensors: dict[str, Tensor] = {}
    header = {"format": FORMAT_NAME, "version": FORMAT_VERSION, "content": _flatten(scene, "scene", tensors)}
    with naming("path", "write", target), replacing(target) as part, zipfile.ZipFile(part, "w", COMPRESSION) as archive:
        archive.writestr(HEADER_NAME, json.dumps(header, indent=1))
        for name, tensor in tensors.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, tensor.detach().cpu().numpy(), allow_pickle=False)
    return target


def load_scene(path: PathLike) -> Scene:
    """Read a scene that `save_scene` wrote.

    Parameters
    ----------
    path : path
        A ``.c3d`` file.

    Returns
    -------
    Scene
        On the CPU; `Scene.to` moves it.

    Raises
    ------
    OSError
        For an unreadable file.
    ValueError
        For what is no whole scene of this version.
    """
    source = Path(path)
    try:
        with naming("path", "read", source), zipfile.ZipFile(source) as archive:
            header = json.loads(archive.read(HEADER_NAME))
            if header["format"] != FORMAT_NAME:
                raise ValueError(f"a header of {header['format']!r}")
            if header["version"] != FORMAT_VERSION:
                age = "newer" if header["version"] > FORMAT_VERSION else "older"
                raise ValueError(f"format version {header['version']}, {age} than this program's {FORMAT_VERSION}")
            scene = _restore(header["content"], archive)
    except (zipfile.BadZipFile, EOFError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"path: expected a whole scene of c3drender in {source}, got {reason}") from error
    if not isinstance(scene, Scene):
        raise ValueError(f"path: expected a whole scene of c3drender in {source}, got a {type(scene).__name__}")
    return scene


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """JSON for ``value``; its tensors go into ``tensors``, named by their place."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if is_dataclass(value):
        inside = {f.name: _flatten(getattr(value, f.name), f"{name}.{f.name}", tensors) for f in fields(value)}
        return {"dataclass": type(value).__name__, "fields": inside}
    if isinstance(value, tuple):
        return {"tuple": [_flatten(item, f"{name}.{n}", tensors) for n, item in enumerate(value)]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"scene: cannot save {name}, a {type(value).__name__}")


def _restore(node: Any, archive: zipfile.ZipFile) -> Any:
    if not isinstance(node, dict):
        return node
    if "tensor" in node:
        with archive.open(f"{node['tensor']}.npy") as entry:
            return torch.from_numpy(np.lib.format.read_array(entry, allow_pickle=False))
    if "tuple" in node:
        return tuple(_restore(item, archive) for item in node["tuple"])
    kind = Scene if node["dataclass"] == Scene.__name__ else getattr(data, node["dataclass"], None)
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise ValueError(f"an unknown part, {node['dataclass']!r}")
    return kind(**{name: _restore(inside, archive) for name, inside in node["fields"].items()})
