"""Packs the labelled photos of a split for training: ``python benchmarks/perception/pack_photos.py OUT.zip [--split train]``.

The photos must be there (``photos.py fetch``); the shard is a cache like them, and stays out of the repository.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import labels
import numpy as np
from photos import read_rgb
from tqdm import tqdm

from c3drender.perception.training.packed import UNKNOWN, Example, write_examples

FREE = {"must": 1, "may": 1, "stay": 0}


def example(labelled: labels.Labelled) -> Example:
    """The photo at its region map's size with all that its labels say."""

    def painted(value, ignored: int = UNKNOWN) -> np.ndarray:
        table = np.full(256, ignored, np.uint8)
        for number, region in labelled.regions.items():
            if region:
                table[number] = value(region)
        return table[labelled.region_map]

    speed = painted(lambda r: labels.SPEEDS.index(r.speed or "m") + 1 if r.direction else 0, 0)
    return Example(
        name=f"photo/{labelled.photo.id}",
        rgb=read_rgb(labelled.photo),
        surface=labelled.class_map,
        layout=labelled.layout_map,
        flow=labelled.direction_map,
        speed=speed,
        meta={"kind": labelled.photo.kind},
        rank=labelled.rank_map,
        free=painted(lambda r: FREE[r.motion]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", choices=["heldout", "fluids", "train"], default="train")
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    labelled = labels.read(args.split)
    write_examples(args.out, (example(one) for one in tqdm(labelled, unit="photo", leave=False)))
    print(f"{len(labelled)} photos, {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
