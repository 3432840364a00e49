"""The command ``c3drender batch``: a bar, lines for what fails, a report, and what is left when it ends early."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from tqdm.auto import tqdm

from ..console import print_message, visible
from ..jobs.options import BESIDE, is_url, known
from ..progress import bar
from . import manifest, storage
from .here import DiskFull
from .plan import Planned, plan
from .renderer import DONE, FAILED, KEPT, Result, has_ray
from .report import Report, line_of
from .rows import BadRows, Found, find_photos, read_jobs, read_shard, shard
from .run import crew_of, threads_of, work

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
# By this Ray's local cluster listens on the loopback interface alone. It is read once, on import: set for a Python program
# that goes on to another cluster, it would keep it from there.
ON_LOOPBACK = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
GO_ON = "the same command goes on from there"
ALONE = "one photo at a time, in this process; pip install c3drender[batch] takes every core, or a cluster, and --shard a part"


def batch(args: argparse.Namespace) -> int:
    """Run the command; returns its exit status."""
    crew = crew_of(args.workers, args.cpus, args.gpus, args.ray)
    part = None if args.shard is None else read_shard(args.shard)
    try:
        jobs = read_jobs(_found(args), args.out, _options(args), args.format, str(Path.cwd()))
    except BadRows as error:
        for line in str(error).splitlines():
            print_message(f"c3drender: {visible(line)}", file=sys.stderr)
        raise ValueError("nothing was rendered: rows that cannot be are listed above") from None
    if part is not None:
        jobs = shard(jobs, *part)
    planned = list(_shown(args, plan(jobs, args.force, args.retry_failed), "checking", len(jobs)))
    if args.dry_run:
        return _tell_plan(args, planned)
    if crew is None and not has_ray():
        _say(args, ALONE)
    if crew is not None and not (crew.address or os.environ.get("RAY_ADDRESS")):
        os.environ.setdefault(*ON_LOOPBACK)
    threads = threads_of(args.cpus)
    stem = "report" if part is None else f"report-{part[0]}-of-{part[1]}"
    stdout = sys.stdout
    with (
        Report(_report_folder(args), stem) as report,
        _ended_by_ctrl_c() as stop,
        redirect_stdout(sys.stderr),  # Ray prints there, too, of workers that die
        closing(work(planned, crew, args.force, args.retry_failed, stop, threads)) as results,  # workers end, whatever happens
    ):
        return _follow(args, results, report, len(planned), stop, stdout)


def _found(args: argparse.Namespace) -> Iterator[Found]:
    if bool(args.photos) == (args.manifest is not None):
        raise ValueError(f"photos: expected folders or photos, or --manifest, got {'both' if args.photos else 'neither'}")
    if args.manifest is not None:
        for name, value in (("recursive", args.recursive), ("glob", args.glob)):
            if value:
                raise ValueError(f"{name}: expected a folder, got the manifest {args.manifest}")
        yield from manifest.read_manifest(args.manifest)
    for place in args.photos:
        if manifest.is_manifest(place):
            raise ValueError(f"photos: expected photos or folders, got {place}: --manifest {place} reads it")
        yield from find_photos(place, args.recursive, args.glob)


def _options(args: argparse.Namespace) -> dict[str, Any]:
    for name in BESIDE:
        if getattr(args, name) is not None:
            raise ValueError(f"{name}: expected one photo with it; of many each would replace the last")
    return {name: getattr(args, name) for name, action in known().items() if getattr(args, name) != action.default}


def _report_folder(args: argparse.Namespace) -> Path:
    """Where the report goes: told, or the outputs' folder, or the manifest's; never to a URL."""
    if args.report is not None:
        return Path(args.report)
    place = args.out if args.out is not None else storage.absolute(args.manifest or "").rsplit("/", 1)[0]
    place = storage.plain(place)
    return Path() if is_url(place) else Path(place)


def _follow(
    args: argparse.Namespace,
    results: Iterator[Result],
    report: Report,
    total: int,
    stop: threading.Event,
    stdout: TextIO,
) -> int:
    """Tell of each result, and of all at the end."""
    counts: Counter[str] = Counter()
    ended = ""
    with _shown(args, None, "render", total) as shown:
        try:
            for result in results:
                counts[result.state] += 1
                report.add(result)
                _tell(args, result, stdout)
                shown.set_postfix_str(f"{counts[FAILED]} failed", refresh=False)
                shown.update()
        except DiskFull as error:
            ended = f"{error}; "
        except BaseException:
            _tell_left(args, counts, total)
            raise
    report.finish()
    left = total - sum(counts.values())
    told = ", ".join(f"{counts[state]} {state}" for state in (DONE, KEPT, FAILED))
    _say(args, f"{told}; {report.path.with_suffix('.html')}", stdout)
    if ended:
        raise OSError(f"{ended}{left} left, {GO_ON}")
    if stop.is_set() and left:
        _tell_left(args, counts, total)
        return EXIT_INTERRUPTED
    return EXIT_FAILED if counts[FAILED] else 0


def _tell_left(args: argparse.Namespace, counts: Counter[str], total: int) -> None:
    print_message(f"c3drender: ended early: {total - sum(counts.values())} of {total} left, {GO_ON}", file=sys.stderr)


def _tell(args: argparse.Namespace, result: Result, stdout: TextIO) -> None:
    if args.log == "json":
        print_message(line_of(result), file=stdout)
    elif result.state == FAILED:
        tqdm.write(f"c3drender: failed: {visible(f'{result.photo}: {result.reason}')}", file=sys.stderr)


def _tell_plan(args: argparse.Namespace, planned: list[Planned]) -> int:
    """What would be done."""
    counts: Counter[str] = Counter()
    for one in planned:
        state = "to do" if one.record is None else KEPT if one.record.state == DONE else FAILED
        counts[state] += 1
        if args.log == "json":
            need = {"state": state, "photo": one.job.photo, "out": one.job.out, "memory": one.need_bytes}
            print_message(json.dumps(need, ensure_ascii=False))
        elif state == "to do":
            print_message(f"to do: {visible(f'{one.job.photo} -> {one.job.out}')}, {one.need_bytes / 2**30:.1f} GiB")
        elif state == FAILED and one.record is not None:
            print_message(f"failed before: {visible(f'{one.job.photo}: {one.record.reason}')}")
    _say(args, ", ".join(f"{counts[state]} {state}" for state in ("to do", KEPT, FAILED)))
    return 0


def _shown(args: argparse.Namespace, items: Any, stage: str, total: int) -> Any:
    return bar(
        items, shown=not args.quiet and args.log != "json", total=total, desc=stage, unit="photo", leave=stage == "render"
    )


def _say(args: argparse.Namespace, line: str, stdout: TextIO | None = None) -> None:
    """A line for people: beside the JSON lines it goes to standard error."""
    if not args.quiet:
        print_message(line, file=sys.stderr if args.log == "json" else stdout)


@contextmanager
def _ended_by_ctrl_c() -> Iterator[threading.Event]:
    """The first Ctrl+C lets the photos that are being rendered end well, the second does not."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print_message("c3drender: finishing what is being rendered; Ctrl+C again abandons it", file=sys.stderr)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
