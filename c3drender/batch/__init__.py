"""Many photos: `run` renders a folder, a manifest or a list of rows, on one machine or on a Ray cluster; `Renderer` is one
line in a pipeline of Ray Data.

``rows`` and ``manifest`` say what is to be made, ``plan`` and ``done`` what is left of it; ``here`` and ``on_ray`` do it by
``renderer``, the worker; ``report`` tells; ``storage`` reads and writes paths and URLs.
"""

from .renderer import Renderer, Result
from .run import run

__all__ = ["Renderer", "Result", "run"]
