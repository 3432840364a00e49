"""Camera paths: they close, they keep the focus, their parallax is what they say, and the paper's are the paper's."""

import numpy as np
import pytest
import torch

from c3drender.camera import PAPER_PRESETS, PARALLAX, PRESETS, envelope_path, make_camera_path
from c3drender.data import Camera

CAMERA = Camera.for_photo(640, 480)
SCALE = dict(disp_near=0.8, disp_far=0.1, disp_focus=0.3)


def project(pose: torch.Tensor, u: float, v: float, disp: float) -> np.ndarray:
    ray = torch.tensor([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, 1.0]) / disp
    seen = pose[:, :3] @ ray + pose[:, 3]
    return np.array([CAMERA.fx * seen[0] / seen[2] + CAMERA.cx, CAMERA.fy * seen[1] / seen[2] + CAMERA.cy])


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_close(preset: str) -> None:
    np.testing.assert_allclose(PRESETS[preset](0.0), PRESETS[preset](1.0), atol=1e-12)
    # Half as many frames are every second pose of the same path.
    fine = make_camera_path(CAMERA, preset, 24, **SCALE).world_to_cam
    torch.testing.assert_close(make_camera_path(CAMERA, preset, 12, **SCALE).world_to_cam, fine[::2])


@pytest.mark.parametrize("preset", PRESETS)
def test_poses_are_rigid_and_keep_the_focus(preset: str) -> None:
    for pose in make_camera_path(CAMERA, preset, 7, **SCALE).world_to_cam:
        torch.testing.assert_close(pose[:, :3] @ pose[:, :3].T, torch.eye(3), atol=1e-6, rtol=0)
        assert torch.linalg.det(pose[:, :3]) > 0
        np.testing.assert_allclose(project(pose, CAMERA.cx, CAMERA.cy, SCALE["disp_focus"]), [CAMERA.cx, CAMERA.cy], atol=1e-3)


@pytest.mark.parametrize("amplitude", [0.5, 1.0, 2.0])
def test_parallax_is_the_same_on_every_scene(amplitude: float) -> None:
    for scale in (SCALE, dict(disp_near=40.0, disp_far=2.0, disp_focus=9.0)):
        pose = make_camera_path(CAMERA, "swing", 4, **scale, amplitude=amplitude).world_to_cam[1]
        near, far = (project(pose, CAMERA.cx, CAMERA.cy, scale[k])[0] for k in ("disp_near", "disp_far"))
        assert abs(near - far) == pytest.approx(amplitude * PARALLAX * CAMERA.width, rel=0.05)


def test_still_is_the_identity() -> None:
    assert torch.equal(make_camera_path(CAMERA, "still", 3, **SCALE).world_to_cam, torch.eye(3, 4).expand(3, 3, 4))


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
    path = make_camera_path(CAMERA, preset, len(expected), disp_near=1.0, disp_far=0.1, disp_focus=0.3).world_to_cam
    np.testing.assert_allclose(path[:, :, 3].numpy(), expected, atol=1e-6)
    assert torch.equal(path[:, :, :3], torch.eye(3).expand(len(expected), 3, 3))
    assert preset in PAPER_PRESETS


def test_envelope_holds_every_turning_point() -> None:
    envelope = envelope_path(CAMERA, **SCALE, amplitude=1.0).world_to_cam
    for preset in PRESETS:
        for pose in make_camera_path(CAMERA, preset, 4, **SCALE).world_to_cam:
            assert (envelope - pose).abs().amax(dim=(1, 2)).min() < 1e-6


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"^camera: expected one of circle, .* got 'spiral'"):
        make_camera_path(CAMERA, "spiral", 5, **SCALE)
    with pytest.raises(ValueError, match=r"^frames: expected >= 1, got 0"):
        make_camera_path(CAMERA, "circle", 0, **SCALE)
