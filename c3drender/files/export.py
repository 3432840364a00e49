"""A scene for other programs: a layered mesh with textures (glTF), points or Gaussians (PLY), its arrays (NumPy).

What is written lies in the axes of glTF and of most viewers: +x right, +y up, the camera at the origin and looking along -z;
Gaussians in those of 3D Gaussian Splatting's own files, +y down and +z forward. Units are the scene's.
"""

from __future__ import annotations

import io
import json
import struct
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from ..data import PathLike
from .place import check_writable, naming, replacing
from .scene import Scene

SUFFIXES = (".glb", ".ply", ".npz")
UP = np.array([1, -1, -1], np.float32)  # from camera space to glTF's
TEAR = 1.06  # neighbours whose depths differ by more than this factor are two surfaces
MOST_VERTICES = 400_000  # of one layer's grid: beyond, every second, third ... pixel has a vertex; textures keep all
SH_0 = 0.28209479177387814  # the constant spherical harmonic
OPAQUE = 0.995  # a Gaussian's opacity at its middle where a pixel is covered whole
SPREAD_PX = 0.6  # standard deviation of a pixel's Gaussian
GLB_MAGIC, GLB_VERSION, JSON_CHUNK, BINARY_CHUNK = b"glTF", 2, b"JSON", b"BIN\0"
FLOAT, UNSIGNED_INT, ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, CLAMP_TO_EDGE = 5126, 5125, 34962, 34963, 33071


def export_scene(scene: Scene, out: PathLike, splats: bool = False) -> Path:
    """Write a scene's geometry in the format that the suffix names, complete or not at all.

    Parameters
    ----------
    scene : Scene
    out : path
        ``.glb``: one textured mesh for each layer, cut where depth tears, unlit. ``.ply``: every pixel as a coloured point.
        ``.npz``: the layers' arrays.
    splats : bool
        A ``.ply`` of Gaussians, as 3D Gaussian Splatting's viewers read it, instead of points.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ValueError, TypeError, OSError
        With one line.

    Examples
    --------
    >>> import c3drender as c3d
    >>> from c3drender.files.export import export_scene
    >>> export_scene(c3d.load_scene("scene.c3d"), "scene.glb").name
    'scene.glb'
    """
    if not isinstance(scene, Scene):
        raise TypeError(f"scene: expected a Scene, got {type(scene).__name__}")
    target = Path(out)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"out: expected the suffix {', '.join(SUFFIXES)}, got {target.name!r}")
    if splats and suffix != ".ply":
        raise ValueError(f"splats: expected a .ply, got {target.name!r}")
    check_writable("out", target)
    scene = scene.to("cpu")
    make = {".glb": _glb, ".ply": _gaussians if splats else _points, ".npz": _arrays}[suffix]
    with naming("out", "write", target), replacing(target) as part:
        part.write_bytes(make(scene))
    return target


def _positions(scene: Scene) -> np.ndarray:
    """Camera space, float32 ``[P, 3]``."""
    layers, camera = scene.layers, scene.camera
    xy = layers.centre_px().numpy() - layers.margin_px
    z = layers.z_cam.numpy()
    return np.stack([(xy[:, 0] - camera.cx) / camera.fx * z, (xy[:, 1] - camera.cy) / camera.fy * z, z], axis=1)


def _arrays(scene: Scene) -> bytes:
    layers, camera, file = scene.layers, scene.camera, io.BytesIO()
    arrays: dict[str, Any] = {"xyz_cam": _positions(scene), "lens": np.array([camera.fx, camera.fy, camera.cx, camera.cy])}
    arrays |= {name: getattr(layers, name).numpy() for name in ("pixel", "rgb", "alpha", "z_cam", "seen", "step_px", "moving")}
    arrays |= {name: np.array(getattr(layers, name)) for name in ("first", "size", "margin_px")}
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _ply(kinds: list[tuple[str, str]], rows: np.ndarray) -> bytes:
    """Binary little-endian, one row per vertex."""
    names = {"<f4": "float", "u1": "uchar"}
    listed = "".join(f"property {names[kind]} {name}\n" for name, kind in kinds)
    header = f"ply\nformat binary_little_endian 1.0\ncomment c3drender\nelement vertex {len(rows)}\n{listed}end_header\n"
    return header.encode() + rows.tobytes()


