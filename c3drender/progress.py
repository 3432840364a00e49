"""Bars and lines for whoever watches; where nobody can, nothing. No stream and no message changes what a call does."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TypeVar

from tqdm.auto import tqdm

Item = TypeVar("Item")


class _Patient:
    """A stream whose failures, such as a closed pipe, are nobody's concern, and which shows every character somehow."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            self.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))
        except (OSError, ValueError):  # closed
            return 0
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError, AttributeError):
            return

    def isatty(self) -> bool:
        return bool(getattr(self._stream, "isatty", bool)())

    def fileno(self) -> int:
        return int(self._stream.fileno())


def bar(items: Iterable[Item] | None = None, *, shown: bool, **options: Any) -> Any:
    """A bar of tqdm, of the notebook's kind in a notebook; nothing where there is no stream to draw on."""
    if sys.stderr is None:
        return tqdm(items, disable=True, **options)
    return tqdm(items, disable=not shown, file=_Patient(sys.stderr), **options)


def say(*lines: str) -> None:
    """Lines on standard output, above any bar."""
    if sys.stdout is not None:
        stream = _Patient(sys.stdout)
        for line in lines:
            tqdm.write(line, file=stream)
