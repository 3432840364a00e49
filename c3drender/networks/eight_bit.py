"""Convolutions in 8 bits, which a processor with VNNI multiplies four times as fast as in float32.

The operators are oneDNN's as torch's quantisation calls them, which are no part of its public interface: `pays` tries them
once, and says no where a torch has none, or others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from .precision import cpu_has

TOP_LEVEL, TOP_WEIGHT = 255, 127
STRIP_PIXELS = 1 << 15  # read at a time: memory for their float32 copy is had once, and it stays in cache
FEW_WEIGHTS = 100_000  # packed anew for each map in a fraction of the time that its convolution takes
TINY = torch.finfo(torch.float32).tiny


def pays(device: torch.device | str) -> bool:
    """Whether ``device`` is a CPU that multiplies 8 bits much faster than float32, and torch has the operators for it."""
    return torch.device(device).type == "cpu" and torch.backends.mkldnn.is_available() and cpu_has("vnni") and _works()


@cache
def _works() -> bool:
    """Whether oneDNN's operators are there, take what they are given here, and count to 36."""
    conv = nn.utils.skip_init(nn.Conv2d, 4, 1, 3, padding=1, bias=False, dtype=torch.float32)
    nn.init.ones_(conv.weight)
    ones = torch.ones(1, 4, 5, 5, dtype=torch.float32).contiguous(memory_format=torch.channels_last)
    try:
        made = EightBitConv(conv)(ones)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return made.shape == (1, 1, 5, 5) and abs(float(made[0, 0, 2, 2]) - 36) < 0.5


class EightBitConv(nn.Module):
    """``conv``, of stride 1, of the channels of one or several maps ``[1, C, H, W]``: channels-last, float32 in and out, on a
    CPU. Beyond the maps' border there are zeros, or their mirror image, as ``conv`` has it.

    Weights have 255 levels per output channel, maps 256 from the least to the greatest value that they happen to have, so
    the answer depends on its arguments alone. Where weights are few, which is where maps are wide and errors end in the
    picture, each channel has levels of its own, by whose step its weights are multiplied instead.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.border_px, self.mirrored = int(conv.padding[0]), conv.padding_mode == "reflect"
        self.weight, self.bias = conv.weight.detach(), conv.bias
        self.sums = self.weight.sum(dim=(2, 3))  # what one, at every pixel of a channel, adds to each output channel
        self.packed = _packed(self.weight) if self.weight.numel() > FEW_WEIGHTS else None

    def forward(self, *maps: Tensor) -> Tensor:
        pixels = [m[0].permute(1, 2, 0) for m in maps]
        low, high, mean = (torch.cat(parts) for parts in zip(*map(_range_and_mean, pixels), strict=True))
        if self.packed is not None:
            low, high = low.amin().expand_as(low), high.amax().expand_as(high)
        step = ((high - low) / TOP_LEVEL).clamp_min(TINY)
        levels = _quantised(pixels, low, step, self.border_px, self.mirrored)
        if self.packed is not None:
            packed, map_step = self.packed, float(step[0])
        else:
            packed, map_step = _packed(self.weight * step[:, None, None]), 1.0
        # Values are low + step * level. What low adds is the same at every pixel, and so is what rounded weights lose of the
        # mean, most of all that they lose.
        bias = self.sums @ low + packed.lost @ ((mean - low) / step * map_step)
        return _convolved(levels, map_step, packed, bias if self.bias is None else bias + self.bias)


@dataclass(frozen=True, eq=False)
class _Packed:
    """Weights in -127..127, ``levels``, in the layout of oneDNN; the unit ``scale`` ``[O]`` of each output channel; and by how
    much the sum of each kernel, ``lost`` ``[O, I]``, is less than that of the true weights."""

    levels: Tensor
    scale: Tensor
    lost: Tensor


def _packed(weight: Tensor) -> _Packed:
    scale = weight.abs().amax(dim=(1, 2, 3)).clamp_min(TINY) / TOP_WEIGHT
    levels, lost = _diffused(weight / scale[:, None, None, None])
    packed = torch.ops.onednn.qconv_prepack(levels, scale, 1.0, 0, (1, 1), (0, 0), (1, 1), 1)
    return _Packed(packed, scale, lost * scale[:, None])


def _diffused(weight: Tensor) -> tuple[Tensor, Tensor]:
    """``weight [O, I, h, w]`` in -127..127, rounded to int8 so that what one tap loses the next one, its neighbour, gains;
    and what the last one loses. Smooth maps, most of whose energy meets a kernel's sum, hardly notice."""
    rows = [row if n % 2 == 0 else row.flip(2) for n, row in enumerate(weight.unbind(dim=2))]
    lost, rounded = torch.zeros_like(weight[:, :, 0, 0]), []
    for tap in torch.cat(rows, dim=2).unbind(dim=2):
        wanted = tap + lost
        rounded.append(wanted.round().clamp(-TOP_WEIGHT, TOP_WEIGHT))
        lost = wanted - rounded[-1]
    made = torch.stack(rounded, dim=2).view(weight.shape)
    made[:, :, 1::2] = made[:, :, 1::2].flip(3)
    return made.to(torch.int8), lost


