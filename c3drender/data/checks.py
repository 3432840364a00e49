"""What the constructors of values check, and how values go to a device."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import IO, Any, TypeVar, cast

import numpy as np
import PIL.Image
import torch
from torch import Tensor

# What a user may hand over; the readers of `files` turn it into the values below.
PathLike = str | os.PathLike[str]
PictureLike = PathLike | bytes | IO[bytes] | PIL.Image.Image | np.ndarray | Tensor
MaskLike = PictureLike | Sequence[PictureLike] | Sequence[dict[str, Any]] | dict[str, Any]  # of networks
Arrow = tuple[tuple[float, float], tuple[float, float]]  # ((x0, y0), (x1, y1)), px of the photo
Arrows = PathLike | Sequence[Arrow] | np.ndarray | Tensor
Value = TypeVar("Value")


def check_tensor(
    owner: str, name: str, value: Any, shape: tuple[int | str | None, ...], dtype: torch.dtype, *, strided: bool = False
) -> None:
    """Raise unless ``value`` is a contiguous tensor of ``dtype`` whose sizes match ``shape``.

    Parameters
    ----------
    owner, name : str
        Whose value it is, for the message.
    value : Any
        What should be such a tensor.
    shape : tuple of int, str or None
        Sizes: an int must be equal, a string is a free size with a name for the message.
    dtype : torch.dtype
    strided : bool
        It need not be contiguous.

    Raises
    ------
    TypeError
        For what is no tensor, or of another dtype.
    ValueError
        For another shape or layout.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{owner}: {name} must be a torch.Tensor, got {type(value).__name__}")
    expected = "[" + ", ".join(str(s) for s in shape) + "]"
    sizes_match = value.dim() == len(shape) and all(
        not isinstance(s, int) or s == n for s, n in zip(shape, value.shape, strict=False)
    )
    if not sizes_match:
        raise ValueError(f"{owner}: {name} must be {expected}, got {list(value.shape)}")
    if value.dtype != dtype:
        raise TypeError(f"{owner}: {name} must be {dtype}, got {value.dtype}")
    if not strided and not value.is_contiguous():
        raise ValueError(f"{owner}: {name} must be contiguous, got strides {value.stride()}")


def check_one_device(owner: str, **tensors: Tensor) -> None:
    devices = {name: t.device for name, t in tensors.items()}
    if len(set(devices.values())) > 1:
        listed = ", ".join(f"{name} on {device}" for name, device in devices.items())
        raise ValueError(f"{owner}: all tensors must be on one device, got {listed}")


def to_device(value: Value, device: torch.device | str) -> Value:
    """Return a copy of a dataclass of this package with every tensor in it on ``device``.

    Parameters
    ----------
    value : dataclass, Tensor or anything else
        What is neither a dataclass nor a tensor is returned as it is.
    device : torch.device or str

    Returns
    -------
    Value
        Of the same type as ``value``.
    """
    if isinstance(value, Tensor):
        return cast(Value, value.to(device))
    if is_dataclass(value) and not isinstance(value, type):
        return cast(Value, replace(value, **{f.name: to_device(getattr(value, f.name), device) for f in fields(value)}))
    return value
