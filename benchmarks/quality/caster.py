"""A small ray caster: planes with outlines and ellipsoids, front to back by depth, 2 x 2 rays per pixel.

The world is the photo's camera space (x right, y down, z forward), turned by the scene's ``tilt``. A ray's direction has
z = 1 in its camera, so its parameter at a hit is ``z_cam``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .flows import Motion
from .textures import Array, Material, mix

Outline = Callable[[Array, Array, Array], Array]  # s, t, footprint -> coverage 0..1
Vector = tuple[float, float, float]

NEAREST_Z = 0.05
HAZE_START = 4.0


@dataclass(frozen=True)
class Rays:
    """``centre [3]``, ``along [H, W, 3]`` in the world; ``pixel``: a ray's width at depth 1."""

    centre: NDArray[np.float64]
    along: Array
    pixel: float


@dataclass(frozen=True)
class Hit:
    """Per ray: depth ``z`` (inf where missed), surface coordinates, ``footprint`` in units, brightness ``light``."""

    z: Array
    s: Array
    t: Array
    footprint: Array
    light: Array

    def cut(self, box: tuple[slice, slice]) -> Hit:
        return Hit(*(getattr(self, f.name)[box] for f in fields(self)))


class Surface(Protocol):
    material: Material
    outline: Outline | None
    veil: Outline | None
    motion: Motion | None
    mirror: float
    body_from: float

    def meet(self, rays: Rays) -> Hit: ...

    def world_velocity(self, s: Array, t: Array) -> Array: ...


def _unit(v: Vector) -> NDArray[np.float64]:
    a = np.asarray(v, np.float64)
    return a / np.linalg.norm(a)


def _length(vectors: Array) -> Array:
    return np.sqrt(np.einsum("...i,...i", vectors, vectors))


@dataclass(frozen=True)
class Plane:
    """Through ``at``, spanned by ``s_axis`` and ``t_axis``, which are orthogonal. Where ``outline`` is 0 it is not; where it
    is above ``body_from`` the plane is what a pixel shows (depth, motion).

    ``veil``: opacity inside the outline, carried by the motion. ``mirror``: share of what it reflects, a ray turned by the
    slopes that ``ripples`` gives.
    """

    at: Vector
    s_axis: Vector
    t_axis: Vector
    material: Material
    outline: Outline | None = None
    motion: Motion | None = None
    veil: Outline | None = None
    mirror: float = 0.0
    body_from: float = 0.5
    ripples: Callable[[Array, Array, Array], tuple[Array, Array]] | None = None

    def normal(self) -> NDArray[np.float64]:
        return np.cross(_unit(self.s_axis), _unit(self.t_axis))

    def meet(self, rays: Rays) -> Hit:
        normal, start = self.normal(), rays.centre - np.asarray(self.at)
        slant = rays.along @ normal.astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.float32(-(start @ normal)) / slant
        z = np.where(np.isfinite(z) & (z > NEAREST_Z), z, np.inf).astype(np.float32)
        safe = np.where(np.isfinite(z), z, 1)
        s_axis, t_axis = _unit(self.s_axis), _unit(self.t_axis)
        s = np.float32(start @ s_axis) + safe * (rays.along @ s_axis.astype(np.float32))
        t = np.float32(start @ t_axis) + safe * (rays.along @ t_axis.astype(np.float32))
        # Grazing rays are as wide as their shadow on the plane; the root tempers what a square filter would blur sideways.
        graze = np.sqrt(_length(rays.along) / np.maximum(np.abs(slant), 1e-3))
        return Hit(z, s, t, safe * rays.pixel * graze, np.broadcast_to(np.float32(1), z.shape))

    def world_velocity(self, s: Array, t: Array) -> Array:
        along_s, along_t = self.motion.velocity(s, t)
        return along_s[..., None] * _unit(self.s_axis) + along_t[..., None] * _unit(self.t_axis)


