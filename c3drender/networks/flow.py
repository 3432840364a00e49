"""A trained motion network: where something moves is known, which way and how fast it is asked."""

from __future__ import annotations

from math import ceil, log

import torch
from torch import Tensor
from torch.nn import functional

from ..data import FRAMES_PER_ARROW, FlowField, Image, check_tensor
from .hints import spread_hints
from .motion import SIZE_MULTIPLE, MotionNetwork

MOST_MULTIPLES = 4  # of a side of what the network sees: the published one was trained on three
NUM_ARROWS = 5  # at most, of a flow that nobody drew: as many as training shows
SMOOTHING_PX = 15  # at the size that the network sees, as in the released code: neighbours shall stay neighbours
LEAST_STEP_PX = 0.02  # as of the motion stage: a pixel slower than this is at rest


def seen_size(height: int, width: int) -> tuple[int, int]:
    """The size at which a photo is shown to the network: of those not much larger than it the largest whose proportions are
    nearest to its own."""
    rows, columns = (range(1, min(ceil(side / SIZE_MULTIPLE), MOST_MULTIPLES) + 1) for side in (height, width))
    sizes = [(SIZE_MULTIPLE * row, SIZE_MULTIPLE * column) for row in rows for column in columns]
    return min(sizes, key=lambda size: (round(abs(log(size[0] / size[1] * width / height)), 3), -size[0]))


@torch.no_grad()
def learned_flow(network: MotionNetwork, image: Image, flow: FlowField, arrows: Tensor) -> FlowField:
    """The flow of ``network`` where ``flow`` moves.

    Parameters
    ----------
    network : MotionNetwork
    image : Image
    flow : FlowField
        Of the motion stage. What moves is as it says; without arrows, some of its own are shown to the network.
    arrows : Tensor
        float32 ``[A, 2, 2]``, as `c3drender.data.MotionHints`.

    Returns
    -------
    FlowField
        On the device of ``flow``.

    Raises
    ------
    ValueError
        For a network whose answer is not finite.
    """
    check_tensor("learned_flow", "arrows", arrows, (len(arrows), 2, 2), torch.float32)
    if not bool(flow.moving.any()):
        return flow
    device = next(network.parameters()).device
    pointing = (arrows if len(arrows) > 0 else arrows_of(flow)).to(device)
    size, seen = image.size, seen_size(*image.size)
    scale = torch.tensor([seen[1] / size[1], seen[0] / size[0]], dtype=torch.float32, device=device)  # (x, y)
    moving = flow.moving.to(device)
    mask = functional.interpolate(moving[None, None].to(torch.float32), seen, mode="area")
    rgb = functional.interpolate(image.rgb.permute(2, 0, 1)[None].to(device), seen, mode="bilinear", antialias=True)
    steps = (pointing[:, 1] - pointing[:, 0]) / FRAMES_PER_ARROW
    sigma_px = 1.25 * seen[0] / len(pointing)  # the middle of the widths of training (`training.hints`)
    hint = spread_hints(pointing[:, 0] * scale, steps * scale, sigma_px, *seen)[None] * mask
    made = _smooth(network(2 * rgb - 1, mask, hint), mask) / scale[:, None, None]
    if not bool(made.isfinite().all()):
        raise ValueError("motion_model: expected a network whose flow is finite, got NaN or infinity")
    step_px = functional.interpolate(made, size, mode="bilinear", align_corners=False)[0].permute(1, 2, 0)
    moves = moving & (step_px.norm(dim=-1) >= LEAST_STEP_PX)
    there = flow.step_px.device
    return FlowField((step_px * moves[..., None]).contiguous().to(there), moves.to(there))


def _smooth(values: Tensor, mask: Tensor) -> Tensor:
    """The mean over a square, of what lies in ``mask`` alone."""

    def mean(x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, SMOOTHING_PX, stride=1, padding=SMOOTHING_PX // 2)

    return mean(values * mask) / mean(mask).clamp_min(1e-6)


def arrows_of(flow: FlowField) -> Tensor:
    """Up to `NUM_ARROWS` arrows ``[A, 2, 2]`` along a flow, each as far from those before as it can be, the first where the
    flow is fastest; none is where it is slower than half of its pixels, such as beside a bank."""
    speed = flow.step_px.norm(dim=-1)
    rows, columns = (flow.moving & (speed >= speed[flow.moving].median())).nonzero(as_tuple=True)
    starts = torch.stack([columns, rows], dim=1).to(torch.float32) + 0.5
    chosen = [int(speed[rows, columns].argmax())]
    distance = torch.full((len(starts),), torch.inf, dtype=torch.float32, device=starts.device)
    while len(chosen) < min(NUM_ARROWS, len(starts)):
        distance = torch.minimum(distance, (starts - starts[chosen[-1]]).norm(dim=1))
        chosen.append(int(distance.argmax()))
    own = starts[chosen]
    return torch.stack([own, own + FRAMES_PER_ARROW * flow.step_px[rows[chosen], columns[chosen]]], dim=1)
