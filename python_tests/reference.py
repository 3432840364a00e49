"""The ops of ``c3drender.ops`` restated in float64 NumPy: brute force, written from the formulas, for reading and for tests.

Nothing of the package is imported; a camera is anything with the fields of `Pinhole`. Where an op takes a yes/no decision that
float32 may take differently (is a centre inside a disc, which depth is nearer, has a path left the frame), the result says in
``clear`` which outputs stay out of that rounding band.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ROUNDING_PX = 5e-5  # half the width of the band around a disc's rim or the frame's border, in pixels
ROUNDING_Z = 2e-6  # the same for depths, relative


class Pinhole(Protocol):
    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    world_to_cam: Any  # [3, 4], [V, 3, 4], or None for the identity


class Composited(Protocol):
    feat: Any
    alpha: Any
    disp: Any


def poses_of(camera: Pinhole) -> Floats:
    """``[V, 3, 4]``"""
    if camera.world_to_cam is None:
        return np.eye(4)[None, :3]
    return np.asarray(camera.world_to_cam, dtype=np.float64).reshape(-1, 3, 4)


def to_camera(xyz: Floats, pose: Floats) -> Floats:
    """``R x + t``, the same sum for every point: coincident points stay coincident."""
    return (pose[:, :3] * xyz[..., None, :]).sum(-1) + pose[:, 3]


# --- splat_points -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Splat:
    """``feat [(V,) H, W, C]``, ``alpha`` and ``disp [(V,) H, W]``, ``idx [(V,) H, W, K]``; ``clear [(V,) H, W]``."""

    feat: Floats
    alpha: Floats
    disp: Floats
    idx: NDArray[np.int64]
    clear: Bools


def splat_points(
    xyz: ArrayLike,
    feat: ArrayLike,
    radius: ArrayLike,
    camera: Pinhole,
    *,
    compositor: str,
    max_points: int,
    depth_tolerance: float = 0.02,
    opacity: ArrayLike = 1.0,
) -> Splat:
    xyz, feat = np.asarray(xyz, dtype=np.float64), np.asarray(feat, dtype=np.float64)
    radius, opacity = (np.broadcast_to(np.asarray(a, dtype=np.float64), len(xyz)) for a in (radius, opacity))
    with np.errstate(invalid="ignore", over="ignore"):
        views = [
            _splat_view(xyz, feat, radius, opacity, camera, pose, compositor, max_points, depth_tolerance)
            for pose in poses_of(camera)
        ]
    batched = camera.world_to_cam is not None and np.ndim(camera.world_to_cam) == 3
    return Splat(*(np.stack(arrays) if batched else arrays[0] for arrays in zip(*views, strict=True)))


def _splat_view(
    xyz: Floats,
    feat: Floats,
    radius: Floats,
    opacity: Floats,
    camera: Pinhole,
    pose: Floats,
    compositor: str,
    max_points: int,
    depth_tolerance: float,
) -> tuple[NDArray[Any], ...]:
    xyz_cam = to_camera(xyz, pose)
    usable = np.isfinite(xyz_cam).all(1) & np.isfinite(radius) & (xyz_cam[:, 2] > 0)
    point = np.flatnonzero(usable)
    x, y, z = xyz_cam[point].T
    u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
    radius_px = camera.fx * radius[point] / z
    channels = np.column_stack([feat[point], np.ones_like(z), 1 / z])

    num_feat = feat.shape[1]
    out = np.zeros((camera.height, camera.width, num_feat + 2))
    idx = np.full((camera.height, camera.width, max_points), -1)
    clear = np.ones((camera.height, camera.width), dtype=bool)
    for row, column in np.ndindex(camera.height, camera.width):
        dist = np.hypot(u - (column + 0.5), v - (row + 0.5))
        hits = np.flatnonzero(dist < radius_px)
        hits = hits[np.lexsort((hits, z[hits]))]
        on_a_rim = np.any(np.abs(dist - radius_px) < ROUNDING_PX)
        compared = z[hits[: max_points + 1]]
        clear[row, column] = not on_a_rim and not _almost_equal_somewhere(compared[1:], compared[:-1])

        hits = hits[:max_points]
        q = (dist[hits] / radius_px[hits]) ** 2
        idx[row, column, : len(hits)] = point[hits]
        if compositor == "alpha":
            out[row, column] = composite_alpha(channels[hits], q, opacity[point[hits]])
        else:
            surfaces = group_surfaces(z[hits], depth_tolerance)
            out[row, column] = composite_surfaces(channels[hits], q, surfaces, opacity[point[hits]])
            limits = [z[hits[s.start]] * (1 + depth_tolerance) for s in surfaces]
            clear[row, column] &= not any(_almost_equal_somewhere(z[hits], limit) for limit in limits)
    return out[..., :num_feat], out[..., num_feat], out[..., num_feat + 1], idx, clear


def _almost_equal_somewhere(a: Floats, b: ArrayLike) -> bool:
    return bool(np.any((a != b) & (np.abs(a - b) < ROUNDING_Z * np.abs(a))))


def composite_alpha(f: Floats, q: Floats, opacity: Floats) -> Floats:
    """``sum_k f_k a_k prod_{j<k} (1 - a_j)``, ``a = opacity (1 - q)``."""
    out, through = np.zeros(f.shape[1]), 1.0
    for f_k, a_k in zip(f, opacity * (1 - q), strict=True):
        out += through * a_k * f_k
        through *= 1 - a_k
    return out


def group_surfaces(z: Floats, depth_tolerance: float) -> list[slice]:
    """Runs of ascending depths that stay within ``z_first * (1 + depth_tolerance)`` of their first."""
    surfaces, start = [], 0
    while start < len(z):
        stop = start + np.count_nonzero(z[start:] <= z[start] * (1 + depth_tolerance))
        surfaces.append(slice(start, stop))
        start = stop
    return surfaces


def composite_surfaces(f: Floats, q: Floats, surfaces: list[slice], opacity: Floats) -> Floats:
    out, through = np.zeros(f.shape[1]), 1.0
    for surface in surfaces:
        coverage = min(1.0, np.maximum(0.005 * (1 - q[surface]), 1.4 - 3.15 * q[surface]).sum())
        if coverage > 0:
            weight = (1 - q[surface]) ** 6
            out += through * coverage * ((weight * opacity[surface]) @ f[surface]) / weight.sum()
            through *= 1 - coverage * (weight @ opacity[surface]) / weight.sum()
    return out


# --- integrate_flow ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trace:
    """``offset_px [T+1, P, 2]``, ``inside [T+1, P]``; ``clear [P]``: each step is inside or not by more than ROUNDING_PX."""

    offset_px: Floats
    inside: Bools
    clear: Bools


def integrate_flow(
    step_px: ArrayLike, num_steps: int, *, start_px: ArrayLike | None = None, sampling: str = "bilinear"
) -> Trace:
    step_px = np.asarray(step_px, dtype=np.float64)
    height, width = step_px.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2).astype(np.float64)
    if sampling == "nearest":
        return _integrate_nearest(step_px, grid, num_steps)
    return _integrate_bilinear(step_px, grid + 0.5 if start_px is None else np.asarray(start_px, dtype=np.float64), num_steps)


def _integrate_bilinear(step_px: Floats, start: Floats, num_steps: int) -> Trace:
    size = np.array([step_px.shape[1], step_px.shape[0]], dtype=np.float64)
    position = start.copy()
    inside = ((position >= 0) & (position <= size)).all(1)
    clear = _clear_of_border(position, size)
    offsets, insides = [position - start], [inside]
    for _ in range(num_steps):
        position = position.copy()
        for p in np.flatnonzero(inside):
            position[p] += sample_bilinear(step_px, position[p])
        inside = inside & ((position >= 0) & (position <= size)).all(1)
        clear &= _clear_of_border(position, size)
        offsets.append(position - start)
        insides.append(inside)
    return Trace(np.stack(offsets), np.stack(insides), clear)


def _clear_of_border(position: Floats, size: Floats) -> Bools:
    return (np.minimum(np.abs(position), np.abs(position - size)) > ROUNDING_PX).all(1)


def sample_bilinear(image: Floats, position: Floats) -> Floats:
    """Pixel centres are at +0.5; beyond the outermost centres the border's value continues."""
    height, width = image.shape[:2]
    x, y = np.moveaxis(np.clip(position - 0.5, 0, [width - 1, height - 1]), -1, 0)
    x0, y0 = x.astype(int), y.astype(int)
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    right, down = (x - x0)[..., None], (y - y0)[..., None]
    top = image[y0, x0] * (1 - right) + image[y0, x1] * right
    bottom = image[y1, x0] * (1 - right) + image[y1, x1] * right
    return top * (1 - down) + bottom * down


