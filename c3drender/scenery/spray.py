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
    mist, white = (values.cpu().numpy() > SURE for values in (scenery.smoke * (fire <= SURE), scenery.rapids))
    if not (mist.any() and white.any()):
        return scenery
    body = Parts.of(grown(mist | white, max(1, round(BESIDE_SHARE * max(mist.shape)))))
    num_mist, num_white = (np.bincount(body.labels[which], minlength=len(body.area)) for which in (mist, white))
    falls = body.joined(num_white >= LEAST_WHITE * np.maximum(num_mist, 1))
    spray = torch.from_numpy(falls & mist).to(scenery.smoke.device)
    rapids = torch.where(spray, (scenery.rapids + scenery.smoke).clamp(max=1), scenery.rapids)
    smoke = torch.where(spray, torch.zeros_like(scenery.smoke), scenery.smoke)
    way = None if scenery.way is None else scenery.way * ~spray[..., None]
    return replace(scenery, rapids=rapids, smoke=smoke, way=way)