def _points(scene: Scene) -> bytes:
    layers = scene.layers
    kinds = [*((axis, "<f4") for axis in "xyz"), *((name, "u1") for name in ("red", "green", "blue", "alpha"))]
    rows = np.zeros(len(layers.pixel), np.dtype(kinds))
    for axis, values in zip("xyz", (_positions(scene) * UP).T, strict=True):
        rows[axis] = values
    colours = _bytes(np.concatenate([layers.rgb.numpy(), layers.alpha.numpy()[:, None]], axis=1))
    for name, values in zip(("red", "green", "blue", "alpha"), colours.T, strict=True):
        rows[name] = values
    return _ply(kinds, rows)


def _gaussians(scene: Scene) -> bytes:
    """A round Gaussian for each pixel, as wide as the pixel is where it lies."""
    layers = scene.layers
    names = ["x", "y", "z", "nx", "ny", "nz", *(f"f_dc_{c}" for c in range(3)), "opacity"]
    names += [*(f"scale_{axis}" for axis in range(3)), *(f"rot_{part}" for part in range(4))]
    kinds = [(name, "<f4") for name in names]
    rows = np.zeros(len(layers.pixel), np.dtype(kinds))
    xyz = _positions(scene)
    for axis, values in zip("xyz", xyz.T, strict=True):
        rows[axis] = values
    for c in range(3):
        rows[f"f_dc_{c}"] = (layers.rgb[:, c].numpy() - 0.5) / SH_0
    share = (layers.alpha.numpy() * OPAQUE).clip(1e-3, OPAQUE)
    rows["opacity"] = np.log(share / (1 - share))
    for name in ("scale_0", "scale_1", "scale_2"):
        rows[name] = np.log(SPREAD_PX * xyz[:, 2] / scene.camera.fx)
    rows["rot_0"] = 1
    return _ply(kinds, rows)


def _bytes(values: np.ndarray) -> np.ndarray:
    return (values * 255).round().clip(0, 255).astype(np.uint8)


