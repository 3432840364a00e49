"""The benchmark's traced scenes: what is there without Blender, and, with it, that what moves is what the flow says."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("skimage", reason="the benchmark's SSIM is scikit-image's")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "benchmarks"))

from quality import run, truth  # noqa: E402
from quality.traced import camera, check, cumulus  # noqa: E402
from quality.traced.registry import TAKES  # noqa: E402

WIDTH, HEIGHT = 64, 36
needs_blender = pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="needs Blender: pip install 'bpy==4.5.*'")


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(camera, "WIDTH", WIDTH)
    monkeypatch.setattr(camera, "HEIGHT", HEIGHT)


def test_every_take_has_its_scene_and_every_signature_its_take():
    modules = {path.stem for path in (HERE.parent / "benchmarks/quality/traced/scenes").glob("*.py")} - {"__init__"}
    assert modules == set(TAKES) > set() and set(truth.read_signatures(run.TRACED_SIGNATURES)) <= set(TAKES)
    assert all(0 < take.seconds_per_frame < 1 and take.samples > 0 for take in TAKES.values())


def test_the_frames_that_are_compared():
    seen = [(t, c) for t in range(5) for c in range(4) if truth.compared(t, c)]
    assert len(seen) == 14 and {(0, c) for c in range(4)} | {(t, 0) for t in range(5)} <= set(seen)
    assert {(1, 1), (1, 3), (2, 2), (3, 1), (3, 3), (4, 2)} <= set(seen)


def test_without_blender_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bpy", None)
    monkeypatch.setattr(run, "DATA", tmp_path)
    monkeypatch.setattr(sys, "argv", ["quality", "data", "--set", "traced", "--scenes", next(iter(TAKES))])
    line = r"^quality: expected Blender as a module .* got none: pip install 'bpy==4.5.\*'[^\n]*$"
    with pytest.raises(SystemExit, match=line):
        run.main()


def test_a_scene_is_signed_before_it_is_measured(tmp_path, monkeypatch):
    folder = tmp_path / "traced"
    folder.mkdir()
    truth.Truth.load(HERE / "data" / "quality_river.npz").save(folder / "fountain.npz")
    signatures = tmp_path / "signed.json"
    signatures.write_text("{}")
    monkeypatch.setattr(run, "DATA", tmp_path)
    monkeypatch.setattr(run, "TRACED_SIGNATURES", signatures)
    chosen = run.scene_set("traced")
    with pytest.raises(ValueError, match=r"^fountain: expected its signature in signed.json, got none: .*--write-signatures$"):
        chosen.checked("fountain")
    for name in ("fountain", "ocean"):
        (folder / f"{name}.npz").write_bytes((folder / "fountain.npz").read_bytes())
        run.draw_all(chosen, [name], write=True)
    assert list(truth.read_signatures(signatures)) == ["ocean", "fountain"]
    assert chosen.signed == ["ocean", "fountain"] and chosen.checked("fountain").size == (72, 128)


def test_a_scene_of_the_other_set_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["quality", "run", "--set", "traced", "--scenes", "flag"])
    with pytest.raises(SystemExit):
        run.main()
    assert "--scenes: expected some of ocean, " in capsys.readouterr().err


def test_traced_frames_become_a_truth_and_are_kept(tmp_path, monkeypatch, small):
    """A square that moves to the right, through a camera that only counts."""
    taken = []

    class Counting:
        def __init__(self, name: str, scratch: Path) -> None:
            assert name == "fountain"

        def set_exposure(self, photo: camera.Frame) -> None:
            taken.append(float(photo["gain"]))

        def frame(self, time: int, pose: np.ndarray) -> camera.Frame:
            taken.append(time)
            moving = np.zeros((HEIGHT, WIDTH), bool)
            moving[8:30, 10:54] = True
            step = moving[..., None] * np.float32([0.4, 0.0])
            z = np.where(moving, np.float32(5), np.float32(40))
            rgb = np.full((HEIGHT, WIDTH, 3), 100 + time, np.uint8)
            return {"gain": np.array(2.0), "rgb_u8": rgb, "z_cam": z, "moving": moving, "step_px": step}

    monkeypatch.setattr(camera, "Shooting", Counting)
    (tmp_path / "fountain.frames").mkdir()
    first = camera.draw("fountain", tmp_path)
    assert len(taken) == 14 and first.size == (HEIGHT, WIDTH)
    shown = first.frames_u8.max(axis=(2, 3, 4)) > 0
    assert all(shown[t, c] == truth.compared(t, c) for t in range(5) for c in range(4))
    assert (first.frames_u8[0, 0] == first.photo_u8).all() and (first.frames_u8[2, 2] == 115).all()
    taken.clear()
    (tmp_path / "fountain.frames" / "-15_1.npz").unlink()
    again = camera.draw("fountain", tmp_path)
    assert taken == [2.0, -15], "one frame, exposed as the photo was"
    assert (again.frames_u8 == first.frames_u8).all()
    truth.check_signature("fountain", again, truth.signature(first))


def test_the_check_knows_a_true_flow_from_a_wrong_one():
    """The committed river, whose photo is taken along a flow of a pixel a frame."""
    river = truth.Truth.load(HERE / "data" / "quality_river.npz")
    frames = river.frames_u8.copy()
    frames[list(river.times).index(check.FRAMES), 0] = np.roll(river.photo_u8, check.FRAMES, axis=1)
    step = np.broadcast_to(np.float32([1, 0]), river.step_px.shape)
    moved = replace(river, frames_u8=frames, step_px=step, moving=np.ones_like(river.moving))
    assert check.flow_gain(moved) < 0.01 < 1 < check.flow_gain(replace(moved, step_px=-step))


def test_a_cloud_is_where_its_balls_are_and_lit_from_the_sun():
    sun = np.array([-0.8, 0.0, 0.6])
    cloud = cumulus.build(np.array([[0.0, 4000.0, 1400.0, 400.0]]), 900.0, sun, seed=3)
    ends = np.array([[0.0, 4000, 1400], [-300, 4000, 1400], [300, 4000, 1400], [1500, 4000, 1400], [0, 4000, 300]])
    rays = torch.as_tensor(ends / np.linalg.norm(ends, axis=1, keepdims=True), dtype=torch.float32)
    light = cumulus.Light(torch.full((3,), 30.0), torch.full((3,), 3.0), torch.full((3,), 4.0))
    colour, cover, distance = cumulus.march(cloud, torch.zeros(3), rays, light, far=9000.0)
    assert cover[:3].tolist() == [1, 1, 1] and cover[3:].tolist() == [0, 0]
    assert abs(distance[0] - (np.linalg.norm(ends[0]) - 400)) < 150, "its near side, within the bulges"
    assert (colour[1] > 2 * colour[2]).all()


@needs_blender
def test_each_wave_travels_at_its_own_speed():
    from perception.scenes.parts.water import G, spectrum
    from quality.traced.camera import set_stage

    side, tile, time = 64, 40.0, 0.7
    waves = spectrum(set_stage("test", 0), 6.0, 0.3, tile, foam_share=0.0, side=side)
    k = 2 * np.pi * 3 / tile
    amplitude = np.zeros((side, side), complex)
    amplitude[0, 3] = side * side
    alone = type(waves)(amplitude, waves.k_xy, tile, waves.chop, waves.foam_limit, waves.travel)
    x = np.arange(side) * tile / side
    np.testing.assert_allclose(alone.at(time).height[5], np.cos(k * x - np.sqrt(G * k) * time), atol=1e-9)
    np.testing.assert_allclose(alone.crest_speed(), (np.sqrt(G / k), 0), atol=1e-9)
    assert waves.crest_speed() @ (np.cos(0.3), np.sin(0.3)) > 0


@needs_blender
def test_upstream_goes_back_where_it_came_from():
    from perception.scenes.parts.water import upstream

    def turn(xy):
        return np.stack([-xy[..., 1], xy[..., 0]], -1)

    start = np.array([[1.0, 0.0], [0.3, -0.4]])
    there = upstream(turn, start, -0.8, 32)
    np.testing.assert_allclose(there[0], (np.cos(0.8), np.sin(0.8)), atol=1e-3)
    np.testing.assert_allclose(upstream(turn, there, 0.8, 32), start, atol=1e-3)


@needs_blender
def test_a_small_fountain_is_traced(tmp_path, monkeypatch, small):
    monkeypatch.setattr(camera, "DETAIL", 0.3)
    shooting = camera.Shooting("fountain", tmp_path)
    now, later = (shooting.frame(time, np.eye(3, 4)) for time in (0, 7))
    assert now["rgb_u8"].shape == (HEIGHT, WIDTH, 3) and now["rgb_u8"].std() > 20
    assert 0.03 < now["moving"].mean() < 0.4 and not now["step_px"][~now["moving"]].any()
    assert np.isfinite(now["step_px"]).all() and 2 < now["z_cam"].min() < now["z_cam"].max() <= camera.FARTHEST_M
    rest = ~(now["moving"] | later["moving"])
    changed = np.abs(now["rgb_u8"].astype(int) - later["rgb_u8"]).max(-1)
    assert changed[now["moving"]].mean() > 3 * changed[rest].mean()
    aside = np.eye(3, 4)
    aside[0, 3] = 1.0
    moved = shooting.frame(0, aside)
    assert np.abs(moved["rgb_u8"].astype(int) - now["rgb_u8"]).mean() > changed[rest].mean()
