"""How networks are run: number format and memory layout."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def inference_dtype(device: torch.device | str) -> torch.dtype:
    """bfloat16 where the device multiplies it in hardware, else float32: emulated, it is four times slower."""
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


def for_inference(network: Network, device: torch.device | str, dtype: torch.dtype) -> Network:
    """A copy of ``network`` on ``device``, in channels-last layout and evaluation mode."""
    made = copy.deepcopy(network).to(device=device, dtype=dtype)
    # torch's stubs know memory_format of tensors alone.
    return made.to(memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]
