"""The network: one encoder, a feature pyramid, and heads that say of each place how near, what, how it lies, where to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..pixels.segments import SEGMENT_CLASSES
from .encoder import TAP_CHANNELS, Encoder
from .readout import Readout, features

LAYOUTS = ("plane", "upright", "far")
SPEEDS = 3
READ = {"surface": len(SEGMENT_CLASSES), "layout": len(LAYOUTS), "free": 1, "way": 2, "speed": SPEEDS}
HEADS = {"disparity": 1, **READ}
WIDTHS = (64, 96, 128, 128)  # of the pyramid, at strides 4, 8, 16, 32
GROUPS = 8  # of channels that are normed together: without norms half of the last features died within 600 steps
OUT_STRIDE = 4


@dataclass(frozen=True, eq=False)
class Seen:
    """What the network says, ``[B, C, h, w]`` at a quarter of the picture's size.

    Attributes
    ----------
    disparity : Tensor
        C = 1: the square root of the relative disparity, 0 (endlessly far) to about 1 (nearest).
    surface : Tensor
        C = 12: logits of `SEGMENT_CLASSES`.
    layout : Tensor
        C = 3: logits of `LAYOUTS`.
    free : Tensor
        C = 1: logit of "may move".
    way : Tensor
        C = 2: where a fluid goes in the picture, x and y; the surer, the nearer to unit length.
    speed : Tensor
        C = 3: logits of the speed classes.
    """

    disparity: Tensor
    surface: Tensor
    layout: Tensor
    free: Tensor
    way: Tensor
    speed: Tensor


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="replicate")
        self.second = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="replicate")
        with torch.no_grad():  # it starts as if it were not there
            for weight in self.second.parameters():
                weight.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.relu(self.first(functional.relu(x))))


class Level(nn.Module):
    """One level of the pyramid: the encoder's features, the coarser level, and the height in the picture."""

    def __init__(self, features: int, coarser: int, width: int) -> None:
        super().__init__()
        self.lateral = nn.Conv2d(features + 1, width, 1)
        self.coarser = nn.Conv2d(coarser, width, 1)
        self.norm = nn.GroupNorm(GROUPS, width)
        self.mix = Residual(width)

    def forward(self, features: Tensor, coarser: Tensor) -> Tensor:
        rows = torch.linspace(-1, 1, features.shape[2], dtype=features.dtype, device=features.device)
        height = rows[None, None, :, None].expand(features.shape[0], 1, -1, features.shape[3])
        up = functional.interpolate(self.coarser(coarser), features.shape[2:], mode="bilinear", align_corners=False)
        return self.mix(self.norm(self.lateral(torch.cat([features, height], 1)) + up))


class PerceptionNet(nn.Module):
    """Picture float ``[B, 3, H, W]``, sRGB, 0..1, sides multiples of 32, to `Seen`.

    Nearness comes from a pyramid over the encoder's features, all else from the `Readout`. The pyramid has heads for all of
    it: what they are asked for in training is what teaches the encoder.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        deepest = TAP_CHANNELS[-1]
        self.whole = nn.Sequential(nn.Linear(deepest, WIDTHS[-1]), nn.ReLU(), nn.Linear(WIDTHS[-1], WIDTHS[-1]))
        inputs = (*WIDTHS[1:], WIDTHS[-1])
        self.levels = nn.ModuleList(Level(*sizes) for sizes in zip(TAP_CHANNELS, inputs, WIDTHS, strict=True))
        width = WIDTHS[0]
        self.norm = nn.GroupNorm(GROUPS, width)
        self.last = nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate")
        self.heads = nn.ModuleDict({name: nn.Conv2d(width, channels, 1) for name, channels in HEADS.items()})
        with torch.no_grad():  # it starts without an opinion
            for weight in self.heads.parameters():
                weight.normal_(std=0.01) if weight.dim() > 1 else weight.zero_()
        self.readout = Readout(READ)

    def forward(self, rgb: Tensor) -> Seen:
        taps = self.taps(rgb)
        seen = self.pyramid(taps)
        return Seen(seen.disparity, **self.read(taps, seen.disparity.shape[2:]))

    def taps(self, rgb: Tensor) -> list[Tensor]:
        """The encoder's features of a picture."""
        taps: list[Tensor] = self.encoder(2 * rgb - 1)
        return taps

    def read(self, taps: list[Tensor], size: Sequence[int]) -> dict[str, Tensor]:
        """What the readout says, by name, at ``size`` (height, width)."""
        read = self.readout(features(taps))
        return {name: functional.interpolate(x, size, mode="bilinear", align_corners=False) for name, x in read.items()}

    def pyramid(self, taps: list[Tensor]) -> Seen:
        """What the pyramid's own heads say."""
        x = self.whole(taps[-1].mean((2, 3)))[..., None, None].expand(-1, -1, *taps[-1].shape[2:])
        for level, tap in zip(reversed(self.levels), reversed(taps), strict=True):
            x = level(tap, x)
        x = functional.relu(self.last(functional.relu(self.norm(x))))
        return Seen(**{name: head(x).float() for name, head in self.heads.items()})
