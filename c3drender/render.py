"""Scene to frames: lift the layers to points, let the fluid ones drift, splat both sides, blend.

A frame depends on (Animation, pose, frame number) alone: no random source, nothing carried from frame to frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import torch
from torch import Tensor
from torch.nn import functional

from . import ops
from .data import Camera, CameraPath, Frame, PointCloud, Raster, Scene

Blend = Literal["contrast", "linear"]

SPLAT_RADIUS_PX = 1.5
DEPTH_TOLERANCE = 0.02
MAX_POINTS = 64  # behind an edge several layers lie close: what hides a pixel must not crowd it out of its own list
BLEND_SHARPNESS = 4.0  # of the disparity relative to the nearest, as in the paper
UNCOVERED_ALPHA = 1e-3
CONTRAST_WINDOW_PX = 16  # small against the fluid, large against its detail
LEAST_ENERGY = 1e-6  # mean square of luma differences: below a quarter of a grey level there is nothing to keep
MAX_CONTRAST_GAIN = 1.6  # a little above sqrt(2): the two sides may even cancel each other
FADE = 1 / 100  # of the longer side: the width over which a fluid's motion fades in from its border
LEAST_CONFIDENCE = 0.02  # of a fluid point that started at the border: it yields to the other side's
MAX_FLUID_STRETCH = 3.0  # px between neighbours up to which displaced points widen to stay one surface
BED_DEPTH = 1.03  # of the fluid's: beyond the depth tolerance, so that a covered bed never mixes with the fluid
BED_RADIUS_PX = 2.5  # wide enough to meet its surroundings, from which its greater depth shifts it away
BED_SAMPLES = 60  # moments of the loop at which gaps in the fluid are looked for


@dataclass(frozen=True)
class Animation:
    """A scene ready to render as a loop of ``num_frames``.

    ``still`` and ``fluid`` points have four channels: colour, and the confidence with which they speak for their pixel when
    the two sides are blended. For each fluid point: its canvas position ``start_px [M, 2]``; ``right``, ``below`` ``[M]``, the
    indices of the fluid points next to it (its own where there is none); its drifts ``forward_px``, ``backward_px``
    ``[num_frames+1, M, 2]``. ``surface [1, 6, H, W]``: of the canvas' fluid surface the disparity, where it exists, how freely
    it moves (0 at its border .. 1), and its colour at rest.
    """

    camera: Camera
    canvas: Camera
    still: PointCloud
    fluid: PointCloud
    start_px: Tensor
    right: Tensor
    below: Tensor
    forward_px: Tensor
    backward_px: Tensor
    surface: Tensor
    sharpness: float
    num_frames: int


def _joined(a: PointCloud, b: PointCloud) -> PointCloud:
    return PointCloud(torch.cat([a.xyz, b.xyz]), torch.cat([a.feat, b.feat]), torch.cat([a.radius, b.radius]))


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


def _neighbour(where: Tensor, dy: int, dx: int) -> Tensor:
    """For each True of ``where [L, H, W]``, in order, the rank of the one at (x+dx, y+dy), or its own where that is False."""
    rank = torch.full(where.shape, -1, dtype=torch.int64, device=where.device)
    own = torch.arange(int(where.sum()), device=where.device)
    rank[where] = own
    beside = torch.full_like(rank, -1)
    height, width = where.shape[1:]
    beside[:, : height - dy, : width - dx] = rank[:, dy:, dx:]
    found = beside[where]
    return torch.where(found >= 0, found, own)


def _presharpened(rgb: Tensor) -> Tensor:
    """``rgb [L, H, W, 3]`` plus what the surface kernel will take away from it on an unmoved grid (one Van Cittert step): a
    splat of the result shows the picture itself, not its blur."""
    side, corner = ((1.0 - d2 / SPLAT_RADIUS_PX**2) ** 6 for d2 in (1.0, 2.0))
    kernel = rgb.new_tensor([[corner, side, corner], [side, 1.0, side], [corner, side, corner]])
    kernel = (kernel / kernel.sum()).expand(3, 1, 3, 3)
    planes = rgb.permute(0, 3, 1, 2)
    blurred = functional.conv2d(functional.pad(planes, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    return (2.0 * planes - blurred).permute(0, 2, 3, 1).contiguous()


def _bare(start_px: Tensor, offsets: tuple[Tensor, Tensor], fluid: Tensor) -> Tensor:
    """Where ``fluid [H, W]`` neither the forward- nor the backward-displaced points cover at some moment of the loop."""
    height, width = fluid.shape
    num_frames = len(offsets[0]) - 1
    # A point that arrives at the border may find itself outside the fluid and not be drawn.
    inner = -functional.max_pool2d(-functional.pad(fluid[None].float(), (1, 1, 1, 1), value=1.0), 3, 1)[0]
    bare = fluid & (inner == 0)
    last = torch.tensor([width, height], device=fluid.device)
    for n in range(0, num_frames, max(num_frames // BED_SAMPLES, 1)):
        # One point in a pixel's own square is near enough to cover it. Row and column 0 take what lies beyond the canvas.
        occupied = torch.zeros((height + 1) * (width + 1), dtype=torch.bool, device=fluid.device)
        for offset_px in (offsets[0][n], offsets[1][num_frames - n]):
            x, y = torch.minimum((start_px + offset_px + 1.0).to(torch.int64).clamp_min(0), last).unbind(1)
            occupied[y * (width + 1) + x] = True
        bare |= ~occupied.view(height + 1, width + 1)[1:, 1:]
    return bare & fluid


def animate(scene: Scene, num_frames: int, speed: float = 1.0) -> Animation:
    """Lift the scene's layers to points and trace its flow for a loop of ``num_frames``. ``speed`` scales the motion."""
    layers = scene.layers
    canvas = scene.camera.padded(layers.margin_px)
    num_layers, height, width = layers.alpha.shape
    exists = layers.alpha > 0
    ys, xs = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    centres = torch.stack([xs, ys], dim=-1).to(layers.rgb.device)
    xy_px = centres.expand(num_layers, -1, -1, -1)

    colour = _presharpened(layers.rgb)

    def cloud(where: Tensor, confidence: Tensor, depth_scale: float = 1.0, radius_px: float = SPLAT_RADIUS_PX) -> PointCloud:
        z_cam = layers.z_cam[where] * depth_scale
        feat = torch.cat([colour[where], confidence.expand(where.shape)[where][:, None]], dim=1)
        return PointCloud(_unproject(canvas, xy_px[where], z_cam), feat, radius_px * z_cam / canvas.fx)

    # Behind a fluid the same fluid would only be drawn twice: a pixel moves in the nearest of its layers that does.
    moves = exists & layers.moving & ((exists & layers.moving).cumsum(dim=0) == 1)
    # The nearest fluid surface at each pixel, visible or continued behind what hides it.
    any_fluid = moves.any(dim=0)
    first = moves.to(torch.uint8).argmax(dim=0, keepdim=True)
    disp = 1.0 / layers.z_cam.gather(0, first)[0]
    step = layers.step_px.gather(0, first[..., None].expand(-1, -1, -1, 2))[0] * any_fluid[..., None]
    resting = colour.gather(0, first[..., None].expand(-1, -1, -1, 3))[0].permute(2, 0, 1)
    freedom = _fade_in(any_fluid, FADE * max(height, width))
    spread = _spread(torch.cat([disp[None], resting]), any_fluid)
    surface = torch.cat([spread[:1], any_fluid[None].to(torch.float32), freedom[None], spread[1:]])[None]
    start_px = xy_px[moves].contiguous()
    step = (step * speed).contiguous()
    forward_px = ops.integrate_flow(step, num_frames, start_px=start_px).offset_px
    backward_px = ops.integrate_flow(-step, num_frames, start_px=start_px).offset_px
    still = cloud(exists & ~layers.moving, freedom.new_ones(()))
    # The bed: where the fluid thins out, the photo's own pixel stays visible behind it.
    bare = _bare(start_px, (forward_px, backward_px), any_fluid)
    bed = cloud(moves & bare, freedom.new_tensor(LEAST_CONFIDENCE**2), BED_DEPTH, BED_RADIUS_PX)
    return Animation(
        camera=scene.camera,
        canvas=canvas,
        still=_joined(still, bed),
        fluid=cloud(moves, freedom.clamp_min(LEAST_CONFIDENCE)),
        start_px=start_px,
        right=_neighbour(moves, 0, 1),
        below=_neighbour(moves, 1, 0),
        forward_px=forward_px,
        backward_px=backward_px,
        surface=surface,
        sharpness=BLEND_SHARPNESS / scene.disp_near,
        num_frames=num_frames,
    )