def _integrate_nearest(step_px: Floats, grid: Floats, num_steps: int) -> Trace:
    """The released code's rule. Positions count from pixel centres at integers; the sum collects the field at the position
    AFTER each step; a path that left is sent home and adds its own pixel's step from then on. Kept in float32: the rounding
    of a sum decides which pixel is the nearest, so the rule is defined only with its precision."""
    step, home = step_px.astype(np.float32), grid.astype(np.float32)
    last = np.array([step_px.shape[1] - 1, step_px.shape[0] - 1], dtype=np.float32)

    def field_at(position: NDArray[np.float32]) -> NDArray[np.float32]:
        x, y = np.round(position).astype(int).T
        return step[y, x]

    position, total, inside = home.copy(), home.copy(), np.ones(len(grid), dtype=bool)
    offsets, insides = [total - home], [inside]
    for _ in range(num_steps):
        position = position + field_at(position)
        inside = inside & ((position >= 0) & (position <= last)).all(1)
        position[~inside] = home[~inside]
        total = total + field_at(position)
        offsets.append(total - home)
        insides.append(inside)
    return Trace(np.stack(offsets).astype(np.float64), np.stack(insides), np.ones(len(grid), dtype=bool))


# --- blend_bidirectional ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Blend:
    feat: Floats
    alpha: Floats
    w_fwd: Floats
    w_bwd: Floats