@dataclass(frozen=True)
class Ellipsoid:
    """Centre, radii, and a light that falls on it. Its coordinates run along x and y, sheared by z."""

    at: Vector
    radii: Vector
    material: Material
    light: Vector = (-0.5, -0.8, -0.4)
    outline: None = None
    veil: None = None
    motion: None = None
    mirror: float = 0.0
    body_from: float = 0.5

    def meet(self, rays: Rays) -> Hit:
        radii = np.asarray(self.radii)
        start = (rays.centre - np.asarray(self.at)) / radii
        along = rays.along / radii.astype(np.float32)
        a = np.einsum("...i,...i", along, along)
        b = along @ start.astype(np.float32)
        root = b * b - a * np.float32(start @ start - 1)
        z = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
        z = np.where(z > NEAREST_Z, z, np.inf).astype(np.float32)
        safe = np.where(np.isfinite(z), z, 1)[..., None]
        place = rays.centre.astype(np.float32) - np.asarray(self.at, np.float32) + safe * rays.along
        normal = place / (radii * radii).astype(np.float32)
        normal /= np.maximum(_length(normal), 1e-6)[..., None]
        lit = np.maximum(normal @ _unit(self.light).astype(np.float32), 0)
        shade = 0.45 + 0.65 * lit - 0.15 * np.maximum(normal[..., 1], 0)
        s, t = place[..., 0] + 0.5 * place[..., 2], place[..., 1] - 0.35 * place[..., 2]
        return Hit(z, s, t, safe[..., 0] * rays.pixel, shade)

    def world_velocity(self, s: Array, t: Array) -> Array:
        raise TypeError("Ellipsoid: has no motion")


@dataclass(frozen=True)
class World:
    """What there is to see. ``surfaces`` run from far to near where outlines overlap. ``haze``: colour and the depth at which
    1 - 1/e of it is reached. ``tilt``: radians by which the camera looks down."""

    surfaces: tuple[Surface, ...]
    haze: tuple[Vector, float] | None = None
    tilt: float = 0.0


@dataclass(frozen=True)
class Shot:
    """``rgb [H, W, 3]`` 0..1; at the pixels' centres ``z_cam [H, W]``, ``moving [H, W]`` and ``step_px [H, W, 2]``."""

    rgb: Array
    z_cam: Array
    moving: NDArray[np.bool_]
    step_px: Array


def cast_rays(world: World, pose: NDArray[np.float64], width: int, height: int, per_side: int) -> Rays:
    """Rays of the camera ``pose [3, 4]`` (world to camera, before the tilt), ``per_side`` squared per pixel."""
    focal = max(width, height)
    x = (np.arange(width * per_side) + 0.5) / per_side - width / 2
    y = (np.arange(height * per_side) + 0.5) / per_side - height / 2
    in_cam = np.stack(np.broadcast_arrays(x[None] / focal, y[:, None] / focal, 1.0), -1)
    turn = _tilt(world.tilt) @ pose[:, :3].T
    return Rays(-turn @ pose[:, 3], (in_cam @ turn.T).astype(np.float32), 1 / (focal * per_side))


def _tilt(angle: float) -> NDArray[np.float64]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])


def _box_of(seen: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """The rows and columns around what is True."""
    rows, cols = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)) if len(rows) else None


def _coverage(surface: Surface, hit: Hit, time: float) -> tuple[Array, Array, tuple[Array, Array]]:
    """How much of each ray the surface's body takes, how much it hides, and where its texture lay at time 0."""
    origin = (hit.s, hit.t) if surface.motion is None else surface.motion.origin(hit.s, hit.t, time)
    within = origin if surface.motion is not None and surface.motion.moves_outline else (hit.s, hit.t)
    body = np.isfinite(hit.z).astype(np.float32)
    if surface.outline is not None:
        body = body * surface.outline(*within, hit.footprint)
    hides = body if surface.veil is None else body * surface.veil(*origin, hit.footprint)
    return body, hides, origin


@dataclass(frozen=True)
class Sight:
    """What one surface shows of the rays in ``box``: its ``colour [h, w, 3]`` and depth ``z``, how much of each ray its
    ``body`` takes and how much it ``hides``."""

    box: tuple[slice, slice]
    z: Array
    body: Array
    hides: Array
    colour: Array


def _see(world: World, surface: Surface, rays: Rays, hit: Hit, time: float) -> Sight | None:
    body, hides, origin = _coverage(surface, hit, time)
    box = _box_of(body > 0)
    if box is None:
        return None
    hit, body, hides, origin = hit.cut(box), body[box], hides[box], (origin[0][box], origin[1][box])
    colour = surface.material(*origin, hit.footprint)
    if surface.mirror:
        there = replace(rays, along=rays.along[box])
        colour = mix(colour, _reflection(world, surface, there, hit, origin, time), surface.mirror)
    colour = colour * hit.light[..., None]
    if world.haze is not None:
        haze, depth = world.haze
        dimmed = 1 - np.exp(-np.maximum(np.where(np.isfinite(hit.z), hit.z, 0) - HAZE_START, 0) / depth)
        colour = mix(colour, np.asarray(haze, np.float32), dimmed)
    return Sight(box, hit.z, body, hides, colour)


