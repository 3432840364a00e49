"""A region of the picture on coarse cells, and back: masks, walls, bonds between neighbours, the surface under each cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..pixels.fits import fit_planes
from ..pixels.nearest import nearest_inside

Array = NDArray[Any]
Sides = tuple[bool, bool, bool, bool]  # top, bottom, left, right


@dataclass(frozen=True)
class GridConfig:
    """How picture and depth shape the sheet."""

    colour_edge: float = 0.12  # colour step (0..1) that halves the tie between neighbours
    disp_edge: float = 0.15  # relative disparity step that halves it
    edge_floor: float = 0.08
    foreshortening: float = 0.1  # the most that a slanted surface may slow motion along its slant
    near_far: float = 8.0  # the most that distance may scale speed, from the region's median


@dataclass(frozen=True, eq=False)
class Grid:
    """A region on coarse cells, with one ring of padding: ``inside``, ``wall`` and ``outer_wall`` ``[h, w]`` bool, outward
    wall normals ``normal`` ``[h, w, 2]``, ``to_px`` ``[h, w, 2, 2]`` from surface velocity to pixels, ``tie_x``/``tie_y`` the
    strength of the bond to the right/lower neighbour. ``cell_px`` (x, y); ``origin_px`` (x, y) of cell (0, 0)'s corner;
    ``on_frame``: which sides of the box lie on the picture's frame."""

    inside: Array
    wall: Array
    outer_wall: Array
    normal: Array
    to_px: Array
    tie_x: Array
    tie_y: Array
    cell_px: tuple[float, float]
    origin_px: tuple[float, float]
    on_frame: Sides


def frame_sides(shape: tuple[int, ...], rows: slice, cols: slice) -> Sides:
    return rows.start == 0, rows.stop == shape[0], cols.start == 0, cols.stop == shape[1]


def _pad_mask(mask: Array, width: int, sides: Sides) -> Array:
    """Pad with nothing, but continue the mask beyond the picture's frame: the frame is no wall."""
    top, bottom, left, right = sides
    padded = np.pad(mask, ((width, width), (0, 0)))
    padded[:width] = mask[:1] * top
    padded[-width:] = mask[-1:] * bottom
    padded = np.pad(padded, ((0, 0), (width, width)))
    padded[:, :width] = padded[:, width : width + 1] * left
    padded[:, -width:] = padded[:, -width - 1 : -width] * right
    return padded


def lay_grid(
    region: Array, fluid: Array, rgb: Array, disp: Array, box: tuple[slice, slice], num_cells: int, config: GridConfig
) -> tuple[Grid, Callable[[Array], Array]]:
    """The cells of a region's bounding ``box`` (rows, columns), and a function that averages a map of the picture on them.

    ``region`` bool ``[h, w]`` in its box, of which ``fluid`` bool ``[H, W]`` is seen: the rest lies behind something;
    ``rgb`` ``[H, W, 3]``; ``disp`` ``[H, W]`` (1/z, any unit); about ``num_cells`` lie inside.
    """
    rows, cols = box
    mask = region.astype(np.float32)
    seen = (region & fluid[box]).astype(np.float32)
    height, width = mask.shape
    cell = max(1.0, float(np.sqrt(mask.sum() / num_cells)))
    size = (max(1, round(width / cell)), max(1, round(height / cell)))
    cell_px = (width / size[0], height / size[1])
    share, seen_share = (cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (mask, seen))
    sides = frame_sides(fluid.shape, rows, cols)

    def sample(value: Array) -> Array:
        """Average over what is seen of the region in each cell; the nearest cell's value where that is nothing."""
        part = value[box]
        weight = seen if part.ndim == 2 else seen[..., None]
        total = cv2.resize(np.ascontiguousarray(part * weight, dtype=np.float32), size, interpolation=cv2.INTER_AREA)
        total = total.reshape(size[1], size[0], *value.shape[2:])
        mean = total / np.maximum(seen_share if part.ndim == 2 else seen_share[..., None], 1e-6)
        return np.pad(mean[nearest_inside(seen_share >= 1e-3)], ((1, 1), (1, 1)) + ((0, 0),) * (part.ndim - 2), mode="edge")

    inside = np.pad(share >= min(0.4, 0.9 * share.max()), 1)
    around = _pad_mask(share, 1, sides)
    filled = _pad_mask(inside[1:-1, 1:-1], 1, sides)
    # what is hidden counts for neither side: a bank's normal stays what it is beside a post
    blurred, banks = (ndimage.gaussian_filter(_pad_mask(part, 4, sides), 1.2) for part in (seen_share, share))
    soft = (blurred / np.maximum(blurred + 1 - banks, 1e-6))[3:-3, 3:-3]
    slope = np.stack([-ndimage.sobel(soft, 1), -ndimage.sobel(soft, 0)], axis=-1)
    steepness = np.linalg.norm(slope, axis=-1)
    normal = slope / np.maximum(steepness, 1e-6)[..., None]
    wall = inside & ~ndimage.binary_erosion(filled, border_value=1) & (steepness > 0.2)
    wall &= np.pad(seen_share > 0.5 * share, 1)  # what is hidden may end anywhere
    outside = ~ndimage.binary_fill_holes(filled | (around > 0.4))
    outer_wall = wall & ndimage.binary_dilation(outside, iterations=2)

    colour, disparity = sample(rgb), sample(disp)
    tie_x, tie_y = _ties(colour, disparity, config)
    centre = (fluid.shape[1] / 2, fluid.shape[0] / 2)
    origin_px = (cols.start - cell_px[0], rows.start - cell_px[1])
    to_px = _projection(disparity, inside, cell_px, origin_px, centre, float(max(fluid.shape)), config)
    return Grid(inside, wall, outer_wall, normal, to_px, tie_x, tie_y, cell_px, origin_px, sides), sample


