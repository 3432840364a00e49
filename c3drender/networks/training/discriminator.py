"""The multi-scale patch discriminator of both stages."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import spectral_norm

NUM_SCALES = 2
NUM_HIDDEN = 3  # normalised convolutions between the first and the last
MAX_WIDTH = 8  # of the base width
SLOPE = 0.2

Verdict = list[Tensor]  # the maps of each layer of one scale; the last is the patch-wise score, higher is more real


def _hidden(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    convolution = spectral_norm(nn.Conv2d(in_channels, out_channels, 4, stride, padding=2, bias=False))
    return nn.Sequential(nn.Sequential(convolution, nn.InstanceNorm2d(out_channels)), nn.LeakyReLU(SLOPE))


class PatchDiscriminator(nn.Module):
    """Judges overlapping patches. The names are those of the published ``netD``."""

    def __init__(self, in_channels: int, base_channels: int) -> None:
        super().__init__()
        widths = [min(base_channels * 2**n, base_channels * MAX_WIDTH) for n in range(NUM_HIDDEN + 1)]
        self.model0 = nn.Sequential(nn.Conv2d(in_channels, widths[0], 4, 2, padding=2), nn.LeakyReLU(SLOPE))
        self.model1 = _hidden(widths[0], widths[1], 2)
        self.model2 = _hidden(widths[1], widths[2], 2)
        self.model3 = _hidden(widths[2], widths[3], 1)
        self.model4 = nn.Sequential(nn.Conv2d(widths[3], 1, 4, 1, padding=2))

    def forward(self, x: Tensor) -> Verdict:
        maps = []
        for layer in (self.model0, self.model1, self.model2, self.model3, self.model4):
            x = layer(x)
            maps.append(x)
        return maps


class MultiScaleDiscriminator(nn.Module):
    """The same discriminator on the picture and on its half (Wang et al. 2018): ``[B, C, H, W]`` to one `Verdict` a scale."""

    def __init__(self, in_channels: int = 3, base_channels: int = 64) -> None:
        super().__init__()
        for scale in range(NUM_SCALES):
            self.add_module(f"discriminator_{scale}", PatchDiscriminator(in_channels, base_channels))

    def forward(self, x: Tensor) -> list[Verdict]:
        verdicts = []
        for judge in self.children():
            verdicts.append(judge(x))
            x = functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        return verdicts


def split_verdicts(verdicts: list[Verdict]) -> tuple[list[Verdict], list[Verdict]]:
    """The verdicts on the first and on the second half of the batch."""
    halves = [[map_.chunk(2) for map_ in verdict] for verdict in verdicts]
    return [[first for first, _ in maps] for maps in halves], [[second for _, second in maps] for maps in halves]
