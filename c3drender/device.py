"""The device that a user names."""

from __future__ import annotations

import torch


def pick_device(name: str | torch.device) -> torch.device:
    """``"auto"`` is the first CUDA device that is there, else the CPU; other names are torch's."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device: expected auto, cpu, cuda or cuda:N, got {name!r}") from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device: expected auto, cpu, cuda or cuda:N, got {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device: expected one of the {torch.cuda.device_count()} CUDA devices that torch finds, got {name!r}"
        )
    return device
