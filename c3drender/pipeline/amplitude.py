"""How far the camera goes: what was asked for, or as far as the picture bears it."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .. import camera as cameras
from .. import defaults
from ..data import LEAST_RANGE, Lens
from ..files.scene import Scene
from ..render.lens import FULL_FRAME_M
from .inputs import Amplitude, CameraLike

WORKING_PX = 640  # the longer side at which outlines are measured
STEP_SHARE = 0.03  # of the range of disparities, from one pixel to the next: an outline
# Outlines so long, in longer sides, are borne in full; of longer ones the harm grows with their length and how far they shift.
BORNE = 1.4
LEAST_SHARE = 0.5


def amplitude_of(camera: CameraLike | None, amplitude: Amplitude | None) -> Amplitude:
    """How far a camera goes at most where nobody says: a preset as far as an estimate of depth bears, the paper's and paths of
    the user's own as they are."""
    if amplitude is not None:
        return amplitude
    return defaults.AMPLITUDE if _is_preset(camera) else 1.0


def amplitude_in(scene: Scene, camera: CameraLike | None, amplitude: Amplitude | None) -> Amplitude:
    """... and in this scene: a preset less far where there is much that could crack."""
    own = amplitude_of(camera, amplitude)
    return defaults.AMPLITUDE * borne_by(scene) if amplitude is None and _is_preset(camera) else own


def borne_by(scene: Scene) -> float:
    """The share of the parallax that a scene bears whose outlines are an estimate's, `LEAST_SHARE` .. 1: the less, the longer
    all outlines together are."""
    disp = 1.0 / scene.layers.of_photo(scene.layers.z_cam)
    scale = WORKING_PX / max(disp.shape)
    if scale < 1:
        rows, columns = (_places(side, scale, disp.device) for side in disp.shape)
        disp = disp[rows[:, None], columns]
    step = STEP_SHARE * max(scene.span.near - scene.span.far, LEAST_RANGE * scene.span.near)
    length = float(_crossings(disp, step) + _crossings(disp.T, step)) / max(disp.shape)
    return min(1.0, max(LEAST_SHARE, sqrt(BORNE / max(length, BORNE))))


def widened(amplitude: Amplitude, eyes: float, lens: Lens | None) -> Amplitude:
    """The amplitude of presets that see as far around as both eyes, or a lens' rim, do on a path of ``amplitude``."""
    rim = 0.0 if lens is None or lens.f_number is None else 0.5 * FULL_FRAME_M / lens.f_number
    more = (eyes / 100 + rim) / cameras.PARALLAX
    if more == 0:
        return amplitude
    if isinstance(amplitude, Sequence | np.ndarray):
        return [float(part) + more for part in amplitude]
    return float(amplitude) + more


def _is_preset(camera: CameraLike | None) -> bool:
    return camera is None or (isinstance(camera, str) and camera in cameras.PRESETS)


def _crossings(disp: Tensor, least: float) -> Tensor:
    """How often the rows of ``disp [H, W]`` cross an outline, soft or not: where they change the most and more than that."""
    steps = disp.diff(dim=1).abs()
    around = functional.max_pool1d(steps, 3, stride=1, padding=1)
    return ((steps >= around) & (steps > least)).sum()


def _places(side: int, scale: float, device: torch.device) -> Tensor:
    """The pixels that are kept of a side."""
    count = max(1, round(side * scale))
    return ((torch.arange(count, device=device) + 0.5) * side / count).long()
