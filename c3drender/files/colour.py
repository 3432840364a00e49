"""Colour spaces of pictures: what an ICC profile or a CICP code says, and the way from there to sRGB or Display P3.

Profiles of three primaries and three curves, which cameras, phones and editors embed, are followed in float; others, such as a
printer's, by LittleCMS in 8 bits. High dynamic range (PQ, HLG) is brought into the range of the screen.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import PIL.Image
import PIL.ImageCms

from .on_disk import Data

Color = Literal["srgb", "p3"]
COLORS: tuple[Color, ...] = ("srgb", "p3")
Array = np.ndarray

CURVE_SAMPLES = 4096
HEAD_BYTES = 2**20  # of a file, in which its codes are
SAME = 2e-3  # numbers in 0..1 that differ by less are the same colour
REFERENCE_WHITE = 203.0  # cd/m^2, of graphics in HDR (ITU-R BT.2408)
PQ_PEAK = 10000.0
KNEE = 0.8  # above this share of white HDR is compressed instead of cut

# Chromaticities x, y of red, green, blue, white by the code of ITU-T H.273.
D65 = (0.3127, 0.3290)
PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
}
D50_XYZ = np.array([0.9642, 1.0, 0.8249])  # of the profile connection space
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True, eq=False)
class ColourSpace:
    """Where encoded colours lie: ``to_xyz [3, 3]`` takes linear RGB to XYZ under D50, ``decode`` encoded values to linear."""

    to_xyz: Array
    decode: Callable[[Array], Array]


def srgb_decoded(encoded: Array) -> Array:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4)


def srgb_encoded(linear: Array) -> Array:
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)


def _bt709_decoded(encoded: Array) -> Array:
    return np.where(encoded < 0.081, encoded / 4.5, ((np.maximum(encoded, 0) + 0.099) / 1.099) ** (1 / 0.45))


def _pq_decoded(encoded: Array) -> Array:
    """SMPTE ST 2084, 1 is the reference white."""
    m1, m2, c1, c2, c3 = 1305 / 8192, 2523 / 32, 107 / 128, 2413 / 128, 2392 / 128
    root = np.maximum(encoded, 0) ** (1 / m2)
    linear: Array = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return linear * (PQ_PEAK / REFERENCE_WHITE)


def _hlg_decoded(encoded: Array) -> Array:
    """ITU-R BT.2100 for a screen of 1000 cd/m^2, 1 is the reference white (the gamma per channel, not of the luminance)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(encoded <= 0.5, encoded**2 / 3, (np.exp((encoded - c) / a) + b) / 12)
    return 1000 / REFERENCE_WHITE * np.maximum(scene, 0) ** 1.2


def _gamma(exponent: float) -> Callable[[Array], Array]:
    return lambda encoded: np.maximum(encoded, 0) ** exponent


TRANSFERS: dict[int, Callable[[Array], Array]] = {
    **dict.fromkeys((1, 6, 14, 15), _bt709_decoded),
    4: _gamma(2.2),
    5: _gamma(2.8),
    8: _gamma(1.0),
    13: srgb_decoded,
    16: _pq_decoded,
    17: _gamma(2.6),
    18: _hlg_decoded,
}
CURVE_NUMBERS = (1, 3, 4, 5, 7)  # of a profile's parametric curves, by their kind


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> Array:
    """Linear RGB to XYZ, adapted to D50."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]).T
    white = columns[:, 3]
    scaled = columns[:, :3] * np.linalg.solve(columns[:, :3], white)
    cones = (BRADFORD @ D50_XYZ) / (BRADFORD @ white)
    adapted: Array = np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD @ scaled
    return adapted


SRGB = ColourSpace(_to_xyz(PRIMARIES[1]), srgb_decoded)
DISPLAY_P3 = ColourSpace(_to_xyz(PRIMARIES[12]), srgb_decoded)
SPACES: dict[Color, ColourSpace] = {"srgb": SRGB, "p3": DISPLAY_P3}


def check_color(color: str) -> Color:
    if color not in COLORS:
        raise ValueError(f"color: expected {' or '.join(COLORS)}, got {color!r}")
    return color


def space_of(picture: PIL.Image.Image, data: Data) -> ColourSpace | None:
    """The space that a picture's CICP code or profile names; None for none, or one that is no matrix and curves."""
    codes = _cicp(data)
    if codes is not None and codes[0] in PRIMARIES and codes[1] in TRANSFERS:
        return ColourSpace(_to_xyz(PRIMARIES[codes[0]]), TRANSFERS[codes[1]])
    profile = picture.info.get("icc_profile")
    return profile_space(profile) if isinstance(profile, bytes) else None


