"""Depth: the user's own map, a model of transformers, or the built-in estimate from the scenery and the picture's edges."""

from .estimate import depth_from_disparity, depth_from_metric, estimate_depth

__all__ = ["depth_from_disparity", "depth_from_metric", "estimate_depth"]
