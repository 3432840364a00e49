"""Held out: waterfalls deep in a gorge whose walls close in."""

from __future__ import annotations

from ..parts.cascade import Fall, build_fall
from ..parts.stage import Stage


def build(stage: Stage) -> None:
    rng = stage.rng
    height = stage.log_uniform(6, 60)
    build_fall(
        stage,
        Fall(
            height,
            height * stage.log_uniform(0.06, 0.4),
            height * rng.uniform(1.0, 2.2) + 3,
            int(rng.integers(1, 4)),
            rng.uniform(0.8, 1.6),
        ),
    )
