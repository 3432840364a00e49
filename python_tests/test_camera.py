"""Camera paths: they close, they keep the focus, their parallax is what they say, and the paper's are the paper's."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from c3drender import defaults
from c3drender.camera import (
    MOST_SHIFT,
    PAPER_PRESETS,
    PARALLAX,
    PRESETS,
    asked_shift_px,
    envelope_path,
    make_camera_path,
    max_shift_px,
    parallax_px,
)
from c3drender.data import Camera, CameraKeys, CameraPath, DepthMap, DepthSpan, FlowField, Image
from c3drender.files.keys import read_camera_keys
from c3drender.files.scene import Scene
from c3drender.pipeline.amplitude import BORNE, LEAST_SHARE, amplitude_in, amplitude_of, borne_by
from c3drender.pipeline.prepare import build_scene, depth_span, within
from c3drender.pipeline.render import camera_path

CAMERA = Camera.for_photo(640, 480)
SPAN = DepthSpan(near=0.8, far=0.1, focus=0.3)


def project(pose: torch.Tensor, u: float, v: float, disp: float) -> np.ndarray:
    ray = torch.tensor([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, 1.0]) / disp
    seen = pose[:, :3] @ ray + pose[:, 3]
    return np.array([CAMERA.fx * seen[0] / seen[2] + CAMERA.cx, CAMERA.fy * seen[1] / seen[2] + CAMERA.cy])


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_close(preset: str) -> None:
    np.testing.assert_allclose(PRESETS[preset](0.0), PRESETS[preset](1.0), atol=1e-12)
    # Half as many frames are every second pose of the same path.
    fine = make_camera_path(CAMERA, preset, 24, SPAN).world_to_cam
    torch.testing.assert_close(make_camera_path(CAMERA, preset, 12, SPAN).world_to_cam, fine[::2])


DIAGONAL = np.sqrt(0.5)
# Where each preset is at loop_t = 0, 1/8, 1/4, 1/2 and 3/4: x right and y down in units of the parallax, z forward in pushes.
WAYS = {
    "circle": [(0, 0, 0), (DIAGONAL, 0.6 * (DIAGONAL - 1), 0), (1, -0.6, 0), (0, -1.2, 0), (-1, -0.6, 0)],
    "swing": [(0, 0, 0), (DIAGONAL, 0, 0), (1, 0, 0), (0, 0, 0), (-1, 0, 0)],
    "zoom": [(0, 0, 0), (0, 0, 1 - DIAGONAL), (0, 0, 1), (0, 0, 2), (0, 0, 1)],
    "dolly": [(0, 0, 0), (0.5 * DIAGONAL, 0, 0.75 * (1 - DIAGONAL)), (0.5, 0, 0.75), (0, 0, 1.5), (-0.5, 0, 0.75)],
    "rise": [(0, 0, 0), (0, -DIAGONAL, 0), (0, -1, 0), (0, 0, 0), (0, 1, 0)],
    "orbit": [(0, 0, 0), (DIAGONAL, 0.35, 0.5), (1, 0, 1), (0, 0, 0), (-1, 0, 1)],
    "still": [(0, 0, 0)] * 5,
    "dolly-zoom": [(0, 0, 0), (0, 0, 0.5 * DIAGONAL - 0.5), (0, 0, -0.5), (0, 0, -1), (0, 0, -0.5)],
}
TIMES = (0, 1 / 8, 1 / 4, 1 / 2, 3 / 4)


@pytest.mark.parametrize("preset", PRESETS)
def test_where_presets_go(preset: str) -> None:
    np.testing.assert_allclose([PRESETS[preset](t) for t in TIMES], WAYS[preset], atol=1e-12)


@pytest.mark.parametrize("preset", PRESETS)
def test_how_far_presets_go_in_the_scene(preset: str) -> None:
    path = make_camera_path(CAMERA, preset, 8, SPAN, amplitude=(1.0, 2.0, 0.5))
    poses = path.world_to_cam
    centres = -torch.einsum("fji,fj->fi", poses[:, :, :3], poses[:, :, 3])[[0, 1, 2, 4, 6]]
    side = 0.025 * 640 / 640 / (0.8 - 0.1)  # 2.5 % of the longer side, by the focal length and the disparities' difference
    push = 0.05 / 0.8  # 5 % of the nearest distance
    units = np.array([side, 2.0 * side, 0.5 * push])
    np.testing.assert_allclose(centres, np.array(WAYS[preset]) * units, atol=1e-6)
    # Only dolly-zoom changes the focal length: by what the focus, at disparity 0.3, is farther away.
    back = -np.array(WAYS[preset])[:, 2] * 0.5 * push
    expected = 1 + back * 0.3 if preset == "dolly-zoom" else np.ones(5)
    zoom = np.ones(8) if path.zoom is None else path.zoom.numpy()
    np.testing.assert_allclose(zoom[[0, 1, 2, 4, 6]], expected, atol=1e-6)


def test_parallax_is_the_shift_of_near_against_far_per_disparity() -> None:
    swing = make_camera_path(CAMERA, "swing", 4, SPAN)
    assert parallax_px(CAMERA, swing, 0.8, 0.1) == pytest.approx(PARALLAX * 640 / 0.7, rel=0.1)
    # A step aside without a turn shifts what is at a disparity by it times focal length and step: the difference of two.
    aside = CameraPath(torch.eye(3, 4)[None].clone())
    aside.world_to_cam[0, 0, 3] = 0.05
    assert parallax_px(CAMERA, aside, 0.8, 0.3) == pytest.approx(640 * 0.05, rel=1e-4)
    assert max_shift_px(CAMERA, aside, 0.8) == pytest.approx(640 * 0.05 * 0.8, rel=1e-4)


@pytest.mark.parametrize("preset", PRESETS)
def test_poses_are_rigid_and_keep_the_focus(preset: str) -> None:
    for pose in make_camera_path(CAMERA, preset, 7, SPAN).world_to_cam:
        torch.testing.assert_close(pose[:, :3] @ pose[:, :3].T, torch.eye(3), atol=1e-6, rtol=0)
        assert torch.linalg.det(pose[:, :3]) > 0
        np.testing.assert_allclose(project(pose, CAMERA.cx, CAMERA.cy, SPAN.focus), [CAMERA.cx, CAMERA.cy], atol=1e-3)


@pytest.mark.parametrize("amplitude", [0.5, 1.0, 2.0])
def test_parallax_is_the_same_on_every_scene(amplitude: float) -> None:
    for span in (SPAN, DepthSpan(near=40.0, far=2.0, focus=9.0)):
        pose = make_camera_path(CAMERA, "swing", 4, span, amplitude=amplitude).world_to_cam[1]
        near, far = (project(pose, CAMERA.cx, CAMERA.cy, disp)[0] for disp in (span.near, span.far))
        assert abs(near - far) == pytest.approx(amplitude * PARALLAX * CAMERA.width, rel=0.05)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_first_view_is_the_photos(preset: str) -> None:
    path = make_camera_path(CAMERA, preset, 9, SPAN)
    torch.testing.assert_close(path.world_to_cam[0], torch.eye(3, 4), atol=1e-7, rtol=0)
    assert path.zoom is None or path.zoom[0] == 1


def odd_disparities(seed: int) -> dict[str, np.ndarray]:
    """Depth as it comes: flat, shallow, one speck, nearly all sky, steep, steps, noise; disparities ``[48, 64]``."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:48, 0:64] / 48
    speck = np.full((48, 64), 0.2)
    speck[20, 30] = rng.uniform(1, 50)
    hole = np.ones((48, 64))
    hole[5, 5] = 1e-9
    sky = np.full((48, 64), 1e-6)
    sky[-1, :] = rng.uniform(0.1, 5)
    steps = np.where(x > 0.6, rng.uniform(1, 3), rng.uniform(0.01, 0.5))
    return {
        "flat": np.full((48, 64), rng.uniform(0.01, 9)),
        "shallow": 1 / (140 + 0.2 * y),
        "relief of a tenth": 1 / (1 + 0.1 * y),
        "speck": speck,
        "hole": hole,
        "sky": sky,
        "steep": np.exp(rng.uniform(3, 9) * (y - 1)),
        "steps": steps,
        "noise": np.exp(rng.normal(0, rng.uniform(0.1, 2), (48, 64))),
    }


