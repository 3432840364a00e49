"""The learned renderer that stage two trains, and the colour-only ones that it is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ... import render
from ...data import DepthSpan, PointCloud
from ...files.scene import Scene
from ...ops import Compositor
from ...render.animate import BLEND_SHARPNESS
from ..decoder import ALPHA_CHANNEL, LEAST_ALPHA, Decoder
from ..features import FeatureExtractor
from ..render import blend_sides, disparity_unit, encode, point_rows, splat_sides
from .samples import RenderSample

LOGIT_UNITS = ((0.5, 0.5626), (0.8, 7.2053))  # thresholds and gains, fitted to logit(c) under the PReLU's initial slope


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

    What the decoder reads is made as in a video (`networks.render`): the same points, rows, splat and blend. The decoder
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
        encoded = [encode(layers, self.feature_net) for layers in (sample.start, sample.end)]
        decoder = self.img_decoder
        return blended_moments(sample, encoded, decoder.compositor, decoder.alpha).permute(2, 0, 1)[None]


def blended_moments(
    sample: RenderSample, encoded: Sequence[Tensor], compositor: Compositor, sharpness: float | Tensor
) -> Tensor:
    """What a decoder reads at the sample's frame, ``[H, W, 3 + 1 + C + 1]`` (`networks.render.blend_sides`): of the start on
    its way forward, and of the end on its way back. ``encoded [P, C]``: the features of both moments' pixels."""
    unit, sides = disparity_unit(sample.start), []
    moments = zip((sample.start, sample.end), encoded, _placed(sample), strict=True)
    for layers, features, (points, source, hidden) in moments:
        feat = point_rows(layers, features, source, points.feat[:, -1])
        sides += splat_sides(points, feat, sample.camera, [hidden], compositor, unit)
    return blend_sides(sides, sample.loop_t, sharpness)


@torch.no_grad()
def _placed(sample: RenderSample) -> list[tuple[PointCloud, Tensor, tuple[int, int]]]:
    """Of the sample's start and of its end the points of its frame, the pixel that each was lifted from, and those that are
    not seen: the fluid on the other way."""
    resting = replace(sample.camera, world_to_cam=None)
    unit, placed = disparity_unit(sample.start), []
    for layers, side in ((sample.start, 0), (sample.end, -1)):
        scene = Scene(resting, layers, DepthSpan(unit, unit, unit))
        animation = render.animate(scene, sample.num_frames, blend="linear")
        points, hidden = render.place_points(animation, sample.frame)
        placed.append((points, animation.source, hidden[side]))
    return placed


@torch.no_grad()
def render_colours(sample: RenderSample, compositor: Compositor) -> Tensor:
    """The same points with their plain colours: ``[3, H, W]``, what a renderer without networks shows."""
    no_features = [layers.rgb.new_zeros(len(layers.rgb), 0) for layers in (sample.start, sample.end)]
    blended = blended_moments(sample, no_features, compositor, BLEND_SHARPNESS).permute(2, 0, 1)
    return (blended[:ALPHA_CHANNEL] / blended[ALPHA_CHANNEL].clamp_min(LEAST_ALPHA)).clamp(0, 1)
