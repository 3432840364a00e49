"""Loading a model of ``transformers`` with its image processor."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import torch

from ..data import Image


def load_pretrained(argument: str, auto_classes: tuple[str, ...], name: str, device: torch.device | str) -> tuple[Any, Any]:
    """The image processor and the model ``name`` (a directory or an id), by the first of the ``transformers`` classes
    ``auto_classes`` that knows its architecture.

    Raises
    ------
    ValueError
        One line that names ``argument``, for whatever keeps it from loading.
    """
    if importlib.util.find_spec("transformers") is None:
        raise ValueError(f"{argument}: model {name!r} needs the package transformers: pip install c3drender[models]")
    import transformers

    try:
        config = type(transformers.AutoConfig.from_pretrained(name))
        candidates = [getattr(transformers, auto_class) for auto_class in auto_classes]
        fitting = [auto for auto in candidates if config in auto._model_mapping]
        if not fitting:
            raise ValueError(f"expected an architecture of {' or '.join(auto_classes)}, got {config.model_type}")
        processor = transformers.AutoImageProcessor.from_pretrained(name)
        model = fitting[0].from_pretrained(name)
    except Exception as error:
        # It passes on what its parts raise: of JSON, of safetensors, of the network; a damaged file may be any of them.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ValueError(f"{argument}: cannot load model {name!r}: {lines[0] if lines else type(error).__name__}") from error
    return processor, model.to(device, torch.float32).eval()


def pixels_u8(image: Image) -> np.ndarray:
    """uint8 ``[H, W, 3]``, which is what the image processors take."""
    return (image.rgb.detach().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
