"""What the network is asked for. All targets lie on its grid, a quarter of the picture's size.

Depth: rendered scenes know it, up to scale; of a photo the order of its places is known. ``p`` is the network's square root of
the relative disparity, ``t`` the true one. *shape* is the scale- and shift-free distance of Ranftl et al. 2020 (MiDaS, in its
form with mean absolute deviations), *slope* the distance of its gradients at four scales, *nearness* the plain distance,
*order* the ordinal loss of Chen et al. 2016 over pairs; *flatness* holds what stands upright in one region at one depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..network import Seen

PAIRS = 1500
ORDER_SHARPNESS = 12.0
LEAST_STEP = 0.03  # of a scene's square root of disparity, for its pairs to have an order
SMOOTHING = 0.05  # of the class labels, some of which are wrong
SCENE_WEIGHT = 0.5  # of what a rendered scene says of its classes: it looks like no photo
RARE = (1.0, 1.0, 1.2, 1.2, 2.0, 2.0, 2.0, 1.0, 1.5, 1.5, 1.0, 1.0)  # weight per class


@dataclass(frozen=True, eq=False)
class Targets:
    """A batch's truth, ``[B, h, w]`` each; -1 or NaN where nobody knows.

    ``root``: square root of the relative disparity; ``rank``: 0..9; ``surface``, ``layout``: classes; ``free``: 0, 1;
    ``way``: ``[B, 2, h, w]``, 0 where unknown; ``speed``: 0..2; ``is_photo``: bool ``[B]``.
    """

    root: Tensor
    rank: Tensor
    surface: Tensor
    layout: Tensor
    free: Tensor
    way: Tensor
    speed: Tensor
    is_photo: Tensor


def losses(seen: Seen, truth: Targets, random: torch.Generator) -> dict[str, Tensor]:
    """Scalars by name, unweighted."""
    p = seen.disparity[:, 0]
    scene, photo = ~truth.is_photo, truth.is_photo
    trust = torch.where(photo, 1.0, SCENE_WEIGHT)
    total = {name: p.new_zeros(()) for name in ("shape", "slope", "nearness", "order", "flatness")}
    if scene.any():
        known = torch.isfinite(truth.root[scene])
        t = torch.nan_to_num(truth.root[scene])
        own, true = _aligned(p[scene], known), _aligned(t, known)
        total["shape"] = _mean((own - true).abs(), known)
        total["slope"] = _slope(own - true, known)
        total["nearness"] = _mean((p[scene] - t).abs(), known)
        total["order"] = total["order"] + 0.5 * _order(p[scene], t, known, LEAST_STEP, LEAST_STEP, random)
    if photo.any():
        rank = truth.rank[photo]
        known = rank >= 0
        value = rank.clamp(min=0).float()
        total["order"] = total["order"] + _order(p[photo], value, known, 0.5, 3.0, random)
        endless = (rank == 0).float()
        total["nearness"] = total["nearness"] + _mean(p[photo].abs(), endless)
        total["shape"] = total["shape"] + 0.3 * _mean((_aligned(p[photo], known) - _aligned(value / 9, known)).abs(), known)
        total["flatness"] = _flatness(p[photo], rank, truth.layout[photo])
    rare = p.new_tensor(RARE)
    entropy = functional.cross_entropy(
        seen.surface, truth.surface, rare, ignore_index=-1, reduction="none", label_smoothing=SMOOTHING
    )
    total["surface"] = _mean(entropy * trust[:, None, None], truth.surface >= 0)
    entropy = functional.cross_entropy(seen.layout, truth.layout, ignore_index=-1, reduction="none", label_smoothing=SMOOTHING)
    total["layout"] = _mean(entropy * trust[:, None, None], truth.layout >= 0)
    entropy = functional.binary_cross_entropy_with_logits(seen.free[:, 0], truth.free.clamp(min=0).float(), reduction="none")
    total["free"] = _mean(entropy * trust[:, None, None], truth.free >= 0)
    flows = truth.way.abs().amax(1) > 0
    total["way"] = _mean((seen.way - truth.way).square().sum(1), flows)
    entropy = functional.cross_entropy(seen.speed, truth.speed, ignore_index=-1, reduction="none")
    total["speed"] = _mean(entropy, truth.speed >= 0)
    return total


def _mean(values: Tensor, where: Tensor) -> Tensor:
    weight = where.to(values.dtype)
    return (values * weight).sum() / weight.sum().clamp(min=1)


def _aligned(values: Tensor, known: Tensor) -> Tensor:
    """Per picture without its mean, in units of its mean absolute deviation."""
    weight = known.to(values.dtype)
    count = weight.sum((1, 2), keepdim=True).clamp(min=1)
    centred = values - (values * weight).sum((1, 2), keepdim=True) / count
    return centred / ((centred.abs() * weight).sum((1, 2), keepdim=True) / count + 0.02)


def _slope(error: Tensor, known: Tensor) -> Tensor:
    total = error.new_zeros(())
    for _ in range(4):
        across, down = known[..., 1:] & known[..., :-1], known[:, 1:] & known[:, :-1]
        total = total + _mean(error.diff(dim=2).abs(), across) + _mean(error.diff(dim=1).abs(), down)
        error, known = error[:, ::2, ::2], known[:, ::2, ::2]
    return total


def _order(p: Tensor, value: Tensor, known: Tensor, least: float, full: float, random: torch.Generator) -> Tensor:
    """Pairs of known places whose values differ by at least ``least``; those that do by ``full`` count whole."""
    flat = p.flatten(1)
    ends = torch.randint(flat.shape[1], (2, len(flat), PAIRS), generator=random).to(p.device)
    (pa, pb), (va, vb) = (tuple(x.flatten(1).gather(1, end) for end in ends) for x in (p, value))
    both = known.flatten(1).gather(1, ends[0]) & known.flatten(1).gather(1, ends[1])
    step = va - vb
    weight = (step.abs() / full).clamp(max=1) * (both & (step.abs() >= least))
    return (functional.softplus(-ORDER_SHARPNESS * (pa - pb) * step.sign()) * weight).sum() / weight.sum().clamp(min=1)


def _flatness(p: Tensor, rank: Tensor, layout: Tensor) -> Tensor:
    """Mean change between neighbours of one rank that both stand upright."""
    upright = (layout == 1) & (rank >= 0)
    across = upright[..., 1:] & upright[..., :-1] & (rank[..., 1:] == rank[..., :-1])
    down = upright[:, 1:] & upright[:, :-1] & (rank[:, 1:] == rank[:, :-1])
    return 10 * (_mean(p.diff(dim=2).abs(), across) + _mean(p.diff(dim=1).abs(), down))
