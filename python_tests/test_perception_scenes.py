"""Packed training scenes: what is written is what is read, and the committed shards are what their manifest says."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from c3drender.perception.training import packed

HERE = Path(__file__).resolve().parent
PERCEPTION = HERE.parent / "benchmarks" / "perception"
sys.path.insert(0, str(PERCEPTION))

from scenes.classes import FLUIDS, Layout, Surface  # noqa: E402
from scenes.registry import FAMILIES, HELD_OUT  # noqa: E402

DATA = PERCEPTION / "scenes" / "data"
SHARDS = sorted(DATA.glob("*.zip"))


def rows() -> list[dict[str, str]]:
    with (DATA / "manifest.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def scene() -> packed.Example:
    """A stream under a sky: every map holds several values."""
    height, width = 48, 64
    y, x = np.mgrid[:height, :width] / 1.0
    water = (y > 20) & (x > 10)
    angle = x / width * 2 * np.pi
    return packed.Example(
        name="stream/000007",
        rgb=np.repeat((x * 3 + y).astype(np.uint8)[..., None], 3, 2),
        disparity=np.where(y > 10, (y - 10) ** 2 / 300, 0).astype(np.float32),
        surface=np.where(water, Surface.MOVING_WATER, np.where(y > 10, Surface.GROUND, Surface.SKY)).astype(np.uint8),
        layout=np.where(y > 10, Layout.PLANE, Layout.FAR).astype(np.uint8),
        flow=(np.stack([np.cos(angle), np.sin(angle)], -1) * water[..., None]).astype(np.float32),
        speed=(water * (1 + (x > 30) + (x > 50))).astype(np.uint8),
        meta={"family": "stream", "seed": 7, "version": 1, "focal_px": 70.5},
    )


def test_a_scene_comes_back_as_it_went(scene, tmp_path):
    packed.write_examples(tmp_path / "one.zip", [scene])
    assert packed.example_names(tmp_path / "one.zip") == ["stream/000007"]
    (back,) = packed.read_examples(tmp_path / "one.zip")
    for name in ("surface", "layout", "speed"):
        np.testing.assert_array_equal(getattr(back, name), getattr(scene, name))
    np.testing.assert_array_equal(back.disparity > 0, scene.disparity > 0)
    near = scene.disparity > packed.DISPARITY_MIN
    np.testing.assert_allclose(back.disparity[near], scene.disparity[near], rtol=2 ** (0.51 / packed.STEPS) - 1)
    turned = (back.flow * scene.flow).sum(-1)[scene.speed > 0]
    assert turned.min() > np.cos(np.pi / packed.ANGLES) - 1e-6
    assert np.abs(back.rgb.astype(int) - scene.rgb).mean() < 4
    assert back.meta == scene.meta


def test_a_scene_in_which_nothing_flows_has_no_flow_file(scene, tmp_path):
    still = replace(scene, flow=scene.flow * 0, speed=scene.speed * 0)
    assert "flow.png" in packed.members(scene)
    assert "flow.png" not in packed.members(still)
    packed.write_examples(tmp_path / "still.zip", [still])
    (back,) = packed.read_examples(tmp_path / "still.zip")
    assert not back.flow.any()
    assert not back.speed.any()


def test_disparity_codes_keep_order_over_the_whole_range():
    disparity = np.geomspace(2 * packed.DISPARITY_MIN, 50, 400).astype(np.float32)
    codes = packed.encode_disparity(disparity)
    assert (np.diff(codes.astype(int)) >= 0).all()
    assert codes.min() > 0
    np.testing.assert_array_equal(packed.encode_disparity(packed.decode_disparity(codes)), codes)


def test_the_manifest_names_what_the_shards_hold_and_versions_are_current():
    told = {(row["shard"], f"{row['family']}/{int(row['seed']):06d}") for row in rows()}
    held = {(shard.name, name) for shard in SHARDS for name in packed.example_names(shard)}
    assert told == held
    assert len(told) == len(rows())
    for row in rows():
        versions = HELD_OUT if row["shard"].startswith("held_out") else FAMILIES
        assert row["family"] in versions
        assert int(row["version"]) <= versions[row["family"]]


@pytest.mark.parametrize("shard", SHARDS, ids=lambda path: path.stem)
def test_committed_scenes_hold_what_their_classes_allow(shard):
    for scene in packed.read_examples(shard):
        assert scene.rgb.shape == (*scene.surface.shape, 3), scene.name
        assert scene.surface.max() <= max(Surface), scene.name
        assert scene.layout.max() <= max(Layout), scene.name
        assert np.isfinite(scene.disparity).all(), scene.name
        assert (scene.layout[scene.disparity == 0] == Layout.FAR).all(), scene.name
        assert (scene.disparity[scene.surface == Surface.SKY] == 0).all(), scene.name
        moves = scene.speed > 0
        assert np.isin(scene.surface[moves], list(FLUIDS)).all(), scene.name
        assert scene.meta["focal_px"] > 0, scene.name
        assert scene.rgb.std() > 2, scene.name
