"""Between a device and the host: as few crossings as there are times to wait. What leaves the device together, or is sent
together, goes as one row of bytes; indices of masks are taken without asking how many there are."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

ALIGNED = 16  # bytes: where an array may begin within a row of them
HOST = torch.device("cpu")
ON_THE_WAY = 2  # pictures that leave a GPU while the next ones are drawn


def is_host(tensor: Tensor) -> bool:
    """Whether NumPy and OpenCV read this tensor where it lies."""
    return tensor.device.type == "cpu"


class AtOnce(Executor):
    """Does what it is asked to when it is asked."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*args, **kwargs))
        return done


def aside(like: Tensor) -> Executor:
    """For work beside the caller's, on tensors where ``like`` lies: a thread on the host. A device computes beside the host
    anyway, in the order of a stream that belongs to the caller's thread."""
    return ThreadPoolExecutor(1, thread_name_prefix="c3drender-aside") if is_host(like) else AtOnce()


def two_threads() -> ThreadPoolExecutor:
    """For parts of work none of which keeps two cores busy; one where torch may use no more."""
    return ThreadPoolExecutor(min(torch.get_num_threads(), 2))


def fetched(*tensors: Tensor) -> list[np.ndarray]:
    """The tensors as arrays, in one crossing; on the CPU their own memory."""
    if all(is_host(tensor) for tensor in tensors):
        return [tensor.numpy() for tensor in tensors]
    row = torch.cat([tensor.contiguous().view(-1).view(torch.uint8) for tensor in tensors]).cpu().numpy()
    arrays, first = [], 0
    for tensor in tensors:
        end = first + tensor.numel() * tensor.element_size()
        dtype = torch.empty(0, dtype=tensor.dtype).numpy().dtype
        arrays.append(row[first:end].copy().view(dtype).reshape(tuple(tensor.shape)))
        first = end
    return arrays


def sent(device: torch.device, *arrays: np.ndarray) -> list[Tensor]:
    """The arrays as tensors on ``device``, in one crossing; on the CPU their own memory."""
    dense = [np.ascontiguousarray(array) for array in arrays]
    if device.type == "cpu":
        return [torch.from_numpy(array) for array in dense]
    starts = np.cumsum([0, *(-(-array.nbytes // ALIGNED) * ALIGNED for array in dense)])
    row = np.zeros(starts[-1], np.uint8)
    for array, start in zip(dense, starts[:-1], strict=True):
        row[start : start + array.nbytes] = array.reshape(-1).view(np.uint8)
    bytes_there = torch.from_numpy(row).to(device)
    return [
        bytes_there[start : start + array.nbytes].view(torch.from_numpy(array).dtype).view(array.shape)
        for array, start in zip(dense, starts[:-1].tolist(), strict=True)
    ]


def indices(mask: Tensor, count: int) -> Tensor:
    """Where ``mask [P]`` is True, int64 ``[count]``, ascending: ``nonzero`` for whoever knows how many that are."""
    return mask.nonzero()[:, 0] if is_host(mask) else _indices_there(mask, count)


def _indices_there(mask: Tensor, count: int) -> Tensor:
    rank = torch.where(mask, mask.cumsum(0) - 1, count)
    found = torch.empty(count + 1, dtype=torch.int64, device=mask.device)  # the last is for all that are False
    return found.scatter_(0, rank, torch.arange(len(mask), device=mask.device))[:count]


def counts_of(masks: Sequence[Tensor]) -> Tensor:
    """How many are True in each of the ``masks [P]``, int64, where they lie."""
    return torch.stack([mask.count_nonzero() for mask in masks])


def pair(x: float, y: float, like: Tensor) -> Tensor:
    """``[2]`` of the dtype and on the device of ``like``, filled there: two numbers that nobody sends."""
    return torch.stack([like.new_full((), x), like.new_full((), y)])


def leaving(pictures: Iterable[Tensor | np.ndarray]) -> Iterator[np.ndarray]:
    """The pictures as arrays, in order. From a GPU they leave by pinned memory on a stream of their own, while the next
    `ON_THE_WAY` are already drawn: the host waits for a copy that began some pictures ago."""
    waiting: deque[Callable[[], np.ndarray]] = deque()
    stream: torch.cuda.Stream | None = None
    for picture in pictures:
        if isinstance(picture, np.ndarray):
            yield picture
        elif not picture.is_cuda:
            yield picture.cpu().numpy()
        else:
            stream = torch.cuda.Stream(picture.device) if stream is None else stream
            waiting.append(_on_its_way(picture, stream))
            if len(waiting) > ON_THE_WAY:
                yield waiting.popleft()()
    while waiting:
        yield waiting.popleft()()


def _on_its_way(picture: Tensor, stream: torch.cuda.Stream) -> Callable[[], np.ndarray]:
    """Starts the copy of what is on CUDA, and gives what waits for it."""
    stream.wait_stream(torch.cuda.current_stream(picture.device))
    there = torch.empty(picture.shape, dtype=picture.dtype, pin_memory=True)
    with torch.cuda.stream(stream):
        there.copy_(picture, non_blocking=True)
        done = stream.record_event()
    picture.record_stream(stream)  # its memory is nobody else's before that

    def arrived() -> np.ndarray:
        done.synchronize()
        return there.numpy()

    return arrived
