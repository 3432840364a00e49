"""A frame as a CUDA graph captures it: a function of its numbers alone, with the bits of the frames that are drawn launch by
launch. That it asks the host for nothing, `test_crossings` counts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

import c3drender as c3d
from c3drender import camera as cameras
from c3drender import render
from c3drender.data import Camera, Fluid, Frame, Ripple
from c3drender.ops.device import pick_device
from c3drender.render.graph import Drawing, frame_by, numbers_of

SIZE = (96, 128)  # height, width
HAS_CUDA = pick_device("auto").type == "cuda"
BLENDS = [("phase", 60), ("phase", 90), ("contrast", 7), ("linear", 5)]


def prepared(*, flows: bool, ripples: bool) -> c3d.Scene:
    rng = np.random.default_rng(3)
    photo = (rng.uniform(0, 1, (*SIZE, 3)) * 255).astype(np.uint8)
    depth = np.linspace(1, 4, SIZE[1], dtype=np.float32) * np.ones((SIZE[0], 1), np.float32)
    depth[20:60, 50:70] = 0.7
    drifts, shakes = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    drifts[30:80, 10:90], shakes[85:, :] = 255, 255
    motion = [Fluid(drifts, [((30, 40), (60, 50))])] * flows + [Ripple(shakes)] * ripples
    motion = motion or [Fluid(np.zeros(SIZE, np.uint8))]
    return c3d.prepare(photo, motion=motion, depth=depth, depth_kind="metric", segments="none")


@pytest.fixture(scope="module")
def scene() -> c3d.Scene:
    return prepared(flows=True, ripples=True)


def views(scene: c3d.Scene, frames: int) -> Iterator[tuple[Camera, float]]:
    """Along a path, between frames, and beyond where points are."""
    path = cameras.make_camera_path(scene.camera, "circle", frames, scene.span)
    for n in (1, frames // 2, frames - 1, 1.5, frames - 0.25):
        pose, zoom = path.at(n)
        yield scene.camera.with_pose(pose).zoomed(zoom), n
    beside = path.world_to_cam[1].clone()
    beside[0, 3] += 0.4
    yield scene.camera.with_pose(beside).zoomed(0.7), 2


def assert_same(one: Frame, other: Frame) -> None:
    assert torch.equal(one.uncovered, other.uncovered)
    assert torch.equal(one.rgb_u8, other.rgb_u8)


def check_numbers_decide(scene: c3d.Scene, blend: render.BlendMode, frames: int) -> None:
    animation = render.animate(scene, frames, blend=blend)
    seen = list(views(scene, frames))
    numbers = torch.tensor(numbers_of(animation, *seen[0]))
    drawn = []
    for view, n in seen:
        numbers.copy_(torch.tensor(numbers_of(animation, view, n)))
        drawn.append(frame_by(animation, scene.camera, numbers))
        assert_same(drawn[-1], render.render_view(animation, view, n))
    assert bool(drawn[-1].uncovered.any())
    numbers.copy_(torch.tensor(numbers_of(animation, *seen[0])))
    assert_same(frame_by(animation, scene.camera, numbers), drawn[0])


@pytest.mark.parametrize(("blend", "frames"), BLENDS)
def test_numbers_decide_the_frame(scene: c3d.Scene, blend: render.BlendMode, frames: int) -> None:
    check_numbers_decide(scene, blend, frames)


@pytest.mark.parametrize(("flows", "ripples"), [(True, False), (False, True), (False, False)])
def test_whatever_moves(flows: bool, ripples: bool) -> None:
    check_numbers_decide(prepared(flows=flows, ripples=ripples), "phase", 8)


def test_without_a_gpu_frames_are_drawn_as_ever(scene: c3d.Scene) -> None:
    animation = render.animate(scene, 6)
    drawing = Drawing(animation)
    for view, n in views(scene, 6):
        assert_same(drawing(view, n), render.render_view(animation, view, n))


@pytest.mark.skipif(not HAS_CUDA, reason="no CUDA device")
@pytest.mark.parametrize(("blend", "frames"), BLENDS)
def test_a_replayed_frame_is_the_one_drawn(scene: c3d.Scene, blend: render.BlendMode, frames: int) -> None:
    animation = render.animate(scene.to("cuda"), frames, blend=blend)
    drawing = Drawing(animation)
    for view, n in [(scene.camera, 0), *views(scene, frames), *views(scene, frames), (scene.camera, frames)]:
        replayed = drawing(view, n)
        assert_same(replayed, render.render_view(animation, view, n))
