"""What the picture shows: sky, water, rapids, smoke, and where the horizon lies."""

from .find import find_scenery
from .segmented import apply_segments
from .spray import with_spray

__all__ = ["apply_segments", "find_scenery", "with_spray"]
