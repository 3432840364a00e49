"""What the picture shows: sky, water, rapids, smoke, and where the horizon lies."""

from .find import find_scenery

__all__ = ["find_scenery"]
