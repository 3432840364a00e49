"""A device that is none: tensors that claim to lie on ``far:0`` while the CPU computes them, so that a build without a GPU can
count what a GPU would wait for. Run as a program, it prints every crossing between the host and that device, by where it was
asked for, while a scene is animated and drawn (JSON).

A crossing is whatever makes the host wait for the device: a value read, an array or a tensor fetched, a boolean mask of which
the number of True must be known, and memory sent that the device has to take before the host goes on. Ops that compute on the
device are none, whatever they are.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

import c3drender

NAME = "far"
SYNCHRONISE = ("nonzero", "masked_select", "unique", "_unique2", "unique_dim", "repeat_interleave", "bincount", "equal")
LENS_FRAMES = 3
READ = ("_local_scalar_dense", "item", "is_nonzero")
if __name__ == "__main__":  # not where pytest imports this file to look for examples: that process keeps the devices it has
    _setup_privateuseone_for_python_backend(NAME)
FAR = torch.device("privateuseone", 0)


class FarTensor(Tensor):
    """Claims to lie on `FAR`; ``near`` is what it holds."""

    near: Tensor

    @staticmethod
    def __new__(cls, near: Tensor) -> FarTensor:
        return Tensor._make_wrapper_subclass(  # type: ignore[no-any-return, attr-defined]
            cls, near.shape, strides=near.stride(), storage_offset=near.storage_offset(), dtype=near.dtype, device=FAR
        )

    def __init__(self, near: Tensor) -> None:
        self.near = near

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func} outside of `far_device`")


def where_asked() -> str:
    """The line of c3drender that the current call comes from."""
    package = str(Path(c3drender.__file__).parent)
    frames = [frame for frame in traceback.extract_stack() if frame.filename.startswith(package)]
    if not frames:
        return "outside"
    return f"{Path(frames[-1].filename).relative_to(package).as_posix()}:{frames[-1].name}: {frames[-1].line}"


class Device(TorchDispatchMode):
    """Runs ops of far tensors on the CPU and counts crossings."""

    def __init__(self) -> None:
        super().__init__()
        self.crossings: Counter[str] = Counter()
        self.made: list[str] = []  # every op on the device, with the shapes of what it gave

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = func.__name__.partition(".")[0]
        asked = kwargs.get("device")
        goes_far = asked is not None and torch.device(asked).type == NAME
        leaves = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, Tensor)]
        is_far = [isinstance(leaf, FarTensor) for leaf in leaves]
        self._count(func, name, args, leaves, is_far, goes_far, asked)
        if goes_far:
            kwargs["device"] = torch.device("cpu")
        near_args, near_kwargs = tree_map(lambda leaf: leaf.near if isinstance(leaf, FarTensor) else leaf, (args, kwargs))
        results = func(*near_args, **near_kwargs)
        if any(is_far) or goes_far:
            shapes = [list(leaf.shape) for leaf in tree_flatten(results)[0] if isinstance(leaf, Tensor)]
            self.made.append(f"{func} {shapes}")
        if goes_far or (any(is_far) and asked is None and not (name == "copy_" and not is_far[0])):
            return tree_map(lambda leaf: FarTensor(leaf) if isinstance(leaf, Tensor) else leaf, results)
        return results

    def _count(
        self, func: Any, name: str, args: Any, leaves: list[Tensor], is_far: list[bool], goes_far: bool, asked: object
    ) -> None:
        if name in ("_to_copy", "copy_"):
            source = is_far[-1]
            target = (goes_far or (asked is None and source)) if name == "_to_copy" else is_far[0]
            if source and not target:
                self._crosses("fetched")
            elif target and not source and leaves[-1].dim() > 0:
                self._crosses("sent")
            return
        if not any(is_far):
            return
        if name in READ:
            self._crosses("read")
        elif name in SYNCHRONISE or (name in ("index", "index_put", "index_put_") and _has_mask(args[1])):
            self._crosses("counted")
        elif func.namespace == "aten" and any(not far and leaf.dim() > 0 for leaf, far in zip(leaves, is_far, strict=True)):
            raise RuntimeError(f"{func}: tensors on two devices, asked for in {where_asked()}")

    def _crosses(self, kind: str) -> None:
        self.crossings[f"{kind} {where_asked()}"] += 1


def _has_mask(indices: list[Tensor | None]) -> bool:
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)


@contextmanager
def far_device() -> Iterator[Device]:
    """While it is open, tensors may be sent to `FAR`. ``torch.tensor`` and ``new_tensor``, which no mode sees, send what they
    are given."""
    plain_tensor, plain_new = torch.tensor, Tensor.new_tensor

    def tensor(data: Any, *args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        made = plain_tensor(data, *args, device="cpu", **kwargs)
        return made if device is None else made.to(device)

    def new_tensor(self: Tensor, data: Any, dtype: Any = None) -> Tensor:
        return tensor(data, dtype=dtype or self.dtype, device=self.device)

    with Device() as device:
        torch.tensor, Tensor.new_tensor = tensor, new_tensor  # type: ignore[method-assign, assignment]
        try:
            yield device
        finally:
            torch.tensor, Tensor.new_tensor = plain_tensor, plain_new  # type: ignore[method-assign]


def counted(work: Callable[[], Any]) -> tuple[Any, dict[str, int]]:
    with _without_threads(), far_device() as device:
        result = work()
    return result, dict(device.crossings)


class Here:
    """An executor that has no thread: a mode sees its own alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *args: object) -> None: ...

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(function(*args))
        return done


