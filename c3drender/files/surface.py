"""A layer's surface as triangles between its pixels: cut where depth tears, without a crack in any view.

Neighbours share their vertices. Where two surfaces part, the farther one goes on by a cell below the nearer one, to a vertex
of its own, which it shares with the next layer where that lies there; and a tear ends in a triangle from the one to the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np

from .scene import Scene

TEAR = 1.06  # neighbours whose depths differ by more than this factor are two surfaces,
SHALLOW = 0.02  # unless their disparities differ by less than this share of the scene's: far away all is one;
SLOPE = 0.2  # or this one, where nothing was found to lie behind: no view opens it by more than a sliver
MOST_VERTICES = 400_000  # of one layer's grid: beyond, every second, third ... pixel has a vertex; textures keep all
BELOW = 1.002  # times the depth: so a layer goes on beyond its border, below what is there

_BEFORE, _AFTER = slice(None, -1), slice(1, None)
_CORNERS = ((_BEFORE, _BEFORE), (_BEFORE, _AFTER), (_AFTER, _BEFORE), (_AFTER, _AFTER))  # of the grid's cells
_EDGES = ((0, 1, -1, 0), (2, 3, 1, 0), (0, 2, 0, -1), (1, 3, 0, 1))  # two corners, and where the cell beside them is: y, x


@dataclass(frozen=True)
class _Rule:
    """Whether depths are one surface's: their ratio is below ``ratio``, or their disparities differ by less than ``disp``."""

    ratio: float
    disp: float

    def __call__(self, nearer: np.ndarray, farther: np.ndarray) -> np.ndarray:
        one: np.ndarray = (farther < nearer * self.ratio) | (farther - nearer < self.disp * nearer * farther)
        return one


@dataclass(frozen=True, eq=False)
class Surface:
    """Vertices at the pixels ``pixel [V]`` of the layers, moved by ``shift [V, 3]``, and at ``uv [V, 2]`` of the layer's
    texture; triangles ``faces [F, 3]``."""

    pixel: np.ndarray
    shift: np.ndarray
    uv: np.ndarray
    faces: np.ndarray


def surface_of(scene: Scene, layer: int) -> Surface | None:
    """None where the layer has no surface."""
    layers = scene.layers
    height, width = layers.size
    z = layers.plane(layers.z_cam, layer).numpy()
    step = max(ceil(sqrt((z > 0).sum() / MOST_VERTICES)), 1)
    disparities = scene.span.near - scene.span.far
    is_one = _Rule(1 + (TEAR - 1) * step, SHALLOW * disparities)
    y, x = (side.reshape(-1) for side in np.mgrid[0:height:step, 0:width:step])
    depth = z[y, x]
    next_depth = np.zeros_like(depth)
    if layer + 1 < layers.num_layers:
        next_depth = layers.plane(layers.z_cam, layer + 1).numpy()[y, x]
    size = ceil(height / step), ceil(width / step)
    faces, place, source = _triangles(depth, next_depth, size, is_one, _Rule(is_one.ratio, SLOPE * disparities))
    if len(faces) == 0:
        return None
    pixel = _numbers(scene, layer, y[source], x[source])
    there = np.where((depth[place] > 0) | (place == source), depth[source], BELOW * depth[source])
    shift = _lifted(scene, y[place], x[place], there) - _lifted(scene, y[source], x[source], depth[source])
    nearer, farther = np.minimum(next_depth[place], depth[source]), np.maximum(next_depth[place], depth[source])
    meets = (place != source) & (nearer > 0) & is_one(nearer, farther)
    if meets.any():
        pixel[meets] = _numbers(scene, layer + 1, y[place[meets]], x[place[meets]])
        shift[meets] = 0
    uv = np.stack([(x[place] + 0.5) / width, (y[place] + 0.5) / height], axis=1)
    return Surface(pixel, shift.astype(np.float32), uv.astype(np.float32), faces)


def _triangles(
    depth: np.ndarray, next_depth: np.ndarray, size: tuple[int, int], is_one: _Rule, is_one_alone: _Rule
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a grid of ``size`` (height, width), flat, with depth 0 where nothing is: the triangles ``[F, 3]``; and of each of
    their vertices the place in the grid, and the place of what goes on to there, which is the same for most."""
    number = np.arange(depth.size).reshape(size)
    cells = np.stack([number[corner] for corner in _CORNERS]).reshape(4, -1)
    corners = depth[cells]
    nearest, farthest = corners.min(axis=0), corners.max(axis=0)
    alone = (next_depth[cells] == 0).all(axis=0)
    whole = (nearest > 0) & (is_one(nearest, farthest) | (alone & is_one_alone(nearest, farthest)))
    if not whole.any():
        return np.zeros((0, 3), np.int64), number[:0], number[:0]
    ends = ~whole & (farthest > 0)
    ending, copied = cells[:, ends], ~is_one(corners[:, ends], farthest[ends])
    source = np.broadcast_to(np.take_along_axis(ending, corners[:, ends].argmax(axis=0)[None], axis=0), ending.shape)
    copy, places, sources = _copies(ending[copied], source[copied], depth, is_one_alone)
    going_on = ending.copy()
    going_on[copied] = depth.size + copy
    quads = np.concatenate([cells[:, whole], going_on], axis=1)
    faces = [quads[[0, 2, 1]].T, quads[[1, 2, 3]].T]
    beside = np.pad(whole.reshape(size[0] - 1, size[1] - 1), 1)
    for a, b, down, right in _EDGES:
        joined = beside[1 + down : size[0] + down, 1 + right : size[1] + right].reshape(-1)[ends]
        tip = joined & (copied[a] != copied[b])
        faces.append(np.stack([going_on[a], going_on[b], np.where(copied[a], ending[a], ending[b])], axis=1)[tip])
    used, indices = np.unique(np.concatenate(faces), return_inverse=True)
    every = np.arange(depth.size)
    return indices.reshape(-1, 3), np.concatenate([every, places])[used], np.concatenate([every, sources])[used]


def _copies(
    place: np.ndarray, source: np.ndarray, depth: np.ndarray, is_one: _Rule
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices at ``place [N]`` of surfaces that go on from ``source [N]``, one for all cells of a surface: the number of
    each, and of each number the place and the source."""
    order = np.lexsort((depth[source], place))
    at, z = place[order], depth[source[order]]
    first = np.ones(len(order), bool)
    first[1:] = (at[1:] != at[:-1]) | ~is_one(z[:-1], z[1:])
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(first) - 1
    return number, at[first], source[order][first]


def _numbers(scene: Scene, layer: int, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Among the pixels of all layers."""
    part = scene.layers.part(layer)
    found: np.ndarray = part.start + np.searchsorted(scene.layers.pixel[part].numpy(), y * scene.layers.size[1] + x)
    return found


def _lifted(scene: Scene, y: np.ndarray, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The middles of the layers' pixels in camera space, ``[V, 3]``."""
    lens, margin = scene.camera, scene.layers.margin_px
    rays = [(x + 0.5 - margin - lens.cx) / lens.fx, (y + 0.5 - margin - lens.cy) / lens.fy, np.ones(len(x))]
    lifted: np.ndarray = np.stack(rays, axis=1) * z[:, None]
    return lifted