def shifts_px(camera: Camera, path: CameraPath, disp: np.ndarray) -> np.ndarray:
    """By how much each pixel of the picture moves in each view, by the definition of a projection: ``[F, H, W]``."""
    height, width = disp.shape
    y, x = np.mgrid[0:height, 0:width] + 0.5
    rays = np.stack([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, np.ones_like(x)], axis=-1)
    zooms = np.ones(len(path)) if path.zoom is None else path.zoom.numpy()
    moved = []
    for pose, zoom in zip(path.world_to_cam.double().numpy(), zooms, strict=True):
        seen = (rays / disp[..., None]) @ pose[:, :3].T + pose[:, 3]
        assert (seen[..., 2] > 0).all(), "content gets behind the camera"
        at = [zoom * f * seen[..., k] / seen[..., 2] + c for k, f, c in ((0, camera.fx, camera.cx), (1, camera.fy, camera.cy))]
        moved.append(np.hypot(at[0] - x, at[1] - y))
    return np.array(moved)


@pytest.mark.parametrize("amplitude", [1.0, 0.3])
@pytest.mark.parametrize("preset", PRESETS)
def test_the_camera_never_runs_away(preset: str, amplitude: float) -> None:
    camera = Camera.for_photo(64, 48)
    most = 0.0
    for seed in range(3):
        for name, disp in odd_disparities(seed).items():
            depth = DepthMap(torch.from_numpy(1 / disp).float())
            span = depth_span(depth)
            pulled_in = 1 / within(depth, span).z_cam.double().numpy()
            path = make_camera_path(camera, preset, 12, span, amplitude=amplitude)
            positions = amplitude * torch.tensor([PRESETS[preset](n / 12) for n in range(12)], dtype=torch.float64)
            moved = shifts_px(camera, path, pulled_in)
            assert moved.max() <= MOST_SHIFT * asked_shift_px(camera, positions) + 1e-3, name
            cosines = (np.trace(path.world_to_cam[:, :, :3].double().numpy(), axis1=1, axis2=2) - 1) / 2
            assert math.degrees(math.acos(min(1.0, cosines.min()))) <= 12.01, name
            if name in ("steps", "steep", "sky"):
                most = max(most, moved.max())
    # A bound that stops every camera would hold as well.
    assert preset == "still" or most > 0.3 * PARALLAX * 64 * amplitude


