"""The traced scenes. Those without a signature yet are drawn where they are named, and measured once they are signed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Take:
    """``seed`` of the scene's random numbers, and the time that passes between two frames."""

    seed: int
    seconds_per_frame: float
    samples: int = 8


TAKES: dict[str, Take] = {
    "ocean": Take(1, 1 / 15),
    "shore": Take(2, 1 / 16),
    "river": Take(1, 1 / 40),
    "waterfall": Take(5, 1 / 100, samples=24),
    "fountain": Take(2, 1 / 120),
    "figure": Take(1, 1 / 30),
}
