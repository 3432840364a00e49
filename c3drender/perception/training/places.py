"""Training the readout: places of many pictures, their features kept, drawn all at once.

A batch of a dozen pictures says little of what grass and water look like, however many pixels it has: within a picture they
are alike. Here every batch draws from all pictures, and costs next to nothing: the encoder is done and its features are kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from ..network import READ, PerceptionNet
from ..readout import READ_STRIDE, Readout, features
from .augment import varied
from .config import PerceptionConfig
from .losses import RARE, SMOOTHING
from .packed import Example
from .samples import Samples, batch

LEAST_SPREAD = 1e-3


@dataclass(frozen=True, eq=False)
class Places:
    """``features`` float16 ``[N, C]`` and what is known there, ``[N]``, -1 where nobody knows; ``way`` ``[N, 2]``, 0 where
    unknown; ``is_photo`` bool."""

    features: Tensor
    surface: Tensor
    layout: Tensor
    free: Tensor
    speed: Tensor
    way: Tensor
    is_photo: Tensor


def train_readout(network: PerceptionNet, samples: Samples, config: PerceptionConfig, progress: bool) -> None:
    """Train ``network.readout`` on what its encoder, which stays as it is, makes of the samples' photos and scenes."""
    device = next(network.parameters()).device
    readout = fit_readout(draw_places(network, samples, config, progress), config, device, progress)
    network.readout.load_state_dict(readout.state_dict())


def fit_readout(places: Places, config: PerceptionConfig, device: torch.device, progress: bool = False) -> Readout:
    """A readout trained on ``places``, on ``device``."""
    told = config.readout
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.seed)
        readout = Readout(READ, told.dropout)
        known = places.features.float()
        readout.mean.copy_(known.mean(0))
        readout.spread.copy_(known.std(0).clamp(min=LEAST_SPREAD))
        del known
        readout.to(device).train()
        optimiser = torch.optim.AdamW(readout.parameters(), told.learning_rate, weight_decay=told.weight_decay)
        for step in tqdm(range(told.steps), "train readout", unit="step", disable=not progress):
            for group in optimiser.param_groups:
                group["lr"] = told.learning_rate * 0.5 * (1 + math.cos(math.pi * step / told.steps))
            chosen = torch.randint(len(places.surface), (told.batch_size,))
            drawn = Places(**{part.name: getattr(places, part.name)[chosen].to(device) for part in fields(Places)})
            optimiser.zero_grad(set_to_none=True)
            loss(readout(drawn.features.float()[..., None, None]), drawn, config).backward()
            optimiser.step()
    return readout.eval()


def draw_places(network: PerceptionNet, samples: Samples, config: PerceptionConfig, progress: bool) -> Places:
    """Places of every photo and scene, another crop and look of it each time, spread over what is labelled."""
    told = config.readout
    random = np.random.default_rng((config.seed, 2))
    photos = list({id(photo): photo for photo in samples.photos}.values())  # once each, however often they come in training
    turns: list[tuple[Example, bool]] = [(photo, True) for _ in range(told.passes) for photo in photos]
    turns += [(scene, False) for _ in range(max(told.passes // 4, 1)) for scene in samples.scenes]
    found = [
        places_of(
            network,
            varied(example, samples.size(random), random, None if is_photo else samples.look(random)),
            told.places,
            random,
        )
        for example, is_photo in tqdm(turns, "places", unit="picture", disable=not progress)
    ]
    return joined(found)


def joined(found: Sequence[Places]) -> Places:
    """Those of many pictures as one."""
    return Places(**{part.name: torch.cat([getattr(places, part.name) for places in found]) for part in fields(Places)})


@torch.inference_mode()
def places_of(network: PerceptionNet, example: Example, most: int, random: np.random.Generator) -> Places:
    """Up to ``most`` places of one picture that is as it shall be seen, of those that are labelled."""
    rgb, truth = batch([example], READ_STRIDE)
    grid = features(network.taps(rgb.to(next(network.parameters()).device)))[0].flatten(1).T.to("cpu", torch.float16)
    labelled = torch.nonzero(truth.surface.flatten() >= 0)[:, 0].numpy()
    chosen = torch.from_numpy(random.permutation(labelled)[:most])
    return Places(
        features=grid[chosen],
        surface=truth.surface.flatten()[chosen],
        layout=truth.layout.flatten()[chosen],
        free=truth.free.flatten()[chosen],
        speed=truth.speed.flatten()[chosen],
        way=truth.way[0].flatten(1).T[chosen],
        is_photo=truth.is_photo.expand(len(chosen)),
    )


def loss(read: dict[str, Tensor], truth: Places, config: PerceptionConfig) -> Tensor:
    """The weighted sum of the losses of what is read off, as in `losses.losses`."""
    logits = {name: values[..., 0, 0] for name, values in read.items()}
    weight = torch.where(truth.is_photo, 1.0, config.readout.scene_weight)
    rare = weight.new_tensor(RARE)

    def asked(values: Tensor, known: Tensor) -> Tensor:
        return (values * weight * known).mean()

    def entropy(name: str, labels: Tensor, classes: Tensor | None = None) -> Tensor:
        values = functional.cross_entropy(
            logits[name], labels, classes, ignore_index=-1, reduction="none", label_smoothing=SMOOTHING
        )
        return asked(values, labels >= 0)

    free = functional.binary_cross_entropy_with_logits(logits["free"][:, 0], truth.free.clamp(min=0).float(), reduction="none")
    flows = truth.way.abs().amax(1) > 0
    parts = {
        "surface": entropy("surface", truth.surface, rare),
        "layout": entropy("layout", truth.layout),
        "free": asked(free, truth.free >= 0),
        "way": asked((logits["way"] - truth.way).square().sum(1), flows),
        "speed": entropy("speed", truth.speed),
    }
    return torch.stack([getattr(config.weights, name) * value for name, value in parts.items()]).sum()
