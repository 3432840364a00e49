"""Clouds that drift over land, in time lapse."""

from __future__ import annotations

from dataclasses import replace

from perception.scenes.families import mountains
from perception.scenes.parts.stage import Air, Stage


def build(stage: Stage) -> None:
    stage.camera = replace(stage.camera, location=(0.0, 0.0, 3.0), pitch=0.14)
    mountains.build(stage)
    stage.air = Air(1 / 20000)
