"""Training the perception network: examples, augmentation, losses against plain references, runs that go on."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from c3drender.networks.training.config import Schedule, read_config
from c3drender.perception.encoder import TAP_CHANNELS
from c3drender.perception.network import OUT_STRIDE, PerceptionNet, Seen
from c3drender.perception.readout import NUM_FEATURES
from c3drender.perception.training import PerceptionConfig, train_perception
from c3drender.perception.training.augment import _placed, varied, whole
from c3drender.perception.training.config import ReadoutSchedule
from c3drender.perception.training.judge import judge
from c3drender.perception.training.losses import Targets, losses
from c3drender.perception.training.packed import UNKNOWN, Example, read_examples, write_examples
from c3drender.perception.training.places import places_of, train_readout
from c3drender.perception.training.samples import Samples, batch, split_photos
from c3drender.perception.weights import FILE, load_network

GREYS = (30, 100, 170, 240)  # what the classes of a test picture look like


def scene(seed: int = 0, height: int = 96, width: int = 128) -> Example:
    """Four vertical bands of classes whose grey tells them; the third flows, away from the lower left."""
    band = np.broadcast_to(np.arange(width) * 4 // width, (height, width))
    surface = np.array([0, 3, 8, 10], np.uint8)[(band + seed) % 4]
    grey = np.array(GREYS, np.uint8)[(band + seed) % 4]
    flows = surface == 3
    flow = np.where(flows[..., None], np.float32([0.6, -0.8]), 0).astype(np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    disparity = np.where(surface == 0, 0, 0.1 + rows / height).astype(np.float32) + np.zeros((1, width), np.float32)
    layout = np.where(surface == 0, 2, np.where(surface == 8, 1, 0)).astype(np.uint8)
    rgb = np.repeat(grey[..., None], 3, 2)
    return Example(f"test/{seed:06d}", rgb, surface, layout, flow, flows.astype(np.uint8) * 2, {"seed": seed}, disparity)


def photo(seed: int = 0) -> Example:
    """The same with ranks instead of a disparity, and a border that nobody knows."""
    one = scene(seed)
    surface, layout = one.surface.copy(), one.layout.copy()
    surface[:8] = layout[:8] = UNKNOWN
    rank = np.where(surface == UNKNOWN, UNKNOWN, surface % 10).astype(np.uint8)
    free = np.where(surface == UNKNOWN, UNKNOWN, surface <= 3).astype(np.uint8)
    return replace(one, name=f"photo/t{seed}", disparity=None, surface=surface, layout=layout, rank=rank, free=free)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "scenes").mkdir()
    write_examples(tmp_path / "scenes" / "train_00.zip", [scene(k) for k in range(5)])
    write_examples(tmp_path / "scenes" / "held_out_00.zip", [scene(99)])
    write_examples(tmp_path / "photos.zip", [photo(k) for k in range(4)])
    return tmp_path


def config(data: Path, out: str = "run", **more: object) -> PerceptionConfig:
    schedule = Schedule(steps=4, batch_size=2, log_every=1, validate_every=2, checkpoint_every=2)
    readout = ReadoutSchedule(passes=1, places=30, steps=8, batch_size=64)
    told = {"size_px": 128, "readout": readout, "frozen_steps": 1, "validation_every": 4, "schedule": schedule, **more}
    return PerceptionConfig(str(data / out), str(data / "scenes"), str(data / "photos.zip"), **told)


def test_a_labelled_photo_comes_back_as_it_went(data: Path) -> None:
    one, back = photo(2), list(read_examples(data / "photos.zip"))[2]
    assert back.name == "photo/t2"
    assert back.disparity is None
    for name in ("surface", "rank", "free", "speed"):
        np.testing.assert_array_equal(getattr(back, name), getattr(one, name))
    np.testing.assert_array_equal(back.layout == UNKNOWN, one.layout == UNKNOWN)


@pytest.mark.parametrize("seed", range(8))
def test_labels_move_with_their_pixels(seed: int) -> None:
    moved = _placed(photo(), (64, 96), np.random.default_rng(seed))
    known = moved.surface != UNKNOWN
    told = np.select([moved.surface == kind for kind in (0, 3, 8, 10)], GREYS)
    off = (np.abs(moved.rgb[..., 0].astype(int) - told) > 8) & known
    assert off.mean() < 0.06  # only where two bands meet
    np.testing.assert_array_equal(moved.rank != UNKNOWN, known)
    assert known.mean() > 0.5


@pytest.mark.parametrize("seed", range(8))
def test_a_direction_turns_and_flips_with_the_picture(seed: int) -> None:
    """Two marks along the flow: where they lie afterwards says which way it goes now."""
    one = scene(height=200, width=200)
    ends = np.zeros((200, 200), np.uint8)
    ends[110:114, 88:92] = 1
    ends[86:90, 106:110] = 2  # 24 px up and 18 px to the right
    flow = np.broadcast_to(np.float32([0.6, -0.8]), (200, 200, 2)).copy()
    moved = _placed(replace(one, surface=ends, flow=flow), (200, 200), np.random.default_rng(seed))
    places = [np.argwhere(moved.surface == mark).mean(0)[::-1] for mark in (1, 2)]
    if np.isnan(places).any():
        pytest.skip("this crop leaves a mark out")
    way = places[1] - places[0]
    centre = moved.flow[100, 100]
    assert float(way @ centre) / np.linalg.norm(way) > np.cos(np.radians(5))


def test_the_same_random_source_gives_the_same_example() -> None:
    first, second = (varied(scene(), (64, 96), np.random.default_rng(5), None) for _ in range(2))
    other = varied(scene(), (64, 96), np.random.default_rng(6), photo().rgb)
    np.testing.assert_array_equal(first.rgb, second.rgb)
    assert (first.rgb != other.rgb).any()
    assert first.rgb.dtype == np.uint8


def test_whole_keeps_the_picture() -> None:
    one = whole(scene(), (48, 64))
    assert (one.surface[:, [2, 20, 40, 60]] == [0, 3, 8, 10]).all()


def test_every_example_comes_once_before_any_comes_again(data: Path) -> None:
    scenes = [scene(k) for k in range(5)]
    samples = Samples(config(data), [photo(0)], scenes)
    drawn = [samples._next(scenes, number).meta["seed"] for number in range(15)]
    assert all(sorted(drawn[k : k + 5]) == [0, 1, 2, 3, 4] for k in (0, 5, 10))
    assert drawn[:5] != drawn[5:10]
    first, second = samples[3], samples[3]
    assert torch.equal(first[0], second[0])
    assert len(split_photos([photo(k) for k in range(9)], 4)[1]) == 2


def perfect(truth: Targets) -> Seen:
    """What the network would say if it knew."""
    number, height, width = truth.surface.shape

    def logits(labels: torch.Tensor, count: int) -> torch.Tensor:
        return 30 * torch.nn.functional.one_hot(labels.clamp(min=0), count).permute(0, 3, 1, 2).float()

    depth = torch.where(truth.is_photo[:, None, None], truth.rank.clamp(min=0) / 9.0, torch.nan_to_num(truth.root))
    return Seen(
        disparity=depth[:, None].float(),
        surface=logits(truth.surface, 12),
        layout=logits(truth.layout, 3),
        free=60.0 * truth.free.clamp(min=0)[:, None] - 30,
        way=truth.way.clone(),
        speed=logits(truth.speed, 3) + torch.zeros(number, 3, height, width),
    )


def test_losses_are_least_for_the_truth_and_grow_with_each_mistake() -> None:
    _, truth = batch([scene(), photo()])

    def measured(seen: Seen) -> dict[str, float]:
        return {name: float(value) for name, value in losses(seen, truth, torch.Generator().manual_seed(0)).items()}

    right = perfect(truth)
    best = measured(right)
    for name in ("shape", "slope", "flatness", "free", "way", "speed"):
        assert best[name] < 1e-5, name
    for name, wrong in {
        "shape": replace(right, disparity=right.disparity.flip(2)),
        "order": replace(right, disparity=1 - right.disparity),
        "nearness": replace(right, disparity=right.disparity + 0.3),
        "surface": replace(right, surface=right.surface.flip(1)),
        "layout": replace(right, layout=right.layout.flip(1)),
        "free": replace(right, free=-right.free),
        "way": replace(right, way=-right.way),
        "speed": replace(right, speed=right.speed.roll(1, 1)),
    }.items():
        assert measured(wrong)[name] > best[name] + 0.1, name


def test_shape_is_the_distance_free_of_scale_and_shift() -> None:
    _, truth = batch([scene()])
    noise = 0.1 * torch.randn(truth.root[:, None].shape, generator=torch.Generator().manual_seed(1))
    seen = perfect(truth)
    one = losses(replace(seen, disparity=truth.root[:, None] + noise), truth, torch.Generator())["shape"]

    def aligned(x: np.ndarray) -> np.ndarray:
        x = x - x.mean()
        return x / (np.abs(x).mean() + 0.02)

    p, t = (x.double().numpy() for x in ((truth.root[:, None] + noise)[0, 0], truth.root[0]))
    assert float(one) == pytest.approx(np.abs(aligned(p) - aligned(t)).mean(), rel=1e-5)


def test_what_nobody_knows_asks_for_nothing() -> None:
    _, truth = batch([photo()])
    seen = perfect(truth)
    random = torch.Generator().manual_seed(0)
    before = losses(seen, truth, random)
    unknown = (truth.surface < 0)[:, None]
    other = {
        "surface": torch.where(unknown, torch.randn(seen.surface.shape), seen.surface),
        "layout": torch.where(unknown, torch.randn(seen.layout.shape), seen.layout),
        "free": torch.where(unknown, torch.randn(seen.free.shape), seen.free),
    }
    after = losses(replace(seen, **other), truth, torch.Generator().manual_seed(0))
    assert all(torch.equal(before[name], after[name]) for name in ("surface", "layout", "free"))


def test_the_judge_finds_the_truth_right_and_its_opposite_wrong() -> None:
    _, truth = batch([photo()])
    right = perfect(truth)
    good, bad = judge([(right, truth)]), judge([(replace(right, disparity=-right.disparity, free=-right.free), truth)])
    assert good["order"] == good["surface"] == good["iou_sky"] == good["iou_water"] == 1
    assert good["stays_free"] == bad["order"] == 0
    assert bad["stays_free"] == 1


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_run_that_was_stopped_ends_with_the_same_bits(data: Path) -> None:
    train_perception(config(data, "whole"), device="cpu", progress=False)
    half = Schedule(steps=4, batch_size=2, log_every=1, validate_every=2, checkpoint_every=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("c3drender.perception.training.train.Run._take_step", _stopping_at(3))
        with pytest.raises(KeyboardInterrupt):
            train_perception(config(data, "halves", schedule=half), device="cpu", progress=False)
    train_perception(config(data, "halves", schedule=half), resume=True, device="cpu", progress=False)
    first, second = ((data / run / FILE).read_bytes() for run in ("whole", "halves"))
    assert first == second
    for run in ("whole", "halves"):
        assert [row["step"] for row in rows(data / run / "train.csv")] == ["1", "2", "3", "4"]
        assert [row["step"] for row in rows(data / run / "validation.csv")] == ["2", "4"]
    assert load_network(data / "whole" / FILE).training is False
    with pytest.raises(ValueError, match=r"resume: expected learning_rate = 0\.001"):
        train_perception(config(data, "halves", learning_rate=2e-3), resume=True, device="cpu", progress=False)


def _stopping_at(step: int):
    from c3drender.perception.training.train import Run

    taken = Run._take_step

    def take(self, rgb, truth):
        if self.step == step:
            raise KeyboardInterrupt
        return taken(self, rgb, truth)

    return take


def test_going_on_from_weights_holds_the_first_stages_and_teaches_the_rest(data: Path) -> None:
    train_perception(config(data, "begun"), device="cpu", progress=False)
    begun = data / "begun" / FILE
    told = config(data, "gone_on", network=str(begun), held_stages=3, frozen_steps=0)
    train_perception(told, device="cpu", progress=False)
    before, after = (load_network(path).state_dict() for path in (begun, data / "gone_on" / FILE))
    same = {name for name in before if name.startswith("encoder") and torch.equal(before[name], after[name])}
    held = {name for name in before if name.startswith(("encoder.stem", *(f"encoder.stages.{k}." for k in range(3))))}
    assert same == held
    assert not torch.equal(before["readout.first.weight"], after["readout.first.weight"])
    assert "read surface" in rows(data / "gone_on" / "train.csv")[0]
    assert "read surface" not in rows(data / "begun" / "train.csv")[0]


def test_what_cannot_be_trained_is_one_line(data: Path) -> None:
    (data / "empty").mkdir()
    with pytest.raises(ValueError, match="scenes: expected a folder of shards"):
        train_perception(replace(config(data, "none"), scenes=str(data / "empty")), progress=False)
    with pytest.raises(ValueError, match="size_px: expected a multiple of 32, at least 128, got 100"):
        config(data, size_px=100)
    with pytest.raises(ValueError, match="held_stages: expected 0, or up to 7 with network, got 2"):
        config(data, held_stages=2)
    with pytest.raises(ValueError, match="network: expected it or encoder, got n and e"):
        config(data, network="n", encoder="e")
    (data / "c.json").write_text('{"out": "x", "scenes": "s", "photos": "p", "photo_share": 2}')
    with pytest.raises(ValueError, match=r"photo_share: expected 0\.\.1, got 2"):
        read_config(data / "c.json", PerceptionConfig)


def test_targets_lie_on_the_networks_grid() -> None:
    rgb, truth = batch([scene(), photo()])
    assert truth.surface.shape == (2, rgb.shape[2] // OUT_STRIDE, rgb.shape[3] // OUT_STRIDE)
    assert truth.is_photo.tolist() == [False, True]
    assert bool(torch.isnan(truth.root[1]).all())
    assert bool((truth.rank[0] == -1).all())


def halves() -> Example:
    """Sky over ground, whatever the picture shows."""
    rows = np.arange(96)[:, None] + np.zeros((1, 128), int)
    return replace(scene(), surface=np.where(rows < 48, 0, 10).astype(np.uint8))


def untrained() -> PerceptionNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PerceptionNet().requires_grad_(False)


def test_places_are_labelled_where_their_features_are() -> None:
    """What is known of a place belongs to its row: the upper half of the picture is sky."""
    places = places_of(untrained(), halves(), 150, np.random.default_rng(0))
    row = places.features[:, -1 - TAP_CHANNELS[-1]].float()
    assert len(row) == 150
    assert bool((places.surface == torch.where(row < 0, 0, 10)).all())
    assert places.features.shape[1] == NUM_FEATURES


def test_the_readout_learns_what_its_features_tell(data: Path) -> None:
    """An untrained encoder tells little, but a place's height is among its features."""
    told = config(data, validation_every=0, readout=ReadoutSchedule(passes=8, places=100, steps=150, batch_size=256))
    network = untrained()
    train_readout(network, Samples(told, [halves() for _ in range(8)], [halves() for _ in range(8)]), told, progress=False)
    rgb, truth = batch([halves()])
    right = network(rgb).surface.argmax(1) == truth.surface
    assert float(right.float().mean()) > 0.75