def _convolved(levels: Tensor, step: float, weight: _Packed, bias: Tensor) -> Tensor:
    window = ((1, 1), (0, 0), (1, 1), 1)  # stride, padding, dilation, groups
    out = (1.0, 0, torch.float32)  # its scale, zero and type
    symmetric = torch.zeros(len(weight.scale), dtype=torch.int64)
    return torch.ops.onednn.qconv2d_pointwise(
        levels, step, 0, weight.levels, weight.scale, symmetric, bias, *window, *out, "none", [], ""
    )


def _range_and_mean(pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each channel of ``pixels [H, W, C]``: its least value and its greatest, 0 among them, and the mean."""
    height, width, channels = pixels.shape
    # Down the columns first: a row of all channels fills vectors, whatever their number.
    strips = pixels.flatten(1).split(max(STRIP_PIXELS // width, 1))
    columns = zip(*((strip.amin(dim=0), strip.amax(dim=0), strip.sum(dim=0)) for strip in strips), strict=True)
    low, high, total = (torch.stack(parts).view(-1, channels) for parts in columns)
    return low.amin(dim=0).clamp_max(0), high.amax(dim=0).clamp_min(0), total.sum(dim=0) / (height * width)


def _quantised(maps: list[Tensor], low: Tensor, step: Tensor, border_px: int, mirrored: bool) -> Tensor:
    """``round((map - low) / step)`` of ``maps [H, W, C]``, joined, with a border: uint8 ``[1, C, H, W]``, bordered."""
    height, width = maps[0].shape[:2]
    channels = [m.shape[2] for m in maps]
    made = torch.empty((height + 2 * border_px, width + 2 * border_px, sum(channels)), dtype=torch.uint8)
    inner = made[border_px : border_px + height, border_px : border_px + width]
    gain = 1.0 / step
    offset = 0.5 - low * gain
    rows = max(STRIP_PIXELS // width, 1)
    parts = zip(maps, inner.split(channels, dim=2), gain.split(channels), offset.split(channels), strict=True)
    for planes, levels, gains, offsets in parts:
        room = planes.new_empty(rows, *planes.shape[1:])
        for strip, quantised in zip(planes.split(rows), levels.split(rows), strict=True):
            quantised.copy_(torch.addcmul(offsets, strip, gains, out=room[: len(strip)]))
    if mirrored:
        _mirror(made.transpose(0, 1), border_px)
        _mirror(made, border_px)
    else:
        zero = offset.to(torch.uint8)
        for side in (made, made.transpose(0, 1)):
            side[:border_px] = zero
            side[-border_px:] = zero
    return made.permute(2, 0, 1)[None]


def _mirror(rows: Tensor, border: int) -> None:
    """Fill the first and last ``border`` rows from those on the other side of the rows at which they begin."""
    for n in range(1, border + 1):
        rows[border - n] = rows[border + n]
        rows[-1 - border + n] = rows[-1 - border - n]
