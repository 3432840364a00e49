"""Where the released system cuts depth into layers."""

from __future__ import annotations

import numpy as np
import torch
from scipy.cluster.hierarchy import ward
from torch import Tensor

SAMPLE_EVERY = 10
CLUSTER_DISTANCE = 5.0  # Ward's, on disparities scaled to 0..1; it grows with the number of samples
EDGE = 1e-6


def depth_bins(depth: Tensor) -> Tensor:
    """Edges, ascending, of the depth intervals of the layers: float32 ``[L + 1]`` for ``depth [H, W]``.

    Disparities of every tenth pixel are clustered by Ward's method, into as many clusters as stay apart.
    Memory grows with the square of the number of samples: 340 MB for 1280x720.
    """
    disp = 1.0 / depth
    near, far = disp.max(), disp.min()
    sampled = disp[::SAMPLE_EVERY, ::SAMPLE_EVERY].flatten()
    merges = ward(((sampled - far) / (near - far).clamp_min(EDGE)).cpu().numpy()[:, None])
    count = int((merges[:, 2] >= CLUSTER_DISTANCE).sum()) + 1
    lowest = _cluster_minima(sampled.cpu().numpy(), merges[: len(sampled) - count, :2].astype(int))
    inner = torch.from_numpy(np.sort(1.0 / lowest).astype(np.float32)).to(depth.device)
    edges = torch.cat([depth.min()[None], inner])
    edges[0] -= EDGE
    edges[-1] = depth.max() + EDGE
    return edges


def _cluster_minima(values: np.ndarray, merges: np.ndarray) -> np.ndarray:
    """The least value of each cluster that remains after ``merges [M, 2]``; the m-th makes cluster ``len(values) + m``."""
    lowest = np.concatenate([values, np.empty(len(merges), values.dtype)])
    is_left = np.ones(len(lowest), bool)
    for merged, (a, b) in enumerate(merges, start=len(values)):
        lowest[merged] = min(lowest[a], lowest[b])
        is_left[[a, b]] = False
    return lowest[is_left]
