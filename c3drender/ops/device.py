"""The device that a user names."""

from __future__ import annotations

import torch

from .. import _C


def has_cuda() -> bool:
    """Whether this build has the CUDA half."""
    return bool(_C.has_cuda())


def pick_device(name: str | torch.device) -> torch.device:
    """The device that a name stands for.

    Parameters
    ----------
    name : str or torch.device
        ``"auto"`` is the first CUDA device where the ops can use one, else the CPU; other names are torch's.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        For a device that is not there, or that this build cannot use.
    """
    num_cuda = torch.cuda.device_count() if has_cuda() else 0
    if name == "auto":
        return torch.device("cuda" if num_cuda else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ValueError(f"device: expected auto, cpu, cuda or cuda:N, got {name!r}")
    if device.type == "cuda" and (device.index or 0) >= num_cuda:
        without = "" if has_cuda() else ", as this build has no CUDA half"
        raise ValueError(f"device: expected one of {num_cuda} usable CUDA devices{without}, got {str(name)!r}")
    return device
