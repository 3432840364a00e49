"""A learned inpainter in the place of `ops.inpaint_layers`: how it is called, and what its answer must be."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from . import onnx_inpainter

Inpainter = Callable[[Tensor, Tensor], Tensor]
"""``f(rgb, hole) -> rgb``: float32 ``[H, W, 3]`` in 0..1, black in the hole; bool ``[H, W]``, True is to be filled."""

SIDE_MULTIPLE = 8  # LaMa's network halves its picture three times
MAX_OVERSHOOT = 0.5  # a network may leave 0..1 a little; more is another scale, such as 0..255


def load(data: bytes, name: str, device: torch.device) -> Inpainter:
    """The inpainter of a file ``name`` that holds ``data``, to run on ``device``: ``.onnx`` (`onnx_inpainter`), else
    TorchScript. Such a file is a program: run only those that you trust."""
    if name.lower().endswith(".onnx"):
        return onnx_inpainter.load(data, name, device)
    try:
        module = torch.jit.load(io.BytesIO(data), map_location=device)
    except RuntimeError as error:
        raise ValueError(f"inpainter: expected a TorchScript file, got something else: {name}") from error
    return from_module(module.eval(), device)


def from_module(module: torch.jit.ScriptModule, device: torch.device) -> Inpainter:
    """The inpainter that ``module``, which lies on ``device``, is when called as LaMa's exported one: ``(image, mask)``,
    float32 ``[1, 3, H, W]`` and ``[1, 1, H, W]`` (1 is to be filled), sides divisible by 8, giving ``[1, 3, H, W]``."""

    def fill(rgb: Tensor, hole: Tensor) -> Tensor:
        height, width = hole.shape
        border = (0, -width % SIDE_MULTIPLE, 0, -height % SIDE_MULTIPLE)
        image, mask = rgb.permute(2, 0, 1)[None], hole.to(torch.float32)[None, None]
        image, mask = (functional.pad(planes, border, mode="replicate").to(device) for planes in (image, mask))
        try:
            filled = module(image, mask)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            sizes = f"(image {list(image.shape)}, mask {list(mask.shape)})"
            raise ValueError(f"inpainter: the module cannot be called with {sizes}: {reason}") from error
        if not isinstance(filled, Tensor) or filled.shape != image.shape:
            raise ValueError(f"inpainter: the module must return {list(image.shape)}, got {_shown(filled)}")
        return filled[0, :, :height, :width].permute(1, 2, 0)

    return fill


def repaint(inpainter: Inpainter, rgb: np.ndarray, hole: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """``rgb [H, W, 3]`` with the colours in ``hole [H, W]`` painted by ``inpainter``, to which ``unseen``, whose colours it
    must not continue, is hole as well."""
    if not hole.any():
        return rgb
    to_fill = torch.from_numpy(hole | unseen)
    with torch.no_grad():
        answer = inpainter(torch.from_numpy(rgb).masked_fill(to_fill[..., None], 0.0), to_fill.clone())
    return np.where(hole[..., None], _checked(answer, rgb.shape).cpu().clamp(0, 1).numpy(), rgb)


def _checked(answer: object, shape: tuple[int, ...]) -> Tensor:
    if not isinstance(answer, Tensor) or answer.shape != shape or answer.dtype != torch.float32:
        raise ValueError(f"inpainter: must return a float32 tensor {list(shape)}, got {_shown(answer)}")
    answer = answer.detach()
    bad = answer.numel() - int(answer.isfinite().sum())
    if bad:
        raise ValueError(f"inpainter: must return finite numbers, got {bad} NaN or infinite of {answer.numel()}")
    low, high = float(answer.min()), float(answer.max())
    if low < -MAX_OVERSHOOT or high > 1 + MAX_OVERSHOOT:
        raise ValueError(f"inpainter: must return colours in 0..1, got {low:g} to {high:g}")
    return answer


def _shown(value: object) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
