"""A scene as one file for the browser: a header in JSON, pictures as JPEG, maps predicted from their neighbours, deflated.

What the player draws from is what `c3drender.render` draws from: the layers' pixels with their classes (``KINDS``), the
fluid's steps, freedom and gains, the harmonics. Nothing is resampled; numbers are quantised as their constants below say.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from dataclasses import asdict
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ..data import CameraPath, Layers
from ..files.scene import Scene
from ..pixels.boxes import widened
from ..pixels.fringe import FRINGE_PX
from ..pixels.nearest import Nearest
from ..render import Animation, BlendMode, contrast
from ..render.animate import BED_DEPTH, BED_RADIUS_PX, LEAST_CONFIDENCE
from ..render.beyond import Beyond
from ..render.fluid import FluidRegion, find_region
from ..render.lift import neighbours
from .pack_copies import AROUND_SCALE, pack_copies, picture_of

MAGIC = b"c3dweb2\n"
COLOUR_QUALITY = 97  # JPEG's, without chroma subsampling: what it loses is less than the drawing does
HIDDEN_QUALITY = 90  # of what narrow strips show
OCTAVE = 512  # levels of disparity per factor of two: 1/7 % of it
DISP_OFFSET = 32.0  # octaves below 1 that can be told
MEAN_SCALE = 4  # the mean around a fluid's pixels is smooth: kept at this part of the size
GAIN_UNIT = 1e-4
STEP_LEVELS = 4095  # of the longest step: over a loop that is a hundredth of a pixel
POSE_DECIMALS = 7
CLEAN_UNIT = 1e-4
BLOCK_PX = 8  # of JPEG
DEFLATE_LEVEL = 7  # 9 takes seven times as long, for 5 % of the maps
FULL = ("colour.0", "mean")  # pictures without empty blocks, which deflate would shorten
BOX_MARGIN_PX = 3  # around the fluid: beyond its border nothing flows, and its surface is continued by two pixels
KINDS = {"rests": 1, "sways": 2, "moves": 4, "thin": 8, "below": 16, "fringe": 32}
SAME_RIGHT, SAME_BELOW = 1, 2  # bits of a pixel on whose surface its neighbour lies


def pack(
    scene: Scene,
    animation: Animation,
    path: CameraPath,
    *,
    blend: BlendMode,
    fps: float,
    speed: float,
    focus: list[float],
    reach: list[float],
) -> bytes:
    """The file.

    Parameters
    ----------
    scene : Scene
        On the CPU.
    animation : Animation
        Of the scene.
    path : CameraPath
        The idle loop, of a whole number of the motion's loops or the other way round.
    blend : {"phase", "contrast", "linear"}
    fps : float
        Frames per second.
    speed : float
        Of the motion, that of the animation.
    focus : list of float
        ``[3]``, the point that views keep in place, in scene units.
    reach : list of float
        ``[2]``, how far a hand may move the camera along x and y, in scene units.

    Returns
    -------
    bytes
    """
    layers, camera, fluid = scene.layers, scene.camera, animation.fluid
    region = find_region(layers)
    kind, settled = _kinds(animation, region.flows, region.moves, region.below)
    beside = _beside(layers, animation.rules.depth_tolerance)
    maps = _Maps()
    pictures: dict[str, bytes] = {}
    disp = ((torch.log2(1.0 / layers.z_cam) + DISP_OFFSET) * OCTAVE).round().clamp(0, 65535)
    alpha = (layers.alpha * 255.0).round().clamp(1, 255)  # what exists stays
    for k in range(layers.num_layers):
        exists = layers.plane(torch.ones_like(layers.moving), k).numpy()
        near = Nearest.of(exists)
        for name, values, dtype in (("disp", disp, np.uint16), ("alpha", alpha, np.uint8)):
            maps.add(f"{name}.{k}", _continued(_planed(layers, values, k).astype(dtype), exists, near))
        maps.add(f"kind.{k}", _planed(layers, kind, k).astype(np.uint8))
        maps.add(f"beside.{k}", _planed(layers, beside, k).astype(np.uint8))
        pictures[f"colour.{k}"] = _jpeg(
            _flat_beyond(layers.plane(layers.rgb, k).numpy(), exists, near), COLOUR_QUALITY if k == 0 else HIDDEN_QUALITY
        )
    header: dict[str, Any] = {
        "photo": {"width": camera.width, "height": camera.height, "margin": layers.margin_px},
        "lens": {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy},
        "layers": layers.num_layers,
        "octave": OCTAVE,
        "dispOffset": DISP_OFFSET,
        "rules": asdict(animation.rules),
        "sharpness": animation.sharpness,
        "nearest": float(layers.z_cam.min()),
        "loop": {"frames": animation.num_frames, "fps": fps, "blend": blend},
        "path": {
            "poses": path.world_to_cam.flatten(1).double().round(decimals=POSE_DECIMALS).tolist(),
            "zooms": [1.0] * len(path) if path.zoom is None else path.zoom.tolist(),
        },
        "focus": focus,
        "reach": reach,
    }
    if len(fluid.start_px) > 0:
        header["fluid"] = _add_fluid(maps, pictures, animation, layers, region, settled, speed)
    if scene.harmonics is not None and len(animation.bent.cloud) > 0:
        planes = torch.stack([scene.harmonics.sine_px, scene.harmonics.cosine_px], dim=1).permute(0, 1, 4, 2, 3)
        unit = float(planes.abs().max()) / 32767
        maps.add("harmonics", (planes / unit).round().numpy().astype(np.int16).reshape(-1, layers.size[1]))
        header["harmonics"] = {"count": len(scene.harmonics.sine_px), "unit": unit}
    return _file(header, pictures, maps)


def _kinds(animation: Animation, flows: Tensor, moves: Tensor, below: Tensor) -> tuple[Tensor, Tensor]:
    """The layers' pixels' classes ``[P]``, and the confidence of those that have a bed, from the order of an animation's
    points: those that rest, the bed, those below, those that sway, those that move twice."""
    source, num_moving = animation.source, len(animation.fluid.start_px)
    num_still = int((~flows).sum()) - len(animation.bent.cloud)
    ends = np.cumsum([0, num_still, len(source) - 2 * num_moving - int(below.sum()) - int((~flows).sum())])
    rests, thin = source[ends[0] : ends[1]], source[ends[1] : ends[2]]
    kind = torch.zeros(len(flows), dtype=torch.int32)
    kind[~flows] = KINDS["sways"]
    kind[rests] = KINDS["rests"]
    kind[moves] = KINDS["moves"]
    kind[below] = KINDS["below"]
    kind[thin] += KINDS["thin"]
    kind[moves.nonzero()[:, 0][animation.fluid.fringe.index]] += KINDS["fringe"]
    settled = torch.zeros(len(flows), dtype=torch.float32)
    settled[thin] = animation.points.feat[ends[1] : ends[2], 3]
    return kind, settled


def _beside(layers: Layers, depth_tolerance: float) -> Tensor:
    """Bits ``[P]`` for the neighbours, to the right and below, that lie on a pixel's surface."""
    own = torch.arange(len(layers.pixel))
    bits = torch.zeros(len(own), dtype=torch.int32)
    for bit, beside in zip((SAME_RIGHT, SAME_BELOW), neighbours(layers), strict=True):
        z, z_beside = layers.z_cam, layers.z_cam[beside]
        same = (beside != own) & ((z - z_beside).abs() < depth_tolerance * torch.minimum(z, z_beside))
        bits[same] |= bit
    return bits


