"""Everything that touches the disk: photos, masks, depth maps, flows, hints, camera keys, scenes and videos.

Every reader takes a path, an address (``https://``), bytes, an open file or the value itself, checks it once, and raises one
line that names the argument, what was expected and what came: OSError for an unreadable file, ValueError for unusable content,
TypeError for a wrong kind of argument. What was read but may not be meant so is an `InputWarning`.
"""

from .depth import read_depth
from .depth_video import write_depth
from .flow import read_flow
from .hints import read_hints
from .keys import read_camera_keys
from .masks import read_mask
from .photo import read_photo, write_picture
from .scene import Scene, load_scene, save_scene
from .segments import read_segments
from .tell import InputWarning
from .track import write_track
from .video import write_video

__all__ = [
    "InputWarning",
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
    "write_depth",
    "write_picture",
    "write_track",
    "write_video",
]
