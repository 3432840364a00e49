"""How well the network sees photos that it was not trained on, in a few numbers, on its own grid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...pixels.segments import SEGMENT_CLASSES
from ..network import Seen
from .losses import Targets

GROUPS = {"sky": ("sky", "cloud"), "water": ("still_water", "moving_water"), "white": ("white_water",)}
RANK_STEP = 2
PAIRS = 4000


def judge(photos: Sequence[tuple[Seen, Targets]]) -> dict[str, float]:
    """Means over photos, batches of one: pairs of places in the right order (``order``; ``hard``: where the nearer one is not
    the lower one), share of pixels of the right class, intersection over union of groups of classes, and of what must stay the
    share that is said to be free."""
    random = torch.Generator().manual_seed(0)
    order, hard, right, stays = [], [], [], []
    both, either = dict.fromkeys(GROUPS, 0.0), dict.fromkeys(GROUPS, 0.0)
    for seen, truth in photos:
        of, lower = _order(seen.disparity[0, 0], truth.rank[0], random)
        if len(of):
            order.append(of.float().mean())
        if (~lower).any():
            hard.append(of[~lower].float().mean())
        known, surface = truth.surface[0] >= 0, seen.surface[0].argmax(0)
        right.append((surface == truth.surface[0])[known].float().mean())
        must_stay = truth.free[0] == 0
        if must_stay.any():
            stays.append((seen.free[0, 0] > 0)[must_stay].float().mean())
        for name, classes in GROUPS.items():
            members = torch.tensor([SEGMENT_CLASSES.index(kind) for kind in classes])
            own, true = torch.isin(surface, members) & known, torch.isin(truth.surface[0], members)
            both[name] += float((own & true).sum())
            either[name] += float((own | true).sum())
    means = {"order": order, "hard": hard, "surface": right, "stays_free": stays}
    found = {name: float(torch.stack(values).mean()) if values else float("nan") for name, values in means.items()}
    return found | {f"iou_{name}": both[name] / max(either[name], 1) for name in GROUPS}


def _order(p: Tensor, rank: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """For pairs of places of different ranks whether ``p`` orders them rightly, and whether the nearer is the lower one."""
    places = torch.randint(rank.numel(), (2, PAIRS), generator=random)
    a, b = (rank.flatten()[place] for place in places)
    clear = (a >= 0) & (b >= 0) & ((a - b).abs() >= RANK_STEP)
    places = torch.where((a > b)[None], places, places.flip(0))[:, clear]  # the nearer one first
    near, far = (p.flatten()[place] for place in places)
    rows = places // rank.shape[1]
    return near > far, rows[0] > rows[1]
