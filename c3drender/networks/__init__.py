"""The learned parts: the paper's networks, their checkpoints, learned rendering, and the released system as a preset."""

from .checkpoints import PublishedModels, RenderModel, load_motion, load_published, load_renderer
from .decoder import Decoder
from .features import FeatureExtractor
from .motion import MotionNetwork

__all__ = [
    "Decoder",
    "FeatureExtractor",
    "MotionNetwork",
    "PublishedModels",
    "RenderModel",
    "load_motion",
    "load_published",
    "load_renderer",
]