def _add_fluid(
    maps: _Maps,
    pictures: dict[str, bytes],
    animation: Animation,
    layers: Layers,
    region: FluidRegion,
    settled: Tensor,
    speed: float,
) -> dict[str, Any]:
    fluid, moves, exists = animation.fluid, region.moves, region.exists
    x0, y0, x1, y1 = widened(region.box, BOX_MARGIN_PX, exists.shape)
    box = np.s_[y0:y1, x0:x1]
    inside, near = exists.numpy()[box], Nearest.of(exists.numpy())

    def on_surface(values: Tensor) -> np.ndarray:
        plane = values.new_zeros(exists.numel(), *values.shape[1:])
        plane[layers.pixel[moves].long()] = values
        filled = plane.numpy()
        filled = filled[near.to(np.ones(exists.shape, bool))]
        return filled.reshape(*exists.shape, *values.shape[1:])[box]

    step_px = layers.step_px[moves] * speed
    step_unit = max(float(step_px.abs().max()), 1e-6) / STEP_LEVELS
    step = np.where(inside[..., None], on_surface((step_px / step_unit).round()), 0).astype(np.int16)
    maps.add("step", np.concatenate([step[..., 0], step[..., 1]]))
    maps.add("freedom", (fluid.surface[..., 2].numpy()[box] * 255).round().astype(np.uint8))
    maps.add("settled", (on_surface(settled[moves]) * 255).round().astype(np.uint8))
    colour = (fluid.fringe.clean / CLEAN_UNIT).round().clamp(-32768, 32767).numpy().astype(np.int16)
    maps.add("clean", np.ascontiguousarray(colour.T))
    pictures["mean"] = _jpeg(_cells(on_surface(layers.rgb[moves] - fluid.detail.broad), MEAN_SCALE), COLOUR_QUALITY)
    # The way to the start has no length, and any unit.
    longest = float(torch.cat([way.unit_px[1:] for way in (fluid.forward, fluid.backward)]).max())
    told: dict[str, Any] = {
        "box": [x0, y0, x1, y1],
        "stepUnit": step_unit,
        "offsetUnit": longest,
        "meanScale": MEAN_SCALE,
        "cleanUnit": CLEAN_UNIT,
        "waves": [list(wave) for wave in contrast.PHASE_WAVES],
        "spread": contrast.PHASE_SPREAD,
        "leastConfidence": LEAST_CONFIDENCE,
        "bed": {"depth": BED_DEPTH, "radius": BED_RADIUS_PX},
        "fringe": FRINGE_PX,
    }
    if fluid.gains is not None:
        gain = (fluid.gains.gain / GAIN_UNIT).round().numpy().astype(np.uint16)
        maps.add("gain", gain.reshape(-1, gain.shape[2]))
        told["gain"] = {
            "moments": list(fluid.gains.moments),
            "shape": list(gain.shape),
            "unit": GAIN_UNIT,
            "spacing": fluid.gains.spacing_px,
        }
    if fluid.copies is not None:
        where = layers.pixel[moves].long()

        def around(values: Tensor) -> np.ndarray:
            return _cells(on_surface(values.flatten(0, 1)[where]), AROUND_SCALE)

        beyond = Beyond.of(region.on_surface(layers.step_px) * speed, exists, region.box, animation.num_frames)
        told["copies"] = pack_copies(maps.add, around, picture_of(fluid, where), exists, beyond, told["box"])
    return told


