"""Masked filters and morphology on planes ``[C, H, W]``, as the released layer builder applies them."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

UNKNOWN = 1e-6  # a mask's weight up to which a value counts as unknown


def box(x: Tensor, size: int) -> Tensor:
    """Mean over ``size`` x ``size`` (odd), zeros beyond the border."""
    if x.device.type != "cpu":
        return box_convolved(x, size)
    # Running sums: twenty times as fast as a convolution there.
    planes = [cv2.boxFilter(plane, -1, (size, size), borderType=cv2.BORDER_CONSTANT) for plane in x.contiguous().numpy()]
    return torch.from_numpy(np.stack(planes))


def box_convolved(x: Tensor, size: int) -> Tensor:
    """`box` on any device."""
    ones = x.new_ones(len(x), 1, size, 1)
    x = functional.conv2d(x[None], ones, padding=(size // 2, 0), groups=len(x))
    return functional.conv2d(x, ones.transpose(2, 3), padding=(0, size // 2), groups=len(ones))[0] / size**2


def erode(x: Tensor, size: int) -> Tensor:
    """Minimum over ``size`` x ``size``; an even window reaches one pixel farther up and left. Ignores what lies beyond."""
    before, after = size // 2, size - 1 - size // 2
    padded = functional.pad(-x[None], (before, after, before, after), value=-torch.inf)
    return -functional.max_pool2d(padded, size, 1)[0]


def opened(x: Tensor) -> Tensor:
    """Morphological opening by 3 x 3."""
    return functional.max_pool2d(erode(x, 3)[None], 3, 1, 1)[0]


def smooth(x: Tensor) -> Tensor:
    """Gaussian blur, 3 x 3, sigma 1.5 px, mirrored border."""
    side = x.new_tensor([-1.0, 0.0, 1.0]).square().div(-2 * 1.5**2).exp()
    kernel = (side[:, None] * side / side.sum().square()).expand(len(x), 1, 3, 3)
    return functional.conv2d(functional.pad(x[None], (1, 1, 1, 1), mode="reflect"), kernel, groups=len(x))[0]


def diffuse(value: Tensor, mask: Tensor, size: int, iterations: int) -> tuple[Tensor, Tensor]:
    """Spread the known values outwards, ``size // 2`` pixels an iteration. Returns the values and the final mask.

    ``mask`` ``[1, H, W]``: the weight of ``value``; values known at the start stay.
    """
    for _ in range(iterations):
        sums = box(torch.cat([value * mask, mask]), size)
        value = torch.where(mask <= UNKNOWN, sums[:-1] / sums[-1:].clamp_min(UNKNOWN), value)
        mask = sums[-1:]
    return value, mask


def masked_median(x: Tensor, mask: Tensor, size: int, where: Tensor) -> Tensor:
    """Medians of ``size`` x ``size`` windows (odd) over the known samples, at the True of ``where``; elsewhere 0.

    All ``[C, H, W]``. Unknown samples, and those beyond the border, are replaced by the least and the greatest sample of the
    plane in turn. The turn runs on through all windows of all channels, so an odd number of them in one window swaps the turn
    in the next.
    """
    reach, num_samples = size // 2, size * size
    border = (reach, reach, reach, reach)
    padded, known = functional.pad(x, border), functional.pad(mask, border) > 0
    known_here = functional.avg_pool2d(known[None].double(), size, 1)[0] * num_samples
    unknown_here = num_samples - known_here.round().to(torch.int64)
    turn = (unknown_here.flatten().cumsum(0) - unknown_here.flatten()).view_as(unknown_here)[where]
    c, y, x0 = where.nonzero().unbind(1)
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    at = (c[:, None], y[:, None] + rows.flatten().to(y.device), x0[:, None] + columns.flatten().to(y.device))
    samples, is_known = padded[at], known[at]
    turns = turn[:, None] + (~is_known).cumsum(1) - 1
    low, high = padded.min(), padded.max()
    samples = torch.where(is_known, samples, torch.where(turns % 2 == 0, low, high))
    out = torch.zeros_like(x)
    out[where] = samples.median(dim=1).values
    return out


def refine_depth(depth: Tensor, alpha: Tensor, size: int = 11) -> Tensor:
    """``depth [1, H, W]`` of a layer, cleaned next to the layer's border, where the estimate mixes near and far."""
    border = (erode(alpha, size) == 0) & (alpha > 0)
    depth = depth * alpha
    return torch.where(border, masked_median(depth, alpha, size, border) * alpha, depth)
