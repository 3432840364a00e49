"""Calls of every op with random input, for every build of the ops: the extension's CPU and CUDA half, the emulated kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from c3drender import ops

Floats = NDArray[np.float32]
Arrays = tuple[NDArray[Any], ...]
ON_HOST = ("cameras", "hidden")  # arguments that stay in host memory


@dataclass(frozen=True)
class Call:
    """``torch.ops.<library>.<op>(*args)``, where arrays become tensors that share their memory."""

    op: str
    args: tuple[Any, ...]

    def tensors(self, device: str = "cpu") -> list[Any]:
        """The arguments on the device, those that the op writes to as NaN."""
        args = []
        for argument, value in zip(self._schema_arguments(), self.args, strict=True):
            if isinstance(value, np.ndarray):
                value = torch.from_numpy(value)
            if isinstance(value, torch.Tensor) and argument.name not in ON_HOST:
                value = value.to(device)
            args.append(torch.full_like(value, torch.nan) if argument.is_write else value)
        return args

    def bind(self, library: str = "c3drender", device: str = "cpu") -> Callable[[], tuple[torch.Tensor, ...]]:
        """The call, ready to be made. It returns the op's results, or else what the op wrote to."""
        op = getattr(getattr(torch.ops, library), self.op)
        args = self.tensors(device)
        written = tuple(t for argument, t in zip(self._schema_arguments(), args, strict=True) if argument.is_write)

        def run() -> tuple[torch.Tensor, ...]:
            results = op(*args)
            if results is None:
                return written
            return results if isinstance(results, tuple) else (results,)

        return run

    def _schema_arguments(self) -> list[Any]:
        return getattr(torch.ops.c3drender, self.op).default._schema.arguments

    def run(self, library: str = "c3drender", device: str = "cpu") -> Arrays:
        """The results as arrays; bool as bytes, in which garbage shows."""
        results = (t.cpu() for t in self.bind(library, device)())
        return tuple((t.view(torch.uint8) if t.dtype == torch.bool else t).numpy() for t in results)


@dataclass(frozen=True)
class Pinhole:
    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    world_to_cam: Floats

    @property
    def rows(self) -> Floats:
        """``[V, 16]`` fx, fy, cx, cy, then the pose, row-major."""
        poses = self.world_to_cam.reshape(-1, 12)
        intrinsics = np.broadcast_to(np.float32([self.fx, self.fy, self.cx, self.cy]), (len(poses), 4))
        return np.ascontiguousarray(np.concatenate([intrinsics, poses], axis=1))


def camera_of(height: int, width: int, poses: Floats | None = None) -> Pinhole:
    """A focal length and a centre that are no round numbers; as float32 holds them."""
    numbers = np.float32([1.13 * max(height, width)] * 2 + [0.48 * width, 0.53 * height])
    return Pinhole(*map(float, numbers), width, height, np.eye(3, 4, dtype=np.float32)[None] if poses is None else poses)


def small_poses(rng: np.random.Generator, num_views: int) -> Floats:
    """Turned by a few degrees about the viewing axis and shifted."""
    poses = np.zeros((num_views, 3, 4))
    angle = rng.uniform(-0.1, 0.1, num_views)
    poses[:, 0, 0] = poses[:, 1, 1] = np.cos(angle)
    poses[:, 1, 0], poses[:, 0, 1] = np.sin(angle), -np.sin(angle)
    poses[:, 2, 2] = 1
    poses[:, :, 3] = rng.uniform(-0.3, 0.3, (num_views, 3))
    return poses.astype(np.float32)


