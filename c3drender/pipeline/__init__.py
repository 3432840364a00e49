"""The whole way from a photo to a video: `prepare` makes a `Scene`, `render_frames` its frames, `render_cinemagraph` both.

The only room that composes the stages. ``inputs`` reads and checks what the user gave before any work is done; ``prepare`` and
``render`` are the two halves; ``published`` is the authors' released system.
"""

from .export import export_scene
from .prepare import build_scene, prepare
from .render import Animation, animate, animate_learned, camera_path, render_cinemagraph, render_frames, render_scene

__all__ = [
    "Animation",
    "animate",
    "animate_learned",
    "build_scene",
    "camera_path",
    "export_scene",
    "prepare",
    "render_cinemagraph",
    "render_frames",
    "render_scene",
]