@contextmanager
def _without_threads() -> Iterator[None]:
    modules = [importlib.import_module(f"c3drender.{name}") for name in ("layers.build",)]
    before = [module.ThreadPoolExecutor for module in modules]
    for module in modules:
        module.ThreadPoolExecutor = Here  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module, executor in zip(modules, before, strict=True):
            module.ThreadPoolExecutor = executor  # type: ignore[attr-defined]


def near(value: Tensor) -> Tensor:
    return value.near if isinstance(value, FarTensor) else value


def captured(scene: Any, blend: str, frames: int) -> dict[str, Any]:
    """What crosses in a frame as it is captured, and whether two frames make the same ops and the same arrays of them."""
    from c3drender import render
    from c3drender.render.graph import frame_by, numbers_of

    animation, _ = counted(lambda: render.animate(scene, frames, blend=blend))  # type: ignore[arg-type]
    found, made = [], []
    for n in (1, frames - 1.5):
        numbers, _ = counted(lambda n=n: torch.tensor(numbers_of(animation, scene.camera, n), device=FAR))
        with far_device() as device:
            frame_by(animation, scene.camera, numbers)
        found.append(dict(device.crossings))
        made.append(device.made)
    return {"captured": found, "same": made[0] == made[1], "ops": len(made[0])}


def prepared() -> dict[str, Any]:
    """What crosses while a photo is prepared, and whether its layers are those that the CPU makes."""
    stage = importlib.import_module("c3drender.pipeline.prepare")
    rng = np.random.default_rng(3)
    mask = np.zeros((96, 128), np.uint8)
    mask[30:80, 10:90] = 255
    depth = np.linspace(1, 4, 128, dtype=np.float32) * np.ones((96, 1), np.float32)
    depth[20:60, 50:70] = 0.7
    given = {"mask": mask, "hints": [((30, 40), (60, 50))], "depth": depth, "depth_kind": "metric", "segments": "none"}
    photo = (rng.uniform(0, 1, (96, 128, 3)) * 255).astype(np.uint8)
    like = c3drender.prepare(photo, **given)
    stage.read_device = lambda device: (FAR, ())
    scene, found = counted(lambda: c3drender.prepare(photo, **given))
    names = ("pixel", "rgb", "alpha", "z_cam", "step_px", "moving")
    same = all(torch.equal(near(getattr(scene.layers, name)), getattr(like.layers, name)) for name in names)
    return {"prepared": found, "layers": like.layers.num_layers, "same_layers": same}


def pictures(animation: Any, like: Any, count: int, **lens: Any) -> tuple[dict[str, int], list[dict[str, int]], list[int]]:
    """What crosses for the camera's path and with each frame, the first ``count``, and how many levels that one is from that
    of ``like``, at most."""
    crossed, apart = [], []
    with far_device() as device:
        shown = islice(animation.render("circle", **lens), count)
        path = dict(device.crossings)
        device.crossings.clear()
        for frame, other in zip(shown, like.render("circle", **lens), strict=False):
            crossed.append(dict(device.crossings))
            device.crossings.clear()
            apart.append(int((near(frame.rgb_u8).int() - other.rgb_u8.int()).abs().max()))
    return path, crossed, apart


def main(scene_path: str, blend: str, frames: int) -> None:
    from c3drender.data import Lens
    from c3drender.pipeline.render import animate

    scene = c3drender.load_scene(scene_path)
    far_scene, moved = counted(lambda: scene.to(FAR))
    animation, animated = counted(lambda: animate(far_scene, frames=frames, blend=blend))  # type: ignore[arg-type]
    like = animate(scene, frames=frames, blend=blend)  # type: ignore[arg-type]
    lens = {"lens": Lens(f_number=1.4, grain=0.3, vignette=1.0)}
    path, drawn, apart = pictures(animation, like, frames)
    _, through_lens, apart_there = pictures(animation, like, LENS_FRAMES, **lens)
    print(
        json.dumps(
            {"moved": moved, "animated": animated, "path": path, "drawn": drawn}
            | {"through_lens": through_lens, "apart": apart + apart_there}
            | captured(far_scene, blend, frames)
            | prepared()
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
