"""What one client may ask of the service, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds, each of which is answered by a status of its own.

    Attributes
    ----------
    queue : int
        Jobs that wait, or are being posted; past it 429.
    pixels : int
        Of a photo, and of a frame; past it 422.
    frames : int
        Of a loop; past it 422.
    body_bytes : int
        Of all that is posted at once; past it 413.
    seconds : float
        That a job may take; past it, it has failed.
    keep_s : float
        How long a result can be fetched.
    kept : int
        Jobs that have ended and are kept; past it the oldest goes.
    """

    queue: int = 32
    pixels: int = 25_000_000
    frames: int = 600
    body_bytes: int = 64 * 2**20
    seconds: float = 600.0
    keep_s: float = 3600.0
    kept: int = 1000
