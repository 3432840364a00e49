"""A lake whose ripples drift through the mirror image of its far shore."""

from __future__ import annotations

from dataclasses import replace

from perception.scenes.families import lake
from perception.scenes.parts.stage import Air, Stage


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(0.0, 0.0, 2.2), pitch=-0.06)
    lake.build(stage)
    stage.air = Air(1 / 20000)
