"""Many photos by `c3drender batch`: how fast, and what is left after everything that can go wrong has gone wrong.

    python benchmarks/batch.py                      everything, some ten minutes on two quiet cores
    python benchmarks/batch.py --throughput         two workers against one process, of one thread each
    python benchmarks/batch.py --memory PHOTO       what rendering takes, against what `c3drender.jobs.memory` asks for

Real Ray on loopback, real processes. The photos are made here: small ones, a tenth of them damaged, and one that claims 30,000
pixels a side. The run that is disturbed meets a full disk first, then loses a random worker every few seconds and its driver
twice. Outputs are animated WebP: the x264 in PyAV's wheels writes other bytes from run to run for the same frames.
Needs ``pip install c3drender[batch]``; the full disk also the right to mount.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
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
MIB = 2**20


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


class Batch:
    """A run of the command, whose lines are read as they come, each with its time."""

    def __init__(self, photos: Path, out: Path, *more: str) -> None:
        command = [sys.executable, "-m", "c3drender", "batch", str(photos), "-o", str(out), *OPTIONS, *more]
        self.times: list[float] = []
        self.results: list[dict] = []
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            if line.endswith("\n"):  # a killed driver's last may be cut
                self.times.append(time.monotonic())
                self.results.append(json.loads(line))

    def end(self) -> tuple[int, str]:
        """Status, and what it said to people."""
        said = self.process.stderr.read()
        self._reader.join()
        return self.process.wait(), said.strip()

    def per_photo(self) -> float:
        """Seconds from result to result, once warm."""
        times = self.times[WARM_UP:]
        return (times[-1] - times[0]) / (len(times) - 1)

    def own_seconds(self) -> float:
        """Median of what a photo took in its worker."""
        return statistics.median(result["seconds"] for result in self.results[WARM_UP:])


def throughput(count: int, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photos(folder / "photos", count, damaged=False)
        ratios = []
        for repeat in range(repeats):
            alone = Batch(folder / "photos", folder / f"alone_{repeat}", "--workers", "0", "--cpus", "1")
            assert alone.end()[0] == 0
            both = Batch(folder / "photos", folder / f"both_{repeat}", "--workers", "2")
            assert both.end()[0] == 0
            assert checksums(folder / f"alone_{repeat}") == checksums(folder / f"both_{repeat}")
            ratios.append(alone.per_photo() / both.per_photo())
            beside = 1e3 * (alone.per_photo() - alone.own_seconds())
            beside_ray = 1e3 * (2 * both.per_photo() - both.own_seconds())
            print(
                f"{count} photos of {WIDTH} x {HEIGHT}: alone {1 / alone.per_photo():.2f} a second, two workers "
                f"{1 / both.per_photo():.2f}: {ratios[-1]:.2f} times; beside the rendering {beside:.0f} ms a photo alone, "
                f"{beside_ray:.0f} ms by Ray; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
        print(f"ratio: median {statistics.median(ratios):.2f}, best {max(ratios):.2f}", flush=True)


def checksums(out: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.glob("*.webp"))}


def workers_of(driver: int) -> list[int]:
    """Ray's workers below a process, by /proc."""
    parents, found = {}, []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (path / "stat").read_text(), (path / "cmdline").read_bytes()
        except OSError:
            continue
        parents[int(path.name)] = int(status.rsplit(")", 1)[1].split()[1])
        if command.startswith(b"ray::Renderer"):
            found.append(int(path.name))

    def is_below(pid: int) -> bool:
        while pid > 1 and pid != driver:
            pid = parents.get(pid, 0)
        return pid == driver

    return [pid for pid in found if is_below(pid)]


