"""The ways of a fluid's points over a loop, kept in 16 bits a coordinate and for at most `MOST_MOMENTS` moments: a picture of
3840x2160 may hold millions of points times two directions."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from .. import ops
from ..pixels.exact import lerp

MOST_UNITS = 2**15 - 1
MOST_MOMENTS = 60  # beside the start; between them points go straight
STEPS_AT_ONCE = 6  # that exist in 32 bits


@dataclass(frozen=True, eq=False)
class Drift:
    """``units`` int16 ``[K+1, M, 2]``: each point's displacement after 0, ``stride``, 2 ``stride`` ... steps, and after
    ``num_frames`` as the last, in units of ``unit_px`` float32 ``[K+1]``."""

    units: Tensor
    unit_px: Tensor
    stride: int
    num_frames: int

    def at(self, n: float, out: Tensor | None = None) -> Tensor:
        """Displacements after ``n`` steps, also between two, px ``[M, 2]``, exactly 0 for ``n = 0``; written to ``out``, where
        one is given: new memory takes ten times as long as the displacements."""
        row, following, share = self.between(n)
        if row == following:
            return self._kept(row, out)
        return lerp(self._kept(row), self._kept(following), share, out)

    def between(self, n: float) -> tuple[int, int, float]:
        """The rows between which step ``n`` lies, and how far it is to the second, 0..1; where it is a row's, that twice."""
        if n == self.num_frames:
            return len(self.units) - 1, len(self.units) - 1, 0.0
        row = int(n // self.stride)
        steps = n - row * self.stride
        if steps == 0:
            return row, row, 0.0
        return row, row + 1, steps / min(self.stride, self.num_frames - row * self.stride)

    def at_numbers(self, between: Tensor) -> Tensor:
        """`at` by what `between` says, which lies beside the ways: float32 ``[3]``."""
        rows = between[:2].to(torch.int64)
        ends = self.units.index_select(0, rows) * self.unit_px.index_select(0, rows)[:, None, None]
        return lerp(ends[0], ends[1], between[2])

    def _kept(self, moment: int, out: Tensor | None = None) -> Tensor:
        return torch.mul(self.units[moment], self.unit_px[moment], out=out)


def trace(step_px: Tensor, num_frames: int, start_px: Tensor) -> Drift:
    """Let points start at ``start_px [M, 2]`` and follow ``step_px [H, W, 2]`` for ``num_frames`` steps. The longest way to a
    moment has 32767 units: one of 500 px is kept to 1/130 px."""
    stride = max(ceil(num_frames / MOST_MOMENTS), 1)
    moments = [*range(0, num_frames, stride), num_frames]
    units = torch.empty(len(moments), len(start_px), 2, dtype=torch.int16, device=start_px.device)
    units[0] = 0
    unit_px = torch.ones(len(moments), dtype=torch.float32, device=start_px.device)
    reached_px = torch.zeros_like(start_px)
    for first in range(0, num_frames, STEPS_AT_ONCE):
        steps = min(STEPS_AT_ONCE, num_frames - first)
        at_px = ops.integrate_flow(step_px, steps, start_px=start_px + reached_px).offset_px.add_(reached_px)
        reached_px = at_px[steps].clone()
        for k, moment in enumerate(moments):
            if first < moment <= first + steps:
                way_px = at_px[moment - first]
                unit_px[k] = _unit_of(way_px)
                units[k] = way_px.div_(unit_px[k]).round_().clamp_(-MOST_UNITS, MOST_UNITS)
    return Drift(units, unit_px, stride, num_frames)


def _unit_of(at_px: Tensor) -> Tensor | float:
    """Of which the longest of these displacements has `MOST_UNITS`."""
    if at_px.numel() == 0:
        return 1.0
    least_px, most_px = at_px.aminmax()
    longest_px = torch.maximum(most_px, -least_px).double()  # so that the unit is rounded once
    return torch.where(longest_px > 0, longest_px / MOST_UNITS, 1.0)