def _ties(colour: Array, disparity: Array, config: GridConfig) -> tuple[Array, Array]:
    relative = np.log(np.maximum(disparity, 1e-6))

    def tie(axis: int) -> Array:
        colour_step = np.linalg.norm(np.diff(colour, axis=axis), axis=-1) / config.colour_edge
        disp_step = np.diff(relative, axis=axis) / config.disp_edge
        return np.maximum(1 / (1 + colour_step**2 + disp_step**2), config.edge_floor)

    return tie(1), tie(0)


def _projection(
    disparity: Array,
    inside: Array,
    cell_px: tuple[float, float],
    origin_px: tuple[float, float],
    centre: tuple[float, float],
    focal: float,
    config: GridConfig,
) -> Array:
    """From velocity in the surface's tangent plane (right, down the slope) to pixels, ``[h, w, 2, 2]``, 1 at the median.

    Near a point the surface is a plane ``n . P = 1``, whose disparity ``n . (x, y, 1)`` is affine in the picture. A velocity V
    moves the picture by ``disp (Vx - x Vz, Vy - y Vz)``, in focal lengths.
    """
    sigma = max(1.0, 0.08 * float(np.sqrt(inside.sum())))
    fit = fit_planes(disparity.astype(np.float32), inside.astype(np.float32), sigma)
    nearest = nearest_inside(fit.support >= 1e-3)
    fitted, slope_x, slope_y = (part[nearest].astype(np.float64) for part in (fit.value, fit.slope_x, fit.slope_y))
    median = max(float(np.median(fitted[inside])), 1e-9)
    smooth = np.clip(fitted / median, 1 / config.near_far, config.near_far)
    slope_scale = np.where(smooth == fitted / median, focal / median, 0)  # a bounded disparity is constant

    rows, cols = np.indices(smooth.shape)
    x = (origin_px[0] + (cols + 0.5) * cell_px[0] - centre[0]) / focal
    y = (origin_px[1] + (rows + 0.5) * cell_px[1] - centre[1]) / focal
    grad_y = slope_y * slope_scale / cell_px[1]
    grad_x = slope_x * slope_scale / cell_px[0]
    plane = np.stack([grad_x, grad_y, smooth - x * grad_x - y * grad_y], axis=-1)
    plane[..., 0] = np.clip(plane[..., 0], -np.hypot(plane[..., 1], plane[..., 2]), np.hypot(plane[..., 1], plane[..., 2]))
    plane /= np.linalg.norm(plane, axis=-1, keepdims=True)
    right = np.array([1.0, 0.0, 0.0]) - plane[..., :1] * plane
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    down = np.cross(plane, right)
    view = np.zeros((*smooth.shape, 2, 3))
    view[..., 0, 0] = view[..., 1, 1] = 1
    view[..., 0, 2], view[..., 1, 2] = -x, -y
    to_px = smooth[..., None, None] * view @ np.stack([right, down], axis=-1)
    to_px[..., 1] *= np.where(to_px[..., 1, 1] < 0, -1, 1)[..., None]

    u, stretch, vt = np.linalg.svd(to_px)
    stretch[..., 1] = np.maximum(stretch[..., 1], config.foreshortening * stretch[..., 0])
    to_px = (u * stretch[..., None, :]) @ vt
    return to_px / np.median(stretch[inside][:, 0])


def enlarge_step(grid: Grid, step_cells: Array, mask: Array) -> Array:
    """Cells to pixels inside ``mask``, the region in its bounding box. Near a wall what runs into it is taken out, the rest
    slips along. Returns float32 ``[h, w, 2]``."""
    filled = step_cells[nearest_inside(grid.inside)]
    size = (mask.shape[1], mask.shape[0])
    step = cv2.resize(np.ascontiguousarray(filled[1:-1, 1:-1], dtype=np.float32), size, interpolation=cv2.INTER_LINEAR)

    band = int(np.ceil(max(3.0, 1.5 * max(grid.cell_px))))
    padded = _pad_mask(mask, band + 2, grid.on_frame).astype(np.uint8)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    distance = np.minimum(distance, 2 * band)
    smooth = cv2.GaussianBlur(distance, (0, 0), max(1.0, 0.35 * band))
    core = np.s_[band + 2 : -band - 2, band + 2 : -band - 2]
    x, y = (-cv2.Sobel(smooth, cv2.CV_32F, *axis)[core] for axis in ((1, 0), (0, 1)))  # the normal, by planes
    length = np.maximum(np.sqrt(x * x + y * y), 1e-6)
    x, y = x / length, y / length

    near = np.clip(1 - (distance[core] - 0.5) / band, 0, 1)
    into = near * (step[..., 0] * x + step[..., 1] * y)
    step -= np.dstack([into * x, into * y])
    return step * mask[..., None]