def look(world: World, rays: Rays, times: Sequence[float]) -> Array:
    """Colours ``[T, H, W, 3]`` along ``rays [H, W]`` at ``times``; what stands still is looked at once."""
    shape = (len(times), *rays.along.shape[:2])
    rgb, nearest = np.zeros((*shape, 3), np.float32), np.full(shape, np.inf, np.float32)
    for surface in world.surfaces:
        hit = surface.meet(rays)
        around = _box_of(hit.z < nearest.max(axis=0))
        if around is None:
            continue
        hit, there = hit.cut(around), replace(rays, along=rays.along[around])
        for k, time in enumerate(times):
            if k == 0 or surface.motion is not None:
                sight = _see(world, surface, there, hit, time)
            if sight is None:
                continue
            shown, depth = rgb[k][around][sight.box], nearest[k][around][sight.box]
            in_front = sight.z < depth
            shown[...] = mix(shown, sight.colour, np.where(in_front, sight.hides, 0))
            depth[...] = np.where(in_front & (sight.body > surface.body_from), sight.z, depth)
    return rgb.clip(0, 1)


def _reflection(world: World, mirror: Plane, rays: Rays, hit: Hit, origin: tuple[Array, Array], time: float) -> Array:
    """What the mirror shows of everything that does not move."""
    normal = mirror.normal().astype(np.float32)
    if rays.along.reshape(-1, 3).mean(axis=0) @ normal > 0:
        normal = -normal
    turned = np.broadcast_to(normal, rays.along.shape).copy()
    if mirror.ripples is not None:
        slope_s, slope_t = mirror.ripples(*origin, hit.footprint)
        turned -= slope_s[..., None] * _unit(mirror.s_axis).astype(np.float32)
        turned -= slope_t[..., None] * _unit(mirror.t_axis).astype(np.float32)
        turned /= _length(turned)[..., None]
    back = rays.along - 2 * np.einsum("...i,...i", rays.along, turned)[..., None] * turned
    # One mirrored centre serves all rays: what is reflected stands far behind the water's edge.
    at = rays.centre - 2 * ((rays.centre - np.asarray(mirror.at)) @ normal.astype(np.float64)) * normal
    still = World(tuple(s for s in world.surfaces if s.motion is None and isinstance(s, Plane)), world.haze)
    return look(still, Rays(at, back.astype(np.float32), 2 * rays.pixel), [time])[0]


def survey(
    world: World, rays: Rays, focal: float, pose: NDArray[np.float64], times: Sequence[float]
) -> list[tuple[Array, ...]]:
    """At each of ``times`` ``z_cam [H, W]``, ``moving [H, W]`` and ``step_px [H, W, 2]`` (at time 0's velocities) along
    ``rays``."""
    shape = rays.along.shape[:2]
    found = [(np.full(shape, np.inf, np.float32), np.zeros(shape, bool), np.zeros((*shape, 2), np.float32)) for _ in times]
    to_cam = pose[:, :3] @ _tilt(world.tilt).T
    in_cam = rays.along @ to_cam.T.astype(np.float32)
    for surface in world.surfaces:
        hit = surface.meet(rays)
        goes_along = surface.motion is not None and surface.motion.moves_outline
        for k, (time, (nearest, moving, step_px)) in enumerate(zip(times, found, strict=True)):
            if k == 0 or goes_along:
                body, _, origin = _coverage(surface, hit, time)
                step = np.zeros(2, np.float32)
                if surface.motion is not None:
                    speed = surface.world_velocity(*(origin if goes_along else (hit.s, hit.t))) @ to_cam.T
                    step = focal * (speed[..., :2] - in_cam[..., :2] * speed[..., 2:]) / hit.z[..., None]
            shown = (hit.z < nearest) & (body > surface.body_from)
            np.copyto(nearest, hit.z, where=shown)
            np.copyto(moving, surface.motion is not None, where=shown)
            np.copyto(step_px, step, where=shown[..., None], casting="same_kind")
    return found


def shoot(
    world: World, pose: NDArray[np.float64], width: int, height: int, times: Sequence[float], per_side: int = 2
) -> list[Shot]:
    """The pictures that the camera at ``pose [3, 4]`` takes at ``times`` (frames), and what is known about them."""
    fine = look(world, cast_rays(world, pose, width, height, per_side), times)
    known = survey(world, cast_rays(world, pose, width, height, 1), max(width, height), pose, times)
    pictures = fine.reshape(len(times), height, per_side, width, per_side, 3).mean(axis=(2, 4))
    return [Shot(rgb, *of) for rgb, of in zip(pictures, known, strict=True)]
