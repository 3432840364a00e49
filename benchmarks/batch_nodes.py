"""A Ray cluster of two machines: network namespaces with a cable between them, each with a name, an address and a ``/tmp/ray``
of its own. They share the disk, as machines do by NFS. One goes down in the middle of a batch. Needs root's rights."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from batch_cases import ONE_THREAD, Batch, checksums, make_photos

MACHINES = {"c3d-one": "10.213.7.1", "c3d-two": "10.213.7.2"}
PORT = 6379
PHOTOS = 30
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}  # all that belong to the cluster know it
ENV = ONE_THREAD | TOKEN | {"RAY_worker_niceness": "0"}


def within(name: str, folder: Path) -> tuple[str, ...]:
    """The command that runs another one on a machine, whose own files are in ``folder``."""
    own = folder / name
    own.mkdir(exist_ok=True)
    become = 'mkdir -p /tmp/ray && mount --bind "$1" /tmp/ray && hostname "$0" && shift && exec "$@"'
    return ("ip", "netns", "exec", name, "unshare", "--uts", "sh", "-c", become, name, str(own))


@contextmanager
def machines() -> Iterator[None]:
    one, two = MACHINES
    try:
        for name in MACHINES:
            ip("netns", "add", name)
        ip("-n", one, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", two)
        for name, address in MACHINES.items():
            ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            for device in ("lo", "cable"):
                ip("-n", name, "link", "set", device, "up")
        yield
    finally:
        for name in MACHINES:
            down(name)
            subprocess.run(["ip", "netns", "delete", name], check=False)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def down(name: str) -> None:
    """SIGKILL for everything that runs on a machine."""
    while pids := subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split():
        for pid in pids:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:  # it has just ended
                continue
        time.sleep(0.1)


def start_ray(name: str, folder: Path, *arguments: str) -> None:
    """A node of one CPU, as on any machine; tried again until the first machine is there to be joined."""
    address = MACHINES[name]
    options = ["--block", "--num-cpus", "1", "--node-ip-address", address, "--object-store-memory", str(80 * 2**20)]
    until = ("sh", "-c", 'until "$@"; do sleep 1; done', "sh")
    subprocess.Popen(
        [*within(name, folder), *until, sys.executable, "-m", "ray.scripts.scripts", "start", *options, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | ENV,
    )


def two_nodes() -> dict[str, Any]:
    """A batch whose second machine goes down when a third is done, and both have taken part."""
    one, two = MACHINES
    with tempfile.TemporaryDirectory() as place, machines():
        folder = Path(place)
        make_photos(folder / "photos", PHOTOS, damaged=False)
        assert Batch(folder / "photos", folder / "alone", "--workers", "0").end()[0] == 0
        head = f"{MACHINES[one]}:{PORT}"
        start_ray(one, folder, "--head", "--port", str(PORT), "--include-dashboard", "false")
        start_ray(two, folder, "--address", head)
        run = Batch(folder / "photos", folder / "out", "--ray", head, within=within(one, folder), env=ENV)
        by_host: Counter[str] = Counter()
        while run.process.poll() is None and (by_host.total() < PHOTOS // 3 or len(by_host) < len(MACHINES)):
            time.sleep(0.1)
            by_host = Counter(result["worker"].rsplit(":", 1)[0] for result in run.results)
        down(two)
        status, said = run.end()
        retried = sum(result["deaths"] for result in run.results)
        print(f"{by_host} when {two} went down; then {retried} tried again; status {status}, {said}", flush=True)
        checks = {
            "both machines took part": set(by_host) == set(MACHINES),
            "every photo is done": status == 0 and [result["state"] for result in run.results] == ["done"] * PHOTOS,
            "each is what one process makes": checksums(folder / "out") == checksums(folder / "alone"),
        }
    for line, holds in checks.items():
        print(f"{'yes' if holds else 'NO '} {line}", flush=True)
    return {"holds": all(checks.values()), "photos": PHOTOS, "before": dict(by_host), "retried": retried, "checks": checks}
