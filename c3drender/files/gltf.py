"""glTF: layers as textured meshes cut where depth tears, what moves as morph targets, the camera and its path.

What drifts is there twice, as `c3drender.render` draws it: on its way from the loop's start, fading out, before what comes
back from the loop's end. The fading is a morph target of the vertices' colours, which three.js follows; a program that does
not, such as Blender, shows the way forward alone, which starts anew with each loop. Sine and cosine move what sways.
"""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import PIL.Image
import scipy

from ..data import Camera, CameraPath
from ..pixels.nearest import Nearest
from .geometry import UP, LoopMotion, Moment, as_bytes
from .scene import Scene
from .surface import Surface, surface_of

BEFORE = 0.998  # of its depth: what drifts forward lies before what drifts back
SWAY_KEYS = 24  # of a loop
GLB_MAGIC, GLB_VERSION, JSON_CHUNK, BINARY_CHUNK = b"glTF", 2, b"JSON", b"BIN\0"
FLOAT, UNSIGNED_INT, ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, CLAMP_TO_EDGE = 5126, 5125, 34962, 34963, 33071
FLIP = np.diag(UP.astype(np.float64))

Target = dict[str, np.ndarray]


def scene_glb(scene: Scene, moment: Moment, motion: LoopMotion | None = None, path: CameraPath | None = None) -> bytes:
    """A scene at a moment; with ``motion`` and ``path``, which goes with it, animated.

    Raises
    ------
    ValueError
        For a scene without a surface.
    """
    tree = _Tree()
    drifts = moment.drifts if motion is None else motion.drifts
    for layer in reversed(range(scene.layers.num_layers)):  # the farthest first, as what is transparent is drawn in order
        surface = surface_of(scene, layer)
        if surface is not None:
            _add_layer(tree, scene, layer, surface, drifts, moment, motion)
    if not tree.parts["meshes"]:
        raise ValueError("scene: expected a layer with a surface, got none")
    tree.add_camera(scene.camera, 0.01 / scene.span.near, path, 1.0 if motion is None else motion.seconds)
    return tree.glb()


def camera_glb(path: CameraPath, camera: Camera, fps: float) -> bytes:
    """A camera alone, moving along its path."""
    tree = _Tree()
    tree.add_camera(camera, 0.01, path, len(path) / fps)
    return tree.glb()


def _add_layer(
    tree: _Tree, scene: Scene, layer: int, surface: Surface, drifts: np.ndarray, moment: Moment, motion: LoopMotion | None
) -> None:
    name, texture = f"layer {layer}", tree.add_texture(_texture(scene, layer))
    fluid = drifts[surface.pixel][surface.faces].any(axis=1)
    # Viewers draw what is transparent in an order of their own, and soft edges would show what is behind the scene: the
    # colours of an edge are the nearer surface's own, and cover whole pixels here.
    rest = tree.add_material(name, texture, False)
    sway = [] if motion is None else _sway_targets(motion, surface)
    still = tree.add_mesh(name, rest, surface, surface.faces[~fluid], moment.xyz[surface.pixel], sway)
    if still is not None and motion is not None:
        tree.animate(still, *_sway_weights(motion))
    if not fluid.any():
        return
    rank = np.cumsum(drifts) - 1
    moves = drifts[surface.pixel]
    stays = np.ones((2, len(moves)), bool)
    if motion is None:
        stays[:, moves] = moment.stays[:, rank[surface.pixel[moves]]]
    for way, back in (("back", True), ("forward", False)):
        xyz = moment.xyz[surface.pixel].copy()
        if motion is None and back:
            xyz[moves] = moment.back[rank[surface.pixel[moves]]]
        targets = [] if motion is None else _drift_targets(motion, surface, xyz, rank, back)
        colour = None
        if not back:
            colour = np.ones((len(xyz), 4), np.float32)
            colour[:, 3] = 1 - moment.loop_t
        material = rest if back else tree.add_material(f"{name}, {way}", texture, True)
        faces = surface.faces[fluid & stays[int(back)][surface.faces].all(axis=1)]
        mesh = tree.add_mesh(f"{name}, {way}", material, surface, faces, xyz, targets, colour, 1.0 if back else BEFORE)
        if mesh is not None and motion is not None:
            tree.animate(mesh, *_drift_weights(motion, back))


