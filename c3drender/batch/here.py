"""Jobs one after another, in this process."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence

from .plan import Planned
from .renderer import BUSY, FULL, Renderer, Result

WAIT_S = 1.0  # before what another batch works on is looked at again


class DiskFull(OSError):
    """The outputs' disk is full, as it will be for the next photo."""


def render_here(planned: Sequence[Planned], renderer: Renderer, stop: threading.Event) -> Iterator[Result]:
    """Results as they come, until all are done or ``stop`` is set.

    Raises
    ------
    DiskFull
        At the first output that finds no room.
    """
    waiting = deque(one.job for one in planned)
    elsewhere = 0  # jobs in a row that another batch works on
    while waiting and not stop.is_set():
        if elsewhere == len(waiting):
            time.sleep(WAIT_S)
            elsewhere = 0
        job = waiting.popleft()
        result = renderer.render(job)
        if result.state == FULL:
            raise DiskFull(result.reason)
        if result.state == BUSY:
            waiting.append(job)
            elsewhere += 1
            continue
        elsewhere = 0
        yield result
