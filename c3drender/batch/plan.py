"""What is to be done, before any worker starts: which jobs are current, and how much memory each of the others takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import PIL.Image

from ..files.decode import RAW_SUFFIXES, UNREADABLE
from ..jobs.memory import needed_bytes
from ..jobs.options import is_url
from ..jobs.run import Job
from . import done, storage

THREADS = 8  # that read photos and wait for disks
AT_ONCE = 1024
SIZE_UNKNOWN = (6000, 9000)  # taken for a photo whose header only its own reader understands
OF_OTHER_READERS = frozenset((".heic", ".heif", *RAW_SUFFIXES))


@dataclass(frozen=True)
class Planned:
    """A job, what stands beside its output if that is current, and what it takes."""

    job: Job
    record: done.Record | None
    need_bytes: int


def plan(jobs: Iterable[Job], force: bool = False, retry_failed: bool = False) -> Iterator[Planned]:
    """Look at each job, in order.

    Parameters
    ----------
    jobs : iterable of Job
    force : bool
        Nothing counts as done.
    retry_failed : bool
        What has failed does not count as done.

    Yields
    ------
    Planned
    """
    look = partial(_look, force=force, retry_failed=retry_failed)
    waiting = iter(jobs)
    with ThreadPoolExecutor(THREADS) as pool:
        while some := list(islice(waiting, AT_ONCE)):
            yield from pool.map(look, some)


def _look(job: Job, force: bool, retry_failed: bool) -> Planned:
    try:
        record = None if force else _current(job)
    except OSError:  # the worker will meet it, too, and say so
        record = None
    if record is not None and retry_failed and record.state == done.FAILED:
        record = None
    return Planned(job, record, 0 if record is not None else needed_bytes(*_size_of(job.photo), job.options))


def _current(job: Job) -> done.Record | None:
    """What stands beside the output, where that is all there is to do. A photo that was never rendered is not read."""
    record = done.read_record(job.out)
    if record is None or (record.state == done.DONE and storage.size_of(job.out) != record.bytes):
        return None
    return record if done.is_current(record, job.out, done.digest_of(job.photo, job.options)) else None


def _size_of(photo: str) -> tuple[int, int]:
    """(height, width) by the header, as it is stored."""
    try:
        with _opened(photo) as file, PIL.Image.open(file) as picture:
            width, height = picture.size
            return height, width
    except PIL.Image.DecompressionBombError:  # Pillow's limit is lower than ours
        return SIZE_UNKNOWN
    except UNREADABLE:
        return SIZE_UNKNOWN if PurePosixPath(photo).suffix.lower() in OF_OTHER_READERS else (0, 0)


def _opened(photo: str) -> Any:
    if not is_url(photo):
        return Path(photo).open("rb")
    system, path = storage.file_system("photo", photo)
    return system.open(path, "rb")
