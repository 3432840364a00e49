"""A scene to frames by learned features: encode the layers, splat what they encode, blend both sides, decode.

As in `c3drender.render`, a frame depends on (LearnedAnimation, view, frame number) alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .. import ops
from ..data import Camera, CameraPath, Frame, Layers, Raster, Scene
from .checkpoints import RenderModel
from .decoder import Decoder
from .features import SIZE_MULTIPLE, FeatureExtractor
from .precision import for_inference, inference_dtype

SPLAT_RADIUS_PX = 1.5
UNCOVERED_ALPHA = 1e-3
LEAST_PRESENCE = 0.5  # of the fluid where a point arrives; below, it has left the fluid and is not drawn
BED_DEPTH = 1.03  # of the fluid's: a copy at rest shows where the fluid moved away on both sides
BED_CONFIDENCE = 1e-3  # it yields to the other side's fluid
CONFIDENCE_CHANNEL = -1


@dataclass(frozen=True)
class LearnedAnimation:
    """A scene ready to render as a loop of ``num_frames``.

    ``resting_xyz`` ``[S, 3]`` are the points that never move; after them come the ``M`` of the fluid, which start at
    ``start_px [M, 2]`` on the ``canvas`` and drift by ``forward_px``, ``backward_px`` ``[num_frames + 1, M, 2]`` along
    ``surface [1, 2, H, W]`` (disparity where the fluid exists, existence). ``feat`` ``[S + M, 3 + C + 1]``: colour, features,
    confidence when the two sides are blended; ``resting_radius`` ``[S]`` in scene units. ``disp_unit``: the disparity that the
    decoder sees as 1; ``sharpness``: of the blend, per such unit.
    """

    camera: Camera
    canvas: Camera
    resting_xyz: Tensor
    resting_radius: Tensor
    start_px: Tensor
    forward_px: Tensor
    backward_px: Tensor
    surface: Tensor
    feat: Tensor
    decoder: Decoder
    disp_unit: float
    sharpness: float
    num_frames: int


def _unproject(canvas: Camera, xy_px: Tensor, z_cam: Tensor) -> Tensor:
    x = (xy_px[:, 0] - canvas.cx) / canvas.fx
    y = (xy_px[:, 1] - canvas.cy) / canvas.fy
    return torch.stack([x * z_cam, y * z_cam, z_cam], dim=1)


def _encode(layers: Layers, extractor: FeatureExtractor) -> Tensor:
    """Features of all layers, as one batch: ``[L, C, h, w]``, float32."""
    height, width = layers.alpha.shape[1:]
    alpha = layers.alpha[..., None]
    rgba = torch.cat([layers.rgb * alpha, alpha], dim=-1).permute(0, 3, 1, 2)
    padded = functional.pad(rgba, (0, -width % SIZE_MULTIPLE, 0, -height % SIZE_MULTIPLE), mode="replicate")
    dtype = next(extractor.parameters()).dtype
    return extractor(padded.to(dtype, memory_format=torch.channels_last)).float()


def _at_pixels(features: Tensor, size: tuple[int, int]) -> Tensor:
    """One layer's ``features [C, h, w]`` at every pixel: ``[H, W, C]``."""
    height, width = size
    whole = (height + -height % SIZE_MULTIPLE, width + -width % SIZE_MULTIPLE)
    fine = functional.interpolate(features[None], whole, mode="bilinear", align_corners=True)[0]
    return fine[:, :height, :width].permute(1, 2, 0)


