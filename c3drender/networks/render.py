"""A scene to frames by learned features: encode the layers, splat what they encode, blend both sides, decode.

Where the points are in a frame is the affair of `c3drender.render`, whose frames these are in all but colour. As there, a
frame depends on (LearnedAnimation, view, frame number) alone. Training goes the same way, with the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .. import ops
from ..data import Camera, Frame, Layers, PointCloud, Raster
from ..files.scene import Scene
from ..ops import Compositor
from ..render.frame import UNCOVERED_ALPHA
from .checkpoints import RenderModel
from .decoder import Decoder, quickest
from .features import SIZE_MULTIPLE, FeatureExtractor
from .precision import for_inference, inference_dtype

PlacePoints = Callable[[float], tuple[PointCloud, list[tuple[int, int]]]]


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


def encode(layers: Layers, extractor: FeatureExtractor) -> Tensor:
    """The features at each of the layers' pixels, float32 ``[P, C]``. Each layer is a batch of its own: the extractor
    normalises by the statistics of its batch, and a scene may have any number of layers."""
    return torch.cat([_encode(layers, layer, extractor) for layer in range(layers.num_layers)])


def _encode(layers: Layers, layer: int, extractor: FeatureExtractor) -> Tensor:
    height, width = layers.size
    rgba = layers.plane(torch.cat([layers.rgb * layers.alpha[:, None], layers.alpha[:, None]], dim=1), layer)
    beyond = (0, -width % SIZE_MULTIPLE, 0, -height % SIZE_MULTIPLE)
    padded = functional.pad(rgba.permute(2, 0, 1)[None], beyond, mode="replicate")
    # On processors with AVX2 alone the backward pass of torch 2.13's channels-last convolutions writes beyond its buffers.
    layout = torch.contiguous_format if torch.is_grad_enabled() else torch.channels_last
    coarse = extractor(padded.to(next(extractor.parameters()).dtype).contiguous(memory_format=layout)).float()
    fine = functional.interpolate(coarse, padded.shape[2:], mode="bilinear", align_corners=True)[0]
    at_pixels = fine[:, :height, :width].permute(1, 2, 0).reshape(height * width, -1)
    return at_pixels[layers.pixel[layers.part(layer)]]


def point_rows(layers: Layers, encoded: Tensor, source: Tensor, confidence: Tensor) -> Tensor:
    """What points carry that were lifted from the layers' pixels ``source`` int64 ``[N]``, float32 ``[N, 3 + 1 + C + 1]``:
    colour, 1, their features of ``encoded [P, C]``, and their ``confidence [N]``."""
    ones = confidence.new_ones(len(source), 1)
    return torch.cat([layers.rgb[source], ones, encoded[source], confidence[:, None]], dim=1)


def disparity_unit(layers: Layers) -> float:
    """The disparity that the decoder sees as 1: the nearest that the layers have."""
    return float((1.0 / layers.z_cam[layers.alpha > UNCOVERED_ALPHA]).max())


@torch.no_grad()
def animate(scene: Scene, model: RenderModel, source: Tensor, place: PlacePoints, num_frames: int) -> LearnedAnimation:
    """Encode the scene's layers and give each point its features, for a loop of ``num_frames``.

    ``source`` int64 ``[N]``: the layers' pixel that each point of ``place`` was lifted from. The networks run on the scene's
    device in its fastest number format (`precision.inference_dtype`, `decoder.quickest`).
    """
    layers = scene.layers
    device = layers.rgb.device
    extractor = for_inference(model.features, device, inference_dtype(device))
    confidence = layers.rgb.new_ones(len(source))
    return LearnedAnimation(
        camera=scene.camera,
        place=place,
        feat=point_rows(layers, encode(layers, extractor), source, confidence),
        decoder=quickest(model.decoder, device),
        disp_unit=disparity_unit(layers),
        sharpness=float(model.decoder.alpha),
        num_frames=num_frames,
    )


def splat_sides(
    points: PointCloud,
    feat: Tensor,
    view: Camera,
    hidden: Sequence[tuple[int, int]],
    compositor: Compositor,
    disp_unit: float,
) -> list[Raster]:
    """``points`` that carry ``feat`` (`point_rows`) as ``view`` sees them, once for each of the ranges ``hidden`` that it does
    not see. ``disp`` is in units of ``disp_unit``. Differentiable in ``feat``."""
    views = view.with_pose(view.pose.repeat(len(hidden), 1, 1))
    splat = ops.splat_points(
        points.xyz, feat, points.radius, views, compositor=compositor, opacity=points.opacity, hidden=hidden
    )
    return [Raster(splat.feat[n], splat.alpha[n], splat.disp[n] / disp_unit) for n in range(len(hidden))]


def blend_sides(sides: Sequence[Raster], loop_t: float, sharpness: float | Tensor) -> Tensor:
    """What the decoder reads, ``[H, W, 3 + 1 + C + 1]``, of the forward and the backward side, or the one that both are:
    colour, coverage, features, disparity. Differentiable in the sides and in a tensor ``sharpness``."""
    if len(sides) == 1:
        feat, disp = sides[0].feat, sides[0].disp
    else:
        fwd, bwd = (Raster(side.feat, side.feat[..., -1].contiguous(), sharpness * side.disp) for side in sides)
        blended = ops.blend_bidirectional(fwd, bwd, loop_t, sharpness=1.0)
        feat, disp = blended.feat, blended.w_fwd * sides[0].disp + blended.w_bwd * sides[1].disp
    # The confidence has done its work: its channel is where the decoder expects the disparity.
    feat[..., -1] = disp
    return feat


@torch.no_grad()
def render_frame(animation: LearnedAnimation, view: Camera, frame: float, depth: bool = False) -> Frame:
    """Render frame ``frame`` (any number: the loop repeats) as ``view`` sees it; with the disparity of that, if asked for."""
    n, decoder = frame % animation.num_frames, animation.decoder
    points, hidden = animation.place(n)
    animation.feat[:, -1] = points.feat[:, -1]
    sides = splat_sides(points, animation.feat, view, hidden, decoder.compositor, animation.disp_unit)
    blended = blend_sides(sides, n / animation.num_frames, animation.sharpness)
    rgb = decoder(blended.to(decoder.alpha.dtype).permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    uncovered = torch.maximum(sides[0].alpha, sides[-1].alpha) < UNCOVERED_ALPHA
    disp = blended[..., -1] * animation.disp_unit if depth else None
    return Frame((rgb.float() * 255 + 0.5).to(torch.uint8).contiguous(), uncovered, disp)
