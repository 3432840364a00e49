"""What the page is shown of a stage: regions, the flow and the depth, small, as files."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import PIL.Image

from ..data import DepthMap
from .drawn import Drawn
from .stages import Moved

FIELD_SIDE = 192  # cells of the flow's field along the longer side
FIELD_MAGIC = b"c3dflow1"
MOST_REGIONS = 255
QUALITY = 90


def regions_png(drawn: Drawn) -> bytes:
    """Red: the number of the region that a pixel is of, from 1 on in their order, 0 none; green: how much of it is."""
    nothing = np.zeros(drawn.size, np.float32)
    mattes = np.stack([part.matte for part in drawn.parts.values()] or [nothing])
    owner = mattes.argmax(axis=0)
    share = np.take_along_axis(mattes, owner[None], axis=0)[0]
    number = np.where(share > 0, np.minimum(owner + 1, MOST_REGIONS), 0)
    planes = np.stack([number, share * 255, np.zeros_like(share)], axis=-1).round().astype(np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(planes).save(file, "PNG", compress_level=1)
    return file.getvalue()


def field_bytes(moved: Moved, scale: tuple[float, float]) -> bytes:
    """The flow on a coarse grid: ``c3dflow1``, width and height (uint32), the unit (float32), then int16 ``[h, w, 2]``: that
    many units are (x, y) px of the photo per frame. Little endian."""
    step_px = moved.flow.step_px.numpy()
    height, width = step_px.shape[:2]
    factor = min(FIELD_SIDE / max(height, width), 1.0)
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    cells = cv2.resize(step_px, size, interpolation=cv2.INTER_AREA) / np.array(scale, np.float32)
    unit = max(float(np.abs(cells).max()), 1e-6) / 32767
    head = struct.pack("<8sIIf", FIELD_MAGIC, *size, unit)
    return head + (cells / unit).round().astype("<i2").tobytes()


def depth_jpeg(depth: DepthMap) -> bytes:
    """Disparity in colours, near is warm."""
    disp = 1 / depth.z_cam.numpy()
    low, high = float(disp.min()), float(disp.max())
    grey = ((disp - low) / max(high - low, 1e-9) * 255).round().astype(np.uint8)
    coloured = cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return jpeg(coloured / np.float32(255))


def jpeg(rgb: np.ndarray) -> bytes:
    """Of float ``[H, W, 3]``, 0..1."""
    file = io.BytesIO()
    PIL.Image.fromarray((rgb.clip(0, 1) * 255 + 0.5).astype(np.uint8)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
