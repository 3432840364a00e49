"""Cumulus clouds: balls that bear balls, rough with cellular noise, along which view rays are marched.

A marcher of its own because Cycles needs hundreds of samples for what this does once per texel.

References
----------
Schneider & Vos, "The real-time volumetric cloudscapes of Horizon: Zero Dawn", SIGGRAPH 2015 (cells that carve a coarse shape).
Wrenninge, Kulla & Lundqvist, "Oz: the great and volumetric", SIGGRAPH 2013 (light scattered many times, as octaves).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ..textures import Array

VOXEL_M = 40.0
OUTSIDE_M = 160.0  # the most that the lattice says of how far a cloud is
ROUGH_M = ((520.0, 85.0), (151.0, 30.0), (53.0, 12.0))  # the cells' tile, and how far they bulge, metres
BULGE_M = sum(height for _, height in ROUGH_M)
SKIN_M = 28.0  # over which a cloud becomes dense
EXTINCTION = 0.045  # 1/m
OPAQUE = 0.02
HAZE_M = 40000.0


@dataclass(frozen=True)
class Clouds:
    """``inside [X, Y, Z]``: metres inside the balls (below 0 outside), on a lattice from ``origin`` on; ``tau``: optical depth
    towards the sun there; ``cells``: bulges, periodic, -1..1; ``base``: height of the flat underside."""

    inside: Tensor
    tau: Tensor
    cells: Tensor
    origin: Tensor
    base: float
    to_sun: Tensor


@dataclass(frozen=True)
class Light:
    """``sun`` is what a white surface that faces it shows, ``sky`` the mean radiance from above, ``haze`` that of the horizon:
    linear RGB."""

    sun: Tensor
    sky: Tensor
    haze: Tensor


def balls(rng: np.random.Generator, at: Sequence[float], size: float, levels: int = 4) -> Array:
    """A cloud of about ``size`` metres radius: ``[N, 4]`` centres and radii; each ball bears smaller ones, mostly above."""
    aside = rng.normal(0, 0.6, (6, 2)) * size
    radius = size * rng.uniform(0.35, 0.6, 6) * np.exp(-0.5 * (np.linalg.norm(aside, axis=1) / size) ** 2)
    parents = np.concatenate([aside, rng.uniform(0.1, 0.6, (6, 1)) * radius[:, None], radius[:, None]], 1)
    found = [parents]
    for _ in range(levels - 1):
        way = rng.normal(size=(len(parents), 6, 3))
        way[..., 2] += 0.55
        way /= np.linalg.norm(way, axis=-1, keepdims=True)
        own = parents[:, None, 3:]
        sizes = own * rng.uniform(0.38, 0.62, (len(parents), 6, 1))
        parents = np.concatenate([parents[:, None, :3] + way * own * 0.85, sizes], -1).reshape(-1, 4)
        found.append(parents)
    return np.concatenate(found) + np.array([*at, 0])


def build(bodies: Array, base: float, to_sun: Array, seed: int) -> Clouds:
    """From balls [N, 4]."""
    reach = bodies[:, 3:] + OUTSIDE_M
    origin, end = (bodies[:, :3] - reach).min(0), (bodies[:, :3] + reach).max(0)
    origin[2] = base - OUTSIDE_M
    shape = np.ceil((end - origin) / VOXEL_M).astype(int) + 1
    inside = np.full(shape, -OUTSIDE_M, np.float32)
    for *centre, radius in bodies:
        middle, half = (np.array(centre) - origin) / VOXEL_M, (radius + OUTSIDE_M) / VOXEL_M
        low, high = (np.clip(np.ceil(end), 0, shape).astype(int) for end in (middle - half, middle + half))
        x, y, z = ((np.arange(low[k], high[k]) - middle[k]).astype(np.float32) * VOXEL_M for k in range(3))
        part = inside[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        np.maximum(part, radius - np.sqrt(x[:, None, None] ** 2 + y[:, None] ** 2 + z**2), out=part)
    height = (np.arange(shape[2]) * VOXEL_M - OUTSIDE_M).astype(np.float32)
    shown = torch.from_numpy(np.minimum(inside, height))
    sun = torch.as_tensor(to_sun, dtype=torch.float32)
    return Clouds(shown, _towards_sun(shown, sun), _cells(seed), torch.as_tensor(origin, dtype=torch.float32), base, sun)


def _sampled(volume: Tensor, at: Tensor) -> Tensor:
    """``volume [X, Y, Z]`` at ``at [N, 3]``, in its cells, by trilinear interpolation; beyond its ends it goes on as there."""
    last = torch.tensor(volume.shape, dtype=torch.float32) - 1
    grid = (at / last * 2 - 1).flip(-1)[None, :, None, None]
    found = torch.nn.functional.grid_sample(volume[None, None], grid, padding_mode="border", align_corners=True)
    return found[0, 0, :, 0, 0]


def _towards_sun(inside: Tensor, to_sun: Tensor) -> Tensor:
    dense = (inside / SKIN_M + 0.5).clamp(0, 1)
    axes = [torch.arange(n, dtype=torch.float32) for n in inside.shape]
    index = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    total, done = torch.zeros(len(index)), 0.0
    for reach in (0.8, 1.8, 3.2, 5.2, 8.0, 12.0, 18.0, 27.0):
        thick = EXTINCTION * (reach - done) * VOXEL_M
        total += thick * _sampled(dense, index + to_sun * ((done + reach) / 2))
        done = reach
    return total.reshape(inside.shape)


def _cells(seed: int, side: int = 64, points: int = 64) -> Tensor:
    """Bulges around random points of a periodic cube: 1 at a point, -1 where one is as far from all as can be. The first slice
    is there again as the last."""
    spots = np.random.default_rng(seed).random((points, 3))
    grid = np.stack(np.meshgrid(*[np.arange(side + 1) % side / side] * 3, indexing="ij"), -1)
    nearest, _ = cKDTree(spots, boxsize=1.0).query(grid.reshape(-1, 3))
    return torch.from_numpy((1 - 2 * nearest / nearest.max()).reshape(grid.shape[:-1]).astype(np.float32))


def _inside(clouds: Clouds, xyz: Tensor) -> Tensor:
    return _sampled(clouds.inside, (xyz - clouds.origin) / VOXEL_M)


def _density(clouds: Clouds, xyz: Tensor, inside: Tensor) -> Tensor:
    """Of points [N, 3] that lie ``inside`` [N] metres in the balls: 0..1."""
    side = len(clouds.cells) - 1
    bulge = torch.zeros(len(xyz))
    for tile, height in ROUGH_M:
        bulge += height * _sampled(clouds.cells, (xyz / tile).remainder(1.0) * side)
    level = ((xyz[:, 2] - clouds.base) / 120).clamp(0, 1)
    return ((inside + bulge * level) / SKIN_M + 0.5).clamp(0, 1)


def march(clouds: Clouds, eye: Tensor, rays: Tensor, light: Light, far: float) -> tuple[Tensor, Tensor, Tensor]:
    """Colour [N, 3], opacity [N] and mean distance [N] of the clouds along unit rays [N, 3] from ``eye``, below their base."""
    glow, through, seen = torch.zeros_like(rays), torch.ones(len(rays)), torch.zeros(len(rays))
    gone = (clouds.base - eye[2]) / rays[:, 2].clamp(min=1e-3)
    cos = rays @ clouds.to_sun
    top = clouds.origin[2] + clouds.inside.shape[2] * VOXEL_M
    live = torch.nonzero(gone < far)[:, 0]
    while len(live):
        xyz = eye + rays[live] * gone[live, None]
        inside = _inside(clouds, xyz)
        step = (-(inside + BULGE_M + SKIN_M)).maximum(10 + gone[live] / 700)
        near = torch.nonzero(inside > -(BULGE_M + SKIN_M))[:, 0]
        dense = _density(clouds, xyz[near], inside[near])
        cloudy = dense > 0
        near, dense = near[cloudy], dense[cloudy]
        at = live[near]
        passed = torch.exp(-EXTINCTION * dense * step[near])
        share = through[at] * (1 - passed)
        glow[at] += share[:, None] * _lit(clouds, xyz[near], cos[at], light)
        seen[at] += share * gone[at]
        through[at] *= passed
        gone[live] += step
        live = live[(through[live] > OPAQUE) & (gone[live] < far) & (xyz[:, 2] < top)]
    weight = (1 - through).clamp(min=1e-6)
    distance = torch.where(through < 1, seen / weight, far)
    clear = torch.exp(-distance / HAZE_M)[:, None]
    return glow / weight[:, None] * clear + light.haze * (1 - clear), torch.where(through > OPAQUE, 1 - through, 1.0), distance


def _lit(clouds: Clouds, xyz: Tensor, cos: Tensor, light: Light) -> Tensor:
    """Sunlight scattered once, twice and more often, each octave softer, and skylight from above."""
    tau = _sampled(clouds.tau, (xyz - clouds.origin) / VOXEL_M)
    for reach in (18.0, 50.0):  # what the lattice is too coarse for
        ahead = xyz + clouds.to_sun * reach
        tau = tau + EXTINCTION * reach / 2 * _density(clouds, ahead, _inside(clouds, ahead))
    total = torch.zeros(len(xyz))
    for octave in range(4):
        lobes = ((0.7 * 0.5**octave, 0.4), (-0.2 * 0.5**octave, 0.6))  # Henyey and Greenstein's g, and their shares
        phase = sum(share * (1 - g * g) / (1 + g * g - 2 * g * cos) ** 1.5 for g, share in lobes)
        total += 0.62**octave * phase * torch.exp(-(0.32**octave) * tau)
    height = ((xyz[:, 2] - clouds.base) / 1000).clamp(0, 1)
    return 0.3 * total[:, None] * light.sun + (0.3 + 0.4 * height)[:, None] * light.sky
