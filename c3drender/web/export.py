"""`export_html`: a scene and the player as one HTML file, or as a folder."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import PIL.Image

from .. import camera as cameras
from .. import defaults, render
from ..data import PathLike
from ..files.place import check_writable, make_folder, naming, replacing, text_of
from ..files.scene import Scene
from ..files.shown import ShownPath
from ..pipeline.amplitude import amplitude_in
from ..pipeline.inputs import Amplitude, CameraLike, check_blend, check_motion
from ..pipeline.render import camera_path, periods
from ..render import BlendMode
from .pack import pack

PLAYER = files("c3drender.web") / "player"
ENTRY = "c3d-cinemagraph.js"
SHADER_SUFFIXES = (".glsl", ".vert", ".frag")
SUFFIX = ".html"
POSTER_QUALITY = 72
POSTER_PX = 960  # at most, its longer side: it is seen for a moment
MAPPED = "c3d-player/"  # before the names of modules in a page
MOST_FPS = 240
IMPORT = re.compile(r'^(import .*from )"\./([\w-]+\.js)";$', re.MULTILINE)


def export_html(
    scene: Scene,
    out: PathLike,
    *,
    folder: bool = False,
    camera: CameraLike = defaults.CAMERA,
    amplitude: Amplitude | None = None,
    ease: float = 0.0,
    frames: int | None = None,
    fps: float = defaults.FPS,
    speed: float = 1.0,
    blend: BlendMode = "phase",
    title: str | None = None,
) -> Path:
    """Write a page that plays the scene: its layers, its motion, its loop, as `render_frames` draws them.

    The camera follows ``camera`` and can be moved by pointer, touch, tilt and keys, as far as a scene that was prepared for
    every camera of this ``amplitude`` is filled (`prepare` without ``camera``).

    Parameters
    ----------
    scene : Scene
        From `prepare` or `load_scene`.
    out : path
        ``.html``; or, with ``folder``, a folder.
    folder : bool
        Write ``index.html``, the scene and the player as files of their own, for a server: they work under a Content Security
        Policy of ``default-src 'self'``. Otherwise one file holds everything.
    camera : str, path, CameraKeys or CameraPath
        See `render_frames`.
    amplitude : float or sequence of three, optional
        See `render_frames`.
    ease : float
        See `render_frames`.
    frames : int, optional
        See `render_frames`.
    fps : float
        Frames per second; between them the player interpolates.
    speed : float
        See `render_frames`.
    blend : {"phase", "contrast", "linear"}
        See `render_frames`.
    title : str, optional
        Of the page, and what a screen reader says; None: the name of ``out``.

    Returns
    -------
    Path
        ``out``; a notebook shows the page.

    Raises
    ------
    ValueError, TypeError, OSError
        With one line that names the argument.

    Examples
    --------
    >>> import c3drender as c3d
    >>> scene = c3d.load_scene("scene.c3d")
    >>> c3d.export_html(scene, "scene.html", frames=4).name
    'scene.html'
    """
    if not isinstance(scene, Scene):
        raise TypeError(f"scene: expected a Scene, got {type(scene).__name__}")
    target = check_page(out, folder)
    if isinstance(fps, bool) or not isinstance(fps, (int, float)) or not 0 < fps <= MOST_FPS:
        raise ValueError(f"fps: expected a number in 0..{MOST_FPS}, got {fps!r}")
    loop, total = periods(frames)
    check_motion(loop, speed)
    check_blend(blend)
    path = camera_path(scene, camera, total, amplitude, ease)
    scene = scene.to("cpu")
    animation = render.animate(scene, int(loop), speed, blend=blend)
    packed = pack(
        scene,
        animation,
        path,
        blend=blend,
        fps=float(fps),
        speed=float(speed),
        focus=cameras.focus_point(scene.camera, scene.span).tolist(),
        reach=hand_reach(scene, amplitude_in(scene, camera, amplitude)),
    )
    poster = _jpeg(render.render_view(animation, scene.camera.with_pose(scene.camera.pose), 0).rgb_u8.numpy())
    name = text_of(target.stem if title is None else title)
    if folder:
        _write_folder(target, packed, poster, name)
    else:
        page = _page(name, _data_url("application/octet-stream", packed), _data_url("image/jpeg", poster))
        with naming("out", "write", target), replacing(target) as part:
            part.write_text(page, encoding="utf-8")
    return ShownPath(target)


def check_page(out: PathLike, folder: bool) -> Path:
    """``out``, if a page can be written there."""
    target = Path(out)
    if folder:
        if target.suffix.lower() == SUFFIX:
            raise ValueError(f"out: expected a folder, got {target.name!r}")
        make_folder("out", target)
        check_writable("out", target / "index.html")
    else:
        if target.suffix.lower() != SUFFIX:
            raise ValueError(f"out: expected the suffix {SUFFIX}, or a folder with folder=True, got {target.name!r}")
        check_writable("out", target)
    return target


def hand_reach(scene: Scene, amplitude: Amplitude) -> list[float]:
    """How far the camera may go along x and y, in scene units: as far as the presets that go there."""
    turning = [
        cameras.make_camera_path(scene.camera, preset, 4, scene.span, amplitude=amplitude).world_to_cam[1].double()
        for preset in ("swing", "rise")
    ]
    centres = [-(pose[:, :3].T @ pose[:, 3]) for pose in turning]
    return [abs(float(centres[0][0])), abs(float(centres[1][1]))]


def _jpeg(pixels: np.ndarray) -> bytes:
    file, picture = io.BytesIO(), PIL.Image.fromarray(pixels)
    picture.thumbnail((POSTER_PX, POSTER_PX))
    picture.save(file, "JPEG", quality=POSTER_QUALITY, optimize=True, progressive=True)
    return file.getvalue()


def shader_module() -> str:
    """The module ``shaders.js``, which the player imports: the shaders' sources by the names of their files."""
    sources = {entry.name: entry.read_text() for entry in PLAYER.iterdir() if entry.name.endswith(SHADER_SUFFIXES)}
    return f"export const SHADERS = {json.dumps(dict(sorted(sources.items())), indent=1)};\n"


