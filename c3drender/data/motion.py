"""What moves: as the user says it, and as fields."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
import torch
from torch import Tensor

from .checks import Arrows, MaskLike, PathLike, PictureLike, check_one_device, check_tensor

FRAMES_PER_ARROW = 50  # an arrow's length is this many frames of motion (the released annotation format's unit)
HIDES = 1.1  # times a fluid's disparity (1/z): what is so much nearer hides it, what is not touches it, as banks do


@dataclass(frozen=True, eq=False)
class MotionHints:
    """What the user says about motion, in pixels of the photo.

    Attributes
    ----------
    mask : Tensor or None
        bool ``[H, W]``, True moves; None: to be found.
    arrows : Tensor
        float32 ``[A, 2, 2]``, ``(start, end)`` x ``(x, y)``; an arrow's length is `FRAMES_PER_ARROW` frames of motion.
    freeze : Tensor or None
        bool ``[H, W]``, True stays whatever the mask says.
    """

    mask: Tensor | None
    arrows: Tensor
    freeze: Tensor | None = None

    def __post_init__(self) -> None:
        check_tensor("MotionHints", "arrows", self.arrows, ("A", 2, 2), torch.float32)
        for name in ("mask", "freeze"):
            if getattr(self, name) is not None:
                check_tensor("MotionHints", name, getattr(self, name), ("H", "W"), torch.bool)


@dataclass(frozen=True, eq=False)
class FlowField:
    """An Eulerian flow field.

    Attributes
    ----------
    step_px : Tensor
        float32 ``[H, W, 2]``: (x, y) pixels per frame.
    moving : Tensor
        bool ``[H, W]``.
    """

    step_px: Tensor
    moving: Tensor

    def __post_init__(self) -> None:
        check_tensor("FlowField", "step_px", self.step_px, ("H", "W", 2), torch.float32)
        check_tensor("FlowField", "moving", self.moving, (*self.step_px.shape[:2],), torch.bool)
        check_one_device("FlowField", step_px=self.step_px, moving=self.moving)


@dataclass(frozen=True, eq=False)
class Fluid:
    """Something fluid, as the user describes it: water, clouds, smoke, fire.

    Attributes
    ----------
    mask : MaskLike or None
        Picture or array, white moves; None: found (`c3drender.files.read_mask`).
    hints : Arrows, MotionHints or None
        Arrows ``((x0, y0), (x1, y1))`` in pixels, each as long as 50 frames of motion, or a file
        (`c3drender.files.read_hints`); None: the direction is guessed.
    flow : path, array, Tensor or None
        The dense flow itself, ``[H, W, 2]``, px per frame (`c3drender.files.read_flow`).
    matte : PictureLike or None
        How freely each pixel moves, 0..1, for soft edges (`c3drender.files.masks.read_matte`); without a mask also what moves.
    """

    mask: MaskLike | None = None
    hints: Arrows | MotionHints | None = None
    flow: PathLike | np.ndarray | Tensor | None = None
    matte: PictureLike | None = None


@dataclass(frozen=True, eq=False)
class Sway:
    """Something that swings about its root, as the user describes it: a tree, grass, a flag, hair, a boat.

    Attributes
    ----------
    mask : MaskLike or None
        Picture or array, white sways; None where the file of ``hints`` has polygons.
    hints : Arrows, MotionHints or None
        Arrows whose direction is the swing's and whose length is the tip's reach to either side, in pixels; without, sideways,
        by a share of the picture's size.
    root : str
        The side on which each connected part of the mask is held: ``bottom top left right``.
    strength : float
        Scales the reach, >= 0.
    """

    mask: MaskLike | None
    hints: Arrows | MotionHints | None = None
    root: str = "bottom"
    strength: float = 1.0


@dataclass(frozen=True, eq=False)
class Ripple:
    """Still water that mirrors something, as the user describes it: waves run over the reflection.

    Attributes
    ----------
    mask : MaskLike or None
        Picture or array, white ripples; None where the file of ``hints`` has polygons.
    hints : Arrows, MotionHints or None
        Arrows along which the waves run; without, toward the camera.
    strength : float
        Scales the waves' height, >= 0.
    """

    mask: MaskLike | None
    hints: Arrows | MotionHints | None = None
    strength: float = 1.0


@dataclass(frozen=True, eq=False)
class Flame:
    """Something that burns or steams from a base that stays, as the user describes it: a candle, a torch, a fire, a plume.

    Attributes
    ----------
    mask : MaskLike or None
        Picture or array, white flickers; each connected part is held at its lower end. None where the file of ``hints`` has
        polygons.
    hints : Arrows, MotionHints or None
        Arrows along which it rises; without, up.
    strength : float
        Scales how far it bends, >= 0.
    """

    mask: MaskLike | None
    hints: Arrows | MotionHints | None = None
    strength: float = 1.0


@dataclass(frozen=True, eq=False)
class Harmonics:
    """A periodic displacement of every pixel.

    It is ``sum_k sine_k sin(2 pi k t) + cosine_k (cos(2 pi k t) - 1)``, k = 1..K, with t the loop's time, 0..1. Nothing is
    displaced at t = 0.

    Attributes
    ----------
    sine_px, cosine_px : Tensor
        float32 ``[K, H, W, 2]``, (x, y).
    """

    sine_px: Tensor
    cosine_px: Tensor

    def __post_init__(self) -> None:
        check_tensor("Harmonics", "sine_px", self.sine_px, ("K", "H", "W", 2), torch.float32)
        check_tensor("Harmonics", "cosine_px", self.cosine_px, (*self.sine_px.shape,), torch.float32)

    def at(self, loop_t: float) -> Tensor:
        """The displacement ``[H, W, 2]`` at this moment of the loop, px."""
        return harmonic_px(self.sine_px, self.cosine_px, loop_t)


def harmonic_px(sine_px: Tensor, cosine_px: Tensor, loop_t: float) -> Tensor:
    """The displacement ``[..., 2]`` at ``loop_t`` from coefficients ``[K, ..., 2]`` (see `Harmonics`)."""
    return harmonic_sum(sine_px, cosine_px, harmonics_at(loop_t, len(sine_px)))


def harmonic_sum(sine_px: Tensor, cosine_px: Tensor, factors: Iterable[tuple[float | Tensor, float | Tensor]]) -> Tensor:
    """`harmonic_px` by its factors of the coefficients, those of `harmonics_at`: numbers, or tensors ``[]`` beside these."""
    total = sine_px.new_zeros(sine_px.shape[1:])
    for (sine, cosine), of_sine, of_cosine in zip(factors, sine_px, cosine_px, strict=True):
        total += of_sine * sine + of_cosine * cosine
    return total


def harmonics_at(loop_t: float, count: int) -> list[tuple[float, float]]:
    """``sin(2 pi k t)`` and ``cos(2 pi k t) - 1`` for k = 1 .. ``count``."""
    return [(sin(2 * pi * loop_t * k), cos(2 * pi * loop_t * k) - 1.0) for k in range(1, count + 1)]
