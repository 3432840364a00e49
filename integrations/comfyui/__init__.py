"""c3drender's nodes for ComfyUI: a picture becomes a scene, the scene an image batch, or a file for other programs."""

from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
