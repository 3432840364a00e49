"""Exports: every format that the library writes, from a project, with a word of how far it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data import Lens
from ..files.container import Encoding
from ..files.depth_video import write_depth
from ..files.scene import Scene, save_scene
from ..files.track import write_track
from ..jobs.options import arguments_of
from ..jobs.options import read_options as read_words
from ..pipeline.amplitude import widened
from ..pipeline.delivery import Layout, check_delivery
from ..pipeline.export import export_scene
from ..pipeline.play import export_play
from ..pipeline.render import animate, camera_path, render_scene
from ..pipeline.shot import shot_of
from ..pipeline.stereo import EYES_PERCENT
from ..progress import bar
from ..web import export_html
from .edits import Document, Settings
from .formats import ANIMATED, FIELDS, FORMATS, MOVING, SEQUENCE, STILL, VIDEO, File, Options
from .labelme import to_labelme
from .project import scene_of, work_folder
from .stages import Stages
from .timing import timing_of

Tell = Callable[[str, int, int], None]  # what is done, how many of how many


@dataclass(frozen=True)
class _Told:
    """A `c3drender.progress.Watcher`."""

    tell: Tell

    def step(self, stage: str, done: int, total: int) -> None:
        self.tell("frames" if stage in ("render", "depth") else "file", done, total)

    def note(self, line: str) -> None:
        """Of what was decided the page has a list."""


def export(project: Path, document: Document, kind: str, size: int | None, options: Options, out: Path, tell: Tell) -> Path:
    """Write ``out``, in the folder of its own that it is in.

    Parameters
    ----------
    project : Path
    document : Document
    kind : str
        Of `FORMATS`.
    size : int or None
        The longer side, px; None: the project's own scene.
    options : dict
        As `formats.read_options` returns them.
    out : Path
    tell : callable
        ``tell(what, done, total)``.

    Returns
    -------
    Path
        ``out``, or the name that players of its kind know it by.
    """
    settings = document.settings
    stages = Stages(project / document.photo.file, document.photo, size)
    if kind == "labelme":
        out.write_text(json.dumps(to_labelme(document, stages.drawn(document), stages.sheet), indent=1))
        return out
    target = out.with_suffix("") if out.suffix == ".zip" else out
    looks, amplitude = None, settings.amplitude
    if FORMATS[kind].group in (VIDEO, MOVING, STILL):
        words = {name: value for name, value in options.items() if name != "fps"}
        looks = arguments_of(read_words(_with_files(words, work_folder(project))))
        amplitude = _check_looks(
            target, options.get("fps", settings.fps), settings.amplitude, looks
        )  # before the scene is made
    tell("scene", 0, 1)
    own = size is None
    scene = scene_of(project, document, stages, amplitude) if own else stages.scene(document, amplitude=amplitude)
    tell("file", 0, 1)
    if looks is not None:
        path = _path_at(scene, settings, options["fps"]) if "fps" in options else _path_of(settings)
        written = render_scene(scene, target, **path, **looks, progress=_Told(tell))
    else:
        written = _write(scene, target, kind, settings, project.name, options.get("motion", ""), _Told(tell))
    if not Path(written).is_dir():
        return Path(written)
    zipped = shutil.make_archive(str(target.with_suffix("")), "zip", written)
    shutil.rmtree(written)
    return Path(zipped)


def _path_of(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in ("camera", "amplitude", "frames", "fps", "speed")}


def _path_at(scene: Scene, settings: Settings, fps: float) -> dict[str, Any]:
    """The same seconds at another rate. A camera's round of two loops has no name among the frames that can be asked for."""
    timing = timing_of(settings, fps)
    camera = camera_path(scene, settings.camera, timing.total, settings.amplitude)
    return {"camera": camera, "frames": timing.loop, "fps": timing.fps, "speed": timing.speed}


def _with_files(options: Options, folder: Path) -> Options:
    """With the paths of files that were sent."""
    paths = {name: folder / value for name, value in options.items() if isinstance(FIELDS[name], File)}
    for name, path in paths.items():
        if not path.is_file():
            raise ValueError(f"{name}: expected a file that was sent, got one that is not there any more")
    return options | {name: str(path) for name, path in paths.items()}


def _check_looks(target: Path, fps: float, amplitude: float, looks: dict[str, Any]) -> float:
    """Raises for what cannot be had together; returns the amplitude of presets that see all that is to be seen."""
    coded = ("codec", "crf", "bits", "loops", "max_mb", "audio")
    encoding = Encoding(**{name: looks[name] for name in coded if name in looks})
    rest: dict[str, Any] = {name: looks.get(name) for name in ("stereo", "quilt", "alpha", "aspect")}
    layout = Layout(**rest, eyes=looks.get("eyes", EYES_PERCENT), follow=looks.get("follow", False))
    lens: Lens | None = looks.get("lens")
    delivery = check_delivery(target, fps, encoding, layout, lens, None, None, {})
    seen = widened(amplitude, layout.eyes if delivery.sees_around else 0.0, lens)
    assert isinstance(seen, float)
    return seen


def _write(scene: Scene, target: Path, kind: str, settings: Settings, title: str, motion: str, progress: _Told) -> Path:
    path = _path_of(settings)
    timing = timing_of(settings)
    loop, total = timing.loop, timing.total
    if kind in ("html", "site"):
        return export_html(scene, target, folder=kind == "site", title=title, **path)
    if kind == "c3d":
        return save_scene(scene, target)
    if kind == "c3dplay":
        return export_play(scene, target, **path)
    way = camera_path(scene, settings.camera, total, settings.amplitude)
    if kind.startswith("camera"):
        return write_track(way, scene.camera, target, settings.fps)
    if kind.startswith("depth"):
        shot = shot_of(animate(scene, frames=loop, speed=settings.speed).draw, scene, way, None)
        with bar((shot.disp(n).cpu().numpy() for n in range(total)), shown=progress, total=total, desc="depth") as disps:
            return write_depth(target, disps, scene.span.limits, settings.fps)
    moves: dict[str, Any] = {"camera": settings.camera, "frames": loop, "fps": settings.fps, "speed": settings.speed}
    if motion == SEQUENCE:
        kinds = {"splats": "ply"}
        return export_scene(scene, target.with_suffix(""), splats=kind == "splats", sequence=kinds.get(kind, kind), **moves)
    return export_scene(scene, target, splats=kind == "splats", animated=motion == ANIMATED, **moves)
