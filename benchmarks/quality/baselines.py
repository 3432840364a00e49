"""The paper's baselines and compositors, on the package's ops alone: no layers stage and no render stage takes part.

Uncovered pixels are filled in the picture (Telea), as a plain pipeline would; their share is measured before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from c3drender import ops
from c3drender.data import Camera, Layers, Raster

from .methods import Given, Method, Picture, Video, prepared
from .scenes import LOOP_FRAMES

RADIUS_PX = 1.5
UNCOVERED_ALPHA = 0.05
MAX_HITS = {"alpha": 8, "surface": 32}
SHARPNESS = 4.0  # of the disparity relative to the nearest, the paper's
AVERAGED_FRAMES = 5
AVERAGED_PART = 0.05  # of the camera's way, from one averaged view to the next
TELEA_PX = 3

Sides = Literal["forward", "both"]


@dataclass(frozen=True)
class Points:
    """Pixels as points: where they lie on ``camera``'s picture, ``xy_px [N, 2]``, ``z_cam [N]``, and their ``feat [N, C]``.
    ``opacity [N]``: None where all are opaque."""

    camera: Camera
    xy_px: Tensor
    z_cam: Tensor
    feat: Tensor
    opacity: Tensor | None = None

    def xyz(self, xy_px: Tensor) -> Tensor:
        """The points ``[N, 3]``, each at its own depth, seen at ``xy_px`` instead."""
        x = (xy_px[:, 0] - self.camera.cx) / self.camera.fx * self.z_cam
        y = (xy_px[:, 1] - self.camera.cy) / self.camera.fy * self.z_cam
        return torch.stack([x, y, self.z_cam], dim=1)


Drifts = tuple[Tensor, Tensor]  # forward and backward, [LOOP_FRAMES + 1, N, 2] px


def _lens(given: Given) -> Camera:
    height, width = given.image.size
    return Camera.for_photo(width, height)


def _view(given: Given, camera: int) -> Camera:
    return _lens(given).with_pose(given.poses[camera].contiguous())


def _centres(camera: Camera) -> Tensor:
    ys, xs = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    return torch.stack([xs, ys], dim=-1).reshape(-1, 2).contiguous()


def _pixels(camera: Camera, rgb: Tensor, z_cam: Tensor | None = None) -> Points:
    """One point per pixel of ``rgb [H, W, C]``; without depth all lie in one plane."""
    depth = torch.ones(camera.height * camera.width) if z_cam is None else z_cam.flatten()
    return Points(camera, _centres(camera), depth, rgb.reshape(camera.height * camera.width, -1).contiguous())


def _drifts(points: Points, step_px: Tensor) -> Drifts:
    forward, backward = (
        ops.integrate_flow((sign * step_px).contiguous(), LOOP_FRAMES, start_px=points.xy_px).offset_px for sign in (1, -1)
    )
    return forward, backward


def photo_points(given: Given) -> tuple[Points, Drifts]:
    """One point per pixel of the photo."""
    points = _pixels(_lens(given), given.image.rgb, given.depth.z_cam)
    return points, _drifts(points, given.flow.step_px)


def layer_points(given: Given) -> tuple[Points, Drifts]:
    """One point per pixel of the layers that the package makes, with what it filled in."""
    layers: Layers = prepared(given if given.harmonics is None else replace(given, harmonics=None)).layers
    camera = _lens(given).padded(layers.margin_px)
    points = Points(camera, layers.centre_px(), layers.z_cam, layers.rgb, layers.alpha)
    drifts = []
    for layer in range(layers.num_layers):
        cloud = replace(points, xy_px=points.xy_px[layers.part(layer)])
        drifts.append(_drifts(cloud, layers.plane(layers.step_px, layer)))
    forward, backward = (torch.cat(sides, dim=1) for sides in zip(*drifts, strict=True))
    return points, (forward, backward)


def _splat(points: Points, offset_px: Tensor | float, view: Camera, compositor: ops.Compositor = "surface") -> Raster:
    """Features divided by their coverage."""
    radius = RADIUS_PX * points.z_cam / points.camera.fx
    xyz = points.xyz(points.xy_px + offset_px)
    most = MAX_HITS[compositor]
    raster = ops.splat_points(xyz, points.feat, radius, view, compositor=compositor, max_points=most, opacity=points.opacity)
    return replace(raster, feat=raster.feat / raster.alpha.clamp_min(1e-6)[..., None])


def _animated(
    points: Points, drifts: Drifts, view: Camera, frame: int, compositor: ops.Compositor = "surface", sides: Sides = "both"
) -> tuple[Picture, NDArray[np.bool_]]:
    """``frame`` and where nothing covered it; ``both`` sides are cross-faded by the paper's eq. 7."""
    n = frame % LOOP_FRAMES
    forward = _splat(points, drifts[0][n], view, compositor)
    if sides == "forward" or n == 0:
        return _fill(forward.feat, forward.alpha)
    backward = _splat(points, drifts[1][LOOP_FRAMES - n], view, compositor)
    mixed = ops.blend_bidirectional(forward, backward, n / LOOP_FRAMES, sharpness=SHARPNESS * float(points.z_cam.min()))
    return _fill(mixed.feat, torch.maximum(forward.alpha, backward.alpha))


