"""Trains the perceptrons that tell which borders between segments part two surfaces (`c3drender.depth.parting`).

    python benchmarks/perception/photos.py fetch
    python benchmarks/perception/parting.py [-o c3drender/depth/parting.npz] [--jobs 2] [--steps 5000]

They see what the package's own network says of the rendered scenes of `scenes/data` and of the labelled photos. In a scene a
border parts where the true disparity steps across it by more than both sides slope beside it. In a photo it does where two
regions meet whose ranks differ by two or more, unless both recede or one stands on the other; within a region, and between
regions of a kind and about a rank, it does not; of others nothing is known. How large a step is, scenes alone tell.

Prints, per kind of picture, for those left out of training (every eighth) and for the scenes of held-out families: average
precision of the chance, and beside it that of the step of nearness alone; precision and recall at a chance of one half; the
mean error of the step.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import labels
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from c3drender.data import Image
from c3drender.depth import parting, surfaces
from c3drender.depth.segments import Borders, Segments
from c3drender.files import read_photo
from c3drender.perception.training.packed import read_examples
from c3drender.pipeline.see import look

HERE = Path(__file__).resolve().parent
SIZE_PX = 640  # the longer side of a photo
LEFT_OUT = 8  # every eighth picture, as in train.json
BESIDE_PX, FAR_BESIDE_PX = 2.5, 6.0  # where a scene's disparity is read off
LEAST_STEP, SLOPED = 0.04, 1.4  # of the range of disparities; times the slope of the steeper side
REGION_PX = 4.0  # a photo's regions are read off so far from a border
PARTS, JOINS = 0.6, 0.8  # the share of a border's pixels that say so
WIDTHS = (160, 64)
STEP_WEIGHT, PHOTO_WEIGHT = 3.0, 0.5
BATCH = 1024

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Told:
    """Of borders ``[B]``: ``features`` ``[B, F]``, whether they part (-1: nobody knows), by how much the side that seems
    nearer is nearer (0 in photos), how long they are (px), and the place of their picture."""

    features: Array
    parts: Array
    step: Array
    length: Array
    picture: Array

    def where(self, chosen: Array) -> Told:
        return Told(**{part.name: getattr(self, part.name)[chosen] for part in fields(Told)})


def pictures(kind: str) -> list[Any]:
    """What there is of ``"scenes"``, ``"held_out"`` scenes and ``"photos"``."""
    if kind == "photos":
        return labels.read("train")
    shards = sorted((HERE / "scenes" / "data").glob("train_*.zip" if kind == "scenes" else "held_out_*.zip"))
    return [scene for shard in shards for scene in read_examples(shard)]


def read(job: tuple[int, Any]) -> tuple[Told, parting.Surroundings]:
    """The borders of one picture, as the first perceptron sees them, and what the second one needs besides."""
    torch.set_num_threads(1)
    place, picture = job
    is_photo = isinstance(picture, labels.Labelled)
    image = read_photo(picture.rgb_path, SIZE_PX) if is_photo else read_photo(picture.rgb)
    around = _surroundings(image)
    told = around.features()
    size = around.segments.labels.shape[::-1]
    if is_photo:
        parts, step = _parts_of_photo(picture, around, size), np.zeros(len(told))
    else:
        parts, step = _parts_of_scene(picture.disparity, around, size)
    del around.near, around.plane, around.kinds  # two thousand pictures' are more than the memory holds
    return Told(told, parts, step, around.borders.length, np.full(len(told), place)), around


def _surroundings(image: Image) -> parting.Surroundings:
    shown = look(image)
    return surfaces.cut(image.rgb.numpy(), shown.scenery, shown.nearness)


def _border_pixels(segments: Segments, borders: Borders) -> tuple[Array, Array]:
    """Every pixel of every border: the border's number, and its place ``[P, 2]`` (x, y)."""
    low, high = segments.labels, len(segments)
    pair = np.minimum(borders.a, borders.b).astype(np.int64) * high + np.maximum(borders.a, borders.b)
    order = np.argsort(pair)
    numbers, places = [], []
    for first, second, dx, dy in ((low[:-1], low[1:], 0.5, 1.0), (low[:, :-1], low[:, 1:], 1.0, 0.5)):
        y, x = np.nonzero(first != second)
        i, j = first[y, x].astype(np.int64), second[y, x].astype(np.int64)
        numbers.append(order[np.searchsorted(pair[order], np.minimum(i, j) * high + np.maximum(i, j))])
        places.append(np.stack([x + dx, y + dy], axis=1))
    return np.concatenate(numbers), np.concatenate(places)