def blend_bidirectional(fwd: Composited, bwd: Composited, loop_t: ArrayLike, *, sharpness: float = 4.0) -> Blend:
    a_f, a_b = (np.asarray(side.alpha, dtype=np.float64) for side in (fwd, bwd))
    k_f, k_b = (sharpness * np.asarray(side.disp, dtype=np.float64) for side in (fwd, bwd))
    t = np.asarray(loop_t, dtype=np.float64)

    # Numerators and denominator share the factor exp(-largest), of the sides that count: float64 neither overflows nor loses
    # a side behind one of no weight.
    largest = np.maximum(np.where((1 - t) * a_f > 0, k_f, -np.inf), np.where(t * a_b > 0, k_b, -np.inf))
    largest = np.where(np.isfinite(largest), largest, 0.0)
    w_f = (1 - t) * a_f * np.exp(np.minimum(k_f - largest, 0))
    w_b = t * a_b * np.exp(np.minimum(k_b - largest, 0))
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        denominator = np.maximum(w_f + w_b, 1e-6 * np.exp(-largest))
        w_f, w_b = (np.where(w > 0, w / denominator, 0) for w in (w_f, w_b))

    f_f, f_b = (np.asarray(side.feat, dtype=np.float64) for side in (fwd, bwd))
    return Blend(w_f[..., None] * f_f + w_b[..., None] * f_b, w_f * a_f + w_b * a_b, w_f, w_b)


# --- find_holes -------------------------------------------------------------------------------------------------------


