"""Convolutions in 8 bits, which a processor with VNNI multiplies four times as fast as in float32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

TOP_LEVEL = 254  # of 0..255: rounding may still take a value up by one
STRIP_PIXELS = 1 << 16  # quantised at a time: memory for their float32 copy is had once
FEW_WEIGHTS = 100_000  # packed anew for each map in a fraction of the time that its convolution takes
TINY = torch.finfo(torch.float32).tiny


def pays(device: torch.device | str) -> bool:
    """Whether ``device`` is a CPU that multiplies 8 bits much faster than float32."""
    return torch.device(device).type == "cpu" and torch.backends.mkldnn.is_available() and torch.cpu._is_vnni_supported()


class EightBitConv(nn.Module):
    """``conv``, with a mirrored border, of the channels of one or several maps ``[1, C, H, W]``: channels-last, float32 in and
    out, on a CPU.

    Weights have 255 levels per output channel. Maps are quantised between their least and greatest value as they come, so
    the answer depends on its arguments alone. Where weights are few, which is where maps are wide and errors end in the
    picture, each channel has a step of its own, by which its weights are multiplied instead.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.border_px = conv.padding[0]
        self.weight, self.bias = conv.weight.detach(), conv.bias
        self.packed = _packed(self.weight) if self.weight.numel() > FEW_WEIGHTS else None

    def forward(self, *maps: Tensor) -> Tensor:
        pixels = [m[0].permute(1, 2, 0) for m in maps]
        flat = [p.flatten(0, 1) for p in pixels]
        low = torch.cat([p.amin(dim=0) for p in flat]).clamp_max(0)
        high = torch.cat([p.amax(dim=0) for p in flat]).clamp_min(0)
        if self.packed is not None:
            low, high = low.amin(dim=0, keepdim=True), high.amax(dim=0, keepdim=True)
        zero = float((TOP_LEVEL * (low / (low - high).clamp_max(-TINY)).mean()).ceil())
        step = torch.maximum(high / max(TOP_LEVEL - zero, 1), -low / max(zero, 1)).clamp_min(TINY)
        levels = _quantised(pixels, step, zero, self.border_px)
        if self.packed is not None:
            return self._convolved(levels, float(step), int(zero), *self.packed)
        return self._convolved(levels, 1.0, int(zero), *_packed(self.weight * step[:, None, None]))

    def _convolved(self, levels: Tensor, step: float, zero: int, packed: Tensor, scale: Tensor) -> Tensor:
        window = ((1, 1), (0, 0), (1, 1), 1)  # stride, padding, dilation, groups
        out = (1.0, 0, torch.float32)  # its scale, zero and type
        symmetric = torch.zeros(len(scale), dtype=torch.int64)
        return torch.ops.onednn.qconv2d_pointwise(
            levels, step, zero, packed, scale, symmetric, self.bias, *window, *out, "none", [], ""
        )


def _packed(weight: Tensor) -> tuple[Tensor, Tensor]:
    """``weight`` in -127..127 in the layout of oneDNN, and the unit of each output channel."""
    scale = weight.abs().amax(dim=(1, 2, 3)).clamp_min(TINY) / 127
    levels = (weight / scale[:, None, None, None]).round().to(torch.int8)
    # Of a map's scale and zero, packing asks no more than whether the zero may lie elsewhere than at level 0.
    return torch.ops.onednn.qconv_prepack(levels, scale, 1.0, 1, (1, 1), (0, 0), (1, 1), 1), scale


def _quantised(maps: list[Tensor], step: Tensor, zero: float, border_px: int) -> Tensor:
    """``round(map / step) + zero`` of ``maps [H, W, C]``, joined, with a mirrored border: uint8 ``[1, C, H, W]``, bordered."""
    height, width = maps[0].shape[:2]
    channels = [m.shape[2] for m in maps]
    made = torch.empty((height + 2 * border_px, width + 2 * border_px, sum(channels)), dtype=torch.uint8)
    inner = made[border_px : border_px + height, border_px : border_px + width]
    gains = (1.0 / step).expand(sum(channels)).split(channels)
    rows = max(STRIP_PIXELS // width, 1)
    for planes, levels, gain in zip(maps, inner.split(channels, dim=2), gains, strict=True):
        offset, room = torch.full_like(gain, zero + 0.5), torch.empty(rows, *planes.shape[1:])
        for strip, quantised in zip(planes.split(rows), levels.split(rows), strict=True):
            quantised.copy_(torch.addcmul(offset, strip, gain, out=room[: len(strip)]))
    _mirror(made.transpose(0, 1), border_px)
    _mirror(made, border_px)
    return made.permute(2, 0, 1)[None]


def _mirror(rows: Tensor, border: int) -> None:
    """Fill the first and last ``border`` rows from those on the other side of the rows at which they begin."""
    for n in range(1, border + 1):
        rows[border - n] = rows[border + n]
        rows[-1 - border + n] = rows[-1 - border - n]
