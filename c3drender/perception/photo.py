"""Looking at a photo with the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..data import Image, Nearness
from ..pixels.segments import SEGMENT_CLASSES, Segments
from .encoder import STRIDE
from .network import OUT_STRIDE, PerceptionNet, Seen
from .weights import shipped

# The longer sides at which the network looks at a photo; it was trained at 384. From nearby, as it is and mirrored, it knows
# where things end and how near they are; from afar, what is water by what is around it; closely, what is small, as a swimmer.
NEAR_SIDE_PX, FAR_SIDE_PX, CLOSE_SIDE_PX = 512, 320, 768
WATER = tuple(SEGMENT_CLASSES.index(name) for name in ("still_water", "moving_water", "white_water"))
BROAD_CELLS = 20  # along the longer side: what is narrower than one of them is known from nearby alone
LEAST_SIDE_PX = 2 * STRIDE


@dataclass(frozen=True, eq=False)
class Perception:
    """What the network says of a photo, on the CPU: the segments at about a quarter of `CLOSE_SIDE_PX`, all else of
    `NEAR_SIDE_PX`.

    Attributes
    ----------
    segments : Segments
        How much of each pixel is of each class.
    nearness : Nearness
        With the classes as they are from nearby.
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

    The mean of what it says of the photo and of its mirror image, and for the segments of a closer look; of water, what may
    move and where to, the broad is known from afar, too.

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
    rgb = _reduced(image, NEAR_SIDE_PX)
    near = _mean(network(rgb), _mirrored(network(rgb.flip(3))))
    far, close = (_read(network, _reduced(image, side_px)) for side_px in (FAR_SIDE_PX, CLOSE_SIDE_PX))
    free, way = (_fused(far[name], getattr(near, name)) for name in ("free", "way"))
    surface = (_resized(near.surface, close["surface"].shape[2:]) + close["surface"]) / 2
    kinds, with_far = (logits[0].softmax(0) for logits in (surface, _fused(far["surface"], surface)))
    disparity = near.disparity[0, 0].clamp(min=0).square()
    return Perception(
        segments=Segments(SEGMENT_CLASSES, _with_water(kinds, with_far)),
        nearness=Nearness(
            (disparity / disparity.max().clamp(min=1e-6)).clone(),
            near.layout[0].softmax(0)[0].clone(),
            near.surface[0].softmax(0).clone(),
        ),
        free=free[0, 0].sigmoid().clone(),
        way=way[0].permute(1, 2, 0).contiguous().clone(),
    )


def _read(network: PerceptionNet, rgb: Tensor) -> dict[str, Tensor]:
    """What the readout alone says of ``rgb [1, 3, h, w]``, at a quarter of its size: all but how near it is."""
    return network.read(network.taps(rgb), [side // OUT_STRIDE for side in rgb.shape[2:]])


def _resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)


def _mean(one: Seen, other: Seen) -> Seen:
    return Seen(**{part.name: (getattr(one, part.name) + getattr(other, part.name)) / 2 for part in fields(Seen)})


def _with_water(kinds: Tensor, both: Tensor) -> Tensor:
    """The classes' shares ``[K, h, w]`` with as much of `WATER` as in ``both``; what else there is keeps its proportions."""
    is_water = torch.tensor([k in WATER for k in range(len(kinds))])[:, None, None]
    dry, left = (1 - (shares * is_water).sum(0) for shares in (kinds, both))
    return torch.where(is_water, both, kinds * left / dry.clamp(min=1e-6))


def _fused(far: Tensor, near: Tensor) -> Tensor:
    """``near`` ``[1, C, h, w]`` of which the broad half is ``far``'s, which is coarser."""
    size = near.shape[2:]
    rows, columns = (max(1, round(side * BROAD_CELLS / max(size))) for side in size)
    broad = _resized(functional.adaptive_avg_pool2d(near, (rows, columns)), size)
    return near + 0.5 * (_resized(far, size) - broad)


def _reduced(image: Image, side_px: int) -> Tensor:
    """``[1, 3, h, w]``, sides multiples of what the encoder divides by, of the photo's proportions as nearly as that goes."""
    height, width = image.size
    scale = min(1.0, side_px / max(height, width))
    h, w = (max(LEAST_SIDE_PX, round(side * scale / STRIDE) * STRIDE) for side in (height, width))
    rgb = np.clip(image.rgb.detach().cpu().numpy(), 0, 1)
    small = cv2.resize(rgb, (w, h), interpolation=cv2.INTER_AREA if h < height else cv2.INTER_LINEAR)
    return torch.from_numpy(np.ascontiguousarray(small)).permute(2, 0, 1)[None].contiguous(memory_format=torch.channels_last)


def _mirrored(seen: Seen) -> Seen:
    flipped = {part.name: getattr(seen, part.name).flip(3) for part in fields(Seen)}
    way = flipped["way"]
    return Seen(**{**flipped, "way": torch.stack([-way[:, 0], way[:, 1]], 1)})
