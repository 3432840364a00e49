"""Pictures that are transparent but for what moves, or what is near: for laying over something else."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor

from ..files.scene import Scene
from ..pixels.crossing import leaving
from .shot import Cover, Shot

MOVING, NEAR = "moving", "near"
KINDS = (MOVING, NEAR)


def check_alpha(alpha: str | None) -> None:
    if alpha is not None and alpha not in KINDS:
        raise ValueError(f"alpha: expected {' or '.join(KINDS)}, got {alpha!r}")


def marks_of(scene: Scene, kind: str) -> Tensor:
    """Of the layers' pixels what stays: 1, and the rest 0, float32 ``[P]``. Near is what Otsu's threshold of the photo's
    disparities parts from the rest."""
    layers = scene.layers
    if kind == NEAR:
        disp = 1.0 / layers.z_cam
        shown = layers.of_photo(disp).cpu().numpy()
        least, largest = float(shown.min()), float(shown.max())
        levels = ((shown - least) / max(largest - least, 1e-9) * 255).round().astype(np.uint8)
        level, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
        return (disp > least + (level + 0.5) / 255 * (largest - least)).to(torch.float32)
    moves = layers.moving
    if scene.harmonics is not None:
        size_px = scene.harmonics.sine_px.abs() + scene.harmonics.cosine_px.abs()
        moves = moves | (size_px.sum(dim=(0, 3)) > 0).view(-1)[layers.pixel]
    return moves.to(torch.float32)


def cutouts_of(shot: Shot, cover: Cover, kind: str) -> Iterator[np.ndarray]:
    """One period, uint8 ``[H, W, 4]``, colours not multiplied by alpha."""
    marks = marks_of(shot.scene, kind)

    def cutout(n: int) -> Tensor:
        alpha = (cover(shot.view_at(n), n, marks) * 255 + 0.5).to(torch.uint8)
        return torch.cat([shot.taken(n).rgb_u8, alpha[..., None]], dim=-1)

    return leaving(cutout(n) for n in range(len(shot.path)))
