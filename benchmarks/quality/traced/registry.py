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
    "lake": Take(22, 1 / 30),
    "waterfall": Take(5, 1 / 120),
    "clouds": Take(15, 2 / 3, samples=6),
    "fountain": Take(2, 1 / 120),
    "figure": Take(36, 1 / 20),
}
