"""Stage one: the motion network learns the mean flow of a picture from its mask and a few hints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...pixels.sheet import Tile, flow_colours
from ..checkpoints import MOTION_FILE
from ..motion import HINT_CHANNEL, MotionNetwork
from .config import MotionConfig
from .discriminator import MultiScaleDiscriminator
from .folder import FolderMotion
from .losses import end_point_error
from .procedural import ProceduralMotion
from .samples import MotionSample, Source, Split
from .stage import Judgement

NUM_JUDGED_CHANNELS = 5  # colour and flow
NUM_SHOWN = 3
LAST_SCALE = 0.1  # what is learned must not take long to matter beside it: normalisation makes all scales one


@torch.no_grad()
def start_from_hint(network: MotionNetwork) -> None:
    """Let a new network begin as the hint: it returns the field that the arrows span, and learns from there.

    The outermost skip carries both signs of x and y past the rectifier. Its first convolution has them as its greatest
    singular values, all alike, and so has its last one: spectral normalisation leaves the product of both at one.
    """
    first, last = network.motion_predictor.conv1, network.motion_predictor.dconv8
    width, middle = first.out_channels, first.kernel_size[0] // 2
    skip = last.in_channels - width
    into, out_of = first.get_parameter("weight_orig"), last.get_parameter("weight_orig")
    into[[0, 1, 2, -1]] = 0
    out_of.zero_()
    for conv in (first, last):
        conv.get_parameter("bias").zero_()
    signs = ((0, 0, 1), (1, 0, -1), (2, 1, 1), (width - 1, 1, -1))  # channel 3 is not interpolated
    for channel, axis, sign in signs:
        into[channel, HINT_CHANNEL + axis, middle - 1 : middle + 1, middle - 1 : middle + 1] = 0.5 * sign
        out_of[axis, skip + channel, 1, 1] = LAST_SCALE * sign
    direction = first.get_buffer("weight_u")
    direction.zero_()
    direction[:2] = torch.tensor([1.0, -1.0]) * 0.5**0.5


class FlowGenerator(nn.Module):
    """The motion network on a batch of samples: flow ``[B, 2, S, S]``, px per frame, 0 outside the mask."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.network = MotionNetwork(channels)
        start_from_hint(self.network)

    def forward(self, samples: Sequence[MotionSample]) -> Tensor:
        rgb, mask, hint = (torch.stack([getattr(s, name) for s in samples]) for name in ("rgb", "mask", "hint"))
        return self.network(2 * rgb - 1, mask, hint) * mask


class MotionStage:
    name = "motion"
    notes: tuple[str, ...] = ()

    def __init__(self, config: MotionConfig) -> None:
        self.generator: nn.Module = FlowGenerator(config.channels)
        self.discriminator: nn.Module = MultiScaleDiscriminator(NUM_JUDGED_CHANNELS, config.discriminator_channels)
        self.training: Source[Any] = _source(config, "train")
        self.validation: Source[Any] = _source(config, "validation")
        self.weights = vars(config.weights)
        self.parts = {"netG": (self.generator.get_submodule("network"), True)}

    def check_start(self, content: Mapping[str, Any], file: Path) -> None:
        """Whatever has these weights is this network."""

    def losses(self, made: Tensor, samples: Sequence[MotionSample]) -> dict[str, Tensor]:
        mask = torch.stack([s.mask for s in samples])
        return {"end_point": end_point_error(made.float(), torch.stack([s.step_px for s in samples]), mask)}

    def shown(self, made: Tensor, samples: Sequence[MotionSample]) -> tuple[Tensor, Tensor]:
        """Picture and flow: what moves how is judged together."""
        rgb, true = (torch.stack([getattr(s, name) for s in samples]) for name in ("rgb", "step_px"))
        return torch.cat([rgb, made.float()], dim=1), torch.cat([rgb, true], dim=1)

    def judge(self, generator: nn.Module, samples: Sequence[MotionSample]) -> Judgement:
        """Mean end-point error in px per frame over the moving pixels: ``network``; ``hint``, the field that the arrows alone
        span; ``mean``, the sample's true mean flow everywhere; ``zero``, no flow at all."""
        errors: dict[str, list[float]] = {}
        tiles = []
        for n, sample in enumerate(samples):
            made = generator([sample]).float()
            true, hint, mask = (x[None] for x in (sample.step_px, sample.hint, sample.mask))
            mean = (true.sum(dim=(2, 3)) / mask.sum().clamp_min(1.0))[..., None, None]
            for name, flow in (("network", made), ("hint", hint), ("mean", mean), ("zero", torch.zeros_like(true))):
                errors.setdefault(f"end_point_{name}", []).append(float(end_point_error(flow, true, mask)))
            if n < NUM_SHOWN:
                tiles += _tiles(sample, made[0], errors["end_point_network"][-1], errors["end_point_hint"][-1])
        return Judgement({name: sum(values) / len(values) for name, values in errors.items()}, tiles)

    def published(self, generator: nn.Module) -> tuple[str, dict[str, Any]]:
        return MOTION_FILE, {"netG": generator.get_submodule("network").state_dict()}


def _source(config: MotionConfig, split: Split) -> Source[MotionSample]:
    if config.data == "procedural":
        return ProceduralMotion(config.size_px, config.seed, split)
    return FolderMotion(config.data, config.size_px, config.seed, split)


def _tiles(sample: MotionSample, made: Tensor, error: float, hint_error: float) -> list[Tile]:
    fastest = float(sample.step_px.norm(dim=0).max().clamp_min(1e-6))
    picture = (sample.rgb.permute(1, 2, 0) * 255).round().to(torch.uint8).cpu().numpy()

    def coloured(step_px: Tensor) -> Any:
        return flow_colours((step_px / fastest).permute(1, 2, 0).cpu().numpy())

    return [
        Tile(picture, "picture", "validation"),
        Tile(coloured(sample.hint), "hint", f"end-point error {hint_error:.3f} px per frame"),
        Tile(coloured(made), "network", f"end-point error {error:.3f} px per frame"),
        Tile(coloured(sample.step_px), "truth", f"fastest {fastest:.2f} px per frame"),
    ]
