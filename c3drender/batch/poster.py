"""The first frame of an output as a small JPEG: reading it back shows, too, that the output is whole."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import av
import PIL.Image

from ..files.container import CONTAINERS

SIDE_PX = 128
QUALITY = 70


def poster_of(out: str) -> str:
    """JPEG in base64. Raises OSError where the output cannot be read back."""
    picture = _first_frame(Path(out))
    picture.thumbnail((SIDE_PX, SIDE_PX))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=QUALITY)
    return base64.b64encode(data.getvalue()).decode()


def _first_frame(path: Path) -> PIL.Image.Image:
    if path.is_dir():
        path = min(path.iterdir())
    if path.suffix.lower() not in CONTAINERS:
        with PIL.Image.open(path) as picture:
            return picture.convert("RGB")
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            shown: PIL.Image.Image = frame.to_image()
            return shown
    raise OSError(f"out: expected a frame in {path}, got none")