def test_the_camera_keeps_a_subject_before_the_sky() -> None:
    disp = torch.full((48, 64), 1e-4)
    disp[20:, 24:40] = 1.0  # a third of the width, less than half of the picture
    span = depth_span(DepthMap(1 / disp))
    assert span.focus == pytest.approx(1.0)
    camera = Camera.for_photo(64, 48)
    moved = shifts_px(camera, make_camera_path(camera, "swing", 4, span), disp.numpy())[:, 24, 32]
    assert moved.max() < 0.1
    assert depth_span(DepthMap(1 / disp), focus_px=(5.0, 5.0)).focus == pytest.approx(1e-4)


def test_still_is_the_identity() -> None:
    assert torch.equal(make_camera_path(CAMERA, "still", 3, SPAN).world_to_cam, torch.eye(3, 4).expand(3, 3, 4))


@pytest.mark.parametrize(
    ("preset", "fixture"),
    [
        ("paper-up-down", "demo_up_down"),
        ("paper-zoom-in", "demo_zoom_in"),
        ("paper-side", "demo_side"),
        ("paper-circle", "demo_circle"),
    ],
)
def test_paper_paths_match_the_released_ones(preset: str, fixture: str, golden) -> None:
    expected = golden("camera_paths")[fixture]
    path = make_camera_path(CAMERA, preset, len(expected), DepthSpan(1.0, 0.1, 0.3)).world_to_cam
    np.testing.assert_allclose(path[:, :, 3].numpy(), expected, atol=1e-6)
    assert torch.equal(path[:, :, :3], torch.eye(3).expand(len(expected), 3, 3))
    assert preset in PAPER_PRESETS


def test_envelope_holds_every_turning_point() -> None:
    envelope = envelope_path(CAMERA, SPAN, amplitude=1.0).world_to_cam
    for preset in PRESETS:
        for pose in make_camera_path(CAMERA, preset, 4, SPAN).world_to_cam:
            assert (envelope - pose).abs().amax(dim=(1, 2)).min() < 1e-6


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"^camera: expected one of circle, .* got 'spiral'"):
        make_camera_path(CAMERA, "spiral", 5, SPAN)
    with pytest.raises(ValueError, match=r"^frames: expected >= 1, got 0"):
        make_camera_path(CAMERA, "circle", 0, SPAN)


