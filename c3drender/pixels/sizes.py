"""The reduced size at which a picture is worked on."""

from __future__ import annotations


def work_size(height: int, width: int, longest_px: int) -> tuple[float, tuple[int, int]]:
    """The scale that brings the longer side down to ``longest_px``, 1 where it is shorter, and the size ``(width, height)``,
    in OpenCV's order, at least one pixel each."""
    scale = min(1.0, longest_px / max(height, width))
    return scale, (max(1, round(width * scale)), max(1, round(height * scale)))