LEAST_FREE = 0.249  # of a pixel: a quarter, but for rounding
SLACKS_PX = (-1 / 1024, 1 / 1024)  # a point so near to a pixel's border counts for both, and so little less exists as well


def find_holes(
    disp: ArrayLike,
    disp_hidden: ArrayLike,
    disp_fluid: ArrayLike,
    step_px: ArrayLike,
    camera: Pinhole,
    frame_px: tuple[int, int, int, int],
    *,
    num_steps: int,
    loop_steps: int,
    radius_px: float,
    depth_tolerance: float,
    least_existence: float,
) -> Bools:
    disp, hidden, fluid, step_px = (np.asarray(a, dtype=np.float64) for a in (disp, disp_hidden, disp_fluid, step_px))
    planes = disp.reshape(-1, *hidden.shape)
    last = np.zeros(hidden.shape)
    for plane in planes:
        last = np.where(plane > 0, plane, last)
    is_hidden = (hidden > 0) & (hidden * (1 + depth_tolerance) < last)
    layers, ys, xs = np.nonzero(planes > 0)
    front = _lifted(np.stack([xs, ys], axis=-1) + 0.5, planes[layers, ys, xs], camera)
    views = [_View(front, radius_px, camera, pose, frame_px, depth_tolerance) for pose in poses_of(camera)]
    ys, xs = np.nonzero(is_hidden)
    start = np.stack([xs, ys], axis=-1) + 0.5
    at_rest = np.any([view.sees(_lifted(start, hidden[ys, xs], camera)) for view in views], axis=0)
    found = np.zeros(hidden.shape, dtype=bool)
    found[ys, xs] = at_rest
    open_or_seen = (fluid > 0) & (found | ~(fluid * (1 + depth_tolerance) < last))
    near_seen = np.lib.stride_tricks.sliding_window_view(np.pad(open_or_seen, 1), (3, 3)).any((2, 3))
    surface = np.stack([np.where(fluid > 0, fluid, 0), fluid > 0], axis=-1)
    corner = np.array(hidden.shape[::-1]) - 1
    for sign in (1, -1):
        at, drifts = start.copy(), fluid[ys, xs] == hidden[ys, xs]
        for n in range(1, num_steps + 1):
            step = sample_bilinear(step_px, at)
            at = at + sign * step * drifts[:, None]
            drifts &= step.any(1) & (at >= 0).all(1) & (at <= corner + 1).all(1)
            total, existence = sample_bilinear(surface, at).T
            column, row = np.clip(np.nan_to_num(at), 0, corner).astype(int).T
            drawn = np.flatnonzero(
                drifts & (existence > max(least_existence - SLACKS_PX[1], 0)) & (near_seen[row, column] | (loop_steps > 0))
            )
            points = _lifted(at[drawn], total[drawn] / existence[drawn], camera)
            for v, view in enumerate(views):
                if loop_steps == 0 or (v - sign * n) % loop_steps == 0:
                    found[ys[drawn], xs[drawn]] |= view.sees(points)
    return found


