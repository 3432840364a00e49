"""Segmentation models: any of ``transformers`` whose classes have names, such as ADE20K's 150."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ..data import Image
from ..pixels.segments import SEGMENT_CLASSES, Segments, class_of, known_classes
from . import store
from .registry import Entry
from .transformer import load_pretrained, pixels_u8

WORK_SIDE_PX = 1024  # the longer side of what the model sees: its answers per class and pixel take memory

Segmenter = Callable[[Image], Segments]


def load_entry(entry: Entry, device: torch.device | str, folder: Path | None = None) -> Segmenter:
    """An installed model of the registry, checked, to run on ``device``. ValueError or OSError with one line."""
    store.check_runner(entry)
    return load_transformers(str(store.path(entry, folder)), device)


def load_transformers(name: str, device: torch.device | str) -> Segmenter:
    """A segmentation model of ``transformers`` (UperNet, EoMT, Mask2Former and their kin): a directory, or an id of the hub.

    Its classes are matched by name (`pixels.segments`). The maps come at the size that the model saw, at most `WORK_SIDE_PX`.
    """
    kinds = ("AutoModelForUniversalSegmentation", "AutoModelForSemanticSegmentation")
    processor, model = load_pretrained("segments", kinds, name, device)
    names = [model.config.id2label[k] for k in range(len(model.config.id2label))]
    classes = known_classes("segments", names)
    group = torch.tensor([SEGMENT_CLASSES.index(class_of(label)) for label in names], device=model.device)

    @torch.inference_mode()
    def segment(image: Image) -> Segments:
        small = _reduced(image)
        inputs = processor(images=small, return_tensors="pt")
        offsets = inputs.pop("patch_offsets", None)
        answer = model(**inputs.to(model.device), **({} if offsets is None else {"patch_offsets": offsets}))
        (found,) = processor.post_process_semantic_segmentation(
            answer, target_sizes=[small.shape[:2]], return_segmentation_scores=True
        )
        scores = found.segmentation_scores.float()
        # One answer per pixel is a logit; masks times classes are probabilities already, but for what no mask claims.
        shares = scores.softmax(dim=0) if "logits" in answer else scores / scores.sum(dim=0).clamp_min(1.0)
        grouped = shares.new_zeros((len(SEGMENT_CLASSES), *shares.shape[1:])).index_add_(0, group, shares)
        return Segments(classes, _of(classes, grouped).cpu())

    return segment


def _of(classes: tuple[str, ...], grouped: Tensor) -> Tensor:
    return grouped[[SEGMENT_CLASSES.index(name) for name in classes]].clamp(0, 1).contiguous()


def _reduced(image: Image) -> np.ndarray:
    rgb = pixels_u8(image)
    scale = min(1.0, WORK_SIDE_PX / max(image.size))
    size = (max(1, round(image.size[1] * scale)), max(1, round(image.size[0] * scale)))
    return rgb if scale == 1.0 else cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
