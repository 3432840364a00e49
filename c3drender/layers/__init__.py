"""From one depth map to a layered depth image: the photo, and behind it what the camera can uncover, filled."""

from .build import LayerConfig, build_layers

__all__ = ["LayerConfig", "build_layers"]
