"""What `batch.py` runs and looks at: photos made here, some damaged; the command, its lines timed; processes by ``/proc``."""

from __future__ import annotations

import hashlib
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image

WIDTH, HEIGHT, SHORE = 160, 120, 70
FRAMES = 4
BOMB_PX = 30_000
DAMAGED_EVERY = 10
OPTIONS = ["--frames", str(FRAMES), "--format", "webp", "--device", "cpu", "--log", "json"]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "RAY_USAGE_STATS_ENABLED": "0"}
WARM_UP = 4  # results that are not timed, while workers load what they keep
LOOK_EVERY = 8  # results, at what the processes have used
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def make_photos(folder: Path, count: int, damaged: bool) -> dict[str, bool]:
    """Photos by name, and whether each can be rendered: a sky, and water below it."""
    folder.mkdir()
    good = {}
    for n in range(count):
        name = f"photo_{n:04d}.jpg"
        rng = np.random.default_rng(n)
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        water = np.array(rng.integers(30, 120, 3)) + 25 * np.sin(x / rng.uniform(2, 6) + y)[..., None]
        sky = np.array(rng.integers(140, 240, 3)) - y[..., None] * 0.5
        picture = np.where((y > SHORE)[..., None], water, sky) + rng.normal(0, 4, (HEIGHT, WIDTH, 3))
        PIL.Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / name, quality=92)
        good[name] = not (damaged and n % DAMAGED_EVERY == DAMAGED_EVERY - 1)
        if not good[name]:
            damage(folder / name, n)
    if damaged:
        (folder / "bomb.png").write_bytes(bomb())
        good["bomb.png"] = False
    return good


def damage(path: Path, n: int) -> None:
    """Cut short, emptied, or overwritten."""
    data = path.read_bytes()
    kinds = (data[: len(data) // 2], b"", b"not a picture", data[:200] + bytes(random.Random(n).randbytes(len(data) - 200)))
    path.write_bytes(kinds[n // DAMAGED_EVERY % len(kinds)])


def bomb() -> bytes:
    """A PNG of a hundred kilobytes that is 30,000 pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + BOMB_PX // 8)
    body = b"".join(packer.compress(row) for _ in range(BOMB_PX)) + packer.flush()
    header = struct.pack(">IIBBBBB", BOMB_PX, BOMB_PX, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def checksums(out: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.glob("*.webp"))}


class Batch:
    """A run of the command, whose lines are read as they come, each with its time.

    Parameters
    ----------
    photos, out : Path
    more : str
        Arguments.
    within : sequence of str
        A command that runs it.
    env : dict of str to str
    """

    def __init__(
        self, photos: Path, out: Path, *more: str, within: tuple[str, ...] = (), env: dict[str, str] = ONE_THREAD
    ) -> None:
        command = [*within, sys.executable, "-m", "c3drender", "batch", str(photos), "-o", str(out), *OPTIONS, *more]
        self.times: list[float] = []
        self._used: dict[int, dict[str, float]] = {}
        self.results: list[dict] = []
        self.started = time.monotonic()
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115  (until `end`)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._said, text=True, env=os.environ | env)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            if line.endswith("\n"):  # a killed driver's last may be cut
                self.times.append(time.monotonic())
                self.results.append(json.loads(line))
                if len(self.results) % LOOK_EVERY == 0:
                    self._used[len(self.results)] = processor_s(self.process.pid)

    def end(self) -> tuple[int, str]:
        """Status, and what it said to people."""
        status = self.process.wait()
        self._reader.join()
        with self._said as said:
            said.seek(0)
            return status, said.read().strip()

    def per_photo(self) -> float:
        """Seconds from result to result, once warm."""
        times = self.times[WARM_UP:]
        return (times[-1] - times[0]) / (len(times) - 1)

    def in_worker(self) -> float:
        """Seconds that a photo took in its worker, on average."""
        results = self.results[WARM_UP + 1 :]
        return sum(result["seconds"] for result in results) / len(results)

    def processor(self) -> dict[str, float]:
        """Processor seconds a photo, once warm, by kind of process."""
        first = min(self._used)
        last = max(count for count in self._used if count <= len(self.results) - WARM_UP)  # later some workers are gone
        return {kind: (self._used[last][kind] - self._used[first][kind]) / (last - first) for kind in self._used[last]}


def below(driver: int) -> Iterator[tuple[int, str, list[str]]]:
    """A process and all that it started, directly or not: number, name, and the fields of ``stat`` from the state on."""
    found, parents = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            status = (path / "stat").read_text().rsplit(")", 1)[1].split()
            command = (path / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        parents[int(path.name)] = int(status[1])
        found[int(path.name)] = (command, status)
    for pid, (command, status) in found.items():
        ancestor = pid
        while ancestor > 1 and ancestor != driver:
            ancestor = parents.get(ancestor, 0)
        if ancestor == driver:
            yield pid, command, status


def workers_of(driver: int) -> list[int]:
    """Ray's workers below a process."""
    return [pid for pid, command, _ in below(driver) if command.startswith("ray::Renderer")]


def processor_s(driver: int) -> dict[str, float]:
    """Processor seconds so far of the command, of its workers, and of what else Ray runs."""
    used = {"command": 0.0, "workers": 0.0, "ray": 0.0}
    for pid, command, status in below(driver):
        kind = "command" if pid == driver else "workers" if command.startswith("ray::Renderer") else "ray"
        used[kind] += (int(status[11]) + int(status[12])) / TICKS_PER_S
    return used
