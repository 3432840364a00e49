"""Exports: every format that the library writes, from a project, with a word of how far it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files.scene import Scene, save_scene
from ..files.video import write_video
from ..pipeline.export import export_scene
from ..pipeline.render import animate, camera_path, periods
from ..web import export_html
from .edits import Document
from .labelme import to_labelme
from .project import scene_of
from .stages import Stages

Tell = Callable[[str, int, int], None]  # what is done, how many of how many


@dataclass(frozen=True)
class Format:
    """``title`` and ``group`` for the page; ``suffix`` of the file; ``of_frames``: what takes as long as it has frames."""

    title: str
    group: str
    suffix: str
    of_frames: bool = False


FORMATS = {
    "mp4": Format("MP4 (H.264)", "Video", ".mp4", True),
    "webm": Format("WebM (VP9)", "Video", ".webm", True),
    "mov": Format("QuickTime (ProRes)", "Video", ".mov", True),
    "mkv": Format("Matroska (H.264)", "Video", ".mkv", True),
    "gif": Format("GIF", "Picture that moves", ".gif", True),
    "webp": Format("WebP", "Picture that moves", ".webp", True),
    "apng": Format("APNG", "Picture that moves", ".apng", True),
    "frames": Format("Frames, PNG in a ZIP", "Picture that moves", ".zip", True),
    "html": Format("Page, one HTML file", "For the web", ".html"),
    "site": Format("Player and scene in a ZIP", "For the web", ".zip"),
    "c3d": Format("Scene of c3drender", "For other programs", ".c3d"),
    "glb": Format("Meshes, glTF", "For other programs", ".glb"),
    "ply": Format("Points, PLY", "For other programs", ".ply"),
    "splats": Format("Gaussians, PLY", "For other programs", ".ply"),
    "npz": Format("Arrays, NumPy", "For other programs", ".npz"),
    "labelme": Format("What was drawn, labelme JSON", "For other programs", ".json"),
}


def export(project: Path, document: Document, kind: str, size: int | None, out: Path, tell: Tell) -> Path:
    """Write ``out``, in the folder of its own that it is in.

    Parameters
    ----------
    project : Path
    document : Document
    kind : str
        Of `FORMATS`.
    size : int or None
        The longer side, px; None: the project's own scene.
    out : Path
    tell : callable
        ``tell(what, done, total)``.
    """
    settings = document.settings
    stages = Stages(project / document.photo.file, document.photo, size)
    if kind == "labelme":
        out.write_text(json.dumps(to_labelme(document, stages.drawn(document), stages.sheet), indent=1))
        return out
    tell("scene", 0, 1)
    scene = scene_of(project, document) if size is None else stages.scene(document)
    if FORMATS[kind].of_frames:
        target = out if kind != "frames" else out.with_suffix("")
        write_video(target, _frames(scene, document, tell), settings.fps)
        return out if kind != "frames" else _zipped(target, out)
    tell("file", 0, 1)
    if kind in ("html", "site"):
        path = {"camera": settings.camera, "amplitude": settings.amplitude, "frames": settings.frames, "fps": settings.fps}
        target = out if kind == "html" else out.with_suffix("")
        export_html(scene, target, folder=kind == "site", speed=settings.speed, title=project.name, **path)  # type: ignore[arg-type]  # by name
        return out if kind == "html" else _zipped(target, out)
    if kind == "c3d":
        return save_scene(scene, out)
    return export_scene(scene, out, splats=kind == "splats")


def _frames(scene: Scene, document: Document, tell: Tell) -> Iterator[np.ndarray]:
    settings = document.settings
    loop, total = periods(settings.frames)
    path = camera_path(scene, settings.camera, total, settings.amplitude)
    for n, frame in enumerate(animate(scene, frames=loop, speed=settings.speed).render(path)):
        tell("frames", n, total)
        yield frame.rgb_u8.numpy()


def _zipped(folder: Path, out: Path) -> Path:
    shutil.make_archive(str(out.with_suffix("")), "zip", folder)
    shutil.rmtree(folder)
    return out
