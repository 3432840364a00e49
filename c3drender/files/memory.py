"""What reading a large picture takes whose decoder knows it only whole: told before it is taken."""

from __future__ import annotations

from .coded import is_coded
from .decode import TIFF_BITS, Opened
from .on_disk import Data
from .tell import warn

MUCH_BYTES = 2**30  # beside Python's and torch's own 300 MiB
HEAD_BYTES = 2**20  # of a WebP, in which its kind is
COPIES_OF_WEBP = 3  # of its file: Pillow's, its decoder's and FFmpeg's
# Of decoders, per pixel, beside the file (benchmarks/large_photos.py).
PLANES, LOSSLESS, HEIF, HEIF_WHOLE, AVIF_WHOLE, WEBP_WHOLE, OTHERS = 1.9, 4.0, 5.0, 7.5, 9.2, 16.2, 5.3


def coefficient_bytes(opened: Opened) -> int:
    """What libjpeg holds of a JPEG while it decodes it: of a progressive one all coefficients."""
    picture = opened.picture
    if not picture.info.get("progressive"):
        return 0
    factors: list[tuple[int, int]] = [layer[1:3] for layer in picture.layer]  # type: ignore[attr-defined]  # a JPEG's
    most = max(across for across, _ in factors) * max(down for _, down in factors)
    return 2 * picture.size[0] * picture.size[1] * sum(across * down for across, down in factors) // most


def tell_of_memory(name: str, opened: Opened) -> None:
    """Warn where a picture that is not read in bands takes much."""
    needed = _needed_bytes(opened)
    if needed > MUCH_BYTES:
        width, height = opened.picture.size
        kind = opened.picture.format or "picture"
        warn(
            f"{name}: reading it takes about {needed / 2**20:.0f} MiB: the decoder of {kind} holds all {width} x {height} px"
            f" at once: {opened.shown}; baseline JPEG, PNG and TIFF in strips are reduced while they are decoded"
        )


def _needed_bytes(opened: Opened) -> float:
    picture, here = opened.picture, is_coded(opened)
    pixels = picture.size[0] * picture.size[1]
    if picture.format in ("JPEG", "MPO"):
        return coefficient_bytes(opened)
    if picture.format == "WEBP":
        per_pixel = WEBP_WHOLE if not here else LOSSLESS if _is_lossless(opened.data) else PLANES
        return pixels * per_pixel + COPIES_OF_WEBP * len(opened.data)
    if picture.format == "AVIF":
        return pixels * (PLANES if here else AVIF_WHOLE)
    if picture.format == "HEIF":
        return pixels * (HEIF if here else HEIF_WHOLE)
    if picture.format == "TIFF":  # a strip, its pixels and the file
        bits: tuple[int, ...] = picture.tag_v2.get(TIFF_BITS, (8,))  # type: ignore[attr-defined]  # a TIFF's
        return pixels * (OTHERS + sum(bits) / 8) + len(opened.data)
    return pixels * OTHERS


def _is_lossless(data: Data) -> bool:
    return b"VP8L" in data[:HEAD_BYTES]
