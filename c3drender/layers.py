"""From one depth map to a layered depth image: what the photo shows, and behind it what the camera can uncover.

Layer 0 is the photo, continued into a margin. Each further layer holds what the one before hides and some view or drift
reveals (`ops.find_holes`), continued from the farther side of its depth edges (`layer_hidden`). Along the photo's edges that
are revealed the picture is taken apart (`soft_edges`): layer 0 has the nearer surface alone, as far as it covers the pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch

from . import ops
from .bridges import bridge_small_steps
from .data import HIDES, Camera, CameraPath, DepthMap, FlowField, Image, Layers
from .fringe import without_fringe
from .inpainter import Inpainter, repaint
from .layer_hidden import EIGHT_NEIGHBOURS, Hidden, HidingRules, continue_behind, shifted
from .soft_edges import ESTIMATED_BAND_PX, HARD_EDGES, MEASURED_BAND_PX, EdgeRules, Matte, find_matte

MAX_STRETCH = 1.5  # px between neighbours, in any view, up to which a splat surface has no gap and they are one surface
FLUID_SMOOTHING_PX = 16.0  # standard deviation
SHORE_PX = 8.0  # over which a fluid's depth is bent to meet its shore
MAX_SHORE_TEARS = 6.0  # a higher step between a fluid and what lies beside it is a depth edge
SHARPEN_RADII = (2, 1)  # px, see sharpen_depth_edges
EDGE_SHARE = 0.7  # of the disparities in a window twice as wide, that an edge spans: of a slope it is half
BRIDGED_TEARS = 4.0  # a step up to this, which opens by half as many px at most, is stretched instead
MIXED = 2.0  # tears, see settle_mixed_depths
LAYER_GAP = 1.04  # in depth, between a layer and what it hides: any nearer, the splat would take both for one surface
SOFT_GAP = 1.06  # in depth, between the sides of an edge that is taken apart: well beyond LAYER_GAP
MAX_INFLOW = 0.08  # of the longer side
FILL_TEARS = 8.0  # what is no more nearer than a hidden surface may be copied into it: of a cluttered background, several
SPLAT_REACH_PX = 4  # grown around a revealed pixel: a splat reads 2 px; and presets pass between the views looked from
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

    Where the disparity spans more than ``min_jump`` within a small window, and hardly more within a wider one, a pixel takes
    the nearer (in value) of the window's extremes: the fixed point of a toggle mapping (Kramer and Bruckner 1975). A slope
    that runs on is no edge, however steep.
    """
    for radius in SHARPEN_RADII:
        window, wider = (np.ones((2 * r + 1, 2 * r + 1), np.uint8) for r in (radius, 2 * radius))
        for _ in range(2):
            low, high = cv2.erode(disp, window), cv2.dilate(disp, window)
            ends = (high - low) > EDGE_SHARE * (cv2.dilate(disp, wider) - cv2.erode(disp, wider))
            toggled = np.where(disp - low < high - disp, low, high)
            disp = np.where((high - low > min_jump) & ends, toggled, disp)
    return disp


def settle_mixed_depths(disp: np.ndarray, min_jump: float) -> np.ndarray:
    """Give each pixel of a measured map that floats alone between two surfaces to the nearer one (in value). A sensor, or a
    map made smaller, averages across an edge.

    Such a pixel differs by more than ``min_jump`` from the lowest and the highest of its neighbours and from all others but
    one: what is as thin as a line has two.
    """
    window = np.ones((3, 3), np.uint8)
    low, high = cv2.erode(disp, window), cv2.dilate(disp, window)
    fellows = sum((np.abs(shifted(disp, dy, dx) - disp) <= min_jump).view(np.uint8) for dy, dx in EIGHT_NEIGHBOURS)
    floats = (disp - low > min_jump) & (high - disp > min_jump) & (fellows < 2)
    return np.where(floats, np.where(disp - low < high - disp, low, high), disp)


