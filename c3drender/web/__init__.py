"""A scene in a web page: a file that plays by itself, or a folder to put on a server, both by the player in ``player/``.

The player is WebGL2 in plain ES modules, its shaders plain GLSL ES 3.00; nothing is built, nothing comes from a network.
What it draws from is packed by ``pack``, which is what `c3drender.render` draws from.
"""

from .export import export_html

__all__ = ["export_html"]
