"""The ``.c3d`` file: a scene's tensors as safetensors, and in their metadata a JSON tree of everything else. No pickle.

A file is taken for nothing but what it proves to be: its header is checked against its length before anything is read, the
tree against the annotations of `Scene`, and every value against what it may be. A scene that loads can be rendered.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import safetensors.numpy
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..data import Camera, DepthSpan, Harmonics, Layers, PathLike, to_device
from .numbers import FLOAT_RANGE
from .place import naming, one_line, parse_json, replacing
from .shown import picture_html

FORMAT_NAME = "c3drender scene"
FORMAT_VERSION = 3
ZIP_MAGIC = b"PK"  # what the formats before 3 begin with
SUFFIX = ".c3d"
MOST_PIXELS = 2**31 - 1  # of a canvas: `Layers.pixel` is int32
LEAST_FRONT_SHARE = 0.5  # of the canvas lies in layer 0: a small file cannot claim a canvas that fills the memory


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

    def _repr_html_(self) -> str:
        """What a notebook shows of it: the photo, and what was guessed."""
        return picture_html(self.layers.of_photo(self.layers.rgb).cpu().numpy(), self.notes)

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
        For what is no scene, a scene that `load_scene` would refuse, another suffix, a file that cannot be written.
    """
    if not isinstance(scene, Scene):
        raise TypeError(f"scene: expected a Scene, got {type(scene).__name__}")
    target = Path(path)
    if target.suffix.lower() != SUFFIX:
        raise ValueError(f"path: expected the suffix {SUFFIX}, got {target.name!r}")
    try:
        _check(scene)
    except ValueError as error:
        raise ValueError(f"scene: {error}") from error
    tensors: dict[str, np.ndarray] = {}
    tree = json.dumps(_flatten(scene, "scene", tensors))
    metadata = {"format": FORMAT_NAME, "version": str(FORMAT_VERSION), "scene": tree}
    with naming("path", "write", target), replacing(target) as part:
        part.write_bytes(safetensors.numpy.save(tensors, metadata))
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
        For every other file than a whole scene of this version whose every value can be rendered; one line says what is wrong.
    """
    source = Path(path)
    with naming("path", "read", source), source.open("rb") as file:
        magic = file.read(len(ZIP_MAGIC))
    try:
        if magic == ZIP_MAGIC:
            raise ValueError(f"expected format version {FORMAT_VERSION}, got an older one: prepare the scene anew")
        with safe_open(source, "pt") as file:
            tree = _read_tree(file.metadata() or {})
            # A copy owes nothing to the file, which may change, and a bool of it is 0 or 1 whatever byte stood there.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (it is no dict)
        scene: Scene = _restore(Scene, tree, "scene", tensors)
        if tensors:
            raise ValueError(f"expected no tensors but the scene's, got {min(tensors)}")
        _check(scene)
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"scene: {one_line(error)}, in {source}") from error
    return scene


def _read_tree(metadata: dict[str, str]) -> Any:
    if metadata.get("format") != FORMAT_NAME:
        raise ValueError(f"expected a {FORMAT_NAME}, got {metadata.get('format', 'another file')!r}")
    if metadata.get("version") != str(FORMAT_VERSION):
        raise ValueError(f"expected format version {FORMAT_VERSION}, got {metadata.get('version')}: another program wrote it")
    return parse_json(metadata.get("scene", ""))


def _flatten(value: Any, name: str, tensors: dict[str, np.ndarray]) -> Any:
    """JSON for ``value``; its tensors go into ``tensors`` and are told by their names."""
    if isinstance(value, Tensor):
        tensors[name] = np.ascontiguousarray(value.detach().cpu().numpy())
        return name
    if is_dataclass(value):
        return {f.name: _flatten(getattr(value, f.name), f"{name}.{f.name}", tensors) for f in fields(value)}
    if isinstance(value, tuple):
        return [_flatten(item, f"{name}[{n}]", tensors) for n, item in enumerate(value)]
    return value


def _restore(hint: Any, node: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """The value of type ``hint`` that ``node`` stands for. Its tensors are taken out of ``tensors``."""
    if get_origin(hint) is UnionType:
        if node is None:
            return None
        (hint,) = (choice for choice in get_args(hint) if choice is not NoneType)
    if hint is Tensor:
        if node != name or name not in tensors:
            raise ValueError(f"expected the tensor {name}, got none")
        return tensors.pop(name)
    if is_dataclass(hint):
        return _restore_dataclass(hint, node, name, tensors)
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if isinstance(node, list) and kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(node)
        if not isinstance(node, list) or len(node) != len(kinds):
            raise ValueError(f"expected {name} to be a list of {len(kinds)}, got {_shown(node)}")
        pairs = enumerate(zip(kinds, node, strict=True))
        return tuple(_restore(kind, item, f"{name}[{n}]", tensors) for n, (kind, item) in pairs)
    accepted = {float: (int, float), int: (int,), str: (str,)}[hint]  # JSON may write 1.0 as 1; True is no number here
    if isinstance(node, bool) or not isinstance(node, accepted):
        raise ValueError(f"expected {name} to be {hint.__name__}, got {_shown(node)}")
    return hint(node)


def _restore_dataclass(kind: Any, node: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    hints = get_type_hints(kind)
    if not isinstance(node, dict) or node.keys() != hints.keys():
        got = ", ".join(node) if isinstance(node, dict) else _shown(node)
        raise ValueError(f"expected {name} to have {', '.join(hints)}, got {got}")
    values = {key: _restore(hints[key], node[key], f"{name}.{key}", tensors) for key in hints}
    try:
        return kind(**values)
    except TypeError as error:  # a tensor of another dtype
        raise ValueError(str(error)) from error


def _shown(node: Any) -> str:
    text = repr(node)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _check(scene: Scene) -> None:
    """Raise ValueError unless every value is one that can be rendered."""
    camera = scene.camera
    if camera.world_to_cam is not None:
        _need_all(torch.isfinite(camera.world_to_cam), "camera.world_to_cam", "finite")
    _check_layers(scene.layers, camera.height, camera.width)
    focus_px = scene.span.focus_px
    if focus_px is not None:
        inside = 0 <= focus_px[0] <= camera.width and 0 <= focus_px[1] <= camera.height
        _need(inside, "span.focus_px", "inside the photo", focus_px)
    if scene.harmonics is not None:
        _check_harmonics(scene.harmonics, scene.layers.size)


def _check_layers(layers: Layers, height: int, width: int) -> None:
    margin = layers.margin_px
    _need(margin >= 0, "layers.margin_px", ">= 0", margin)
    padded = (height + 2 * margin, width + 2 * margin)
    _need(tuple(layers.size) == padded, "layers.size", f"{padded}, the camera's and margin_px", layers.size)
    canvas = padded[0] * padded[1]
    _need(canvas <= MOST_PIXELS, "layers.size", f"at most {MOST_PIXELS} px", layers.size)
    front = layers.first[1]
    _need(front >= LEAST_FRONT_SHARE * canvas, "layers.first", f"layer 0 to fill half of {canvas} px", layers.first)
    pixel = layers.pixel
    _need_all((pixel >= 0) & (pixel < canvas), "layers.pixel", f"in 0..{canvas - 1}")
    rises = pixel[1:] > pixel[:-1]
    rises[[start - 1 for start in layers.first[1:-1] if 0 < start < len(pixel)]] = True
    _need_all(rises, "layers.pixel", "ascending in every layer")
    low, high = FLOAT_RANGE
    _need_all((layers.rgb >= low) & (layers.rgb <= high), "layers.rgb", f"in {low}..{high}")
    _need_all((layers.alpha > 0) & (layers.alpha <= 1), "layers.alpha", "> 0 and <= 1")
    _need_all(torch.isfinite(layers.z_cam) & (layers.z_cam > 0), "layers.z_cam", "finite, > 0")
    _need_all(torch.isfinite(layers.step_px), "layers.step_px", "finite")


def _check_harmonics(harmonics: Harmonics, size: tuple[int, int]) -> None:
    shape = tuple(harmonics.sine_px.shape)
    _need(
        shape[0] >= 1 and shape[1:3] == tuple(size), "harmonics", f"[K, H, W, 2] on the canvas of {tuple(size)}", list(shape)
    )
    for name in ("sine_px", "cosine_px"):
        _need_all(torch.isfinite(getattr(harmonics, name)), f"harmonics.{name}", "finite")


def _need(holds: bool, name: str, expected: str, got: Any) -> None:
    if not holds:
        raise ValueError(f"expected {name} to be {expected}, got {got}")


def _need_all(holds: Tensor, name: str, expected: str) -> None:
    bad = holds.numel() - int(holds.sum())
    if bad:
        raise ValueError(f"expected {name} to be {expected}, got {bad} others of {holds.numel()}")
