"""Where files go: named in one line when they cannot be read or written, replaced whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

from ..data import PathLike

MOST_STEM_BYTES = 200  # of an output's name, beside which a longer, hidden one is made
IS_NAMED = "c3drender names its argument"  # in an error's attributes
MOVES_TAKE_S = 5.0  # of others, at most
MOST_DIGITS = 300  # of a whole number in JSON: a float holds no more


def check_writable(name: str, target: Path) -> None:
    """Refuse a file that cannot be created, or replaced, where it should go."""
    with naming(name, "write", target):
        if target.is_dir():
            raise IsADirectoryError(f"a folder of the name {target.name} is in the way")
        check_folder_takes_files(target)


def check_folder_takes_files(target: Path) -> None:
    with tempfile.TemporaryFile(dir=where_it_leads(target).parent):
        pass


def check_is_not_read(target: Path, given: Mapping[str, object], output: str = "out") -> None:
    """Refuse an output that would replace what is read: the same file, or a folder around it.

    Parameters
    ----------
    target : Path
        The output.
    given : mapping of str to object
        The inputs by name; those that are no paths are passed over.
    output : str
        The output's argument, for the message.
    """
    place = where_it_leads(target)
    for name, value in given.items():
        if not is_path(value) or not Path(value).exists():
            continue
        source = where_it_leads(value)
        if place in (source, *source.parents):
            raise ValueError(f"{output}: expected a name of its own, got {target}, from where {name} is read")


def where_it_leads(path: PathLike) -> Path:
    """Links followed, so that they stay and what they lead to is replaced."""
    return Path(os.path.realpath(path))


def make_folder(name: str, path: PathLike) -> list[Path]:
    """Make a folder, and those above it, unless it is there. Returns what is in it."""
    with naming(name, "create", path):
        Path(path).mkdir(parents=True, exist_ok=True)
        return sorted(Path(path).iterdir())


@contextmanager
def replacing(target: Path, name: str = "out") -> Iterator[Path]:
    """Give a temporary file beside ``target``; it takes the target's place on success and is removed on any failure. What
    killed runs left beside it is removed, too."""
    place = where_it_leads(target)
    with _part_of(target, place, name, lambda part: os.open(part, os.O_CREAT | os.O_RDWR, 0o666)) as part:
        yield part
        with naming(name, "write", target):
            part.replace(place)


@contextmanager
def replacing_folder(target: Path, check: Callable[[Path], None], name: str = "out") -> Iterator[Path]:
    """`replacing` for a folder. At every moment the old or the new one is there whole: under the name or, between two
    renames, beside it under a hidden one, from where the next run takes it back.

    Parameters
    ----------
    target : Path
    check : callable
        Raises for a folder that must not be replaced. Asked again just before: rendering takes its time.
    name : str
        The argument, for messages.
    """

    def made(part: Path) -> int:
        part.mkdir()
        return os.open(part, os.O_RDONLY)

    place = where_it_leads(target)
    with _part_of(target, place, name, made) as part:
        yield part
        with naming(name, "write", target), alone_in(place.parent):
            if not place.exists():
                part.replace(place)
                return
            check(place)
            old = _beside(place, "old")
            place.replace(old)
            try:
                part.replace(place)
            except BaseException:
                old.replace(place)
                raise
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _part_of(target: Path, place: Path, name: str, make: Callable[[Path], int]) -> Iterator[Path]:
    """A new file or folder beside ``place``, locked for as long as it is in use: what is not locked was left behind."""
    part = _beside(place, "part")
    with naming(name, "write", target), alone_in(place.parent) as alone:
        if alone:
            _sweep(place)
        descriptor = make(part)
        _lock(descriptor)
    try:
        yield part
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
        os.close(descriptor)


def _beside(place: Path, kind: str) -> Path:
    return place.with_name(f".{_short_stem(place)}.{uuid.uuid4().hex[:8]}.{kind}{place.suffix}")


def _short_stem(place: Path) -> str:
    """The stem, of a name that leaves no room for more a digest: file systems hold 255 bytes."""
    encoded = os.fsencode(place.stem)
    return place.stem if len(encoded) <= MOST_STEM_BYTES else hashlib.sha256(encoded).hexdigest()[:32]


def sweep(target: Path) -> None:
    """Remove what killed runs left beside ``target``, which nobody may be about to write again."""
    place = where_it_leads(target)
    if place.parent.is_dir():
        with alone_in(place.parent) as alone:
            if alone:
                _sweep(place)


def _sweep(place: Path) -> None:
    """Remove what killed runs left of this output; the folder that one had put aside goes back."""
    pattern = re.compile(rf"\.{re.escape(_short_stem(place))}\.[0-9a-f]{{8}}\.(part|old){re.escape(place.suffix)}")
    for path in sorted(place.parent.iterdir()):
        found = pattern.fullmatch(path.name)
        if not found or path.is_symlink() or _is_in_use(path):
            continue
        if found[1] == "old" and not place.exists():
            path.replace(place)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _is_in_use(path: Path) -> bool:
    """Whether another process holds its lock, or may: not every file system has locks."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return True
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, patience_s: float = 0.0) -> bool:
    end = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.02)
        except OSError:  # a file system without locks
            return False


@contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Keep other processes from moving outputs in this folder meanwhile; False where that cannot be had, as where the caller
    itself has locked the folder for other reasons."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # of a folder that may be written but not listed
        yield False
        return
    try:
        yield _lock(descriptor, MOVES_TAKE_S)
    finally:
        os.close(descriptor)


@contextmanager
def naming(name: str, verb: str, path: PathLike) -> Iterator[None]:
    """Turn an OSError into one line that names the argument and the path, of the same kind where callers may care."""
    try:
        yield
    except OSError as error:
        if IS_NAMED in vars(error):
            raise
        reason = os.strerror(error.errno) if error.errno else one_line(error)
        kinds = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
        kind = next((kind for kind in kinds if isinstance(error, kind)), OSError)
        named = kind(f"{name}: cannot {verb} {os.fspath(path)}: {reason}")
        vars(named)[IS_NAMED] = True
        raise named from error


def is_path(value: object) -> TypeGuard[PathLike]:
    return isinstance(value, (str, os.PathLike))


def has_suffix(value: object, suffix: str) -> TypeGuard[PathLike]:
    return is_path(value) and os.fspath(value).lower().endswith(suffix)


def read_bytes(name: str, path: PathLike) -> bytes:
    with naming(name, "read", path):
        return Path(path).read_bytes()


def parse_json(text: str | bytes) -> Any:
    """`json.loads` that raises ValueError for everything it cannot hold: nested without end, numbers beyond a float's."""

    def whole(digits: str) -> int:
        if len(digits) > MOST_DIGITS:
            raise ValueError(f"a number of {len(digits)} digits")
        return int(digits)

    try:
        return json.loads(text, parse_int=whole)
    except RecursionError:
        raise ValueError("brackets nested too deep") from None


def text_of(name: str) -> str:
    """A file's name as text that can be written: where the locale does not say how names are encoded, they are UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace") if any(0xDC80 <= ord(c) <= 0xDCFF for c in name) else name


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
