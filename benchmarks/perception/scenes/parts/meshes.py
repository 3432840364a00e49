"""Meshes as NumPy arrays, and the shapes that families build from. World frame: x right, y ahead, z up, metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import bpy
import numpy as np


@dataclass
class Mesh:
    """Polygons of three or four corners.

    Attributes
    ----------
    points : [V, 3] metres.
    faces : [F, 4] vertex indices; a triangle ends in -1.
    slots : [F] index into the materials that the mesh is given.
    attributes : per-vertex floats [V] that shaders read by name.
    smooth : whether normals are interpolated.
    """

    points: np.ndarray
    faces: np.ndarray
    slots: np.ndarray | None = None
    attributes: dict[str, np.ndarray] = field(default_factory=dict)
    smooth: bool = False

    def __post_init__(self) -> None:
        self.points = np.asarray(self.points, np.float32).reshape(-1, 3)
        self.faces = np.asarray(self.faces, np.int32).reshape(-1, 4)
        if self.slots is None:
            self.slots = np.zeros(len(self.faces), np.int32)
        self.slots = np.broadcast_to(np.asarray(self.slots, np.int32), (len(self.faces),))

    def moved(self, offset: Sequence[float] = (0, 0, 0), turn: float = 0.0, scale: float | Sequence[float] = 1.0) -> Mesh:
        """Scaled, then turned about z by ``turn`` radians, then shifted."""
        c, s = np.cos(turn), np.sin(turn)
        points = self.points * np.asarray(scale, np.float32)
        points = points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], np.float32) + np.asarray(offset, np.float32)
        return Mesh(points, self.faces, self.slots, self.attributes, self.smooth)

    def with_slot(self, slot: int) -> Mesh:
        return Mesh(self.points, self.faces, np.full(len(self.faces), slot), self.attributes, self.smooth)


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of all; attributes are kept where every part has them."""
    counts = np.cumsum([0] + [len(mesh.points) for mesh in meshes])
    faces = [np.where(mesh.faces >= 0, mesh.faces + start, -1) for mesh, start in zip(meshes, counts, strict=False)]
    names = set.intersection(*(set(mesh.attributes) for mesh in meshes))
    return Mesh(
        np.concatenate([mesh.points for mesh in meshes]),
        np.concatenate(faces),
        np.concatenate([mesh.slots for mesh in meshes]),
        {name: np.concatenate([mesh.attributes[name] for mesh in meshes]) for name in names},
        meshes[0].smooth,
    )


def to_blender(mesh: Mesh, materials: Sequence[bpy.types.Material]) -> bpy.types.Mesh:
    data = bpy.data.meshes.new("mesh")
    corners = (mesh.faces >= 0).sum(1)
    data.vertices.add(len(mesh.points))
    data.vertices.foreach_set("co", mesh.points.ravel())
    data.loops.add(int(corners.sum()))
    data.loops.foreach_set("vertex_index", mesh.faces[mesh.faces >= 0])
    data.polygons.add(len(mesh.faces))
    data.polygons.foreach_set("loop_start", np.concatenate([[0], np.cumsum(corners)[:-1]]).astype(np.int32))
    for material in materials:
        data.materials.append(material)
    data.polygons.foreach_set("material_index", mesh.slots)
    data.polygons.foreach_set("use_smooth", np.full(len(mesh.faces), mesh.smooth))
    for name, values in mesh.attributes.items():
        data.attributes.new(name, "FLOAT", "POINT").data.foreach_set("value", np.asarray(values, np.float32))
    data.update(calc_edges=True)
    data.validate()
    return data


def reshape(data: bpy.types.Mesh, mesh: Mesh) -> None:
    """Moves the vertices and sets the attributes and slots of ``data`` to those of ``mesh``, which has the same faces."""
    data.vertices.foreach_set("co", mesh.points.ravel())
    data.polygons.foreach_set("material_index", np.ascontiguousarray(mesh.slots))
    for name, values in mesh.attributes.items():
        data.attributes[name].data.foreach_set("value", np.ascontiguousarray(values, np.float32))
    data.update()


