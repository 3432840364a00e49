"""The image decoder: a blended feature map to the frame."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..ops import Compositor
from .eight_bit import EightBitConv, pays
from .precision import for_inference, inference_dtype
from .wide_maps import activated, mirrored_conv, normalised

NUM_CHANNELS = 37  # colour 0-2, alpha 3, features 4-35, relative disparity 36
ALPHA_CHANNEL = 3
LEAST_ALPHA = 1e-3
CHANNELS_PER_GROUP = 32
MIN_SIDE = 32  # four halvings leave two pixels, which a mirrored border needs


class _Unit(nn.Sequential):
    """Convolution of one or several maps, normalisation over groups of channels, PReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, padding_mode="reflect"),
            nn.GroupNorm(max(out_channels // CHANNELS_PER_GROUP, 1), out_channels),
            nn.PReLU(),
        )

    def forward(self, *maps: Tensor) -> Tensor:
        conv = cast(nn.Conv2d | EightBitConv, self[0])
        x = conv(*maps) if isinstance(conv, EightBitConv) else mirrored_conv(conv, *maps)
        return normalised(x, cast(nn.GroupNorm, self[1]), cast(nn.PReLU, self[2]))


class _DoubleConv(nn.Module):
    """Two units; the results of both are handed on."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.double_conv1 = _Unit(in_channels, out_channels)
        self.double_conv2 = _Unit(out_channels, out_channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = self.double_conv1(x)
        return first, self.double_conv2(first)


class _Down(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), _DoubleConv(in_channels, out_channels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.maxpool_conv(x)


class _MirroredDoubleConv(nn.Module):
    """Two units that undo the encoder's two: the second one's result joins the first, the first one's the second."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.double_conv1 = _Unit(2 * channels, channels)
        self.double_conv2 = _Unit(2 * channels, out_channels)

    def forward(self, x: Tensor, encoded: tuple[Tensor, Tensor]) -> Tensor:
        return self.double_conv2(encoded[0], self.double_conv1(encoded[1], x))


class _Up(nn.Module):
    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = _MirroredDoubleConv(channels, out_channels)

    def forward(self, x: Tensor, encoded: tuple[Tensor, Tensor]) -> Tensor:
        return self.conv(_doubled(x, encoded[0]), encoded)


def _doubled(x: Tensor, like: Tensor) -> Tensor:
    """``x`` at twice its size, its border reflected or cropped to the size of ``like``."""
    x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
    rows, columns = like.shape[2] - x.shape[2], like.shape[3] - x.shape[3]
    if not rows and not columns:
        return x
    return functional.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2), mode="reflect")


class _Head(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 3, 3, padding=1, padding_mode="reflect")

    def forward(self, *maps: Tensor) -> Tensor:
        return mirrored_conv(self.conv, *maps)


class Decoder(nn.Module):
    """A U-Net from ``[B, 37, H, W]`` (see `NUM_CHANNELS`) to a picture ``[B, 3, H, W]`` in 0..1. H, W >= 32.

    Its parameter ``alpha`` is the learned sharpness with which the two sides are blended before (the paper's eq. 7).

    Parameters
    ----------
    in_channels : int
    width : int
        Scales every inner map; the published weights have 32.
    compositor : {"alpha", "surface"}
        That of the splat which it reads. It makes the whole picture of what ``"alpha"``, the published weights' one, blurs; to
        the sharp colours of ``"surface"`` it adds a correction.
    """

    def __init__(self, in_channels: int = NUM_CHANNELS, width: int = 32, *, compositor: Compositor = "alpha") -> None:
        super().__init__()
        w = width
        self.compositor = compositor
        self.alpha = nn.Parameter(torch.tensor(1.0))
        self.firstconv = nn.Conv2d(in_channels, w, 7, padding=3, bias=False)
        self.firstprelu = nn.PReLU()
        self.down1 = _Down(w, 2 * w)
        self.down2 = _Down(2 * w, 4 * w)
        self.down3 = _Down(4 * w, 8 * w)
        self.down4 = _Down(8 * w, 16 * w)
        self.conv5 = _DoubleConv(16 * w, 16 * w)
        self.up1 = _Up(16 * w, 8 * w)
        self.up2 = _Up(8 * w, 4 * w)
        self.up3 = _Up(4 * w, 2 * w)
        self.up4 = _Up(2 * w, w)
        self.outc = _Head(2 * w)

    def forward(self, blended: Tensor) -> Tensor:
        if min(blended.shape[2:]) < MIN_SIDE:
            raise ValueError(f"Decoder: sides must be >= {MIN_SIDE}, got {blended.shape[2]} x {blended.shape[3]}")
        full = activated(self.firstconv(blended), self.firstprelu)
        half = self.down1(full)
        quarter = self.down2(half[1])
        eighth = self.down3(quarter[1])
        sixteenth = self.down4(eighth[1])
        # conv5 does not pool, so up1 sees the middle of its result, doubled and cropped: the weights were trained so.
        x = self.up1(self.conv5(sixteenth[1])[1], sixteenth)
        x = self.up2(x, eighth)
        x = self.up3(x, quarter)
        x = self.up4(x, half)
        made = self.outc(full, _doubled(x, full))
        if self.compositor == "alpha":
            return torch.sigmoid(made)
        covered = blended[:, ALPHA_CHANNEL : ALPHA_CHANNEL + 1].clamp_min(LEAST_ALPHA)
        return (blended[:, :ALPHA_CHANNEL] / covered + torch.tanh(made)).clamp(0, 1)


def in_eight_bits(decoder: Decoder) -> Decoder:
    """A copy, for inference, all of whose convolutions but the last, which makes colours, are `EightBitConv`."""
    quick = copy.deepcopy(decoder)
    quick.add_module("firstconv", EightBitConv(quick.firstconv))
    for unit in quick.modules():
        if isinstance(unit, _Unit):
            unit[0] = EightBitConv(cast(nn.Conv2d, unit[0]))
    return quick


def quickest(decoder: Decoder, device: torch.device | str) -> Decoder:
    """A copy, for inference on ``device``, in the fastest number format there: `inference_dtype`, or 8 bits where a CPU has
    those and no bfloat16."""
    made = for_inference(decoder, device, inference_dtype(device))
    return in_eight_bits(made) if made.alpha.dtype == torch.float32 and pays(device) else made
