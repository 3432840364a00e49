"""Scene to frames: lift the layers to points, let the fluid ones drift, splat both sides, blend.

A frame depends on (Animation, pose, frame number) alone: no random source, nothing carried from frame to frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import torch
from torch import Tensor
from torch.nn import functional

from . import harmonic, loop_contrast, ops
from .data import HIDES, Camera, CameraPath, Frame, Layers, PointCloud, Raster, Scene
from .drift import Drift, trace
from .fringe import FRINGE_PX, without_fringe

Blend = Literal["contrast", "linear"]

SPLAT_RADIUS_PX = 1.5
DEPTH_TOLERANCE = 0.02
MAX_POINTS = 64  # behind an edge several layers lie close: what hides a pixel must not crowd it out of its own list
BLEND_SHARPNESS = 4.0  # of the disparity relative to the nearest, as in the paper
UNCOVERED_ALPHA = 1e-4
FADE = 1 / 200  # of the longer side: the width over which a fluid's motion fades in from its border
LEAST_FREEDOM = 0.1  # of a fluid pixel that moves: along the border it would only blur what rests there
LEAST_CONFIDENCE = 0.02  # of a fluid point that started at the border: it yields to the other side's
LEAST_EXISTENCE = 0.75  # a point that drifts to where less of a fluid pixel is than this has left the fluid
MAX_FLUID_STRETCH = 3.0  # px between neighbours up to which displaced points widen to stay one surface
BED_DEPTH = 1.025  # of the fluid's: beyond the depth tolerance, so that a covered bed never mixes with the fluid
BED_FADE = 1 / 120  # of the longer side: so far from the border a bed speaks against the side that covers it
BED_RADIUS_PX = 3.0  # wide enough to meet its surroundings, from which its greater depth shifts it away
BED_SAMPLES = 60  # moments of the loop at which gaps in the fluid are looked for
LEAST_SWAY_PX = 0.01  # what sways by less stands still


@dataclass(frozen=True)
class BentPoints:
    """Points that sway or ripple: at rest a ``cloud`` at ``start_px [P, 2]`` of the canvas, displaced by the coefficients
    ``sine_px``, ``cosine_px`` ``[K, P, 2]`` (`harmonic.displaced_px`)."""

    cloud: PointCloud
    start_px: Tensor
    sine_px: Tensor
    cosine_px: Tensor


@dataclass(frozen=True)
class Fringe:
    """Fluid points ``index [P]`` beside something still, of which their ``resting`` colours ``[P, 3]`` show a part: an edge's
    mixed pixels and its halo. What drifts away from there takes on the ``clean`` ones of the fluid farther in."""

    index: Tensor
    resting: Tensor
    clean: Tensor


@dataclass(frozen=True)
class Fluid:
    """The points that drift, M of them; all positions in px of the canvas.

    ``cloud``: at rest. ``start_px [M, 2]``; ``right``, ``below`` int32 ``[M]``, the points next to each (itself: none);
    ``forward``, ``backward``: their ways. ``surface [H, W, 8]``: of the canvas' fluid surface the disparity, where it exists,
    how freely it moves (0 at its border .. 1), and its colour at rest. ``fringe``: those of the points that lose a part of
    their colour. ``detail``, ``phase [M]`` and ``gains`` keep the contrast (`loop_contrast`).
    """

    cloud: PointCloud
    start_px: Tensor
    right: Tensor
    below: Tensor
    forward: Drift
    backward: Drift
    surface: Tensor
    fringe: Fringe
    detail: loop_contrast.Details
    phase: Tensor
    gains: loop_contrast.ContrastGains | None = None


@dataclass(frozen=True)
class Animation:
    """A scene ready to render as a loop of ``num_frames``.

    ``points``: those that never move, the bent ones, the fluid on its way forward, and the fluid on its way backward; each
    frame writes all but the first anew, so one Animation renders one frame at a time. Their four channels are colour, and the
    confidence with which they speak for their pixel when the two sides are blended. ``source`` int64 ``[N]``: the layers'
    pixel that each was lifted from. ``raster``: memory for what both sides splat.
    """

    camera: Camera
    canvas: Camera
    points: PointCloud
    source: Tensor
    bent: BentPoints
    fluid: Fluid
    raster: Raster
    sharpness: float
    num_frames: int


def _unproject(canvas: Camera, xy_px: Tensor, z_cam: Tensor) -> Tensor:
    x = (xy_px[:, 0] - canvas.cx) / canvas.fx * z_cam
    y = (xy_px[:, 1] - canvas.cy) / canvas.fy * z_cam
    return torch.stack([x, y, z_cam], dim=1)


def _spread(values: Tensor, exists: Tensor) -> Tensor:
    """Continue ``values [C, H, W]`` by two pixels beyond where they exist, so that interpolation never reads a hole."""
    weight = exists[None, None].to(torch.float32)
    value = values[None] * weight
    for _ in range(2):
        near = functional.avg_pool2d(value, 3, 1, 1), functional.avg_pool2d(weight, 3, 1, 1)
        value = torch.where(weight > 0, value, near[0] / near[1].clamp_min(1e-6))
        weight = ((weight > 0) | (near[1] > 1e-6)).to(torch.float32)
    return value[0]


def _fade_in(exists: Tensor, width_px: float) -> Tensor:
    """0 at the border of ``exists [H, W]``, rising smoothly to 1 at ``width_px`` inside."""
    distance = torch.from_numpy(cv2.distanceTransform(exists.cpu().to(torch.uint8).numpy(), cv2.DIST_L2, 5))
    # At the canvas' edge a fluid leaves the picture: that is no border, and the transform takes it for none.
    share = ((distance - 1.0) / width_px).clamp(0, 1).to(exists.device)
    return share * share * (3.0 - 2.0 * share)


def _clean(rgb: Tensor, layers: Layers, surface: Tensor) -> tuple[Tensor, Tensor]:
    """`without_fringe` of the layers' ``rgb [P, 3]``, where the fluid's ``surface`` (bool ``[P]``) is seen: in the nearest
    layer, and through its soft edges. Also which pixels that changed, bool ``[P]``."""
    front, pixel = layers.part(0), layers.pixel
    cover = layers.plane(layers.alpha, 0)
    seen = surface & ((cover > 0) & (cover < 1)).view(-1)[pixel]
    seen[front] = surface[front]
    visible, fluid = layers.plane(rgb, 0), torch.zeros_like(cover, dtype=torch.bool)
    visible.view(-1, 3)[pixel[seen]] = rgb[seen]
    fluid.view(-1)[pixel[seen]] = True
    still = (cover > 0) & ~fluid
    clean, fringe = without_fringe(visible.cpu().numpy(), fluid.cpu().numpy(), still.cpu().numpy())
    changed = seen & torch.from_numpy(fringe).to(rgb.device).view(-1)[pixel]
    return torch.where(changed[:, None], torch.from_numpy(clean).to(rgb.device).view(-1, 3)[pixel], rgb), changed


def _details(rgb: Tensor, layers: Layers, moves: Tensor) -> loop_contrast.Details:
    """Of the layers' pixels ``moves``, of the colours ``rgb [P, 3]``."""
    planes = [(layers.plane(rgb, layer), layers.plane(moves, layer)) for layer in range(layers.num_layers)]
    details = [loop_contrast.point_details(*plane) for plane in planes]
    return loop_contrast.Details(torch.cat([d.fine for d in details]), torch.cat([d.broad for d in details]))


