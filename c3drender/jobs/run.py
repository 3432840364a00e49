"""A job done in this process."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

from ..files.tell import InputWarning
from ..progress import Watcher
from .options import Options, arguments_of


@dataclass(frozen=True)
class Job:
    """A photo that becomes an output.

    Attributes
    ----------
    photo : str
        A path, or an address.
    out : str
        A path, whose suffix says what is made.
    options : mapping
        As `c3drender.jobs.options.read_options` returns them.
    """

    photo: str
    out: str
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Notes:
    """A watcher that keeps the notes of a job and, if there is one, tells another of everything."""

    watcher: Watcher | None = None
    lines: list[str] = field(default_factory=list)

    def step(self, stage: str, done: int, total: int) -> None:
        if self.watcher is not None:
            self.watcher.step(stage, done, total)

    def note(self, line: str) -> None:
        self.lines.append(line)
        if self.watcher is not None:
            self.watcher.note(line)


def run_job(job: Job, watcher: Watcher | None = None) -> tuple[str, ...]:
    """Render, and return the lines on what was decided without being asked, warnings among them.

    Parameters
    ----------
    job : Job
    watcher : Watcher, optional
        Is told of each step. What it raises ends the job, of which nothing is left then.

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError, TypeError, OSError, MemoryError
        As `c3drender.render_cinemagraph`.
    """
    from ..pipeline import render_cinemagraph

    notes = Notes(watcher)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", InputWarning)
        render_cinemagraph(job.photo, job.out, **arguments_of(job.options), progress=notes)
    lines = [f"warning: {warning.message}" for warning in warned if issubclass(warning.category, InputWarning)]
    return (*notes.lines, *lines)


def use_threads(count: int) -> None:
    """Let this process compute by as many threads, in torch, our own ops and OpenCV alike."""
    import cv2
    import torch

    torch.set_num_threads(count)
    cv2.setNumThreads(count)
