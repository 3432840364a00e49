"""Waterfalls over cliffs into pools, alone or in tiers, with spray, wet rock and woods around."""

from __future__ import annotations

from ..parts.cascade import Fall, build_fall
from ..parts.stage import Stage


def build(stage: Stage) -> None:
    rng = stage.rng
    height = stage.log_uniform(1.5, 40)
    build_fall(
        stage,
        Fall(
            height=height,
            width=height * stage.log_uniform(0.12, 1.5),
            distance=height * rng.uniform(0.9, 2.4) + 3,
            tiers=int(rng.choice([1, 1, 2, 3])),
            closing=rng.uniform(0.0, 0.5),
        ),
    )
