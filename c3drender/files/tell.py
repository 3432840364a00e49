"""What readers say beside what they read: notes of what was decided, and warnings that nobody should miss."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")


class InputWarning(UserWarning):
    """Something given was read, but perhaps not as it was meant. The command line shows it even when asked to be quiet."""


def warn(line: str) -> None:
    """Issue ``line``, which names the argument, as an `InputWarning`."""
    warnings.warn(line, InputWarning, stacklevel=3)


@dataclass(frozen=True, eq=False)
class Noted(Generic[Value]):
    """A value, and one line for each thing that was decided without being asked."""

    value: Value
    notes: tuple[str, ...] = ()
