"""Gradient noise at arbitrary points, in two and three dimensions."""

from __future__ import annotations

import itertools

import numpy as np


def _hash(cell: np.ndarray, seed: int) -> np.ndarray:
    """Integer lattice points [..., D] to well-mixed uint32 [...]."""
    value = np.full(cell.shape[:-1], (seed * 0x9E3779B1 + 0x7F4A7C15) & 0xFFFFFFFF, np.uint32)
    for axis, prime in zip(range(cell.shape[-1]), (0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F), strict=False):
        value = (value ^ cell[..., axis].astype(np.uint32)) * np.uint32(prime)
        value ^= value >> np.uint32(15)
    value *= np.uint32(0x2C1B3C6D)
    return value ^ (value >> np.uint32(13))


def gradient_noise(points: np.ndarray, seed: int) -> np.ndarray:
    """Perlin noise, about -1..1, of points [..., D] with a unit lattice; D is 2 or 3."""
    points = np.asarray(points, np.float32)
    cell = np.floor(points).astype(np.int64)
    local = points - cell
    fade = local**3 * (local * (local * 6 - 15) + 10)
    total = np.zeros(points.shape[:-1], np.float32)
    for corner in itertools.product((0, 1), repeat=points.shape[-1]):
        at = np.array(corner)
        code = _hash(cell + at, seed)
        offset = local - at
        if points.shape[-1] == 2:
            angle = code.astype(np.float32) * np.float32(2 * np.pi / 2**32)
            dot = np.cos(angle) * offset[..., 0] + np.sin(angle) * offset[..., 1]
        else:
            gradient = np.stack([((code >> s) & 0xFF).astype(np.float32) / 127.5 - 1 for s in (0, 8, 16)], -1)
            dot = (gradient * offset).sum(-1)
        weight = np.where(at == 1, fade, 1 - fade).prod(-1)
        total += weight * dot
    return total * np.float32(1.5)


def fbm(points: np.ndarray, seed: int, octaves: int = 5, gain: float = 0.5) -> np.ndarray:
    """Fractal sum of gradient noise, about -1..1, for points [..., D]."""
    total, weight, norm = 0.0, 1.0, 0.0
    for octave in range(octaves):
        total = total + weight * gradient_noise(np.asarray(points) * 2.0**octave + 17.3 * octave, seed + octave)
        norm += weight
        weight *= gain
    return total / norm


def ridged(points: np.ndarray, seed: int, octaves: int = 6, gain: float = 0.5) -> np.ndarray:
    """Ridged multifractal noise, 0..1: sharp crests whose detail fades in the valleys, as erosion leaves them."""
    total, weight, norm = 0.0, 1.0, 0.0
    carry = np.ones(np.asarray(points).shape[:-1], np.float32)
    for octave in range(octaves):
        crest = 1 - np.abs(gradient_noise(np.asarray(points) * 2.0**octave + 9.1 * octave, seed + octave))
        crest = np.clip(crest, 0, 1) ** 2
        total = total + weight * crest * carry
        norm += weight
        carry = np.clip(crest * 1.6, 0, 1)
        weight *= gain
    return total / norm


def smooth_step(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, a cubic between; ``low`` may be the larger."""
    share = np.clip((np.asarray(value) - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)
