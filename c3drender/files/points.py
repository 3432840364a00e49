"""Points and Gaussians for other programs: PLY, and the compressed SPZ."""

from __future__ import annotations

import gzip
import struct
from math import floor, log2

import numpy as np

from .geometry import UP, Cloud, as_bytes

SH_0 = 0.28209479177387814  # the constant spherical harmonic
OPAQUE = 0.995  # a Gaussian's opacity at its middle where a pixel is covered whole
SPREAD_PX = 0.6  # standard deviation of a pixel's Gaussian
SPZ_MAGIC, SPZ_VERSION = 0x5053474E, 2
SPZ_MOST = 2**23 - 1  # of a coordinate in 24 bits
SPZ_MOST_BITS = 20  # behind the point
SPZ_COLOUR = 0.15  # of a byte's range for each unit of a colour's coefficient
SPZ_SCALES = (-10.0, 1 / 16)  # a byte's log scale: the least, and the step


def ply_points(cloud: Cloud) -> bytes:
    """Coloured points, in glTF's axes."""
    kinds = [*((axis, "<f4") for axis in "xyz"), *((name, "u1") for name in ("red", "green", "blue", "alpha"))]
    rows = np.zeros(len(cloud.xyz), np.dtype(kinds))
    for axis, values in zip("xyz", (cloud.xyz * UP).T, strict=True):
        rows[axis] = values
    colours = as_bytes(np.concatenate([cloud.rgb, cloud.alpha[:, None]], axis=1))
    for name, values in zip(("red", "green", "blue", "alpha"), colours.T, strict=True):
        rows[name] = values
    return _ply(kinds, rows)


def ply_gaussians(cloud: Cloud) -> bytes:
    """A round Gaussian for each point, as wide as a pixel is where it lies, in the axes of 3D Gaussian Splatting's files:
    +y down, +z forward."""
    names = ["x", "y", "z", "nx", "ny", "nz", *(f"f_dc_{c}" for c in range(3)), "opacity"]
    names += [*(f"scale_{axis}" for axis in range(3)), *(f"rot_{part}" for part in range(4))]
    kinds = [(name, "<f4") for name in names]
    rows = np.zeros(len(cloud.xyz), np.dtype(kinds))
    for axis, values in zip("xyz", cloud.xyz.T, strict=True):
        rows[axis] = values
    for c in range(3):
        rows[f"f_dc_{c}"] = (cloud.rgb[:, c] - 0.5) / SH_0
    share = _opacity(cloud)
    rows["opacity"] = np.log(share / (1 - share))
    for name in ("scale_0", "scale_1", "scale_2"):
        rows[name] = np.log(SPREAD_PX * cloud.pixel)
    rows["rot_0"] = 1
    return _ply(kinds, rows)


def spz(cloud: Cloud) -> bytes:
    """The same Gaussians in Niantic's SPZ, version 2, whose axes are glTF's: gzip over positions in 24 bits, and bytes.

    Raises
    ------
    ValueError
        For a scene whose sizes do not fit into them.
    """
    xyz = cloud.xyz * UP
    farthest = max(float(np.abs(xyz).max()), 1e-6)
    bits = min(floor(log2(SPZ_MOST / farthest)), SPZ_MOST_BITS)
    least, step = SPZ_SCALES
    scale = ((np.log(SPREAD_PX * cloud.pixel) - least) / step).round()
    if bits < 0 or scale.min() < 0 or scale.max() > 255:
        got = f"{float(cloud.xyz[:, 2].min()):.3g} to {float(cloud.xyz[:, 2].max()):.3g}"
        raise ValueError(f"out: expected a scene whose depth .spz can hold, got z {got}; .ply holds any")
    fixed = (xyz * 2.0**bits).round().astype("<i4")
    positions = fixed[:, :, None].view("u1").reshape(-1, 3, 4)[:, :, :3]  # the low three of four bytes
    colours = as_bytes(SPZ_COLOUR * (cloud.rgb - 0.5) / SH_0 + 0.5)
    scales = np.repeat(scale.astype("u1")[:, None], 3, axis=1)
    unturned = np.full((len(xyz), 3), 128, "u1")
    header = struct.pack("<IIIBBBB", SPZ_MAGIC, SPZ_VERSION, len(xyz), 0, bits, 0, 0)
    parts = (positions, as_bytes(_opacity(cloud)), colours, scales, unturned)
    return gzip.compress(header + b"".join(part.tobytes() for part in parts), mtime=0)


def _opacity(cloud: Cloud) -> np.ndarray:
    opacity: np.ndarray = (cloud.alpha * OPAQUE).clip(1e-3, OPAQUE)
    return opacity


def _ply(kinds: list[tuple[str, str]], rows: np.ndarray) -> bytes:
    """Binary little-endian, one row per vertex."""
    names = {"<f4": "float", "u1": "uchar"}
    listed = "".join(f"property {names[kind]} {name}\n" for name, kind in kinds)
    header = f"ply\nformat binary_little_endian 1.0\ncomment c3drender\nelement vertex {len(rows)}\n{listed}end_header\n"
    return header.encode() + rows.tobytes()
