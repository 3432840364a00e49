"""What moves, in frames: no pulse, sway and ripple beside a flow, the zoom of a camera."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import cv2
import numpy as np
import pytest
import torch

import c3drender
from c3drender import render
from c3drender.data import Camera, CameraKeys, DepthSpan, Fluid, Layers, Ripple, Sway
from c3drender.files.scene import Scene

EXAMPLE = files("c3drender") / "example"
NUM_FRAMES = 20
SIZE = 448
REST = torch.eye(3, 4)


def shape(*points: tuple[int, int]) -> np.ndarray:
    """A polygon on the example photo, in its pixels."""
    return cv2.fillPoly(np.zeros((852, 1280), np.uint8), [np.array(points)], 255) > 0


POOL = shape((360, 768), (784, 768), (784, 852), (316, 852))
FERNS = shape((0, 567), (100, 550), (167, 700), (167, 800), (100, 852), (0, 852))


@pytest.fixture(scope="module")
def scene() -> Scene:
    water = cv2.imread(str(EXAMPLE / "mask.png"), 0) > 127
    parts = [Fluid(water & ~POOL, str(EXAMPLE / "hints.json")), Sway(FERNS), Ripple(water & POOL)]
    return c3drender.prepare(str(EXAMPLE / "stream_cascade.jpg"), motion=parts, depth="builtin", size=SIZE)


def rest_frames(scene: Scene, blend: render.BlendMode = "phase") -> list[np.ndarray]:
    animation = render.animate(scene, NUM_FRAMES, blend=blend)
    return [render.render_frame(animation, REST, n).rgb_u8.numpy() for n in range(NUM_FRAMES)]


@pytest.fixture(scope="module")
def frames(scene) -> list[np.ndarray]:
    return rest_frames(scene)


def inner(scene: Scene) -> tuple[slice, slice]:
    margin = scene.layers.margin_px
    return np.s_[margin : margin + scene.camera.height, margin : margin + scene.camera.width]


def sharpness(scene: Scene, frames: list[np.ndarray]) -> np.ndarray:
    """Root of the high-frequency energy in the flow, relative to the first frame's."""
    moving = scene.layers.of_photo(scene.layers.moving).numpy()
    lumas = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in frames]
    energy = np.array([np.square(luma - cv2.GaussianBlur(luma, (0, 0), 2))[moving].mean() for luma in lumas])
    return np.sqrt(energy / energy[0])


def test_no_pulse(scene, frames) -> None:
    kept, linear = sharpness(scene, frames), sharpness(scene, rest_frames(scene, "linear"))
    assert linear.min() < 0.8
    assert kept.min() > 0.93 and np.ptp(kept) < 0.09


def test_what_sways_and_ripples_moves_and_the_rest_stays(scene, frames) -> None:
    swings = np.abs(np.stack(frames).astype(int) - frames[0]).mean(axis=(0, 3))
    small = [cv2.resize(mask.astype(np.uint8), swings.shape[::-1], interpolation=cv2.INTER_AREA) > 0 for mask in (FERNS, POOL)]
    field = (scene.harmonics.sine_px.norm(dim=-1) + scene.harmonics.cosine_px.norm(dim=-1)).sum(dim=0).numpy()[inner(scene)]
    assert swings[small[0]].mean() > 2 and swings[small[1] & (field > 0)].mean() > 0.4
    still = (
        cv2.erode(((field == 0) & ~scene.layers.of_photo(scene.layers.moving).numpy()).astype(np.uint8), np.ones((9, 9))) > 0
    )
    assert swings[still].max() <= 3 and swings[still].mean() < 0.1


def test_harmonic_motion_closes_and_uncovers_nothing(scene) -> None:
    animation = render.animate(scene, NUM_FRAMES)
    for preset in ("circle", "dolly-zoom"):
        path = c3drender.camera_path(scene, preset, NUM_FRAMES)
        for n, frame in enumerate(render.render_path(animation, path)):
            assert not frame.uncovered.any(), (preset, n)
    first, again = (render.render_frame(animation, REST, n).rgb_u8 for n in (3, 3 + NUM_FRAMES))
    assert torch.equal(first, again)


def test_harmonic_motion_alone_needs_no_flow(scene) -> None:
    quiet = replace(scene.layers, moving=torch.zeros_like(scene.layers.moving), step_px=torch.zeros_like(scene.layers.step_px))
    frames = rest_frames(replace(scene, layers=quiet))
    assert np.abs(frames[5].astype(int) - frames[0]).max() > 20


