"""What a photo shows, by a network of our own: classes, nearness, how surfaces lie, where fluids go."""

from .photo import Perception, perceive

__all__ = ["Perception", "perceive"]
