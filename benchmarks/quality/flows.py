"""Motions of a surface's texture, written out exactly: where it came from, and how fast it goes.

A motion acts in surface coordinates (s, t), in units and frames: what is seen at ``(s, t)`` at ``time`` lay at
``origin(s, t, time)`` when the photo was taken, at time 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, pi
from typing import Protocol

import numpy as np

from .textures import Array

Pair = tuple[Array, Array]


class Motion(Protocol):
    moves_outline: bool  # the surface's outline goes along; else the texture streams through a fixed one

    def origin(self, s: Array, t: Array, time: float) -> Pair: ...

    def velocity(self, s: Array, t: Array) -> Pair:
        """Units per frame at time 0."""
        ...


@dataclass(frozen=True)
class Drift:
    """A constant velocity, units per frame."""

    s: float
    t: float
    moves_outline: bool = False

    def origin(self, s: Array, t: Array, time: float) -> Pair:
        return s - self.s * time, t - self.t * time

    def velocity(self, s: Array, t: Array) -> Pair:
        return np.full_like(s, self.s), np.full_like(t, self.t)


@dataclass(frozen=True)
class Stream:
    """A steady field ``field(s, t) -> (s, t) units per frame``, integrated backward (Runge-Kutta 4, ``step`` frames)."""

    field: Callable[[Array, Array], Pair]
    step: float = 2.5
    moves_outline: bool = False

    def origin(self, s: Array, t: Array, time: float) -> Pair:
        steps = ceil(abs(time) / self.step)
        h = -time / max(steps, 1)
        for _ in range(steps):
            a = self.field(s, t)
            b = self.field(s + h / 2 * a[0], t + h / 2 * a[1])
            c = self.field(s + h / 2 * b[0], t + h / 2 * b[1])
            d = self.field(s + h * c[0], t + h * c[1])
            s = s + h / 6 * (a[0] + 2 * b[0] + 2 * c[0] + d[0])
            t = t + h / 6 * (a[1] + 2 * b[1] + 2 * c[1] + d[1])
        return s, t

    def velocity(self, s: Array, t: Array) -> Pair:
        return self.field(s, t)


SWINGS = (1.0, 0.25)  # of a sway's reach, by the number of swings in a period


@dataclass(frozen=True)
class Sway:
    """A harmonic motion of ``period`` frames: points swing along s by ``reach(s, t)`` units, at rest at time 0."""

    reach: Callable[[Array, Array], Array]
    period: float
    moves_outline: bool = True

    def _swing(self, time: float) -> float:
        phase = 2 * pi * time / self.period
        return float(sum(share * np.sin(k * phase) for k, share in enumerate(SWINGS, 1)))

    def origin(self, s: Array, t: Array, time: float) -> Pair:
        # s = s0 + reach(s0) * swing is solved for s0; the reach is slow, so few steps suffice.
        swing, start = self._swing(time), s
        for _ in range(6):
            start = s - self.reach(start, t) * swing
        return start, t

    def velocity(self, s: Array, t: Array) -> Pair:
        return self.reach(s, t) * sway_rate(self.period), np.zeros_like(t)


def sway_rate(period: float) -> float:
    """The velocity of a sway as it passes its rest, in reaches per frame."""
    return 2 * pi / period * sum(k * share for k, share in enumerate(SWINGS, 1))


def around(stones: list[tuple[float, float, float]], speed_s: float, speed_t: float) -> Callable[[Array, Array], Pair]:
    """The plane potential flow past round ``stones`` (s, t, radius): a uniform stream plus one dipole each."""

    def field(s: Array, t: Array) -> Pair:
        along, across = np.full_like(s, speed_s), np.full_like(t, speed_t)
        for s0, t0, radius in stones:
            x, y = s - s0, t - t0
            square = np.maximum(x * x + y * y, radius * radius)
            share = radius * radius / (square * square)
            along = along + share * (speed_s * (y * y - x * x) - 2 * speed_t * x * y)
            across = across + share * (speed_t * (x * x - y * y) - 2 * speed_s * x * y)
        return along, across

    return field