def player_modules() -> dict[str, str]:
    """The player's ES modules by name."""
    modules = {entry.name: entry.read_text() for entry in PLAYER.iterdir() if entry.name.endswith(".js")}
    return {**dict(sorted(modules.items())), "shaders.js": shader_module()}


def _inlined() -> str:
    """The player in a page, each module once, as a data URL: what is in a page has no address to import from, so that names
    in a map take their place."""
    modules = {name: IMPORT.sub(rf'\1"{MAPPED}\2";', text) for name, text in player_modules().items()}
    entry = modules.pop(ENTRY)
    addresses = {MAPPED + name: _data_url("text/javascript", text.encode()) for name, text in modules.items()}
    return (
        f'<script type="importmap">{json.dumps({"imports": addresses})}</script>\n    <script type="module">\n{entry}</script>'
    )


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _page(title: str, scene_url: str, poster_url: str, *, folder: bool = False) -> str:
    if folder:
        style, script = '<link rel="stylesheet" href="page.css">', f'<script type="module" src="{ENTRY}"></script>'
    else:
        style = f"<style>\n{(PLAYER / 'page.css').read_text()}</style>"
        script = _inlined()
    parts = {
        "title": html.escape(title),
        "style": style,
        "scene": scene_url,
        "poster": poster_url,
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], (PLAYER / "page.html").read_text())


def _write_folder(target: Path, packed: bytes, poster: bytes, title: str) -> None:
    contents: dict[str, bytes] = {name: text.encode() for name, text in player_modules().items()}
    contents |= {"page.css": (PLAYER / "page.css").read_bytes(), "scene.c3dweb": packed, "poster.jpg": poster}
    contents["index.html"] = _page(title, "scene.c3dweb", "poster.jpg", folder=True).encode()  # the last
    for name, data in contents.items():
        with naming("out", "write", target / name), replacing(target / name) as part:
            part.write_bytes(data)
