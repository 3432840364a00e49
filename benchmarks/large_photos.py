"""Memory that reading a photo of 200 megapixels at 1920 px takes, by its encoding: ``python large_photos.py [KIND ...]``.

The photo is a ramp with a sensor's noise. A program of its own reads it, whose peak counts Python, torch and all libraries.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pillow_heif
import tifffile

WIDTH, HEIGHT = 16320, 12240
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]  # x, y and steps
# Of this program alone: the peak that getrusage tells begins with that of the process that started it.
PEAK = """
import re, sys
from c3drender.files import read_photo
try:
    read = "{1} x {0}".format(*read_photo(sys.argv[1], None).size)
except ValueError as error:
    read = str(error).replace(sys.argv[1], "it")
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024
print(read, peak, sep="|")
"""


def photo(dtype: type) -> np.ndarray:
    """``[HEIGHT, WIDTH, 3]``, BGR: from dark to bright, with noise of 1 % in 12 bits."""
    most = np.iinfo(dtype).max
    ramp = np.linspace(0.05, 0.95, WIDTH)[None, :, None]
    noise = np.random.default_rng(0).normal(0, 0.01, (60, WIDTH, 3))
    rows = ((ramp + noise).clip(0, 1) * 4095).round() * (most / 4095)
    return np.tile(rows.astype(dtype), (HEIGHT // 60, 1, 1))


def by_opencv(dtype: type, *options: int) -> Callable[[Path], None]:
    return lambda file: _done(cv2.imwrite(str(file), photo(dtype), options), file)


def by_tifffile(dtype: type, **options: object) -> Callable[[Path], None]:
    return lambda file: tifffile.imwrite(file, photo(dtype)[..., ::-1], photometric="rgb", **options)


def interlaced_png(file: Path, dtype: type) -> None:
    pixels = photo(dtype)[..., ::-1]
    packer, body = zlib.compressobj(1), []
    for x, y, step_x, step_y in PASSES:
        part = pixels[y::step_y, x::step_x].astype(pixels.dtype.newbyteorder(">"))
        for row in part:
            body.append(packer.compress(b"\0" + row.tobytes()))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8 * pixels.itemsize, 2, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"IDAT", b"".join([*body, packer.flush()])), (b"IEND", b""))
    with file.open("wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n")
        for key, content in chunks:
            out.write(
                struct.pack(">I", len(content)) + key + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(key)))
            )


def by_pillow(file: Path, **options: object) -> None:
    PIL.Image.fromarray(photo(np.uint8)[..., ::-1]).save(file, **options)


def heic(file: Path) -> None:
    """In tiles, as phones write them."""
    pillow_heif.options.GRID_TILE_SIZE = 512
    picture = PIL.Image.fromarray(photo(np.uint8)[..., ::-1])
    pillow_heif.from_pillow(picture).save(file, quality=60, enc_params={"preset": "ultrafast"})


def _done(written: bool, file: Path) -> None:
    if not written:
        raise OSError(f"{file} was not written")


FAST_ZLIB = {"level": 1}
QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 90)
PROGRESSIVE = (*QUALITY, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
ALL_COLOURS = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
FAST = (cv2.IMWRITE_PNG_COMPRESSION, 1)
RAW, LZW, DEFLATE = ((cv2.IMWRITE_TIFF_COMPRESSION, way) for way in (1, 5, 8))
ENCODINGS: dict[str, Callable[[Path], None]] = {
    "jpg": by_opencv(np.uint8, *QUALITY),
    "progressive.jpg": by_opencv(np.uint8, *PROGRESSIVE),
    "444.progressive.jpg": by_opencv(np.uint8, *PROGRESSIVE, *ALL_COLOURS),  # libjpeg holds all coefficients at once
    "png": by_opencv(np.uint8, *FAST),
    "16.png": by_opencv(np.uint16, *FAST),
    "interlaced.png": partial(interlaced_png, dtype=np.uint8),
    "16.interlaced.png": partial(interlaced_png, dtype=np.uint16),
    "tif": by_opencv(np.uint8, *RAW),
    "16.tif": by_opencv(np.uint16, *RAW),
    "lzw.tif": by_opencv(np.uint8, *LZW),
    "16.lzw.tif": by_opencv(np.uint16, *LZW),
    "deflate.tif": by_opencv(np.uint8, *DEFLATE),
    "16.deflate.tif": by_opencv(np.uint16, *DEFLATE),
    "tiles.tif": by_tifffile(np.uint8, tile=(256, 256)),
    "16.deflate.tiles.tif": by_tifffile(np.uint16, tile=(256, 256), compression="zlib", compressionargs=FAST_ZLIB),
    "deflate.one_strip.tif": by_tifffile(np.uint8, rowsperstrip=HEIGHT, compression="zlib", compressionargs=FAST_ZLIB),
    "16.deflate.one_strip.tif": by_tifffile(np.uint16, rowsperstrip=HEIGHT, compression="zlib", compressionargs=FAST_ZLIB),
    "bmp": by_opencv(np.uint8),
    "ppm": by_opencv(np.uint8),
    "16.ppm": by_opencv(np.uint16),
    "webp": by_opencv(np.uint8, cv2.IMWRITE_WEBP_QUALITY, 90),
    "lossless.webp": partial(by_pillow, lossless=True, quality=0, method=0),
    "heic": heic,
    "avif": partial(by_pillow, quality=60, speed=10),
}


def main(kinds: list[str]) -> None:
    print("| 200 Mpx | file, MiB | read as | peak, MiB |\n|---|---:|---|---:|")
    for kind in kinds or list(ENCODINGS):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"photo.{kind}"
            ENCODINGS[kind](file)
            command = [sys.executable, "-c", PEAK, str(file)]
            read, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().split("|")
            print(f"| {kind} | {file.stat().st_size >> 20} | {read} | {peak} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