def converted(rgb: Array, source: ColourSpace, target: ColourSpace) -> Array:
    """Encoded colours float32 ``[..., 3]`` of one space in another, cut to what that one can show."""
    linear = source.decode(rgb)
    if linear.max(initial=0) > 1 + SAME:
        linear = _compressed(linear)
    between = np.linalg.solve(target.to_xyz, source.to_xyz).astype(np.float32)
    moved = linear.astype(np.float32) @ between.T
    encoded: Array = srgb_encoded(moved.clip(0, 1)).astype(np.float32)
    return encoded


def is_same(source: ColourSpace, target: ColourSpace) -> bool:
    """Whether numbers mean the same colours in both."""
    steps = np.linspace(0, 1, 33)
    curves = np.stack([steps] * 3, axis=1)
    return bool(
        np.abs(source.to_xyz - target.to_xyz).max() < SAME
        and np.abs(srgb_encoded(source.decode(curves)) - srgb_encoded(target.decode(curves))).max() < SAME
    )


def _compressed(linear: Array) -> Array:
    """High range in 0..1: below the knee as it is, above it ever less, the hue kept."""
    peak = linear.max(axis=-1, keepdims=True)
    over = np.maximum(peak - KNEE, 0) / (1 - KNEE)
    shown = np.where(peak > KNEE, KNEE + (1 - KNEE) * over / (1 + over), peak)
    compressed: Array = linear * (shown / np.maximum(peak, 1e-6))
    return compressed


