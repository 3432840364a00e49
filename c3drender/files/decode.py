"""Pictures opened but not decoded yet, by Pillow and its kin: of no more pixels than a limit, or a plain word on them."""

from __future__ import annotations

import importlib
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps

from .on_disk import Data, stream_of
from .place import one_line
from .pnm import DEEP, pnm_of, pnm_rows

MOST_PIXELS = 2**28  # of one picture: more than any camera takes in one shot
MOST_DECODED_BYTES = 2**30
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_AROUND = 12  # bytes of a chunk beside its content: length, name, checksum
# What Pillow raises for a damaged file, or for one that claims more pixels than a picture has.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    ArithmeticError,
    RuntimeError,  # of libavif and libheif, and NotImplementedError
    PIL.Image.DecompressionBombError,
)
FORMATS_EXTRA = "pip install c3drender[formats]"
PNG_BIT_DEPTH_BYTE = 24
PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
AVIF_BRANDS = (b"avif", b"avis")
KIND_BYTES = 2**12  # at the beginning of a file, which tell what it is

# Raw files of cameras: some by how they begin, those that are TIFF inside by their suffix or their tags.
RAW_BEGINNINGS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")
# fmt: off
RAW_SUFFIXES = frozenset((
    ".3fr", ".ari", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef",
    ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
))
# fmt: on
TIFF_SUBFILE, TIFF_SUB_IFDS, TIFF_DNG_VERSION, TIFF_PHOTOMETRIC = 254, 330, 50706, 262
TIFF_BITS, TIFF_PLANES, WHITE_IS_0 = 258, 284, 0
TIFF_COMPRESSION = 259
CFA, LINEAR_RAW = 32803, 34892  # what a raw photo's pixels are
REDUCED = 1  # of TIFF_SUBFILE: a smaller copy of another picture of the file
ORIENTATION = 0x0112
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # of EXIF, what makes the picture upright
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: p.swapaxes(0, 1)[:, ::-1],
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
    8: lambda p: p.swapaxes(0, 1)[::-1],
}


@dataclass(frozen=True, eq=False)
class Opened:
    """A picture whose header was read: Pillow's view of it, all the bytes, and what to call it."""

    picture: PIL.Image.Image
    data: Data
    shown: str
    note: str | None = None

    @property
    def orientation(self) -> int:
        """EXIF's, 1 where there is none."""
        return orientation_of(self.picture)


def orientation_of(picture: PIL.Image.Image) -> int:
    """EXIF's, 1 where there is none or a damaged one, and for TIFF, which both decoders turn upright themselves."""
    if picture.format == "TIFF":
        return 1
    try:
        turn = picture.getexif().get(ORIENTATION, 1)
    except UNREADABLE:
        return 1
    return turn if isinstance(turn, int) and turn in TURNS else 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """``pixels [H, W, ...]`` as EXIF's orientation asks."""
    return TURNS[orientation](pixels) if orientation in TURNS else pixels


def open_picture(name: str, data: Data, shown: str) -> Opened:
    """The picture that a file holds, the largest where it holds several, with only its header read.

    Raises ValueError with one line for a file that is no picture, of a kind that is not read, or of too many pixels.
    """
    if len(data) == 0:
        raise ValueError(f"{name}: expected a picture, got a file of another kind: {shown} is empty")
    try:
        with _our_limit():
            picture = _identified(data)
            if picture is None:
                raise Refused(f"{name}: expected a picture, got {_kind(data)}: {shown}")
            if picture.format == "PNG" and not _has_late_exif(data):
                picture.info.setdefault("exif", b"")  # Pillow would decode all in search of it
            picture, note = _main_page(name, picture, shown)
        check_area(name, *picture.size, shown)
        _check_length(name, picture, len(data), shown)
        if picture.format == "PNG":
            _check_chunks(name, data, shown)
        if picture.format == "PNG" and picture.mode == "P" and picture.palette is None:
            raise Refused(f"{name}: expected a complete picture in {shown}, got one without its palette")
    except Refused:
        raise
    except UNREADABLE as error:
        raise ValueError(f"{name}: expected a complete picture in {shown}, got {one_line(error)}") from error
    return Opened(picture, data, shown, note)


class _Limit:
    """Who decodes right now, and Pillow's own limit, which is a global of the process: lower than `MOST_PIXELS`, and a warning
    in words of its own. It is as it was as soon as nobody decodes."""

    lock, users, before = threading.Lock(), 0, PIL.Image.MAX_IMAGE_PIXELS


@contextmanager
def _our_limit() -> Iterator[None]:
    with _Limit.lock:
        if _Limit.users == 0:
            _Limit.before, PIL.Image.MAX_IMAGE_PIXELS = PIL.Image.MAX_IMAGE_PIXELS, None  # `check_area` is ours
        _Limit.users += 1
    try:
        yield
    finally:
        with _Limit.lock:
            _Limit.users -= 1
            if _Limit.users == 0:
                PIL.Image.MAX_IMAGE_PIXELS = _Limit.before


