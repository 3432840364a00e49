"""What reading a large picture takes whose decoder knows it only whole: told before it is taken."""

from __future__ import annotations

from .coded import is_coded
from .decode import TIFF_BITS, Opened
from .on_disk import Data
from .tell import warn

OWN_BYTES = 280 * 2**20  # of Python and torch, before a photo is read
MUCH_BYTES = 2**30  # beside these
MOST_BYTES = 1_500_000_000 - OWN_BYTES  # so that a photo that is reduced takes 1.5 GB with all that is loaded
HEAD_BYTES = 2**20  # of a WebP, in which its kind is
COPIES_OF_WEBP = 3  # of its file: Pillow's, its decoder's and FFmpeg's
# Of decoders, per pixel, beside the file (benchmarks/large_photos.py).
PLANES, LOSSLESS, HEIF, HEIF_WHOLE, AVIF_WHOLE, WEBP_WHOLE, OTHERS = 1.9, 4.0, 5.0, 7.5, 9.2, 16.2, 5.3
JPEG_2000 = 19.4  # 320 MiB for 17.3 Mpx, a quarter for each level left out
WAY_OUT = "baseline JPEG, PNG and TIFF in strips or tiles are reduced while they are decoded"


def coefficient_bytes(opened: Opened) -> int:
    """What libjpeg holds of a JPEG while it decodes it: of a progressive one all coefficients."""
    picture = opened.picture
    if not picture.info.get("progressive"):
        return 0
    factors: list[tuple[int, int]] = [layer[1:3] for layer in picture.layer]  # type: ignore[attr-defined]  # a JPEG's
    most = max(across for across, _ in factors) * max(down for _, down in factors)
    return 2 * picture.size[0] * picture.size[1] * sum(across * down for across, down in factors) // most


def check_memory(name: str, opened: Opened, wanted: tuple[int, int], halvings: int = 0) -> None:
    """Refuse a picture that is not read in bands and takes too much beside one of ``wanted`` (height, width), in floats; warn
    where it takes much, or all was asked for. A JPEG 2000 is halved so often while it is decoded.

    Raises ValueError with one line.
    """
    needed = _needed_bytes(opened, halvings)
    if needed <= MUCH_BYTES:
        return
    width, height = opened.picture.size
    kind = opened.picture.format or "picture"
    why = f"the decoder of {kind} holds all {width} x {height} px at once: {opened.shown}; {WAY_OUT}"
    if needed > MOST_BYTES > 12 * wanted[0] * wanted[1]:
        raise ValueError(
            f"{name}: expected one that takes at most {MOST_BYTES / 2**20:.0f} MiB, got {needed / 2**20:.0f}: {why}"
        )
    warn(f"{name}: reading it takes about {needed / 2**20:.0f} MiB: {why}")


def _needed_bytes(opened: Opened, halvings: int) -> float:
    picture, here = opened.picture, is_coded(opened)
    pixels = picture.size[0] * picture.size[1]
    if picture.format in ("JPEG", "MPO"):
        return coefficient_bytes(opened)
    if picture.format == "WEBP":
        per_pixel = WEBP_WHOLE if not here else LOSSLESS if _is_lossless(opened.data) else PLANES
        return pixels * per_pixel + COPIES_OF_WEBP * len(opened.data)
    if picture.format == "AVIF":
        return pixels * (PLANES if here else AVIF_WHOLE)
    if picture.format == "JPEG2000":
        return pixels * JPEG_2000 / 4.0**halvings
    if picture.format == "HEIF":
        return pixels * (HEIF if here else HEIF_WHOLE)
    if picture.format == "TIFF":  # a strip, its pixels and the file
        bits: tuple[int, ...] = picture.tag_v2.get(TIFF_BITS, (8,))  # type: ignore[attr-defined]  # a TIFF's
        return pixels * (OTHERS + sum(bits) / 8) + len(opened.data)
    return pixels * OTHERS


def _is_lossless(data: Data) -> bool:
    return b"VP8L" in data[:HEAD_BYTES]