def _parts_of_scene(disparity: Array, around: parting.Surroundings, size: tuple[int, int]) -> tuple[Array, Array]:
    disp = cv2.resize(disparity.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
    low, high = np.percentile(disp, (1, 99))
    disp = np.clip((disp - low) / max(high - low, 1e-9), 0, 1)
    number, place = _border_pixels(around.segments, around.borders)
    across, count = around.borders.across[number], len(around.borders.a)

    def at(reach_px: float) -> Array:
        return parting.sample(disp, place + reach_px * across)

    a, b = at(-BESIDE_PX), at(BESIDE_PX)
    slope = np.maximum(np.abs(a - at(-FAR_BESIDE_PX)), np.abs(b - at(FAR_BESIDE_PX)))
    own = np.maximum(np.abs(a - b) - SLOPED * slope, 0)
    steps = own > LEAST_STEP
    share = np.bincount(number, steps, count) / np.bincount(number, minlength=count)
    mean = np.bincount(number, own * steps, count) / np.maximum(np.bincount(number, steps, count), 1)
    nearer = np.sign(np.bincount(number, a - b, count)) * np.where(around.swapped, -1, 1)
    return np.where(share > PARTS, 1, np.where(share < 1 - JOINS, 0, -1)), mean * nearer


def _parts_of_photo(labelled: labels.Labelled, around: parting.Surroundings, size: tuple[int, int]) -> Array:
    regions = cv2.resize(labelled.region_map, size, interpolation=cv2.INTER_NEAREST)
    number, place = _border_pixels(around.segments, around.borders)
    across, count = around.borders.across[number], len(around.borders.a)

    def at(reach_px: float) -> Array:
        x, y = np.floor(place + reach_px * across).astype(int).T
        return regions[np.clip(y, 0, size[1] - 1), np.clip(x, 0, size[0] - 1)]

    table = np.full((int(regions.max()) + 1,) * 2, -1)
    for i, one in labelled.regions.items():
        for j, other in labelled.regions.items():
            if one is not None and other is not None:
                table[i, j] = _parts(one, other, i == j, one.stands_on == j or other.stands_on == i)
    said = table[at(-REGION_PX), at(REGION_PX)]
    shares = [np.bincount(number, said == answer, count) / np.bincount(number, minlength=count) for answer in (0, 1)]
    return np.where(shares[1] > PARTS, 1, np.where(shares[0] > JOINS, 0, -1))


def _parts(one: labels.Region, other: labels.Region, same: bool, stands: bool) -> int:
    """Whether the border of two regions parts surfaces: 1, 0, or -1 where nobody knows."""
    recede, step = one.layout == other.layout == "p", abs(one.rank - other.rank)
    if same or recede or (step <= 1 and one.kind == other.kind):
        return 0
    return 1 if step >= 2 and not stands else -1


def gather(kind: str, jobs: int) -> tuple[Told, list[parting.Surroundings]]:
    found = pictures(kind)
    with ProcessPoolExecutor(jobs) as pool:
        pairs = list(tqdm(pool.map(read, enumerate(found)), kind, total=len(found), unit="picture"))
    told = Told(**{part.name: np.concatenate([getattr(one, part.name) for one, _ in pairs]) for part in fields(Told)})
    return told, [around for _, around in pairs]


def with_context(told: Told, surroundings: list[parting.Surroundings], first: dict[str, Array]) -> Told:
    """Beside what each border shows what the ``first`` perceptron says of those around it."""
    chances = np.split(parting.say(first, told.features)[0], np.cumsum([len(one.swapped) for one in surroundings])[:-1])
    context = np.concatenate([one.context(chance) for one, chance in zip(surroundings, chances, strict=True)])
    return replace(told, features=np.concatenate([told.features, context], axis=1))


def train(told: dict[str, Told], steps: int) -> dict[str, Array]:
    """A perceptron for ``told``, by kind of picture, without those left out."""
    torch.manual_seed(0)
    known = {kind: one.where((one.parts >= 0) & (one.picture % LEFT_OUT != LEFT_OUT - 1)) for kind, one in told.items()}
    every = np.concatenate([one.features for one in known.values()])
    mean, spread = every.mean(0), every.std(0) + 1e-3
    layers = [nn.Linear(wide, narrow) for wide, narrow in pairwise((every.shape[1], *WIDTHS, 2))]
    net = nn.Sequential(layers[0], nn.ReLU(), nn.Dropout(0.1), layers[1], nn.ReLU(), layers[2])
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    tensors = {
        kind: [
            torch.from_numpy(v.astype(np.float32)) for v in ((one.features - mean) / spread, one.parts, one.step, one.length)
        ]
        for kind, one in known.items()
    }
    for _ in tqdm(range(steps), "train", unit="step"):
        loss = torch.zeros(())
        for kind, (x, parts, step, length) in tensors.items():
            chosen = torch.randint(len(x), (BATCH,))
            weight = length[chosen].clamp(max=20) / 10
            logit, told_step = net(x[chosen]).unbind(1)
            chance = (functional.binary_cross_entropy_with_logits(logit, parts[chosen], reduction="none") * weight).mean()
            if kind == "photos":
                loss = loss + PHOTO_WEIGHT * chance
            else:
                loss = loss + chance + STEP_WEIGHT * ((told_step - step[chosen]).abs() * weight * parts[chosen]).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    weights = {f"{name}{k}": value for k, layer in enumerate(layers) for name, value in _numbers(layer)}
    return {"mean": mean.astype(np.float32), "spread": spread.astype(np.float32), **weights}


def _numbers(layer: nn.Linear) -> Iterator[tuple[str, Array]]:
    yield "weight", layer.weight.detach().numpy().T.copy()
    yield "bias", layer.bias.detach().numpy().copy()


def report(name: str, told: Told, perceptron: dict[str, Array]) -> None:
    known = told.where(told.parts >= 0)
    chance, step = parting.say(perceptron, known.features)
    true, weight = known.parts == 1, known.length
    sure = chance > 0.5
    right = (weight * (true & sure)).sum()
    line = f"precision {right / weight[sure].sum():.2f} recall {right / weight[true].sum():.2f} at one half"
    if known.step.any():
        line += f"; step off by {np.abs(step - known.step)[true].mean():.3f} of {np.abs(known.step)[true].mean():.3f}"
    alone = known.features[:, parting.ORDER_BY]
    ours, theirs = (average_precision(score, true, weight) for score in (chance, alone))
    print(f"{name:20} average precision {ours:.3f} (the step of nearness alone {theirs:.3f}), {line}")


def average_precision(score: Array, true: Array, weight: Array) -> float:
    order = np.argsort(-score)
    true, weight = true[order], weight[order]
    precision = np.cumsum(weight * true) / np.cumsum(weight)
    return float((precision * weight * true).sum() / (weight * true).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "-o", "--out", type=Path, default=Path(parting.__file__).with_name(parting.FILE), help="default: in place"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=5000, help="of training, each (default: %(default)s)")
    args = parser.parse_args()
    gathered = {kind: gather(kind, args.jobs) for kind in ("scenes", "photos", "held_out")}
    told = {kind: one for kind, (one, _) in gathered.items()}
    weights: dict[str, Array] = {}
    for name in ("first", "second"):
        perceptron = train({kind: told[kind] for kind in ("scenes", "photos")}, args.steps)
        weights |= {f"{name}.{part}": values for part, values in perceptron.items()}
        for kind in ("scenes", "photos"):
            one = told[kind]
            report(f"{name}: {kind} left out", one.where(one.picture % LEFT_OUT == LEFT_OUT - 1), perceptron)
        report(f"{name}: held-out families", told["held_out"], perceptron)
        if name == "first":
            told = {kind: with_context(told[kind], around, perceptron) for kind, (_, around) in gathered.items()}
    np.savez(args.out, **weights)


if __name__ == "__main__":
    main()
