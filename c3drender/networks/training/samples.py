"""What training sees: one motion sample, one render sample, and the sources that make them.

A source is a pure function of the sample's number: nothing is drawn from global random state, so a run that is stopped and
resumed sees exactly the samples that it would have seen, and so does a run on more processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import torch
from torch import Tensor

from ...data import Camera, Layers, check_tensor

Split = Literal["train", "validation"]
SampleT = TypeVar("SampleT", covariant=True)


@dataclass(frozen=True, eq=False)
class MotionSample:
    """A picture and its mean flow: ``rgb`` ``[3, S, S]`` in 0..1, ``step_px`` ``[2, S, S]`` (x, y) px per frame, ``mask``
    ``[1, S, S]`` 1 where it moves, ``hint`` ``[2, S, S]``: the dense field that a few arrows make, px per frame."""

    rgb: Tensor
    step_px: Tensor
    mask: Tensor
    hint: Tensor

    def __post_init__(self) -> None:
        size = tuple(self.rgb.shape[1:])
        for name, channels in (("rgb", 3), ("step_px", 2), ("mask", 1), ("hint", 2)):
            check_tensor("MotionSample", name, getattr(self, name), (channels, *size), torch.float32)


@dataclass(frozen=True, eq=False)
class RenderSample:
    """Two moments of a scene and a third between them, to be rendered from both.

    ``start`` and ``end``: the layers at frames 0 and ``num_frames``, on the canvas of ``camera`` padded by their margin; both
    have the same geometry and flow. ``target`` float32 ``[H, W, 3]``: the picture at frame ``frame`` that ``camera`` sees
    from its pose. In a static scene start and end are alike, and the flow is zero.
    """

    start: Layers
    end: Layers
    camera: Camera
    num_frames: int
    frame: int
    target: Tensor

    def __post_init__(self) -> None:
        check_tensor("RenderSample", "target", self.target, (self.camera.height, self.camera.width, 3), torch.float32)
        if not 0 <= self.frame <= self.num_frames or self.num_frames < 1:
            raise ValueError(f"RenderSample: frame must be in 0..{self.num_frames} (num_frames), got {self.frame}")

    @property
    def loop_t(self) -> float:
        return self.frame / self.num_frames


class Source(Protocol[SampleT]):
    """Samples by number, without end: ``source[n]`` is always the same sample."""

    def __getitem__(self, number: int) -> SampleT: ...


def numbered_generator(seed: int, split: Split, number: int) -> torch.Generator:
    """The random numbers of one sample. Validation never shares one with training, whatever the seed."""
    mixed = (seed * 1_000_003 + number) * 2 + (split == "validation")
    return torch.Generator().manual_seed(mixed % 2**63)


def uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def integer(generator: torch.Generator, low: int, high: int) -> int:
    """A whole number in ``low..high``, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))