@torch.no_grad()
def animate(scene: Scene, model: RenderModel, num_frames: int, speed: float = 1.0) -> LearnedAnimation:
    """Encode the scene's layers, lift them to points and trace their flow for a loop of ``num_frames``.

    The networks run on the scene's device, in its fastest number format (`precision.inference_dtype`).
    """
    layers = scene.layers
    device, size = layers.rgb.device, tuple(layers.alpha.shape[1:])
    dtype = inference_dtype(device)
    features = _encode(layers, for_inference(model.features, device, dtype))
    canvas = scene.camera.padded(layers.margin_px)
    exists = layers.alpha > UNCOVERED_ALPHA
    fluid = exists & layers.moving
    moves = fluid & (fluid.cumsum(dim=0) == 1)  # behind a fluid the same fluid would only be drawn twice
    still = exists & ~layers.moving
    ys, xs = torch.meshgrid(*(torch.arange(n, device=device) + 0.5 for n in size), indexing="ij")
    centres = torch.stack([xs, ys], dim=-1).expand(*exists.shape, 2)

    def carried(where: Tensor, confidence: float) -> Tensor:
        """``[N, 3 + C + 1]`` of the points at the True of ``where [L, H, W]``, layer by layer."""
        parts = []
        for here, rgb, encoded in zip(where, layers.rgb, features, strict=True):
            own = torch.cat([rgb[here], _at_pixels(encoded, size)[here]], dim=1)
            parts.append(functional.pad(own, (0, 1), value=confidence))
        return torch.cat(parts)

    resting_z = torch.cat([layers.z_cam[still], layers.z_cam[moves] * BED_DEPTH])
    start_px = centres[moves].contiguous()
    step_px = (layers.step_px * moves[..., None]).sum(dim=0) * speed
    flowing = carried(moves, 1.0)
    bed = torch.cat([flowing[:, :-1], torch.full_like(flowing[:, -1:], BED_CONFIDENCE)], dim=1)
    return LearnedAnimation(
        camera=scene.camera,
        canvas=canvas,
        resting_xyz=_unproject(canvas, torch.cat([centres[still], start_px]), resting_z),
        resting_radius=SPLAT_RADIUS_PX / canvas.fx * resting_z,
        start_px=start_px,
        forward_px=ops.integrate_flow(step_px, num_frames, start_px=start_px).offset_px,
        backward_px=ops.integrate_flow(-step_px, num_frames, start_px=start_px).offset_px,
        surface=torch.stack([(moves / layers.z_cam).sum(dim=0), moves.any(dim=0).float()])[None],
        feat=torch.cat([carried(still, 1.0), bed, flowing]),
        decoder=for_inference(model.decoder, device, dtype),
        disp_unit=float((1.0 / layers.z_cam[exists]).max()),
        sharpness=float(model.decoder.alpha),
        num_frames=num_frames,
    )


def _splat_side(animation: LearnedAnimation, offset_px: Tensor, view: Camera) -> tuple[Raster, Tensor]:
    """One side, ready to be blended: ``feat`` is what the decoder reads, ``[H, W, 3 + 1 + C + 1]``. And its coverage."""
    canvas = animation.canvas
    xy_px = animation.start_px + offset_px
    size = torch.tensor([canvas.width, canvas.height], device=xy_px.device)
    grid = (xy_px / size * 2.0 - 1.0)[None, None]  # align_corners=False: -1 and 1 are the canvas' outer edges
    disp, presence = functional.grid_sample(animation.surface, grid, align_corners=False, padding_mode="border")[0, :, 0]
    z_cam = presence.clamp_min(1e-6) / disp.clamp_min(1e-9)
    drawn = (presence > LEAST_PRESENCE) & ((xy_px >= 0) & (xy_px <= size)).all(dim=1)
    splat = ops.splat_points(
        torch.cat([animation.resting_xyz, _unproject(canvas, xy_px, z_cam)]),
        animation.feat,
        torch.cat([animation.resting_radius, SPLAT_RADIUS_PX / canvas.fx * z_cam * drawn]),
        view,
        compositor="alpha",
    )
    relative = splat.disp[..., None] / animation.disp_unit
    feat = torch.cat([splat.feat[..., :3], splat.alpha[..., None], splat.feat[..., 3:CONFIDENCE_CHANNEL], relative], dim=-1)
    return Raster(feat, splat.feat[..., CONFIDENCE_CHANNEL].contiguous(), relative[..., 0].contiguous()), splat.alpha


@torch.no_grad()
def render_frame(animation: LearnedAnimation, view: Camera, frame: int) -> Frame:
    """Render frame ``frame`` (any integer: the loop repeats) as ``view`` sees it."""
    n, decoder = frame % animation.num_frames, animation.decoder
    forward, covered = _splat_side(animation, animation.forward_px[n], view)
    backward, also_covered = _splat_side(animation, animation.backward_px[animation.num_frames - n], view)
    blended = ops.blend_bidirectional(forward, backward, n / animation.num_frames, sharpness=animation.sharpness).feat
    rgb = decoder(blended.to(decoder.alpha.dtype).permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    uncovered = torch.maximum(covered, also_covered) < UNCOVERED_ALPHA
    return Frame((rgb.float() * 255 + 0.5).to(torch.uint8).contiguous(), uncovered)


def render_path(animation: LearnedAnimation, path: CameraPath) -> Iterator[Frame]:
    """Render one frame per view of ``path``; the motion's loop repeats every ``animation.num_frames``."""
    for n in range(len(path)):
        view = animation.camera.with_pose(path.world_to_cam[n])
        yield render_frame(animation, view if path.zoom is None else view.zoomed(float(path.zoom[n])), n)
