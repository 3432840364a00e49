"""What is seen of an exported mesh from anywhere, by OpenGL's rule: a pixel whose middle a triangle covers."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

import cv2
import numpy as np

SUBPIXELS = 256  # to which graphics cards round vertices
LARGEST_PX = 64  # sides of a triangle's box; larger ones are not drawn


@dataclass(frozen=True, eq=False)
class Mesh:
    """``xyz [V, 3]`` in glTF's axes, ``faces [F, 3]``."""

    xyz: np.ndarray
    faces: np.ndarray


def meshes_of(data: bytes) -> tuple[list[Mesh], float]:
    """The meshes of a ``.glb`` at rest, and the tangent of half its camera's vertical angle."""
    (length,) = struct.unpack_from("<I", data, 12)
    tree, binary = json.loads(data[20 : 20 + length]), data[28 + length :]

    def numbers(index: int, dtype: str, width: int) -> np.ndarray:
        entry = tree["accessors"][index]
        start = tree["bufferViews"][entry["bufferView"]]["byteOffset"]
        return np.frombuffer(binary, dtype, entry["count"] * width, start).reshape(-1, width)

    parts = [mesh["primitives"][0] for mesh in tree["meshes"]]
    read = [(numbers(part["attributes"]["POSITION"], "<f4", 3), numbers(part["indices"], "<u4", 1)) for part in parts]
    lens = tree["cameras"][0]["perspective"]
    return [Mesh(xyz.astype(float), faces.reshape(-1, 3)) for xyz, faces in read], float(np.tan(lens["yfov"] / 2))


def covered(meshes: list[Mesh], tangent: float, width: int, height: int, eye: tuple[float, float, float]) -> np.ndarray:
    """bool ``[height, width]``: where something is seen from ``eye``, which looks along -z."""
    seen, focal = np.zeros(height * width, bool), height / 2 / tangent
    for mesh in meshes:
        xyz = mesh.xyz - eye
        at_px = np.stack([focal * xyz[:, 0] / -xyz[:, 2] + width / 2, focal * xyz[:, 1] / xyz[:, 2] + height / 2], axis=1)
        corners = (at_px * SUBPIXELS).round()[mesh.faces] / SUBPIXELS
        first = np.ceil(corners.min(axis=1) - 0.5).astype(int)
        sides = (np.floor(corners.max(axis=1) - 0.5).astype(int) - first + 1).max(axis=1)
        for least, side in ((1, 2), (3, 8), (9, LARGEST_PX)):
            some = np.flatnonzero((sides >= least) & (sides <= side))
            for part in np.array_split(some, max(len(some) * side * side // 2_000_000, 1)):
                seen[_pixels(corners[part], first[part], side, width, height)] = True
    return seen.reshape(height, width)


def _pixels(corners: np.ndarray, first: np.ndarray, side: int, width: int, height: int) -> np.ndarray:
    """The pixels of triangles ``[F, 3, 2]`` within ``side`` from ``first [F, 2]``."""
    down, right = np.divmod(np.arange(side * side), side)
    x, y = first[:, :1] + right, first[:, 1:] + down

    def edge(a: int, b: int) -> np.ndarray:
        (ax, ay), (bx, by) = corners[:, a, :, None].swapaxes(0, 1), corners[:, b, :, None].swapaxes(0, 1)
        return (bx - ax) * (y + 0.5 - ay) - (by - ay) * (x + 0.5 - ax)

    edges = np.stack([edge(0, 1), edge(1, 2), edge(2, 0)])
    turn = np.sign(edges.sum(axis=0))
    inside = (edges * turn >= -1e-9).all(axis=0) & (turn != 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return (y * width + x)[inside]


def holes(seen: np.ndarray) -> int:
    """The pixels where nothing is seen and that are no part of what is around the mesh."""
    _, labels = cv2.connectedComponents((~seen).astype(np.uint8), connectivity=4)
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return int((~np.isin(labels, [0, *border])).sum())
