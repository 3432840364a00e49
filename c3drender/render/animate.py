"""From a scene to an `Animation`: lift the layers to points, trace the fluid, measure what contrast its loop leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from ..data import SPLAT_RULES, Camera, PointCloud, SplatRules
from ..files.scene import Scene
from ..pixels.crossing import aside, indices
from . import contrast
from .beyond import Beyond
from .drift import trace
from .fluid import FluidPoints, FluidRegion, Fringe, bare, details_of, find_fringe, find_region, moving_parts, surface_of
from .frame import Animation, BentPoints, BlendMode, draw
from .lift import among, neighbours, presharpened
from .phase import LoopCopies, copies_of

BLEND_SHARPNESS = 4.0  # of the disparity relative to the nearest, as in the paper
LEAST_SWAY_PX = 0.01  # what sways by less stands still
LEAST_CONFIDENCE = 0.02  # of a fluid point that started at the border: it yields to the other side's
BED_DEPTH = 1.025  # of the fluid's: beyond the depth tolerance, so that a covered bed never mixes with the fluid
BED_RADIUS_PX = 3.0  # wide enough to meet its surroundings, from which its greater depth shifts it away


def animate(
    scene: Scene, num_frames: int, speed: float = 1.0, *, blend: BlendMode = "phase", rules: SplatRules = SPLAT_RULES
) -> Animation:
    """Lift the scene's layers to points and trace its flow for a loop of ``num_frames``. ``speed`` scales the motion.

    ``blend``: all but ``"linear"`` see what the loop leaves of its contrast, which takes a while.
    ``rules``: those that the layers were filled for.
    """
    layers = scene.layers
    canvas = scene.camera.padded(layers.margin_px)
    xy_px, pixel = layers.centre_px(), layers.pixel
    beside = neighbours(layers)

    def cloud(index: Tensor, confidence: Tensor, depth_scale: float = 1.0, radius_px: float = rules.radius_px) -> PointCloud:
        z_cam = layers.z_cam[index] * depth_scale
        feat = torch.cat([colour.index_select(0, index), confidence.expand(len(index))[:, None]], dim=1)
        xyz = canvas.unproject(xy_px.index_select(0, index), z_cam)
        return PointCloud(xyz, feat, radius_px * z_cam / canvas.fx, opacity[index])

    def clean(rgb: Tensor) -> Tensor:
        return rgb.index_copy(0, fringe, rgb[farther_in])

    def copies_beyond() -> LoopCopies:
        beyond = Beyond.of(step, region.exists, region.box, num_frames)
        return copies_of(region.on_surface(cleaned), region.exists, start_px, beyond, resting)

    with aside(xy_px) as helper:  # neither keeps two cores busy
        sharpened = helper.submit(presharpened, layers, beside, rules)
        region = find_region(layers)
        moves, freedom = region.moves, region.freedom
        start_px, place = xy_px[region.index], pixel[region.index]
        step = region.on_surface(layers.step_px) * speed
        fringe, farther_in, index = find_fringe(region)
        still = ~region.flows
        sways = still & _swaying(scene)
        others = still & ~sways, region.below, sways
        parts, counts = moving_parts(layers, moves, *others)
        rests, below, swaying = (indices(*of) for of in zip(others, counts, strict=True))
        sure = freedom.new_ones(())
        colour, opacity = sharpened.result()
        at_rest = cloud(region.index, freedom.view(-1)[place].clamp_min(LEAST_CONFIDENCE))
        cleaned, resting = clean(colour), at_rest.feat[:, :3]
        copied = helper.submit(copies_beyond) if blend == "phase" else None
        surface = helper.submit(surface_of, region, 1.0 / layers.z_cam, colour)
        standing = helper.submit(cloud, rests, sure)
        detail = details_of(clean(layers.rgb), layers, region, parts)
        forward, backward = (trace(way, num_frames, start_px) for way in (step, -step))
        thins_out = bare(start_px, forward, backward, region.exists)
    copies = None if copied is None else copied.result()
    edge = resting[index]
    steady = edge if copies is None else copies.colour[index]
    fluid = FluidPoints(
        cloud=at_rest,
        start_px=start_px,
        right=among(beside[0], moves, region.index),
        below=among(beside[1], moves, region.index),
        forward=forward,
        backward=backward,
        surface=surface.result(),
        fringe=Fringe(index, edge, cleaned[region.index[index]], steady),
        detail=detail,
        phase=contrast.phase_of(start_px, max(layers.size)),
        offset_px=torch.empty_like(start_px),
        copies=copies,
    )
    # The bed: where the fluid thins out, the photo's own pixel stays visible behind it.
    is_thin = thins_out.view(-1)[place]
    thin = indices(is_thin, int(is_thin.count_nonzero()))
    settled = (1.0 - region.inner.view(-1)[place[thin]]).clamp_min(LEAST_CONFIDENCE**2)
    thin = region.index[thin]
    bed = cloud(thin, settled, BED_DEPTH, BED_RADIUS_PX)
    # What lies so far behind the fluid's surface that it is another stays below it, still.
    covered = cloud(below, freedom.new_full((), LEAST_CONFIDENCE**2))
    bent = _bent_points(scene, cloud(swaying, sure), pixel[swaying], xy_px[swaying])
    sharpness = BLEND_SHARPNESS / scene.span.near
    if blend != "linear" and len(fluid.cloud) > 0:
        fluid = replace(fluid, gains=_measured_gains(canvas, bent, fluid, region, sharpness, num_frames, rules, blend))
    source = torch.cat([rests, thin, below, swaying, region.index, region.index])
    clouds = [standing.result(), bed, covered, bent.cloud]
    return _assembled(scene.camera, canvas, clouds, source, bent, fluid, sharpness, num_frames, rules, blend)


def _assembled(
    camera: Camera,
    canvas: Camera,
    others: list[PointCloud],
    source: Tensor,
    bent: BentPoints,
    fluid: FluidPoints,
    sharpness: float,
    num_frames: int,
    rules: SplatRules,
    blend: BlendMode,
) -> Animation:
    points = _joined([*others, fluid.cloud, fluid.cloud])
    return Animation(camera, canvas, points, source, bent, fluid, sharpness, num_frames, rules, blend)


def _swaying(scene: Scene) -> Tensor:
    """Which of the layers' pixels sway or ripple, bool ``[P]``."""
    layers = scene.layers
    if scene.harmonics is None:
        return torch.zeros_like(layers.moving)
    size_px = scene.harmonics.sine_px.norm(dim=-1) + scene.harmonics.cosine_px.norm(dim=-1)
    return (size_px.sum(dim=0) > LEAST_SWAY_PX).view(-1)[layers.pixel]


