"""`c3drender serve` under many clients: no job lost, memory bounded, latencies.

    python benchmarks/serve.py [--clients 200] [--seconds 60] [--out FILE]

A real service on loopback. Each client is a loop: post a small photo; where the queue is full wait as long as the answer's
Retry-After says, half more or less, so that not all come back at once; watch the job to its end by polling or, every other
client, by server-sent events; fetch the video; begin again. One job in ten is cancelled. Exit status 1 says that a job was
lost, that a file was left, or that memory grew: the service's own by more than 64 MiB, that of those that render by more than
a quarter. Needs ``pip install c3drender[serve] httpx``.
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
from typing import Any

import httpx
import numpy as np
import PIL.Image
import torch
from machine import write_result

FRAMES = 2
SIDE_PX = 64
ENDED = ("done", "failed", "cancelled")
LEAST_LOADED_MIB = 250  # of a process that has rendered
MOST_GROWTH_MIB = 64  # of the service's own process: 200 connections, and what it knows of 1000 jobs
MOST_CHILD_GROWTH = 1.25  # of the processes that render, once they have loaded what they keep


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
        self.jobs_s: list[float] = []  # from the post that was taken
        self.waits_s: list[float] = []  # from the first post, that was perhaps refused
        self.served: Counter[int] = Counter()  # jobs by client
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
    wanted = None
    while time.monotonic() < until:
        start = time.monotonic()
        wanted = wanted or start
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
        tally.served[number] += 1
        if state == "done":
            tally.jobs_s.append(time.monotonic() - start)
            tally.waits_s.append(time.monotonic() - wanted)
            video = await http.get(f"/jobs/{job_id}/result")
            if video.status_code != 200 or video.content[4:8] != b"ftyp":
                tally.lost.append(job_id)
        elif state != "cancelled":
            tally.lost.append(job_id)
        wanted = None


def resident_mib(pid: int) -> dict[str, float]:
    """Of the service's own process, and of all that render."""
    children = [child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    return {"service": _resident_mib(str(pid)), "children": sum(map(_resident_mib, children))}


def _resident_mib(pid: str) -> float:
    try:
        told = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:  # it has just ended
        return 0.0
    return int(told[1]) / 1024 if told else 0.0


async def study(address: str, pid: int, clients: int, seconds: float, workers: int) -> dict[str, Any]:
    tally = Tally()
    data = photo()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=600, limits=limits) as http:
        while True:  # until each process has had a job, and has loaded what it keeps
            jobs = [
                (await http.post("/jobs", files={"photo": ("a.png", data)}, data={"frames": FRAMES})).json()["id"]
                for _ in range(4 * workers)
            ]
            for job_id in jobs:
                await watched(http, job_id, False)
            before = resident_mib(pid)
            if before["children"] > workers * LEAST_LOADED_MIB:
                break
        until = time.monotonic() + seconds
        all_clients = asyncio.gather(*(client(http, number, until, data, tally) for number in range(clients)))
        most = before
        while not all_clients.done():
            await asyncio.wait([all_clients], timeout=1)
            now = resident_mib(pid)
            most = {name: max(now[name], most[name]) for name in now}
        await all_clients
        health = (await http.get("/health")).json()
    counts = [tally.served[number] for number in range(clients)]
    times = {"post": tally.posts_s, "post that is taken to end": tally.jobs_s, "first post to end": tally.waits_s}
    result = {
        "clients": clients,
        "seconds": seconds,
        "workers": workers,
        "load": os.getloadavg()[0],
        "jobs": dict(tally.ends),
        "posts": {str(status): count for status, count in tally.statuses.items()},
        "lost": len(tally.lost),
        "kept": health["jobs"],
        "jobs_of_a_client": {"least": min(counts), "median": statistics.median(counts), "most": max(counts)},
        "latency_s": {name: spread(taken) for name, taken in times.items()},
        "memory_mib": {"before": before, "most": most, "after": resident_mib(pid)},
    }
    grown = most["service"] - before["service"] > MOST_GROWTH_MIB or most["children"] > MOST_CHILD_GROWTH * before["children"]
    result["holds"] = not tally.lost and not grown and tally.ends["done"] > 0
    return result


def spread(times: list[float]) -> dict[str, float]:
    parts = statistics.quantiles(times, n=100)
    return {"median": parts[49], "95 %": parts[94], "99 %": parts[98], "most": max(times)}


def show(result: dict[str, Any]) -> None:
    print(f"{result['clients']} clients for {result['seconds']:g} s, {result['workers']} workers; load {result['load']:.1f}")
    print(f"jobs: {result['jobs']}; posts by status: {result['posts']}; lost: {result['lost']}; kept: {result['kept']}")
    print(f"jobs of a client: {result['jobs_of_a_client']}")
    for name, parts in result["latency_s"].items():
        print(f"{name}, s: {', '.join(f'{part} {value:.3f}' for part, value in parts.items())}")
    for name in result["memory_mib"]["before"]:
        told = ", ".join(f"{when} {memory[name]:.0f}" for when, memory in result["memory_mib"].items())
        print(f"memory of {name}, MiB: {told}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the numbers there as JSON")
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
            result = asyncio.run(study(address, service.pid, args.clients, args.seconds, args.workers))
        finally:
            service.terminate()
            service.wait(60)
        left = len(list(Path(folder).iterdir()))
    show(result)
    print(f"files left after the end: {left}")
    result["holds"] = result["holds"] and not left
    if args.out:
        write_result(args.out, torch.device("cpu"), result)
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
