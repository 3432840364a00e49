"""People before the sea, waves coming in behind them."""

from __future__ import annotations

from dataclasses import replace

from perception.scenes.families import waterside
from perception.scenes.parts.stage import Air, Stage


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(0.0, 0.0, 1.6), pitch=-0.03)
    waterside.build(stage)
    stage.air = Air(1 / 20000)