@dataclass(frozen=True)
class Cloud:
    camera: Pinhole
    xyz: Floats
    feat: torch.Tensor
    radius: Floats | None
    radius_all: float
    compositor: str
    max_points: int
    depth_tolerance: float = 0.02
    hidden: NDArray[np.int64] | None = None  # [V, 2]
    opacity: Floats | None = None
    radius_unit: int = 0

    def splat(self) -> Call:
        """feat ``[V, H, W, C]``, alpha and disp ``[V, H, W]``, idx ``[V, H, W, K]``"""
        camera = self.camera
        cloud = (self.xyz, self.feat, self.radius, self.radius_all, camera.rows, camera.width, camera.height)
        numbers = (ops.COMPOSITORS[self.compositor], self.max_points, self.depth_tolerance)
        return Call("splat_points", (*cloud, *numbers, True, self.hidden, self.opacity, self.radius_unit))

    def gradients(self, idx: NDArray[np.int32], grads: tuple[Floats | None, ...]) -> Call:
        """Of all that has one, for the gradients ``grads`` of feat, alpha and disp at the hits ``idx``; float32 only."""
        camera = self.camera
        cloud = (self.xyz, self.feat, self.radius, self.radius_all, camera.rows, camera.width, camera.height)
        numbers = (ops.COMPOSITORS[self.compositor], self.depth_tolerance)
        wanted = (True, True, True, self.opacity, self.opacity is not None, True, self.radius_unit)
        return Call("splat_points_bwd", (*grads, *cloud, *numbers, idx, *wanted))

    def random_gradients(self, rng: np.random.Generator, *, given: str = "feat alpha disp") -> Call:
        """``given``: which outputs have a gradient."""
        *outputs, idx = self.splat().run()
        names = ("feat", "alpha", "disp")
        drawn = [rng.normal(size=output.shape).astype(np.float32) for output in outputs]
        return self.gradients(idx, tuple(grad if name in given else None for name, grad in zip(names, drawn, strict=True)))


def random_cloud(
    rng: np.random.Generator,
    num: int,
    size: tuple[int, int],
    *,
    channels: int = 4,
    dtype: torch.dtype = torch.float32,
    radius_px: tuple[float, float] = (0.7, 2.5),
    num_depths: int | None = None,
    num_views: int = 0,
    compositor: str = "alpha",
    max_points: int = 8,
    soft: bool = False,
) -> Cloud:
    """Points in and up to 30 % around the frame, every 19th behind the camera. ``num_depths``: how many distinct depths.
    ``num_views`` 0: one camera at rest. ``soft``: half of the points let something through."""
    camera = camera_of(*size, small_poses(rng, num_views) if num_views else None)
    z = rng.uniform(1, 5, num) if num_depths is None else rng.choice(np.linspace(1, 5, num_depths), num)
    z[::19] *= -1
    u, v = rng.uniform(-0.3, 1.3, (2, num)) * [[camera.width], [camera.height]]
    xyz = np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], axis=1).astype(np.float32)
    radius = np.exp(rng.uniform(*np.log(radius_px), num)) * np.abs(z) / camera.fx
    feat = torch.from_numpy(rng.uniform(-1, 1, (num, channels)).astype(np.float32)).to(dtype)
    opacity = np.minimum(rng.uniform(0, 2, num), 1).astype(np.float32) if soft else None
    return Cloud(camera, xyz, feat, radius.astype(np.float32), 0.0, compositor, max_points, opacity=opacity)


def random_flow(rng: np.random.Generator, size: tuple[int, int], *, starts: int | None, sampling: int) -> Call:
    """Some paths start outside the frame."""
    height, width = size
    start = None if starts is None else (rng.uniform(-0.1, 1.1, (starts, 2)) * [width, height]).astype(np.float32)
    step_px = rng.normal([1.3, -0.6], 0.4, (height, width, 2)).astype(np.float32)
    return Call("integrate_flow", (step_px, 7, start, sampling))


def random_sides(rng: np.random.Generator, pixels: int, channels: int, *, per_pixel: bool) -> Call:
    """A fifth of the pixels is not covered at all, a fifth hardly."""
    sides = []
    for _ in range(2):
        alpha = rng.uniform(0, 1, pixels) * rng.choice([0, 1e-7, 1, 1, 1], pixels)
        sides += [rng.uniform(-1, 1, (pixels, channels)), alpha, alpha * rng.uniform(0, 2, pixels)]
    loop_t = rng.uniform(0, 1, pixels).astype(np.float32) if per_pixel else None
    return Call("blend_bidirectional", (*(a.astype(np.float32) for a in sides), loop_t, 0.3, 4.0))


