"""Depth from one photo: by a learned model where one is at hand, else by the built-in estimate."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..data import DepthMap, Image, Scenery
from .builtin import estimate_disparity

FAR_DISP = 0.05  # disparity of the farthest point where the nearest has 1: the farthest depth is 20 times the nearest
KNOWN_MODELS = ("depth-anything/Depth-Anything-V2-Small-hf", "Intel/dpt-hybrid-midas")
METRIC_MODEL_TYPES = ("zoedepth", "glpn", "depth_pro")


def estimate_depth(
    image: Image, scenery: Scenery, *, method: str = "auto", device: torch.device | str = "cpu"
) -> tuple[DepthMap, str]:
    """Estimate the depth of every pixel of ``image``.

    Parameters
    ----------
    image : Image
    scenery : Scenery
    method : str
        ``"auto"`` takes the first of `KNOWN_MODELS` that the local Hugging Face cache holds, where ``transformers`` is
        installed, and the built-in estimate otherwise; ``"builtin"`` always the latter; anything else names a depth model of
        ``transformers``: a directory, or an id, which is downloaded where the cache does not hold it.
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
        return _builtin_depth(image, scenery), "depth: built-in estimate"
    if method != "auto":
        return _learned_depth(image, _load_model(method, device, local_files_only=False)), f"depth: model {method}"
    if importlib.util.find_spec("transformers") is None:
        return _builtin_depth(image, scenery), "depth: built-in estimate (for a learned one: pip install c3drender[models])"
    for name in filter(_is_cached, KNOWN_MODELS):
        try:
            model = _load_model(name, device, local_files_only=True)
        except ValueError:
            continue  # the cache holds a part of it
        return _learned_depth(image, model), f"depth: model {name}"
    return _builtin_depth(image, scenery), f"depth: built-in estimate (no cached model; depth={KNOWN_MODELS[0]!r} fetches one)"


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


def _builtin_depth(image: Image, scenery: Scenery) -> DepthMap:
    rel = estimate_disparity(image.rgb.detach().cpu().numpy(), scenery)
    return _depth_of_share(torch.from_numpy(rel).to(image.rgb.device))


def _depth_of_share(share: Tensor) -> DepthMap:
    return DepthMap((1 / (FAR_DISP + (1 - FAR_DISP) * share)).contiguous())


def _is_cached(name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, "config.json"), str)


def _load_model(name: str, device: torch.device | str, *, local_files_only: bool) -> tuple[Any, Any]:
    """The image processor and the depth model ``name``. Raises one ValueError for whatever keeps it from loading."""
    if importlib.util.find_spec("transformers") is None:
        raise ValueError(f"estimate_depth: model {name!r} needs the package transformers: pip install c3drender[models]")
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    try:
        processor = AutoImageProcessor.from_pretrained(name, local_files_only=local_files_only)
        model = AutoModelForDepthEstimation.from_pretrained(name, local_files_only=local_files_only)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"estimate_depth: method must be auto, builtin or a depth model, got {name!r} ({reason})") from error
    return processor, model.to(device).eval()


@torch.inference_mode()
def _learned_depth(image: Image, loaded: tuple[Any, Any]) -> DepthMap:
    processor, model = loaded
    rgb_u8 = (image.rgb.detach().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    inputs = processor(images=rgb_u8, return_tensors="pt").to(model.device)
    predicted = model(**inputs).predicted_depth.float()
    predicted = functional.interpolate(predicted[:, None], size=image.size, mode="bicubic", align_corners=False)[0, 0]
    predicted = predicted.clone().to(image.rgb.device)
    if _is_metric(model.config):
        return replace(depth_from_metric(predicted.clamp_min(1e-3)), measured=False)
    return depth_from_disparity(predicted)


def _is_metric(config: Any) -> bool:
    return getattr(config, "depth_estimation_type", None) == "metric" or config.model_type in METRIC_MODEL_TYPES
