"""From one depth map to a layered depth image: what the photo shows, and behind it what the camera can uncover.

Layer 0 is the photo, continued into a margin. Layer k holds the pixels that layer k-1 hides and some view or drift reveals
(`ops.find_holes`), continued from the farther side of each depth edge. There are as many layers as the scene asks for.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from . import ops
from .data import Camera, CameraPath, DepthMap, FlowField, Image, Layers

MAX_STRETCH = 1.5  # px between neighbours, in any view, up to which a splat surface has no gap and they are one surface
FLUID_SMOOTHING_PX = 16.0  # standard deviation
SHORE_PX = 8.0  # over which a fluid's depth is bent to meet its shore
MAX_SHORE_TEARS = 6.0  # a higher step between a fluid and what lies beside it is a depth edge
SHARPEN_RADII = (2, 1)  # px, see sharpen_depth_edges
MAX_LAYERS = 8
LAYER_GAP = 1.04  # in depth, between a layer and what it hides: any nearer, the splat would take both for one surface
MAX_INFLOW = 0.08  # of the longer side
SPLAT_REACH_PX = 4  # grown around a revealed pixel: a splat reads 2 px, and what is filled may lie farther than was assumed
MIN_HOLE_PX = 16


@dataclass(frozen=True)
class LayerConfig:
    """``views``: the poses that may look at the layers. ``parallax_px``: pixels by which they shift content against each other
    per unit of disparity. ``margin_px``: how far they look beyond the photo's border. ``loop_steps``: frames of motion in one
    loop."""

    views: CameraPath
    parallax_px: float
    margin_px: int
    loop_steps: int


def sharpen_depth_edges(disp: np.ndarray, min_jump: float) -> np.ndarray:
    """Turn the soft ramps of a depth edge into one step, so that no pixel floats between two surfaces.

    Where the disparity spans more than ``min_jump`` within a small window, a pixel takes the nearer (in value) of the window's
    extremes: the fixed point of a toggle mapping (Kramer and Bruckner 1975).
    """
    for radius in SHARPEN_RADII:
        window = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
        for _ in range(2):
            low, high = cv2.erode(disp, window), cv2.dilate(disp, window)
            toggled = np.where(disp - low < high - disp, low, high)
            disp = np.where(high - low > min_jump, toggled, disp)
    return disp


def _shifted(values: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """``values`` at the neighbour (x+dx, y+dy), repeated at the border."""
    padded = cv2.copyMakeBorder(values, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    height, width = values.shape[:2]
    return padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]


FOUR_NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))
EIGHT_NEIGHBOURS = (*FOUR_NEIGHBOURS, (1, 1), (1, -1), (-1, 1), (-1, -1))


def continue_behind(
    disp: np.ndarray, moving: np.ndarray, where: np.ndarray, tear_disp: float, reach_px: int
) -> tuple[np.ndarray, np.ndarray]:
    """Continue the farther side of every tear behind the nearer side, pixel ring by pixel ring.

    Returns ``(disp_hidden [H, W], source [H, W])``: the disparity of the surface behind (0 where none) and the flat index of
    the pixel beyond the tear that it continues (-1 where none). Only pixels in ``where`` are considered. A fluid is one
    surface: between two ``moving`` pixels nothing tears.
    """
    height, width = disp.shape
    own = np.arange(height * width, dtype=np.int32).reshape(height, width)
    hidden = np.full(disp.shape, np.inf, np.float32)
    source = np.full(disp.shape, -1, np.int32)
    for dy, dx in FOUR_NEIGHBOURS:
        far = _shifted(disp, dy, dx)
        one_fluid = moving & _shifted(moving.view(np.uint8), dy, dx).view(bool)
        torn = where & ~one_fluid & (far > 0) & (far < disp - tear_disp) & (far < hidden)
        hidden[torn] = far[torn]
        source[torn] = _shifted(own.view(np.float32), dy, dx).view(np.int32)[torn]
    rows, cols = np.nonzero(source >= 0)
    for _ in range(reach_px):
        # Only the newest ring can hand on; a pixel takes the farthest surface that a neighbour offers.
        offers: dict[str, list[np.ndarray]] = {"to": [], "disp": [], "source": []}
        for dy, dx in EIGHT_NEIGHBOURS:
            y, x = rows + dy, cols + dx
            ok = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            y, x, from_y, from_x = y[ok], x[ok], rows[ok], cols[ok]
            value = hidden[from_y, from_x]
            ok = (source[y, x] < 0) & where[y, x] & (value < disp[y, x] - tear_disp)
            offers["to"].append((y * width + x)[ok])
            offers["disp"].append(value[ok])
            offers["source"].append(source[from_y, from_x][ok])
        to, value, origin = (np.concatenate(offers[key]) for key in ("to", "disp", "source"))
        if not len(to):
            break
        # Last write wins: the farthest offer, ties by the lower source index.
        order = np.lexsort((-origin, -value))
        hidden.reshape(-1)[to[order]] = value[order]
        source.reshape(-1)[to[order]] = origin[order]
        ring = np.unique(to)
        rows, cols = ring // width, ring % width
    hidden[source < 0] = 0
    return hidden, source


def smooth_fluid_depth(disp: np.ndarray, moving: np.ndarray, tear_disp: float) -> np.ndarray:
    """Make the fluid's disparity smooth: it is level or falls evenly and has no edges of its own.

    Where the still surface beside it lies within a few tears of it, they belong together (water and its shore): the fluid then
    meets that surface without a step. A wider jump is a real edge and stays.
    """
    if not moving.any():
        return disp
    smooth = _mean_over(disp, moving, FLUID_SMOOTHING_PX)
    shore = (cv2.dilate(moving.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~moving
    step = disp - smooth
    meets = shore & (np.abs(step) < MAX_SHORE_TEARS * tear_disp)
    distance = np.minimum(cv2.distanceTransform(moving.astype(np.uint8), cv2.DIST_L2, 5), 10 * SHORE_PX)
    correction = _mean_over(step, meets, SHORE_PX / 2) * np.exp(-((distance / SHORE_PX) ** 2))
    return np.where(moving, smooth + correction, disp).astype(np.float32)


def _mean_over(values: np.ndarray, where: np.ndarray, sigma_px: float) -> np.ndarray:
    """Gaussian mean of ``values [H, W]`` over the pixels ``where``, at every pixel; 0 far from any of them."""
    weight = where.astype(np.float32)
    total = cv2.GaussianBlur(weight, (0, 0), sigma_px)
    return cv2.GaussianBlur(values * weight, (0, 0), sigma_px) / np.maximum(total, 1e-6)


def _inflow_px(flow: FlowField, loop_steps: int) -> int:
    """How far (px) the fluid at the photo's border drifts in one loop."""
    speed = (flow.step_px.norm(dim=-1) * flow.moving).cpu()
    fastest = max(float(edge.max()) for edge in (speed[0], speed[-1], speed[:, 0], speed[:, -1]))
    return min(int(np.ceil(fastest * loop_steps)), int(MAX_INFLOW * max(speed.shape)), min(speed.shape) - 1)


