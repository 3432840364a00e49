"""Memory that reading a photo of 200 megapixels at 1920 px takes, by its encoding: ``python large_photos.py [KIND ...]``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 16320, 12240
ENCODINGS: dict[str, tuple[type, list[int]]] = {
    "jpg": (np.uint8, [cv2.IMWRITE_JPEG_QUALITY, 60]),
    "progressive.jpg": (np.uint8, [cv2.IMWRITE_JPEG_QUALITY, 60, cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
    "png": (np.uint8, [cv2.IMWRITE_PNG_COMPRESSION, 1]),
    "tif": (np.uint8, []),
    "16.tif": (np.uint16, []),
}
PEAK = """
import resource, sys
from c3drender.files import read_photo
image = read_photo(sys.argv[1], None)
print(*image.size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def main(kinds: list[str]) -> None:
    print("| 200 Mpx | read as | peak, MiB |\n|---|---|---|")
    for kind in kinds or list(ENCODINGS):
        dtype, options = ENCODINGS[kind]
        ramp = np.linspace(0, np.iinfo(dtype).max, WIDTH).astype(dtype)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"photo.{kind}"
            cv2.imwrite(str(file), np.broadcast_to(ramp[None, :, None], (HEIGHT, WIDTH, 3)), options)
            command = [sys.executable, "-c", PEAK, str(file)]
            height, width, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        print(f"| {kind} | {width} x {height} | {peak} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
