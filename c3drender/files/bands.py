"""A large PNG, TIFF, PGM or PPM in bands of rows, so that it never lies in memory whole.

The decoders of PNG and TIFF know whole files only. So each band is made a small file of its own, which they read as they would
have read all: of a TIFF by its strips or rows of tiles as they are, of a PNG by its rows out of the one stream, behind the row
that their filters refer to.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import PIL.Image

from .decode import (
    ORIENTATION,
    TIFF_BITS,
    TIFF_COMPRESSION,
    TIFF_PHOTOMETRIC,
    TIFF_PLANES,
    Opened,
    all_bits,
    is_deep,
    loaded,
    numbers_of,
    open_picture,
)
from .pnm import pnm_of, pnm_rows

Pixels = PIL.Image.Image | np.ndarray  # numbers, and colours of 16 bits, as arrays

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the kind of colour
GREY_WITH_ALPHA = 4
PNG_KEPT = (b"PLTE", b"tRNS")  # what the numbers need
PART_BYTES = 2**16  # zlib copies what it did not use

WIDTH, LENGTH, SAMPLES, ROWS_PER_STRIP, TILE_LENGTH = 256, 257, 277, 278, 323
STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES = 273, 279, 324, 325
# Of FillOrder, T4Options, T6Options, Predictor, ColorMap, TileWidth, ExtraSamples, SampleFormat, JPEGTables, YCbCrSubSampling.
# fmt: off
TIFF_KEPT = (WIDTH, TIFF_BITS, TIFF_COMPRESSION, TIFF_PHOTOMETRIC, 266, SAMPLES, TIFF_PLANES, 292, 293, 317, 320, 322,
             TILE_LENGTH, 338, 339, 347, 530)
# fmt: on
UNCOMPRESSED, OLD_JPEG, YCBCR = 1, 6, 6
DEFLATE = (8, 32946)
BYTE, SHORT, LONG, UNDEFINED, LONG8 = 1, 3, 4, 7, 16
LETTERS = {BYTE: "B", SHORT: "H", LONG: "L", UNDEFINED: "B", LONG8: "L"}


@dataclass(frozen=True, eq=False)
class Bands:
    """``size`` (height, width) as stored, the EXIF orientation that makes it upright, and the decoded bands from the top."""

    size: tuple[int, int]
    orientation: int
    pieces: Iterator[Pixels]


def in_bands(name: str, opened: Opened, rows: int) -> Bands | None:
    """A picture in bands of ``rows`` rows, of a TIFF a little more; None for one that has to be decoded whole.

    The bands raise ValueError with one line for a damaged file.
    """
    if not opened.data:
        return None
    if opened.picture.format == "PNG":
        return _png_bands(name, opened, rows)
    if opened.picture.format == "PPM":
        return _pnm_bands(name, opened, rows)
    return _tiff_bands(name, opened, rows) if opened.picture.format == "TIFF" else None


def _decoded(name: str, opened: Opened, file: bytes) -> Pixels:
    """A band's small file."""
    if is_deep(opened):
        return all_bits(name, file, opened.shown)
    picture = loaded(name, open_picture(name, file, opened.shown))
    picture.info = dict(opened.picture.info)
    return numbers_of(picture) if picture.mode.startswith("I") or picture.mode == "F" else picture


def _incomplete(name: str, opened: Opened) -> ValueError:
    return ValueError(f"{name}: expected a complete picture in {opened.shown}, got a damaged or truncated one")


# PGM, PPM


def _pnm_bands(name: str, opened: Opened, rows: int) -> Bands | None:
    pnm = pnm_of(opened.data)
    if pnm is None:
        return None

    def pieces() -> Iterator[Pixels]:
        for top in range(0, pnm.height, rows):
            piece = pnm_rows(opened.data, pnm, top, min(top + rows, pnm.height))
            if piece is None:
                raise _incomplete(name, opened)
            yield PIL.Image.fromarray(piece) if piece.dtype == np.uint8 else piece

    return Bands((pnm.height, pnm.width), opened.orientation, pieces())


# PNG (ISO/IEC 15948)


def _png_bands(name: str, opened: Opened, rows: int) -> Bands | None:
    width, height, depth, _, _, _, interlaced = struct.unpack(">IIBBBBB", opened.data[16:29])
    if interlaced or depth < 8:
        return None
    return Bands((height, width), opened.orientation, _png_pieces(name, opened, rows))