def _fill(
    rgb: np.ndarray, disp: np.ndarray, hole: np.ndarray, disp_hidden: np.ndarray, tear_disp: float
) -> tuple[np.ndarray, np.ndarray]:
    """`ops.inpaint_layers` on arrays."""
    maps = (np.ascontiguousarray(values) for values in (rgb, disp, hole, disp_hidden))
    filled = ops.inpaint_layers(*map(torch.from_numpy, maps), tear_disp=tear_disp)
    return filled[0].numpy(), filled[1].numpy()


def build_layers(image: Image, depth: DepthMap, flow: FlowField, camera: Camera, config: LayerConfig) -> Layers:
    """Split the photo into layers and fill what ``config.views`` can uncover. ``camera``: the photo's intrinsics.

    Where a fluid crosses the photo's border, the canvas is as much wider as the fluid drifts in a loop: what leaves on one
    side has to come from beyond the other. The static margin is no wider than the views look.
    """
    margin = max(config.margin_px, _inflow_px(flow, config.loop_steps))
    tear_disp = (MAX_STRETCH - 1.0) / max(config.parallax_px, 1e-6)

    def pad(values: np.ndarray) -> np.ndarray:
        return cv2.copyMakeBorder(values, margin, margin, margin, margin, cv2.BORDER_REPLICATE)

    disp = sharpen_depth_edges(1.0 / depth.z_cam.cpu().numpy(), 2.0 * tear_disp)
    disp = smooth_fluid_depth(disp, flow.moving.cpu().numpy(), tear_disp)
    disp, rgb = pad(disp.astype(np.float32)), pad(image.rgb.cpu().numpy())
    step_px, moving = pad(flow.step_px.cpu().numpy()), pad(flow.moving.cpu().numpy().astype(np.uint8)) > 0
    height, width = disp.shape
    seen = np.zeros(disp.shape, bool)
    seen[margin : height - margin, margin : width - margin] = True
    rgb, disp = _fill(rgb, np.where(seen, disp, 0), ~seen, disp, tear_disp)
    views = camera.padded(margin).with_pose(config.views.world_to_cam)
    frame_px = (margin, margin, width - margin, height - margin)

    outer = margin - config.margin_px
    shown = np.zeros(disp.shape, bool)
    shown[outer : height - outer, outer : width - outer] = True
    layers = [(rgb, shown | moving, disp, seen, step_px, moving)]
    reach_px = int(np.ceil(config.parallax_px * (disp.max() - disp.min()))) + SPLAT_REACH_PX
    where = shown
    while len(layers) < MAX_LAYERS:
        hidden, source = continue_behind(disp, moving, where, tear_disp, reach_px)
        at_tear = np.zeros(disp.shape, bool)
        at_tear.reshape(-1)[np.unique(source[source >= 0])] = True
        drift = np.minimum(np.linalg.norm(step_px, axis=-1) * config.loop_steps / 2, reach_px)
        travel_px = np.where(at_tear & moving, drift, 0).astype(np.float32)
        hole = ops.find_holes(*map(torch.from_numpy, (disp, hidden, travel_px)), views, frame_px, tear_disp=tear_disp).numpy()
        hole = cv2.dilate(hole.astype(np.uint8), np.ones((2 * SPLAT_REACH_PX + 1,) * 2, np.uint8)) > 0
        hole &= source >= 0
        if hole.sum() < MIN_HOLE_PX:
            break
        clear_of_front = np.minimum(disp - tear_disp, disp / LAYER_GAP)
        rgb, disp = _fill(rgb, disp, hole, hidden, tear_disp)
        disp = np.where(hole, np.minimum(disp, clear_of_front), disp)
        flat = source[hole]
        step_px, moving = step_px.copy(), moving.copy()
        step_px[hole], moving[hole] = step_px.reshape(-1, 2)[flat], moving.reshape(-1)[flat]
        layers.append((rgb, hole, disp, np.zeros(disp.shape, bool), step_px, moving))
        where = hole

    stacked = [torch.from_numpy(np.ascontiguousarray(np.stack(parts))) for parts in zip(*layers, strict=True)]
    rgb_l, alpha_l, disp_l, seen_l, step_l, moving_l = stacked
    return Layers(
        rgb=rgb_l,
        alpha=alpha_l.to(torch.float32),
        z_cam=1.0 / disp_l,
        seen=seen_l,
        step_px=step_l * alpha_l[..., None],
        moving=moving_l & alpha_l,
        margin_px=margin,
    )
