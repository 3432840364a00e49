"""The training loop of both stages: adversarial steps, averaged weights, checkpoints, exact resume.

Everything that is random is a function of the seed and of a sample's number, so the state of a run is its weights, its
optimisers and its step. On a CPU a run that was stopped and resumed ends with the same bits as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from ...data import PathLike, to_device
from .config import MotionConfig, RenderConfig, RunConfig
from .discriminator import split_verdicts
from .losses import feature_matching, hinge_discriminator, hinge_generator
from .motion_stage import MotionStage
from .records import STATE, Records, read_state
from .render_stage import RenderStage
from .stage import Stage
from .start import start_from
from .team import Team, joined

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
FREE_SCHEDULE = ("steps", "workers", "log_every", "validate_every", "num_validation", "checkpoint_every")
FREE = ("out", *(f"schedule.{name}" for name in FREE_SCHEDULE))  # what a resumed run may be told anew


def train_motion(
    config: MotionConfig,
    *,
    resume: bool = False,
    init: PathLike | None = None,
    device: str = "auto",
    progress: bool = True,
) -> None:
    """Stage one of the paper: train the motion network in the folder ``config.out``.

    Under ``torchrun`` every process takes its share of each batch.

    Parameters
    ----------
    config : MotionConfig
    resume : bool
        Continue from the folder's last checkpoint; where ``schedule.steps`` is more than it was, at the learning rate that so
        long a run has there.
    init : path, optional
        A checkpoint whose weights a new run starts from: a file or folder of another run, or the authors'.
    device : str
    progress : bool
        Show a bar.

    Raises
    ------
    ValueError, OSError
        With one line for what cannot be read, written or continued.
    """
    _train(MotionStage, config, resume, init, device, progress)


def train_render(
    config: RenderConfig,
    *,
    resume: bool = False,
    init: PathLike | None = None,
    device: str = "auto",
    progress: bool = True,
) -> None:
    """Stage two of the paper: train extractor and decoder. Parameters and errors as for `train_motion`."""
    _train(RenderStage, config, resume, init, device, progress)


def _train(
    kind: Callable[[Any], Stage], config: RunConfig, resume: bool, init: PathLike | None, device: str, progress: bool
) -> None:
    if resume and init is not None:
        raise ValueError("init: expected resume or init, got both: a run that goes on has its weights")
    with (
        joined(device) as team,
        closing(Trainer(kind, config, team, resume=resume, init=init, progress=progress)) as trainer,
    ):
        trainer.run(config.schedule.steps)


def warm_ema(decay: float) -> Callable[..., None]:
    """The exponential average of torch's `AveragedModel`, whose first steps count for little: one that starts at random
    weights would keep them for long. After n steps it decays by ``(1 + n) / (10 + n)``, up to ``decay``."""

    def update(averages: Sequence[Tensor], values: Sequence[Tensor], num_averaged: Tensor) -> None:
        steps = int(num_averaged)
        get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averages, values, num_averaged)

    return update


class Trainer:
    """One run of one stage. `run` may be called again to go on to a later step."""

    def __init__(
        self,
        kind: Callable[[Any], Stage],
        config: RunConfig,
        team: Team,
        *,
        resume: bool = False,
        init: PathLike | None = None,
        progress: bool = False,
    ) -> None:
        self.config, self.team, self.step = config, team, 0
        with torch.random.fork_rng(devices=[]):  # layers start from torch's own random source; the caller's stays as it is
            torch.default_generator.manual_seed(config.seed)
            self.stage = kind(config)
        started = () if init is None else start_from(self.stage, init)
        self.generator = self.stage.generator.to(team.device)
        self.discriminator = self.stage.discriminator.to(team.device)
        self._averaged = AveragedModel(self.generator, multi_avg_fn=warm_ema(config.optimiser.ema_decay))
        self.average = self._averaged.module.requires_grad_(False).eval()
        optimiser = config.optimiser
        betas = (optimiser.beta1, optimiser.beta2)
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), optimiser.learning_rate, betas),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), optimiser.discriminator_rate, betas),
        }
        self._rates = {"generator": optimiser.learning_rate, "discriminator": optimiser.discriminator_rate}
        self._precision = PRECISIONS[optimiser.precision]
        self._scaler = torch.amp.GradScaler(team.device.type, enabled=self._precision == torch.float16)
        self._progress = progress and team.leads
        state = read_state(config.out) if resume else None  # before the folder is touched
        self._records = Records(config.out, resume=resume) if team.leads else None
        self._held_out: list[Any] = []
        if state is not None:
            self._restore(state)
        self._shared = {"generator": team.share(self.generator), "discriminator": team.share(self.discriminator)}
        if self._progress:
            for note in (*started, *self.stage.notes):
                tqdm.write(note)

    # --- one step -----------------------------------------------------------------------------------------------------

    def _take_step(self, samples: Sequence[Any]) -> dict[str, Tensor]:
        weights = self.stage.weights
        self._set_rates()
        self.discriminator.requires_grad_(False)
        with self._autocast():
            made = self._shared["generator"](samples)
            losses = self.stage.losses(made, samples)
            fake, real = self.stage.shown(made, samples)
            on_fake, on_real = split_verdicts(self.discriminator(torch.cat([fake, real])))
            losses["adversarial"] = hinge_generator(on_fake)
            losses["feature_matching"] = feature_matching(on_fake, on_real)
            total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        self._descend("generator", self.generator, total)
        self._averaged.update_parameters(self.generator)

        self.discriminator.requires_grad_(True)
        with self._autocast():
            on_fake, on_real = split_verdicts(self._shared["discriminator"](torch.cat([fake.detach(), real])))
            against = hinge_discriminator(on_fake, on_real)
        self._descend("discriminator", self.discriminator, against)
        self._scaler.update()
        return {"loss": total.detach(), **{n: loss.detach() for n, loss in losses.items()}, "discriminator": against.detach()}

    def _set_rates(self) -> None:
        """The half cosine of the present step: nothing that a longer schedule could not take up."""
        factor = 0.5 * (1 + math.cos(math.pi * self.step / self.config.schedule.steps))
        for name, rate in self._rates.items():
            for group in self.optimisers[name].param_groups:
                group["lr"] = rate * factor

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.team.device.type, self._precision, enabled=self._precision != torch.float32)

    def _descend(self, name: str, module: nn.Module, loss: Tensor) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(optimiser)
        nn.utils.clip_grad_norm_(module.parameters(), self.config.optimiser.clip_norm)
        self._scaler.step(optimiser)

    # --- the run ------------------------------------------------------------------------------------------------------

    def run(self, until: int) -> None:
        """Train up to step ``until``; judge and save there, and as often as the schedule says."""
        schedule = self.config.schedule
        bar = tqdm(total=until, initial=self.step, desc=f"train {self.stage.name}", unit="step", disable=not self._progress)
        sums: dict[str, Tensor] = {}
        num_summed, since = 0, time.perf_counter()
        for samples in self._batches(until):
            losses = self._take_step([to_device(sample, self.team.device) for sample in samples])
            self.step += 1
            sums = {name: sums.get(name, 0) + loss for name, loss in losses.items()}
            num_summed += 1
            bar.update()
            ends = self.step == until
            if self.step % schedule.log_every == 0 or ends:
                seconds = (time.perf_counter() - since) / num_summed
                row = {name: float(value) / num_summed for name, value in sums.items()} | {"seconds_per_step": seconds}
                self._report("train", row)
                bar.set_postfix(loss=f"{row['loss']:.4g}")
                sums, num_summed, since = {}, 0, time.perf_counter()
            if self.step % schedule.validate_every == 0 or ends:
                self._judge()
            if self.step % schedule.checkpoint_every == 0 or ends:
                self._save()
        bar.close()

    def _batches(self, until: int) -> Iterator[list[Any]]:
        """This process' part of every batch from the present step on. Samples are numbered through the run."""
        schedule, team = self.config.schedule, self.team
        firsts = ((step * team.size + team.rank) * schedule.batch_size for step in range(self.step, until))
        batches = (range(first, first + schedule.batch_size) for first in firsts)
        loader: DataLoader[Any] = DataLoader(
            cast(Dataset[Any], self.stage.training),  # torch asks for __getitem__ alone
            batch_sampler=cast(Iterable[list[int]], batches),
            num_workers=schedule.workers,
            collate_fn=list,
            generator=torch.Generator(),
        )
        return iter(loader)

    @torch.no_grad()
    def _judge(self) -> None:
        if self._records is None:
            return
        if not self._held_out:
            numbers = range(self.config.schedule.num_validation)
            self._held_out = [to_device(self.stage.validation[n], self.team.device) for n in numbers]
        with self._autocast():
            judgement = self.stage.judge(self.average, self._held_out)
        self._report("validation", judgement.metrics)
        self._records.show(self.step, judgement.tiles)

    def _report(self, table: str, values: dict[str, float]) -> None:
        if self._records is not None:
            self._records.report(table, self.step, values)

    def close(self) -> None:
        if self._records is not None:
            self._records.close()

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def _save(self) -> None:
        """The averaged weights for use, in the authors' layout, and the whole state for resuming."""
        if self._records is None:
            return
        name, content = self.stage.published(self.average)
        self._records.save(name.format(step=f"{self.step:06d}"), content)
        state = {name: part.state_dict() for name, part in self._parts().items()}
        self._records.save(STATE, state | {"step": self.step, "told": self._told()})

    def _restore(self, state: dict[str, Any]) -> None:
        told = self._told()
        for name, value in state["told"].items():
            if name in FREE:
                continue
            if name not in told:
                raise ValueError(f"resume: expected a run with the settings of today, got one started with {name} = {value!r}")
            if told[name] != value:
                raise ValueError(f"resume: expected {name} = {value!r}, as the run was started, got {told[name]!r}")
        if self.config.schedule.steps < state["step"]:
            done = f"at least the {state['step']} that the run has done"
            raise ValueError(f"resume: expected schedule.steps of {done}, got {self.config.schedule.steps}")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step = state["step"]
        if self._records is not None:
            self._records.forget_after(self.step)

    def _parts(self) -> dict[str, Any]:
        optimisers = {f"{name}_optimiser": optimiser for name, optimiser in self.optimisers.items()}
        networks = {"generator": self.generator, "discriminator": self.discriminator, "average": self._averaged}
        return networks | optimisers | {"scaler": self._scaler}

    def _told(self) -> dict[str, Any]:
        """What must not change when a run is resumed, by dotted name."""
        told = {"stage": self.stage.name, "processes": self.team.size}
        for name, value in asdict(self.config).items():
            told |= {f"{name}.{key}": v for key, v in value.items()} if isinstance(value, dict) else {name: value}
        return {name: value for name, value in told.items() if name not in FREE}
