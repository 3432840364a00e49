"""What more labelled photos would bring: the readout trained on shares of them, judged on photographers left out.

    python benchmarks/perception/pack_photos.py build/photos_train.zip
    python benchmarks/perception/learning_curve.py build/photos_train.zip

The encoder stays the package's, which has been trained on most of these photos; so the curve tells of the readout alone, and
flatters all its points alike. Photographers are sorted by a hash of their names: of each fifth the photos judge, of the others
they train, a smaller share within the larger one. Photos of ``dry`` train and do not judge, as nobody labelled their places.

Prints for each share, in the mean of the seeds: average precision of what flows over all places of the photos that judge, the
share of it that is found at a precision of 0.95, and the share of places whose class is right.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from photos import listed
from torch import Tensor
from tqdm import tqdm

from c3drender.perception.network import PerceptionNet
from c3drender.perception.readout import READ_STRIDE, Readout, features
from c3drender.perception.training.augment import varied
from c3drender.perception.training.config import PerceptionConfig, ReadoutSchedule
from c3drender.perception.training.packed import Example, read_examples
from c3drender.perception.training.places import Places, fit_readout, joined, places_of
from c3drender.perception.training.samples import Samples, at_size, batch, read_scenes
from c3drender.perception.weights import load_network
from c3drender.pixels.segments import SEGMENT_CLASSES

SCENES = Path(__file__).parent / "scenes" / "data"
SHARES = (0.125, 0.25, 0.5, 1.0)
JUDGED = 5  # the photos of every fifth photographer judge
JUDGED_PX = 512
FLOWING = torch.tensor([SEGMENT_CLASSES.index(k) for k in ("still_water", "moving_water", "white_water", "smoke", "fire")])
PRECISION = 0.95


def order_of(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big")


def split(photos: list[Example]) -> tuple[list[Example], list[Example]]:
    """Those that train, in the order in which shares take them, and those that judge."""
    author = {photo.id: photo.author for chosen in ("train", "dry") for photo in listed(chosen)}
    labelled = {photo.id for photo in listed("train")}
    train, judged = [], []
    for photo in photos:
        number = photo.name.removeprefix("photo/")
        if order_of(author[number]) % JUDGED:
            train.append(photo)
        elif number in labelled:
            judged.append(photo)
    return sorted(train, key=lambda photo: order_of(photo.name)), judged


@torch.inference_mode()
def seen(network: PerceptionNet, photos: list[Example]) -> list[tuple[Tensor, Tensor]]:
    """Per photo the features of all its places and the classes they were given."""
    found = []
    for photo in tqdm(photos, "judged", unit="photo", leave=False):
        rgb, truth = batch([at_size(photo, JUDGED_PX)], READ_STRIDE)
        found.append((features(network.taps(rgb)), truth.surface[0]))
    return found


@torch.inference_mode()
def judge(readout: Readout, photos: list[tuple[Tensor, Tensor]]) -> tuple[float, float, float]:
    """Average precision of what flows, its recall at `PRECISION`, and the share of places whose class is right."""
    flows, scores, right = [], [], []
    for told, surface in photos:
        share = readout(told)["surface"][0].softmax(0)
        known = surface >= 0
        scores.append(share[FLOWING].sum(0)[known])
        flows.append(torch.isin(surface, FLOWING)[known])
        right.append((share.argmax(0) == surface)[known])
    true = torch.cat(flows)[torch.cat(scores).argsort(descending=True)].double()
    precision = true.cumsum(0) / torch.arange(1, len(true) + 1)
    recall = true.cumsum(0) / true.sum()
    precise = torch.nonzero(precision >= PRECISION)
    found = float(recall[precise.max()]) if len(precise) else 0.0
    return float((precision * true).sum() / true.sum()), found, float(torch.cat(right).double().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="what pack_photos.py wrote")
    parser.add_argument("--seeds", type=int, default=2, help="readouts per share (default: %(default)s)")
    parser.add_argument("--passes", type=int, default=2, help="looks at each photo (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    schedule = ReadoutSchedule(steps=600, passes=args.passes)
    config = PerceptionConfig(out="", scenes=str(SCENES), photos=str(args.photos), readout=schedule)
    network = load_network()
    train, judged = split(list(read_examples(args.photos)))
    samples = Samples(config, train, read_scenes(config.scenes, progress=True))
    random = np.random.default_rng(0)

    def looked_at(example: Example, look: np.ndarray | None) -> Places:
        return places_of(network, varied(example, samples.size(random), random, look), schedule.places, random)

    of_photos = [
        joined([looked_at(photo, None) for _ in range(args.passes)])
        for photo in tqdm(train, "photos", unit="photo", leave=False)
    ]
    of_scenes = [looked_at(scene, samples.look(random)) for scene in tqdm(samples.scenes, "scenes", unit="scene", leave=False)]
    shown = seen(network, judged)
    print(f"{len(judged)} photos judge, those of one photographer in {JUDGED}")
    for share in SHARES:
        count = round(share * len(train))
        places = joined([*of_photos[:count], *of_scenes])
        told = [judge(fit_readout(places, replace(config, seed=k), torch.device("cpu")), shown) for k in range(args.seeds)]
        precision, found, right = np.mean(told, axis=0)
        print(
            f"{count:5} photos: average precision {precision:.3f}, found at {PRECISION} precision {found:.3f},"
            f" classes right {right:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
