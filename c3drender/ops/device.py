"""The device that a user names."""

from __future__ import annotations

import torch

from .. import _C

WITHOUT_KERNELS = ("mps", "xpu")  # devices of torch's that the ops do not run on


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
        why = ", for which the ops have no kernels: cpu runs everything" if device is not None else ""
        raise ValueError(f"device: expected auto, cpu, cuda or cuda:N, got {str(name)!r}{why}")
    if device.type == "cuda" and (device.index or 0) >= num_cuda:
        without = "" if has_cuda() else ", as this build has no CUDA half"
        raise ValueError(f"device: expected one of {num_cuda} usable CUDA devices{without}, got {str(name)!r}")
    return device


def pick_or_cpu(name: str | torch.device | None) -> tuple[torch.device, str | None]:
    """`pick_device`, and the CPU where it is a GPU that the ops have no kernels for.

    Parameters
    ----------
    name : str, torch.device or None
        As for `pick_device`, and ``"mps"``, ``"xpu"``; None is ``"auto"``.

    Returns
    -------
    device : torch.device
    line : str or None
        Says that it is the CPU, where there is another GPU.

    Raises
    ------
    ValueError
        As `pick_device`.
    """
    asked = "auto" if name is None else name
    kind = str(asked).partition(":")[0]
    if kind in WITHOUT_KERNELS:
        return torch.device("cpu"), f"device: the CPU, as the ops have no kernels for {asked}"
    device = pick_device(asked)
    other = _other_gpu() if asked == "auto" and device.type == "cpu" else None
    return device, None if other is None else f"device: the CPU, as the ops have no kernels for this machine's {other}"


def _other_gpu() -> str | None:
    """One of `WITHOUT_KERNELS` that this machine has."""
    there = {"mps": torch.backends.mps.is_available(), "xpu": torch.xpu.is_available()}
    return next((kind for kind in WITHOUT_KERNELS if there[kind]), None)
