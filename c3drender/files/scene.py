"""The ``.c3d`` file: a zip of ``.npy`` tensors and a JSON header that says how the dataclasses hold them. No pickle."""

from __future__ import annotations

import json
import zipfile
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import data
from ..data import PathLike, Scene
from .place import naming, replacing

FORMAT_NAME = "c3drender scene"
FORMAT_VERSION = 2
HEADER_NAME = "header.json"
SUFFIX = ".c3d"
# Uncompressed: a scene is written and read at the disk's speed, and its floats hardly compress.
COMPRESSION = zipfile.ZIP_STORED


def save_scene(scene: Scene, path: PathLike) -> Path:
    """Write everything that `render_frames` needs, complete or not at all. ``path`` ends in ``.c3d``."""
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
    """Read a scene that `save_scene` wrote. Its tensors are on the CPU; `to_device` moves them."""
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
    kind = getattr(data, node["dataclass"], None)
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise ValueError(f"an unknown part, {node['dataclass']!r}")
    return kind(**{name: _restore(inside, archive) for name, inside in node["fields"].items()})