def smooth_fluid_depth(disp: np.ndarray, moving: np.ndarray, tear_disp: float) -> np.ndarray:
    """Make the fluid's disparity smooth: it is level or falls evenly and has no edges of its own.

    Where the still surface beside it lies within a few tears of it, they belong together (water and its shore): the fluid then
    meets that surface without a step. A wider jump is a real edge and stays, as does what is so much nearer that it hides it.
    """
    if not moving.any():
        return disp
    smooth = _mean_over(disp, moving, FLUID_SMOOTHING_PX)
    shore = (cv2.dilate(moving.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~moving
    step = disp - smooth
    meets = shore & (np.abs(step) < MAX_SHORE_TEARS * tear_disp) & (disp < HIDES * smooth)
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


def _inpaint(
    rgb: np.ndarray, disp: np.ndarray, hole: np.ndarray, disp_hidden: np.ndarray, tear_disp: float
) -> tuple[np.ndarray, np.ndarray]:
    """`ops.inpaint_layers` on arrays."""
    filled = ops.inpaint_layers(*map(torch.from_numpy, (rgb, disp, hole, disp_hidden)), tear_disp=tear_disp)
    return filled[0].numpy(), filled[1].numpy()


@dataclass(frozen=True)
class Canvas:
    """The photo's maps, continued into the margin: all ``[H, W, ...]``. ``exists``: some view, or some drift, can show it.
    ``cover`` 0..1: how much of the pixel its surface covers."""

    rgb: np.ndarray
    disp: np.ndarray
    step_px: np.ndarray
    moving: np.ndarray
    seen: np.ndarray
    exists: np.ndarray
    cover: np.ndarray


def _canvas(
    image: Image,
    disp: np.ndarray,
    flow: FlowField,
    margin_px: int,
    static_px: int,
    tear_disp: float,
    inpainter: Inpainter | None,
) -> Canvas:
    """``margin_px`` more on every side, of which only fluids need more than ``static_px``."""

    def pad(values: np.ndarray) -> np.ndarray:
        return cv2.copyMakeBorder(values, *4 * (margin_px,), cv2.BORDER_REPLICATE)

    def inner(inset_px: int) -> np.ndarray:
        inside = np.zeros(wide.shape, bool)
        inside[inset_px : wide.shape[0] - inset_px, inset_px : wide.shape[1] - inset_px] = True
        return inside

    wide, moving = pad(disp), pad(flow.moving.cpu().numpy().view(np.uint8)).view(bool)
    seen = inner(margin_px)
    exists = inner(margin_px - static_px) | moving
    beyond = exists & ~seen
    rgb, filled = _inpaint(pad(image.rgb.cpu().numpy()), np.where(seen, wide, 0), beyond, wide, tear_disp)
    if inpainter is not None:
        rgb = repaint(inpainter, rgb, beyond, unseen=~seen)
    return Canvas(
        rgb,
        np.where(beyond, filled, wide),
        pad(flow.step_px.cpu().numpy()),
        moving,
        seen,
        exists,
        np.ones(wide.shape, np.float32),
    )


def build_layers(
    image: Image,
    depth: DepthMap,
    flow: FlowField,
    camera: Camera,
    config: LayerConfig,
    inpainter: Inpainter | None = None,
) -> Layers:
    """Split the photo into layers and fill what ``config.views`` can uncover. ``camera``: the photo's intrinsics.
    ``inpainter``: paints the filled colours; None: `ops.inpaint_layers` does.

    Where a fluid crosses the photo's border, the canvas is as much wider as the fluid drifts in a loop: what leaves on one
    side has to come from beyond the other. The static margin is no wider than the views look.
    """
    margin = max(config.margin_px, _inflow_px(flow, config.loop_steps))
    parallax_px = max(config.parallax_px, 1e-6)
    tear_disp = (MAX_STRETCH - 1.0) / parallax_px
    disp = 1.0 / depth.z_cam.cpu().numpy()
    disp = settle_mixed_depths(disp, MIXED * tear_disp) if depth.measured else sharpen_depth_edges(disp, 2.0 * tear_disp)
    moving = flow.moving.cpu().numpy()
    disp = smooth_fluid_depth(disp, moving, tear_disp)
    if not depth.measured:
        disp = bridge_small_steps(disp, moving, tear_disp, BRIDGED_TEARS * tear_disp)
    front = _canvas(image, disp, flow, margin, config.margin_px, tear_disp, inpainter)
    height, width = front.disp.shape
    views = camera.padded(margin).with_pose(config.views.world_to_cam)
    frame_px = (margin, margin, width - margin, height - margin)
    rules = HidingRules(tear_disp, LAYER_GAP, parallax_px)
    # What a fluid covers drifts away from its edge: only still things have soft ones.
    edges = EdgeRules(tear_disp, SOFT_GAP, MEASURED_BAND_PX if depth.measured else ESTIMATED_BAND_PX)
    matte = find_matte(front.rgb, front.disp, ~front.moving, front.seen, edges)
    uncovered = uncover(front, views, frame_px, rules, config.loop_steps, inpainter, matte, not depth.measured)
    if uncovered:
        front = with_soft_edges(front, matte.at(uncovered[0].hole))
    return stack(front, uncovered, margin)


def with_soft_edges(front: Canvas, matte: Matte) -> Canvas:
    """``front`` with the nearer surfaces alone, as far as they reach, in the pixels of ``matte``."""
    return replace(
        front,
        rgb=_with_values(front.rgb, matte.pixel, matte.near_rgb),
        disp=_with_values(front.disp, matte.pixel, matte.near_disp),
        cover=_with_values(front.cover, matte.pixel, matte.alpha),
        moving=_with_values(front.moving, matte.pixel, False),
        step_px=_with_values(front.step_px, matte.pixel, 0.0),
    )


def _with_values(plane: np.ndarray, pixel: np.ndarray, values: Any) -> np.ndarray:
    """A copy of ``plane [H, W, ...]`` that has ``values`` at the flat indices ``pixel``."""
    changed = plane.copy()
    changed.reshape(-1, *plane.shape[2:])[pixel] = values
    return changed


@dataclass(frozen=True)
class Surface:
    """What may hide something: all ``[H, W, ...]``. ``disp``: its disparity; ``exists``: where; ``moving``, ``step_px``: how
    it drifts; ``source``: the pixel of the photo's canvas (flat) whose motion that is; ``before``: the disparities of those
    that it lies behind, nearest first, the same where nothing continues behind one; none for the photo's."""

    disp: np.ndarray
    exists: np.ndarray
    moving: np.ndarray
    step_px: np.ndarray
    source: np.ndarray
    before: tuple[np.ndarray, ...] = ()

    @classmethod
    def of(cls, front: Canvas) -> Surface:
        source = np.arange(front.disp.size).reshape(front.disp.shape)
        return cls(front.disp, front.exists, front.moving & front.exists, front.step_px, source)

    def behind(self, hidden: Hidden) -> Surface:
        """What is left without the pixels that hide something."""

        def continued(values: np.ndarray) -> np.ndarray:
            flat = values.reshape(-1, *values.shape[2:])
            return _with_values(values, hidden.pixel, flat[hidden.source])

        return Surface(
            _with_values(self.disp, hidden.pixel, hidden.disp),
            _with_values(self.exists, hidden.pixel, True),
            continued(self.moving),
            continued(self.step_px),
            continued(self.source),
            (*self.before, self.disp),
        )


@dataclass(frozen=True)
class FluidMaps:
    """The nearest fluid at each pixel, which alone drifts (`render.animate`): ``disp [H, W]``, 0 where there is none, and
    ``step_px [H, W, 2]``."""

    disp: np.ndarray
    step_px: np.ndarray

    @classmethod
    def of(cls, surface: Surface) -> FluidMaps:
        return cls(np.where(surface.moving, surface.disp, 0), surface.step_px * surface.moving[..., None])

    def with_next(self, surface: Surface) -> FluidMaps:
        """With the fluid of a farther ``surface``."""
        flows = surface.moving & (self.disp == 0)
        return FluidMaps(np.where(flows, surface.disp, self.disp), np.where(flows[..., None], surface.step_px, self.step_px))


@dataclass(frozen=True)
class Uncovered:
    """A hidden layer: ``hole [H, W]`` where it exists; of the pixels in ``hole``, in order, their ``rgb``, their disparities,
    and the pixels of the photo's canvas (flat) whose motion they continue."""

    hole: np.ndarray
    rgb: np.ndarray
    disp: np.ndarray
    source: np.ndarray


def hide(surface: Surface, rules: HidingRules, loop_steps: int) -> Hidden:
    """What continues behind ``surface``."""
    reach_px = np.ceil(rules.parallax_px * (surface.disp.max() - surface.disp.min())) + SPLAT_REACH_PX
    drift_px = np.minimum(np.linalg.norm(surface.step_px, axis=2) * (loop_steps / 2), reach_px) * surface.moving
    return continue_behind(surface.disp, surface.moving, drift_px, surface.exists, rules, surface.before)


def maps_of_holes(
    shown: list[np.ndarray], surface: Surface, fluid: FluidMaps, hidden: Hidden
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """What `ops.find_holes` takes: the disparities ``[H, W]`` of the layers so far, of what is ``hidden`` behind the
    ``surface`` that they leave, and of the fluid; and its flow."""
    sheet = _spread_out(hidden.pixel, hidden.disp, surface.disp.shape)
    all_fluid = fluid.with_next(surface.behind(hidden))
    maps = np.stack(shown), sheet, all_fluid.disp, all_fluid.step_px
    return tuple(map(torch.from_numpy, maps))


def uncover(
    photo: Canvas,
    views: Camera,
    frame_px: tuple[int, int, int, int],
    rules: HidingRules,
    loop_steps: int,
    inpainter: Inpainter | None = None,
    matte: Matte = HARD_EDGES,
    cracked: bool = False,
) -> list[Uncovered]:
    """What lies behind ``photo``, taken apart by ``matte``, and some of the ``views``, or some drift, reveals, filled: layer
    by layer, near to far, until nothing more is revealed. The pixels of the matte need no filling: their farther colours are
    known.

    ``views``: the canvas' camera with their poses; ``frame_px``: what of the canvas they show.
    """
    front = with_soft_edges(photo, matte)
    surface = Surface.of(front)
    fluid = FluidMaps.of(surface)
    shown = [np.where(front.exists, front.disp, 0)]
    # What is known of the surfaces that go on behind: first the photo, then it with the layers before.
    rgb = _with_values(photo.rgb, matte.pixel, matte.far_rgb)
    rgb, _ = without_fringe(rgb, photo.moving, photo.exists & ~photo.moving)
    disp = _with_values(np.where(photo.exists, photo.disp, 0), matte.pixel, matte.far_disp)
    layers: list[Uncovered] = []
    while len((hidden := hide(surface, rules, loop_steps)).pixel) > 0:
        maps = maps_of_holes(shown, surface, fluid, hidden)
        hole = ops.find_holes(*maps, views, frame_px, num_steps=loop_steps // 2).numpy()
        hole = cv2.dilate(hole.view(np.uint8), np.ones((2 * SPLAT_REACH_PX + 1,) * 2, np.uint8)).view(bool)
        unknown = hole
        if not layers and hole.any():
            # All of an edge is soft, or none: where it changed from one to the other its outline would break.
            soft = _spread_out(matte.pixel, 1, hole.shape, np.uint8)
            if cracked:  # the matte is wide and leaves nothing of some pixels: what shows there needs neighbours
                soft = cv2.dilate(soft, np.ones((3, 3), np.uint8))
            hole = hole | soft.view(bool)
            unknown = _with_values(hole, matte.pixel, False)
        there = hole.reshape(-1)[hidden.pixel]
        if np.count_nonzero(there) < (1 if layers else MIN_HOLE_PX):
            break
        own_disp = _spread_out(hidden.pixel, hidden.own_disp, hole.shape)
        hidden = hidden.at(there)
        hole = _spread_out(hidden.pixel, True, hole.shape, bool)
        # Filled apart: what ends before a farther surface, and what shows through cracks, beside which it has been uncovered.
        crack = cracked & hole.reshape(-1)[hidden.source]
        inner = _spread_out(hidden.pixel, crack | hidden.ends, hole.shape, bool)
        apart = (surface.disp > LAYER_GAP * own_disp + 2 * rules.tear_disp) | (not cracked)
        known = rgb
        for part in (unknown & hole & ~inner, unknown & inner & apart):
            if part.any():
                filled = _fill(known, disp, part, own_disp, photo.exists, rules, inpainter)
                rgb = np.where(part[..., None], filled, rgb)
        if not layers:
            rgb = _with_values(rgb, matte.pixel, matte.far_rgb)
        disp = np.where(hole, own_disp, disp)
        surface = surface.behind(hidden)
        fluid = fluid.with_next(surface)
        shown.append(np.where(hole, surface.disp, 0))
        layers.append(Uncovered(hole, rgb[hole], hidden.disp, surface.source[hole]))
    return layers


def _fill(
    rgb: np.ndarray,
    disp: np.ndarray,
    hole: np.ndarray,
    own_disp: np.ndarray,
    exists: np.ndarray,
    rules: HidingRules,
    inpainter: Inpainter | None,
) -> np.ndarray:
    """``rgb`` with the colours of ``hole [H, W]`` continued from what is no nearer than ``own_disp`` there."""
    if inpainter is None:
        return _inpaint(rgb, disp, hole, own_disp, FILL_TEARS * rules.tear_disp)[0]
    return repaint(inpainter, rgb, hole, ~exists | _hiding(disp, hole, own_disp, rules.tear_disp))


def _hiding(disp: np.ndarray, hole: np.ndarray, own_disp: np.ndarray, tear_disp: float) -> np.ndarray:
    """What a fill of ``hole`` must not continue: whatever is nearer than the surface that goes on in the nearest hole pixel
    (``own_disp``), and the mixed colours along its edge."""
    _, nearest = cv2.distanceTransformWithLabels((~hole).view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    continued = np.zeros(nearest.max() + 1, np.float32)
    continued[nearest[hole]] = own_disp[hole]
    nearer = disp > continued[nearest] + tear_disp
    return cv2.dilate(nearer.view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)


def _spread_out(pixel: np.ndarray, values: Any, shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    """A map that has ``values`` at the flat indices ``pixel`` and 0 elsewhere."""
    spread = np.zeros(shape, dtype)
    spread.reshape(-1)[pixel] = values
    return spread


def stack(front: Canvas, uncovered: list[Uncovered], margin: int) -> Layers:
    """``front`` and what it hides, on a canvas ``margin`` px wider than the photo."""
    cover = (front.exists * front.cover).reshape(-1)
    shown = np.flatnonzero(cover)
    seen = front.seen.reshape(-1)[shown]
    layers = [(shown, front.rgb.reshape(-1, 3)[shown], cover[shown], front.disp.reshape(-1)[shown], seen, shown)]
    for layer in uncovered:
        hole = np.flatnonzero(layer.hole)
        opaque, filled = np.ones(len(hole), np.float32), np.zeros(len(hole), bool)
        layers.append((hole, layer.rgb, opaque, layer.disp, filled, layer.source))
    pixel, rgb, alpha, disp, seen, source = (np.concatenate(parts) for parts in zip(*layers, strict=True))
    flows = front.exists.reshape(-1)[source]
    return Layers(
        *map(torch.from_numpy, (pixel.astype(np.int32), rgb, alpha, 1.0 / disp, seen)),
        step_px=torch.from_numpy(front.step_px.reshape(-1, 2)[source] * flows[:, None]),
        moving=torch.from_numpy(front.moving.reshape(-1)[source] & flows),
        first=tuple(np.cumsum([0, *(len(layer[0]) for layer in layers)]).tolist()),
        size=front.disp.shape,
        margin_px=margin,
    )
