"""Results that a notebook shows: a path whose file is a video, a picture or a page, and a scene's picture."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path, PosixPath

import numpy as np
import PIL.Image

MOST_SHOWN_BYTES = 2**26  # of a file inside a notebook
VIDEOS = {".mp4": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime", ".mkv": "video/x-matroska"}
PICTURES = {".gif": "image/gif", ".apng": "image/apng", ".webp": "image/webp", ".png": "image/png"}
STYLE = "max-width:100%"


class ShownPath(PosixPath):
    """A path like any other, which a notebook shows by what its file holds.

    A video plays in a loop, a page in a frame, of a folder of frames the first one is seen; a file that is not there any more,
    or is larger than 64 MiB, is its name.

    Examples
    --------
    >>> from pathlib import Path
    >>> from c3drender.files.shown import ShownPath
    >>> ShownPath("photo.jpg") == Path("photo.jpg"), ShownPath("scene.c3d")._repr_html_()
    (True, '<code>scene.c3d</code>')
    """

    def _repr_html_(self) -> str:
        named = f"<code>{html.escape(str(self))}</code>"
        first = next(iter(sorted(self.glob("*.png"))), None) if self.is_dir() else Path(self)
        if first is None or not first.is_file() or first.stat().st_size > MOST_SHOWN_BYTES:
            return named
        suffix = first.suffix.lower()
        if suffix in VIDEOS:
            return (
                f'<video src="{_url(VIDEOS[suffix], first)}" style="{STYLE}" controls loop autoplay muted playsinline></video>'
            )
        if suffix in PICTURES:
            return f'<img src="{_url(PICTURES[suffix], first)}" style="{STYLE}" alt="{html.escape(self.name)}">'
        if suffix == ".html":
            page = html.escape(first.read_text(encoding="utf-8"))
            return f'<iframe srcdoc="{page}" style="width:100%;aspect-ratio:16/9;border:0" allow="fullscreen"></iframe>'
        return named


def picture_html(rgb: np.ndarray, lines: tuple[str, ...] = ()) -> str:
    """A picture, floats ``[H, W, 3]`` in 0..1, above lines of text."""
    file = io.BytesIO()
    PIL.Image.fromarray((rgb * 255).round().clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    url = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
    said = "".join(f"<div>{html.escape(line)}</div>" for line in lines)
    return f'<img src="{url}" style="{STYLE}" alt="the photo">{said}'


def _url(kind: str, path: Path) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
