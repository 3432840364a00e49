"""How an op is called: its arguments checked and converted, its failure given the exception that it names.

Importing it loads the extension, which defines ``torch.ops.c3drender``; each op's module adds what torch must know beside the
kernels, the shapes of the results, for tracing, and the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from numbers import Integral, Real
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from .. import _C  # noqa: F401  (defines the ops)
from ..data import Camera, Cameras
from .device import WITHOUT_KERNELS

SIDE = ("feat", "alpha", "disp")
TORCH_LACKS_MEMORY = "can't allocate memory"  # in its RuntimeErrors
HALVES = (torch.float16, torch.bfloat16)
P = ParamSpec("P")
R = TypeVar("R")
ERRORS = {error.__name__: error for error in (ValueError, TypeError, MemoryError, RuntimeError)}


def call(op: Callable[..., Any], *args: Any) -> Any:
    """Call a compiled op; its checks say which exception they mean, as the first word of the message."""
    try:
        return op(*args)
    except NotImplementedError as error:
        what, _, _ = str(error).partition(". ")
        raise NotImplementedError(f"{op.__name__}: {what}: this build has no kernel for it") from None
    except RuntimeError as error:
        kind, _, message = str(error).splitlines()[0].partition(": ")
        if kind in ERRORS:
            raise ERRORS[kind](message) from None
        raise


def says_memory_lacks(function: Callable[P, R]) -> Callable[P, R]:
    """For ops that torch's own work out, which raises RuntimeError where the host has no memory left."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except RuntimeError as error:
            if TORCH_LACKS_MEMORY not in str(error):
                raise
            raise MemoryError(f"{function.__name__}: out of memory for a step on the way to the result") from None

    return wrapped


def choice(op: str, name: str, value: str, choices: dict[str, int]) -> int:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{op}: {name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return choices[value]


def check_type(op: str, name: str, value: Any, *expected: type) -> None:
    if not isinstance(value, expected):
        listed = " or ".join(kind.__name__ for kind in expected)
        raise TypeError(f"{op}: {name} must be a {listed}, got {type(value).__name__}")


def check_strided(op: str, name: str, value: Tensor) -> None:
    if value.layout != torch.strided:
        raise TypeError(f"{op}: {name} must be a dense tensor, got one of {str(value.layout).removeprefix('torch.')}")


def check_float32(op: str, name: str, value: Tensor) -> None:
    if value.dtype != torch.float32:
        raise TypeError(f"{op}: {name} must be float32, got {str(value.dtype).removeprefix('torch.')}")


def needs_grad(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def check_tensors(op: str, **values: Any) -> None:
    """Tensors on one device. The dispatcher picks the kernel by device before the binding can compare them."""
    for name, value in values.items():
        check_type(op, name, value, Tensor)
        if value.device.type in WITHOUT_KERNELS:
            where = f"{value.device}, for which there are no kernels: call .cpu() on it"
            raise ValueError(f"{op}: {name} must lie on the CPU or on CUDA, got a tensor on {where}")
        check_strided(op, name, value)
    if len({value.device for value in values.values()}) > 1:
        listed = ", ".join(f"{name} on {value.device}" for name, value in values.items())
        raise ValueError(f"{op}: all tensors must be on one device, got {listed}")


def check_dims(op: str, name: str, value: Tensor, shape: str) -> None:
    """For the shapes of results on meta, where no kernel checks: ``shape`` is, say, ``[N, C]``."""
    if value.dim() != shape.count(",") + 1:
        raise ValueError(f"{op}: {name} must be {shape}, got {list(value.shape)}")


def real(op: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{op}: {name} must be a number, got {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:  # a whole number of 309 digits
        raise ValueError(f"{op}: {name} must be a number that float64 holds, got {value!r:.20}...") from None


def whole(op: str, name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{op}: {name} must be an integer, got {value!r}")
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{op}: {name} must be an integer of 64 bits, got one of {number.bit_length()}")
    return number


def dense(op: str, *tensors: Tensor) -> list[Tensor]:
    """As kernels read them, one element after the other; views with strides are copied."""
    try:
        return [t.contiguous() if t.layout == torch.strided else t for t in tensors]
    except RuntimeError:  # a short view may stand for more than there is memory
        shapes = ", ".join(str(list(t.shape)) for t in tensors if not t.is_contiguous())
        raise MemoryError(f"{op}: out of memory for contiguous copies of {shapes}") from None


def in_float32(op: str, *tensors: Tensor) -> list[Tensor]:
    """Under autocast, what earlier layers left in half precision becomes float32, as for torch's own float32 ops. Dense."""
    return dense(op, *(t.float() if t.dtype in HALVES and _is_autocast(t.device) else t for t in tensors))


def _is_autocast(device: torch.device) -> bool:
    return device.type != "meta" and torch.is_autocast_enabled(device.type)  # of meta it raises


def camera_rows(op: str, camera: Camera | Cameras) -> Tensor:
    """``[V, 16]`` float32 in host memory: fx, fy, cx, cy, then the pose, row-major. Gradients pass through it."""
    poses = camera.pose if isinstance(camera, Camera) else camera.world_to_cam
    if poses.is_meta:
        raise ValueError(f"{op}: camera.world_to_cam must hold values, got a tensor on meta")
    check_strided(op, "camera.world_to_cam", poses)
    poses = poses.cpu().reshape(-1, 12)
    if isinstance(camera, Cameras):
        intrinsics = _lenses(op, camera.K)
    else:
        lens = [[camera.fx, camera.fy, camera.cx, camera.cy]]
        intrinsics = torch.tensor(lens, dtype=torch.float32, device="cpu")  # whatever the caller's defaults are
    return torch.cat([intrinsics.expand(len(poses), 4), poses], dim=1)


def ranges_of(op: str, name: str, ranges: Sequence[tuple[int, int]]) -> Tensor:
    """``[V, 2]`` int64 in host memory."""
    if not isinstance(ranges, Sequence) or not all(isinstance(pair, Sequence) and len(pair) == 2 for pair in ranges):
        raise TypeError(f"{op}: {name} must be a sequence of (first, end), got {ranges!r:.80}")
    pairs = [[whole(op, name, end) for end in pair] for pair in ranges]
    return torch.tensor(pairs, dtype=torch.int64, device="cpu").reshape(-1, 2)


def _lenses(op: str, K: Tensor) -> Tensor:
    if K.is_meta:
        raise ValueError(f"{op}: camera.K must hold values, got a tensor on meta")
    check_strided(op, "camera.K", K)
    K = K.cpu()
    if not bool((K[:, [0, 1, 2, 2, 2], [1, 0, 0, 1, 2]] == K.new_tensor([0.0, 0.0, 0.0, 0.0, 1.0])).all()):
        raise ValueError(f"{op}: camera.K must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], got {K[0].tolist()}")
    return torch.stack([K[:, 0, 0], K[:, 1, 1], K[:, 0, 2], K[:, 1, 2]], dim=1)


def contiguous(grads: tuple[Tensor | None, ...]) -> list[Tensor | None]:
    return [None if grad is None else grad.contiguous() for grad in grads]


def refuse_gradient(op: str, reason: str) -> None:
    """Let a backward pass through a compiled op say why there is none."""

    def backward(ctx: Any, *grads: Tensor) -> None:
        raise NotImplementedError(reason)

    torch.library.register_autograd(f"c3drender::{op}", backward)
