"""What the player makes a fluid's copies of whole loops from, as `c3drender.render.phase` does: how even luma is around each
place, and where each copy is taken, beyond the fluid's borders, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..render.beyond import REACH, Beyond
from ..render.even import LEAST_BELOW, LEAST_CONTRAST, LONE_SKEW, RANGE_PX, ROOM, SKEWS
from ..render.fluid import FluidPoints
from ..render.phase import LATE, LEAST_EXISTENCE, SECOND, surroundings_of
from ..render.waves import band_px

AROUND_SCALE = 8  # px of a cell: what is smooth
AROUND_UNITS = {"tint": 1e-3, "wide": 1e-4, "deviation": 1e-4, "skew": 1e-4, "dense": 1e-4}
WAYS_SCALE = 4  # px of a cell: those of `Beyond`
WAYS_UNIT = 1 / 4  # px


def picture_of(fluid: FluidPoints, where: Tensor) -> Tensor:
    """The fluid's picture ``[H, W, 3]`` without what rests beside it; ``where``: its points' places on the canvas, counted."""
    picture = fluid.surface[..., 3:6].clone()
    picture.view(-1, 3)[where[fluid.fringe.index]] = fluid.fringe.clean
    return picture


def pack_copies(
    add: Callable[[str, np.ndarray], None],
    around: Callable[[Tensor], np.ndarray],
    picture: Tensor,
    exists: Tensor,
    beyond: Beyond,
    box: list[int],
) -> dict[str, Any]:
    """Add the maps: the nature of each place of the fluid's ``picture [H, W, 3]``, and from where in its ``box`` copies are
    taken. ``around``: cells of `AROUND_SCALE` of values ``[H, W, C]`` in the box. Returns what the header tells of them."""
    found = surroundings_of(picture, exists, band_px(exists))
    even = found.even
    named = {"tint": found.tint, "wide": found.wide, "deviation": even.deviation, "skew": even.skew, "dense": found.shown}
    for name, unit in AROUND_UNITS.items():
        cells = (around(named[name]) / unit).round().clip(-32768, 32767).astype(np.int16)
        add(name, cells.transpose(2, 0, 1).reshape(-1, cells.shape[1]))
    x0, y0, x1, y1 = box
    y, x = torch.meshgrid(torch.arange(y0, y1, WAYS_SCALE), torch.arange(x0, x1, WAYS_SCALE), indexing="ij")
    start_px = (torch.stack([x, y], dim=-1) + WAYS_SCALE / 2).flatten(0, 1)
    ends = [end for forward in (True, False) for end in beyond.copies(start_px, forward)]
    ways = torch.stack([((at_px - start_px) / WAYS_UNIT).round().clamp(-32768, 32767).T for at_px, _ in ends])
    likeness = torch.stack([(255.0 * like).round().T for _, like in ends])
    add("ways", ways.numpy().astype(np.int16).reshape(-1, x.shape[1]))
    add("likeness", likeness.numpy().astype(np.uint8).reshape(-1, x.shape[1]))
    return {
        "scale": AROUND_SCALE,
        "units": AROUND_UNITS,
        "ways": {"scale": WAYS_SCALE, "unit": WAYS_UNIT},
        "reach": REACH,
        "late": LATE,
        "second": SECOND,
        "leastExistence": LEAST_EXISTENCE,
        "even": {
            "leastContrast": LEAST_CONTRAST,
            "leastSkew": SKEWS[0],
            "leastBelow": LEAST_BELOW,
            "range": RANGE_PX,
            "room": ROOM,
            "loneSkew": LONE_SKEW,
        },
    }
