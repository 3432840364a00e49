"""Stage two: extractor and decoder learn to render a moment between two others, and another view of a static scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...ops import Compositor
from ...pixels.sheet import Tile
from ..checkpoints import read_weights
from .config import RenderConfig
from .discriminator import MultiScaleDiscriminator
from .folder import FolderViews
from .losses import StructuralLoss, VggLoss, ssim
from .procedural import ProceduralViews
from .renderer import LearnedRenderer, render_colours
from .samples import RenderSample, Source, Split
from .stage import Judgement

NUM_SHOWN = 4
COMPARED: tuple[Compositor, ...] = ("alpha", "surface")


class RenderStage:
    name = "render"

    def __init__(self, config: RenderConfig) -> None:
        self.generator: nn.Module = LearnedRenderer(config.extractor_channels, config.decoder_channels, config.compositor)
        self.discriminator: nn.Module = MultiScaleDiscriminator(3, config.discriminator_channels)
        self.training: Source[Any] = _source(config, "train")
        self.validation: Source[Any] = _source(config, "validation")
        self.weights = vars(config.weights)
        self._perceptual = VggLoss(read_weights("vgg_weights", config.vgg_weights)) if config.vgg_weights else StructuralLoss()
        self.notes: tuple[str, ...] = (self._perceptual.note,)

        self.parts = {name: (self.generator.get_submodule(name), True) for name in ("feature_net", "img_decoder")}
        self.parts["netD.netD.netD"] = (self.discriminator, False)
        self._compositor = config.compositor

    def check_start(self, content: Mapping[str, Any], file: Path) -> None:
        theirs = content.get("compositor", "alpha")  # which the authors' files, all of it, do not name
        if theirs != self._compositor:
            raise ValueError(f"init: expected compositor = {self._compositor!r}, as configured, got {theirs!r} in {file}")

    def losses(self, made: Tensor, samples: Sequence[RenderSample]) -> dict[str, Tensor]:
        true = _targets(samples)
        self._perceptual.to(made.device)
        return {"l1": functional.l1_loss(made.float(), true), "perceptual": self._perceptual(made.float(), true)}

    def shown(self, made: Tensor, samples: Sequence[RenderSample]) -> tuple[Tensor, Tensor]:
        return made.float(), _targets(samples)

    def judge(self, generator: nn.Module, samples: Sequence[RenderSample]) -> Judgement:
        """L1, PSNR (dB) and SSIM of the network's pictures and of colours alone under both compositors; means over the
        samples, and PSNR for flowing and static scenes apart."""
        values: dict[str, list[float]] = {}
        tiles = []
        for n, sample in enumerate(samples):
            true = _targets([sample])
            kind = "still" if not bool(sample.start.moving.any()) else "flow"
            pictures = {"network": generator([sample]).float()}
            pictures |= {name: render_colours(sample, name)[None] for name in COMPARED}
            for name, picture in pictures.items():
                error = _psnr(picture, true)
                measured = {"l1": float(functional.l1_loss(picture, true)), "psnr": error, "ssim": float(ssim(picture, true))}
                for metric, value in (measured | {f"psnr_{kind}": error}).items():
                    values.setdefault(f"{metric}_{name}", []).append(value)
            if n < NUM_SHOWN:
                tiles += [_tile(picture, name, f"{_psnr(picture, true):.1f} dB, {kind}") for name, picture in pictures.items()]
                tiles.append(_tile(true, "truth", f"frame {sample.frame} of {sample.num_frames}"))
        return Judgement({name: sum(v) / len(v) for name, v in sorted(values.items())}, tiles)

    def published(self, generator: nn.Module) -> tuple[str, dict[str, Any]]:
        discriminator = {f"netD.netD.{key}": value for key, value in self.discriminator.state_dict().items()}
        networks = {name: getattr(generator, name).state_dict() for name in ("feature_net", "img_decoder")}
        compositor = getattr(generator, "img_decoder").compositor  # noqa: B009  (a Module's attributes have no types)
        return "model_{step}.pth", networks | {"netD": discriminator, "compositor": compositor}


def _source(config: RenderConfig, split: Split) -> Source[RenderSample]:
    views = ProceduralViews(config.size_px, config.margin_px, config.seed, split)
    return views if config.data == "procedural" else FolderViews(config.data, views)


def _targets(samples: Sequence[RenderSample]) -> Tensor:
    return torch.stack([s.target for s in samples]).permute(0, 3, 1, 2)


def _psnr(picture: Tensor, true: Tensor) -> float:
    return -10 * float((picture - true).square().mean().clamp_min(1e-10).log10())


def _tile(picture: Tensor, title: str, detail: str) -> Tile:
    pixels = (picture[0].permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return Tile(pixels, title, detail)
