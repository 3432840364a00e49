"""What a view does not show of the canvas: nothing beyond the rectangle reaches its picture, and is not worked out."""

import math

import numpy as np
import pytest
import torch
from test_graph import prepared

from c3drender import render
from c3drender.data import Camera
from c3drender.render.frame import fluid_parts
from c3drender.render.seen import seen_px

CANVAS = Camera(500.0, 520.0, 300.0, 200.0, 600, 400)
RADIUS_PX, DEPTHS = 4.5, (1.0, 6.0)


def view_at(turn: float, *step: float) -> Camera:
    """Turned to the right by ``turn`` radians, at minus ``step`` of its own space."""
    sine, cosine = math.sin(turn), math.cos(turn)
    pose = torch.tensor([[cosine, 0.0, -sine, step[0]], [0.0, 1.0, 0.0, step[1]], [sine, 0.0, cosine, step[2]]])
    return Camera(450.0, 450.0, 250.0, 150.0, 500, 300).with_pose(pose)


@pytest.mark.parametrize("view", [view_at(0.0, 0.0, 0.0, 0.0), view_at(0.2, 0.3, -0.1, 0.2), view_at(-0.3, 0.2, 0.1, -0.3)])
def test_nothing_beyond_the_rectangle_reaches_the_picture(view: Camera) -> None:
    rng = np.random.default_rng(1)
    xy = rng.uniform(-1, 2, (200_000, 2)) * [CANVAS.width, CANVAS.height]
    z = 1 / rng.uniform(1 / DEPTHS[1], 1 / DEPTHS[0], len(xy))
    xyz = np.stack([(xy[:, 0] - CANVAS.cx) / CANVAS.fx * z, (xy[:, 1] - CANVAS.cy) / CANVAS.fy * z, z], 1)
    pose = view.pose.double().numpy()
    x, y, depth = pose[:, :3] @ xyz.T + pose[:, 3:]
    u, v, radius = view.fx * x / depth + view.cx, view.fy * y / depth + view.cy, view.fx * RADIUS_PX * z / CANVAS.fx / depth
    reaches = (depth > 0) & (u > -radius) & (u < view.width + radius) & (v > -radius) & (v < view.height + radius)
    x0, y0, x1, y1 = seen_px(CANVAS, view, DEPTHS, RADIUS_PX)
    inside = (xy[:, 0] >= x0) & (xy[:, 0] <= x1) & (xy[:, 1] >= y0) & (xy[:, 1] <= y1)
    assert not (reaches & ~inside).any()
    assert inside.sum() < 3 * reaches.sum()  # and it is not the whole plane


@pytest.mark.parametrize("view", [view_at(math.pi, 0.0, 0.0, 0.0), view_at(1.4, 0.0, 0.0, 0.0), view_at(0.0, 0.0, 0.0, -0.7)])
def test_where_a_view_looks_back_or_stands_among_the_points_there_is_none(view: Camera) -> None:
    assert seen_px(CANVAS, view, DEPTHS, RADIUS_PX) is None


def test_of_a_fluid_out_of_view_nothing_is_worked_out() -> None:
    scene = prepared(flows=True, ripples=False)
    animation = render.animate(scene, 8)
    frames, undrawn = [], []
    forward, _, end = fluid_parts(animation)
    view = scene.camera.with_pose(torch.eye(3, 4)).zoomed(2.0)
    depths = animation.fluid.depths
    for limits in (depths, None):
        animation.fluid.__dict__["depths"] = limits  # None, as on a device: everything is worked out
        frames.append(render.render_view(animation, view, 3))
        undrawn.append((animation.points.xyz[forward:end] == 0).all(dim=1))
    assert torch.equal(frames[0].rgb_u8, frames[1].rgb_u8)
    assert undrawn[0].sum() > 0.2 * len(undrawn[0]) and not undrawn[1].any()
