"""Soft edges on a composite of known coverage: what is estimated, what stays on either side, and what a moved frame shows."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from c3drender import render
from c3drender.camera import max_shift_px, parallax_px
from c3drender.data import Camera, CameraPath, DepthMap, DepthSpan, FlowField, Image
from c3drender.files.scene import Scene
from c3drender.layers import build as layer_stage
from c3drender.layers.build import LayerConfig, build_layers
from c3drender.layers.matte import EdgeRules, find_matte

HEIGHT, WIDTH, SUPERSAMPLED = 96, 128, 8
NEAR, FAR = 1.0, 0.1  # disparities
RADIUS_PX, HAIR_PX, NUM_HAIRS = 24.3, 3.0, 9
CAMERA = Camera.for_photo(WIDTH, HEIGHT)
SHIFT_PX = 6.0  # of the nearer surface, from the middle to the side
RULES = EdgeRules(tear_disp=0.02, gap=1.05, band_px=3.0)


@dataclass(frozen=True)
class Composite:
    """A hairy red disc before a blue backdrop: ``rgb``, ``near``, ``far [H, W, 3]``, ``alpha [H, W]``."""

    rgb: np.ndarray
    near: np.ndarray
    far: np.ndarray
    alpha: np.ndarray

    @property
    def edge(self) -> np.ndarray:
        return cv2.dilate(((self.alpha > 0) & (self.alpha < 1)).astype(np.uint8), np.ones((5, 5))) > 0


def composite(side: float = 0.0) -> Composite:
    """``side``: the camera's place, 1 moves what is NEAR by SHIFT_PX to the right."""
    ys, xs = (np.mgrid[: HEIGHT * SUPERSAMPLED, : WIDTH * SUPERSAMPLED] + 0.5) / SUPERSAMPLED
    near_x, far_x = xs - side * SHIFT_PX, xs - side * SHIFT_PX * FAR / NEAR
    x, y = near_x - 63.7, ys - 48.2
    inside = np.hypot(x, y) < RADIUS_PX
    for turn in np.arange(NUM_HAIRS) * 2 * np.pi / NUM_HAIRS + 0.2:
        along, across = x * np.cos(turn) + y * np.sin(turn), x * np.sin(turn) - y * np.cos(turn)
        inside |= (along > 0) & (along < RADIUS_PX + HAIR_PX) & (np.abs(across) < 0.6)
    red, blue = 0.06 * np.sin(near_x / 2.1) * np.cos(ys / 2.7), 0.06 * np.cos(far_x / 2.3) * np.sin(ys / 1.9)
    near, far = (np.stack([c + v for c in base], -1) for base, v in (((0.8, 0.2, 0.15), red), ((0.12, 0.3, 0.8), blue)))
    mixed = np.where(inside[..., None], near, far)
    return Composite(
        *(_pixel_means(plane).astype(np.float32) for plane in (mixed, near, far, inside[..., None])[:3]),
        _pixel_means(inside[..., None])[..., 0].astype(np.float32),
    )


def _pixel_means(fine: np.ndarray) -> np.ndarray:
    return fine.reshape(HEIGHT, SUPERSAMPLED, WIDTH, SUPERSAMPLED, -1).mean((1, 3))


def depth_of(shown: Composite, off_px: int = 0) -> np.ndarray:
    """A hard disparity map whose edge lies ``off_px`` beside the picture's."""
    return np.where(np.roll(shown.alpha > 0.5, off_px, axis=1), np.float32(NEAR), np.float32(FAR))


@pytest.mark.parametrize("off_px", [0, 1, -2])
def test_coverage_and_colours_of_both_sides(off_px: int) -> None:
    shown = composite()
    everywhere = np.ones(shown.alpha.shape, bool)
    disp = depth_of(shown, off_px)
    matte = find_matte(shown.rgb, disp, everywhere, everywhere, RULES)
    alpha = (disp == NEAR).astype(np.float32)
    hard = np.abs(alpha - shown.alpha)[shown.edge].mean()
    alpha.reshape(-1)[matte.pixel] = matte.alpha
    assert np.abs(alpha - shown.alpha)[shown.edge].mean() < min(0.03, 0.5 * hard)
    # No fringe: what lies behind has none of the red, what lies in front none of the blue.
    assert matte.far_rgb[:, 0].max() < shown.far[..., 0].max() + 0.05
    assert matte.near_rgb[matte.alpha > 0.3, 2].max() < shown.near[..., 2].max() + 0.1
    whole = matte.alpha[:, None] * matte.near_rgb + (1 - matte.alpha[:, None]) * matte.far_rgb
    np.testing.assert_allclose(whole, shown.rgb.reshape(-1, 3)[matte.pixel], atol=0.02)