def random_sides_bwd(rng: np.random.Generator, pixels: int, channels: int, *, per_pixel: bool) -> Call:
    """The gradients come first, of feat, alpha, w_fwd and w_bwd."""
    shapes = ((pixels, channels), (pixels,), (pixels,), (pixels,))
    forward = random_sides(rng, pixels, channels, per_pixel=per_pixel)
    return Call("blend_bidirectional_bwd", (*(rng.normal(size=shape).astype(np.float32) for shape in shapes), *forward.args))


def random_layer(
    rng: np.random.Generator,
    size: tuple[int, int],
    *,
    num_views: int,
    drifts: bool,
    loop_steps: int = 0,
    num_layers: int = 1,
) -> Call:
    """Of ``find_holes``: discs before a sloping ground that continues behind most of them. Further layers lie
    between them and the ground, each behind half of the columns."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    ground = 0.2 + 0.004 * y + rng.uniform(0, 0.01, size)
    disp = ground.copy()
    for _ in range(4):
        disp[np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height)) < rng.uniform(2, 8)] = rng.uniform(0.4, 1.3)
    disp[rng.uniform(size=size) < 0.02] = 0
    hidden = np.where(rng.uniform(size=size) < 0.1, rng.choice([0.0, -1.0, 0.6]), ground)
    fluid = np.where((hidden == ground) & (rng.uniform(size=size) < 0.97), ground, 0.0) * drifts
    step_px = (rng.uniform(-1, 1, 2) + rng.uniform(-0.5, 0.5, (*size, 2))) * (fluid > 0)[..., None]
    camera = camera_of(height, width, small_poses(rng, num_views))
    frame_px = [width // 8, height // 8, width - width // 8, height - height // 8]
    layers, last = [disp], disp
    for _ in range(num_layers - 1):
        layers.append(np.where((disp > 0.35) & (rng.uniform(size=(1, width)) < 0.5), (last + 2 * ground) / 3, 0))
        last = np.where(layers[-1] > 0, layers[-1], last)
    maps = (a.astype(np.float32) for a in (np.stack(layers), hidden, fluid, step_px))
    return Call("find_holes", (*maps, 4, loop_steps, camera.rows, *frame_px, 1.5, 0.02, 0.75))


def random_hole(rng: np.random.Generator, size: tuple[int, int], *, width_px: float) -> Call:
    """Of ``inpaint_layers``: a textured ground behind discs of about ``width_px``, and a margin without a picture.
    Some pixels are not finite; some of the hole has no surface to continue."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    ground = 0.2 + 0.004 * y + 0.02 * (x > width / 2)
    rgb = 0.5 + 0.3 * np.sin(np.stack([x / 2, (x + y) / 3, y / 4], axis=-1)) + rng.uniform(0, 0.1, (*size, 3))
    disp = ground.copy()
    for _ in range(3):
        radius = width_px * rng.uniform(0.3, 0.6)
        disp[np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height)) < radius] = rng.uniform(0.4, 1.3)
    hole = disp > ground + 0.05
    margin = (x < width_px / 6) & (width > width_px)
    disp[margin], hole[margin] = 0, True
    rgb[rng.uniform(size=size) < 0.01] = np.nan
    disp[rng.uniform(size=size) < 0.01] = np.inf
    rgb[-1, -1], disp[-1, -1], hole[-1, -1] = 0.5, 0.2, False  # something is known
    hidden = np.where(rng.uniform(size=size) < 0.1, rng.choice([0.0, -1.0, np.nan, 0.6]), ground)
    rgb, disp, hidden = (a.astype(np.float32) for a in (rgb, disp, hidden))
    return Call("inpaint_layers", (rgb, disp, hole, hidden, 0.02))