def test_an_off_centre_focus_stays_in_place() -> None:
    u, v = 520.0, 130.0
    for preset in ("circle", "dolly", "rise"):
        for pose in make_camera_path(CAMERA, preset, 7, replace(SPAN, focus_px=(u, v))).world_to_cam:
            torch.testing.assert_close(pose[:, :3] @ pose[:, :3].T, torch.eye(3), atol=1e-6, rtol=0)
            np.testing.assert_allclose(project(pose, u, v, SPAN.focus), [u, v], atol=1e-3)
    plain = make_camera_path(CAMERA, "circle", 7, SPAN).world_to_cam
    middle = make_camera_path(CAMERA, "circle", 7, replace(SPAN, focus_px=(CAMERA.cx, CAMERA.cy))).world_to_cam
    assert torch.equal(plain, middle)


def test_amplitude_per_axis() -> None:
    def centres(amplitude) -> torch.Tensor:
        poses = make_camera_path(CAMERA, "orbit", 9, SPAN, amplitude=amplitude).world_to_cam
        return -torch.einsum("fji,fj->fi", poses[:, :, :3], poses[:, :, 3])

    scaled = centres(1.0) * torch.tensor([2.0, 0.5, 0.0])
    torch.testing.assert_close(centres((2.0, 0.5, 0.0)), scaled, atol=1e-6, rtol=1e-4)


def test_ease_stops_at_the_seam_and_keeps_the_way() -> None:
    def steps(ease: float) -> np.ndarray:
        poses = make_camera_path(CAMERA, "circle", 60, SPAN, ease=ease).world_to_cam
        return np.array([float((poses[n] - poses[n - 1]).norm()) for n in range(60)])

    even, eased = steps(0.0), steps(1.0)
    assert even.max() < 1.8 * even.min()
    assert eased[:2].max() < 0.1 * even.mean() and eased[29:31].min() > 1.5 * even[29:31].max()
    assert eased.sum() == pytest.approx(even.sum(), rel=0.01)


def test_dolly_zoom_keeps_the_focus_size_and_grows_the_background() -> None:
    path = make_camera_path(CAMERA, "dolly-zoom", 12, SPAN)
    assert path.zoom is not None and path.zoom[0] == 1 and path.zoom.max() > 1.002
    half = CAMERA.with_pose(path.world_to_cam[6]).zoomed(float(path.zoom[6]))

    def spread(disp: float) -> float:
        x, z = 0.1 / disp, 1 / disp + float(half.world_to_cam[2, 3])
        return half.fx * x / z / (0.1 * CAMERA.fx)

    assert spread(SPAN.focus) == pytest.approx(1.0, abs=1e-5)
    assert spread(SPAN.far) > 1.002 and spread(SPAN.near) < 0.99


KEYS = CameraKeys((0.0, 0.25, 0.6), ((1.0, 0.0, 0.0), (0.0, 1.0, 0.5), (-1.0, 0.0, 0.0)), (1.0, 1.2, 1.0))


def test_key_frames_are_met_and_joined_smoothly() -> None:
    path = make_camera_path(CAMERA, KEYS, 100, SPAN)
    swing = make_camera_path(CAMERA, "swing", 4, SPAN).world_to_cam
    torch.testing.assert_close(path.world_to_cam[0], swing[1])
    torch.testing.assert_close(path.world_to_cam[60], swing[3])
    assert path.zoom[25] == pytest.approx(1.2, abs=1e-5) and path.zoom.min() >= 1
    around = torch.cat([path.world_to_cam, path.world_to_cam[:2]])
    bend = (around[2:] - 2 * around[1:-1] + around[:-2]).flatten(1).norm(dim=1)
    assert bend.max() < 20 * bend.median(), "no kink, the seam included"


def test_an_open_path_ends_where_its_last_key_is() -> None:
    keys = CameraKeys((0.0, 1.0), ((-1.0, 0.0, 0.0), (1.0, 0.0, 0.0)), (1.0, 1.0), closed=False)
    path = make_camera_path(CAMERA, keys, 11, SPAN)
    swing = make_camera_path(CAMERA, "swing", 4, SPAN).world_to_cam
    torch.testing.assert_close(path.world_to_cam[0], swing[3])
    torch.testing.assert_close(path.world_to_cam[10], swing[1])
    assert path.zoom is None