def _displaced(animation: Animation, offset_px: Tensor) -> PointCloud:
    """The fluid points after drifting by ``offset_px [M, 2]``.

    A point takes its depth from the fluid surface where it arrives; one that arrives where no fluid is gets radius 0: it is
    not drawn. Near the fluid's border it takes the resting colour too, so that the motion fades in instead of being cut off.
    Where the flow pulls neighbours apart the discs widen, and speak with less confidence.
    """
    canvas = animation.canvas
    xy_px = animation.start_px + offset_px
    size = torch.tensor([canvas.width, canvas.height], device=xy_px.device)
    grid = (xy_px / size * 2.0 - 1.0)[None, None]  # align_corners=False: -1 and 1 are the canvas' outer edges
    sampled = functional.grid_sample(animation.surface, grid, align_corners=False, padding_mode="border")[0, :, 0]
    disp, exists, freedom, resting = sampled[0], sampled[1], sampled[2, :, None], sampled[3:].T.contiguous()
    to_right = offset_px[animation.right] - offset_px
    to_below = offset_px[animation.below] - offset_px
    to_right[:, 0] += 1.0
    to_below[:, 1] += 1.0
    stretch = torch.maximum(to_right.norm(dim=1), to_below.norm(dim=1)).clamp_min(1.0)
    z_cam = 1.0 / disp.clamp_min(1e-6)
    drawn = ((xy_px >= 0) & (xy_px <= size)).all(dim=1) & (exists > 0.75)
    # Not at the border, where a wide disc would reach over what stands beside the fluid.
    radius_px = SPLAT_RADIUS_PX * torch.lerp(torch.ones_like(stretch), stretch.clamp_max(MAX_FLUID_STRETCH), freedom[:, 0])
    radius = torch.where(drawn, radius_px * z_cam / canvas.fx, torch.zeros_like(z_cam))
    colour = torch.lerp(resting, animation.fluid.feat[:, :3], freedom)
    confidence = animation.fluid.feat[:, 3] / (stretch * stretch)
    return PointCloud(_unproject(canvas, xy_px, z_cam), torch.cat([colour, confidence[:, None]], dim=1), radius)


