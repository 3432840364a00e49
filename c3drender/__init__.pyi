from . import batch, ops
from .data import Camera, CameraKeys, CameraPath, Cameras, Flame, Fluid, Frame, Lens, Ripple, Sway
from .files.scene import Scene, load_scene, save_scene
from .pipeline.export import export_scene
from .pipeline.play import export_play
from .pipeline.prepare import prepare
from .pipeline.render import Animation, animate, camera_path, render_cinemagraph, render_frames
from .web import export_html

__all__ = [
    "Animation",
    "Camera",
    "CameraKeys",
    "CameraPath",
    "Cameras",
    "Flame",
    "Fluid",
    "Frame",
    "Lens",
    "Ripple",
    "Scene",
    "Sway",
    "animate",
    "batch",
    "camera_path",
    "export_html",
    "export_play",
    "export_scene",
    "load_scene",
    "ops",
    "prepare",
    "render_cinemagraph",
    "render_frames",
    "save_scene",
]

__version__: str
