"""Depth models: through ``transformers`` (Depth Anything V2, DPT and their kin) and through MoGe-2's own package."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ..data import Image
from . import store
from .normals import follow_normals
from .registry import Entry
from .transformer import load_pretrained, pixels_u8

METRIC_MODEL_TYPES = ("zoedepth", "glpn", "depth_pro")
LEAST_DEPTH = 1e-3  # metres
BEYOND = 2.0  # what a model leaves out (the sky) lies this many times as far as the farthest that it does not
LEAST_FOV_DEG, MOST_FOV_DEG = 5.0, 150.0  # of the longer side: a lens beyond these is a mistake of the model
FAR_SHARE = 0.99  # of what has a depth: beyond lie specks


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a depth model says of a photo, at its size and on its device.

    Parameters
    ----------
    values
        float32 ``[H, W]``: metres along the view axis, > 0, or relative disparity, near is large, any range.
    metric
        Whether they are metres.
    focal_px
        The lens that the model found, in pixels of the photo; None: it finds none, or one that cannot be.
    """

    values: Tensor
    metric: bool
    focal_px: float | None = None


DepthModel = Callable[[Image], Prediction]


def load_entry(entry: Entry, device: torch.device | str, folder: Path | None = None) -> DepthModel:
    """An installed model of the registry, checked, to run on ``device``. ValueError or OSError with one line."""
    store.check_runner(entry)
    where = store.path(entry, folder)
    if entry.runner == "moge":
        return load_moge(where / entry.files[-1].name, device)
    return load_transformers(str(where), device)


def load_transformers(name: str, device: torch.device | str) -> DepthModel:
    """A depth model of ``transformers``: a directory, or an id of the hub, which its cache or the network must hold."""
    processor, model = load_pretrained("depth", ("AutoModelForDepthEstimation",), name, device)
    metric = getattr(model.config, "depth_estimation_type", None) == "metric" or model.config.model_type in METRIC_MODEL_TYPES

    @torch.inference_mode()
    def predict(image: Image) -> Prediction:
        inputs = processor(images=pixels_u8(image), return_tensors="pt").to(model.device)
        predicted = model(**inputs).predicted_depth.float()
        predicted = functional.interpolate(predicted[:, None], size=image.size, mode="bicubic", align_corners=False)[0, 0]
        predicted = predicted.clone().to(image.rgb.device)
        return Prediction(predicted.clamp_min(LEAST_DEPTH) if metric else predicted, metric)

    return predict


def load_moge(checkpoint: Path, device: torch.device | str) -> DepthModel:
    """MoGe-2 from its file. It finds the lens as well, and normals, which the depth is made to follow (`follow_normals`).

    References
    ----------
    Wang et al., "MoGe-2: Accurate Monocular Geometry with Metric Scale and Sharp Details", arXiv 2507.02546.
    """
    from moge.model.v2 import MoGeModel

    try:
        model = MoGeModel.from_pretrained(checkpoint).to(device).eval()
    except Exception as error:
        # Its reader unpickles a dictionary and passes its parts on: a wrong file fails as whatever that runs into.
        raise ValueError(f"depth: expected a checkpoint of MoGe-2, got something else: {checkpoint}") from error
    half = torch.device(device).type == "cuda"

    def predict(image: Image) -> Prediction:
        found = model.infer(image.rgb.permute(2, 0, 1).to(device), use_fp16=half)
        return read_moge(found, image)

    return predict


def read_moge(found: dict[str, Tensor], image: Image) -> Prediction:
    """``MoGeModel.infer``'s answer: ``depth [H, W]``, infinite where there is none; ``intrinsics [3, 3]``, of a picture whose
    sides are 1; of models with normals ``normal [H, W, 3]``, in camera axes, 0 where there is none."""
    depth = found["depth"].detach().float().clone().to(image.rgb.device)
    there = torch.isfinite(depth) & (depth > 0)
    if not bool(there.any()):
        raise ValueError("depth: MoGe-2 found no depth anywhere in this photo")
    focal_px = _believed(float(found["intrinsics"][0, 0]) * image.size[1], max(image.size))
    normals = found.get("normal")
    if normals is not None and focal_px is not None:
        shaped = follow_normals(
            torch.where(there, depth, 1.0).cpu().numpy(), normals.detach().float().cpu().numpy(), focal_px, there.cpu().numpy()
        )
        depth = torch.where(there, torch.from_numpy(shaped).to(depth), depth)
    known = depth[there].flatten()
    far = known.sort().values[int(FAR_SHARE * (len(known) - 1))]
    values = torch.where(there, depth.clamp_min(LEAST_DEPTH), BEYOND * far).contiguous()
    return Prediction(values, True, focal_px)


def fov_deg(focal_px: float, side_px: int) -> float:
    """The angle that a side of the picture takes up."""
    return 2 * math.degrees(math.atan(side_px / 2 / focal_px))


def _believed(focal_px: float, side_px: int) -> float | None:
    return focal_px if focal_px > 0 and LEAST_FOV_DEG < fov_deg(focal_px, side_px) < MOST_FOV_DEG else None