def _fill(rgb: Tensor, alpha: Tensor) -> tuple[Picture, NDArray[np.bool_]]:
    uncovered = (alpha < UNCOVERED_ALPHA).numpy()
    picture = (rgb.clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy()
    if uncovered.any():
        picture = cv2.inpaint(picture, uncovered.astype(np.uint8), TELEA_PX, cv2.INPAINT_TELEA)
    return picture, uncovered


def _as_float(picture: Picture) -> Tensor:
    return torch.from_numpy(picture.astype(np.float32) / 255)


def point_cloud(
    given: Given, *, source: Callable[[Given], tuple[Points, Drifts]], compositor: ops.Compositor, sides: Sides
) -> Video:
    """Points that drift in the photo's plane, each at its own depth, splatted as they are."""
    points, drifts = source(given)
    return lambda frame, camera: _animated(points, drifts, _view(given, camera), frame, compositor, sides)


def animate_then_view(given: Given) -> Video:
    """2D animation, then novel view: each frame of the animated photo is lifted by the photo's depth and seen anew."""
    lens = _lens(given)
    flat = _pixels(lens, given.image.rgb)
    drifts = _drifts(flat, given.flow.step_px)

    def video(frame: int, camera: int) -> tuple[Picture, NDArray[np.bool_]]:
        picture, _ = _animated(flat, drifts, _view(given, 0), frame)
        seen = _splat(_pixels(lens, _as_float(picture), given.depth.z_cam), 0.0, _view(given, camera))
        return _fill(seen.feat, seen.alpha)

    return video


def view_then_animate(given: Given, *, averaged: int = 1) -> Video:
    """Novel view, then 2D animation: the photo is seen anew and its flow with it; then that picture is animated as a flat one.

    ``averaged`` > 1: the flow is the mean over so many neighbouring views on the camera's way.
    """
    lens = _lens(given)
    points = _pixels(lens, given.image.rgb, given.depth.z_cam)
    step_px = given.flow.step_px.reshape(-1, 2)

    def seen_steps(pose: Tensor) -> Tensor:
        """The flow as ``pose`` sees it, [H, W, 2]: each point's way in one frame, splatted."""
        before, after = (_project(lens, points.xyz(points.xy_px + step), pose) for step in (0.0, step_px))
        return _splat(replace(points, feat=(after - before).contiguous()), 0.0, lens.with_pose(pose)).feat

    @cache
    def seen(camera: int) -> tuple[Points, Drifts, NDArray[np.bool_]]:
        pose = given.poses[camera].contiguous()
        still = _splat(points, 0.0, lens.with_pose(pose))
        picture, uncovered = _fill(still.feat, still.alpha)
        shares = [1 - AVERAGED_PART * k for k in range(averaged)]
        step = torch.stack([seen_steps(torch.lerp(given.poses[0], pose, share)) for share in shares]).mean(dim=0)
        flat = _pixels(lens, _as_float(picture))
        return flat, _drifts(flat, step), uncovered

    def video(frame: int, camera: int) -> tuple[Picture, NDArray[np.bool_]]:
        flat, drifts, uncovered = seen(camera)
        picture, torn = _animated(flat, drifts, _view(given, 0), frame)
        return picture, uncovered | torn

    return video


def _project(camera: Camera, xyz: Tensor, pose: Tensor) -> Tensor:
    """Where ``pose`` sees the points ``[N, 3]``, px from the picture's middle."""
    x, y, z = (xyz @ pose[:, :3].T + pose[:, 3]).unbind(dim=1)
    return torch.stack([camera.fx * x / z, camera.fy * y / z], dim=1)


BASELINES: dict[str, Method] = {
    "2D animation, then novel view": animate_then_view,
    "novel view, then 2D animation": view_then_animate,
    "novel view, then 2D, averaged": partial(view_then_animate, averaged=AVERAGED_FRAMES),
    "naive point cloud": partial(point_cloud, source=photo_points, compositor="alpha", sides="forward"),
    "naive point cloud, symmetric": partial(point_cloud, source=photo_points, compositor="alpha", sides="both"),
}
COMPOSITORS: dict[str, Method] = {
    "layers' points, alpha": partial(point_cloud, source=layer_points, compositor="alpha", sides="both"),
    "layers' points, surface": partial(point_cloud, source=layer_points, compositor="surface", sides="both"),
}
