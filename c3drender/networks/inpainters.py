"""The inpainting networks of the published system: colour and depth behind what hides them, by partial convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SIZE_MULTIPLE = 128  # of a side: seven halvings
KERNELS = (7, 5, 5, 3, 3, 3, 3)
CHANNELS = (64, 128, 256, 512, 512, 512, 512)
DEPTH = len(CHANNELS)


class _PartialConv(nn.Module):
    """A convolution of the known values alone, scaled up by the share of them that it saw (Liu et al. 2018).

    ``x`` ``[B, C, H, W]`` is 0 where unknown; ``seen`` ``[B, 1, H, W]`` counts its known channels. Returns the result and
    where it is known: 0 or 1, ``[B, 1, h, w]``.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, bias: bool) -> None:
        super().__init__()
        self.input_conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=bias)

    def forward(self, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        conv = self.input_conv
        count = functional.conv2d(seen, seen.new_ones(1, 1, *conv.kernel_size), None, conv.stride, conv.padding)
        scale = conv.weight[0].numel() / count.clamp_min(1.0)
        x = functional.conv2d(x, conv.weight, None, conv.stride, conv.padding) * scale
        return x if conv.bias is None else x + conv.bias[:, None, None], (count > 0).to(x.dtype)


class _Layer(nn.Module):
    """Partial convolution, normalisation, activation; 0 where nothing was known."""

    def __init__(self, conv: _PartialConv, norm: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.conv, self.bn, self.activation = conv, norm, activation

    def forward(self, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        x, known = self.conv(x, seen)
        x = self.activation(self.bn(x)) * known
        return x, known * x.shape[1]


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2)


class _PartialUnet(nn.Module):
    """Seven levels down, seven up. ``suffix`` and ``biased`` tell the two published networks' layers apart."""

    def __init__(self, in_channels: int, out_channels: int, suffix: str, biased: tuple[str, ...]) -> None:
        super().__init__()
        self.decoders = tuple(f"dec_{level}{suffix if level < 6 else ''}" for level in range(DEPTH, 0, -1))

        def add(name: str, channels: tuple[int, ...], kernel: int, stride: int, activation: nn.Module) -> None:
            outer = name == "enc_1" or name == self.decoders[-1]
            conv = _PartialConv(channels[0], channels[1], kernel, stride, bias=name in biased)
            self.add_module(name, _Layer(conv, nn.Identity() if outer else nn.BatchNorm2d(channels[1]), activation))

        below = (in_channels, *CHANNELS)
        for level in range(1, DEPTH + 1):
            add(f"enc_{level}", below[level - 1 : level + 1], KERNELS[level - 1], 2, nn.ReLU())
        for name, level in zip(self.decoders, range(DEPTH, 0, -1), strict=True):
            last = level == 1
            channels = (below[level] + below[level - 1], out_channels if last else below[level - 1])
            add(name, channels, 3, 1, nn.Identity() if last else nn.LeakyReLU(0.2))

    def _filled(self, inputs: Tensor, known: Tensor) -> Tensor:
        height, width = inputs.shape[2:]
        rows, columns = -height % SIZE_MULTIPLE, -width % SIZE_MULTIPLE
        border = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        x, seen = functional.pad(inputs * known, border), functional.pad(known * inputs.shape[1], border)
        encoded = [(x, seen)]
        for level in range(1, DEPTH + 1):
            x, seen = self.get_submodule(f"enc_{level}")(x, seen)
            encoded.append((x, seen))
        encoded.pop()
        for name in self.decoders:
            beside, beside_seen = encoded.pop()
            x, seen = torch.cat([_doubled(x), beside], dim=1), _doubled(seen) + beside_seen
            x, seen = self.get_submodule(name)(x, seen)
        return x[..., rows // 2 : rows // 2 + height, columns // 2 : columns // 2 + width]


class DepthInpainter(_PartialUnet):
    """Log depth ``[B, 1, H, W]`` in the hole. ``depth``: log depth about its mean, 0 outside the ``context``; ``edge``: depth
    edges; ``context`` and ``hole``: 0 or 1, what is known and what is wanted. All ``[B, 1, H, W]``."""

    def __init__(self) -> None:
        super().__init__(4, 1, "", ("enc_1", "enc_2", "dec_1"))

    def forward(self, depth: Tensor, edge: Tensor, context: Tensor, hole: Tensor) -> Tensor:
        return self._filled(torch.cat([depth, edge, context, hole], dim=1), context + hole)


class ColourInpainter(_PartialUnet):
    """Colour ``[B, 3, H, W]`` in 0..1 in the hole. ``rgb`` ``[B, 3, H, W]``, 0 outside the ``context``; the others as for
    `DepthInpainter`."""

    def __init__(self) -> None:
        super().__init__(6, 3, "A", ("dec_1A",))

    def forward(self, rgb: Tensor, edge: Tensor, context: Tensor, hole: Tensor) -> Tensor:
        return torch.sigmoid(self._filled(torch.cat([rgb, edge, context, hole], dim=1), context + hole))
