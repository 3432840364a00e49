"""The streams of the command line: open, able to show every character, and of no effect on what a command does."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO


def line_of(error: Exception) -> str:
    if isinstance(error, RuntimeError) or (isinstance(error, MemoryError) and not str(error)):
        return "out of memory; a smaller size takes less"
    return " ".join(str(error).split())


def open_closed_streams() -> None:
    """Where the caller has closed a standard stream its number would go to the next file, into which messages were printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  (for as long as the program runs)


def show_every_character() -> None:
    """A name that a console cannot show is shown by its codes: no message may change what a command returns."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def drop_output() -> None:
    """Nobody reads on: what is still buffered must not fail when the interpreter ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            os.dup2(null, stream.fileno())


def print_message(*lines: str, file: TextIO | None = None) -> None:
    """Print a message, which changes nothing where nobody reads it."""
    try:
        print(*lines, sep="\n", file=file, flush=True)
    except (OSError, ValueError):
        drop_output()


@contextmanager
def warnings_on_one_line() -> Iterator[None]:
    """What readers warn of, ``InputWarning`` among others, on standard error, quiet or not."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, UserWarning):
            print_message(f"c3drender: warning: {' '.join(str(message).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
