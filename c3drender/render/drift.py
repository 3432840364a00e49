"""The ways of a fluid's points over a loop, kept in 16 bits a coordinate: a picture of 3840x2160 may hold millions of points
times 61 moments times two directions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .. import ops

MOST_UNITS = 2**15 - 1


@dataclass(frozen=True, eq=False)
class Drift:
    """``units`` int16 ``[num_frames+1, M, 2]``: each point's displacement after 0..num_frames steps, times ``unit_px``."""

    units: Tensor
    unit_px: float

    @property
    def num_frames(self) -> int:
        return len(self.units) - 1

    def at(self, n: int) -> Tensor:
        """Displacements after ``n`` steps, px ``[M, 2]``: exactly 0 for ``n = 0``, else within half a unit of the path."""
        return self.units[n].to(torch.float32) * self.unit_px


def trace(step_px: Tensor, num_frames: int, start_px: Tensor) -> Drift:
    """Let points start at ``start_px [M, 2]`` and follow ``step_px [H, W, 2]`` for ``num_frames`` steps. The longest way has
    32767 units: one of 500 px is kept to 1/130 px."""
    offset_px = ops.integrate_flow(step_px, num_frames, start_px=start_px).offset_px
    units = torch.empty_like(offset_px, dtype=torch.int16)
    if offset_px.numel() == 0:
        return Drift(units, 1.0)
    longest_px = max(float(offset_px.max()), -float(offset_px.min()))
    unit_px = longest_px / MOST_UNITS if longest_px > 0 else 1.0
    for after, kept in zip(offset_px, units, strict=True):
        kept.copy_((after / unit_px).round_().clamp_(-MOST_UNITS, MOST_UNITS))
    return Drift(units, unit_px)
