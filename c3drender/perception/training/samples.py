"""From examples to batches: the n-th sample of a run is a function of its seed and of n."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from ...pixels.segments import SEGMENT_CLASSES
from ..encoder import STRIDE
from ..network import OUT_STRIDE
from .augment import varied, whole
from .config import PerceptionConfig
from .losses import Targets
from .packed import UNKNOWN, Array, Example, read_examples

FLUIDS = tuple(SEGMENT_CLASSES.index(n) for n in ("still_water", "moving_water", "white_water", "smoke", "fire"))
ALIVE = tuple(SEGMENT_CLASSES.index(name) for name in ("person", "animal"))
SHOWN_SHARE = 0.05  # of the picture: what shows more of a rare kind comes more often ...
FLUID_TURNS, ALIVE_TURNS = 2, 1  # ... by so many times
STAYING = tuple(SEGMENT_CLASSES.index(name) for name in ("person", "animal", "ground", "object"))
NEAREST = 0.97  # quantile of a scene's disparities that counts as 1: what is nearer may be a leaf before the lens
MOST_ROOT = 1.2
PROPORTIONS = ((1.0, 0.75), (0.75, 1.0), (0.84, 0.84), (1.0, 0.67), (1.0, 0.58))  # height and width of the longer side


def read_scenes(folder: str, progress: bool) -> list[Example]:
    """All scenes of a folder's shards but for held-out ones. ValueError where there is none."""
    shards = [path for path in sorted(Path(folder).glob("*.zip")) if not path.name.startswith("held_out")]
    bar = tqdm(shards, "scenes", unit="shard", disable=not progress, leave=False)
    scenes = [example for shard in bar for example in read_examples(shard)]
    if not scenes:
        raise ValueError(f"scenes: expected a folder of shards, .zip, got {folder}")
    return scenes


def split_photos(photos: Sequence[Example], every: int) -> tuple[list[Example], list[Example]]:
    """Those to train on, and each ``every``-th to validate on."""
    held = [k for k in range(len(photos)) if every and k % every == every - 1]
    return [photo for k, photo in enumerate(photos) if k not in set(held)], [photos[k] for k in held]


class Samples(Dataset):
    """Batches by number, each of one size."""

    def __init__(self, config: PerceptionConfig, photos: Sequence[Example], scenes: Sequence[Example]) -> None:
        self.config, self.scenes = config, scenes
        self.photos = [photo for photo in photos for _ in range(_turns(photo))]

    def __len__(self) -> int:
        return self.config.schedule.steps

    def __getitem__(self, step: int) -> tuple[Tensor, Targets]:
        random = np.random.default_rng((self.config.seed, step))
        size = self.size(random)
        number = self.config.schedule.batch_size
        count = round(number * self.config.photo_share)
        examples = []
        for k in range(number):
            if k < count:
                chosen, look = self._next(self.photos, step * count + k), None
            else:
                chosen, look = self._next(self.scenes, step * (number - count) + k - count), self.look(random)
            examples.append(varied(chosen, size, random, look))
        return batch(examples)

    def _next(self, pool: Sequence[Example], number: int) -> Example:
        """Every example comes once before any comes again."""
        turn, place = divmod(number, len(pool))
        return pool[np.random.default_rng((self.config.seed, 1, turn)).permutation(len(pool))[place]]

    def size(self, random: np.random.Generator) -> tuple[int, int]:
        """Height and width of a batch."""
        height, width = PROPORTIONS[random.integers(len(PROPORTIONS))]
        return round(self.config.size_px * height / STRIDE) * STRIDE, round(self.config.size_px * width / STRIDE) * STRIDE

    def look(self, random: np.random.Generator) -> Array | None:
        """A photo whose colours a rendered scene takes on; None: it keeps its own."""
        if not self.photos or random.random() < 0.5:
            return None
        return cv2.resize(self.photos[int(random.integers(len(self.photos)))].rgb, (64, 64), interpolation=cv2.INTER_AREA)


def _turns(photo: Example) -> int:
    """How often a photo comes before all have come: of most photos nothing flows and nobody looks at you."""
    fluid, alive = (np.isin(photo.surface, kinds).mean() > SHOWN_SHARE for kinds in (FLUIDS, ALIVE))
    return 1 + FLUID_TURNS * int(fluid) + ALIVE_TURNS * int(alive)


def batch(examples: Sequence[Example], stride: int = OUT_STRIDE) -> tuple[Tensor, Targets]:
    """Pictures float32 ``[B, 3, H, W]`` and what is known of them in the middle of every ``stride`` x ``stride`` pixels."""
    rgb = torch.from_numpy(np.stack([example.rgb for example in examples])).permute(0, 3, 1, 2).float() / 255

    def maps(values: list[Array]) -> Tensor:
        return torch.from_numpy(np.stack(values).astype(np.int64))

    surface = [_labels(example.surface, stride) for example in examples]
    free = [_free(example, own, stride) for example, own in zip(examples, surface, strict=True)]
    way = torch.from_numpy(np.stack([_sampled(example.flow, stride) for example in examples])).permute(0, 3, 1, 2)
    return rgb, Targets(
        root=torch.from_numpy(np.stack([_root(example, stride) for example in examples])),
        rank=maps([_ranks(example, stride) for example in examples]),
        surface=maps(surface),
        layout=maps([_labels(example.layout, stride) for example in examples]),
        free=maps(free),
        way=way.contiguous(),
        speed=maps([_sampled(example.speed, stride).astype(np.int64) - 1 for example in examples]),
        is_photo=torch.tensor([example.disparity is None for example in examples]),
    )


def at_size(example: Example, longer_px: int) -> Example:
    """The whole example, its longer side as given, its sides multiples of 32."""
    height, width = example.rgb.shape[:2]
    scale = longer_px / max(height, width)
    return whole(example, (max(1, round(height * scale / STRIDE)) * STRIDE, max(1, round(width * scale / STRIDE)) * STRIDE))


def _sampled(values: Array, stride: int) -> Array:
    return values[stride // 2 :: stride, stride // 2 :: stride]


def _labels(values: Array, stride: int) -> Array:
    labels = _sampled(values, stride).astype(np.int64)
    return np.where(labels == UNKNOWN, -1, labels)


def _ranks(example: Example, stride: int) -> Array:
    return np.full(_sampled(example.surface, stride).shape, -1) if example.rank is None else _labels(example.rank, stride)


def _free(example: Example, surface: Array, stride: int) -> Array:
    if example.free is not None:
        return _labels(example.free, stride)
    return np.where(surface < 0, -1, ~np.isin(surface, STAYING))


def _root(example: Example, stride: int) -> Array:
    """Square root of the disparity relative to the nearest, float32; NaN where it is not known."""
    if example.disparity is None:
        return np.full(_sampled(example.surface, stride).shape, np.nan, np.float32)
    disparity = _sampled(example.disparity, stride)
    known = disparity >= 0
    nearest = np.quantile(disparity[known], NEAREST) if known.any() else 1.0
    root = np.sqrt(np.maximum(disparity, 0) / max(float(nearest), 1e-6))
    return np.where(known, np.minimum(root, MOST_ROOT), np.nan).astype(np.float32)