def _neighbours(layers: Layers) -> tuple[Tensor, Tensor]:
    """Of each of the layers' pixels the one to its right and the one below it, in its layer: int64 ``[P]``, its own index
    where there is none."""
    own = torch.arange(len(layers.pixel), device=layers.pixel.device)
    beside = []
    for dy, dx in ((0, 1), (1, 0)):
        of_layers = []
        for layer in range(layers.num_layers):
            there = functional.pad(layers.plane(own, layer, empty=-1)[dy:, dx:], (0, dx, 0, dy), value=-1)
            of_layers.append(there.view(-1)[layers.pixel[layers.part(layer)]])
        found = torch.cat(of_layers)
        beside.append(torch.where(found >= 0, found, own))
    return beside[0], beside[1]


def _among(beside: Tensor, where: Tensor) -> Tensor:
    """Of the elements of ``where [P]`` the ranks (int32) of their neighbours ``beside [P]`` among them, else their own."""
    rank = where.cumsum(0, dtype=torch.int32) - 1
    return torch.where(where[beside], rank[beside], rank)[where]


def _presharpened(layers: Layers, beside: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The layers' ``rgb [P, 3]`` and ``alpha [P]`` plus what the surface kernel will take away from them on an unmoved grid
    (one Van Cittert step): a splat of the result shows the picture itself, not its blur. A pixel's kernel reaches those of
    its four neighbours (``beside``: `_neighbours`) that lie on its surface."""
    side = (1.0 - 1.0 / SPLAT_RADIUS_PX**2) ** 6
    own = torch.cat([layers.rgb * layers.alpha[:, None], layers.alpha[:, None]], dim=1)
    total, weight = own.clone(), torch.ones_like(layers.alpha)
    for right in reversed(beside):
        left = (right != torch.arange(len(right), device=right.device)).nonzero()[:, 0]
        right = right[left]
        z_left, z_right = layers.z_cam[left], layers.z_cam[right]
        same = (z_left - z_right).abs() < DEPTH_TOLERANCE * torch.minimum(z_left, z_right)
        left, right = left[same], right[same]
        # No index occurs twice: each pixel has one neighbour on a side.
        for here, there in ((left, right), (right, left)):
            weight[here] += side
            total[here] += side * own[there]
    sharp = 2.0 * own - total / weight[:, None]
    opacity = sharp[:, 3]
    colour = torch.where(opacity[:, None] > 1e-3, sharp[:, :3] / opacity[:, None].clamp_min(1e-3), layers.rgb)
    return colour, opacity.clamp(0.0, 1.0)


def _fluid_surface(disp: Tensor, rgb: Tensor, exists: Tensor, freedom: Tensor) -> Tensor:
    """`Fluid.surface` from ``disp [H, W]``, ``rgb [H, W, 3]``, ``exists`` and ``freedom`` ``[H, W]``."""
    spread = _spread(torch.cat([disp[..., None], rgb], dim=-1).permute(2, 0, 1), exists)
    planes = [spread[:1], exists[None].to(torch.float32), freedom[None], spread[1:], torch.zeros_like(spread[:2])]
    return torch.cat(planes).permute(1, 2, 0).contiguous()


def _bare(start_px: Tensor, forward: Drift, backward: Drift, fluid: Tensor) -> Tensor:
    """Where ``fluid [H, W]`` neither the forward- nor the backward-displaced points cover at some moment of the loop."""
    height, width = fluid.shape
    num_frames = forward.num_frames
    # A point that arrives at the border may find itself outside the fluid and not be drawn.
    inner = -functional.max_pool2d(-functional.pad(fluid[None].float(), (1, 1, 1, 1), value=1.0), 3, 1)[0]
    bare = fluid & (inner == 0)
    last = torch.tensor([width, height], dtype=torch.int32, device=fluid.device)
    for n in range(0, num_frames, max(num_frames // BED_SAMPLES, 1)):
        # One point in a pixel's own square is near enough to cover it. Row and column 0 take what lies beyond the canvas.
        occupied = torch.zeros((height + 1) * (width + 1), dtype=torch.bool, device=fluid.device)
        for offset_px in (forward.at(n), backward.at(num_frames - n)):
            at = (start_px + offset_px).add_(1.0).to(torch.int32).clamp_(min=0)
            x, y = torch.minimum(at, last).unbind(1)
            occupied[(y * (width + 1)).add_(x)] = True
        bare |= ~occupied.view(height + 1, width + 1)[1:, 1:]
    return bare & fluid


def animate(scene: Scene, num_frames: int, speed: float = 1.0, *, measure_contrast: bool = True) -> Animation:
    """Lift the scene's layers to points and trace its flow for a loop of ``num_frames``. ``speed`` scales the motion.

    ``measure_contrast``: see what the loop leaves of it, which takes a while and serves the blend ``"contrast"`` alone.
    """
    layers = scene.layers
    canvas = scene.camera.padded(layers.margin_px)
    xy_px, pixel = layers.centre_px(), layers.pixel
    beside = _neighbours(layers)
    colour, opacity = _presharpened(layers, beside)

    def cloud(where: Tensor, confidence: Tensor, depth_scale: float = 1.0, radius_px: float = SPLAT_RADIUS_PX) -> PointCloud:
        z_cam = layers.z_cam[where] * depth_scale
        feat = torch.cat([colour[where], confidence.expand(where.shape)[where][:, None]], dim=1)
        return PointCloud(_unproject(canvas, xy_px[where], z_cam), feat, radius_px * z_cam / canvas.fx, opacity[where])

    # Behind a fluid the same fluid would only be drawn twice: a pixel moves in the nearest of its layers that does. That is
    # the fluid's surface, visible or continued behind what hides it. What lies so far behind that surface that it is another
    # stays below it, still.
    nearest = layers.nearest_moving()
    is_nearest = nearest.view(-1)[pixel] == torch.arange(len(pixel), device=pixel.device)
    freedom = _fade_in(nearest >= 0, FADE * max(layers.size))
    any_fluid = (nearest >= 0) & (freedom > LEAST_FREEDOM)
    flows = layers.moving & any_fluid.view(-1)[pixel]
    moves = flows & is_nearest

    def on_surface(values: Tensor) -> Tensor:
        """``values [P, ...]`` of the fluid's surface, ``[H, W, ...]``; 0 beside it."""
        plane = values.new_zeros(*layers.size, *values.shape[1:])
        plane[any_fluid] = values[nearest[any_fluid]]
        return plane

    start_px = xy_px[moves]
    step = on_surface(layers.step_px) * speed
    at_rest = cloud(moves, freedom.view(-1)[pixel].clamp_min(LEAST_CONFIDENCE))
    clean, fringe = _clean(colour, layers, is_nearest)
    fringe &= moves
    index = fringe[moves].nonzero()[:, 0]
    surface_disp = on_surface(1.0 / layers.z_cam)
    fluid = Fluid(
        cloud=at_rest,
        start_px=start_px,
        right=_among(beside[0], moves),
        below=_among(beside[1], moves),
        forward=trace(step, num_frames, start_px),
        backward=trace(-step, num_frames, start_px),
        surface=_fluid_surface(surface_disp, on_surface(colour), any_fluid, freedom),
        fringe=Fringe(index, at_rest.feat[index, :3], clean[fringe]),
        detail=_details(_clean(layers.rgb, layers, is_nearest)[0], layers, moves),
        phase=loop_contrast.phase_of(start_px, max(layers.size)),
    )
    sure = freedom.new_ones(())
    still = ~flows
    sways = still & _swaying(scene)
    rests = still & ~sways
    # The bed: where the fluid thins out, the photo's own pixel stays visible behind it.
    thin = moves & _bare(start_px, fluid.forward, fluid.backward, any_fluid).view(-1)[pixel]
    settled = (1.0 - _fade_in(any_fluid, BED_FADE * max(layers.size))).clamp_min(LEAST_CONFIDENCE**2)
    bed = cloud(thin, settled.view(-1)[pixel], BED_DEPTH, BED_RADIUS_PX)
    below = flows & ~moves & (layers.z_cam * surface_disp.view(-1)[pixel] > HIDES)
    covered = cloud(below, freedom.new_tensor(LEAST_CONFIDENCE**2))
    bent = _bent_points(scene, cloud(sways, sure), sways, xy_px[sways])
    sharpness = BLEND_SHARPNESS / scene.disp_near
    if measure_contrast and len(fluid.cloud) > 0:
        fluid = replace(fluid, gains=_measured_gains(canvas, bent, fluid, sharpness, num_frames))
    source = torch.cat([where.nonzero()[:, 0] for where in (rests, thin, below, sways, moves, moves)])
    others = [cloud(rests, sure), bed, covered, bent.cloud]
    return _assembled(scene.camera, canvas, others, source, bent, fluid, sharpness, num_frames)


def _assembled(
    camera: Camera,
    canvas: Camera,
    others: list[PointCloud],
    source: Tensor,
    bent: BentPoints,
    fluid: Fluid,
    sharpness: float,
    num_frames: int,
) -> Animation:
    points = _joined([*others, fluid.cloud, fluid.cloud])
    pixels = (2, camera.height, camera.width)
    raster = Raster(*(points.feat.new_empty(shape) for shape in ((*pixels, 4), pixels, pixels)))
    return Animation(camera, canvas, points, source, bent, fluid, raster, sharpness, num_frames)


def _swaying(scene: Scene) -> Tensor:
    """Which of the layers' pixels sway or ripple, bool ``[P]``."""
    layers = scene.layers
    if scene.harmonics is None:
        return torch.zeros_like(layers.moving)
    size_px = scene.harmonics.sine_px.norm(dim=-1) + scene.harmonics.cosine_px.norm(dim=-1)
    return (size_px.sum(dim=0) > LEAST_SWAY_PX).view(-1)[layers.pixel]


def _bent_points(scene: Scene, cloud: PointCloud, sways: Tensor, start_px: Tensor) -> BentPoints:
    if scene.harmonics is None:
        none = start_px.new_zeros(harmonic.NUM_HARMONICS, 0, 2)
        return BentPoints(cloud, start_px, none, none)
    pixel = scene.layers.pixel[sways]
    sine_px, cosine_px = (planes.flatten(1, 2)[:, pixel] for planes in (scene.harmonics.sine_px, scene.harmonics.cosine_px))
    return BentPoints(cloud, start_px, sine_px, cosine_px)


def _measured_gains(
    canvas: Camera, bent: BentPoints, fluid: Fluid, sharpness: float, num_frames: int
) -> loop_contrast.ContrastGains:
    """The fluid alone is splatted on its part of the canvas at a few moments, to see what contrast is left."""
    exists = fluid.surface[..., 1] > 0
    x0, y0, x1, y1 = loop_contrast.measured_box(exists)
    around = replace(canvas, cx=canvas.cx - x0, cy=canvas.cy - y0, width=x1 - x0, height=y1 - y0)
    nothing = fluid.start_px.new_empty(0, dtype=torch.int64)
    alone = _assembled(around, canvas, [], nothing, bent, fluid, sharpness, num_frames)

    def blended(loop_t: float, gains: loop_contrast.ContrastGains | None) -> Tensor:
        now = alone if gains is None else replace(alone, fluid=replace(alone.fluid, gains=gains))
        return _draw(now, alone.camera, round(loop_t * alone.num_frames)).rgb_u8.to(torch.float32) / 255.0

    return loop_contrast.measure_gains(blended, blended(0.0, None), exists, num_frames)


def _fluid_parts(animation: Animation) -> tuple[int, int, int]:
    """Where the fluid's points begin on their way forward and on their way backward, and where they end."""
    end, num_fluid = len(animation.points), len(animation.fluid.start_px)
    return end - 2 * num_fluid, end - num_fluid, end


def _drift_to(
    animation: Animation, n: int, fades: tuple[float, float] = (0.0, 0.0), detail: ops.Detail | None = None
) -> list[tuple[int, int]]:
    """Let the fluid drift to frame ``n``. Returns what each side does not see: the fluid's points on the other side's way."""
    fluid = animation.fluid
    forward, backward, end = _fluid_parts(animation)
    parts, hidden = ((forward, backward), (backward, end)), [(backward, end), (forward, backward)]
    offsets = (fluid.forward.at(n), fluid.backward.at(animation.num_frames - n))
    used = 2 if n > 0 and forward < backward else 1  # at rest, and where nothing drifts, both sides are the same
    for part, offset_px, fade in list(zip(parts, offsets, fades, strict=True))[:used]:
        away = (offset_px[fluid.fringe.index].norm(dim=1, keepdim=True) / FRINGE_PX).clamp_max(1.0)
        fluid.cloud.feat[fluid.fringe.index, :3] = torch.lerp(fluid.fringe.resting, fluid.fringe.clean, away)
        ops.drift_points(
            fluid.start_px,
            offset_px,
            (fluid.right, fluid.below),
            fluid.cloud.feat,
            fluid.surface,
            animation.canvas,
            _part(animation.points, *part),
            radius_px=SPLAT_RADIUS_PX,
            max_stretch=MAX_FLUID_STRETCH,
            least_existence=LEAST_EXISTENCE,
            phase=fluid.phase,
            fade=fade,
            detail=detail,
        )
    return hidden[:used]


def _draw(animation: Animation, view: Camera, n: int, blend: Blend = "contrast") -> Frame:
    """Splat both sides of frame ``n`` and blend them."""
    fluid, loop_t = animation.fluid, n / animation.num_frames
    share, fades, detail = loop_t, (0.0, 0.0), None
    if blend == "contrast" and n > 0:
        share = loop_contrast.backward_share(loop_t)
        fades = loop_contrast.fades(share)
        gain, spacing_px = (
            (fluid.phase.new_ones(1, 1), 1) if fluid.gains is None else (fluid.gains.at(loop_t), fluid.gains.spacing_px)
        )
        detail = ops.Detail(fluid.detail.fine, fluid.detail.broad, gain, spacing_px)
    hidden = _drift_to(animation, n, fades, detail)
    pose = torch.eye(3, 4) if view.world_to_cam is None else view.world_to_cam
    raster = ops.splat_points(
        animation.points.xyz,
        animation.points.feat,
        animation.points.radius,
        view.with_pose(pose.repeat(len(hidden), 1, 1)),
        compositor="surface",
        depth_tolerance=DEPTH_TOLERANCE,
        max_points=MAX_POINTS,
        opacity=animation.points.opacity,
        hidden=hidden,
        out=_views(animation.raster, slice(len(hidden))),
    )
    sides = _views(raster, 0), _views(raster, -1)
    share = share if len(hidden) == 2 else 0.0
    return ops.compose_frame(*sides, share, sharpness=animation.sharpness, least_alpha=UNCOVERED_ALPHA)


def _views(raster: Raster, which: int | slice) -> Raster:
    return Raster(raster.feat[which], raster.alpha[which], raster.disp[which])


def _bend(animation: Animation, loop_t: float) -> None:
    """Put the bent points where they are at this moment."""
    bent = animation.bent
    if len(bent.cloud) > 0:
        end, _, _ = _fluid_parts(animation)
        xy_px = bent.start_px + harmonic.displaced_px(bent.sine_px, bent.cosine_px, loop_t)
        animation.points.xyz[end - len(xy_px) : end] = _unproject(animation.canvas, xy_px, bent.cloud.xyz[:, 2])


def place_points(animation: Animation, frame: int) -> tuple[PointCloud, list[tuple[int, int]]]:
    """The points of frame ``frame``, and for each side, forward and backward, those that it does not see, ``(first, end)``
    (one side alone where both are the same): for a renderer of its own that puts something else in the place of their colours.
    They stand until the next frame is placed or rendered."""
    n = frame % animation.num_frames
    _bend(animation, n / animation.num_frames)
    return animation.points, _drift_to(animation, n)


def _joined(clouds: Sequence[PointCloud]) -> PointCloud:
    return PointCloud(
        *(torch.cat([getattr(cloud, name) for cloud in clouds]) for name in ("xyz", "feat", "radius", "opacity"))
    )


def _part(cloud: PointCloud, first: int, end: int) -> PointCloud:
    return PointCloud(cloud.xyz[first:end], cloud.feat[first:end], cloud.radius[first:end])


def _fill_uncovered(frame: Frame) -> Frame:
    """Colour the uncovered pixels by the mean of ever wider neighbourhoods of covered ones."""
    uncovered = frame.uncovered
    if not bool(uncovered.any()) or bool(uncovered.all()):
        return frame
    weight = (~uncovered)[None, None].to(torch.float32)
    value = frame.rgb_u8.permute(2, 0, 1)[None] * weight
    while not bool((weight > 0).all()):
        wide_value, wide_weight = functional.avg_pool2d(value, 3, 1, 1), functional.avg_pool2d(weight, 3, 1, 1)
        known = weight > 0
        value = torch.where(known, value, wide_value / wide_weight.clamp_min(1e-12))
        weight = (known | (wide_weight > 0)).to(torch.float32)
    return Frame((value[0].permute(1, 2, 0) + 0.5).to(torch.uint8).contiguous(), uncovered)


def render_frame(
    animation: Animation, world_to_cam: Tensor, frame: int, blend: Blend = "contrast", zoom: float = 1.0
) -> Frame:
    """Render frame ``frame`` (any integer: the loop repeats) from the pose ``world_to_cam [3, 4]``, with the focal length
    times ``zoom``.

    ``blend="linear"`` is the paper's cross-fade, which dims and blurs in mid-loop; ``"contrast"`` keeps the detail's contrast.
    """
    n = frame % animation.num_frames
    _bend(animation, n / animation.num_frames)
    view = animation.camera.with_pose(world_to_cam).zoomed(zoom)
    return _fill_uncovered(_draw(animation, view, n, blend))


def render_path(animation: Animation, path: CameraPath, blend: Blend = "contrast") -> Iterator[Frame]:
    """Render one frame per pose of ``path``; the motion's loop repeats every ``animation.num_frames``."""
    for n in range(len(path)):
        yield render_frame(animation, path.world_to_cam[n], n, blend, 1.0 if path.zoom is None else float(path.zoom[n]))