def profile_space(profile: bytes) -> ColourSpace | None:
    """The space of an ICC profile of three primaries and three curves; None for another kind or a damaged one."""
    try:
        if profile[16:20] != b"RGB ":
            return None
        (count,) = struct.unpack_from(">I", profile, 128)
        if count > 256:
            return None
        entries = [struct.unpack_from(">4sII", profile, 132 + 12 * n) for n in range(count)]
        tags = {signature: profile[offset : offset + size] for signature, offset, size in entries}
        if b"A2B0" in tags or not {b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"} <= tags.keys():
            return None
        columns = [_xyz(tags[b"%cXYZ" % letter]) for letter in b"rgb"]
        curves = [_curve(tags[b"%cTRC" % letter]) for letter in b"rgb"]
    except (struct.error, ValueError, IndexError, ArithmeticError):
        return None
    to_xyz = np.stack(columns, axis=1)
    if abs(np.linalg.det(to_xyz)) < 1e-4 or not all(np.isfinite(curve).all() for curve in curves):
        return None
    steps = np.linspace(0, 1, CURVE_SAMPLES)

    def decode(encoded: Array) -> Array:
        return np.stack([np.interp(encoded[..., k], steps, curves[k]) for k in range(3)], axis=-1)

    return ColourSpace(to_xyz, decode)


def _xyz(tag: bytes) -> Array:
    return np.array(struct.unpack_from(">3i", tag, 8)) / 65536


def _curve(tag: bytes) -> Array:
    """`CURVE_SAMPLES` values of a ``curv`` or ``para`` tag."""
    steps = np.linspace(0, 1, CURVE_SAMPLES)
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return steps
        if count == 1:
            return cast(Array, steps ** (struct.unpack_from(">H", tag, 12)[0] / 256))
        table = np.frombuffer(tag, ">u2", count, 12) / 65535
        return np.interp(steps, np.linspace(0, 1, count), table)
    (kind,) = struct.unpack_from(">H", tag, 8)
    if tag[:4] != b"para" or kind >= len(CURVE_NUMBERS):
        raise ValueError("a curve of another kind")
    g, *rest = (value / 65536 for value in struct.unpack_from(f">{CURVE_NUMBERS[kind]}i", tag, 12))
    a, b, c, d, e, f = 1.0, 0.0, 0.0, -1.0, 0.0, 0.0  # above d (a x + b)^g + e, below it c x + f
    if kind in (1, 2):
        a, b = rest[:2]
        d, e = -b / a, sum(rest[2:])
        f = e
    elif kind >= 3:
        a, b, c, d = rest[:4]
        e, f = rest[4:] or (0.0, 0.0)
    curve: Array = np.where(steps >= d, np.maximum(a * steps + b, 0) ** g + e, c * steps + f)
    return curve


def _cicp(data: Data) -> tuple[int, int] | None:
    """Codes of the primaries and the transfer, of a PNG's ``cICP`` chunk or the ``colr`` box of HEIF and AVIF."""
    head = data[:HEAD_BYTES]
    if head.startswith(b"\x89PNG"):
        at = head.find(b"cICP", 8, head.find(b"IDAT", 8))
        if at > 0 and zlib.crc32(head[at : at + 8]) == struct.unpack_from(">I", head, at + 8)[0]:
            return head[at + 4], head[at + 5]
    elif head[4:8] == b"ftyp":
        at = head.find(b"colrnclx", 8, 2**16)
        if at > 0 and len(head) >= at + 12:
            primaries, transfer = struct.unpack_from(">HH", head, at + 8)
            return primaries, transfer
    return None


def by_littlecms(picture: PIL.Image.Image) -> PIL.Image.Image | None:
    """``picture`` in sRGB by its profile, whatever its kind; None without a profile, or with a damaged one."""
    profile = picture.info.get("icc_profile")
    if picture.mode == "LAB":
        lab = PIL.ImageCms.createProfile("LAB")
        return _transformed(picture, cast(PIL.ImageCms.ImageCmsProfile, lab))
    if not profile or picture.mode not in ("RGB", "CMYK", "L"):
        return None
    try:
        return _transformed(picture, PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (OSError, PIL.ImageCms.PyCMSError):
        return None  # the picture's own numbers are the best guess


def _transformed(picture: PIL.Image.Image, source: PIL.ImageCms.ImageCmsProfile) -> PIL.Image.Image:
    target = PIL.ImageCms.createProfile("sRGB")
    moved = PIL.ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
    return cast(PIL.Image.Image, moved)  # None stands for a conversion in place


def profile_of(color: Color) -> bytes | None:
    """The ICC profile that a picture in this space carries; None for sRGB, which needs none."""
    if color == "srgb":
        return None
    return _matrix_profile(b"Display P3", DISPLAY_P3.to_xyz)


def _matrix_profile(description: bytes, to_xyz: Array) -> bytes:
    """A version 2 display profile of these primaries (under D50) and sRGB's curve."""

    def fixed(values: Array) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(v) * 65536) for v in values))

    steps = srgb_decoded(np.linspace(0, 1, 1024))
    curve = b"curv\0\0\0\0" + struct.pack(">I", 1024) + (steps * 65535).round().astype(">u2").tobytes()
    text = b"desc\0\0\0\0" + struct.pack(">I", len(description) + 1) + description + bytes(1 + 4 + 4 + 2 + 1 + 67)
    notice = b"text\0\0\0\0CC0\0"
    parts = {b"desc": text, b"cprt": notice, b"wtpt": fixed(D50_XYZ)}
    parts |= {b"%cXYZ" % letter: fixed(to_xyz[:, n]) for n, letter in enumerate(b"rgb")}
    body, table = b"", b""
    start = 128 + 4 + 12 * (len(parts) + 3)
    for signature, part in (*parts.items(), (b"rTRC", curve)):
        names = (b"rTRC", b"gTRC", b"bTRC") if signature == b"rTRC" else (signature,)
        for name in names:  # one curve for all three
            table += struct.pack(">4sII", name, start + len(body), len(part))
        body += part + bytes(-len(part) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(D50_XYZ)[8:]
    return header + bytes(128 - len(header)) + struct.pack(">I", len(parts) + 3) + table + body
