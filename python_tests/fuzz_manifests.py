"""Gives `c3drender batch` damaged manifests, for a given time: ``python python_tests/fuzz_manifests.py --seconds 60``.

A manifest of one of its kinds is damaged as `fuzz_files.py` damages files, or has cells replaced by odd ones. It must

- be refused in lines that each name their argument, as ValueError or OSError, or
- become jobs: paths from the root or URLs, each output once, options that JSON holds.

What breaks the rules is printed with its seed and counted; ``--call SEED`` does that again and leaves the file in
``build/damaged``. The exit status is 1 where anything was found.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fuzz_files
from fuzzing import ROOT, Dice, Found, run

from c3drender.batch.manifest import read_manifest
from c3drender.batch.rows import read_jobs
from c3drender.jobs.options import is_url, known

try:
    from pyarrow import ArrowException, BufferOutputStream, Table, parquet
except ModuleNotFoundError:
    parquet = None

PHOTOS = ("a.png", "b.png", "deep/c.png", "mask.png")
ROWS: list[dict[str, Any]] = [
    {"photo": "a.png", "out": "a.mp4", "frames": 4, "camera": "swing", "size": 64, "mask": "mask.png"},
    {"photo": "b.png", "out": "", "frames": 60, "camera": "circle", "size": None, "mask": None},
    {"photo": "deep/c.png", "out": "own/c.gif", "frames": None, "camera": "", "size": 128, "mask": "mask.png"},
]
ARROWS = [[[1, 2], [3, 4]]]
ODD_CELLS: list[Any] = [
    *fuzz_files.ODD_JSON,
    float("nan"),
    float("inf"),
    "1e400",
    "../../x",
    "/",
    ".",
    "~",
    "~nobody/x",
    "a\nb",
]
ODD_CELLS += [
    "s3://",
    "://",
    "memory://",
    "file://",
    "file:///a.mp4",
    "nothing://x",
    "http://[",
    "\0",
    "\ud800",
    "=1+1",
    "\ufeff",
]
ODD_CELLS += ["x" * 5000, "1,2,3", "64x", "x64", "-1", "0x10", "١٢", "nan", "true", ",", '"', "a.mp4", "A.MP4", "out/../a.mp4"]
KINDS = ["csv", "tsv", "jsonl"] + ([] if parquet is None else ["parquet"])


def changed(dice: Dice) -> list[dict[str, Any]]:
    """The rows with some cells, names or rows of others."""
    rows = [dict(row) for row in ROWS]
    for _ in range(dice.below(4)):
        row = dice.one_of(rows)
        how = dice.below(6)
        name = dice.one_of(list(row) if dice.hits(0.6) and row else list(known()))
        if how == 0:
            row.pop(name, None)
        elif how == 1:
            row[dice.one_of(("", "Photo", " photo", "out ", "sise", "a\nb", "poster", "help"))] = dice.one_of(ODD_CELLS)
        elif how == 2:
            rows.append(dict(dice.one_of(rows)))
        elif how == 3 and len(rows) > 1:
            rows.remove(row)
        else:
            row[name] = dice.one_of(ODD_CELLS)
    return rows


def written(dice: Dice, kind: str, rows: list[dict[str, Any]]) -> bytes:
    if kind == "jsonl":
        rows[0].setdefault("hints", ARROWS)
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    names = list(dict.fromkeys(name for row in rows for name in row))
    if kind == "parquet":
        sink = BufferOutputStream()
        try:
            parquet.write_table(Table.from_pylist(rows, None), sink)
        except (ArrowException, ValueError, TypeError, OverflowError):  # cells of kinds that no column holds
            parquet.write_table(Table.from_pylist([{n: _word(row.get(n)) for n in names} for row in rows]), sink)
        return sink.getvalue().to_pybytes()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, delimiter="\t" if kind == "tsv" else ",")
    writer.writeheader()
    writer.writerows({name: _word(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode(dice.one_of(("utf-8", "utf-8", "utf-8-sig", "utf-16")), "replace")


def _word(value: Any) -> str | None:
    return None if value is None else str(value).encode(errors="replace").decode()


def attempt(seed: int) -> str:
    dice = Dice(seed)
    kind = dice.one_of(KINDS)
    data = written(dice, kind, changed(dice))
    if dice.hits(0.6):
        for _ in range(dice.one_of((1, 1, 3))):
            data = dice.one_of((fuzz_files.flip, fuzz_files.cut, fuzz_files.repeat, fuzz_files.remove))(dice, data)
    with TemporaryDirectory(prefix="fuzz_manifests_") as folder:
        for name in PHOTOS:
            (Path(folder) / name).parent.mkdir(exist_ok=True)
            (Path(folder) / name).touch()
        path = Path(folder) / f"jobs.{kind}"
        path.write_bytes(data)
        try:
            return read(path)
        except Found:
            kept = ROOT / "build" / "damaged" / f"{seed}.{path.name}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(data)
            raise


def read(path: Path) -> str:
    """What becomes of one manifest; raises Found where a rule is broken."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            jobs = read_jobs(read_manifest(str(path)), str(path.parent / "out"), {"fps": 12})
    except (ValueError, OSError) as error:
        for line in str(error).split("\n"):
            if not line.startswith(("manifest: ", f"{path.name} row ", "... and ")):
                raise Found(f"{path.name}: says {type(error).__name__}: {line!r:.300}") from error
        return "refused"
    except Exception as error:
        raise Found(f"{path.name}: ends in {type(error).__name__}: {error!s:.300}") from error
    for job in jobs:
        for place in (job.photo, job.out):
            if not (is_url(place) or os.path.isabs(place)):  # noqa: PTH117
                raise Found(f"{path.name}: a path that starts nowhere: {place!r:.300}")
        try:
            json.dumps(job.options, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise Found(f"{path.name}: options that JSON does not hold: {job.options}") from error
    if len({job.out for job in jobs}) < len(jobs):
        raise Found(f"{path.name}: two outputs of one name")
    return "read"


if __name__ == "__main__":
    sys.exit(run(attempt, __file__, __doc__.splitlines()[0], "manifests"))
