"""The processes of a run: one alone, or those that ``torchrun`` started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from ...ops.device import pick_device


@dataclass(frozen=True)
class Team:
    """This process' place (``rank`` of ``size``) and its ``device``."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """The first process alone writes and validates."""
        return self.rank == 0

    def share(self, module: nn.Module) -> nn.Module:
        """Average the gradients of ``module`` over the team; the weights start as the leader's."""
        return DistributedDataParallel(module) if self.size > 1 else module


def _count(name: str, default: str = "none") -> int:
    """A whole number that ``torchrun`` sets in the environment."""
    text = os.environ.get(name, default)
    if not text.isdecimal():
        raise ValueError(f"{name}: expected a whole number in the environment, as torchrun sets it, got {text}")
    return int(text)


@contextmanager
def joined(device: str | torch.device = "auto") -> Iterator[Team]:
    """Join the team that ``torchrun`` describes in the environment, each process on the GPU of its local rank where there are
    any; without ``torchrun``, a team of one."""
    size = _count("WORLD_SIZE", "1")
    chosen = pick_device(device)
    if size == 1:
        yield Team(0, 1, chosen)
        return
    if chosen.type == "cuda":
        chosen = pick_device(f"cuda:{_count('LOCAL_RANK')}")
        torch.cuda.set_device(chosen)
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Team(distributed.get_rank(), size, chosen)
    finally:
        distributed.destroy_process_group()
