"""Memory that reading a photo of 200 megapixels at 1920 px takes, by its encoding: ``python large_photos.py [KIND ...]``.

The photo is a ramp with a sensor's noise, so that its files are as large as photos' are.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 16320, 12240
ENCODINGS: dict[str, tuple[type, list[int]]] = {
    "jpg": (np.uint8, [cv2.IMWRITE_JPEG_QUALITY, 90]),
    "progressive.jpg": (np.uint8, [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
    "444.progressive.jpg": (  # all colours at full size, whose coefficients libjpeg holds all at once
        np.uint8,
        [
            *(cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
            *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
        ],
    ),
    "png": (np.uint8, [cv2.IMWRITE_PNG_COMPRESSION, 1]),
    "16.png": (np.uint16, [cv2.IMWRITE_PNG_COMPRESSION, 1]),
    "tif": (np.uint8, [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_NONE]),
    "lzw.tif": (np.uint8, [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_LZW]),
    "16.deflate.tif": (np.uint16, [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_ADOBE_DEFLATE]),
}
# Of this program alone: the peak that getrusage tells begins with that of the process that started it.
PEAK = """
import re, sys
from c3drender.files import read_photo
image = read_photo(sys.argv[1], None)
print(*image.size, int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
"""


def photo(dtype: type) -> np.ndarray:
    """``[HEIGHT, WIDTH, 3]``: from dark to bright, with noise of 1 % in 12 bits."""
    most = np.iinfo(dtype).max
    ramp = np.linspace(0.05, 0.95, WIDTH)[None, :, None]
    noise = np.random.default_rng(0).normal(0, 0.01, (60, WIDTH, 3))
    rows = ((ramp + noise).clip(0, 1) * 4095).round() * (most / 4095)
    return np.tile(rows.astype(dtype), (HEIGHT // 60, 1, 1))


def main(kinds: list[str]) -> None:
    print("| 200 Mpx | file, MiB | read as | peak, MiB |\n|---|---:|---|---:|")
    for kind in kinds or list(ENCODINGS):
        dtype, options = ENCODINGS[kind]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"photo.{kind}"
            cv2.imwrite(str(file), photo(dtype), options)
            command = [sys.executable, "-c", PEAK, str(file)]
            height, width, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            print(f"| {kind} | {file.stat().st_size >> 20} | {width} x {height} | {peak} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