def _cells(plane: np.ndarray, scale: int) -> np.ndarray:
    """Means of ``plane [H, W, C]`` over squares of ``scale`` px; its border repeats."""
    height, width = (-(-size // scale) for size in plane.shape[:2])
    edge = ((0, height * scale - plane.shape[0]), (0, width * scale - plane.shape[1]), (0, 0))
    return np.pad(plane, edge, mode="edge").reshape(height, scale, width, scale, -1).mean(axis=(1, 3))


def _planed(layers: Layers, values: Tensor, layer: int) -> np.ndarray:
    return layers.plane(values, layer).numpy()


def _continued(plane: np.ndarray, exists: np.ndarray, near: Nearest) -> np.ndarray:
    """Values beyond those that exist, which cost least to store; that nothing exists there is told by the kinds."""
    return plane.reshape(-1)[near.to(np.ones(exists.shape, bool))].reshape(exists.shape)


def _flat_beyond(rgb: np.ndarray, exists: np.ndarray, near: Nearest) -> np.ndarray:
    """``rgb`` continued to the end of JPEG's blocks; blocks in which nothing exists are grey."""
    filled = rgb.reshape(-1, 3)[near.to(np.ones(exists.shape, bool))].reshape(rgb.shape)
    height, width = (-(-size // BLOCK_PX) * BLOCK_PX for size in exists.shape)
    padded = np.zeros((height, width), bool)
    padded[: exists.shape[0], : exists.shape[1]] = exists
    used = padded.reshape(height // BLOCK_PX, BLOCK_PX, width // BLOCK_PX, BLOCK_PX).any(axis=(1, 3))
    used = used.repeat(BLOCK_PX, 0).repeat(BLOCK_PX, 1)[: exists.shape[0], : exists.shape[1], None]
    return np.where(used, filled, np.float32(0.5))


def _jpeg(rgb: np.ndarray, quality: int) -> bytes:
    picture = PIL.Image.fromarray((rgb.clip(0, 1) * 255.0 + 0.5).astype(np.uint8))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, subsampling=0, optimize=True)
    return file.getvalue()


class _Maps:
    """Arrays ``[h, w]`` of 8 or 16 bits in one deflated stream. Of each value the difference from ``left + above - above
    left`` is kept, positive and negative in turn, the high bytes of a map before its low ones."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.parts: list[bytes] = []

    def add(self, name: str, values: np.ndarray) -> None:
        kind = {np.dtype(np.uint8): "u8", np.dtype(np.uint16): "u16", np.dtype(np.int16): "i16"}[values.dtype]
        signed = np.dtype(f"i{values.dtype.itemsize}")
        plain = np.zeros((values.shape[0] + 1, values.shape[1] + 1), signed)
        plain[1:, 1:] = values.view(signed)
        with np.errstate(over="ignore"):
            rest = plain[1:, 1:] - plain[1:, :-1] - plain[:-1, 1:] + plain[:-1, :-1]
        bits = 8 * values.dtype.itemsize - 1
        folded = ((rest << 1) ^ (rest >> bits)).view(f"u{values.dtype.itemsize}")
        if values.dtype.itemsize == 2:
            self.parts.append((folded >> 8).astype(np.uint8).tobytes())
        self.parts.append((folded & 255).astype(np.uint8).tobytes())
        self.told.append({"name": name, "kind": kind, "shape": list(values.shape)})

    def stream(self) -> bytes:
        return zlib.compress(b"".join(self.parts), DEFLATE_LEVEL)


def _file(header: dict[str, Any], pictures: dict[str, bytes], maps: _Maps) -> bytes:
    # The maps once more: of a long run, one pass of deflate keeps a match for each 258 bytes.
    parts = {**pictures, "maps": maps.stream()}
    sections = {name: part if name in FULL else zlib.compress(part, DEFLATE_LEVEL) for name, part in parts.items()}
    header = {**header, "maps": maps.told, "full": FULL, "sections": {name: len(part) for name, part in sections.items()}}
    text = json.dumps(header, separators=(",", ":")).encode()
    return b"".join([MAGIC, struct.pack("<I", len(text)), text, *sections.values()])
