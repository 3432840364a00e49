"""From one depth map to a layered depth image: what the photo shows, and behind it what the camera can uncover.

Layer 0 is the photo, continued into a margin. Each further layer holds what those before hide and some view or drift
reveals (`ops.find_holes`), continued from the farther side of its depth edges (`hidden`). Along the photo's edges that
are revealed the picture is taken apart (`matte`): layer 0 has the nearer surface alone, as far as it covers the pixel.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..data import SPLAT_RULES, Camera, CameraPath, DepthMap, FlowField, Image, Layers, SplatRules
from ..pixels.crossing import HOST
from .bridges import bridge_small_steps
from .canvas import Canvas, inflow_px, make_canvas, with_soft_edges
from .clean import grow_over_edges, settle_mixed_depths, sharpen_depth_edges, smooth_fluid_depth
from .hidden import HidingRules
from .inpainter import Inpainter
from .matte import EdgeRules, find_matte
from .uncover import Uncovered, uncover

BRIDGED_TEARS = 4.0  # a step up to this, which opens by half as many px at most, is stretched instead
MEASURED_BAND_PX = 1.0  # to either side of a measured depth edge: so far it may lie beside the picture's
BESIDE_SHARE = 1 / 320  # of the longer side: so far an estimate's edges may lie beside the picture's
MIXED = 2.0  # tears, see settle_mixed_depths
TORN_SHARE = 1 / 200  # of the longer side: what views shift so far against each other are two surfaces behind an edge too
LEAST_TORN_PX = 4.0
LAYER_GAP = 1.04  # in depth, between a layer and what it hides: any nearer, the splat would take both for one surface
SOFT_GAP = 1.06  # in depth, between the sides of an edge that is taken apart: well beyond LAYER_GAP


@dataclass(frozen=True, eq=False)
class LayerConfig:
    """``views``: the poses that may look at the layers. ``parallax_px``: pixels by which they shift content against each other
    per unit of disparity. ``margin_px``: how far they look beyond the photo's border. ``loop_steps``: frames of motion in one
    loop. ``rules``: with which they will be drawn. ``device``: where the ops look for holes and fill them."""

    views: CameraPath
    parallax_px: float
    margin_px: int
    loop_steps: int
    rules: SplatRules = SPLAT_RULES
    device: torch.device = HOST


def build_layers(
    image: Image,
    depth: DepthMap,
    flow: FlowField,
    camera: Camera,
    config: LayerConfig,
    inpainter: Inpainter | None = None,
) -> Layers:
    """Split the photo into layers and fill what ``config.views`` can uncover.

    Where a fluid crosses the photo's border, the canvas is as much wider as the fluid drifts in a loop: what leaves on one
    side has to come from beyond the other. The static margin is no wider than the views look.

    Parameters
    ----------
    image : Image
    depth : DepthMap
    flow : FlowField
    camera : Camera
        The photo's intrinsics.
    config : LayerConfig
    inpainter : callable, optional
        Paints the filled colours; None: `c3drender.ops.inpaint_layers` does.

    Returns
    -------
    Layers
    """
    margin = max(config.margin_px, inflow_px(flow, config.loop_steps))
    parallax_px = max(config.parallax_px, 1e-6)
    tear_disp = config.rules.tear_px / parallax_px
    disp = 1.0 / depth.z_cam.cpu().numpy()
    disp = settle_mixed_depths(disp, MIXED * tear_disp) if depth.measured else sharpen_depth_edges(disp, 2.0 * tear_disp)
    moving = flow.moving.cpu().numpy()
    disp = smooth_fluid_depth(disp, moving, tear_disp)
    band_px = MEASURED_BAND_PX
    if not depth.measured:
        edge_disp = BRIDGED_TEARS * tear_disp
        disp = bridge_small_steps(disp, moving, tear_disp, edge_disp)
        farther, band_px = disp, BESIDE_SHARE * max(disp.shape)
        disp = grow_over_edges(disp, moving, edge_disp, round(band_px))
        flow = _without(flow, disp > farther)
    with ThreadPoolExecutor(1, thread_name_prefix="c3drender-paint") as painter:
        front, painted = make_canvas(image, disp, flow, margin, config.margin_px, tear_disp, inpainter, config.device, painter)
        height, width = front.disp.shape
        views = camera.padded(margin).with_pose(config.views.world_to_cam)
        frame_px = (margin, margin, width - margin, height - margin)
        rules = hiding_rules(parallax_px, max(camera.width, camera.height), config.rules, config.device)
        rules = replace(rules, soft_px=band_px)
        # What a fluid covers drifts away from its edge: only still things have soft ones.
        edges = EdgeRules(tear_disp, SOFT_GAP, band_px)
        matte = find_matte(front.rgb, front.disp, ~front.moving, front.seen, edges)
        cracked = not depth.measured
        uncovered = uncover(front, painted, views, frame_px, rules, config.loop_steps, painter, inpainter, matte, cracked)
        front = replace(front, rgb=painted.result())
        if uncovered:
            front = with_soft_edges(front, matte.at(uncovered[0].hole))
        return stack(front, uncovered, margin)


def _without(flow: FlowField, rests: np.ndarray) -> FlowField:
    """``flow`` of which nothing is left where it ``rests [H, W]``."""
    moves = torch.from_numpy(~rests).to(flow.moving.device)
    return replace(flow, step_px=flow.step_px * moves[..., None], moving=flow.moving & moves)


def hiding_rules(
    parallax_px: float, longer_px: int, splat: SplatRules = SPLAT_RULES, device: torch.device = HOST
) -> HidingRules:
    """For a picture whose longer side has ``longer_px``, and `LayerConfig.parallax_px`."""
    torn_px = max(TORN_SHARE * longer_px, LEAST_TORN_PX)
    return HidingRules(splat.tear_px / parallax_px, torn_px / parallax_px, LAYER_GAP, parallax_px, splat, device)


def stack(front: Canvas, uncovered: list[Uncovered], margin: int) -> Layers:
    """``front`` and what it hides, on a canvas ``margin`` px wider than the photo."""
    cover = (front.exists * front.cover).reshape(-1)
    shown = np.flatnonzero(cover)
    seen = front.seen.reshape(-1)[shown]
    layers = [(shown, cover[shown], front.disp.reshape(-1)[shown], seen, shown)]
    for layer in uncovered:
        hole = np.flatnonzero(layer.hole)
        opaque, filled = np.ones(len(hole), np.float32), np.zeros(len(hole), bool)
        layers.append((hole, opaque, layer.disp, filled, layer.source))
    pixel, alpha, disp, seen, source = (np.concatenate(parts) for parts in zip(*layers, strict=True))
    flows = front.exists.reshape(-1)[source]
    step_px = front.step_px.reshape(-1, 2).take(source, axis=0) * flows[:, None]
    rgb = [
        front.rgb.reshape(-1, 3).take(shown, axis=0),
        *(layer.rgb.result() for layer in uncovered),
    ]  # last: they may be waited for
    return Layers(
        pixel=torch.from_numpy(pixel.astype(np.int32)),
        rgb=torch.from_numpy(np.concatenate(rgb)),
        alpha=torch.from_numpy(alpha),
        z_cam=torch.from_numpy(1.0 / disp),
        seen=torch.from_numpy(seen),
        step_px=torch.from_numpy(step_px),
        moving=torch.from_numpy(front.moving.reshape(-1)[source] & flows),
        first=tuple(np.cumsum([0, *(len(layer[0]) for layer in layers)]).tolist()),
        size=(front.disp.shape[0], front.disp.shape[1]),
        margin_px=margin,
    )
