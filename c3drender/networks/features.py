"""The feature extractor: a layer's colour to the features that its points carry."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_FEATURES = 32
SIZE_MULTIPLE = 16  # of an input whose encoder and decoder maps align


def _norm(channels: int) -> nn.BatchNorm2d:
    """Normalises by the statistics of the batch at hand, at inference too: the published weights know no others."""
    return nn.BatchNorm2d(channels, track_running_stats=False)


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=bias, padding_mode="reflect")


class _ResidualBlock(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, out_channels, 3, stride)
        self.bn1 = _norm(out_channels)
        self.conv2 = _conv(out_channels, out_channels, 3)
        self.bn2 = _norm(out_channels)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), _norm(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        return functional.relu(self.bn2(self.conv2(x)) + shortcut, inplace=True)


class _ConvElu(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = _conv(in_channels, out_channels, 3, bias=True)
        self.bn = _norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.elu(self.bn(self.conv(x)), inplace=True)


class _Upsample(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = _ConvElu(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True))


def _stage(in_channels: int, out_channels: int, num_blocks: int, stride: int) -> nn.Sequential:
    first = _ResidualBlock(in_channels, out_channels, stride)
    return nn.Sequential(first, *(_ResidualBlock(out_channels, out_channels, 1) for _ in range(num_blocks - 1)))


def _joined(decoded: Tensor, encoded: Tensor) -> Tensor:
    """Channels of both. Where the input is no multiple of 16 the encoder's map is the smaller one: zeros surround it."""
    rows, columns = decoded.shape[2] - encoded.shape[2], decoded.shape[3] - encoded.shape[3]
    if rows or columns:
        encoded = functional.pad(encoded, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
    return torch.cat([decoded, encoded], dim=1)


class FeatureExtractor(nn.Module):
    """A U-Net on the first three stages of a ResNet-34: ``[L, 4, H, W]`` (colour times alpha, alpha) to ``[L, 32, h, w]``.

    ``h = ceil(H / 16) * 4`` and ``w`` alike: a quarter of the input for sides that are multiples of 16. H, W >= 32. Maps are
    normalised by their batch: layers that go in together, as the released system's do, depend on each other.

    Parameters
    ----------
    out_channels : int
    width : int
        Scales every inner map; the published weights have 64.
    """

    def __init__(self, out_channels: int = NUM_FEATURES, width: int = 64) -> None:
        super().__init__()
        w = width
        self.conv1 = _conv(4, w, 7, 2)
        self.bn1 = _norm(w)
        self.layer1 = _stage(w, w, 3, 1)
        self.layer2 = _stage(w, 2 * w, 4, 2)
        self.layer3 = _stage(2 * w, 4 * w, 6, 2)
        self.upconv3 = _Upsample(4 * w, 2 * w)
        self.iconv3 = _ConvElu(4 * w, 2 * w)
        self.upconv2 = _Upsample(2 * w, w)
        self.iconv2 = _ConvElu(2 * w, out_channels)
        self.out_conv = nn.Conv2d(out_channels, out_channels, 1)

    def forward(self, rgba: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(rgba)), inplace=True)
        quarter = self.layer1(functional.max_pool2d(x, 3, 2, 1))
        eighth = self.layer2(quarter)
        x = self.layer3(eighth)
        x = self.iconv3(_joined(self.upconv3(x), eighth))
        x = self.iconv2(_joined(self.upconv2(x), quarter))
        return self.out_conv(x)
