"""The learned renderer that stage two trains, and the colour-only ones that it is measured against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ... import ops
from ...data import Camera, Layers, Raster
from ...ops import Compositor
from ..decoder import ALPHA_CHANNEL, Decoder
from ..features import FeatureExtractor
from .points import SidePoints, both_sides
from .samples import RenderSample

COLOUR_SHARPNESS = 4.0  # of the disparity relative to the nearest, as in the paper's direct picture
UNCOVERED_ALPHA = 1e-3
LOGIT_UNITS = ((0.5, 0.5626), (0.8, 7.2053))  # thresholds and gains, fitted to logit(c) under the PReLU's initial slope


def nearest_disparity(sample: RenderSample) -> float:
    """The disparity of the sample's nearest point: the unit of the decoder's last channel."""
    return float((1.0 / sample.start.z_cam[sample.start.alpha > 0.5]).max())


def _disparity_seen(xyz: Tensor, camera: Camera) -> Tensor:
    """``1 / z`` of world points in the camera's frame."""
    pose = camera.pose.to(xyz.device)
    return 1.0 / (xyz @ pose[2, :3] + pose[2, 3]).clamp_min(1e-6)


@torch.no_grad()
def start_from_colours(decoder: Decoder) -> None:
    """Let a new decoder begin as the renderer without networks: it shows the colours that it is given.

    A random one takes thousands of steps to learn just that. One that corrects them has nothing to add. One that makes them
    does so to 41 dB: of each colour ``c`` the first convolution takes ``c - t`` and ``1 - t - c`` for two thresholds ``t``;
    with PReLU's kinks they add up to the inverse of the last sigmoid. The alpha channel stands for 1.
    """
    first, last = decoder.firstconv.weight, decoder.outc.conv.weight
    middle, centre = first.shape[2] // 2, last.shape[2] // 2
    last.zero_()
    decoder.outc.conv.get_parameter("bias").zero_()
    if decoder.compositor == "surface":
        return
    units = [(colour, threshold, gain, sign) for colour in range(3) for threshold, gain in LOGIT_UNITS for sign in (1, -1)]
    first[: len(units)] = 0
    for n, (colour, threshold, gain, sign) in enumerate(units):
        first[n, colour, middle, middle] = sign
        first[n, ALPHA_CHANNEL, middle, middle] = -threshold if sign > 0 else 1 - threshold
        last[colour, n, centre, centre] = sign * gain


class LearnedRenderer(nn.Module):
    """Extractor and decoder around the splat: a batch of samples to pictures ``[B, 3, H, W]`` in 0..1.

    A point carries 37 channels: colour, 1, 32 features, and its disparity relative to the scene's nearest point. Each sample
    is a batch of its own for the extractor, whose normalisation has no other statistics when a photo is rendered. The decoder
    corrects the colours of ``compositor="surface"``, which are sharp; under ``"alpha"`` it makes the picture, as the paper's.
    """

    def __init__(self, extractor_channels: int, decoder_channels: int, compositor: Compositor) -> None:
        super().__init__()
        self.feature_net = FeatureExtractor(width=extractor_channels)
        self.img_decoder = Decoder(width=decoder_channels, compositor=compositor)
        start_from_colours(self.img_decoder)

    def forward(self, samples: Sequence[RenderSample]) -> Tensor:
        return self.img_decoder(torch.cat([self._blended(sample) for sample in samples]))

    def _blended(self, sample: RenderSample) -> Tensor:
        features = self._features([sample.start, sample.end])
        sides = both_sides(sample.start, sample.end, sample.camera, sample.num_frames, sample.frame)
        nearest = nearest_disparity(sample)
        fwd, bwd = (
            self._splat(points, layers, feature, sample.camera, nearest)
            for points, layers, feature in zip(sides, (sample.start, sample.end), features, strict=True)
        )
        blended = ops.blend_bidirectional(fwd, bwd, sample.loop_t, sharpness=1.0)
        return blended.feat.permute(2, 0, 1)[None]

    def _features(self, moments: Sequence[Layers]) -> tuple[Tensor, ...]:
        """The features of each moment's pixels, ``[P, 32]``."""
        planes = []
        for moment in moments:
            rgba = torch.cat([moment.rgb * moment.alpha[:, None], moment.alpha[:, None]], dim=1)
            planes += [moment.plane(rgba, layer) for layer in range(moment.num_layers)]
        batch = torch.stack(planes).permute(0, 3, 1, 2)
        # Not channels-last: on processors with AVX2 alone the backward pass of torch 2.13's convolutions then writes beyond
        # its buffers.
        coarse = self.feature_net(batch.contiguous())
        fine = functional.interpolate(coarse.float(), batch.shape[2:], mode="bilinear", align_corners=True)
        flat = iter(fine.permute(0, 2, 3, 1).flatten(1, 2))
        return tuple(
            torch.cat([next(flat)[moment.pixel[moment.part(layer)]] for layer in range(moment.num_layers)])
            for moment in moments
        )

    def _splat(self, points: SidePoints, layers: Layers, features: Tensor, camera: Camera, nearest: float) -> Raster:
        rgb = layers.rgb[points.source]
        disp = _disparity_seen(points.xyz, camera)[:, None] / nearest
        feat = torch.cat([rgb, torch.ones_like(disp), features[points.source], disp], dim=1)
        splat = ops.splat_points(points.xyz, feat, points.radius, camera, compositor=self.img_decoder.compositor).feat
        return Raster(splat, splat[..., ALPHA_CHANNEL].contiguous(), self.img_decoder.alpha * splat[..., -1])


@torch.no_grad()
def render_colours(sample: RenderSample, compositor: Compositor) -> Tensor:
    """The same points with their plain colours: ``[3, H, W]``, what a renderer without networks shows."""
    rasters = []
    sides = both_sides(sample.start, sample.end, sample.camera, sample.num_frames, sample.frame)
    for points, layers in zip(sides, (sample.start, sample.end), strict=True):
        rgb = layers.rgb[points.source]
        side = ops.splat_points(points.xyz, rgb, points.radius, sample.camera, compositor=compositor)
        rasters.append(Raster(side.feat / side.alpha.clamp_min(UNCOVERED_ALPHA)[..., None], side.alpha, side.disp))
    fwd, bwd = rasters
    sharpness = COLOUR_SHARPNESS / nearest_disparity(sample)
    return ops.blend_bidirectional(fwd, bwd, sample.loop_t, sharpness=sharpness).feat.permute(2, 0, 1).clamp(0, 1)