def test_what_comes_out_of_a_border_leaves_no_gap_and_the_border_rests() -> None:
    """A channel that brightens along its flow: what comes out of its still end stays as smooth as the photo is."""
    photo = np.full((120, 320, 3), 60, np.uint8)
    photo[40:80, 40:280] = np.linspace(60, 250, 240).astype(np.uint8)[None, :, None]
    mask = photo[..., 0] > 0
    mask[:40], mask[80:], mask[:, :40], mask[:, 280:] = False, False, False, False
    scene = c3drender.prepare(photo, mask=mask, hints=[((150, 60), (190, 60))], depth=np.ones((120, 320)), camera="still")
    assert scene.layers.step_px.norm(dim=-1).max() > 0.7
    frames = rest_frames(scene)
    rows = np.stack([frame[60, 42:278, 0] for frame in frames]).astype(int)
    assert np.abs(np.diff(rows, axis=1)).max() <= 4
    border = np.stack([frame[[40, 79], 40:280] for frame in frames]).astype(int)
    assert np.abs(border - photo[[40, 79], 40:280]).max() <= 1


def behind_a_post(fringe: bool) -> tuple[Scene, np.ndarray]:
    """A textured fluid that flows to the right behind a post, of which a ``fringe`` lies on the fluid's first pixels."""
    noise = np.random.default_rng(2).normal(size=(160, 240))
    photo = np.repeat((128 + 300 * cv2.GaussianBlur(noise, (0, 0), 2))[..., None], 3, axis=-1).clip(0, 255).astype(np.uint8)
    post = np.zeros((160, 240), bool)
    post[:, 110:130] = True
    photo[post] = 20
    if fringe:
        photo[:, 130:132] = (255, 40, 40)
    depth, hints = np.where(post, 1.0, 1.3), [((20, 80), (60, 80))]
    return c3drender.prepare(photo, mask=~post, hints=hints, depth=depth, camera="still"), photo


def test_a_fluid_comes_out_from_behind_what_hides_it_though_the_camera_rests() -> None:
    scene, photo = behind_a_post(fringe=False)
    assert scene.layers.of_photo(scene.layers.moving, 1)[80, 112:128:15].all()
    changes = np.abs(np.stack(rest_frames(scene)).astype(int) - photo).mean(axis=(0, 1, 3))
    beside, away = changes[[106, 107, 108, 131, 132, 133]], changes[np.r_[40:90, 150:200]]
    assert beside.min() > 0.6 * away.mean()
    assert changes[112:128].max() < 1


def test_what_drifts_away_from_an_edge_loses_the_edge() -> None:
    scene, photo = behind_a_post(fringe=True)
    frames = np.stack(rest_frames(scene)).astype(int)
    assert np.abs(frames[0] - photo).mean() < 1
    redness = frames[..., 0] - frames[..., 1]
    assert redness[:, :, 137:200].max() < 40


def test_a_zoomed_frame_is_a_larger_picture(scene) -> None:
    still = replace(scene, harmonics=None)
    keys = CameraKeys((0.0, 0.5), ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), (1.0, 1.25))
    plain, zoomed = (frame.rgb_u8.numpy() for frame in c3drender.render_frames(still, camera=keys, frames=2, speed=0.0))
    height, width = plain.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), 0, 1.25)
    expected = cv2.warpAffine(plain, matrix, (width, height), flags=cv2.INTER_LINEAR)
    assert np.abs(zoomed.astype(int) - expected).mean() < 6 < np.abs(zoomed.astype(int) - plain).mean()


@pytest.mark.parametrize(("behind", "is_drawn"), [(1.05, False), (1.5, True)])
def test_another_surface_behind_a_fluid_is_drawn(behind: float, is_drawn: bool) -> None:
    """The same fluid a little farther would be there twice; what lies well behind is seen where the camera looks past it."""
    size = 40, 60
    near = torch.zeros(size, dtype=torch.bool)
    near[10:30, :30] = True  # a strip of fluid; behind it and beside it a fluid goes on
    exists = torch.stack([near, torch.ones(size, dtype=torch.bool)])
    z_cam = torch.stack([torch.ones(size), torch.full(size, behind)])
    step_px = torch.tensor([0.2, 0.0]).expand(2, *size, 2).contiguous()
    layers = Layers.from_planes(torch.rand(2, *size, 3), exists.float(), z_cam, exists, step_px, exists, 0)
    scene = Scene(Camera.for_photo(60, 40), layers, DepthSpan(1.0, 1 / behind, 1.0))
    animation = render.animate(scene, 6, blend="linear")
    # Away from the strip's border, whose fluid rests.
    hidden = layers.first[1] + 20 * size[1] + 15
    assert bool((animation.source == hidden).any()) == is_drawn
