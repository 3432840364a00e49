"""Means and maxima over windows of pixels, where the picture lies: OpenCV's on the CPU, where they take a fraction of torch's
time, torch's on another device."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .crossing import is_host


def planar(*parts: Tensor) -> Tensor:
    """The channels of pictures ``[H, W, C]`` side by side in one, each whole in memory: what is done to all pixels alike then
    takes rows of them, not one pixel's channels after another's."""
    return torch.cat([part.permute(2, 0, 1) for part in parts]).permute(1, 2, 0)


def box_means(plane: Tensor, size: int) -> Tensor:
    """Means of ``plane`` float32 ``[H, W, C]`` over ``size x size`` pixels; beyond the border nothing counts. They are
    `planar`."""
    return _box_means_on_host(plane, size) if is_host(plane) else _box_means_there(plane, size)


def _box_means_on_host(plane: Tensor, size: int) -> Tensor:
    def sums(picture: np.ndarray, along: int, down: int, out: np.ndarray | None = None) -> np.ndarray:
        return cv2.boxFilter(picture, cv2.CV_32F, (along, down), out, normalize=False, borderType=cv2.BORDER_CONSTANT)

    height, width, channels = plane.shape
    means = np.empty((channels, height, width), np.float32)
    for channel, out in zip(plane.permute(2, 0, 1).contiguous().numpy(), means, strict=True):
        sums(channel, size, size, out)
    down, along = sums(np.ones((height, 1), np.float32), 1, size)[:, 0], sums(np.ones((1, width), np.float32), size, 1)[0]
    for first, end in pairwise([0, *np.flatnonzero(np.diff(down)) + 1, height]):  # rows whose windows are equally high
        means[:, first:end] /= down[first] * along
    return torch.from_numpy(means).permute(1, 2, 0)


def _box_means_there(plane: Tensor, size: int) -> Tensor:
    before = size // 2  # of an even window OpenCV's centre is the later pixel
    after = size - 1 - before
    planes = functional.pad(plane.permute(2, 0, 1)[None], (before, after, before, after))
    sums = functional.avg_pool2d(
        functional.avg_pool2d(planes, (1, size), 1, divisor_override=1), (size, 1), 1, divisor_override=1
    )

    def count(length: int) -> Tensor:
        at = torch.arange(length, device=plane.device)
        return (at + after + 1).clamp_max(length) - (at - before).clamp_min(0)

    height, width = plane.shape[:2]
    return (sums / (count(height)[:, None] * count(width))).squeeze(0).permute(1, 2, 0)


@dataclass(frozen=True, eq=False)
class LocalMeans:
    """Means under twice a box of ``width_px``: of what has ``weight [H, W, 1]``, whose own mean is ``share``."""

    weight: Tensor
    share: Tensor
    width_px: int

    @classmethod
    def of(cls, where: Tensor, width_px: int) -> LocalMeans:
        """Of what is True in ``where [H, W]``."""
        weight = where[..., None].to(torch.float32)
        return cls(weight, box_means(box_means(weight, width_px), width_px).clamp_min(1e-4), width_px)

    def __call__(self, plane: Tensor) -> Tensor:
        """Of ``plane [H, W, C]``."""
        return box_means(box_means(plane * self.weight, self.width_px), self.width_px) / self.share


def largest_near(plane: Tensor, radius_px: int) -> Tensor:
    """The largest of ``plane`` float32 ``[H, W]`` within ``radius_px`` along x and y; beyond the border nothing counts."""
    side = 2 * radius_px + 1
    if is_host(plane):
        return torch.from_numpy(cv2.dilate(plane.numpy(), np.ones((side, side), np.uint8)))
    along = functional.max_pool2d(plane[None], (1, side), 1, (0, radius_px))
    return functional.max_pool2d(along, (side, 1), 1, (radius_px, 0))[0]