def _png_pieces(name: str, opened: Opened, rows: int) -> Iterator[Pixels]:
    width, height, depth, kind = struct.unpack(">IIBB", opened.data[16:26])
    row_bytes = 1 + width * PNG_CHANNELS[kind] * depth // 8
    kept = b"".join(_chunk(key, b"".join(parts)) for key, parts in _chunks(name, opened, PNG_KEPT))
    packed = (part for _, parts in _chunks(name, opened, (b"IDAT",)) for part in parts)
    above, left = b"", height  # the last row of the band before, as a band's first row
    for inflated in _inflated(name, opened, packed, rows * row_bytes):
        count = min(len(inflated) // row_bytes, left)
        if count == 0:
            break
        header = struct.pack(">II", width, count + bool(above)) + opened.data[24:29]
        body = zlib.compress(above + inflated[: count * row_bytes], 0)
        file = PNG_SIGNATURE + _chunk(b"IHDR", header) + kept + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")
        band = _decoded(name, opened, file)
        start = bool(above)
        above = b"\0" + _last_row(band, kind, depth)
        yield band[start:] if isinstance(band, np.ndarray) else band.crop((0, start, width, band.size[1]))
        left -= count
    if left:
        raise _incomplete(name, opened)


def _last_row(band: Pixels, kind: int, depth: int) -> bytes:
    """As PNG stores it, without a filter."""
    row = band[-1] if isinstance(band, np.ndarray) else np.asarray(band.crop((0, band.size[1] - 1, *band.size)))[0]
    channels = row.reshape(len(row), -1)
    # OpenCV makes colours of grey with alpha, and an alpha channel of a colour that is transparent.
    stored = channels[:, [0, -1]] if kind == GREY_WITH_ALPHA else channels[:, : PNG_CHANNELS[kind]]
    return bytes(stored.astype(">u2" if depth == 16 else "u1").tobytes())


def _chunks(name: str, opened: Opened, keys: tuple[bytes, ...]) -> Iterator[tuple[bytes, Iterator[bytes]]]:
    """Those of these names, each with its content in parts, which raise ValueError where it is not what its checksum says."""
    data, at = opened.data, len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        length, key = struct.unpack(">I4s", data[at : at + 8])
        at += 12 + length
        if key == b"IEND" or at > len(data):
            return
        if key in keys:
            yield key, _checked(name, opened, key, at - 4 - length, length)


def _checked(name: str, opened: Opened, key: bytes, start: int, length: int) -> Iterator[bytes]:
    data, end, checksum = opened.data, start + length, zlib.crc32(key)
    for at in range(start, end, PART_BYTES):
        part = data[at : min(at + PART_BYTES, end)]
        checksum = zlib.crc32(part, checksum)
        yield part
    if data[end : end + 4] != struct.pack(">I", checksum):
        raise _incomplete(name, opened)


def _chunk(key: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + key + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(key)))


def _inflated(name: str, opened: Opened, packed: Iterable[bytes], length: int) -> Iterator[bytes]:
    """The stream of rows in pieces of ``length`` bytes, the last one as long as what is left."""
    inflate, piece = zlib.decompressobj(), bytearray()
    try:
        for part in packed:
            rest = part
            while True:
                piece += inflate.decompress(rest, length - len(piece))
                rest = inflate.unconsumed_tail
                if len(piece) < length:
                    break
                yield bytes(piece)
                piece.clear()
    except zlib.error:
        raise _incomplete(name, opened) from None
    if piece:
        yield bytes(piece)


# TIFF 6.0


