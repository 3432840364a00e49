"""Scene to frames: lift the layers to points, let the fluid ones drift, splat both sides, blend.

``lift`` layers to points; ``fluid`` what drifts, ``drift`` its ways; ``phase`` shows each of its waves once, in the measure
of ``even`` and ``beyond`` its borders too, ``contrast`` keeps what the loop leaves of it; ``frame`` one frame, ``graph`` all
others of its size on a GPU; ``animate`` assembles them; ``lens`` the mean of many.
"""

from .animate import animate
from .frame import Animation, BlendMode, cover, place_points, render_frame, render_path, render_view
from .graph import Drawing

__all__ = [
    "Animation",
    "BlendMode",
    "Drawing",
    "animate",
    "cover",
    "place_points",
    "render_frame",
    "render_path",
    "render_view",
]
