"""Spray: what hangs before a fall looks like mist, and goes with the water."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ..data import Scenery
from ..pixels.masks import Parts, grown

SURE = 0.5  # a map above this is taken for its kind
BESIDE_SHARE = 1 / 100  # of the longer side: what lies so near to white water touches it
LEAST_WHITE = 0.1  # times the mist's area: with less white water beside it, mist is mist


def with_spray(scenery: Scenery, fire: torch.Tensor) -> Scenery:
    """``scenery`` in which mist that hangs on much white water is white water, of which nobody has seen where it goes;
    ``fire`` float32 ``[H, W]``, 0..1, is no mist."""
    smoke, rapids = (values.cpu().numpy() > SURE for values in (scenery.smoke * (fire <= SURE), scenery.rapids))
    if not (smoke.any() and rapids.any()):
        return scenery
    body = Parts.of(grown(smoke | rapids, max(1, round(BESIDE_SHARE * max(smoke.shape)))))
    mist, white = (np.bincount(body.labels[which], minlength=len(body.area)) for which in (smoke, rapids))
    falls = body.joined(white >= LEAST_WHITE * np.maximum(mist, 1))
    spray = torch.from_numpy((falls & smoke).astype(np.float32)).to(scenery.smoke.device)
    way = None if scenery.way is None else scenery.way * (1 - spray)[..., None]
    rapids = torch.where(spray > 0, (scenery.rapids + scenery.smoke).clamp(max=1), scenery.rapids)
    return replace(scenery, rapids=rapids, smoke=scenery.smoke * (1 - spray), way=way)
