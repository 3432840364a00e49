"""How many frames a project's seconds have."""

from __future__ import annotations

from dataclasses import dataclass

from ..pipeline.render import periods
from .edits import Settings


@dataclass(frozen=True)
class Timing:
    """Frames of the motion's ``loop`` and of the ``total``, the camera's round; frames per second; the motion's speed."""

    loop: int
    total: int
    fps: float
    speed: float


def timing_of(settings: Settings, fps: float | None = None) -> Timing:
    """A project's; at another rate than its own the same seconds have more or fewer frames, in which as much moves."""
    loop, total = periods(settings.frames)
    if fps is None:
        return Timing(loop, total, settings.fps, settings.speed)
    frames = max(round(loop * fps / settings.fps), 1)
    return Timing(frames, total // loop * frames, fps, settings.speed * loop / frames)
