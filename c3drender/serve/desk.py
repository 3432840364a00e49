"""The jobs of a service: they wait in a bounded queue, child processes do them, results stay for a while."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..jobs.child import Child, ChildDied, JobFailed, JobStopped, JobTimedOut
from ..jobs.run import Job
from .limits import Limits
from .metrics import Metrics

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
ENDED = (DONE, FAILED, CANCELLED)
TRIES = 2  # of a job whose process died: the second is the last


class QueueFull(Exception):
    """No job is taken before another has ended."""


@dataclass(eq=False)
class Entry:
    """A job and what has become of it. Its watcher, too: only the thread that does it writes."""

    id: str
    folder: Path
    job: Job | None = None
    state: str = QUEUED
    stage: str = ""
    done: int = 0
    total: int = 0
    reason: str = ""
    notes: tuple[str, ...] = ()
    posted: float = field(default_factory=time.time)
    ended: float = 0.0
    seconds: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)

    def step(self, stage: str, done: int, total: int) -> None:
        self.stage, self.done, self.total = stage, done, total

    def note(self, line: str) -> None:
        self.notes += (line,)

    def told(self) -> dict[str, Any]:
        """What a client sees of it."""
        shown = ("id", "state", "stage", "done", "total", "reason", "notes", "seconds")
        return {name: getattr(self, name) for name in shown}


class Desk:
    """Takes jobs and has them done.

    Parameters
    ----------
    folder : Path
        For what is posted and made; a folder per job.
    limits : Limits
    workers : int
        Processes.
    threads : int
        Of each.
    metrics : Metrics
    """

    def __init__(self, folder: Path, limits: Limits, workers: int, threads: int, metrics: Metrics) -> None:
        self._folder, self._limits, self._metrics = folder, limits, metrics
        self._lock = threading.Condition()
        self._closed = False
        self._entries: dict[str, Entry] = {}
        self._ended: deque[Entry] = deque()  # the oldest first
        self._taken = 0  # places in the queue, also those of posts that are still being read
        self._waiting: deque[Entry] = deque()
        self._threads = [
            threading.Thread(target=self._work, args=(Child(threads),), name=f"c3drender-{n}", daemon=True)
            for n in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def open(self) -> Entry:
        """A place in the queue, to be filled by `submit` or given back by `drop`. Raises `QueueFull`."""
        self._forget_old()
        with self._lock:
            if self._taken >= self._limits.queue:
                raise QueueFull
            self._taken += 1
        entry = Entry(secrets.token_urlsafe(16), self._folder)
        entry.folder = self._folder / entry.id
        entry.folder.mkdir()
        return entry

    def drop(self, entry: Entry) -> None:
        """Give back the place of a post that becomes no job."""
        with self._lock:
            self._taken -= 1
        shutil.rmtree(entry.folder, ignore_errors=True)

    def submit(self, entry: Entry, job: Job) -> None:
        """Have it done, in turn."""
        entry.job = job
        with self._lock:
            self._entries[entry.id] = entry
            self._waiting.append(entry)
            self._metrics.queued.set(len(self._waiting))
            self._lock.notify()

    def find(self, job_id: str) -> Entry | None:
        with self._lock:
            return self._entries.get(job_id)

    def counts(self) -> dict[str, int]:
        """Jobs by state, of those that are kept."""
        with self._lock:
            states = [entry.state for entry in self._entries.values()]
        return {state: states.count(state) for state in (QUEUED, RUNNING, *ENDED)}

    def cancel(self, entry: Entry) -> None:
        """End a job that waits or runs; forget one that has ended."""
        entry.stop.set()
        with self._lock:
            waits, ended = entry in self._waiting, entry in self._ended
            if waits:
                self._waiting.remove(entry)
                self._taken -= 1
                self._metrics.queued.set(len(self._waiting))
            if ended:
                self._ended.remove(entry)
                del self._entries[entry.id]
        if waits:
            self._end(entry, CANCELLED, "", 0.0)
        if ended:
            shutil.rmtree(entry.folder, ignore_errors=True)

    def close(self) -> None:
        """End everything, and the processes with it."""
        with self._lock:
            self._closed = True
            for entry in self._entries.values():
                entry.stop.set()
            self._lock.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self, child: Child) -> None:
        while (entry := self._next()) is not None:
            assert entry.job is not None
            start = time.monotonic()
            with self._metrics.running.track_inprogress():
                state, reason = self._outcome(entry, entry.job, child)
            self._end(entry, state, reason, time.monotonic() - start)
        child.close()

    def _next(self) -> Entry | None:
        """The job whose turn it is, running from now on; waits for one. None at the end."""
        with self._lock:
            self._lock.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            entry = self._waiting.popleft()
            entry.state = RUNNING
            self._taken -= 1
            self._metrics.queued.set(len(self._waiting))
        self._metrics.waited.observe(time.time() - entry.posted)
        return entry

    def _outcome(self, entry: Entry, job: Job, child: Child) -> tuple[str, str]:
        reason = ""
        for _ in range(TRIES):
            try:
                child.run(job, entry, entry.stop, self._limits.seconds)
            except JobStopped:
                return CANCELLED, ""
            except (JobFailed, JobTimedOut) as error:
                return FAILED, str(error)
            except ChildDied as error:
                reason = str(error)
                entry.notes = ()
            else:
                return DONE, ""
        return FAILED, reason

    def _end(self, entry: Entry, state: str, reason: str, seconds: float) -> None:
        if state != DONE:
            shutil.rmtree(entry.folder, ignore_errors=True)
        entry.reason, entry.seconds, entry.ended = reason, round(seconds, 3), time.time()
        with self._lock:
            self._ended.append(entry)
            entry.state = state  # last: who sees it finds the rest
        self._metrics.rendered.observe(entry.seconds)
        self._metrics.jobs.labels(state).inc()

    def _forget_old(self) -> None:
        """Ended jobs go when their time is over, or when there are too many."""
        old = []
        with self._lock:
            while self._ended and (
                len(self._ended) > self._limits.kept or time.time() - self._ended[0].ended > self._limits.keep_s
            ):
                old.append(self._ended.popleft())
                self._entries.pop(old[-1].id, None)
        for entry in old:
            shutil.rmtree(entry.folder, ignore_errors=True)