def _texture(scene: Scene, layer: int) -> np.ndarray:
    """Floats ``[H, W, 3]``: beyond what exists colours go on, so that none mixes with black at a border. What covers a part of
    its pixel shows with what it covers, as in the photo: alone, its colour may be any."""
    layers = scene.layers
    alpha, rgb = layers.plane(layers.alpha, layer).numpy(), layers.plane(layers.rgb, layer).numpy()
    exists = alpha > 0
    if layer + 1 < layers.num_layers:
        below = layers.plane(layers.rgb, layer + 1).numpy()
        soft = exists & (alpha < 1) & (layers.plane(layers.alpha, layer + 1).numpy() > 0)
        rgb = np.where(soft[..., None], alpha[..., None] * rgb + (1 - alpha[..., None]) * below, rgb)
    continued: np.ndarray = rgb.reshape(-1, 3)[Nearest.of(exists).to(np.ones(exists.shape, bool))].reshape(rgb.shape)
    return continued


def _drift_targets(motion: LoopMotion, surface: Surface, xyz: np.ndarray, rank: np.ndarray, back: bool) -> list[Target]:
    """Where the vertices are at each key, and on the way forward how much less of them is seen."""
    moves = motion.drifts[surface.pixel]
    places = motion.backward if back else motion.forward
    targets = []
    for key, place in enumerate(places, 1):
        offset = np.zeros_like(xyz)
        offset[moves] = place[rank[surface.pixel[moves]]] - xyz[moves]
        target = {"POSITION": (offset * (1 if back else BEFORE) * UP).astype(np.float32)}
        if not back:
            target["COLOR_0"] = np.tile(np.array([0, 0, 0, -key / len(places)], np.float32), (len(xyz), 1))
        targets.append(target)
    return targets


def _drift_weights(motion: LoopMotion, back: bool) -> tuple[np.ndarray, np.ndarray]:
    """Seconds ``[K + 1]``, and the weights of the targets then, ``[K + 1, K]``."""
    count = len(motion.forward)
    weights = np.vstack([np.zeros((1, count)), np.eye(count)])
    return np.linspace(0, motion.seconds, count + 1), weights[::-1] if back else weights


def _sway_targets(motion: LoopMotion, surface: Surface) -> list[Target]:
    rank, sways = np.cumsum(motion.sways) - 1, motion.sways[surface.pixel]
    targets = []
    for offsets in (part for pair in zip(motion.sine, motion.cosine, strict=True) for part in pair):
        offset = np.zeros((len(surface.pixel), 3), np.float32)
        offset[sways] = offsets[rank[surface.pixel[sways]]] * UP
        targets.append({"POSITION": offset})
    return targets if sways.any() else []


def _sway_weights(motion: LoopMotion) -> tuple[np.ndarray, np.ndarray]:
    loop_t = np.linspace(0, 1, SWAY_KEYS + 1)
    turns = 2 * np.pi * loop_t[:, None] * np.arange(1, len(motion.sine) + 1)
    weights = np.stack([np.sin(turns), np.cos(turns) - 1], axis=2).reshape(len(loop_t), -1)
    return loop_t * motion.seconds, weights


