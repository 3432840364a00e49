"""What a worker is: it renders one job after another and answers for each with a `Result`, whatever happens."""

from __future__ import annotations

import errno
import importlib.util
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..console import is_expected, reason_of
from ..data import PathLike
from ..jobs.run import Job, run_job, use_threads
from . import done, storage
from .poster import poster_of
from .rows import Found, job_of, read_options

DONE, KEPT, FAILED = "done", "kept", "failed"
BUSY = "busy"  # another batch is at it: ask again later
FULL = "full"  # the disk is: so will it be for the next
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Result:
    """What became of a row.

    Attributes
    ----------
    photo, out : str
        Paths from the root, or URLs.
    state : {"done", "kept", "failed"}
        Rendered now; done before; or not, and why is in ``reason``.
    reason : str
        One line.
    seconds : float
        That this run took for it.
    bytes : int
        Of the output.
    deaths : int
        Workers that died over it.
    worker : str
        ``host:process``.
    notes : tuple of str
        What was decided without being asked.
    poster : str
        A small JPEG of the first frame, in base64.
    """

    photo: str
    out: str
    state: str
    reason: str = ""
    seconds: float = 0.0
    bytes: int = 0
    deaths: int = 0
    worker: str = ""
    notes: tuple[str, ...] = ()
    poster: str = ""


class Renderer:
    """Renders photos, and keeps what it has loaded. For Ray Data, and what the workers of `c3drender.batch.run` are.

    Parameters
    ----------
    out : path or URL, optional
        The folder of outputs. None: each row names its own.
    suffix : str
        Of outputs without a name of their own: a video's, or ``"png"`` for folders.
    threads : int, optional
        By how many it computes. None: as many as CPUs were given to it by Ray, and elsewhere what torch takes.
    force, retry_failed : bool
        See `c3drender.batch.run`.
    **options
        For all rows: those of ``c3drender render`` by name.

    Examples
    --------
    One line in a pipeline of Ray Data::

        ds = ray.data.read_csv("photos.csv")  # a column photo, perhaps out, and any option
        ds.map_batches(c3d.batch.Renderer, fn_constructor_kwargs={"out": "/shared/videos"}, batch_size=4,
                       concurrency=(1, 8), num_cpus=2)
    """

    def __init__(
        self,
        out: PathLike | None = None,
        *,
        suffix: str = "mp4",
        threads: int | None = None,
        force: bool = False,
        retry_failed: bool = False,
        **options: Any,
    ) -> None:
        self._out, self._suffix, self._force, self._retry_failed = out, suffix, force, retry_failed
        self._options = read_options(options)
        count = _cpus_of_ray() if threads is None else threads
        if count is not None:
            use_threads(count)
        self._worker = f"{socket.gethostname()}:{os.getpid()}"

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Render a batch of Ray Data.

        Parameters
        ----------
        batch : mapping of str to array
            Columns of equal length: ``photo``, perhaps ``out``, and options.

        Returns
        -------
        dict of str to list
            A column for each attribute of `Result` but its poster.
        """
        columns = {name: [_plain(value) for value in batch[name]] for name in batch}
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        results = [self._row(row) for row in rows]
        told: dict[str, list[Any]] = {name: [] for name in Result.__dataclass_fields__ if name != "poster"}
        for result in results:
            for name, value in asdict(result).items():
                if name in told:
                    told[name].append("\n".join(value) if name == "notes" else value)
        return told

    def _row(self, row: Mapping[str, Any]) -> Result:
        try:
            job = job_of(Found(row, "row"), self._out, self._options, self._suffix)
        except (ValueError, TypeError, OSError) as error:
            return Result(str(row.get("photo", "")), "", FAILED, reason_of(error), worker=self._worker)
        while (result := self.render(job)).state == BUSY:
            time.sleep(1.0)
        if result.state == FULL:
            raise OSError(result.reason)
        return result

    def ready(self) -> str:
        """Everything that a job needs is imported. Returns ``host:process``."""
        from .. import pipeline  # noqa: F401  (seconds, which no job shall be charged for)

        return self._worker

    def render(self, job: Job) -> Result:
        """Do a job, unless it is done."""
        start = time.monotonic()

        def answer(state: str, **more: Any) -> Result:
            seconds = round(time.monotonic() - start, 3)
            return Result(job.photo, job.out, state, seconds=seconds, worker=self._worker, **more)

        try:
            with done.claim(job.out) as claim:
                return self._claimed(job, claim, answer)
        except done.Busy:
            return answer(BUSY)
        except Exception as error:
            return answer(FULL if _no_room(error) else FAILED, reason=reason_of(error))

    def _claimed(self, job: Job, claim: done.Claim, answer: Any) -> Result:
        digest = done.digest_of(job.photo, job.options)
        record = claim.read()
        if record is not None and not self._force and done.is_current(record, job.out, digest):
            if record.state == done.DONE:
                return answer(KEPT, bytes=record.bytes, poster=record.poster)
            if not self._retry_failed:
                return answer(FAILED, reason=record.reason)
        try:
            with storage.brought_here(job) as here:
                notes = run_job(here)
                poster = poster_of(here.out)
            size = storage.size_of(job.out) or 0
        except Exception as error:
            if _is_of_the_photo(error):
                claim.write(done.Record(digest, done.FAILED, reason=reason_of(error)))
            raise
        claim.write(done.Record(digest, done.DONE, size, poster=poster))
        return answer(DONE, bytes=size, notes=notes, poster=poster)


def _plain(value: Any) -> Any:
    """A number or a list again, of which Ray Data makes arrays, and arrays of arrays."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _is_of_the_photo(error: Exception) -> bool:
    """Whether the next try would end the same way: the machine is not to blame for it."""
    return isinstance(error, (ValueError, TypeError)) or not is_expected(error)


def _no_room(error: BaseException) -> bool:
    return any(isinstance(cause, OSError) and cause.errno in NO_ROOM for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _cpus_of_ray() -> int | None:
    """The CPUs that Ray has given to this process; None outside of Ray."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    cpus = ray.get_runtime_context().get_assigned_resources().get("CPU")
    return None if not cpus else max(1, int(cpus))


def has_ray() -> bool:
    return importlib.util.find_spec("ray") is not None