def _tiff_bands(name: str, opened: Opened, rows: int) -> Bands | None:
    picture: Any = opened.picture
    tags = picture.tag_v2
    tiled = TILE_OFFSETS in tags
    keys = (TILE_OFFSETS, TILE_BYTES) if tiled else (STRIP_OFFSETS, STRIP_BYTES)
    if any(key not in tags for key in keys) or tags.get(TIFF_COMPRESSION, UNCOMPRESSED) == OLD_JPEG:
        return None
    height = tags[LENGTH]
    group_rows = min(tags[TILE_LENGTH] if tiled else tags.get(ROWS_PER_STRIP, height), height)
    planes = tags.get(SAMPLES, 1) if tags.get(TIFF_PLANES, 1) == 2 else 1
    places = [np.array(tags[key], np.int64) for key in keys]
    groups = ceil(height / group_rows)
    if len(places[0]) != len(places[1]) or len(places[0]) % (planes * groups):
        return None
    offsets, lengths = (place.reshape(planes, groups, -1) for place in places)
    plain = tags.get(TIFF_COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED and tags.get(TIFF_PHOTOMETRIC) != YCBCR
    bits = tags.get(TIFF_BITS, (1,))
    row_bytes = ceil(tags[WIDTH] * (sum(bits) if planes == 1 else bits[0]) / 8)
    if groups == 1 and not tiled and plain:  # one strip, parted here
        starts = np.arange(0, height, rows)
        offsets = offsets + starts[None, :, None] * row_bytes
        lengths = np.broadcast_to(np.minimum(rows, height - starts)[None, :, None] * row_bytes, offsets.shape)
        group_rows, groups = min(rows, height), len(starts)
    if groups == 1 and not tiled and planes == 1 and offsets.size == 1 and tags.get(TIFF_COMPRESSION) in DEFLATE:
        return Bands((height, tags[WIDTH]), tags.get(ORIENTATION, 1), _inflated_pieces(name, opened, rows, row_bytes))
    if groups == 1:
        return None
    pieces = _tiff_pieces(name, opened, keys, (offsets, lengths), group_rows, max(ceil(rows / group_rows), 1))
    return Bands((height, tags[WIDTH]), tags.get(ORIENTATION, 1), pieces)


def _tiff_pieces(
    name: str, opened: Opened, keys: tuple[int, int], places: tuple[np.ndarray, np.ndarray], group_rows: int, at_once: int
) -> Iterator[Pixels]:
    """``places``: offsets and lengths ``[planes, groups, across]`` of the groups of ``group_rows`` rows."""
    picture: Any = opened.picture
    tags, data = picture.tag_v2, opened.data
    for first in range(0, places[0].shape[1], at_once):
        offsets, lengths = (place[:, first : first + at_once].reshape(-1).tolist() for place in places)
        if any(start + length > len(data) for start, length in zip(offsets, lengths, strict=True)):
            raise _incomplete(name, opened)
        rows = min(at_once * group_rows, tags[LENGTH] - first * group_rows)
        pixels = b"".join(data[start : start + length] for start, length in zip(offsets, lengths, strict=True))
        yield _decoded(name, opened, _part_of_tiff(opened, keys, pixels, lengths, rows, group_rows))


def _inflated_pieces(name: str, opened: Opened, rows: int, row_bytes: int) -> Iterator[Pixels]:
    """Of one strip that was deflated: inflated band by band, and stored again. A predictor knows only its own row."""
    picture: Any = opened.picture
    tags, data = picture.tag_v2, opened.data
    (start,), (length,) = tags[STRIP_OFFSETS], tags[STRIP_BYTES]
    packed = (data[at : min(at + PART_BYTES, start + length)] for at in range(start, start + length, PART_BYTES))
    left = tags[LENGTH]
    for inflated in _inflated(name, opened, packed, rows * row_bytes):
        count = min(len(inflated) // row_bytes, left)
        if count == 0:
            break
        body = zlib.compress(inflated[: count * row_bytes], 0)
        yield _decoded(name, opened, _part_of_tiff(opened, (STRIP_OFFSETS, STRIP_BYTES), body, [len(body)], count, count))
        left -= count
    if left:
        raise _incomplete(name, opened)


def _part_of_tiff(
    opened: Opened, keys: tuple[int, int], pixels: bytes, lengths: list[int], rows: int, group_rows: int
) -> bytes:
    """A TIFF of ``rows`` rows, otherwise as ``opened``: of the strips or tiles in ``pixels``, one behind the other."""
    picture: Any = opened.picture
    tags = picture.tag_v2
    starts = (8 + np.cumsum([0, *lengths[:-1]])).tolist()
    entries = {tag: (tags.tagtype[tag], tags[tag]) for tag in TIFF_KEPT if tag in tags}
    entries |= {LENGTH: (LONG, rows), keys[0]: (LONG, starts), keys[1]: (LONG, lengths)}
    if keys[0] == STRIP_OFFSETS:
        entries[ROWS_PER_STRIP] = (LONG, group_rows)
    return _tiff("<" if tags.prefix == b"II" else ">", pixels, entries)


def _tiff(order: str, pixels: bytes, entries: dict[int, tuple[int, Any]]) -> bytes:
    """A TIFF of one page; ``entries``: by their tag the type and the values."""
    pixels += bytes(len(pixels) % 2)
    at = 8 + len(pixels)
    behind, listed = b"", b""
    for tag, (kind, told) in sorted(entries.items()):
        values = tuple(told) if isinstance(told, (tuple, list, bytes)) else (told,)
        packed = struct.pack(f"{order}{len(values)}{LETTERS[kind]}", *values)
        listed += struct.pack(f"{order}HHL", tag, LONG if kind == LONG8 else kind, len(values))
        if len(packed) <= 4:
            listed += packed.ljust(4, b"\0")
        else:
            listed += struct.pack(f"{order}L", at + len(behind))
            behind += packed + bytes(len(packed) % 2)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(f"{order}H", len(entries)) + listed + bytes(4)
    return mark + struct.pack(f"{order}L", at + len(behind)) + pixels + behind + directory