class Refused(ValueError):
    """A line of our own, not to be worded anew."""


class DeepPlanes(Refused):
    """It is a picture that every decoder at hand gets wrong."""


class RawPhoto(Refused):
    """It is a camera's raw file."""


def check_area(name: str, width: int, height: int, shown: str) -> None:
    """Refuse, before anything is decoded, a picture that would fill the memory."""
    if width * height > MOST_PIXELS:
        got = f"{width} x {height}, {width * height / 1e6:.0f} Mpx"
        raise Refused(f"{name}: expected at most {MOST_PIXELS / 1e6:.0f} Mpx, got {got}: {shown}")


def _check_length(name: str, picture: PIL.Image.Image, num_bytes: int, shown: str) -> None:
    """Refuse a TIFF that is shorter than the pixels it has as they are: memory would be taken for what is not there."""
    tags = getattr(picture, "tag_v2", None)
    if picture.format != "TIFF" or tags is None or tags.get(TIFF_COMPRESSION, 1) != 1:
        return
    least = picture.size[0] * picture.size[1] * sum(tags.get(TIFF_BITS, (1,))) // 8
    if least > num_bytes:
        raise Refused(f"{name}: expected a complete picture in {shown}, got {num_bytes} of {least} bytes")


def _check_chunks(name: str, data: Data, shown: str) -> None:
    """Refuse a PNG with a chunk that claims to be longer than the file: a decoder takes memory for all of it."""
    at = len(PNG_SIGNATURE)
    while at + PNG_AROUND <= len(data) and data[at + 4 : at + 8] != b"IEND":
        at += PNG_AROUND + int.from_bytes(data[at : at + 4], "big")
    if at > len(data):
        raise Refused(f"{name}: expected a complete picture in {shown}, got {len(data)} of {at} bytes or more")


def is_raw(data: Data, suffix: str) -> bool:
    """Whether these are a camera's raw data. A TIFF or JPEG by content counts only where its suffix says raw."""
    is_box = data[4:12] == b"ftypcrx "
    return is_box or data.startswith(RAW_BEGINNINGS) or (data[8:10] == b"CR" and is_tiff(data)) or suffix in RAW_SUFFIXES


def loaded(name: str, opened: Opened) -> PIL.Image.Image:
    """Decode it. ValueError with one line for a damaged file."""
    try:
        with _our_limit():
            opened.picture.load()
    except UNREADABLE as error:
        raise ValueError(f"{name}: expected a complete picture in {opened.shown}, got {one_line(error)}") from error
    except MemoryError:
        raise ValueError(f"{name}: expected a picture that fits into memory, got {opened.shown}") from None
    return opened.picture


def is_deep(opened: Opened) -> bool:
    """Whether its colours have 16 bits, of which Pillow keeps 8."""
    picture, data = opened.picture, opened.data
    if picture.format == "PNG":
        return data[PNG_BIT_DEPTH_BYTE] == 16 and not picture.mode.startswith("I")
    if picture.format == "PPM":
        pnm = pnm_of(data)
        return pnm is not None and pnm.channels > 1 and pnm.white > DEEP
    tags = getattr(picture, "tag_v2", None)
    bits = tags.get(TIFF_BITS, ()) if picture.format == "TIFF" and tags is not None else ()
    return len(bits) >= 3 and max(bits) == 16 and getattr(picture, "tell", lambda: 0)() == 0


def numbers_of(picture: PIL.Image.Image) -> np.ndarray:
    """The pixels of a decoded picture, white as the largest number also where a TIFF of 16 bits has it as 0."""
    pixels = np.asarray(picture)
    tags = getattr(picture, "tag_v2", None)
    white_is_0 = tags is not None and tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_0
    return 65535 - pixels if white_is_0 and picture.mode.startswith("I;16") else pixels


