"""The server's side of `worker`: processes that compute, started when they are needed, and again when they are lost."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

MOST_LINE_BYTES = 2**24
NICE = 5  # of an export
IDLE_NICE = 10  # of what nobody waits for: an edit that comes meanwhile has nine tenths of the processor
LOST = "the process that computes ended unexpectedly; it is started again"

Event = dict[str, Any]
Heard = Callable[[Event], None]


class Process:
    """A worker. What it answers to a request goes to whoever asked, in order; ``failed`` where it is lost."""

    def __init__(self, nice: int = 0) -> None:
        self.nice = nice
        self.process: asyncio.subprocess.Process | None = None
        self.reading: asyncio.Task[None] | None = None
        self.asked: dict[int, Heard] = {}
        self.numbers = itertools.count()
        self.starting = asyncio.Lock()

    async def warm(self) -> None:
        """Start it, so that the first request does not wait for that."""
        async with self.starting:
            if self.process is None or self.process.returncode is not None:
                await self._start()

    async def ask(self, request: Event, heard: Heard) -> None:
        """Send it, and have ``heard`` called with every answer."""
        await self.warm()
        async with self.starting:
            number = next(self.numbers)
            self.asked[number] = heard
            assert self.process is not None and self.process.stdin is not None
            with suppress(ConnectionError):  # it has just been lost, which its reader tells
                self.process.stdin.write(json.dumps({**request, "id": number}).encode() + b"\n")
                await self.process.stdin.drain()

    async def result(self, request: Event) -> Event:
        """The last answer to a request."""
        done: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

        def heard(event: Event) -> None:
            if event["event"] in ("done", "failed", "superseded") and not done.done():
                done.set_result(event)

        await self.ask(request, heard)
        return await done

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        if self.reading is not None:
            await self.reading

    async def _start(self) -> None:
        if self.reading is not None:
            await self.reading
        prefix = ("nice", "-n", str(self.nice)) if self.nice else ()
        self.process = await asyncio.create_subprocess_exec(
            *prefix,
            sys.executable,
            "-m",
            "c3drender.studio.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MOST_LINE_BYTES,
        )
        self.reading = asyncio.create_task(self._read(self.process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            event = json.loads(line)
            number = event.pop("id")
            heard = self.asked.get(number)
            if event["event"] in ("done", "failed", "superseded"):
                self.asked.pop(number, None)
            if heard is not None:
                heard(event)
        await process.wait()
        lost, self.asked = self.asked, {}
        for heard in lost.values():
            heard({"event": "failed", "message": LOST})
