"""The benchmark with ground truth: its scenes are what they say, its metrics know right from wrong."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("skimage", reason="the benchmark's SSIM is scikit-image's")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "benchmarks"))

from quality import baselines, flows, methods, metrics, report, run, textures, truth  # noqa: E402
from quality.caster import World, shoot  # noqa: E402
from quality.scenes import LOOP_FRAMES, SCENES  # noqa: E402

SMALL = HERE / "data" / "quality_river.npz"


@pytest.fixture(scope="module")
def river() -> truth.Truth:
    """The committed scene: 128 x 72, drawn by ``truth.draw(SCENES["river"](), 128, 72)``."""
    return truth.Truth.load(SMALL)


@cache
def world(name: str) -> World:
    return SCENES[name]().world


def true_video(scene: truth.Truth):
    """A video that shows the truth where there is one, and the photo elsewhere."""
    by_frame = {int(time) % LOOP_FRAMES: frames for time, frames in zip(scene.times, scene.frames_u8, strict=True)}
    covered = np.zeros(scene.size, bool)
    return lambda frame, camera: (by_frame.get(frame, scene.frames_u8[0])[camera], covered)


# --- the scenes -------------------------------------------------------------------------------------------------------


def test_drawing_again_gives_the_committed_scene(river):
    again = truth.draw(SCENES["river"](), 128, 72)
    assert np.abs(again.frames_u8.astype(int) - river.frames_u8).mean() < 0.05
    assert np.mean(again.moving != river.moving) < 0.001
    np.testing.assert_allclose(again.z_cam, river.z_cam, rtol=1e-3)
    truth.check_signature("river", again, truth.signature(river))


def test_a_changed_scene_is_noticed(river):
    darker = replace(river, photo_u8=(river.photo_u8 * 0.99).astype(np.uint8))
    with pytest.raises(ValueError, match=r"river: photo must agree .* got"):
        truth.check_signature("river", darker, truth.signature(river))


def test_every_scene_has_committed_signatures():
    expected = truth.read_signatures(run.SIGNATURES)
    assert list(expected) == list(SCENES)
    assert len(SCENES) >= 10


@pytest.mark.parametrize("name", SCENES)
def test_scene_is_complete(name):
    scene = world(name)
    now, later = shoot(scene, np.eye(3, 4), 96, 54, (0, 15))
    assert np.isfinite(now.z_cam).all() and now.z_cam.min() > 0
    assert 0.02 < now.moving.mean() < 0.9
    speed = np.hypot(*now.step_px[now.moving].T)
    assert np.isfinite(speed).all() and 0 < speed.mean() < 1
    assert not now.step_px[~now.moving].any()
    ends = np.floor(truth.draw_arrows(now.moving, now.step_px, truth.NUM_ARROWS)).astype(int).reshape(-1, 2)
    assert now.moving[ends[:, 1], ends[:, 0]].all()
    # Pixels beside the outline of something that moves, or with gaps of their own, are partly it.
    rest = cv2.dilate((now.moving | later.moving).astype(np.uint8), np.ones((3, 3))) == 0
    changed = np.abs(now.rgb - later.rgb).max(axis=-1)
    assert np.mean(changed[rest] > 0.03) < 0.01
    assert changed[~rest].mean() > 0.01


@pytest.mark.parametrize("name", ["waterfall", "clouds", "fence"])
def test_the_written_flow_is_what_moves(name):
    """The photo, read against the flow, is nearer to the truth a few frames later than the photo itself is."""
    time, (height, width) = 7, (180, 320)
    photo, later = shoot(world(name), np.eye(3, 4), width, height, (0, time))
    inner = cv2.erode(photo.moving.astype(np.uint8), np.ones((15, 15))) > 0
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    at = np.stack([xs, ys], -1)
    for _ in range(time):
        at = at - cv2.remap(photo.step_px, at[..., 0], at[..., 1], cv2.INTER_LINEAR)
    moved = cv2.remap(photo.rgb, at[..., 0], at[..., 1], cv2.INTER_CUBIC)
    assert np.abs(moved - later.rgb)[inner].mean() < 0.5 * np.abs(photo.rgb - later.rgb)[inner].mean()


@pytest.mark.parametrize("name", ["waterfall", "window"])
def test_the_depth_is_what_the_cameras_see(name):
    """What the photo shows lies, by its depth, where another camera sees the same colour."""
    height, width = 180, 320
    (photo,) = shoot(world(name), np.eye(3, 4), width, height, [0])
    pose = truth.camera_poses(photo.z_cam, width)[1]
    other = shoot(world(name), pose.astype(np.float64), width, height, [0])[0].rgb
    ys, xs = np.mgrid[:height, :width] + 0.5
    x, y = (xs - width / 2) / width * photo.z_cam, (ys - height / 2) / width * photo.z_cam
    seen = np.stack([x, y, photo.z_cam], -1) @ pose[:, :3].T + pose[:, 3]
    at = (seen[..., :2] / seen[..., 2:] * width + (width / 2 - 0.5, height / 2 - 0.5)).astype(np.float32)
    aligned = cv2.remap(other, at[..., 0], at[..., 1], cv2.INTER_LINEAR)
    assert np.median(np.abs(aligned - photo.rgb)) < 0.5 * np.median(np.abs(other - photo.rgb))


def test_a_stream_goes_back_where_it_came_from():
    field = flows.around([(0.0, 0.0, 0.5)], 0.1, 0.0)
    s, t = (a.astype(np.float64) for a in np.meshgrid(np.linspace(-2, 2, 9), np.linspace(0.6, 2, 5)))
    there = flows.Stream(field, step=1.0).origin(s, t, 12)
    back = flows.Stream(field, step=1.0).origin(*there, -12)
    np.testing.assert_allclose(back, (s, t), atol=1e-4)


def test_the_stream_around_a_stone_does_not_cross_it_and_keeps_its_volume():
    field = flows.around([(0.0, 0.0, 0.5)], 0.1, 0.02)
    angle = np.linspace(0, 2 * np.pi, 50)
    along, across = field(0.5 * np.cos(angle), 0.5 * np.sin(angle))
    np.testing.assert_allclose(along * np.cos(angle) + across * np.sin(angle), 0, atol=1e-12)
    h = 1e-4
    s, t = np.array([0.8, -1.0, 0.3]), np.array([0.1, 0.7, -0.9])
    divergence = (field(s + h, t)[0] - field(s - h, t)[0] + field(s, t + h)[1] - field(s, t - h)[1]) / (2 * h)
    np.testing.assert_allclose(divergence, 0, atol=1e-8)


def test_a_sway_rests_at_the_photo_and_closes():
    sway = flows.Sway(lambda s, t: 0.1 * np.clip(s, 0, 1), LOOP_FRAMES)
    s, t = np.linspace(0, 1, 11), np.zeros(11)
    for time in (0, LOOP_FRAMES):
        np.testing.assert_allclose(sway.origin(s, t, time)[0], s, atol=1e-12)
    assert np.abs(sway.origin(s, t, 15)[0] - s).max() > 0.05
    early = s - sway.origin(s, t, 0.01)[0]
    np.testing.assert_allclose(early / 0.01, sway.velocity(s, t)[0], atol=1e-4)


def test_textures_are_filtered_and_periodic():
    field = textures.noise(3, size=256)
    assert abs(field.mean()) < 1e-4 and abs(field.std() - 1) < 1e-4
    texture = textures.Texture(field, 2.0)
    s, t = (a.astype(np.float32) for a in np.meshgrid(np.linspace(0, 2, 64), np.linspace(0, 2, 64)))
    fine, coarse = (texture(s, t, np.full_like(s, w)) for w in (0.005, 1.0))
    assert coarse.std() < 0.3 * fine.std()
    np.testing.assert_allclose(texture(s + 2, t - 4, np.full_like(s, 0.01)), texture(s, t, np.full_like(s, 0.01)), atol=0.1)


# --- the metrics ------------------------------------------------------------------------------------------------------


def test_the_truth_itself_scores_best(river):
    numbers, worst = metrics.measure(river, true_video(river))
    assert numbers["psnr"] == numbers["still_psnr"] == numbers["frozen_psnr"] == pytest.approx(78.13, abs=0.01)
    assert numbers["ssim"] == pytest.approx(1)
    assert numbers["uncovered"] == 0
    np.testing.assert_array_equal(worst.made, worst.true)


def test_psnr_is_of_the_region():
    a = np.zeros((8, 8, 3), np.uint8)
    b = a.copy()
    b[:4] = 51
    upper = np.zeros((8, 8), bool)
    upper[:4] = True
    assert metrics.psnr(a, b, upper) == pytest.approx(-20 * np.log10(0.2), abs=1e-6)
    assert metrics.psnr(a, b) == pytest.approx(-20 * np.log10(0.2) + 10 * np.log10(2), abs=1e-6)
    assert metrics.psnr(a, b, ~upper) > 70


def test_a_loop_that_jumps_has_a_seam(river):
    covered = np.zeros(river.size, bool)

    def rolling(shift):
        return lambda frame, camera: (np.roll(river.photo_u8, shift(frame), axis=1), covered)

    steady = metrics.measure_loop(rolling(lambda n: 2 * min(n, LOOP_FRAMES - n)), river)
    jumping = metrics.measure_loop(rolling(lambda n: 2 * n), river)
    standing = metrics.measure_loop(rolling(lambda n: 0), river)
    assert 1 <= steady["seam"] < 1.3 < jumping["seam"]
    assert standing["seam"] == metrics.WORST_SEAM
    assert jumping["seam_ssim"] < steady["seam_ssim"] < standing["seam_ssim"] == pytest.approx(1)
    assert standing["alive"] < 0.05 and steady["alive"] > 0.3


def test_a_step_that_is_too_small_is_a_seam_too():
    steps = dict.fromkeys((*metrics.SEAM_STEPS, *metrics.OTHER_STEPS), 4.0)
    assert metrics._seam(steps, 4.0) == 1
    assert metrics._seam({**steps, 0: 5.0}, 4.0) == 1.25
    assert metrics._seam({**steps, LOOP_FRAMES - 1: 2.0}, 4.0) == 2
    assert metrics._seam(dict.fromkeys(steps, 0.5), 4.0) == 2, "an eighth of the true motion does not pass for a quiet seam"


def test_a_loop_that_blurs_swings_in_sharpness(river):
    covered = np.zeros(river.size, bool)
    blurred = cv2.GaussianBlur(river.photo_u8, (0, 0), 1.5)
    pulse = metrics.measure_loop(lambda n, c: (blurred if n == 30 else river.photo_u8, covered), river)
    assert pulse["sharp_min"] < 0.5 and pulse["sharp_swing"] > 0.5


def test_the_warping_error_follows_the_flow():
    rng = np.random.default_rng(0)
    first = cv2.GaussianBlur(rng.integers(0, 256, (40, 60, 3)).astype(np.uint8), (0, 0), 1.0)
    step = np.broadcast_to(np.float32([3, 0]), (40, 60, 2))
    where = np.ones((40, 60), bool)
    assert metrics.warping_error(first, np.roll(first, 3, axis=1), step, where) == 0
    assert metrics.warping_error(first, first, step, where) > 5


# --- the methods ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", run.METHODS)
def test_every_method_makes_frames(river, method):
    video = run.make_video(method, methods.given_truth(river), river)
    for frame, camera in ((0, 0), (15, 1)):
        picture, uncovered = video(frame, camera)
        assert picture.shape == river.photo_u8.shape and picture.dtype == np.uint8
        assert uncovered.shape == river.size and uncovered.dtype == bool
    assert metrics.psnr(video(0, 0)[0], river.photo_u8) > 20


def test_ours_leads_the_naive_point_cloud(river):
    given = methods.given_truth(river)
    mine, _ = metrics.measure(river, methods.ours(given))
    naive, _ = metrics.measure(river, baselines.BASELINES["naive point cloud"](given))
    assert mine["psnr"] > naive["psnr"] + 1 and mine["ssim"] > naive["ssim"] and mine["seam"] < naive["seam"]
    assert mine["uncovered"] == 0


def test_ablations_lack_what_they_should(river):
    given = methods.given_truth(river)
    whole, bare = (make(given)(0, 1)[1].mean() for make in (methods.ours, methods.without_inpainting))
    assert whole == 0 and bare > 0
    forward, both = methods.forward_only(given), methods.ours(given, blend="linear")
    last = [metrics.psnr(video(LOOP_FRAMES - 1, 0)[0], video(0, 0)[0]) for video in (forward, both)]
    assert last[0] < last[1] - 3


def test_what_sways_is_given_as_a_swing_that_ends_where_it_began(river):
    """The committed scene's flow, taken for the velocity of a swing."""
    swinging = methods.given_truth(river, sways=True)
    field = swinging.harmonics
    rate = 2 * np.pi / LOOP_FRAMES * sum(k * sine.numpy() for k, sine in enumerate(field.sine_px, start=1))
    inner = cv2.erode(river.moving.astype(np.uint8), np.ones((5, 5))) > 0
    asked, given = (np.linalg.norm(steps[inner], axis=-1).mean() for steps in (river.step_px, rate))
    assert 0.4 * asked < given < 1.1 * asked, "smoothed, not held still"
    video = methods.ours(swinging)
    quarter, whole = (metrics.psnr(video(n, 0)[0], river.photo_u8, river.moving) for n in (LOOP_FRAMES // 4, 0))
    assert whole > 35 and quarter < whole - 8
    assert np.array_equal(video(LOOP_FRAMES, 0)[0], video(0, 0)[0])
    assert methods.sway_from_arrows(river).sine_px.abs().max() > 0


def test_built_in_depth_is_fitted_to_the_truth(river):
    fitted = 1 / methods.builtin_depth(river).z_cam.numpy()
    true = 1 / river.z_cam
    assert fitted.min() >= true.min() * 0.999 and fitted.max() <= true.max() * 1.001
    assert np.corrcoef(fitted.ravel(), true.ravel())[0, 1] > 0.5


def test_the_report_is_written(river, tmp_path):
    numbers, worst = metrics.measure(river, true_video(river))
    results = {"ours": {"river": numbers}, "none": {"river": numbers}}
    swinging = {key: value for key, value in numbers.items() if key != "seam"}
    apart = report.means({"ours": {"flag": swinging, "river": numbers}})
    assert apart[1][apart[0].index("seam")] == report.COLUMNS[9][2].format(numbers["seam"])
    assert report.per_scene({"ours": {"river": numbers, "flag": swinging}}, "ours")[2][apart[0].index("seam")] == "-"
    table = report.means(results)
    assert table[0][:2] == ["mean over scenes", "PSNR dB"] and [row[0] for row in table[1:]] == ["ours", "none"]
    assert report.as_markdown(table).count("\n") == 3
    assert not report.has_lpips(results) and report.has_lpips({"ours": {"river": numbers | {"lpips": 0.0}}})
    report.write_page(tmp_path / "page.html", "title", table, [report.Shown("river", worst)])
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 3 and "river" in page


def test_arrows_need_room():
    with pytest.raises(ValueError, match="draw_arrows: expected a moving region"):
        truth.draw_arrows(np.zeros((8, 8), bool), np.zeros((8, 8, 2), np.float32), 1)


def test_the_command_line_draws_and_measures(river, tmp_path, monkeypatch, capsys):
    data = tmp_path / "data"
    data.mkdir()
    river.save(data / "river.npz")
    signatures = tmp_path / "signatures.json"
    monkeypatch.setattr(run, "DATA", data)
    monkeypatch.setattr(run, "SIGNATURES", signatures)
    monkeypatch.setattr(run, "STEREO", tmp_path / "none")
    threads = torch.get_num_threads()
    monkeypatch.setattr(sys, "argv", ["quality", "data", "--scenes", "river", "--write-signatures", "--threads", str(threads)])
    run.main()
    argv = [
        "quality",
        "run",
        "--scenes",
        "river",
        "--methods",
        "ours",
        "--out",
        str(tmp_path / "out"),
        "--threads",
        str(threads),
    ]
    monkeypatch.setattr(sys, "argv", argv)
    run.main()
    assert "PSNR dB" in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["quality.html", "quality.json", "quality.md"]
