"""c3drender: one photo becomes a 3D cinemagraph, a looping video with moving water, clouds or smoke and a moving camera."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import ops
    from .data import Camera, CameraKeys, CameraPath, Flow, Frame, Ripple, Scene, Sway
    from .pipeline import camera_path, prepare, render_cinemagraph, render_frames
    from .scene_file import load_scene, save_scene

__version__ = "0.1.0"
__all__ = [
    "Camera",
    "CameraKeys",
    "CameraPath",
    "Flow",
    "Frame",
    "Ripple",
    "Scene",
    "Sway",
    "camera_path",
    "load_scene",
    "ops",
    "prepare",
    "render_cinemagraph",
    "render_frames",
    "save_scene",
]

# Loaded when first used: importing torch takes seconds, and `c3drender --help` needs none of it.
_HOME = {
    "Camera": "data",
    "CameraKeys": "data",
    "CameraPath": "data",
    "Flow": "data",
    "Frame": "data",
    "Ripple": "data",
    "Scene": "data",
    "Sway": "data",
    "camera_path": "pipeline",
    "load_scene": "scene_file",
    "prepare": "pipeline",
    "render_cinemagraph": "pipeline",
    "render_frames": "pipeline",
    "save_scene": "scene_file",
}


def __getattr__(name: str) -> Any:
    if name == "ops":
        return import_module(".ops", __name__)
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
