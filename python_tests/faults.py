"""What can go wrong around a run, on purpose: ``python python_tests/faults.py --seconds 60``.

For that long, runs of every kind of output are killed at random moments (SIGKILL, SIGTERM, SIGINT): under the output's name
stands the old one or the whole new one, and after the next run nothing beside it. Then, once each: a full disk and a
read-only one (where this user may mount), a folder that is missing, two writers, too little memory, closed streams, hostile
names, a link as output, no HOME, a locale without UTF-8. Each ends well, or with status 2 and one line. The exit status is 1
where anything was found.

Runs are forks of this process, which has imported everything, on one thread: a second each instead of ten.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import PIL.Image
import torch

from c3drender import cli, pipeline, web  # noqa: F401  (so that forks need not)
from c3drender.files import export, video  # noqa: F401

LIMIT_S = 300
COMMON = [
    "--depth",
    "depth.npy",
    "--depth-kind",
    "metric",
    "--mask",
    "mask.png",
    "--hints",
    "hints.json",
    "--size",
    "64",
    "--device",
    "cpu",
    "--quiet",
]
KINDS = {
    name: ["render", "photo.png", "-o", name, "--frames", "4", *COMMON] for name in ("o.mp4", "o.gif", "o.webp", "o.apng", "o")
}
KINDS["o.png"] = ["inspect", "photo.png", "-o", "o.png", "--frames", "5", *COMMON]
KINDS |= {name: ["export", "photo.png", "-o", name, *COMMON] for name in ("o.html", "o.glb", "o.ply", "o.npz")}
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def inputs(folder: Path) -> None:
    y, x = np.mgrid[:48, :64]
    PIL.Image.fromarray(np.stack([4 * x, 5 * y, (x * y) % 256], -1).astype(np.uint8)).save(folder / "photo.png")
    PIL.Image.fromarray((255 * (np.hypot(x - 32, y - 30) < 14)).astype(np.uint8)).save(folder / "mask.png")
    np.save(folder / "depth.npy", (2 + y / 20 + (x > 40)).astype(np.float32))
    (folder / "hints.json").write_text("[[[32, 20], [32, 40]]]")


def start(arguments: list[str], folder: Path, prepare: Callable[[], None] = lambda: None) -> int:
    """A run in a fork, whose standard error goes to ``stderr`` in the folder."""
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        os.chdir(folder)
        errors = os.open("stderr", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o666)
        os.dup2(errors, 2)
        prepare()
        status = cli.main(arguments)
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    finally:
        os._exit(status)


def end(child: int) -> int:
    """Its exit status, negative for a signal; -99 where it had to be stopped."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -99


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def fill(path: Path) -> None:
    """Until its disk is full."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


def content(path: Path) -> dict[str, bytes] | bytes | None:
    if path.is_dir():
        return {entry.name: entry.read_bytes() for entry in path.iterdir()}
    return path.read_bytes() if path.exists() else None


class Faults:
    def __init__(self) -> None:
        self.found: list[str] = []
        self.tried = 0
        self.took = dict.fromkeys(KINDS, 1.0)

    def check(self, holds: bool, line: str) -> None:
        if not holds:
            self.found.append(line)
            print(line, flush=True)

    def run(
        self,
        case: str,
        arguments: list[str],
        folder: Path,
        *,
        may: tuple[int, ...],
        prepare: Callable[[], None] = lambda: None,
    ) -> int:
        """Runs and checks the status and that at most one line is said."""
        self.tried += 1
        status = end(start(arguments, folder, prepare))
        errors = folder / "stderr"
        said = errors.read_text(errors="replace").splitlines() if errors.exists() else []
        self.check(status in may, f"{case}: status {status}, expected {may}: {said[-1:]}")
        self.check(len(said) == (status != 0) or status == 0, f"{case}: says {len(said)} lines: {said[:3]}")
        return status

    def kill(self, kind: str, how: signal.Signals, dice: random.Random) -> None:
        """Of an output that is there before: it stays, or the new one is there whole."""
        self.tried += 1
        with TemporaryDirectory(prefix="faults_") as name:
            folder = Path(name)
            inputs(folder)
            before = names(folder) | {"stderr"}
            if dice.random() < 0.7:
                self.run(f"{kind} before", KINDS[kind], folder, may=(0,))
            old = content(folder / kind)
            child = start(KINDS[kind], folder)
            time.sleep(dice.random() * 1.1 * self.took[kind])
            os.kill(child, how)
            status = end(child)
            self.check(status != -99, f"{kind}: {how.name} does not end it")
            now = content(folder / kind)
            started = time.monotonic()
            self.run(f"{kind} after {how.name}", KINDS[kind], folder, may=(0,))
            self.took[kind] = time.monotonic() - started
            whole = content(folder / kind)
            self.check(now in (old, whole), f"{kind}: after {how.name} neither the old nor a whole new one")
            left = names(folder) - before - {kind}
            self.check(not left, f"{kind}: after {how.name} and another run {left} are left")

    def once(self) -> None:
        with TemporaryDirectory(prefix="faults_") as name:
            folder = Path(name)
            inputs(folder)
            base = KINDS["o.gif"]

            def to(out: str) -> list[str]:
                return ["render", "photo.png", "-o", out, "--frames", "4", *COMMON]

            self.run("a folder that is missing", to("none/o.gif"), folder, may=(2,))
            for out in (
                "name\nof two lines.gif",
                "  .gif",
                "\udcff.gif",
                "a" * 240 + ".gif",
                "./-o.gif",
                "é中🎈.gif",
                "%s{}$(x).gif",
            ):
                self.run(f"out {out!r:.30}", to(out), folder, may=(0,))
                self.check((folder / out).is_file(), f"out {out!r:.30}: is not there")
            (folder / "real.gif").write_bytes(b"old")
            (folder / "link.gif").symlink_to("real.gif")
            self.run("a link as output", to("link.gif"), folder, may=(0,))
            self.check(
                (folder / "link.gif").is_symlink() and (folder / "real.gif").stat().st_size > 3, "a link as output: replaced"
            )
            (folder / "round.gif").symlink_to("round.gif")
            self.run("a link to itself", to("round.gif"), folder, may=(0, 2))
            children = [start(base, folder) for _ in range(2)]
            statuses = [end(child) for child in children]
            self.check(statuses == [0, 0], f"two writers: status {statuses}")

            def poor() -> None:
                used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
                resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 20), used + (8 << 20)))

            self.run(
                "too little memory",
                ["render", "photo.png", "-o", "big.gif", "--size", "2048", *COMMON[:-5], "--device", "cpu", "--quiet"],
                folder,
                may=(0, 2),
                prepare=poor,
            )
            for streams in ((0,), (1,), (0, 1, 2)):
                self.run(
                    f"closed {streams}",
                    base,
                    folder,
                    may=(0,),
                    prepare=lambda streams=streams: [os.close(number) for number in streams] and None,
                )
            self.run("no HOME", base, folder, may=(0,), prepare=lambda: os.environ.pop("HOME", None) and None)
            plain = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
            done = subprocess.run(
                [sys.executable, "-m", "c3drender", *to("ü.gif")], cwd=folder, env=plain, capture_output=True
            )
            self.check(done.returncode == 0, f"a locale without UTF-8: status {done.returncode}: {done.stderr[-200:]!r}")
            self.mounted("a full disk", "size=300k", folder)
            self.mounted("a read-only disk", "ro", folder)

    def mounted(self, case: str, options: str, folder: Path) -> None:
        place = folder / "mounted"
        place.mkdir(exist_ok=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True).returncode:
            print(f"{case}: left out, this user may not mount")
            return
        try:
            if options != "ro":
                fill(place / "filler")
            for kind in KINDS:
                arguments = [f"mounted/{kind}" if part == kind else part for part in KINDS[kind]]
                self.run(f"{case}, {kind}", arguments, folder, may=(2,))
            left = names(place) - {"filler"}
            self.check(not left, f"{case}: {left} are left")
        finally:
            subprocess.run(["umount", place], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of killing")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    dice, faults, until = random.Random(args.seed), Faults(), time.monotonic() + args.seconds
    kills = 0
    while time.monotonic() < until:
        faults.kill(dice.choice(list(KINDS)), dice.choice(SIGNALS), dice)
        kills += 1
    faults.once()
    print(f"{kills} kills, {faults.tried} runs, {len(faults.found)} found")
    return bool(faults.found)


if __name__ == "__main__":
    sys.exit(main())