def test_strands_beyond_the_edge_do_not_stay_on_a_calm_backdrop() -> None:
    edge, beyond_px, backdrop = WIDTH // 2, 2, np.float32((0.8, 0.85, 0.9))
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    hair = np.where((3 * x + y // 3) % 5 < 2, np.float32(0.55), np.float32(0.05))[..., None]
    rgb = np.where((x < edge + beyond_px)[..., None], hair, backdrop)
    everywhere = np.ones((HEIGHT, WIDTH), bool)
    matte = find_matte(rgb, np.where(x < edge, np.float32(NEAR), np.float32(FAR)), everywhere, everywhere, RULES)
    strands = (matte.pixel % WIDTH >= edge) & (matte.pixel % WIDTH < edge + beyond_px)
    assert strands.sum() == beyond_px * HEIGHT
    assert matte.alpha[strands].min() > 0.4
    assert np.abs(matte.far_rgb[strands] - backdrop).max() < 0.05


def test_no_edge_no_matte() -> None:
    shown = composite()
    everywhere = np.ones(shown.alpha.shape, bool)
    flat = np.full(shown.alpha.shape, FAR, np.float32)
    assert len(find_matte(shown.rgb, flat, everywhere, everywhere, RULES).pixel) == 0
    nothing_solid = find_matte(shown.rgb, depth_of(shown), ~everywhere, everywhere, RULES)
    assert len(nothing_solid.pixel) == 0


def test_colours_that_cannot_be_told_apart_stay_hard() -> None:
    shown = composite()
    everywhere = np.ones(shown.alpha.shape, bool)
    grey = np.full_like(shown.rgb, 0.4)
    assert len(find_matte(grey, depth_of(shown), everywhere, everywhere, RULES).pixel) == 0


def pose_at(side: float) -> torch.Tensor:
    pose = torch.eye(3, 4)
    pose[0, 3] = side * SHIFT_PX / (CAMERA.fx * NEAR)
    return pose


def scene_of(shown: Composite) -> Scene:
    views = CameraPath(torch.stack([pose_at(side) for side in (-1.0, 0.0, 1.0)]))
    config = LayerConfig(
        views, parallax_px(CAMERA, views, NEAR, FAR), int(max_shift_px(CAMERA, views, NEAR)) + 2, loop_steps=8
    )
    depth = DepthMap(torch.from_numpy(1 / depth_of(shown)), measured=True)
    still = FlowField(torch.zeros(HEIGHT, WIDTH, 2), torch.zeros(HEIGHT, WIDTH, dtype=torch.bool))
    built = build_layers(Image(torch.from_numpy(shown.rgb)), depth, still, CAMERA, config)
    return Scene(CAMERA, built, DepthSpan(NEAR, FAR, FAR))


def frame_of(scene: Scene, side: float) -> np.ndarray:
    return render.render_frame(render.animate(scene, 1), pose_at(side), 0).rgb_u8.numpy() / 255.0


def error_db(frame: np.ndarray, truth: Composite) -> float:
    return peak_signal_noise_ratio(truth.rgb[truth.edge], frame[truth.edge], data_range=1.0)


def test_frames_of_soft_edges() -> None:
    shown = composite()
    scene = scene_of(shown)
    assert (scene.layers.alpha < 1).sum() > 100
    assert error_db(frame_of(scene, 0.0), shown) >= 40
    for side in (-1.0, 1.0):
        frame, truth = frame_of(scene, side), composite(side)
        assert error_db(frame, truth) >= 36
        beyond = truth.alpha == 0
        assert frame[beyond][:, 0].max() < truth.far[..., 0].max() + 0.06


def test_hard_edges_leave_a_fringe(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the two tests above measure is the matte's doing."""
    shown = composite()
    soft = scene_of(shown)
    nothing = find_matte(shown.rgb, np.full((HEIGHT, WIDTH), FAR, np.float32), *2 * (np.ones((HEIGHT, WIDTH), bool),), RULES)
    monkeypatch.setattr(layer_stage, "find_matte", lambda *_: nothing)
    hard = scene_of(shown)
    truth = composite(1.0)
    assert error_db(frame_of(soft, 1.0), truth) > error_db(frame_of(hard, 1.0), truth) + 3


@pytest.mark.parametrize(("inside_px", "blur_px"), [(2, 0.7), (0, 3.0)])
def test_an_estimate_leaves_no_outline_behind(inside_px: int, blur_px: float) -> None:
    """A disc before a backdrop, in focus or not, whose estimated edge lies ``inside_px`` inside its own: beside the moved disc
    there is backdrop alone, and its rim is as soft as it was."""
    height, width, radius_px, shift_px = 360, 480, 80, 12.0
    lens = Camera.for_photo(width, height)
    red, blue = np.float32((0.8, 0.25, 0.2)), np.float32((0.2, 0.35, 0.75))
    y, x = np.mgrid[:height, :width] + 0.5

    def shown(moved_px: float) -> np.ndarray:
        alpha = np.clip(radius_px + 0.5 - np.hypot(x - width / 2 - moved_px, y - height / 2), 0, 1).astype(np.float32)
        alpha = cv2.GaussianBlur(alpha, (0, 0), blur_px)[..., None]
        return alpha * red + (1 - alpha) * blue

    disc = np.hypot(x - width / 2, y - height / 2) < radius_px - inside_px
    z_cam = torch.from_numpy(np.where(disc, np.float32(1 / NEAR), np.float32(1 / FAR)))
    poses = torch.eye(3, 4).repeat(3, 1, 1)
    poses[:, 0, 3] = torch.tensor((-shift_px, 0, shift_px)) / (lens.fx * NEAR)
    views = CameraPath(poses)
    config = LayerConfig(views, parallax_px(lens, views, NEAR, FAR), int(max_shift_px(lens, views, NEAR)) + 2, loop_steps=8)
    still = FlowField(torch.zeros(height, width, 2), torch.zeros(height, width, dtype=torch.bool))
    built = build_layers(Image(torch.from_numpy(shown(0))), DepthMap(z_cam, measured=False), still, lens, config)
    animation = render.animate(Scene(lens, built, DepthSpan(NEAR, FAR, FAR)), 1)
    for pose, moved_px in zip(poses[::2], (-shift_px, shift_px), strict=True):
        frame = render.render_frame(animation, pose, 0).rgb_u8.numpy() / 255.0
        off = np.abs(frame - shown(moved_px)).max(axis=2)[20:-20, 20:-20]
        assert off.max() < 0.15, f"{off.max():.2f} at {np.unravel_index(off.argmax(), off.shape)}"
