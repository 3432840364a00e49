"""A scene to frames by learned features: encode the layers, splat what they encode, blend both sides, decode.

Where the points are in a frame is the affair of `c3drender.render`, whose frames these are in all but colour. As there, a
frame depends on (LearnedAnimation, view, frame number) alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .. import ops
from ..data import Camera, Frame, Layers, PointCloud, Raster
from ..files.scene import Scene
from .checkpoints import RenderModel
from .decoder import ALPHA_CHANNEL, Decoder, quickest
from .features import SIZE_MULTIPLE, FeatureExtractor
from .precision import for_inference, inference_dtype

UNCOVERED_ALPHA = 1e-3

PlacePoints = Callable[[int], tuple[PointCloud, list[tuple[int, int]]]]


@dataclass(frozen=True, eq=False)
class LearnedAnimation:
    """A scene ready to render as a loop of ``num_frames``.

    ``place(n)`` gives the points of frame ``n``, and those that the forward and the backward side do not see (one side alone
    where both are the same). The last of the points' four channels is the confidence with which they speak for their pixel
    when the sides are blended. ``feat`` ``[N, 3 + 1 + C + 1]``: colour, 1, features, and that confidence, which each frame
    writes anew: one LearnedAnimation renders one frame at a time. ``disp_unit``: the disparity that the decoder sees as 1;
    ``sharpness``: of the blend, per such unit.
    """

    camera: Camera
    place: PlacePoints
    feat: Tensor
    decoder: Decoder
    disp_unit: float
    sharpness: float
    num_frames: int


def _encode(layers: Layers, layer: int, extractor: FeatureExtractor) -> Tensor:
    """The features of one layer, at each of its pixels: ``[P_k, C]``, float32."""
    height, width = layers.size
    rgba = layers.plane(torch.cat([layers.rgb * layers.alpha[:, None], layers.alpha[:, None]], dim=1), layer)
    beyond = (0, -width % SIZE_MULTIPLE, 0, -height % SIZE_MULTIPLE)
    padded = functional.pad(rgba.permute(2, 0, 1)[None], beyond, mode="replicate")
    dtype = next(extractor.parameters()).dtype
    coarse = extractor(padded.to(dtype, memory_format=torch.channels_last)).float()
    fine = functional.interpolate(coarse, padded.shape[2:], mode="bilinear", align_corners=True)[0]
    at_pixels = fine[:, :height, :width].permute(1, 2, 0).reshape(height * width, -1)
    return at_pixels[layers.pixel[layers.part(layer)]]


@torch.no_grad()
def animate(scene: Scene, model: RenderModel, source: Tensor, place: PlacePoints, num_frames: int) -> LearnedAnimation:
    """Encode the scene's layers and give each point its features, for a loop of ``num_frames``.

    ``source`` int64 ``[N]``: the layers' pixel that each point of ``place`` was lifted from. The networks run on the scene's
    device in its fastest number format (`precision.inference_dtype`, `decoder.quickest`).
    """
    layers = scene.layers
    device = layers.rgb.device
    extractor = for_inference(model.features, device, inference_dtype(device))
    encoded = torch.cat([_encode(layers, layer, extractor) for layer in range(layers.num_layers)])
    feat = torch.ones(len(source), 3 + 1 + encoded.shape[1] + 1, device=device)
    feat[:, :ALPHA_CHANNEL], feat[:, ALPHA_CHANNEL + 1 : -1] = layers.rgb[source], encoded[source]
    return LearnedAnimation(
        camera=scene.camera,
        place=place,
        feat=feat,
        decoder=quickest(model.decoder, device),
        disp_unit=float((1.0 / layers.z_cam[layers.alpha > UNCOVERED_ALPHA]).max()),
        sharpness=float(model.decoder.alpha),
        num_frames=num_frames,
    )


def _splat(animation: LearnedAnimation, view: Camera, n: int) -> list[Raster]:
    """The sides of frame ``n``, with the disparity that the decoder sees."""
    points, hidden = animation.place(n)
    animation.feat[:, -1] = points.feat[:, -1]
    views = view.with_pose(view.pose.repeat(len(hidden), 1, 1))
    compositor = animation.decoder.compositor
    splat = ops.splat_points(
        points.xyz, animation.feat, points.radius, views, compositor=compositor, opacity=points.opacity, hidden=hidden
    )
    return [Raster(*side) for side in zip(splat.feat, splat.alpha, splat.disp / animation.disp_unit, strict=True)]


def _blend(sides: list[Raster], loop_t: float, sharpness: float) -> Tensor:
    """What the decoder reads, ``[H, W, 3 + 1 + C + 1]``: colour, coverage, features, disparity."""
    if len(sides) == 1:
        feat, disp = sides[0].feat, sides[0].disp
    else:
        fwd, bwd = (Raster(side.feat, side.feat[..., -1].contiguous(), side.disp) for side in sides)
        blended = ops.blend_bidirectional(fwd, bwd, loop_t, sharpness=sharpness)
        feat, disp = blended.feat, blended.w_fwd * fwd.disp + blended.w_bwd * bwd.disp
    # The confidence has done its work: its channel is where the decoder expects the disparity.
    feat[..., -1] = disp
    return feat


@torch.no_grad()
def render_frame(animation: LearnedAnimation, view: Camera, frame: int) -> Frame:
    """Render frame ``frame`` (any integer: the loop repeats) as ``view`` sees it."""
    n, decoder = frame % animation.num_frames, animation.decoder
    sides = _splat(animation, view, n)
    blended = _blend(sides, n / animation.num_frames, animation.sharpness)
    rgb = decoder(blended.to(decoder.alpha.dtype).permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    uncovered = torch.maximum(sides[0].alpha, sides[-1].alpha) < UNCOVERED_ALPHA
    return Frame((rgb.float() * 255 + 0.5).to(torch.uint8).contiguous(), uncovered)
