"""The committed labels of the photos hold together. No photo is needed."""

from __future__ import annotations

import csv
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

HERE = Path(__file__).parents[1] / "benchmarks" / "perception"
sys.path.insert(0, str(HERE))

import labels  # noqa: E402
import photos  # noqa: E402


@pytest.mark.parametrize("name", ["train", "heldout", "fluids", "second", "independent"])
def test_every_region_is_answered_once(name):
    splits = [name] if name in ("train", "heldout", "fluids") else ["heldout", "train"]
    read = [labelled for split in splits for labelled in labels.read(split, name)]
    ids = [line.partition(":")[0] for line in (HERE / "labels" / f"{name}.txt").read_text().splitlines()]
    assert sorted(labelled.photo.id for labelled in read) == sorted(ids)
    for labelled in read:
        assert sorted(labelled.regions) == list(np.unique(labelled.region_map)), labelled.photo.id
        for region in filter(None, labelled.regions.values()):
            assert region.stands_on is None or region.stands_on in labelled.regions


def test_splits_share_no_photographer_and_no_photo():
    listed = {split: photos.listed(split) for split in get_args(photos.Split)}
    every = [photo for split in listed.values() for photo in split]
    assert len({photo.sha256 for photo in every}) == len(every)
    assert len({photo.id for photo in every}) == len(every)
    sources = {split: {(photo.package, photo.author) for photo in some} for split, some in listed.items()}
    for split, other in (("train", "heldout"), ("train", "reserve"), ("heldout", "reserve")):
        assert not sources[split] & sources[other]
    authors = {split: {photo.author for photo in some} for split, some in listed.items()}
    assert not authors["fluids"] & (authors["train"] | authors["dry"] | authors["heldout"])
    assert not authors["dry"] & authors["heldout"]
    packages = {split: {photo.package for photo in some} for split, some in listed.items()}
    assert not packages["heldout"] & (packages["train"] | packages["fluids"] | packages["reserve"])


def test_judged_photos_are_by_photographers_of_no_other_list():
    judged = photos.listed("judged")
    others = [photo for split in get_args(photos.Split) if split != "judged" for photo in photos.listed(split)]
    assert not {_name(photo.author) for photo in judged} & {_name(photo.author) for photo in others}
    assert max(Counter(_name(photo.author) for photo in judged).values()) <= 2


def _name(author: str) -> str:
    """The letters of a name, as one spells it with or without accents, capitals and hyphens."""
    plain = unicodedata.normalize("NFKD", author.casefold())
    return "".join(letter for letter in plain if letter.isalnum())


def test_licences_file_counts_the_judged_photos():
    counted = Counter(
        (photo.package.removeprefix("git+https://github.com/"), photo.author, photo.licence)
        for photo in photos.listed("judged")
    )
    text = (HERE / "photos" / "LICENSES.md").read_text(encoding="utf-8")
    for (repository, author, licence), count in counted.items():
        assert f"\n| {repository} | {author} | {licence} | {count} |\n" in text


def test_every_photo_names_its_licence():
    for split in get_args(photos.Split):
        with (HERE / "photos" / f"{split}.csv").open(encoding="utf-8", newline="") as lines:
            for line in csv.DictReader(lines):
                assert all(line.values()), line


def test_a_line_is_read():
    photo_id, regions = labels.parsed("h001: sky 1-2 f0 | mov 3 p4>dlm 4 p7>~ | per 5 u6@6 | gnd 6 p6! | ? 7")
    assert photo_id == "h001" and sorted(regions) == [1, 2, 3, 4, 5, 6, 7] and regions[7] is None
    assert regions[1].kind == "sky" and regions[1].layout == "f" and regions[1].rank == 0 and regions[1].motion == "may"
    assert regions[3].direction == pytest.approx((-(0.5**0.5), 0.5**0.5)) and regions[3].speed == "m"
    assert regions[3].motion == "must" and not regions[3].to_and_fro
    assert regions[4].to_and_fro and regions[4].direction is None and regions[4].speed is None
    assert regions[5].stands_on == 6 and regions[5].motion == "stay" and regions[6].motion == "must"


@pytest.mark.parametrize("line", ["sky 1 f0 | cld 1 f1", "sea 1 p3", "sky 1", "sky 1 q0", "sky 1 f10", "sky a f0"])
def test_a_wrong_line_is_refused(line):
    with pytest.raises(ValueError, match="x: expected"):
        labels.parsed(f"x: {line}")


def test_maps_and_pairs_follow_the_answers():
    labelled = next(one for one in labels.read("heldout") if any(r and r.direction for r in one.regions.values()))
    class_map, rank_map, regions = labelled.class_map, labelled.rank_map, labelled.region_map
    for number, region in labelled.regions.items():
        inside = regions == number
        assert np.all(class_map[inside] == (labels.NAMES.index(region.kind) if region else labels.IGNORED))
        assert np.all(labelled.must_move[inside] == (region is not None and region.motion == "must"))
        assert np.all(labelled.must_stay[inside] == (region is not None and region.motion == "stay"))
    lengths = np.linalg.norm(labelled.direction_map, axis=-1)
    assert np.all(np.isclose(lengths, 0) | np.isclose(lengths, 1)) and lengths.any()
    assert labelled.pairs
    for pair in labelled.pairs:
        near, far = (int(rank_map[y, x]) for x, y in (pair.near_px, pair.far_px))
        assert near - far >= labels.PAIR_RANKS and near != labels.IGNORED
        assert pair.easy == (pair.near_px[1] - pair.far_px[1] > labels.LEVEL_SHARE * len(regions))
