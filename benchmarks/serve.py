"""`c3drender serve` under many clients: no job lost, memory bounded, latencies.

    python benchmarks/serve.py [--clients 200] [--seconds 60]

A real service on loopback. Each client is a loop: post a small photo, wait where the queue is full, watch the job to its end
by polling or, every other client, by server-sent events, fetch the video, begin again. One job in ten is cancelled.
Needs ``pip install c3drender[serve] httpx``.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
import PIL.Image

FRAMES = 2
SIDE_PX = 64
ENDED = ("done", "failed", "cancelled")
MIB = 2**20


def photo() -> bytes:
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    data = io.BytesIO()
    PIL.Image.fromarray(np.stack([3 * x, 3 * y, 255 - x - y], axis=2).astype(np.uint8)).save(data, "PNG")
    return data.getvalue()


class Tally:
    """What the clients saw."""

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.posts_s: list[float] = []
        self.jobs_s: list[float] = []
        self.lost: list[str] = []


async def watched(http: httpx.AsyncClient, job_id: str, by_events: bool) -> str:
    """How the job ends."""
    if by_events:
        async with http.stream("GET", f"/jobs/{job_id}/events") as stream:
            state = ""
            async for line in stream.aiter_lines():
                state = json.loads(line[5:])["state"] if line.startswith("data:") else state
            return state
    while (state := (await http.get(f"/jobs/{job_id}")).json()["state"]) not in ENDED:
        await asyncio.sleep(0.5)
    return state


async def client(http: httpx.AsyncClient, number: int, until: float, data: bytes, tally: Tally) -> None:
    dice = random.Random(number)
    while time.monotonic() < until:
        start = time.monotonic()
        answer = await http.post("/jobs", files={"photo": ("a.png", data)}, data={"frames": FRAMES, "depth": "builtin"})
        tally.posts_s.append(time.monotonic() - start)
        tally.statuses[answer.status_code] += 1
        if answer.status_code == 429:
            await asyncio.sleep(float(answer.headers["retry-after"]) * dice.uniform(0.5, 1.5))
            continue
        job_id = answer.json()["id"]
        if dice.random() < 0.1:
            await http.delete(f"/jobs/{job_id}")
        state = await watched(http, job_id, number % 2 == 0)
        tally.ends[state] += 1
        if state == "done":
            tally.jobs_s.append(time.monotonic() - start)
            video = await http.get(f"/jobs/{job_id}/result")
            if video.status_code != 200 or video.content[4:8] != b"ftyp":
                tally.lost.append(job_id)
        elif state != "cancelled":
            tally.lost.append(job_id)


def resident_mib(pid: int) -> float:
    """Of a process and those below it."""
    children = [child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    own = int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024
    return own + sum(resident_mib(int(child)) for child in children)


async def study(address: str, pid: int, clients: int, seconds: float) -> Tally:
    tally = Tally()
    data = photo()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=600, limits=limits) as http:
        first = (await http.post("/jobs", files={"photo": ("a.png", data)}, data={"frames": FRAMES})).json()["id"]
        await watched(http, first, False)  # the processes are up, and have loaded what they keep
        before = resident_mib(pid)
        until = time.monotonic() + seconds
        all_clients = asyncio.gather(*(client(http, number, until, data, tally) for number in range(clients)))
        most = before
        while not all_clients.done():
            await asyncio.wait([all_clients], timeout=1)
            most = max(most, resident_mib(pid))
        await all_clients
        health = (await http.get("/health")).json()
    print(f"{clients} clients for {seconds:g} s; load {os.getloadavg()[0]:.1f}")
    print(f"jobs: {dict(tally.ends)}; posts by status: {dict(tally.statuses)}; lost: {len(tally.lost)}")
    print(f"still there at the end: {health['jobs']}")
    for name, times in (("post, s", tally.posts_s), ("post to end, s", tally.jobs_s)):
        parts = statistics.quantiles(times, n=100)
        print(f"{name}: median {parts[49]:.3f}, 95 % {parts[94]:.3f}, 99 % {parts[98]:.3f}, most {max(times):.3f}")
    print(f"memory of all processes: {before:.0f} MiB before, {most:.0f} at most, {resident_mib(pid):.0f} after")
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(port), "--workers", str(args.workers), "--threads", "1", "--folder", folder, "--quiet"]
        service = subprocess.Popen(
            [sys.executable, "-m", "c3drender", "serve", *options], env=os.environ | {"OMP_WAIT_POLICY": "passive"}
        )
        try:
            address = f"http://127.0.0.1:{port}"
            while True:
                try:
                    httpx.get(f"{address}/health", timeout=60)
                    break
                except httpx.TransportError:
                    if service.poll() is not None:
                        return 1
                    time.sleep(0.5)
            tally = asyncio.run(study(address, service.pid, args.clients, args.seconds))
        finally:
            service.terminate()
            service.wait(60)
        left = list(Path(folder).iterdir())
        print(f"files left after the end: {len(left)}")
    return 1 if tally.lost or left or not tally.ends["done"] else 0


if __name__ == "__main__":
    sys.exit(main())
