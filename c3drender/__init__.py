"""c3drender: one photo becomes a 3D cinemagraph, a looping video with moving water, clouds or smoke and a moving camera."""

from . import ops
from .data import Camera, CameraPath, Frame, Scene
from .pipeline import camera_path, prepare, render_cinemagraph, render_frames
from .scene_file import load_scene, save_scene

__version__ = "0.1.0"
__all__ = [
    "Camera",
    "CameraPath",
    "Frame",
    "Scene",
    "camera_path",
    "load_scene",
    "ops",
    "prepare",
    "render_cinemagraph",
    "render_frames",
    "save_scene",
]
