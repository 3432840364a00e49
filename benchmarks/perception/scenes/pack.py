"""Packs a folder of scenes into shards: ``python pack.py SCENES OUT --limit-mb 40``.

Families take turns, low seeds first, until the limit is reached; held-out families go into shards of their own. Shard, family,
seed and generator version of every scene stand in ``manifest.csv``: with them ``make.py`` renders it again.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import sys
import zipfile
from pathlib import Path

from c3drender.perception.training.packed import example_names

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from scenes.registry import FAMILIES, HELD_OUT  # noqa: E402

SHARD_MB = 5.0
HELD_OUT_SCENES = 40


def main() -> None:
    parser = argparse.ArgumentParser(description="Packs rendered scenes into shards with a manifest.")
    parser.add_argument("scenes", type=Path, help="folder of scene files, as make.py writes it")
    parser.add_argument("out", type=Path, help="folder for shards and manifest")
    parser.add_argument("--limit-mb", type=float, default=40.0, help="of all shards together")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for old in options.out.glob("*.zip"):
        old.unlink()
    held_out = _in_turns(options.scenes, list(HELD_OUT))[:HELD_OUT_SCENES]
    room = options.limit_mb * 1e6 - sum(path.stat().st_size for path in held_out)
    train = _in_turns(options.scenes, list(FAMILIES))
    sizes = itertools.accumulate(path.stat().st_size for path in train)
    train = [path for path, size in zip(train, sizes, strict=True) if size <= room]
    rows = [*_write(options.out, "train", train), *_write(options.out, "held_out", held_out)]
    with (options.out / "manifest.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("shard", "family", "seed", "version"), *rows])
    total = sum(path.stat().st_size for path in options.out.glob("*.zip"))
    print(f"{len(train)} scenes to train on, {len(held_out)} held out, {total / 1e6:.1f} MB")


def _in_turns(folder: Path, families: list[str]) -> list[Path]:
    """Scene files of the families, one of each in turn; those of older generators are left out."""
    queues = []
    for family in families:
        version = {**FAMILIES, **HELD_OUT}[family]
        queues.append([path for path in sorted(folder.glob(f"{family}_[0-9]*.zip")) if _meta(path)["version"] == version])
    return [path for turn in itertools.zip_longest(*queues) for path in turn if path]


def _meta(path: Path) -> dict:
    with zipfile.ZipFile(path) as file:
        return json.loads(file.read(f"{example_names(path)[0]}/meta.json"))


def _write(out: Path, stem: str, paths: list[Path]) -> list[tuple[str, str, int, int]]:
    """Fills shards ``stem_00.zip``...; returns the manifest's rows."""
    rows, shard, filled = [], -1, float("inf")
    target = None
    for path in paths:
        if filled > SHARD_MB * 1e6:
            if target:
                target.close()
            shard, filled = shard + 1, 0
            target = zipfile.ZipFile(out / f"{stem}_{shard:02d}.zip", "w", zipfile.ZIP_STORED)
        with zipfile.ZipFile(path) as file:
            for name in file.namelist():
                # A fixed date: packing the same scenes again gives the same bytes.
                target.writestr(zipfile.ZipInfo(name), file.read(name))
        filled += path.stat().st_size
        meta = _meta(path)
        rows.append((f"{stem}_{shard:02d}.zip", meta["family"], meta["seed"], meta["version"]))
    if target:
        target.close()
    return rows


if __name__ == "__main__":
    main()
