"""A waterfall over a cliff into its pool, with drifting spray."""

from __future__ import annotations

from dataclasses import replace

from perception.scenes.parts.cascade import Fall, build_fall
from perception.scenes.parts.stage import Air, Stage


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(0.0, 0.0, 2.0), pitch=0.09)
    build_fall(stage, Fall(height=8.0, width=4.0, distance=19.0, tiers=1, closing=0.3))
    stage.air = Air(1 / 4000)
    stage.exposure = -0.6
