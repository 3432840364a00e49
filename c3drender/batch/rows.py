"""From folders, lists and rows to jobs, every one checked before the first is done."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from numbers import Real
from pathlib import Path, PurePosixPath
from typing import Any

from ..data import PathLike
from ..files.decode import RAW_SUFFIXES
from ..files.place import one_line
from ..jobs.options import FILES, check_options, is_url, read_options
from ..jobs.run import Job
from . import storage

PHOTO_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif", ".mpo", *RAW_SUFFIXES)
)
PHOTO, OUT = "photo", "out"
FOLDER_OF_FRAMES = "png"  # the format that has no suffix
MOST_LINES = 20  # of errors, one a line

Row = PathLike | Mapping[str, Any]


class BadRows(ValueError):
    """Rows that cannot be rendered, each with its column and what is wrong there, one a line."""


@dataclass(frozen=True)
class Found:
    """A row before it is read: what was given, what to call it, the folder that its paths start from, the name, without
    suffix, that its output gets unless it has one of its own, and what is wrong with a line that is no row."""

    row: Mapping[str, Any]
    where: str
    folder: str = ""
    stem: str = ""
    wrong: str = ""


def find_photos(source: str, recursive: bool = False, glob: str | None = None) -> Iterator[Found]:
    """The photos of a folder, a path or a URL, sorted; or the one file that ``source`` is.

    Parameters
    ----------
    source : str
    recursive : bool
        Those of the folders in it, too.
    glob : str, optional
        Which, by name, or by the path within the folder where the pattern has a ``/``; None: those with a photo's suffix.
        Names that begin with a dot never count.

    Raises
    ------
    FileNotFoundError
        Where there is nothing of that name.
    ValueError
        Where no photo is in the folder.
    """
    source = storage.absolute(source)
    names = _names_in(source, recursive)
    if names is None:
        yield Found({PHOTO: source}, source, "", PurePosixPath(source).stem)
        return
    wanted = sorted(name for name in names if _is_wanted(name, glob))
    if not wanted:
        kind = f"files like {glob}" if glob else "photos"
        deeper = "" if recursive else " (--recursive looks into the folders in it)"
        raise ValueError(f"photos: expected {kind} in {source}, got none{deeper}")
    for name in wanted:
        place = f"{source.rstrip('/')}/{name}"
        yield Found({PHOTO: place}, place, "", str(PurePosixPath(name).with_suffix("")))


def _names_in(source: str, recursive: bool) -> list[str] | None:
    """The files of a folder by their paths within it; None for a file."""
    if not is_url(source):
        if Path(source).is_file():
            return None
        if not Path(source).is_dir():
            raise FileNotFoundError(f"photos: cannot read {source}: no such file or folder")
        names = []
        for folder, folders, files in os.walk(source):
            names += [str((Path(folder) / file).relative_to(source)) for file in files]
            folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        return names
    system, path = storage.file_system("photos", source)
    with storage.remote("photos", "read", source):
        if system.isfile(path):
            return None
        found = system.find(path) if recursive else [entry["name"] for entry in system.ls(path) if entry["type"] == "file"]
    root = path.strip("/")
    return [name.strip("/").removeprefix(root).lstrip("/") for name in found]


def _is_wanted(name: str, glob: str | None) -> bool:
    path = PurePosixPath(name)
    if any(part.startswith(".") for part in path.parts):
        return False
    if glob is None:
        return path.suffix.lower() in PHOTO_SUFFIXES
    return fnmatchcase(name if "/" in glob else path.name, glob)


def listed(rows: Iterable[Row]) -> Iterator[Found]:
    """Rows of a list: paths, or mappings with ``photo``, perhaps ``out``, and options."""
    for n, row in enumerate(rows):
        given = row if isinstance(row, Mapping) else {PHOTO: row}
        yield Found(given, f"row {n}")


def read_jobs(
    found: Iterable[Found], out: PathLike | None, options: Mapping[str, Any], suffix: str = "mp4", folder: str = ""
) -> list[Job]:
    """Jobs of rows, or one error with a line for each row that cannot be rendered.

    Parameters
    ----------
    found : iterable of Found
    out : path or URL, optional
        The folder of outputs. None: each row names its own.
    options : mapping
        For all rows, where they do not say otherwise.
    suffix : str
        Of outputs that have no name of their own; ``"png"``: folders of PNGs.
    folder : str
        That the paths among ``options`` start from.

    Raises
    ------
    ValueError
        For ``options`` that no photo could be rendered with.
    BadRows
    """
    common = _absolute_files(read_options(options), folder)
    check_options(common, f"x{_suffix(suffix)}")
    jobs, wrong = [], []
    where_by_out: dict[str, str] = {}
    for row in found:
        if row.wrong:
            wrong.append(f"{row.where}: {row.wrong}")
            continue
        try:
            job = job_of(row, out, common, suffix)
            check_options(job.options, job.out)
            if not is_url(job.photo) and not Path(job.photo).is_file():
                raise FileNotFoundError(f"{PHOTO}: cannot read {job.photo}: no such file")
            other = where_by_out.setdefault(job.out, row.where)
            if other is not row.where:
                raise ValueError(f"{OUT}: expected a name of its own, got {job.out}, which {other} has, too")
            jobs.append(job)
        except (ValueError, TypeError, OSError) as error:
            wrong.append(f"{row.where}, column {one_line(error)}")
    inputs = {job.photo for job in jobs} | {value for job in jobs for value in job.options.values() if isinstance(value, str)}
    wrong += [f"{where}, column {OUT}: {place} is read, too" for place, where in where_by_out.items() if place in inputs]
    if wrong:
        more = [f"... and {len(wrong) - MOST_LINES} more"] if len(wrong) > MOST_LINES else []
        raise BadRows("\n".join([*wrong[:MOST_LINES], *more]))
    return jobs


def job_of(found: Found, out: PathLike | None, common: Mapping[str, Any], suffix: str = "mp4") -> Job:
    """The job of a row. Raises ValueError with a line that begins with the column's name."""
    row = {str(name).strip(): None if _is_empty(value) else value for name, value in found.row.items()}
    photo, given_out = row.pop(PHOTO, None), row.pop(OUT, None)
    for name, value in ((PHOTO, photo), (OUT, given_out)):
        if value is not None and not isinstance(value, (str, os.PathLike)):
            raise ValueError(f"{name}: expected a path or a URL, got {value!r}")
    if photo is None:
        raise ValueError(f"{PHOTO}: expected a path or a URL, got none")
    place = storage.absolute(os.fspath(photo), found.folder)
    if given_out is None:
        if out is None:
            raise ValueError(f"{OUT}: expected a name, or a folder for all outputs (-o), got none")
        given_out = (found.stem or PurePosixPath(place).stem) + _suffix(suffix)
    outputs = found.folder if out is None else storage.absolute(os.fspath(out))
    options = {**common, **_absolute_files(read_options(row), found.folder)}
    return Job(place, storage.absolute(os.fspath(given_out), outputs), options)


