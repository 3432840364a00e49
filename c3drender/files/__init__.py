"""Everything that touches the disk: photos, masks, depth maps, flows, hints, camera keys, scenes and videos.

Every reader takes a path or the value itself, checks it once, and raises one line that names the argument, what was expected
and what came: OSError for an unreadable file, ValueError for unusable content, TypeError for a wrong kind of argument.
"""

from .hints import read_hints
from .keys import read_camera_keys
from .maps import read_depth, read_flow
from .photo import read_mask, read_photo, write_picture
from .scene import Scene, load_scene, save_scene
from .segments import read_segments
from .video import write_video

__all__ = [
    "Scene",
    "load_scene",
    "read_camera_keys",
    "read_depth",
    "read_flow",
    "read_hints",
    "read_mask",
    "read_photo",
    "read_segments",
    "save_scene",
    "write_picture",
    "write_video",
]