def _bent_points(scene: Scene, cloud: PointCloud, pixel: Tensor, start_px: Tensor) -> BentPoints:
    if scene.harmonics is None:
        none = start_px.new_zeros(0, 0, 2)
        return BentPoints(cloud, start_px, none, none)
    sine_px, cosine_px = (planes.flatten(1, 2)[:, pixel] for planes in (scene.harmonics.sine_px, scene.harmonics.cosine_px))
    return BentPoints(cloud, start_px, sine_px, cosine_px)


def _measured_gains(
    canvas: Camera,
    bent: BentPoints,
    fluid: FluidPoints,
    region: FluidRegion,
    sharpness: float,
    num_frames: int,
    rules: SplatRules,
    blend: BlendMode,
) -> contrast.ContrastGains:
    """The fluid alone is splatted on its part of the canvas at a few moments, to see what contrast is left."""
    exists = region.exists
    x0, y0, x1, y1 = contrast.measured_box(exists, region.box)
    around = replace(canvas, cx=canvas.cx - x0, cy=canvas.cy - y0, width=x1 - x0, height=y1 - y0)
    nothing = fluid.start_px.new_empty(0, dtype=torch.int64)
    alone = _assembled(around, canvas, [], nothing, bent, fluid, sharpness, num_frames, rules, blend)

    @cache  # of a pass one: its fluid asks once how deep it lies
    def raised(gains: contrast.ContrastGains | None) -> Animation:
        return alone if gains is None else replace(alone, fluid=replace(alone.fluid, gains=gains))

    def blended(loop_t: float, gains: contrast.ContrastGains | None) -> Tensor:
        return draw(raised(gains), around, round(loop_t * num_frames)).rgb_u8.to(torch.float32).div_(255.0)

    return contrast.measure_gains(blended, blended(0.0, None), exists, region.box, num_frames)


def _joined(clouds: Sequence[PointCloud]) -> PointCloud:
    return PointCloud(
        *(torch.cat([getattr(cloud, name) for cloud in clouds]) for name in ("xyz", "feat", "radius", "opacity"))
    )