class Killer(threading.Thread):
    """SIGKILL for a random worker of a driver, every few seconds, while it runs."""

    def __init__(self, driver: subprocess.Popen, every_s: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.killed, self._driver, self._every_s, self._random = 0, driver, every_s, random.Random(seed)

    def run(self) -> None:
        while self._driver.poll() is None:
            time.sleep(self._every_s * self._random.uniform(0.5, 1.5))
            workers = workers_of(self._driver.pid)
            if workers:
                os.kill(self._random.choice(workers), signal.SIGKILL)
                self.killed += 1


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[bool]:
    """A file system of so many bytes at ``folder``; False where nothing may be mounted."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", folder], capture_output=True)
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", folder], check=True)


def disturbed(count: int, kill_every_s: float) -> bool:
    """Everything that can go wrong. True if nothing is lost."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = make_photos(folder / "photos", count, damaged=True)
        calm = Batch(folder / "photos", folder / "calm", "--workers", "2")
        status, said = calm.end()
        print(f"undisturbed: status {status}, {said.splitlines()[-1] if said else ''}", flush=True)
        expected = checksums(folder / "calm")
        taken = sum(path.stat().st_size for path in (folder / "calm").iterdir())
        out = folder / "out"
        with small_disk(out, taken // 3) as is_small:
            if is_small:
                status, said = Batch(folder / "photos", out, "--workers", "2").end()
                print(f"full disk: status {status}, {said.splitlines()[-1]}; {len(checksums(out))} outputs", flush=True)
                subprocess.run(["mount", "-o", f"remount,size={taken * 4}", out], check=True)
            else:
                print("full disk: left out, nothing may be mounted here", flush=True)
            for attempt, share in enumerate((0.5, 0.75, 2.0)):
                run = Batch(folder / "photos", out, "--workers", "2")
                killer = Killer(run.process, kill_every_s, attempt)
                killer.start()
                while run.process.poll() is None:
                    time.sleep(0.2)
                    if len(checksums(out)) >= share * len(expected):
                        run.process.kill()
                status, said = run.end()
                deaths = sum(result["deaths"] for result in run.results)
                print(
                    f"run {attempt + 1}: status {status}, {killer.killed} workers killed, {deaths} photos tried again, "
                    f"{len(checksums(out))} outputs{': ' + said.splitlines()[-1] if said else ''}",
                    flush=True,
                )
            last = Batch(folder / "photos", out, "--workers", "2", "--retry-failed")
            status, said = last.end()
            print(f"last, left alone, --retry-failed: status {status}, {said.splitlines()[-1]}", flush=True)
            return judged(out, good, expected, last.results)


def judged(out: Path, good: dict[str, bool], expected: dict[str, str], results: list[dict]) -> bool:
    """Print what is there against what should be."""
    by_name = {Path(result["photo"]).name: result for result in results}
    got = checksums(out)
    wanted = {Path(name).stem + ".webp" for name, is_good in good.items() if is_good}
    others = [path.name for path in out.iterdir() if re.search(r"\.(part|old)", path.name)]
    bad = [name for name, is_good in good.items() if not is_good]
    checks = {
        f"{len(wanted)} good photos have their output": set(got) == wanted == set(expected),
        "each is what the undisturbed run made": got == expected,
        f"{len(bad)} bad ones have a reason": all(
            by_name[name]["state"] == "failed" and by_name[name]["reason"].startswith("photo: ") for name in bad
        ),
        "each photo has one row": len(by_name) == len(results) == len(good),
        "no part file is left": not others,
    }
    for line, holds in checks.items():
        print(f"{'yes' if holds else 'NO '} {line}", flush=True)
    return all(checks.values())


def two_nodes(count: int) -> bool:
    """A cluster of two nodes of one CPU each. True if both worked and nothing is lost."""
    os.environ.update(ONE_THREAD, RAY_worker_niceness="0")
    from ray.cluster_utils import Cluster

    import c3drender as c3d

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "node_ip_address": "127.0.0.1"})
    with tempfile.TemporaryDirectory() as name:
        try:
            cluster.add_node(num_cpus=1)
            folder = Path(name)
            make_photos(folder / "photos", count, damaged=False)
            nodes = set()
            states = []
            photos = str(folder / "photos")
            for result in c3d.batch.run(photos, folder / "out", suffix="webp", address=cluster.address, frames=FRAMES):
                states.append(result.state)
                pid = int(result.worker.rsplit(":", 1)[1])
                nodes.add(int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]))  # its raylet
            print(f"two nodes: {states.count('done')} of {count} done, by workers of {len(nodes)} nodes", flush=True)
            return states.count("done") == count == len(checksums(folder / "out")) and len(nodes) == 2
        finally:
            cluster.shutdown()


def measure_memory(photo: str, size: int, options: dict) -> None:
    """Peak resident memory of a render in this process, against the estimate."""
    from c3drender.jobs.memory import needed_bytes
    from c3drender.jobs.run import Job, run_job

    out = Path(tempfile.mkdtemp()) / "out.mp4"
    width, height = PIL.Image.open(photo).size
    run_job(Job(photo, str(out), {"size": size, "frames": FRAMES} | options))
    shutil.rmtree(out.parent)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    asked = needed_bytes(height, width, {"size": size} | options) / MIB
    print(f"{size:5d} px {options or ''}: takes {peak:.0f} MiB, asks for {asked:.0f} MiB", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=500, help="how many (default: 500)")
    parser.add_argument("--kill-every", type=float, default=6.0, help="seconds, on average (default: 6)")
    parser.add_argument("--throughput", action="store_true", help="only that, with 60 photos unless told")
    parser.add_argument("--repeats", type=int, default=3, help="of the throughput (default: 3)")
    parser.add_argument("--disturbed", action="store_true", help="only that")
    parser.add_argument("--nodes", action="store_true", help="only the cluster of two")
    parser.add_argument("--memory", metavar="PHOTO", help="only that, of this photo")
    args = parser.parse_args()
    if args.memory:
        for size, options in (
            (640, {}),
            (1280, {}),
            (1920, {}),
            (1280, {"stereo": "sbs"}),
            (1280, {"codec": "av1"}),
            (3840, {}),
        ):
            process = multiprocessing.get_context("spawn").Process(target=measure_memory, args=(args.memory, size, options))
            process.start()
            process.join()
        return 0
    everything = not (args.throughput or args.disturbed or args.nodes)
    held = True
    if everything or args.throughput:
        throughput(60 if args.photos == parser.get_default("photos") else args.photos, args.repeats)
    if everything or args.disturbed:
        held = disturbed(args.photos, args.kill_every) and held
    if everything or args.nodes:
        held = two_nodes(20) and held
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
