"""Convolution and normalisation of wide maps ``[B, C, H, W]`` for inference: by strips of rows, and in place.

The widest maps of a decoder have 60 to 120 MB. On a CPU fresh memory for one costs more than the arithmetic (20 ms of 29 for a
normalisation of 59 MB).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CONV_STRIP_BYTES = 16 << 20  # of its input: small beside the maps, large beside the weights that each strip reads anew
MIN_CONV_STRIP_ROWS = 8
NORM_STRIP_PIXELS = 1 << 16  # 16 MB of 64 channels: threads meet after each strip, and on a busy machine wait there


def mirrored_conv(conv: nn.Conv2d, *maps: Tensor) -> Tensor:
    """``conv``, 3 x 3 with a mirrored border, of all maps' channels.

    Without gradients it goes by strips of rows: the joined map and its bordered copy, the widest there are, never exist whole.
    """
    if torch.is_grad_enabled():
        return conv(torch.cat(maps, dim=1))
    height = maps[0].shape[2]
    row_bytes = sum(m[:, :, 0].numel() for m in maps) * maps[0].element_size()
    rows = max(CONV_STRIP_BYTES // row_bytes, MIN_CONV_STRIP_ROWS)
    strips = []
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        joined = torch.cat([m[:, :, max(top - 1, 0) : bottom + 1] for m in maps], dim=1)
        bordered = functional.pad(joined, (1, 1, int(top == 0), int(bottom == height)), mode="reflect")
        strips.append(functional.conv2d(bordered, conv.weight, conv.bias))
    return torch.cat(strips, dim=2) if len(strips) > 1 else strips[0]


def _in_place(x: Tensor) -> bool:
    channels_last = x.is_contiguous(memory_format=torch.channels_last)
    return channels_last and x.device.type == "cpu" and not torch.is_grad_enabled()


def activated(x: Tensor, activation: nn.PReLU) -> Tensor:
    """``activation(x)``, in place where that is possible and pays: ``x`` must not be needed any more."""
    return functional.leaky_relu_(x, float(activation.weight)) if _in_place(x) else activation(x)


def normalised(x: Tensor, norm: nn.GroupNorm, activation: nn.PReLU) -> Tensor:
    """``activation(norm(x))``, likewise."""
    if not _in_place(x) or x.dtype != torch.float32:
        return activated(norm(x), activation)
    slope = float(activation.weight)
    for picture in x.permute(0, 2, 3, 1).flatten(1, 2):
        strips = picture.split(NORM_STRIP_PIXELS)
        gain, offset = _gain_and_offset(strips, norm)
        for strip in strips:
            functional.leaky_relu_(torch.addcmul(offset, strip, gain, out=strip), slope)
    return x


def _gain_and_offset(strips: tuple[Tensor, ...], norm: nn.GroupNorm) -> tuple[Tensor, Tensor]:
    """Per channel, what normalises the pixels of ``strips [N, C]`` by groups of channels."""
    sums = torch.zeros(2, norm.num_channels, dtype=torch.float64)
    square = torch.empty_like(strips[0])
    for strip in strips:
        sums[0] += strip.sum(dim=0)
        sums[1] += torch.mul(strip, strip, out=square[: len(strip)]).sum(dim=0)
    count = sum(len(strip) for strip in strips)
    mean, mean_square = (sums / count).unflatten(1, (norm.num_groups, -1)).mean(dim=2, keepdim=True)
    gain = norm.weight.double().view(norm.num_groups, -1) * (mean_square - mean.square() + norm.eps).rsqrt()
    offset = norm.bias.double().view(norm.num_groups, -1) - mean * gain
    return gain.flatten().float(), offset.flatten().float()
