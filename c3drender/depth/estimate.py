"""Depth from one photo: by a learned model where one is at hand, else by the built-in estimate."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..data import DepthMap, Image, Nearness, Scenery
from ..models import best, find
from ..models.depth import Prediction, fov_deg, load_entry, load_transformers
from .builtin import estimate_disparity
from .surfaces import surfaces_from

FAR_DISP = 0.05  # disparity of the farthest point where the nearest has 1: the farthest depth is 20 times the nearest


def estimate_depth(
    image: Image,
    scenery: Scenery,
    nearness: Nearness | None = None,
    *,
    method: str = "auto",
    device: torch.device | str = "cpu",
) -> tuple[DepthMap, str]:
    """Estimate the depth of every pixel of ``image``.

    Parameters
    ----------
    image : Image
    scenery : Scenery
    nearness : Nearness, optional
        What the network of this package says, on the CPU; None: the built-in estimate does without, by cues and geometry.
    method : str
        ``"auto"`` takes the best installed model (`models.best`) and the built-in estimate where there is none; ``"builtin"``
        always the latter; anything else names an installed model of `models.registry`, or a depth model of ``transformers``: a
        directory, or an id of the hub.
    device : str or torch.device
        Where a learned model runs.

    Returns
    -------
    depth : DepthMap
        On the image's device.
    note : str
        One line that says what was used.

    Raises
    ------
    TypeError, ValueError, OSError
        With one line.
    """
    if not isinstance(method, str):
        raise TypeError(f"estimate_depth: method must be auto, builtin or a depth model, got {type(method).__name__}")
    if scenery.sky.shape != image.rgb.shape[:2]:
        raise ValueError(
            f"estimate_depth: scenery must be of the image's size {list(image.size)}, got {list(scenery.sky.shape)}"
        )
    if method == "builtin":
        return _builtin_depth(image, scenery, nearness)
    entry = best("depth") if method == "auto" else find(method, "depth")
    if entry is not None:
        predict, name = load_entry(entry, device), entry.name
    elif method != "auto":
        predict, name = load_transformers(method, device), method
    else:
        depth, note = _builtin_depth(image, scenery, nearness)
        return depth, f"{note} (larger ones: c3drender models list)"
    depth = _depth_of(predict(image))
    lens = "" if depth.focal_px is None else f", which found a lens of {fov_deg(depth.focal_px, max(image.size)):.0f} degrees"
    return depth, f"depth: model {name}{lens}"


def depth_from_disparity(rel: Tensor) -> DepthMap:
    """Depth from relative disparity, near is large, any range.

    It is scaled to 0..1 (a constant map to 0); then ``z = 1 / (FAR_DISP + (1 - FAR_DISP) rel)``.

    Parameters
    ----------
    rel : Tensor
        ``[H, W]``.

    Returns
    -------
    DepthMap

    Raises
    ------
    TypeError, ValueError
        For what is no finite map.
    """
    rel = _checked_map("depth_from_disparity", "rel", rel)
    low, high = rel.min(), rel.max()
    share = (rel - low) / (high - low) if high > low else torch.zeros_like(rel)
    return _depth_of_share(share)


def depth_from_metric(z: Tensor) -> DepthMap:
    """Depth from metres along the view axis.

    Parameters
    ----------
    z : Tensor
        ``[H, W]``, every value > 0.

    Returns
    -------
    DepthMap

    Raises
    ------
    TypeError, ValueError
        For what is no finite map > 0.
    """
    z = _checked_map("depth_from_metric", "z", z)
    if not bool((z > 0).all()):
        raise ValueError(f"depth_from_metric: z must be > 0 everywhere, got {int((z <= 0).sum())} values <= 0")
    return DepthMap(z.contiguous(), measured=True)


def _checked_map(owner: str, name: str, value: Tensor) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(f"{owner}: {name} must be a torch.Tensor, got {type(value).__name__}")
    if value.dim() != 2 or value.numel() == 0:
        raise ValueError(f"{owner}: {name} must be [H, W] with at least one pixel, got {list(value.shape)}")
    value = value.detach().to(torch.float32)
    num_bad = int((~torch.isfinite(value)).sum())
    if num_bad:
        raise ValueError(f"{owner}: {name} must be finite, got {num_bad} NaN or infinite values")
    return value


def _depth_of(found: Prediction) -> DepthMap:
    if not found.metric:
        return depth_from_disparity(found.values)
    return replace(depth_from_metric(found.values), measured=False, focal_px=found.focal_px)


def _builtin_depth(image: Image, scenery: Scenery, nearness: Nearness | None) -> tuple[DepthMap, str]:
    rgb = image.rgb.detach().cpu().numpy()
    rel = estimate_disparity(rgb, scenery) if nearness is None else surfaces_from(rgb, scenery, nearness)
    note = "depth: built-in estimate" if nearness is None else "depth: built-in network"
    return _depth_of_share(torch.from_numpy(rel).to(image.rgb.device)), note


def _depth_of_share(share: Tensor) -> DepthMap:
    return DepthMap((1 / (FAR_DISP + (1 - FAR_DISP) * share)).contiguous())