def random_drift(
    rng: np.random.Generator,
    num_points: int,
    size: tuple[int, int],
    *,
    with_detail: bool,
    with_waves: bool = False,
    at_moment: bool = False,
    seen_px: tuple[float, float, float, float] | None = None,
) -> Call:
    """Some points leave the canvas, some arrive where the fluid is not. ``at_moment``: fade and weights lie beside them."""
    height, width = size
    start = rng.uniform(0, 1, (num_points, 2)) * [width, height]
    offset = rng.normal(0, 4, (num_points, 2))
    beside = [rng.integers(0, num_points, num_points).astype(np.int32) for _ in range(2)]
    surface = rng.uniform(0.1, 1, (height, width, 8))
    surface[..., 1] = surface[..., 1] > 0.3
    detail = [rng.normal(0, 0.1, (num_points, 2, 3)), rng.normal(0, 0.1, (num_points, 3)), rng.uniform(0.8, 1.9, (3, 5))]
    feat = rng.uniform(0, 1, (num_points, 4))
    phase = rng.uniform(-1, 1, num_points)
    start, offset, feat, surface, phase, *detail = (
        a.astype(np.float32) for a in (start, offset, feat, surface, phase, *detail)
    )
    camera = camera_of(height, width)
    lens = (camera.fx, camera.fy, camera.cx, camera.cy)
    written = (np.empty((num_points, *shape), np.float32) for shape in ((3,), (4,), ()))
    numbers = (*(detail if with_detail else 3 * [None]), 7.0, phase, 0.4)
    waves: list[object] = [[], *6 * [None]]
    if with_waves:
        shapes = ((5, 2, num_points), (num_points,), (num_points,), (num_points,), (num_points, 3), (num_points, 3))
        arrays = [rng.uniform(0, 1, shape).astype(np.float32) for shape in shapes]
        arrays[1] -= 1.5  # the least: some sums are below
        waves = [[0.7, -0.3, 0.0, 0.4, -2.0], *arrays]
    moment = np.float32([-0.3, 0.1, 0.0, 0.6, 0.9, -0.6])[: 6 if with_waves else 1] if at_moment else None
    rules = 1.5, 3.0, 0.75
    return Call(
        "drift_points",
        (start, offset, *beside, feat, surface, *lens, *rules, *numbers, *written, *waves, moment, list(seen_px or [])),
    )


