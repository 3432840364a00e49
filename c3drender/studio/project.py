"""A project's folder: the photo, ``project.json`` (what was drawn) and ``scene.c3d`` (what that comes to).

Every file is replaced whole or not at all, and what was drawn is on the disk before the page hears that it is: a server that
is killed loses nothing. The scene's last note names what it was made from; one that is older than the document is made anew.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from ..data import PathLike
from ..files.decode import open_picture
from ..files.photo import photo_of
from ..files.place import make_folder, naming, read_bytes, replacing
from ..files.scene import Scene, load_scene, save_scene
from .edits import Document, Photo, read_document
from .stages import Stages, key_of

DOCUMENT, SCENE, WORK = "project.json", "scene.c3d", ".work"
MADE_FROM = "studio: made from edits "
MOST_PHOTO_BYTES = 2**27
MOST_PHOTO_PX = 2**27
NAME = re.compile(r"[A-Za-z0-9][\w. -]{0,79}")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".bmp")


def is_project(path: PathLike) -> bool:
    """Whether there is a project's folder."""
    return (Path(path) / DOCUMENT).is_file()


def name_for(stem: str, folder: Path) -> str:
    """A name for a new project, of the photo's."""
    plain = re.sub(r"[^\w-]+", "-", stem, flags=re.ASCII).strip("-_")[:60] or "photo"
    taken = {path.name for path in folder.iterdir()}
    return next(name for n in range(1, len(taken) + 2) if (name := plain if n == 1 else f"{plain}-{n}") not in taken)


def create(folder: Path, name: str, data: bytes) -> Path:
    """A new project of a photo's bytes in ``folder``; it appears complete. Raises ValueError or OSError with one line."""
    if len(data) > MOST_PHOTO_BYTES:
        raise ValueError(f"photo: expected at most {MOST_PHOTO_BYTES // 2**20} MiB, got {len(data) / 2**20:.0f} MiB")
    width, height = open_picture("photo", data, name).picture.size
    if width * height > MOST_PHOTO_PX:
        raise ValueError(f"photo: expected at most {MOST_PHOTO_PX // 10**6} megapixels, got {width} x {height}")
    upright = photo_of(data, 64).size
    suffix = Path(name).suffix.lower()
    make_folder("folder", folder)
    target = folder / name_for(Path(name).stem, folder)
    file = f"photo{suffix if suffix in SUFFIXES else ''}"
    photo = Photo(file=file, width=upright[1], height=upright[0], sha256=hashlib.sha256(data).hexdigest())
    part = target.with_name(f".{target.name}.part")
    try:
        with naming("folder", "write", part):
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            (part / file).write_bytes(data)
            save(part, Document(photo=photo))
            part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def load(project: Path) -> Document:
    """What was drawn. Raises ValueError or OSError with one line, also where the photo is another one."""
    document = read_document(read_bytes("project", project / DOCUMENT))
    found = hashlib.sha256(read_bytes("project", project / document.photo.file)).hexdigest()
    if found != document.photo.sha256:
        raise ValueError(f"project: expected the photo that was drawn on, got another one in {project / document.photo.file}")
    return document


def save(project: Path, document: Document) -> None:
    target = project / DOCUMENT
    with naming("project", "write", target), replacing(target, "project") as part:
        part.write_text(document.model_dump_json())


def work_folder(project: Path) -> Path:
    """For what can be computed again: previews, exports."""
    make_folder("project", project / WORK)
    return project / WORK


def scene_of(project: Path, document: Document, stages: Stages | None = None, amplitude: float = 0.0) -> Scene:
    """The scene of a document: the one on the disk where it is of these edits, else made, and kept there; for a larger
    ``amplitude`` than the document's made, and not kept."""
    stages = stages or Stages(project / document.photo.file, document.photo, None)
    if amplitude > document.settings.amplitude:
        return stages.scene(document, amplitude=amplitude)
    mark = MADE_FROM + key_of(document)
    path = project / SCENE
    if path.is_file():
        scene = load_scene(path)
        if scene.notes[-1:] == (mark,):
            return scene
    made = stages.scene(document)
    scene = Scene(made.camera, made.layers, made.span, (*made.notes, mark), made.harmonics)
    save_scene(scene, path)
    return scene
