"""Looking at a photo with the network."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
from torch import Tensor

from ..data import Image, Nearness
from ..pixels.segments import SEGMENT_CLASSES, Segments
from .encoder import STRIDE
from .network import PerceptionNet, Seen
from .weights import shipped

WORK_SIDE_PX = 512  # the longer side of what the network sees
LEAST_SIDE_PX = 2 * STRIDE


@dataclass(frozen=True, eq=False)
class Perception:
    """What the network says of a photo, at about a quarter of `WORK_SIDE_PX`, on the CPU.

    Attributes
    ----------
    segments : Segments
        How much of each pixel is of each class.
    nearness : Nearness
    free : Tensor
        float32 ``[h, w]``, 0..1: how surely it may move.
    way : Tensor
        float32 ``[h, w, 2]``: where a fluid goes in the picture, x and y; the surer, the nearer to unit length.
    """

    segments: Segments
    nearness: Nearness
    free: Tensor
    way: Tensor


@torch.inference_mode()
def perceive(image: Image, network: PerceptionNet | None = None) -> Perception:
    """What the photo shows, by the network of this package. Deterministic.

    The mean of what it says of the photo and of its mirror image.

    Parameters
    ----------
    image : Image
    network : PerceptionNet, optional
        None: with the weights of the package.

    Returns
    -------
    Perception
    """
    network = shipped() if network is None else network
    rgb = _reduced(image)
    straight, mirrored = network(rgb), _mirrored(network(rgb.flip(3)))
    seen = Seen(**{part.name: (getattr(straight, part.name) + getattr(mirrored, part.name)) / 2 for part in fields(Seen)})
    near = seen.disparity[0, 0].clamp(min=0).square()
    kinds = seen.surface[0].softmax(0).clone()
    return Perception(
        segments=Segments(SEGMENT_CLASSES, kinds),
        nearness=Nearness((near / near.max().clamp(min=1e-6)).clone(), seen.layout[0].softmax(0)[0].clone(), kinds),
        free=seen.free[0, 0].sigmoid().clone(),
        way=seen.way[0].permute(1, 2, 0).contiguous().clone(),
    )


def _reduced(image: Image) -> Tensor:
    """``[1, 3, h, w]``, sides multiples of what the encoder divides by, of the photo's proportions as nearly as that goes."""
    height, width = image.size
    scale = min(1.0, WORK_SIDE_PX / max(height, width))
    h, w = (max(LEAST_SIDE_PX, round(side * scale / STRIDE) * STRIDE) for side in (height, width))
    rgb = np.clip(image.rgb.detach().cpu().numpy(), 0, 1)
    small = cv2.resize(rgb, (w, h), interpolation=cv2.INTER_AREA if h < height else cv2.INTER_LINEAR)
    return torch.from_numpy(np.ascontiguousarray(small)).permute(2, 0, 1)[None].contiguous(memory_format=torch.channels_last)


def _mirrored(seen: Seen) -> Seen:
    flipped = {part.name: getattr(seen, part.name).flip(3) for part in fields(Seen)}
    way = flipped["way"]
    return Seen(**{**flipped, "way": torch.stack([-way[:, 0], way[:, 1]], 1)})
