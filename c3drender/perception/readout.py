"""What each place shows, read off the encoder's features there and those of the whole picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .encoder import TAP_CHANNELS

READ_TAPS = (1, 2, 3)  # strides 8, 16, 32
READ_STRIDE = 8
WIDTH = 320
NUM_FEATURES = sum(TAP_CHANNELS[k] for k in READ_TAPS) + 1 + TAP_CHANNELS[-1]


def features(taps: list[Tensor]) -> Tensor:
    """``[B, NUM_FEATURES, h, w]`` at stride 8: the encoder's taps, the height in the picture (-1 top .. 1 bottom), and the
    mean of the deepest tap over the picture."""
    height, width = taps[READ_TAPS[0]].shape[2:]
    here = [taps[READ_TAPS[0]]]
    here += [functional.interpolate(taps[k], (height, width), mode="bilinear", align_corners=False) for k in READ_TAPS[1:]]
    rows = torch.linspace(-1, 1, height, dtype=here[0].dtype, device=here[0].device)[None, None, :, None]
    whole = taps[-1].mean((2, 3), keepdim=True)
    spread = (rows.expand(len(whole), 1, height, width), whole.expand(-1, -1, height, width))
    return torch.cat([*here, *spread], 1)


class Readout(nn.Module):
    """``features`` to logits per place: a perceptron of two hidden layers. ``mean`` and ``spread`` are those of the features
    that it was trained on; ``dropout`` takes part in training alone."""

    mean: Tensor
    spread: Tensor

    def __init__(self, outputs: dict[str, int], dropout: float = 0.0) -> None:
        super().__init__()
        self.outputs = outputs
        self.register_buffer("mean", torch.zeros(NUM_FEATURES))
        self.register_buffer("spread", torch.ones(NUM_FEATURES))
        self.first = nn.Conv2d(NUM_FEATURES, WIDTH, 1)
        self.second = nn.Conv2d(WIDTH, WIDTH, 1)
        self.last = nn.Conv2d(WIDTH, sum(outputs.values()), 1)
        self.drop_in, self.drop = nn.Dropout(), nn.Dropout()
        self.drops(dropout)

    def drops(self, share: float) -> None:
        """Let training leave out so much of what the hidden layers say, and half as much of the features."""
        self.drop_in.p, self.drop.p = share / 2, share

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.drop_in((x - self.mean[:, None, None]) / self.spread[:, None, None])
        x = self.drop(functional.relu(self.first(x)))
        x = self.drop(functional.relu(self.second(x)))
        return dict(zip(self.outputs, self.last(x).split(list(self.outputs.values()), 1), strict=True))