class _Tree:
    """A glTF's parts as they come, and their numbers in one buffer."""

    def __init__(self) -> None:
        names = ("accessors", "bufferViews", "cameras", "images", "materials", "meshes", "nodes", "textures")
        self.parts: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        self.data = bytearray()
        self.animation: dict[str, list[dict[str, Any]]] = {"channels": [], "samplers": []}

    def add(self, kind: str, part: dict[str, Any]) -> int:
        self.parts[kind].append(part)
        return len(self.parts[kind]) - 1

    def view(self, content: bytes, target: int | None = None) -> int:
        place = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(content)}
        self.data += content + bytes(-len(content) % 4)
        return self.add("bufferViews", place if target is None else place | {"target": target})

    def numbers(self, values: np.ndarray, target: int | None = None, bounds: bool = False) -> int:
        kind = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}[1 if values.ndim == 1 else values.shape[1]]
        component = UNSIGNED_INT if values.dtype == np.uint32 else FLOAT
        stored = np.ascontiguousarray(values, dtype="<u4" if component == UNSIGNED_INT else "<f4")
        entry: dict[str, Any] = {"bufferView": self.view(stored.tobytes(), target), "componentType": component}
        entry |= {"count": len(stored), "type": kind}
        if bounds:
            least, most = np.atleast_1d(stored.min(axis=0)), np.atleast_1d(stored.max(axis=0))
            entry |= {"min": least.tolist(), "max": most.tolist()}
        return self.add("accessors", entry)

    def add_texture(self, rgb: np.ndarray) -> int:
        file = io.BytesIO()
        PIL.Image.fromarray(as_bytes(rgb)).save(file, "PNG", compress_level=4)
        image = self.add("images", {"bufferView": self.view(file.getvalue()), "mimeType": "image/png"})
        return self.add("textures", {"source": image, "sampler": 0})

    def add_material(self, name: str, texture: int, soft: bool) -> int:
        surface = {"baseColorTexture": {"index": texture}, "metallicFactor": 0, "roughnessFactor": 1}
        mode: dict[str, Any] = {"alphaMode": "BLEND" if soft else "OPAQUE", "extensions": {"KHR_materials_unlit": {}}}
        return self.add("materials", {"name": name, "doubleSided": True, "pbrMetallicRoughness": surface} | mode)

    def add_mesh(
        self,
        name: str,
        material: int,
        surface: Surface,
        faces: np.ndarray,
        xyz: np.ndarray,
        targets: list[Target],
        colour: np.ndarray | None = None,
        nearer: float = 1.0,
    ) -> int | None:
        """The node of a mesh of those of the surface's faces, whose pixels are at ``xyz [V, 3]``, drawn ``nearer``; None for
        none."""
        if len(faces) == 0:
            return None
        used, index = np.unique(faces, return_inverse=True)
        placed = ((xyz + surface.shift)[used] * nearer * UP).astype(np.float32)
        attributes = {
            "POSITION": self.numbers(placed, ARRAY_BUFFER, bounds=True),
            "TEXCOORD_0": self.numbers(surface.uv[used], ARRAY_BUFFER),
        }
        if colour is not None:
            attributes["COLOR_0"] = self.numbers(colour[used], ARRAY_BUFFER)
        indices = self.numbers(index.reshape(-1).astype(np.uint32), ELEMENT_ARRAY_BUFFER)
        primitive: dict[str, Any] = {"attributes": attributes, "indices": indices, "material": material}
        mesh: dict[str, Any] = {"name": name, "primitives": [primitive]}
        if targets:
            primitive["targets"] = [
                {kind: self.numbers(values[used], ARRAY_BUFFER, bounds=kind == "POSITION") for kind, values in target.items()}
                for target in targets
            ]
            mesh["weights"] = [0.0] * len(targets)
        return self.add("nodes", {"name": name, "mesh": self.add("meshes", mesh)})

    def animate(self, node: int, times: np.ndarray, values: np.ndarray, what: str = "weights") -> None:
        """Numbers of a node over time, in straight lines; a mesh without morph targets has none to move."""
        mesh = self.parts["nodes"][node].get("mesh")
        if mesh is not None and "weights" not in self.parts["meshes"][mesh]:
            return
        moments = self.numbers(times.astype(np.float32), bounds=True)
        flat = values.reshape(-1) if what == "weights" else values
        sampler = {"input": moments, "output": self.numbers(flat.astype(np.float32)), "interpolation": "LINEAR"}
        self.animation["samplers"].append(sampler)
        target = {"node": node, "path": what}
        self.animation["channels"].append({"sampler": len(self.animation["samplers"]) - 1, "target": target})

    def add_camera(self, camera: Camera, near: float, path: CameraPath | None, seconds: float) -> None:
        lens = {"yfov": 2 * float(np.arctan(camera.height / 2 / camera.fy)), "aspectRatio": camera.width / camera.height}
        eye = self.add("cameras", {"type": "perspective", "perspective": lens | {"znear": near}})
        node = self.add("nodes", {"name": "photo", "camera": eye})
        if path is None:
            return
        poses = path.world_to_cam.double().numpy()
        poses = np.concatenate([poses, poses[:1]])  # the loop closes
        turns = FLIP @ poses[:, :, :3].transpose(0, 2, 1) @ FLIP
        places = -(FLIP @ poses[:, :, :3].transpose(0, 2, 1) @ poses[:, :, 3:])[:, :, 0]
        quaternions = scipy.spatial.transform.Rotation.from_matrix(turns).as_quat()
        flips = np.cumprod(np.where((quaternions[1:] * quaternions[:-1]).sum(axis=1) < 0, -1, 1))
        quaternions[1:] *= flips[:, None]
        times = np.linspace(0, seconds, len(poses))
        self.animate(node, times, places, "translation")
        self.animate(node, times, quaternions, "rotation")

    def glb(self) -> bytes:
        parts = {name: listed for name, listed in self.parts.items() if listed}
        tree: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": "c3drender"},
            "scene": 0,
            "scenes": [{"nodes": list(range(len(self.parts["nodes"])))}],
            **parts,
        }
        if "textures" in parts:
            tree |= {"samplers": [{"wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE}], "extensionsUsed": ["KHR_materials_unlit"]}
        if self.animation["channels"]:
            tree["animations"] = [{"name": "loop"} | self.animation]
        if self.data:
            tree["buffers"] = [{"byteLength": len(self.data)}]
        text = json.dumps(tree, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(self.data)
        head = GLB_MAGIC + struct.pack("<II", GLB_VERSION, total) + struct.pack("<I", len(text)) + JSON_CHUNK + text
        return head + struct.pack("<I", len(self.data)) + BINARY_CHUNK + bytes(self.data)
