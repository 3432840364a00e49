"""Convolutions in 8 bits, which a processor with VNNI multiplies four times as fast as in float32."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 254  # between the least and the greatest value: the rounding of the zero and of the values takes one of the 255 steps
STRIP_PIXELS = 1 << 14  # quantised at a time: their float32 copy stays in the cache


def pays(device: torch.device | str) -> bool:
    """Whether ``device`` is a CPU that multiplies 8 bits much faster than float32."""
    return torch.device(device).type == "cpu" and torch.backends.mkldnn.is_available() and torch.cpu._is_vnni_supported()


class EightBitConv(nn.Module):
    """``conv``, with a mirrored border, of the channels of one or several maps: channels-last, float32 in and out, on a CPU.

    Weights have 255 levels per output channel. Maps are quantised between their least and greatest value as they come, so
    the answer depends on its arguments alone.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.border_px = conv.padding[0]
        weight = conv.weight.detach()
        self.scale = weight.abs().amax(dim=(1, 2, 3)).clamp_min(torch.finfo(torch.float32).tiny) / 127
        self.zero = torch.zeros(len(weight), dtype=torch.int64)
        self.bias = conv.bias
        levels = (weight / self.scale[:, None, None, None]).round().to(torch.int8)
        # Of a map's scale and zero, packing asks no more than whether the zero may lie elsewhere than at level 0.
        self.packed = torch.ops.onednn.qconv_prepack(levels, self.scale, 1.0, 1, (1, 1), (0, 0), (1, 1), 1)

    def forward(self, *maps: Tensor) -> Tensor:
        pixels = [m.permute(0, 2, 3, 1) for m in maps]
        ends = [end for p in pixels for end in p.aminmax()]
        low, high = min(0.0, *map(float, ends)), max(0.0, *map(float, ends))
        step = max((high - low) / LEVELS, torch.finfo(torch.float32).tiny)
        zero = round(-low / step)
        levels = torch.cat([_quantised(p, step, zero) for p in pixels], dim=-1).permute(0, 3, 1, 2)
        bordered = functional.pad(levels, (self.border_px,) * 4, mode="reflect")
        window = ((1, 1), (0, 0), (1, 1), 1)  # stride, padding, dilation, groups
        out = (1.0, 0, torch.float32)  # its scale, zero and type
        return torch.ops.onednn.qconv2d_pointwise(
            bordered, step, zero, self.packed, self.scale, self.zero, self.bias, *window, *out, "none", [], ""
        )


def _quantised(pixels: Tensor, step: float, zero: int) -> Tensor:
    """``round(pixels / step) + zero`` of ``[B, H, W, C]`` as uint8."""
    made = torch.empty(pixels.shape, dtype=torch.uint8)
    offset, room = torch.tensor(zero + 0.5), torch.empty(STRIP_PIXELS, pixels.shape[-1])
    strips = (x.flatten(0, 2).split(STRIP_PIXELS) for x in (pixels, made))
    for strip, levels in zip(*strips, strict=True):
        levels.copy_(torch.add(offset, strip, alpha=1.0 / step, out=room[: len(strip)]))
    return made
