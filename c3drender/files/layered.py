"""A scene's layers as pictures in one file, with their depth: OpenRaster (Krita, GIMP, MyPaint) and PSD (Photoshop, After
Effects).

Layers lie on the photo and go beyond its border by the margin that cameras see; with them, hidden, each one's depth: bright
is near, in steps of equal disparity, the same for all.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
import PIL.Image

from .decode import FORMATS_EXTRA, optional_module
from .geometry import as_bytes
from .scene import Scene

ORA_TYPE = "image/openraster"
ORA_VERSION = "0.0.3"
THUMBNAIL_PX = 256


@dataclass(frozen=True, eq=False)
class _Sheet:
    """One layer: ``rgba`` uint8 ``[H, W, 4]`` of the canvas, and its depth, uint16 ``[H, W]``."""

    rgba: np.ndarray
    near: np.ndarray


def ora(scene: Scene) -> bytes:
    """OpenRaster, with depth in 16 bits."""
    sheets, name = _sheets(scene), _depth_name(scene)
    width, height, margin = scene.camera.width, scene.camera.height, scene.layers.margin_px
    stack: list[str] = []
    files: dict[str, bytes] = {}

    def add(source: str, title: str, pixels: np.ndarray, visible: bool) -> None:
        files[source] = cv2.imencode(".png", pixels[..., [2, 1, 0, 3]])[1].tobytes()
        state = "visible" if visible else "hidden"
        stack.append(f'<layer src="{source}" name={quoteattr(title)} x="{-margin}" y="{-margin}" visibility="{state}"/>')

    for k, sheet in enumerate(sheets):
        cover = sheet.rgba[..., 3:].astype(np.uint16) * 257
        add(f"data/depth{k}.png", f"{name} {k}", np.dstack([np.repeat(sheet.near[..., None], 3, axis=2), cover]), False)
    for k, sheet in enumerate(sheets):
        add(f"data/layer{k}.png", f"layer {k}", sheet.rgba, True)
    merged = _merged(sheets, margin)
    small = merged.copy()
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    image = f'<image version="{ORA_VERSION}" w="{width}" h="{height}"><stack>{"".join(stack)}</stack></image>'
    files["stack.xml"] = f'<?xml version="1.0" encoding="UTF-8"?>{image}'.encode()
    files["mergedimage.png"], files["Thumbnails/thumbnail.png"] = _png(merged), _png(small)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", ORA_TYPE)  # first, and not compressed
        for path, content in files.items():
            archive.writestr(path, content)
    return file.getvalue()


def psd(scene: Scene) -> bytes:
    """PSD, by psd-tools, with depth in 8 bits.

    Raises
    ------
    ValueError
        Where psd-tools is not installed, or the picture is larger than a PSD can be.
    """
    tools = optional_module("psd_tools")
    if tools is None:
        raise ValueError(f"out: writing .psd needs the package psd-tools: {FORMATS_EXTRA}; .ora needs none")
    sheets, margin = _sheets(scene), scene.layers.margin_px
    try:
        document: Any = tools.PSDImage.new("RGB", (scene.camera.width, scene.camera.height))
        for k, sheet in reversed(list(enumerate(sheets))):  # from the bottom
            document.create_pixel_layer(PIL.Image.fromarray(sheet.rgba), f"layer {k}", -margin, -margin)
        for k, sheet in reversed(list(enumerate(sheets))):
            near = np.dstack([np.repeat((sheet.near >> 8).astype(np.uint8)[..., None], 3, axis=2), sheet.rgba[..., 3:]])
            depth = document.create_pixel_layer(PIL.Image.fromarray(near), f"{_depth_name(scene)} {k}", -margin, -margin)
            depth.visible = False
        file = io.BytesIO()
        document.save(file)
    except ValueError as error:  # more than 30000 px
        raise ValueError(f"out: expected a picture that a .psd can hold, got {error}") from error
    return file.getvalue()


def _sheets(scene: Scene) -> list[_Sheet]:
    """From the nearest layer on."""
    layers = scene.layers
    disp = 1.0 / layers.z_cam
    share = (disp / disp.max() * 65535).round()
    return [
        _Sheet(
            as_bytes(np.dstack([layers.plane(layers.rgb, k).numpy(), layers.plane(layers.alpha, k).numpy()])),
            layers.plane(share, k).numpy().astype(np.uint16),
        )
        for k in range(layers.num_layers)
    ]


def _depth_name(scene: Scene) -> str:
    """What white stands for: grey is that share of its inverse."""
    return f"depth (white is {float(scene.layers.z_cam.min()):.4g})"


def _merged(sheets: list[_Sheet], margin: int) -> PIL.Image.Image:
    whole = PIL.Image.new("RGBA", sheets[0].rgba.shape[1::-1])
    for sheet in reversed(sheets):
        whole.alpha_composite(PIL.Image.fromarray(sheet.rgba))
    return whole.crop((margin, margin, whole.width - margin, whole.height - margin))


def _png(picture: PIL.Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
