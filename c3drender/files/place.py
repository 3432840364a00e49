"""Where files go: named in one line when they cannot be read or written, replaced whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

from ..data import PathLike

MOST_DIGITS = 300  # of a whole number in JSON: a float holds no more


def check_writable(name: str, target: Path) -> None:
    """Refuse a file that cannot be created, or replaced, where it should go."""
    with naming(name, "write", target):
        if target.is_dir():
            raise IsADirectoryError(f"a folder of the name {target.name} is in the way")
        with tempfile.TemporaryFile(dir=target.parent):
            pass


def make_folder(name: str, path: PathLike) -> list[Path]:
    """Make a folder, and those above it, unless it is there. Returns what is in it."""
    with naming(name, "create", path):
        Path(path).mkdir(parents=True, exist_ok=True)
        return sorted(Path(path).iterdir())


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a temporary path beside ``target``; it takes the target's place on success and is removed on any failure."""
    part = target.with_name(f".{target.stem}.{uuid.uuid4().hex[:8]}.part{target.suffix}")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def naming(name: str, verb: str, path: PathLike) -> Iterator[None]:
    """Turn an OSError into one line that names the argument and the path, of the same kind where callers may care."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else one_line(error)
        kinds = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
        kind = next((kind for kind in kinds if isinstance(error, kind)), OSError)
        raise kind(f"{name}: cannot {verb} {os.fspath(path)}: {reason}") from error


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


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
