"""Samples from clips of real fluids: the layout of the Eulerian-flow dataset (Holynski et al. 2021).

    <root>/train/<clip>/           one folder per clip, likewise <root>/validation
        00000.jpg 00001.jpg ...    its frames, in the order of their names
        motion.flo or motion.npy   their mean flow, px per frame, of the frames' size
        depth.png|npy|pfm          optional; otherwise the built-in estimate of the first frame

The dataset as published holds ``<clip>_gt.mp4`` and ``<clip>_motion.pth``; ``c3drender train clips`` converts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from ...data import Camera, Image, Layers
from ...depth import estimate as depths
from ...files.depth import read_depth
from ...files.flow import read_flow
from ...files.photo import read_photo
from ...files.place import naming
from ...files.resize import resize_depth, resize_flow, resize_photo
from ...scenery.find import find_scenery
from .hints import random_hint
from .procedural import ProceduralViews
from .samples import MotionSample, RenderSample, Split, integer, numbered_generator

FRAME_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
FLOW_NAMES = ("motion.flo", "motion.npy")
DEPTH_NAMES = ("depth.png", "depth.npy", "depth.pfm")
MOVING_PX = 0.1  # px per frame above which a pixel of a measured flow counts as moving
MAX_CACHED_DEPTHS = 256


@dataclass(frozen=True)
class Clip:
    """``frames``: at least three pictures of one size; ``flow``, ``depth``: files beside them, ``depth`` None if missing."""

    frames: tuple[Path, ...]
    flow: Path
    depth: Path | None


@lru_cache(maxsize=8)
def read_clips(root: str, split: Split) -> tuple[Clip, ...]:
    """The clips of ``<root>/<split>``, by name. Raises ValueError for a folder without clips and for an incomplete one."""
    folder = Path(root) / split
    with naming("data", "read", folder):
        clips = tuple(_clip(path) for path in sorted(folder.iterdir()) if path.is_dir())
    if not clips:
        raise ValueError(f"data: expected a folder per clip in {folder}, got none")
    return clips


def _clip(folder: Path) -> Clip:
    def first_of(names: tuple[str, ...]) -> Path | None:
        return next((folder / name for name in names if (folder / name).is_file()), None)

    flow, depth = first_of(FLOW_NAMES), first_of(DEPTH_NAMES)
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in FRAME_SUFFIXES and path != depth)
    if flow is None or len(pictures) < 3:
        found = f"{len(pictures)} frames and {'no ' if flow is None else ''}flow"
        raise ValueError(f"data: expected three frames or more and {' or '.join(FLOW_NAMES)} in {folder}, got {found}")
    return Clip(tuple(pictures), flow, depth)


@lru_cache(maxsize=MAX_CACHED_DEPTHS)
def _clip_depth(clip: Clip) -> Tensor:
    """``z_cam`` ``[H, W]`` of a clip's first frame."""
    photo = read_photo(clip.frames[0])
    if clip.depth is None:
        return depths.estimate_depth(photo, find_scenery(photo), method="builtin")[0].z_cam
    values, kind = read_depth(clip.depth, *photo.size)
    return (depths.depth_from_metric(values) if kind == "metric" else depths.depth_from_disparity(values)).z_cam


@dataclass(frozen=True)
class _Crop:
    """A random square of a picture, brought to ``size_px``."""

    top: int
    left: int
    side: int
    size_px: int

    @classmethod
    def draw(cls, generator: torch.Generator, height: int, width: int, size_px: int) -> _Crop:
        whole = min(height, width)
        side = integer(generator, min(size_px, whole), whole)
        return cls(integer(generator, 0, height - side), integer(generator, 0, width - side), side, size_px)

    def _cut(self, values: Tensor) -> Tensor:
        return values[self.top : self.top + self.side, self.left : self.left + self.side].contiguous()

    def rgb(self, photo: Image) -> Tensor:
        return resize_photo(Image(self._cut(photo.rgb)), self.size_px, self.size_px).rgb

    def flow(self, step_px: Tensor) -> Tensor:
        return resize_flow(self._cut(step_px), self.size_px, self.size_px)

    def depth(self, z_cam: Tensor) -> Tensor:
        return resize_depth(self._cut(z_cam), self.size_px, self.size_px)


def _moving(step_px: Tensor) -> Tensor:
    return step_px.norm(dim=-1) > MOVING_PX


@dataclass(frozen=True)
class FolderMotion:
    """A frame of a clip and the clip's mean flow, in random squares of ``size_px``."""

    root: str
    size_px: int
    seed: int
    split: Split

    def __getitem__(self, number: int) -> MotionSample:
        clips = read_clips(self.root, self.split)
        generator = numbered_generator(self.seed, self.split, number)
        clip = clips[integer(generator, 0, len(clips) - 1)]
        photo = read_photo(clip.frames[integer(generator, 0, len(clip.frames) - 1)])
        crop = _Crop.draw(generator, *photo.size, self.size_px)
        step_px = crop.flow(read_flow(clip.flow, *photo.size))
        mask = _moving(step_px)[None].to(torch.float32)
        planes = step_px.permute(2, 0, 1).contiguous() * mask
        rgb = crop.rgb(photo).permute(2, 0, 1).contiguous()
        return MotionSample(rgb, planes, mask, random_hint(generator, planes, mask))


@dataclass(frozen=True)
class FolderViews:
    """Even numbers: three frames of a clip, seen from its resting camera. Odd ones: the static scenes of ``views``, since
    clips show nothing from a second place."""

    root: str
    views: ProceduralViews

    def __getitem__(self, number: int) -> RenderSample:
        if number % 2:
            return self.views[number]
        size_px, margin_px, split = self.views.size_px, self.views.margin_px, self.views.split
        clips = read_clips(self.root, split)
        generator = numbered_generator(self.views.seed, split, number)
        clip = clips[integer(generator, 0, len(clips) - 1)]
        last = len(clip.frames) - 1
        first = integer(generator, 0, max(last // 3 - 1, 0))
        end = integer(generator, max(2 * last // 3, first + 2), last)
        middle = integer(generator, first + 1, end - 1)
        photos = [read_photo(clip.frames[n]) for n in (first, end, middle)]
        crop = _Crop.draw(generator, *photos[0].size, size_px + 2 * margin_px)
        step_px, z_cam = crop.flow(read_flow(clip.flow, *photos[0].size)), crop.depth(_clip_depth(clip))
        start, last_layers = (_one_layer(crop.rgb(photo), z_cam, step_px, margin_px) for photo in photos[:2])
        inner = slice(margin_px, margin_px + size_px)
        target = crop.rgb(photos[2])[inner, inner].contiguous()
        return RenderSample(start, last_layers, Camera.for_photo(size_px, size_px), end - first, middle - first, target)


def _one_layer(rgb: Tensor, z_cam: Tensor, step_px: Tensor, margin_px: int) -> Layers:
    moving = _moving(step_px)
    return Layers.from_planes(
        rgb=rgb[None],
        alpha=torch.ones_like(z_cam)[None],
        z_cam=z_cam[None],
        seen=torch.ones_like(moving)[None],
        step_px=(step_px * moving[..., None])[None],
        moving=moving[None],
        margin_px=margin_px,
    )
