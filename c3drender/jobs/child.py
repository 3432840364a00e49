"""Jobs done by another process, which may be stopped, may run out of time, and may die without taking anybody along.

Both sides talk in lines of JSON over a pair of sockets. The child keeps what it has loaded from job to job; it ends when its
parent does.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from ..console import reason_of
from ..progress import Watcher
from .run import Job, run_job, use_threads

PATIENCE_S = 5.0  # from being asked to end to being killed
LOOK_S = 0.1  # how often a stop or the time is looked for
MOST_LINE_BYTES = 2**20
CODE = "import sys; from c3drender.jobs.child import serve; serve(int(sys.argv[1]), int(sys.argv[2]))"


class JobFailed(Exception):
    """The photo or its options are to blame; the message is one line."""


class JobStopped(Exception):
    """It was asked to stop."""


class JobTimedOut(Exception):
    """It took longer than it may."""


class ChildDied(Exception):
    """The process that worked on it is gone; the message says how."""


class Child:
    """A process that does one job at a time. It starts with the first, and anew after one that it did not survive.

    Parameters
    ----------
    threads : int
        By how many it computes.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._unread = b""

    def run(
        self,
        job: Job,
        watcher: Watcher,
        stop: threading.Event | None = None,
        limit_s: float | None = None,
    ) -> tuple[str, ...]:
        """Have a job done; blocks. Of one that does not end well nothing is left but, after a kill, a hidden part file.

        Parameters
        ----------
        job : Job
        watcher : Watcher
            Is told of each step, in this thread.
        stop : threading.Event, optional
            Set by another thread to end the job.
        limit_s : float, optional
            Seconds that the job may take once the child is up.

        Returns
        -------
        tuple of str
            The job's notes.

        Raises
        ------
        JobFailed, JobStopped, JobTimedOut, ChildDied
        """
        self._start(stop)
        self._send({"photo": job.photo, "out": job.out, "options": dict(job.options)})
        end = None if limit_s is None else time.monotonic() + limit_s
        while True:
            message = self._message()
            if message is None:
                self._check(stop, end, limit_s)
            elif "stage" in message:
                watcher.step(message["stage"], message["done"], message["total"])
                self._check(stop, end, limit_s)
            elif "note" in message:
                watcher.note(message["note"])
            elif "failed" in message:
                raise JobFailed(message["failed"])
            else:
                return tuple(message["notes"])

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _start(self, stop: threading.Event | None) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        ours, theirs = socket.socketpair()
        self._socket, self._unread = ours, b""
        search = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", CODE, str(theirs.fileno()), str(self._threads)],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": search},
                start_new_session=True,  # Ctrl+C in a terminal is for the parent to answer
            )
        ours.settimeout(LOOK_S)
        while self._message() is None:  # it says when it is up
            self._check(stop, None, None)

    def _check(self, stop: threading.Event | None, end: float | None, limit_s: float | None) -> None:
        if stop is not None and stop.is_set():
            self.close()
            raise JobStopped("stopped")
        if end is not None and time.monotonic() > end:
            self.close()
            raise JobTimedOut(f"time: expected at most {limit_s:g} s, took longer")

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._socket is not None
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._raise_died()

    def _message(self) -> dict[str, Any] | None:
        """The next one, None where none has come for a moment."""
        assert self._socket is not None
        while b"\n" not in self._unread:
            try:
                data = self._socket.recv(MOST_LINE_BYTES)
            except TimeoutError:
                return None
            except OSError:
                data = b""
            if not data:
                self._raise_died()
            self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def _raise_died(self) -> NoReturn:
        assert self._process is not None
        try:
            status = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            status = 0
        self.close()
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        raise ChildDied(f"the process that rendered it died ({how}{', out of memory?' if status == -signal.SIGKILL else ''})")


class _Teller:
    """The child's watcher: what the parent does not take any more ends the job."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def step(self, stage: str, done: int, total: int) -> None:
        self.send({"stage": stage, "done": done, "total": total})

    def note(self, line: str) -> None:
        self.send({"note": line})

    def send(self, message: Mapping[str, Any]) -> None:
        self._connection.sendall(json.dumps(message).encode() + b"\n")


def serve(descriptor: int, threads: int) -> None:
    """The child's side, until the parent closes its end."""
    signal.signal(signal.SIGTERM, _end)
    use_threads(threads)
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rb") as lines:
        teller = _Teller(connection)
        teller.send({"up": os.getpid()})
        for line in lines:
            given = json.loads(line)
            try:
                notes = run_job(Job(given["photo"], given["out"], given["options"]), teller)
            except Exception as error:
                answer: dict[str, Any] = {"failed": reason_of(error)}
            else:
                answer = {"notes": notes}
            try:
                teller.send(answer)
            except OSError:  # the parent is gone
                return


def _end(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)  # unwinds, so that no part file is left
