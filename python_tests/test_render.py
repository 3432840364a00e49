"""From a scene to frames: the photo at rest, exact loops, no uncovered pixel, any order, the same bits every time."""

from functools import partial
from importlib.resources import files

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

import c3drender
from c3drender import pipeline, render
from c3drender.camera import PRESETS
from c3drender.files.photo import read_photo
from c3drender.files.resize import resize_photo
from c3drender.files.scene import Scene

EXAMPLE = files("c3drender") / "example"
NUM_FRAMES = 12
psnr = partial(peak_signal_noise_ratio, data_range=255)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return c3drender.prepare(
        str(EXAMPLE / "stream_cascade.jpg"),
        mask=str(EXAMPLE / "mask.png"),
        hints=str(EXAMPLE / "hints.json"),
        depth="builtin",
        size=448,
    )


@pytest.fixture(scope="module")
def photo_u8(scene: Scene) -> np.ndarray:
    photo = resize_photo(read_photo(str(EXAMPLE / "stream_cascade.jpg")), scene.camera.height, scene.camera.width)
    return (photo.rgb.numpy() * 255).round()


@pytest.fixture(scope="module")
def animation(scene: Scene) -> render.Animation:
    return render.animate(scene, NUM_FRAMES)


REST = torch.eye(3, 4)


def test_at_rest_the_first_frame_is_the_photo(animation, photo_u8) -> None:
    assert psnr(render.render_frame(animation, REST, 0).rgb_u8.numpy(), photo_u8) >= 40


def test_under_a_resting_camera_static_pixels_stay(animation, scene, photo_u8) -> None:
    static = ~scene.layers.of_photo(scene.layers.moving).numpy()
    for n in range(NUM_FRAMES):
        assert psnr(render.render_frame(animation, REST, n).rgb_u8.numpy()[static], photo_u8[static]) >= 45


def test_water_moves(animation, scene, photo_u8) -> None:
    moving = scene.layers.of_photo(scene.layers.moving).numpy()
    half = render.render_frame(animation, REST, NUM_FRAMES // 2).rgb_u8.numpy()
    assert np.abs(half - photo_u8)[moving].mean() > 3


def test_the_loop_closes_exactly(animation) -> None:
    for n in (0, 5):
        first, again = (render.render_frame(animation, REST, k).rgb_u8 for k in (n, n + NUM_FRAMES))
        assert torch.equal(first, again)


@pytest.mark.parametrize("preset", PRESETS)
def test_no_preset_uncovers_a_pixel(scene, animation, preset: str) -> None:
    path = pipeline.camera_path(scene, preset, NUM_FRAMES, amplitude=1.0)
    for frame in render.render_path(animation, path):
        assert not frame.uncovered.any()


def test_a_frame_depends_on_its_number_alone(scene, animation) -> None:
    in_order = [frame.rgb_u8 for frame in c3drender.render_frames(scene, camera="swing", frames=NUM_FRAMES)]
    path = pipeline.camera_path(scene, "swing", NUM_FRAMES)
    for n in (7, 2, 0):
        assert torch.equal(render.render_frame(animation, path.world_to_cam[n], n).rgb_u8, in_order[n])


def test_same_bits_for_any_thread_count(scene, for_thread_counts) -> None:
    def some_frames() -> torch.Tensor:
        animation = render.animate(scene, NUM_FRAMES)
        path = pipeline.camera_path(scene, "circle", NUM_FRAMES)
        return torch.stack([render.render_frame(animation, path.world_to_cam[n], n).rgb_u8 for n in (0, 5)])

    first, *others = for_thread_counts(some_frames)
    assert all(torch.equal(first, other) for other in others)


def test_by_default_the_motion_runs_twice_while_the_camera_goes_round(scene) -> None:
    still = list(c3drender.render_frames(scene, camera="still"))
    assert len(still) == 120
    assert all(torch.equal(still[n].rgb_u8, still[n + 60].rgb_u8) for n in (0, 7, 30, 59))
    path = c3drender.camera_path(scene, "swing", 120)
    swung = list(c3drender.render_frames(scene, camera="swing"))
    again = c3drender.animate(scene, frames=60).frame(75, path.world_to_cam[75])
    assert torch.equal(swung[75].rgb_u8, again.rgb_u8)


def test_a_path_and_the_motion_have_periods_of_a_whole_ratio(scene) -> None:
    path = pipeline.camera_path(scene, "swing", 6)
    frames = list(c3drender.render_frames(scene, camera=path, frames=3))
    assert len(frames) == 6 and not torch.equal(frames[0].rgb_u8, frames[4].rgb_u8)
    assert len(list(c3drender.render_frames(scene, camera=path, frames=NUM_FRAMES))) == 6
    with pytest.raises(ValueError, match="camera: expected 4 poses, one loop of the motion, or a whole ratio of that, got 6"):
        c3drender.render_frames(scene, camera=path, frames=4)


def test_speed_zero_is_a_photo_that_only_the_camera_moves(scene) -> None:
    frames = list(c3drender.render_frames(scene, camera="still", frames=3, speed=0.0))
    assert all((frame.rgb_u8.int() - frames[0].rgb_u8.int()).abs().max() <= 1 for frame in frames)


@pytest.mark.parametrize("blend", ["phase", "contrast"])
def test_blends_differ_in_contrast_only_where_water_moves(scene, blend) -> None:
    loops = (render.animate(scene, NUM_FRAMES, blend=name) for name in (blend, "linear"))
    kept, linear = (render.render_frame(loop, REST, NUM_FRAMES // 2).rgb_u8.numpy() for loop in loops)
    moving = scene.layers.of_photo(scene.layers.moving).numpy()
    assert kept[moving].std() > 1.02 * linear[moving].std()
    assert np.abs(kept.astype(int) - linear)[~moving].mean() < 0.2


def test_scene_survives_saving(scene, tmp_path) -> None:
    c3drender.save_scene(scene, tmp_path / "scene.c3d")
    loaded = c3drender.load_scene(tmp_path / "scene.c3d")
    one, other = (next(iter(c3drender.render_frames(s, camera="circle", frames=4))).rgb_u8 for s in (scene, loaded))
    assert torch.equal(one, other)