def _is_empty(value: Any) -> bool:
    """What tables have where nothing was entered."""
    return value is None or (isinstance(value, str) and not value.strip()) or (isinstance(value, Real) and value != value)


def _absolute_files(options: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Options whose files are named from the root: a worker's current folder is another. Names that no file has are kept."""
    return {name: _absolute_file(name, value, folder) for name, value in options.items()}


def _absolute_file(name: str, value: Any, folder: str) -> Any:
    if name not in FILES or not isinstance(value, str) or is_url(value):
        return storage.plain(value) if isinstance(value, str) else value
    place = storage.absolute(value, folder)
    return place if is_url(place) or Path(place).exists() else value


def _suffix(suffix: str) -> str:
    name = suffix.lower().lstrip(".")
    return "" if name == FOLDER_OF_FRAMES else f".{name}"


def shard(jobs: Sequence[Job], index: int, count: int) -> list[Job]:
    """Part ``index`` of ``count``, from 0. A job's part follows from its output alone: whoever lists earlier or later, while
    photos arrive, divides the same way."""
    return [job for job in jobs if int.from_bytes(hashlib.sha256(os.fsencode(job.out)).digest()[:8], "big") % count == index]


def read_shard(text: str) -> tuple[int, int]:
    """``"3/8"``."""
    index, slash, count = text.partition("/")
    if not (slash and index.isascii() and index.isdigit() and count.isascii() and count.isdigit() and int(index) < int(count)):
        raise ValueError(f"shard: expected I/N with I from 0 to N - 1, such as 0/8, got {text!r}")
    return int(index), int(count)