def _lifted(xy_px: Floats, disp: Floats, camera: Pinhole) -> Floats:
    rays = (xy_px - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
    return np.concatenate([rays, np.ones((len(rays), 1))], axis=1) / disp[:, None]


class _View:
    """What one pose sees past the discs of the points ``front``."""

    def __init__(
        self,
        front: Floats,
        radius_px: float,
        camera: Pinhole,
        pose: Floats,
        frame_px: tuple[int, int, int, int],
        depth_tolerance: float,
    ) -> None:
        self.camera, self.pose, self.frame_px, self.depth_tolerance = camera, pose, frame_px, depth_tolerance
        self.discs = self.project(front)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.radius_px = radius_px * front[:, 2] / self.discs[:, 2]
        self.depths: dict[tuple[int, int], float] = {}

    def project(self, xyz: Floats) -> Floats:
        x, y, z = to_camera(xyz, self.pose).T
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack([self.camera.fx * x / z + self.camera.cx, self.camera.fy * y / z + self.camera.cy, z], axis=-1)

    def sees(self, points: Floats) -> Bools:
        projected = self.project(points)
        x0, y0, x1, y1 = self.frame_px
        seen = np.zeros(len(points), dtype=bool)
        for slack_px in itertools.product(SLACKS_PX, SLACKS_PX):
            x, y = np.floor(projected[:, :2] + slack_px).T
            inside = (projected[:, 2] > 0) & (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
            depth = [self.depth_at(int(x), int(y)) for x, y in zip(x[inside], y[inside], strict=True)]
            seen[inside] |= projected[inside, 2] <= np.array(depth)
        return seen

    def depth_at(self, x: int, y: int) -> float:
        """How deep the view looks at its pixel (x, y): to where the surface ends that leaves too little of it."""
        if (x, y) not in self.depths:
            q = ((self.discs[:, 0] - x - 0.5) ** 2 + (self.discs[:, 1] - y - 0.5) ** 2) / self.radius_px**2
            hits = np.flatnonzero((self.discs[:, 2] > 0) & (q < 1))
            hits = hits[np.argsort(self.discs[hits, 2])]
            depth, through = np.inf, 1.0
            for surface in group_surfaces(self.discs[hits, 2], self.depth_tolerance):
                at = q[hits[surface]]
                through *= 1 - min(1.0, np.maximum(0.005 * (1 - at), 1.4 - 3.15 * at).sum())
                if through <= LEAST_FREE:
                    depth = self.discs[hits[surface.start], 2] * (1 + self.depth_tolerance)
                    break
            self.depths[x, y] = depth
        return self.depths[x, y]


def bilinear(field, xy_px) -> np.ndarray:
    """``field [H, W, C]`` between pixel centres (+0.5) at ``xy_px [P, 2]``, clamped at the border: ``[P, C]``."""
    field, xy_px = np.asarray(field, np.float64), np.asarray(xy_px, np.float64)
    height, width = field.shape[:2]
    x, y = np.clip(xy_px[:, 0] - 0.5, 0, width - 1), np.clip(xy_px[:, 1] - 0.5, 0, height - 1)
    out = np.zeros((len(xy_px), field.shape[2]))
    for row in range(height):
        for column in range(width):
            out += (np.maximum(0, 1 - abs(x - column)) * np.maximum(0, 1 - abs(y - row)))[:, None] * field[row, column]
    return out


def fine_share(offset_px) -> np.ndarray:
    part = np.mod(np.asarray(offset_px, np.float64), 1)
    return 8 * (part * (1 - part)) ** 2


def drift_points(
    start_px,
    offset_px,
    neighbours,
    feat,
    surface,
    lens,
    *,
    radius_px,
    max_stretch,
    least_existence,
    phase,
    fade,
    detail,
    waves,
    seen_px=None,
):
    """``(xyz, feat, radius)`` of points where they arrived; ``detail``: None, or ``(fine, broad, gain, spacing_px)``;
    ``waves``: None, or ``(even, weight, least, most, spread, colour, tint)``; ``seen_px``: None, or ``(x0, y0, x1, y1)``."""
    start_px, offset_px, feat = (np.asarray(values, np.float64) for values in (start_px, offset_px, feat))
    fx, fy, cx, cy = lens
    height, width = np.asarray(surface).shape[:2]
    at = start_px + offset_px
    disp, existence, freedom, *resting = bilinear(surface, at).T[:6]
    z = 1 / np.maximum(disp, 1e-6)
    spans = [
        np.linalg.norm(offset_px[near] - offset_px + step, axis=1) for near, step in zip(neighbours, np.eye(2), strict=True)
    ]
    stretch = np.maximum(np.maximum(*spans), 1)
    drawn = (at >= 0).all(1) & (at[:, 0] <= width) & (at[:, 1] <= height) & (existence > least_existence)
    radius = np.where(drawn, radius_px * (1 + freedom * (np.minimum(stretch, max_stretch) - 1)) * z / fx, 0)
    own, turned = feat[:, :3], None
    if waves is not None:
        even, weight, least, most, spread, steady, tint = (np.asarray(values, np.float64) for values in waves)
        wide, near = np.einsum("k,kcm->cm", weight, even)
        own = steady + (spread * np.expm1(np.clip(wide, least, most)))[:, None] * tint
        turned = near[:, None] * tint
    colour = (1 - freedom)[:, None] * np.stack(resting, 1) + freedom[:, None] * own
    if detail is not None:
        fine, broad, gain, spacing_px = detail
        broad = broad if turned is None else turned
        share = freedom[:, None] * fine_share(offset_px)
        colour += (share[:, :, None] * np.asarray(fine, np.float64)).sum(1)
        raised = (bilinear(np.asarray(gain)[..., None], at / spacing_px + 0.5) - 1) * np.minimum(2 * freedom, 1)[:, None]
        colour += raised * np.asarray(broad, np.float64)
    confidence = feat[:, 3] / stretch**2 * (1 + fade * np.asarray(phase, np.float64))
    xyz = np.stack([(at[:, 0] - cx) / fx * z, (at[:, 1] - cy) / fy * z, z], 1)
    seen = 1.0
    if seen_px is not None:
        seen = ((at >= seen_px[:2]) & (at <= seen_px[2:])).all(1)
        xyz, colour = xyz * seen[:, None], colour * seen[:, None]
    return xyz, np.concatenate([colour, (confidence * seen)[:, None]], 1), radius * seen


def compose_frame(fwd, bwd, loop_t, sharpness, least_alpha):
    """``(rgb 0..255 before rounding, uncovered)`` of two splats ``(feat [M, 4], alpha [M], disp [M])``."""
    sides = [[np.asarray(values, np.float64) for values in side] for side in (fwd, bwd)]
    logs = [share * feat[:, 3] for (feat, _, _), share in zip(sides, (1 - loop_t, loop_t), strict=True)]
    weights = [weight * np.exp(sharpness * disp) for weight, (_, _, disp) in zip(logs, sides, strict=True)]
    total = np.maximum(sum(weights), 1e-6)
    rgb = sum(
        (w / total)[:, None] * feat[:, :3] / np.maximum(alpha, least_alpha)[:, None]
        for w, (feat, alpha, _) in zip(weights, sides, strict=True)
    )
    return np.clip(rgb, 0, 1) * 255, np.maximum(sides[0][1], sides[1][1]) < least_alpha


def convert_to_yuv(rgb):
    """``Y [H, W]``, ``Cb`` and ``Cr [H / 2, W / 2]`` of ``rgb [H, W, 3]``, 0..255, before rounding."""
    colour = np.asarray(rgb, np.float64) / 255
    luma = colour @ (0.2126, 0.7152, 0.0722)
    differences = (colour[..., 2] - luma) / 1.8556, (colour[..., 0] - luma) / 1.5748
    of_four = [(one[::2, ::2] + one[::2, 1::2] + one[1::2, ::2] + one[1::2, 1::2]) / 4 for one in differences]
    return 16 + 219 * luma, *(128 + 224 * one for one in of_four)


def fill_uncovered(rgb, uncovered):
    """``rgb [H, W, 3]`` before rounding, 0..255, its uncovered pixels continued ring by ring."""
    value, known = np.asarray(rgb, np.float64).copy(), ~np.asarray(uncovered)
    height, width = known.shape
    while known.any() and not known.all():
        before, after = known.copy(), value.copy()
        for y, x in zip(*np.nonzero(~before), strict=True):
            part = np.s_[max(y - 1, 0) : min(y + 2, height), max(x - 1, 0) : min(x + 2, width)]
            if before[part].any():
                after[y, x], known[y, x] = value[part][before[part]].mean(0), True
        value = after
    return value
