"""Training of the paper's networks in its two stages: `train_motion`, then `train_render`."""

from .config import MotionConfig, RenderConfig, read_config
from .trainer import train_motion, train_render

__all__ = ["MotionConfig", "RenderConfig", "read_config", "train_motion", "train_render"]