class _Buffer:
    """glTF's binary part and the tables that say where things lie in it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, content: bytes, target: int | None = None) -> int:
        place = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(content)}
        self.views.append(place if target is None else place | {"target": target})
        self.data += content + bytes(-len(content) % 4)
        return len(self.views) - 1

    def accessor(self, values: np.ndarray, kind: str, component: int, target: int, bounds: bool = False) -> int:
        view = self.view(np.ascontiguousarray(values).tobytes(), target)
        entry = {"bufferView": view, "componentType": component, "count": len(values), "type": kind}
        if bounds:
            entry |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        self.accessors.append(entry)
        return len(self.accessors) - 1


def _glb(scene: Scene) -> bytes:
    """Layers as meshes of one scene, the farthest first, as what is transparent is drawn in order."""
    buffer = _Buffer()
    meshes: list[dict[str, Any]] = []
    materials: list[dict[str, Any]] = []
    for layer in reversed(range(scene.layers.num_layers)):
        mesh = _mesh(scene, layer, buffer)
        if mesh is None:
            continue
        name = f"layer {layer}"
        image = len(materials)
        materials.append(
            {
                "name": name,
                "doubleSided": True,
                "alphaMode": "BLEND" if bool((scene.layers.alpha[scene.layers.part(layer)] < 1).any()) else "MASK",
                "pbrMetallicRoughness": {"baseColorTexture": {"index": image}, "metallicFactor": 0, "roughnessFactor": 1},
                "extensions": {"KHR_materials_unlit": {}},
            }
        )
        meshes.append({"name": name, "primitives": [mesh | {"material": image}]})
    if not meshes:
        raise ValueError("scene: expected a layer with a surface, got none")
    images = [{"bufferView": mesh["primitives"][0].pop("texture"), "mimeType": "image/png"} for mesh in meshes]
    camera = scene.camera
    lens = {"yfov": 2 * float(np.arctan(camera.height / 2 / camera.fy)), "aspectRatio": camera.width / camera.height}
    tree = {
        "asset": {"version": "2.0", "generator": "c3drender"},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": list(range(len(meshes) + 1))}],
        "nodes": [*({"name": mesh["name"], "mesh": n} for n, mesh in enumerate(meshes)), {"name": "photo", "camera": 0}],
        "cameras": [{"type": "perspective", "perspective": lens | {"znear": 0.01 / scene.span.near}}],
        "meshes": meshes,
        "materials": materials,
        "textures": [{"source": n, "sampler": 0} for n in range(len(images))],
        "samplers": [{"wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE}],
        "images": images,
        "bufferViews": buffer.views,
        "accessors": buffer.accessors,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(buffer.data)
    head = GLB_MAGIC + struct.pack("<II", GLB_VERSION, total)
    binary = struct.pack("<I", len(buffer.data)) + BINARY_CHUNK + bytes(buffer.data)
    return head + struct.pack("<I", len(text)) + JSON_CHUNK + text + binary


def _mesh(scene: Scene, layer: int, buffer: _Buffer) -> dict[str, Any] | None:
    """One layer's grid of triangles, with none across a tear, and its texture; None where it has no surface."""
    layers, camera = scene.layers, scene.camera
    height, width = layers.size
    z = layers.plane(layers.z_cam, layer).numpy()
    exists = z > 0
    step = max(ceil(sqrt(exists.sum() / MOST_VERTICES)), 1)
    rows, columns = np.arange(0, height, step), np.arange(0, width, step)
    grid = z[np.ix_(rows, columns)]
    index = np.arange(grid.size).reshape(grid.shape)
    corners = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]])
    nearest, farthest = corners.min(axis=0), corners.max(axis=0)
    whole = (nearest > 0) & (farthest < nearest * (1 + (TEAR - 1) * step))
    if not whole.any():
        return None
    a, b, c, d = (index[rows_, columns_][whole] for rows_, columns_ in _CORNERS)
    faces = np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)])
    used, faces = np.unique(faces, return_inverse=True)
    y, x = (rows[used // grid.shape[1]] + 0.5, columns[used % grid.shape[1]] + 0.5)
    depth, margin = grid.reshape(-1)[used], layers.margin_px
    across, down = (x - margin - camera.cx) / camera.fx * depth, (y - margin - camera.cy) / camera.fy * depth
    xyz = (np.stack([across, down, depth], axis=1) * UP).astype(np.float32)
    uv = np.stack([x / width, y / height], axis=1).astype(np.float32)
    rgba = np.dstack([layers.plane(layers.rgb, layer).numpy(), layers.plane(layers.alpha, layer).numpy()])
    texture = io.BytesIO()
    PIL.Image.fromarray(_bytes(rgba)).save(texture, "PNG", compress_level=4)
    return {
        "attributes": {
            "POSITION": buffer.accessor(xyz, "VEC3", FLOAT, ARRAY_BUFFER, bounds=True),
            "TEXCOORD_0": buffer.accessor(uv, "VEC2", FLOAT, ARRAY_BUFFER),
        },
        "indices": buffer.accessor(faces.reshape(-1).astype(np.uint32), "SCALAR", UNSIGNED_INT, ELEMENT_ARRAY_BUFFER),
        "texture": buffer.view(texture.getvalue()),
    }


_BEFORE, _AFTER = slice(None, -1), slice(1, None)
_CORNERS = ((_BEFORE, _BEFORE), (_BEFORE, _AFTER), (_AFTER, _BEFORE), (_AFTER, _AFTER))
