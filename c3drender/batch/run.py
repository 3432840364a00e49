"""A batch: rows in, results out, on Ray or in this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

from ..data import PathLike
from ..jobs.run import Job
from . import done, manifest
from .here import render_here
from .on_ray import Crew, render_on_ray
from .plan import Planned, plan
from .renderer import FAILED, KEPT, Renderer, Result, has_ray
from .rows import Row, find_photos, listed, read_jobs, read_shard, shard

OF_A_PROCESS = "memory://"


def run(
    rows: PathLike | Iterable[Row],
    out: PathLike | None = None,
    *,
    suffix: str = "mp4",
    recursive: bool = False,
    glob: str | None = None,
    force: bool = False,
    retry_failed: bool = False,
    part: str | None = None,
    workers: int | None = None,
    cpus: float | None = None,
    gpus: float = 0,
    address: str | None = None,
    stop: threading.Event | None = None,
    **options: Any,
) -> Iterator[Result]:
    """Render many photos; what is done already is kept.

    All rows are checked before this returns; work begins with the first result that is asked for.

    Parameters
    ----------
    rows : path, or iterable of paths and mappings
        A folder, a manifest (``.csv .tsv .jsonl .parquet``), one photo, or rows: paths, or mappings of ``photo``, perhaps
        ``out``, and options of its own. Paths may be URLs that ``fsspec`` knows.
    out : path or URL, optional
        The folder of outputs. None: each row names its own.
    suffix : str
        Of outputs without a name of their own: a video's, or ``"png"`` for folders of frames.
    recursive, glob
        For a folder: those in it, too; which files, by a pattern.
    force : bool
        Render what is done, too.
    retry_failed : bool
        Try again what has failed by the photo's own fault.
    part : str, optional
        ``"I/N"``: part I, from 0, of N.
    workers : int, optional
        Processes on Ray at most; 0: this process alone, as where Ray is not installed; None: as many as there is room for.
    cpus : float, optional
        Of each worker; it computes by as many threads. None: 1, and in this process as many as torch takes.
    gpus : float
        Of each worker.
    address : str, optional
        Of a running Ray cluster; None: ``$RAY_ADDRESS``, or this machine.
    stop : threading.Event, optional
        Set to end early: what is being rendered is finished first.
    **options
        Those of ``c3drender render``, by name, for all rows that do not say otherwise.

    Yields
    ------
    Result
        In the order in which they are done. Abandoned early, nothing half-written is left.

    Raises
    ------
    ValueError, TypeError, OSError
        With one line; for rows one line each, with the row and its column.

    Examples
    --------
    >>> import c3drender as c3d
    >>> rows = [{"photo": "photo.jpg", "out": "a.gif", "camera": "swing"}]
    >>> [result.state for result in c3d.batch.run(rows, ".", workers=0, frames=2, depth="builtin")]
    ['done']
    >>> [result.state for result in c3d.batch.run(rows, ".", workers=0, frames=2, depth="builtin")]
    ['kept']
    """
    jobs = jobs_of(rows, out, suffix=suffix, recursive=recursive, glob=glob, part=part, options=options)
    crew = crew_of(workers, cpus, gpus, address)
    return _results(jobs, crew, force, retry_failed, threading.Event() if stop is None else stop, threads_of(cpus))


def jobs_of(
    rows: PathLike | Iterable[Row],
    out: PathLike | None,
    *,
    suffix: str,
    recursive: bool,
    glob: str | None,
    part: str | None,
    options: dict[str, Any],
) -> list[Job]:
    """The jobs of `run`, checked."""
    if isinstance(rows, (str, os.PathLike)):
        place = os.fspath(rows)
        found = manifest.read_manifest(place) if manifest.is_manifest(place) else find_photos(place, recursive, glob)
    else:
        found = listed(rows)
    jobs = read_jobs(found, out, options, suffix)
    return jobs if part is None else shard(jobs, *read_shard(part))


def threads_of(cpus: float | None) -> int | None:
    """Of a process that has so many CPUs."""
    return None if cpus is None else max(1, round(cpus))


def crew_of(workers: int | None, cpus: float | None, gpus: float, address: str | None) -> Crew | None:
    """The workers asked for; None: this process."""
    cpus = 1 if cpus is None else cpus
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 0):
        raise ValueError(f"workers: expected a whole number >= 0, got {workers!r}")
    for name, number in (("cpus", cpus), ("gpus", gpus)):
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number < 2**20:
            raise ValueError(f"{name}: expected a number >= 0, got {number!r}")
    if cpus == 0 and gpus == 0:
        raise ValueError("cpus: expected more than 0 where a worker has no GPU, either, got 0")
    if workers != 0 and has_ray():
        return Crew(workers, cpus, gpus, address)
    for name, given in (("workers", workers), ("gpus", gpus), ("address", address)):
        if given:
            missing = "more than 0 workers" if has_ray() else "Ray, which is not installed: pip install c3drender[batch]"
            raise ValueError(f"{name} {given}: expected {missing}")
    return None


def _results(
    jobs: Sequence[Job],
    crew: Crew | None,
    force: bool,
    retry_failed: bool,
    stop: threading.Event,
    threads: int | None,
) -> Iterator[Result]:
    yield from work(list(plan(jobs, force, retry_failed)), crew, force, retry_failed, stop, threads)


def work(
    planned: Sequence[Planned],
    crew: Crew | None,
    force: bool,
    retry_failed: bool,
    stop: threading.Event,
    threads: int | None,
) -> Generator[Result, None, None]:
    """What is current at once, then what is to be done."""
    to_do = []
    for one in planned:
        if one.record is None:
            to_do.append(one)
        else:
            yield remembered(one)
    settings: dict[str, Any] = {"force": force, "retry_failed": retry_failed}
    if not to_do:
        return
    if crew is not None and any(place.startswith(OF_A_PROCESS) for one in to_do for place in (one.job.photo, one.job.out)):
        raise ValueError(f"workers: expected 0 with {OF_A_PROCESS}, which no other process sees, got {crew.workers}")
    if crew is None:
        yield from render_here(to_do, Renderer(**settings, threads=threads), stop)
    else:
        yield from render_on_ray(to_do, settings, crew, stop)


def remembered(one: Planned) -> Result:
    """What an earlier run noted."""
    record, job = one.record, one.job
    assert record is not None
    if record.state == done.FAILED:
        return Result(job.photo, job.out, FAILED, record.reason)
    return Result(job.photo, job.out, KEPT, bytes=record.bytes, poster=record.poster)
