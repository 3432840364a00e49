"""The motion network: photo, mask and hints to an Eulerian flow field."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import spectral_norm

SIZE_MULTIPLE = 256  # of a side: eight halvings, and normalisation needs more than one element
NUM_INPUTS = 6  # colour in -1..1, mask, hint (x, y)
MASK_CHANNEL, HINT_CHANNEL = 3, 4
NEGATIVE_SLOPE = 0.2


class _Spade(nn.Module):
    """Normalisation whose scale and shift are predicted, pixel by pixel, from the network's input (Park et al. 2019)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(NUM_INPUTS, 128, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(128, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(128, channels, 3, padding=1)

    def forward(self, x: Tensor, inputs: Tensor) -> Tensor:
        shared = self.mlp_shared(_resized(inputs, (x.shape[2], x.shape[3])))
        return functional.instance_norm(x) * (1 + self.mlp_gamma(shared)) + self.mlp_beta(shared)


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """``x`` interpolated bilinearly, but channel 3 by its nearest pixels: in the input that is the mask.

    The published weights expect channel 3 of every inner map to be enlarged in the same way.
    """
    smooth = functional.interpolate(x, size, mode="bilinear", align_corners=False)
    nearest = functional.interpolate(x[:, MASK_CHANNEL : MASK_CHANNEL + 1], size)
    return torch.cat([smooth[:, :MASK_CHANNEL], nearest, smooth[:, MASK_CHANNEL + 1 :]], dim=1)


def _doubled(*maps: Tensor) -> Tensor:
    height, width = maps[0].shape[2:]
    return torch.cat([_resized(x, (2 * height, 2 * width)) for x in maps], dim=1)


def _down(in_channels: int, out_channels: int) -> nn.Conv2d:
    return spectral_norm(nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1))


def _up(in_channels: int, out_channels: int) -> nn.Conv2d:
    return spectral_norm(nn.Conv2d(in_channels, out_channels, 3, padding=1))


class SpadeUnet(nn.Module):
    """A U-Net of eight levels; every inner map but the first and the deepest is normalised by `_Spade`."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        w = width
        self.conv1 = _down(NUM_INPUTS, w)
        self.conv2 = _down(w, 2 * w)
        self.conv3 = _down(2 * w, 4 * w)
        self.conv4 = _down(4 * w, 8 * w)
        self.conv5 = _down(8 * w, 8 * w)
        self.conv6 = _down(8 * w, 8 * w)
        self.conv7 = _down(8 * w, 8 * w)
        self.conv8 = _down(8 * w, 8 * w)
        self.dconv1 = _up(8 * w, 8 * w)
        self.dconv2 = _up(16 * w, 8 * w)
        self.dconv3 = _up(16 * w, 8 * w)
        self.dconv4 = _up(16 * w, 8 * w)
        self.dconv5 = _up(16 * w, 4 * w)
        self.dconv6 = _up(8 * w, 2 * w)
        self.dconv7 = _up(4 * w, w)
        self.dconv8 = _up(2 * w, 2)
        self.spade_layer = _Spade(w)
        self.spade_layer2_0, self.spade_layer2_1 = _Spade(2 * w), _Spade(2 * w)
        self.spade_layer4_0, self.spade_layer4_1 = _Spade(4 * w), _Spade(4 * w)
        for n in range(8):
            self.add_module(f"spade_layer8_{n}", _Spade(8 * w))

    def forward(self, inputs: Tensor) -> Tensor:
        spades8 = [self.get_submodule(f"spade_layer8_{n}") for n in range(8)]
        encoders = (
            (self.conv2, self.spade_layer2_0),
            (self.conv3, self.spade_layer4_0),
            (self.conv4, spades8[0]),
            (self.conv5, spades8[1]),
            (self.conv6, spades8[2]),
            (self.conv7, spades8[3]),
        )
        decoders = (
            (self.dconv1, spades8[4]),
            (self.dconv2, spades8[5]),
            (self.dconv3, spades8[6]),
            (self.dconv4, spades8[7]),
            (self.dconv5, self.spade_layer4_1),
            (self.dconv6, self.spade_layer2_1),
            (self.dconv7, self.spade_layer),
        )
        x = self.conv1(inputs)
        encoded = [x]
        for conv, spade in encoders:
            x = spade(conv(functional.leaky_relu(x, NEGATIVE_SLOPE)), inputs)
            encoded.append(x)
        x = self.conv8(functional.leaky_relu(x, NEGATIVE_SLOPE))
        above = _doubled(functional.relu(x))
        for conv, spade in decoders:
            x = spade(conv(above), inputs)
            above = functional.relu(_doubled(x, encoded.pop()))
        return self.dconv8(above)


class MotionNetwork(nn.Module):
    """Eulerian flow ``[B, 2, H, W]`` (x, y; pixels per frame) of a photo. H and W are multiples of 256.

    Called with ``rgb`` ``[B, 3, H, W]`` in -1..1; ``mask`` ``[B, 1, H, W]`` in 0..1; ``hint`` ``[B, 2, H, W]``, the dense
    field that the arrows span, pixels per frame.

    Parameters
    ----------
    width : int
        Scales every inner map; the published weights have 32.

    References
    ----------
    Li et al., "3D Cinemagraphy from a Single Image", CVPR 2023. Park et al., "Semantic Image Synthesis with Spatially-Adaptive
    Normalization", CVPR 2019.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.motion_predictor = SpadeUnet(width)

    def forward(self, rgb: Tensor, mask: Tensor, hint: Tensor) -> Tensor:
        height, columns = rgb.shape[2:]
        if height % SIZE_MULTIPLE or columns % SIZE_MULTIPLE:
            raise ValueError(f"MotionNetwork: sides must be multiples of {SIZE_MULTIPLE}, got {height} x {columns}")
        return self.motion_predictor(torch.cat([rgb, mask, hint], dim=1))
