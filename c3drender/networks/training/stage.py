"""What the training loop asks of a stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from ...pixels.sheet import Tile
from .samples import Source


@dataclass(frozen=True, eq=False)
class Judgement:
    """Means over the validation samples by name, and a few samples as pictures."""

    metrics: dict[str, float]
    tiles: list[Tile]


class Stage(Protocol):
    """A generator (a batch of samples to one tensor), a discriminator, where samples come from, and what is asked of both.

    ``weights``: by name, those of `losses`, of ``adversarial`` and of ``feature_matching``. ``notes``: what should be said.
    ``parts``: the networks by their names in a checkpoint, and whether one must have them to start from (`start.start_from`).
    """

    name: str
    generator: nn.Module
    discriminator: nn.Module
    training: Source[Any]
    validation: Source[Any]
    weights: dict[str, float]
    notes: tuple[str, ...]
    parts: dict[str, tuple[nn.Module, bool]]

    def check_start(self, content: Mapping[str, Any], file: Path) -> None:
        """Refuse a checkpoint whose networks have these weights but do something else."""
        ...

    def losses(self, made: Tensor, samples: Sequence[Any]) -> dict[str, Tensor]:
        """Scalar losses of what the generator made, unweighted."""
        ...

    def shown(self, made: Tensor, samples: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """What the discriminator is shown: made and true, ``[B, C, H, W]`` each."""
        ...

    def judge(self, generator: nn.Module, samples: Sequence[Any]) -> Judgement:
        """Measure ``generator`` on samples that it was not trained on."""
        ...

    def published(self, generator: nn.Module) -> tuple[str, dict[str, Any]]:
        """Name and content of the checkpoint in the authors' layout; ``{step}`` in the name stands for six digits."""
        ...
