"""The values that pass between stages: frozen dataclasses over torch tensors, nothing else.

Conventions (every module): camera space is +x right, +y down, +z forward; pixel ``(x, y)`` covers ``[x, x+1) x [y, y+1)`` and
has its centre at ``(x+0.5, y+0.5)``; ``u = fx*x/z + cx``; images are ``[H, W, C]``, contiguous, sRGB-encoded float32 in 0..1.

Constructors check shape, dtype and device, raise TypeError or ValueError, and never read a value (no device synchronisation).
Values are checked once, where data enters the package (`c3drender.files`, `c3drender.pipeline`).
"""

from .camera import LEAST_RANGE, Camera, CameraKeys, CameraPath, DepthSpan
from .cameras import Cameras
from .checks import Arrow, Arrows, MaskLike, PathLike, PictureLike, check_tensor, to_device
from .frames import Frame, PointCloud, Raster
from .layers import SPLAT_RULES, Layers, SplatRules
from .lens import Lens
from .motion import FRAMES_PER_ARROW, HIDES, Flame, FlowField, Fluid, Harmonics, MotionHints, Ripple, Sway, harmonic_px
from .picture import DepthMap, Image, Nearness, Scenery

__all__ = [
    "FRAMES_PER_ARROW",
    "HIDES",
    "LEAST_RANGE",
    "SPLAT_RULES",
    "Arrow",
    "Arrows",
    "Camera",
    "CameraKeys",
    "CameraPath",
    "Cameras",
    "DepthMap",
    "DepthSpan",
    "Flame",
    "FlowField",
    "Fluid",
    "Frame",
    "Harmonics",
    "Image",
    "Layers",
    "Lens",
    "MaskLike",
    "MotionHints",
    "Nearness",
    "PathLike",
    "PictureLike",
    "PointCloud",
    "Raster",
    "Ripple",
    "Scenery",
    "SplatRules",
    "Sway",
    "check_tensor",
    "harmonic_px",
    "to_device",
]