def _splat_side(animation: Animation, offset_px: Tensor, view: Camera) -> Raster:
    cloud = _joined(animation.still, _displaced(animation, offset_px))
    return ops.splat_points(
        cloud.xyz,
        cloud.feat,
        cloud.radius,
        view,
        compositor="surface",
        depth_tolerance=DEPTH_TOLERANCE,
        max_points=MAX_POINTS,
    )


def _colour(side: Raster) -> Tensor:
    return side.feat[..., :3] / side.alpha.clamp_min(UNCOVERED_ALPHA)[..., None]


def _windows(planes: Tensor) -> Tensor:
    """Means of ``planes [C, H, W]`` over half-overlapping windows."""
    size = min(CONTRAST_WINDOW_PX, *planes.shape[1:])
    return functional.avg_pool2d(planes[None], size, max(size // 2, 1), size // 2, count_include_pad=False)[0]


def _keep_contrast(blended: Tensor, fwd: Tensor, bwd: Tensor, w_fwd: Tensor, w_bwd: Tensor) -> Tensor:
    """Give the blend of two unlike pictures back the local contrast that averaging took.

    Detail about the local mean is scaled so that its energy (squared differences between neighbours) is the weighted mean of
    the two sides' own. Where both sides are alike (nothing moved) that changes nothing; where they are unrelated and equal in
    weight the gain is about sqrt(2).
    """
    luma = torch.stack([picture.mean(dim=-1) for picture in (blended, fwd, bwd)])
    across, down = luma.diff(dim=2, append=luma[:, :, -1:]), luma.diff(dim=1, append=luma[:, -1:])
    energy = _windows(across * across + down * down).clamp_min(LEAST_ENERGY)
    share_fwd, share_bwd = _windows(torch.stack([w_fwd, w_bwd]))
    gain = ((share_fwd * energy[1] + share_bwd * energy[2]) / energy[0]).sqrt().clamp(1.0, MAX_CONTRAST_GAIN)
    coarse = torch.cat([_windows(blended.permute(2, 0, 1)), gain[None]])[None]
    smooth = functional.interpolate(coarse, blended.shape[:2], mode="bilinear", align_corners=False)[0].permute(1, 2, 0)
    mean, gain = smooth[..., :3], smooth[..., 3:]
    return mean + gain * (blended - mean)


def _fill_uncovered(rgb: Tensor, uncovered: Tensor) -> Tensor:
    """Colour the uncovered pixels by the mean of ever wider neighbourhoods of covered ones."""
    if not bool(uncovered.any()):
        return rgb
    weight = (~uncovered)[None, None].to(rgb.dtype)
    value = rgb.permute(2, 0, 1)[None] * weight
    while not bool((weight > 0).all()) and bool((weight > 0).any()):
        wide_value, wide_weight = functional.avg_pool2d(value, 3, 1, 1), functional.avg_pool2d(weight, 3, 1, 1)
        known = weight > 0
        value = torch.where(known, value, wide_value / wide_weight.clamp_min(1e-12))
        weight = (known | (wide_weight > 0)).to(rgb.dtype)
    return value[0].permute(1, 2, 0)


def render_frame(animation: Animation, world_to_cam: Tensor, frame: int, blend: Blend = "contrast") -> Frame:
    """Render frame ``frame`` (any integer: the loop repeats) from the pose ``world_to_cam [3, 4]``.

    ``blend="linear"`` is the paper's cross-fade, which dims and blurs in mid-loop; ``"contrast"`` keeps the detail's contrast.
    """
    n = frame % animation.num_frames
    view = animation.camera.with_pose(world_to_cam)
    forward = _splat_side(animation, animation.forward_px[n], view)
    if n == 0 or len(animation.fluid) == 0:
        rgb, covered = _colour(forward), forward.alpha
    else:
        backward = _splat_side(animation, animation.backward_px[animation.num_frames - n], view)
        sides = [Raster(_colour(side), side.feat[..., 3].contiguous(), side.disp) for side in (forward, backward)]
        mixed = ops.blend_bidirectional(*sides, n / animation.num_frames, sharpness=animation.sharpness)
        rgb = mixed.feat
        if blend == "contrast":
            rgb = _keep_contrast(rgb, sides[0].feat, sides[1].feat, mixed.w_fwd, mixed.w_bwd)
        covered = torch.maximum(forward.alpha, backward.alpha)
    uncovered = covered < UNCOVERED_ALPHA
    return Frame((_fill_uncovered(rgb, uncovered).clamp(0, 1) * 255 + 0.5).to(torch.uint8), uncovered)


def render_path(animation: Animation, path: CameraPath, blend: Blend = "contrast") -> Iterator[Frame]:
    """Render one frame per pose of ``path``; the motion's loop repeats every ``animation.num_frames``."""
    for n in range(len(path)):
        yield render_frame(animation, path.world_to_cam[n], n, blend)
