"""Packs photos and their labels for training: ``python benchmarks/perception/pack_photos.py OUT.zip [--split NAME ...]``.

The photos must be there (``photos.py fetch``); the shard is a cache like them, and stays out of the repository.

Of those of ``dry`` nobody labelled more than that nothing in them flows: no water, no smoke, no fire. Their classes are what
the package's network takes each place for once those are ruled out, so that all they teach is what is none of them.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import cv2
import labels
import numpy as np
import torch
from photos import Photo, listed, read_rgb
from tqdm import tqdm

from c3drender.data import Image as ImageData
from c3drender.perception import perceive
from c3drender.perception.network import LAYOUTS
from c3drender.perception.training.packed import UNKNOWN, Example, write_examples
from c3drender.pixels.segments import SEGMENT_CLASSES

FREE = {"must": 1, "may": 1, "stay": 0}
FLOWING = ("still_water", "moving_water", "white_water", "smoke", "fire")
PLANE, UPRIGHT, FAR = (LAYOUTS.index(name) for name in ("plane", "upright", "far"))


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


def dry_example(photo: Photo) -> Example:
    """A photo without fluids, its classes by the network of the package."""
    rgb = read_rgb(photo)
    seen = perceive(ImageData(torch.from_numpy(rgb.astype(np.float32) / 255)))
    shares = np.stack([seen.segments.of(name).numpy() * (name not in FLOWING) for name in SEGMENT_CLASSES])
    size = rgb.shape[1::-1]
    surface = cv2.resize(shares.argmax(0).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    plane = cv2.resize(seen.nearness.plane.numpy(), size, interpolation=cv2.INTER_LINEAR) > 0.5
    stays = np.isin(surface, [SEGMENT_CLASSES.index(name) for name in ("person", "animal", "ground", "object")])
    return Example(
        name=f"photo/{photo.id}",
        rgb=rgb,
        surface=surface,
        layout=np.where(plane, PLANE, np.where(surface == SEGMENT_CLASSES.index("sky"), FAR, UPRIGHT)).astype(np.uint8),
        flow=np.zeros((*surface.shape, 2), np.float32),
        speed=np.zeros_like(surface),
        meta={"kind": photo.kind},
        free=(~stays).astype(np.uint8),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--split", choices=["heldout", "fluids", "train", "dry"], action="append", help="default: train and dry"
    )
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    makers = [
        partial(dry_example, photo) if split == "dry" else partial(example, photo)
        for split in args.split or ["train", "dry"]
        for photo in (listed("dry") if split == "dry" else labels.read(split))
    ]
    write_examples(args.out, (make() for make in tqdm(makers, unit="photo", leave=False)))
    print(f"{len(makers)} photos, {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
