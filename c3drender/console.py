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

TORCH_LACKS_MEMORY = ("can't allocate memory", "out of memory")  # in its RuntimeErrors
EXPECTED = (ValueError, TypeError, OSError, MemoryError)  # whose line says what was wrong


def is_expected(error: BaseException) -> bool:
    """Whether the error's line is meant for users; others are faults of the program."""
    lacks_memory = isinstance(error, RuntimeError) and any(words in str(error) for words in TORCH_LACKS_MEMORY)
    return lacks_memory or isinstance(error, EXPECTED)


def line_of(error: BaseException) -> str:
    if isinstance(error, RuntimeError) or (isinstance(error, MemoryError) and not str(error)):
        return "out of memory; a smaller size takes less"
    return " ".join(str(error).split())


def reason_of(error: BaseException) -> str:
    """`line_of` an error of any kind: one that is not expected is named."""
    return line_of(error) if is_expected(error) else f"{type(error).__name__}: {' '.join(str(error).split())}"


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


def visible(text: str) -> str:
    """A name as one line, whatever is in it: what no terminal shows, or would obey, stands by its code."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


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