def grid_faces(rows: int, columns: int, closed: bool = False) -> np.ndarray:
    """Quads [F, 4] of a rows x columns lattice of vertices; ``closed`` joins the last column to the first."""
    index = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        index = np.concatenate([index, index[:, :1]], 1)
    return np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], -1).reshape(-1, 4)


def box(size: Sequence[float], center: Sequence[float] = (0, 0, 0)) -> Mesh:
    signs = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)], np.float32)
    faces = [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]]
    return Mesh(signs * np.asarray(size, np.float32) / 2 + np.asarray(center, np.float32), faces)


def quad(corners: Sequence[Sequence[float]]) -> Mesh:
    return Mesh(corners, [[0, 1, 2, 3]])


def lathe(profile: Sequence[tuple[float, float]], sides: int = 24) -> Mesh:
    """Surface of revolution about z of a profile of (radius, height), bottom to top."""
    radius, height = np.array(profile, np.float32).T
    angle = np.arange(sides) * (2 * np.pi / sides)
    points = np.stack(
        [
            radius[:, None] * np.cos(angle),
            radius[:, None] * np.sin(angle),
            np.broadcast_to(height[:, None], (len(height), sides)),
        ],
        -1,
    )
    return Mesh(points, grid_faces(len(profile), sides, closed=True), smooth=True)


def tube(path: np.ndarray, radius: np.ndarray | float, sides: int = 8) -> Mesh:
    """A pipe along path [N, 3]; ``radius`` is one number or one per point."""
    path = np.asarray(path, np.float32)
    radius = np.broadcast_to(np.asarray(radius, np.float32), (len(path),))
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    helper = np.where(np.abs(tangent[:, 2:]) < 0.9, np.float32([[0, 0, 1]]), np.float32([[1, 0, 0]]))
    side = np.cross(tangent, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
    up = np.cross(side, tangent)
    angle = np.arange(sides) * (2 * np.pi / sides)
    ring = np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * up[:, None]
    return Mesh(path[:, None] + ring * radius[:, None, None], grid_faces(len(path), sides, closed=True), smooth=True)


def sphere(radius: float | Sequence[float] = 1.0, center: Sequence[float] = (0, 0, 0), detail: int = 16) -> Mesh:
    polar = np.linspace(np.pi, 0, detail)
    ball = lathe([(max(np.sin(p), 1e-3), np.cos(p)) for p in polar], 2 * detail)
    return ball.moved(center, 0.0, radius)


def sheet(height: np.ndarray, size: tuple[float, float]) -> Mesh:
    """A height field [R, C] over a rectangle size = (width along x, length along y) about the origin."""
    rows, columns = height.shape
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, columns) * size[0], np.linspace(-0.5, 0.5, rows) * size[1])
    return Mesh(np.stack([x, y, height], -1), grid_faces(rows, columns), smooth=True)


def polar_grid(
    origin: Sequence[float], yaw: float, half_angle: float, near: float, far: float, rows: int = 260, columns: int = 260
) -> np.ndarray:
    """Positions [rows, columns, 2] in the fan that a camera sees, spaced in proportion to their distance.

    ``yaw`` 0 looks along +y and grows to the left, ``half_angle`` is half the fan, in radians.
    """
    distance = np.geomspace(near, far, rows)[:, None]
    angle = yaw + np.linspace(half_angle, -half_angle, columns)[None]
    return np.stack([origin[0] - np.sin(angle) * distance, origin[1] + np.cos(angle) * distance], -1)


def surface(xy: np.ndarray, z: np.ndarray) -> Mesh:
    """The lattice xy [R, C, 2] raised to z [R, C]."""
    return Mesh(np.concatenate([xy, z[..., None]], -1), grid_faces(*z.shape)[:, ::-1], smooth=True)


def face_means(mesh: Mesh, values: np.ndarray) -> np.ndarray:
    """Mean over its corners of a per-vertex value [V], per face [F]."""
    known = mesh.faces >= 0
    return np.where(known, np.asarray(values).ravel()[mesh.faces], 0).sum(1) / known.sum(1)
