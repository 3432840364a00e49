from . import ops
from .data import Camera, CameraKeys, CameraPath, Flame, Fluid, Frame, Ripple, Sway
from .files.scene import Scene, load_scene, save_scene
from .pipeline.prepare import prepare
from .pipeline.render import Animation, animate, camera_path, render_cinemagraph, render_frames
from .web import export_html

__all__ = [
    "Animation",
    "Camera",
    "CameraKeys",
    "CameraPath",
    "Flame",
    "Fluid",
    "Frame",
    "Ripple",
    "Scene",
    "Sway",
    "animate",
    "camera_path",
    "export_html",
    "load_scene",
    "ops",
    "prepare",
    "render_cinemagraph",
    "render_frames",
    "save_scene",
]

__version__: str