def random_frame(
    rng: np.random.Generator, num: int, size: tuple[int, int], num_sides: int, *, soft: bool = False, now: bool = False
) -> Call:
    """Of ``splat_frame``: a quarter of the points is seen by the forward side alone, a quarter by the backward side. ``now``:
    another view and moment lie beside them."""
    cloud = random_cloud(rng, num, size, compositor="surface", num_depths=40, soft=soft)
    feat = rng.uniform(0, 1, (num, 4)).astype(np.float32)
    hidden = np.array([(3 * num // 4, num), (num // 2, 3 * num // 4)][:num_sides], np.int64)
    where = cloud.xyz, feat, cloud.radius, cloud.camera.rows, cloud.camera.width, cloud.camera.height, hidden
    row = np.concatenate([cloud.camera.rows[0] + np.float32([3, 2, 1, -1, *11 * [0.01], 0.2]), np.float32([0.7])])
    return Call("splat_frame", (*where, cloud.opacity, 32, 0.02, 0.4, 4.0, 1e-3, row if now else None))


def random_uncovered(rng: np.random.Generator, size: tuple[int, int], share: float) -> Call:
    """Of ``fill_uncovered``: a margin, a disc, and pixels here and there."""
    y, x = np.mgrid[: size[0], : size[1]]
    uncovered = (rng.uniform(size=size) < share) | (x < share * size[1] / 2) | (np.hypot(x - 0.6 * size[1], y - 9) < 6)
    return Call("fill_uncovered", (rng.integers(0, 256, (*size, 3)).astype(np.uint8), uncovered))


def random_splats(rng: np.random.Generator, num_pixels: int, loop_t: float) -> Call:
    """Of ``compose_frame``: a third of the pixels is covered by one side at most, a third is the same on both."""
    sides = []
    for _ in range(2):
        alpha = rng.uniform(0, 1, num_pixels) * (rng.uniform(size=num_pixels) > 0.3)
        sides.append([rng.uniform(0, 1, (num_pixels, 4)) * alpha[:, None], alpha, alpha * rng.uniform(0.1, 1, num_pixels)])
    same = rng.uniform(size=num_pixels) < 0.3
    for one, other in zip(*sides, strict=True):
        other[same] = one[same]
    maps = (a.astype(np.float32)[None] for side in sides for a in side)
    return Call("compose_frame", (*maps, loop_t, 4.0, 1e-3))


def one_of_each(seed: int) -> dict[str, Call]:
    """Every op, on odd sizes."""
    rng = np.random.default_rng(seed)
    many_hits = random_cloud(np.random.default_rng(seed), 5000, (19, 37), radius_px=(1, 2), max_points=64, soft=True)
    clouds = {
        "splat alpha": random_cloud(rng, 400, (23, 37), channels=5),
        "splat surface": random_cloud(rng, 500, (37, 23), channels=8, compositor="surface", max_points=32, num_depths=3),
        "splat float16": random_cloud(rng, 300, (19, 33), channels=4, dtype=torch.float16, num_views=2),
        "splat soft": random_cloud(rng, 400, (23, 37), channels=4, soft=True),
        "splat soft surface": random_cloud(rng, 500, (37, 23), channels=7, compositor="surface", num_depths=3, soft=True),
        "splat in px": replace(
            random_cloud(rng, 400, (23, 37), num_views=2, soft=True), radius=None, radius_all=2.3, radius_unit=1
        ),
        "splat wide discs": random_cloud(rng, 1500, (50, 41), radius_px=(3, 60), max_points=64),
        "splat long lists": random_cloud(rng, 4000, (9, 17), channels=1, compositor="surface", max_points=12, num_depths=90),
        "splat many hits": many_hits,
    }
    calls = {name: cloud.splat() for name, cloud in clouds.items()}
    for name in ("splat alpha", "splat surface", "splat soft", "splat soft surface"):
        calls[f"{name} bwd"] = clouds[name].random_gradients(np.random.default_rng(seed))
    return calls | {
        "integrate_flow every pixel": random_flow(rng, (23, 37), starts=None, sampling=0),
        "integrate_flow starts": random_flow(rng, (9, 31), starts=301, sampling=0),
        "integrate_flow nearest": random_flow(rng, (17, 19), starts=None, sampling=1),
        "blend_bidirectional odd rows": random_sides(rng, 777, 37, per_pixel=True),
        "blend_bidirectional rows of 4": random_sides(rng, 301, 4, per_pixel=False),
        "blend_bidirectional_bwd odd rows": random_sides_bwd(rng, 301, 37, per_pixel=True),
        "find_holes drifting": random_layer(rng, (33, 41), num_views=3, drifts=True),
        "find_holes frames": random_layer(rng, (33, 41), num_views=9, drifts=True, loop_steps=9),
        "inpaint_layers discs": random_hole(rng, (33, 41), width_px=11),
        "drift_points plain": random_drift(rng, 301, (17, 23), with_detail=False),
        "drift_points with detail": random_drift(rng, 517, (9, 31), with_detail=True),
        "drift_points with waves": random_drift(rng, 333, (19, 16), with_detail=True, with_waves=True),
        "compose_frame mid-loop": random_splats(rng, 1001, 0.4),
        "splat_frame two sides": random_frame(rng, 700, (37, 53), 2),
        "splat_frame one side": random_frame(rng, 500, (19, 33), 1, soft=True),
        "splat_frame soft": random_frame(rng, 900, (18, 70), 2, soft=True),
        "find_holes many views": random_layer(rng, (24, 31), num_views=35, drifts=False),
        "find_holes three layers": random_layer(rng, (24, 31), num_views=3, drifts=True, num_layers=3),
        "drift_points in part": random_drift(
            rng, 517, (19, 16), with_detail=True, with_waves=True, seen_px=(3.5, 2.0, 12.0, 20.0)
        ),
        "drift_points at a moment": random_drift(rng, 401, (19, 16), with_detail=True, with_waves=True, at_moment=True),
        "drift_points at a plain moment": random_drift(rng, 301, (17, 23), with_detail=False, at_moment=True),
        "splat_frame now": random_frame(rng, 700, (37, 53), 2, now=True),
        "fill_uncovered here and there": random_uncovered(rng, (33, 61), 0.3),
        "fill_uncovered all": Call("fill_uncovered", (np.full((5, 7, 3), 9, np.uint8), np.ones((5, 7), bool))),
        "convert_to_yuv": Call("convert_to_yuv", (rng.integers(0, 256, (34, 150, 3)).astype(np.uint8),)),
    }