def test_key_frames_from_a_file(tmp_path) -> None:
    file = tmp_path / "path.json"
    file.write_text(json.dumps([{"t": 0, "x": 1}, {"t": 0.25, "y": 1, "z": 0.5, "zoom": 1.2}, {"t": 0.6, "x": -1}]))
    assert read_camera_keys(file) == KEYS
    file.write_text(json.dumps({"closed": False, "keys": [{"x": -1}, {}, {"x": 1}]}))
    assert read_camera_keys(file).loop_t == (0.0, 0.5, 1.0) and not read_camera_keys(file).closed


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[]",
        '[{"x": 0}]',
        '[{"x": 0}, {"q": 1}]',
        '[{"x": "a"}, {}]',
        '[{"t": 0}, {"t": 1}]',
        '[{"zoom": 0.5}, {}]',
        "no",
    ],
)
def test_bad_key_frames_get_one_line(tmp_path, content: str) -> None:
    file = tmp_path / "path.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"^camera: expected key frames") as error:
        read_camera_keys(file)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("bad", [-1.0, float("nan"), True, (1.0, 2.0), (1.0, "a", 2.0)])
def test_bad_amplitude(bad) -> None:
    with pytest.raises(ValueError, match=r"^amplitude: expected a finite number"):
        make_camera_path(CAMERA, "circle", 5, SPAN, amplitude=bad)


def test_bad_ease() -> None:
    with pytest.raises(ValueError, match=r"^ease: expected a number in 0..1, got 2"):
        make_camera_path(CAMERA, "circle", 5, SPAN, ease=2)


def test_where_nobody_says_a_preset_goes_as_far_as_an_estimate_bears_and_other_paths_as_they_are() -> None:
    keys = CameraKeys(loop_t=(0.0, 0.5), position=((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)), zoom=(1.0, 1.0))
    path = make_camera_path(CAMERA, "swing", 8, SPAN)
    assert all(amplitude_of(preset, None) == defaults.AMPLITUDE < 1 for preset in (None, *PRESETS))
    assert all(amplitude_of(camera, None) == 1 for camera in (*PAPER_PRESETS, "way.json", Path("way.json"), keys, path))
    assert all(amplitude_of(camera, 1.0) == 1 for camera in (None, *PRESETS, keys))
    assert amplitude_of("swing", (1.0, 0.0, 2.0)) == (1.0, 0.0, 2.0)


def scene_of(disp: torch.Tensor) -> Scene:
    image = Image(torch.full((*disp.shape, 3), 0.5))
    still = FlowField(torch.zeros(*disp.shape, 2), torch.zeros(disp.shape, dtype=torch.bool))
    return build_scene(image, DepthMap(1.0 / disp), still, "swing", 0.6, ())


def test_a_preset_goes_less_far_by_itself_the_longer_the_outlines_are() -> None:
    rows, cols = torch.arange(240)[:, None].expand(240, 320), torch.arange(320).expand(240, 320)

    def posts(*which: int) -> Scene:
        return scene_of(torch.where(torch.isin(cols // 20, torch.tensor(which)), 0.8, 0.2))

    slope, wall, fence = scene_of(0.2 + 0.6 * rows / 240), posts(0), posts(*range(1, 16, 2))
    assert borne_by(slope) == borne_by(wall) == 1
    assert borne_by(fence) == LEAST_SHARE < 1
    # Every outline is 240 px long, three quarters of the longer side.
    assert borne_by(posts(1, 3)) == pytest.approx(math.sqrt(BORNE / (4 * 0.75)), rel=1e-6)
    for scene in (slope, fence):
        own = defaults.AMPLITUDE * borne_by(scene)
        assert amplitude_in(scene, "swing", None) == own
        torch.testing.assert_close(
            camera_path(scene, "swing", 8).world_to_cam, camera_path(scene, "swing", 8, own).world_to_cam
        )
    # What somebody asks for is what they get.
    assert amplitude_in(fence, "swing", 0.6) == 0.6
    assert amplitude_in(fence, "paper-side", None) == 1
    assert not slope.notes
    assert fence.notes == ("camera: the depth has many outlines: by itself a preset goes 0.30 far (amplitude moves it more)",)


def test_outlines_are_as_long_whatever_the_size() -> None:
    cols = torch.arange(320).expand(240, 320)
    small = torch.where(torch.isin(cols // 40, torch.tensor([1, 3, 5])), 0.8, 0.2)
    large = small.repeat_interleave(5, 0).repeat_interleave(5, 1)
    assert borne_by(scene_of(large)) == pytest.approx(borne_by(scene_of(small)), rel=1e-6)
    assert borne_by(scene_of(small)) < 1
