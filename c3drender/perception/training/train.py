"""Encoder and pyramid first, in a loop with averaged weights, validation, checkpoints and exact resume; then the readout."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from ...networks.checkpoints import read_weights
from ...networks.training.records import STATE, Records, read_state
from ...networks.training.trainer import warm_ema
from ...ops.device import pick_device
from ..encoder import from_published
from ..network import READ, PerceptionNet, Seen
from ..weights import FILE, channels_last, load_network, write_network
from .config import PerceptionConfig
from .judge import judge
from .losses import Targets, losses
from .packed import read_examples
from .places import train_readout
from .samples import Samples, at_size, batch, read_scenes, split_photos

FREE = ("out", "schedule")  # what a resumed run may be told anew
WARM_STEPS = 100
PYRAMID_SHARE = 0.5  # what the pyramid's word on classes counts where the readout's is asked for, too


def train_perception(config: PerceptionConfig, *, resume: bool = False, device: str = "auto", progress: bool = True) -> None:
    """Train the perception network in the folder ``config.out``: `FILE` in it is for use, ``state.pth`` to go on.

    Parameters
    ----------
    config : PerceptionConfig
    resume : bool
        Continue from the folder's last checkpoint.
    device : str
    progress : bool
        Show a bar.

    Raises
    ------
    ValueError, OSError
        With one line for what cannot be read, written or continued.
    """
    state = read_state(config.out) if resume else None  # before the folder is touched
    run = Run(config, pick_device(device), progress)
    if state is not None:
        run.restore(state)
    with closing(Records(config.out, resume=resume)) as records:
        if state is not None:
            records.forget_after(run.step)
        run.go(records)


class Run:
    """One run: the network, its average, its optimiser, its data."""

    def __init__(self, config: PerceptionConfig, device: torch.device, progress: bool) -> None:
        self.config, self.device, self.progress, self.step = config, device, progress, 0
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(config.seed)
            self.network = PerceptionNet()
        if config.encoder is not None:
            self.network.encoder.load_state_dict(from_published(read_weights("encoder", config.encoder)))
        elif config.network is not None:
            self.network.load_state_dict(load_network(Path(config.network)).state_dict())
            self.network.readout.drops(config.readout.dropout)
        channels_last(self.network.to(device))
        self._averaged = AveragedModel(self.network, multi_avg_fn=warm_ema(config.ema_decay))
        self.average = cast(PerceptionNet, self._averaged.module).requires_grad_(False).eval()
        encoder = list(self.network.encoder.parameters())
        own = {id(weight) for weight in encoder}
        rest = [weight for weight in self.network.parameters() if id(weight) not in own]
        groups = [{"params": rest, "rate": config.learning_rate}, {"params": encoder, "rate": config.encoder_rate}]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay, betas=(0.9, 0.99))
        photos, self.held = split_photos(list(read_examples(Path(config.photos))), config.validation_every)
        self.samples = Samples(config, photos, read_scenes(config.scenes, progress))

    def go(self, records: Records) -> None:
        """Train up to the schedule's last step; judge and save there, and as often as it says."""
        schedule = self.config.schedule
        loader = DataLoader(
            Subset(self.samples, range(self.step, schedule.steps)), None, num_workers=schedule.workers, pin_memory=False
        )
        sums: dict[str, Tensor] = {}
        counted = 0
        bar = tqdm(loader, "train perception", initial=self.step, total=schedule.steps, unit="step", disable=not self.progress)
        for rgb, truth in bar:
            for name, value in self._take_step(rgb, truth).items():
                sums[name] = sums.get(name, torch.zeros(())) + value.cpu()
            counted += 1
            self.step += 1
            last = self.step == schedule.steps
            if self.step % schedule.log_every == 0 or last:
                means = {name: float(value) / counted for name, value in sums.items()}
                records.report("train", self.step, means)
                bar.set_postfix(loss=f"{means['loss']:.3f}")
                sums, counted = {}, 0
            if self.held and self.step % schedule.validate_every == 0 and not last:
                records.report("validation", self.step, self.validate(pyramid=True))
            if self.step % schedule.checkpoint_every == 0 or last:
                self.save(records)
        train_readout(self.average, self.samples, self.config, self.progress)
        write_network(records.folder / FILE, self.average)
        if self.held:
            records.report("validation", self.step, self.validate())

    def _take_step(self, rgb: Tensor, truth: Targets) -> dict[str, Tensor]:
        for group in self.optimiser.param_groups:
            group["lr"] = group["rate"] * self._rate()
        self.network.train()
        encoder = self.network.encoder
        encoder.requires_grad_(self.step >= self.config.frozen_steps)
        if self.config.held_stages > 0:
            for part in (encoder.stem, *encoder.stages[: self.config.held_stages]):
                part.requires_grad_(False)
        taps = self.network.taps(rgb.to(self.device, memory_format=torch.channels_last))
        seen = self.network.pyramid(taps)
        random = torch.Generator().manual_seed(hash((self.config.seed, self.step)) % 2**31)
        told = _moved(truth, self.device)
        parts = losses(seen, told, random)
        weights = asdict(self.config.weights)
        if self.config.network is not None:
            read = losses(replace(seen, **self.network.read(taps, seen.disparity.shape[2:])), told, random)
            parts |= {f"read {name}": read[name] for name in READ}
            weights |= {f"read {name}": weights[name] for name in READ}
            weights |= {name: PYRAMID_SHARE * weights[name] for name in READ}
        total = torch.stack([weights[name] * value for name, value in parts.items()]).sum()
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        self.optimiser.step()
        self._averaged.update_parameters(self.network)
        return {"loss": total.detach(), **{name: value.detach() for name, value in parts.items()}}

    def _rate(self) -> float:
        """Of the learning rates: a short rise, then a half cosine to zero."""
        return min(1.0, (self.step + 1) / WARM_STEPS) * 0.5 * (1 + math.cos(math.pi * self.step / self.config.schedule.steps))

    def validate(self, *, pyramid: bool = False) -> dict[str, float]:
        """``pyramid``: by its heads, before there is a readout."""
        look = (lambda rgb: self.average.pyramid(self.average.taps(rgb))) if pyramid else self.average
        seen: list[tuple[Seen, Targets]] = []
        with torch.inference_mode():
            for photo in self.held:
                rgb, truth = batch([at_size(photo, self.config.size_px)])
                answer = look(rgb.to(self.device))
                seen.append((Seen(**{part.name: getattr(answer, part.name).cpu() for part in fields(Seen)}), truth))
        return judge(seen)

    def save(self, records: Records) -> None:
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        records.save(STATE, parts | {"step": self.step, "told": self._told()})

    def restore(self, state: dict[str, Any]) -> None:
        for name, value in self._told().items():
            started = state["told"].get(name)
            if started != value:
                raise ValueError(f"resume: expected {name} = {started!r}, as the run was started, got {value!r}")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step = state["step"]

    def _parts(self) -> dict[str, Any]:
        return {"network": self.network, "average": self._averaged, "optimiser": self.optimiser}

    def _told(self) -> dict[str, Any]:
        told = {name: value for name, value in asdict(self.config).items() if name not in FREE}
        return told | {"steps": self.config.schedule.steps, "batch_size": self.config.schedule.batch_size}


def _moved(truth: Targets, device: torch.device) -> Targets:
    return Targets(**{part.name: getattr(truth, part.name).to(device) for part in fields(Targets)})
