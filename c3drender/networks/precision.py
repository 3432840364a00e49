"""How networks are run: number format and memory layout."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def cpu_has(feature: str) -> bool:
    """Whether torch says that the CPU has ``feature`` (``avx512_bf16``, ``vnni``). It is asked by names that are not public; a
    torch without them is taken to say no."""
    asked = getattr(torch.cpu, f"_is_{feature}_supported", None)
    return asked is not None and bool(asked())


def inference_dtype(device: torch.device | str) -> torch.dtype:
    """bfloat16 where the device multiplies it in hardware, else float32: emulated, it is four times slower."""
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if cpu_has("avx512_bf16") else torch.float32


def for_inference(network: Network, device: torch.device | str, dtype: torch.dtype) -> Network:
    """A copy of ``network`` on ``device``, in channels-last layout and evaluation mode."""
    made = copy.deepcopy(network).to(device=device, dtype=dtype)
    # torch's stubs know memory_format of tensors alone.
    return made.to(memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]
