"""Bars and lines for whoever watches; where nobody can, nothing. No stream and no message changes what a call does."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar, runtime_checkable

from tqdm.auto import tqdm

Item = TypeVar("Item")


@runtime_checkable
class Watcher(Protocol):
    """Who is told instead of a stream. What either raises ends the call that it watches."""

    def step(self, stage: str, done: int, total: int) -> None:
        """``done`` of ``total`` steps of a stage are made."""

    def note(self, line: str) -> None:
        """A line on what was decided without being asked."""


Progress = bool | Watcher


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


class _Watched:
    """As much of tqdm as `bar` needs, for a watcher."""

    def __init__(self, items: Iterable[Any] | None, watcher: Watcher, desc: str = "", total: int = 0, **_: Any) -> None:
        self._items, self._watcher, self._stage, self._total, self._done = items, watcher, desc, total, 0

    def __enter__(self) -> _Watched:
        self.update(0)
        return self

    def __exit__(self, *_: object) -> None:
        return

    def __iter__(self) -> Iterator[Any]:
        for item in self._items or ():
            yield item
            self.update()

    def update(self, n: int = 1) -> None:
        self._done += n
        self._watcher.step(self._stage, self._done, self._total)

    def set_description(self, stage: str) -> None:
        self._stage = stage
        self.update(0)


def bar(items: Iterable[Item] | None = None, *, shown: Progress, **options: Any) -> Any:
    """A bar of tqdm, of the notebook's kind in a notebook; nothing where there is no stream to draw on; a watcher is told."""
    if not isinstance(shown, bool) and isinstance(shown, Watcher):
        return _Watched(items, shown, **options)
    if sys.stderr is None:
        return tqdm(items, disable=True, **options)
    return tqdm(items, disable=not shown, file=_Patient(sys.stderr), **options)


def say(*lines: str, shown: Progress = True) -> None:
    """Lines on standard output, above any bar, or to a watcher."""
    if not isinstance(shown, bool) and isinstance(shown, Watcher):
        for line in lines:
            shown.note(line)
    elif shown and sys.stdout is not None:
        stream = _Patient(sys.stdout)
        for line in lines:
            tqdm.write(line, file=stream)
