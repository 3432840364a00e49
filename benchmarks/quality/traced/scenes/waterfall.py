"""A waterfall over a cliff into its pool, with drifting spray."""

from __future__ import annotations

from dataclasses import replace

from perception.scenes.parts.cascade import Fall, build_fall
from perception.scenes.parts.stage import Air, Stage


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(0.0, 0.0, 2.2), pitch=0.16)
    build_fall(stage, Fall(height=9.0, width=5.0, distance=16.0, tiers=2, closing=0.3))
    stage.air = Air(1 / 4000)