def all_bits(name: str, opened_or_data: Opened | Data, shown: str = "") -> np.ndarray:
    """All bits of a picture, ``[H, W]`` or ``[H, W, C]``, RGB or RGBA, not turned upright."""
    data = opened_or_data.data if isinstance(opened_or_data, Opened) else opened_or_data
    shown = opened_or_data.shown if isinstance(opened_or_data, Opened) else shown
    pnm = pnm_of(data)
    if pnm is not None:
        rows = pnm_rows(data, pnm, 0, pnm.height)
        if rows is None:
            raise ValueError(f"{name}: expected a complete picture in {shown}, got a damaged or truncated one")
        return rows
    try:
        pixels = cv2.imdecode(np.frombuffer(data[:], dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ValueError(f"{name}: expected a picture in {shown}, got something else or a truncated file")
    if pixels.ndim == 3 and pixels.shape[2] in (3, 4):
        return np.ascontiguousarray(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])
    return pixels


def optional_module(module: str) -> Any:
    """A module of the extra ``formats``, None where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def _identified(data: Data) -> PIL.Image.Image | None:
    """Pillow's view, or pillow-heif's; None where neither knows the kind."""
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        heif = optional_module("pillow_heif.as_plugin")
        return None if heif is None else heif.HeifImageFile(stream_of(data))
    try:
        return PIL.Image.open(stream_of(data))
    except PIL.UnidentifiedImageError:
        return None


def _has_late_exif(data: Data) -> bool:
    """Whether a PNG has EXIF data behind its pixels, or as a text."""
    at, behind = 8, False
    while at + 8 <= len(data):
        length, key = struct.unpack(">I4s", data[at : at + 8])
        behind |= key == b"IDAT"
        if (key == b"eXIf" and behind) or (key in PNG_TEXTS and data[at + 8 : at + 25] == b"Raw profile type "):
            return True
        at += 12 + length
    return False


def _main_page(name: str, picture: PIL.Image.Image, shown: str) -> tuple[PIL.Image.Image, str | None]:
    """``picture`` at its largest page, where it has several, and a line that says so."""
    if picture.format == "TIFF":
        _refuse_raw_tiff(name, picture, shown)
        _refuse_deep_planes(name, picture, shown)
        return _largest_page(name, picture)
    frames = getattr(picture, "n_frames", 1)
    if getattr(picture, "is_animated", False) and picture.format in ("GIF", "PNG", "WEBP", "AVIF"):
        return picture, f"{name}: the first of {frames} frames of an animated picture"
    return picture, None


def _refuse_raw_tiff(name: str, picture: Any, shown: str) -> None:
    tags = picture.tag_v2
    reduced = bool(int(tags.get(TIFF_SUBFILE, 0) or 0) & REDUCED)
    if TIFF_DNG_VERSION in tags or tags.get(TIFF_PHOTOMETRIC) in (CFA, LINEAR_RAW) or (reduced and TIFF_SUB_IFDS in tags):
        raise RawPhoto(raw_line(name, shown))


def _refuse_deep_planes(name: str, picture: Any, shown: str) -> None:
    """Of 16 bits and more a plane: both decoders take its numbers for those of another plane."""
    bits = picture.tag_v2.get(TIFF_BITS, ())
    if picture.tag_v2.get(TIFF_PLANES, 1) != 1 and len(bits) > 1 and max(bits) > 8:
        got = f"a TIFF of {max(bits)} bits in a plane for each channel"
        raise DeepPlanes(f"{name}: expected a TIFF whose pixels lie together, got {got}: {shown}")


def raw_line(name: str, shown: str, reason: str = "") -> str:
    return f"{name}: expected a developed photo, got a camera's raw file{reason}: {shown}; export it as TIFF, PNG or JPEG" + (
        "" if reason else f", or {FORMATS_EXTRA}"
    )


def _largest_page(name: str, picture: Any) -> tuple[PIL.Image.Image, str | None]:
    """Of a TIFF's pages that of most pixels: a smaller copy may come first."""
    count = getattr(picture, "n_frames", 1)
    if count == 1:
        return picture, None
    areas = []
    for n in range(min(count, 64)):
        picture.seek(n)
        areas.append(picture.size[0] * picture.size[1])
    best = areas.index(max(areas))
    picture.seek(best)
    return picture, f"{name}: page {best + 1} of {count}, the largest" if best else f"{name}: the first of {count} pages"


def is_tiff(data: Data) -> bool:
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _kind(data: Data) -> str:
    """What a file is that Pillow could not open, and what to do about it."""
    data = data[:KIND_BYTES]
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        if optional_module("pillow_heif") is None:
            return f"a HEIC photo ({FORMATS_EXTRA}, or export it as JPEG)"
        return "a HEIC photo that is damaged"
    if data[4:8] == b"ftyp" and data[8:12] in AVIF_BRANDS:
        return "an AVIF photo that is damaged or needs another build of Pillow"
    if data[4:8] == b"ftyp" or data[:4] in (b"\x1aE\xdf\xa3", b"RIFF"):
        return "a video (export one frame as a picture)"
    if data.startswith(b"%PDF"):
        return "a PDF (export the page as a picture)"
    if data.lstrip()[:5].lower() in (b"<?xml", b"<svg ", b"<!doc", b"<html"):
        return "text: SVG or a web page (export it as a picture)"
    if data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "a JPEG XL photo (export it as JPEG or PNG)"
    if data.startswith((b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5")):
        return "a pickle, which is a program (numpy.save writes arrays)"
    if is_tiff(data):
        return "a TIFF of numbers that are not read (export it with 8 or 16 bits)"
    return "a file of another kind"
