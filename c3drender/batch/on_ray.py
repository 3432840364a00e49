"""Jobs by workers of Ray, on one machine or many. Workers that die are replaced.

A worker is an actor, asked of Ray with the CPUs that it computes by and the memory that its photos take; jobs are grouped by
memory, so that large photos get few large workers and small ones many small. Only paths travel: no pixel passes through Ray's
object store.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..files.place import one_line
from ..jobs.options import is_url
from ..jobs.run import Job
from . import done, storage
from .here import WAIT_S, DiskFull
from .plan import Planned
from .renderer import BUSY, DONE, FAILED, FULL, Renderer, Result

LEAST_CLASS_BYTES = 2**30
MOST_DEATHS = 3  # of workers over one photo: the first try, and two more
MOST_BAD_STARTS = 5  # in a row, of workers that die before their first job
LOOK_S = 0.5
MOST_SAID = 500  # characters of what Ray says
OBJECT_STORE_BYTES = 80 * 2**20  # what Ray asks for at least: only paths and posters pass through it


@dataclass(frozen=True)
class Crew:
    """The workers.

    Attributes
    ----------
    workers : int, optional
        At most so many at a time. None: as many as fit onto the cluster.
    cpus : float
        Of each; its threads.
    gpus : float
        Of each; parts of one are shared.
    address : str, optional
        Of a running cluster. None: ``$RAY_ADDRESS``, or a cluster on this machine for the time being.
    """

    workers: int | None = None
    cpus: float = 1
    gpus: float = 0
    address: str | None = None


@dataclass(eq=False)
class _Task:
    job: Job
    deaths: int = 0


@dataclass(eq=False)
class _Worker:
    """An actor for jobs of one class of memory; what it is at, None while it starts; what it will answer."""

    actor: Any
    size_class: int
    pending: Any
    task: _Task | None = None


@dataclass
class _Fleet:
    crew: Crew
    settings: dict[str, Any]
    waiting: dict[int, deque[_Task]] = field(default_factory=lambda: defaultdict(deque))
    elsewhere: list[tuple[int, _Task]] = field(default_factory=list)
    workers: list[_Worker] = field(default_factory=list)
    shared: set[tuple[str, str]] = field(default_factory=set)  # machines, and folders of theirs that are this one's, too
    bad_starts: int = 0
    looked_at: float = 0.0

    def hire(self) -> None:
        """Ask Ray for workers where jobs wait, the largest first."""
        import ray

        most = self._most_workers()
        for size_class in sorted(self.waiting, reverse=True):
            starting = sum(worker.task is None and worker.size_class == size_class for worker in self.workers)
            for _ in range(len(self.waiting[size_class]) - starting):
                if len(self.workers) >= most:
                    return
                options = {"num_cpus": self.crew.cpus, "num_gpus": self.crew.gpus, "memory": size_class}
                actor: Any = ray.remote(Renderer).options(**options).remote(**self.settings)
                self.workers.append(_Worker(actor, size_class, actor.ready.remote()))

    def _most_workers(self) -> int:
        import ray

        if self.crew.workers is not None:
            return self.crew.workers
        resources = ray.cluster_resources()
        fits = [int(resources.get("CPU", 0) / self.crew.cpus)] if self.crew.cpus else []
        fits += [int(resources.get("GPU", 0) / self.crew.gpus)] if self.crew.gpus else []
        return max(1, min(fits))

    def next_job(self, worker: _Worker) -> None:
        """Give a worker a job of its class, or let it go."""
        queue = self.waiting[worker.size_class]
        if not queue:
            self.dismiss(worker)
            return
        worker.task = queue.popleft()
        worker.pending = worker.actor.render.remote(worker.task.job)

    def dismiss(self, worker: _Worker) -> None:
        import ray

        ray.kill(worker.actor)
        self.workers.remove(worker)

    def answered(self, worker: _Worker) -> Result | None:
        """What a worker answers; None where nothing came of it but a worker that is up, or gone."""
        import ray

        task = worker.task
        try:
            result = ray.get(worker.pending)
        except ray.exceptions.RayTaskError as error:
            raise OSError(f"workers: expected Renderer to run there, got {one_line(error)[-MOST_SAID:]}") from error
        except ray.exceptions.RayError as error:  # it died, was killed for memory, or its machine is gone
            self.dismiss(worker)
            return self._lost(worker, error)
        self.bad_starts = 0
        if task is not None and result.state == BUSY:
            self.elsewhere.append((worker.size_class, task))
        self.next_job(worker)
        if task is None or result.state == BUSY:
            return None
        if result.state == DONE:
            self.check_shared(result)
        return replace(result, deaths=task.deaths)

    def check_shared(self, result: Result) -> None:
        """Raises OSError where another machine has kept to itself what it made: looked at once for each machine and folder."""
        host, place = result.worker.rsplit(":", 1)[0], Path(result.out)
        if is_url(result.out) or host == socket.gethostname() or (host, str(place.parent)) in self.shared:
            return
        if not (place.parent.is_dir() and place.name in os.listdir(place.parent)):  # noqa: PTH208  (NFS may not know one name yet)
            wanted = "expected a folder that all machines of the cluster share, or a URL"
            raise OSError(f"out: {wanted}; {place} was written on {host} and is not to be seen on {socket.gethostname()}")
        self.shared.add((host, str(place.parent)))

    def _lost(self, worker: _Worker, error: Exception) -> Result | None:
        """A worker has died: its job is tried again, in front, unless it has cost enough of them."""
        task = worker.task
        if task is None:
            self.bad_starts += 1
            if self.bad_starts >= MOST_BAD_STARTS:
                said = one_line(error)[-MOST_SAID:]
                raise OSError(f"workers: {self.bad_starts} in a row died before their first photo: {said}")
            return None
        task.deaths += 1
        if task.deaths < MOST_DEATHS:
            self.waiting[worker.size_class].appendleft(task)
            return None
        return _killed_by(task, self.settings)

    def results(self, stop: threading.Event) -> Iterator[Result]:
        import ray

        while any(self.waiting.values()) or self.elsewhere or self.workers:
            if stop.is_set():
                for worker in [worker for worker in self.workers if worker.task is None]:
                    self.dismiss(worker)
                self.waiting.clear()
                self.elsewhere.clear()
            elif self.elsewhere and time.monotonic() - self.looked_at > WAIT_S:
                self.looked_at = time.monotonic()
                for size_class, task in self.elsewhere:
                    self.waiting[size_class].append(task)
                self.elsewhere.clear()
            self.hire()
            if not self.workers:
                time.sleep(LOOK_S)
                continue
            by_ref = {worker.pending: worker for worker in self.workers}
            ready, _ = ray.wait(list(by_ref), num_returns=len(by_ref), timeout=0)
            if not ready:
                ready, _ = ray.wait(list(by_ref), num_returns=1, timeout=LOOK_S)
            for ref in ready:
                result = self.answered(by_ref[ref])
                if result is not None and result.state == FULL:
                    raise DiskFull(result.reason)
                if result is not None:
                    yield result

    def abandon(self) -> list[_Task]:
        """End all workers; returns what they were at."""
        tasks = [worker.task for worker in self.workers if worker.task is not None]
        for worker in list(self.workers):
            self.dismiss(worker)
        return tasks


def _killed_by(task: _Task, settings: dict[str, Any]) -> Result:
    """The photo is given up, and that is noted, so that the next run does not begin with it."""
    job = task.job
    storage.clear(job.out)
    reason = f"killed by it: {task.deaths} workers died over this photo (out of memory?); a smaller size takes less"
    try:
        with done.claim(job.out) as claim:
            claim.write(done.Record(done.digest_of(job.photo, job.options), done.FAILED, reason=reason))
    except done.Busy:  # another batch tries it, and notes what it meets
        pass
    return Result(job.photo, job.out, FAILED, reason, deaths=task.deaths)


def render_on_ray(planned: Sequence[Planned], settings: dict[str, Any], crew: Crew, stop: threading.Event) -> Iterator[Result]:
    """Results as they come, until all are done, or ``stop`` is set and the workers have finished what they were at.

    Parameters
    ----------
    planned : sequence of Planned
    settings : dict
        The arguments of each worker's `Renderer`.
    crew : Crew
    stop : threading.Event

    Raises
    ------
    DiskFull
        At the first output that finds no room.
    OSError
        Where no worker can be had.
    """
    started = _connect(crew)
    fleet = _Fleet(crew, settings | {"threads": max(1, round(crew.cpus))})
    try:
        largest = _largest_memory()
        for one in planned:
            size_class = class_of(one.need_bytes)
            if size_class > largest:
                have = f"the largest machine has {largest / 2**30:.1f} GiB for workers"
                reason = f"memory: needs {size_class / 2**30:g} GiB, {have}; a smaller size takes less"
                yield Result(one.job.photo, one.job.out, FAILED, reason)
            else:
                fleet.waiting[size_class].append(_Task(one.job))
        yield from fleet.results(stop)
    finally:
        abandoned = fleet.abandon()
        if started:
            import ray

            ray.shutdown()
        if abandoned:
            time.sleep(LOOK_S)  # who is killed still holds its files for a moment
        for task in abandoned:
            storage.clear(task.job.out)


def class_of(need_bytes: int) -> int:
    """The memory of the worker that gets a job: a power of two."""
    size = LEAST_CLASS_BYTES
    while size < need_bytes:
        size *= 2
    return size


def _largest_memory() -> float:
    import ray

    return max((node["Resources"].get("memory", 0) for node in ray.nodes() if node["Alive"]), default=0)


def _connect(crew: Crew) -> bool:
    """Join a cluster, or start one on this machine; False where this process is in one already."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    import ray

    if ray.is_initialized():
        return False
    address = crew.address or os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"address": address}
    if address is None:
        # Without "local" Ray joins whatever cluster runs here.
        options = {"address": "local", "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        os.environ.setdefault("RAY_worker_niceness", "0")  # as nice as this process; Ray takes 15 by itself
        options["num_cpus"] = os.cpu_count() if crew.workers is None else max(1, round(crew.workers * crew.cpus))
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM) if in_main else None
    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise OSError(f"ray: cannot reach {address or 'a cluster on this machine'}: {one_line(error)}") from error
    if before is not None:
        signal.signal(signal.SIGTERM, before)  # Ray's own would end this process without a word
    return True
