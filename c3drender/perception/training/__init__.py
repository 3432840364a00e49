"""Training the perception network."""

from .config import PerceptionConfig
from .train import train_perception

__all__ = ["PerceptionConfig", "train_perception"]
