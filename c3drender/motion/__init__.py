"""What moves, and how: the flow of fluids, the sway of what is rooted, flames on their base, the ripples of still water."""

from .flame import find_flames, flame_field
from .flow import find_flow, flow_from_hints, guess_motion
from .ripple import find_still, ripple_field
from .sway import sway_field

__all__ = [
    "find_flames",
    "find_flow",
    "find_still",
    "flame_field",
    "flow_from_hints",
    "guess_motion",
    "ripple_field",
    "sway_field",
]
