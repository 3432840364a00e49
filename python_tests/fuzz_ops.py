"""Calls every op with what no test thought of, for a given time: ``python python_tests/fuzz_ops.py --seconds 60``.
With ``--calls N --log FILE`` it goes on, in as many runs as it takes, until the file counts N.

Each call begins as a right one, of random sizes, of which up to four parts are then spoiled: shapes, dtypes, strides, devices,
NaN, infinities, denormals, numbers at the ends of their types, threads, defaults of torch. It must

- be refused in one line that begins with the op's name, as TypeError, ValueError, MemoryError or NotImplementedError, or
- give the same bits again, with another number of threads and from memory that held something else; and, where nothing is
  spoiled, finite numbers.

The calls run in a process of their own, whose memory and whose time for a call are limited. What breaks the rules is printed
with its seed and counted; ``--call SEED`` makes that call again, in this process. The exit status is 1 where anything was
found.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import reference
import torch
from fuzzing import Dice, Found, run
from torch import Tensor

from c3drender import Camera, ops
from c3drender.data import Cameras, Frame, PointCloud, Raster, SplatRules
from c3drender.ops.drift import ContrastDetail, LoopWaves

REFUSALS = (TypeError, ValueError, MemoryError, NotImplementedError)
NAMED = ("Camera: ", "Cameras: ", "PointCloud: ", "SplatRules: ")  # values whose own constructor refuses
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-38, 1e-30, 1e-6, 1e6, 2.0**23, 2.0**24 + 2, 1e18, 1e38, 3.4e38]
FLOATS += [-x for x in FLOATS[5:]] + [float("nan"), float("inf"), -float("inf")]
INTEGERS = [0, 1, -1, 2, 3, 63, 64, 65, 255, 2**14, 2**23, 2**23 + 1, 2**24 + 1, 2**31 - 1, 2**31, 2**32, 2**63 - 1, -(2**31)]
ODD = [None, "1", True, [], (1,), 1 + 2j, 10**30, 1e39, np.float32(2), np.int64(3), float("nan"), float("inf")]
DTYPES = [torch.float64, torch.float16, torch.bfloat16, torch.int32, torch.int64, torch.uint8, torch.bool, torch.complex64]
MOST_POSES = 1 << 10  # each is a picture's work: a million, which a strided view gives for nothing, take minutes
MOST_REPEATED = 1 << 24  # numbers in an answer; of more the memory might not hold two

Arguments = dict[str, Any]


# --- right calls ------------------------------------------------------------------------------------------------------


def camera(dice: Dice, height: int, width: int, views: int | None = None) -> Camera:
    made = Camera.for_photo(width, height)
    if views is None:
        return made
    poses = torch.eye(3, 4).repeat(views, 1, 1)
    poses[:, :, 3] += dice.tensor(views, 3, low=-0.1, high=0.1)
    return made.with_pose(poses)


def lenses(dice: Dice, camera: Camera) -> Cameras:
    """The cameras of a batch, each with a focal length of its own."""
    cameras = Cameras.of(camera)
    return dataclasses.replace(cameras, K=cameras.K * torch.tensor([dice.one_of((0.8, 1.3)), 1.0, 1.0])[:, None])


def splat_points(dice: Dice) -> Arguments:
    num_points, num_channels = dice.num_points(), dice.one_of((1, 3, 4, 5, 37))
    xyz = dice.tensor(num_points, 3, low=-1)
    xyz[:, 2] += 2.5
    made: Arguments = {
        "xyz": xyz,
        "feat": dice.tensor(num_points, num_channels).to(dice.one_of((torch.float32, torch.float16, torch.bfloat16))),
        "radius": dice.one_of((0.05, dice.tensor(num_points, high=0.3))),
        "camera": camera(dice, dice.side(), dice.side(), dice.one_of((None, 1, 3))),
        "compositor": dice.one_of(("surface", "alpha")),
    }
    views = 1 if made["camera"].world_to_cam is None else len(made["camera"].world_to_cam)
    if made["camera"].world_to_cam is not None and dice.hits(0.3):
        made["camera"] = lenses(dice, made["camera"])
    if dice.hits(0.2):
        made["radius_unit"] = dice.one_of(("px", "ndc"))
    if dice.hits(0.2):
        made["background"] = dice.tensor(num_channels)
    if dice.hits(0.1):
        middle = [dice.below(num_points + 1)] * (views - 1 if views > 1 else dice.below(3))
        return made | {"offsets": [0, *middle, num_points], "opacity": dice.tensor(num_points)}
    optional: Arguments = {
        "max_points": dice.one_of((1, 8, 32, 64)),
        "opacity": dice.tensor(num_points),
        "depth_tolerance": dice.one_of((0.0, 0.02, 1.0)),
        "return_idx": True,
        "hidden": [(0, dice.below(num_points + 1))] * views,
    }
    return made | {name: value for name, value in optional.items() if dice.hits(0.3)}


def splat_hits(dice: Dice) -> Arguments:
    left_out = ("feat", "hidden", "return_idx", "background", "offsets")
    made = {name: value for name, value in splat_points(dice).items() if name not in left_out}
    return made | ({"max_points": dice.one_of((1, 2, 5))} if dice.hits(0.8) else {})  # its time grows with them


def splat_softmax(dice: Dice) -> Arguments:
    height, width = dice.side(), dice.side()
    made: Arguments = {
        "feat": dice.tensor(height, width, dice.one_of((1, 3, 9))),
        "flow_px": dice.tensor(height, width, 2, low=-4, high=4),
    }
    return made | ({"importance": dice.tensor(height, width, low=-5, high=5)} if dice.hits(0.7) else {})


def integrate_flow(dice: Dice) -> Arguments:
    height, width = dice.side(), dice.side()
    made: Arguments = {"step_px": dice.tensor(height, width, 2, low=-3, high=3), "num_steps": dice.below(12)}
    if dice.hits(0.5):
        made["start_px"] = dice.tensor(dice.one_of((0, 1, 300)), 2, low=-5, high=75)
    elif dice.hits(0.5):
        made["sampling"] = "nearest"
    return made


def raster(dice: Dice, shape: tuple[int, ...], num_channels: int) -> Raster:
    return Raster(dice.tensor(*shape, num_channels), dice.tensor(*shape), dice.tensor(*shape, high=dice.one_of((1.0, 30.0))))


def blend_bidirectional(dice: Dice) -> Arguments:
    shape = (dice.side(), dice.side()) if dice.hits(0.7) else (2, dice.side(), dice.side())
    num_channels = dice.one_of((1, 4, 9))
    loop_t = dice.one_of((0.0, 1.0, 0.3, dice.tensor(*shape)))
    made: Arguments = {"fwd": raster(dice, shape, num_channels), "bwd": raster(dice, shape, num_channels), "loop_t": loop_t}
    return made | ({"sharpness": dice.one_of((0.0, 4.0, 100.0))} if dice.hits(0.5) else {})


def compose_frame(dice: Dice) -> Arguments:
    shape = dice.side(), dice.side()
    loop_t = dice.one_of((0.0, 1.0, 0.3))
    return {
        "fwd": raster(dice, shape, 4),
        "bwd": raster(dice, shape, 4),
        "loop_t": loop_t,
        "sharpness": 4.0,
        "least_alpha": 1e-4,
    }


def splat_frame(dice: Dice) -> Arguments:
    num_points = dice.num_points()
    xyz = dice.tensor(num_points, 3, low=-1)
    xyz[:, 2] += 2.5
    opacity = dice.tensor(num_points) if dice.hits(0.3) else None
    return {
        "points": PointCloud(xyz, dice.tensor(num_points, 4), dice.tensor(num_points, high=0.3), opacity),
        "camera": camera(dice, dice.side(), dice.side(), None),
        "hidden": [(0, dice.below(num_points + 1))] * dice.one_of((1, 2)),
        "loop_t": dice.one_of((0.0, 1.0, 0.3)),
        "sharpness": 4.0,
        "least_alpha": 1e-4,
    }


def fill_uncovered(dice: Dice) -> Arguments:
    height, width = dice.side(), dice.side()
    rgb_u8 = (255 * dice.tensor(height, width, 3)).byte()
    return {"frame": Frame(rgb_u8, dice.tensor(height, width) < dice.one_of((0.0, 0.3, 0.9, 1.1)))}


def convert_to_yuv(dice: Dice) -> Arguments:
    return {"rgb_u8": (255 * dice.tensor(2 * dice.side(), 2 * dice.side(), 3)).byte()}


def find_holes(dice: Dice) -> Arguments:
    height, width, num_layers = dice.side(), dice.side(), dice.one_of((1, 2, 4))
    disp = dice.tensor(num_layers, height, width, low=0.2)
    hidden = dice.tensor(height, width, low=-0.1, high=0.5)
    return {
        "disp": disp if num_layers > 1 or dice.hits(0.5) else disp[0],
        "disp_hidden": hidden,
        "disp_fluid": hidden.clone() if dice.hits(0.7) else torch.zeros(height, width),
        "step_px": dice.tensor(height, width, 2, low=-2, high=2),
        "camera": camera(dice, height, width, dice.one_of((1, 3, 16))),
        "frame_px": (0, 0, width, height),
        "num_steps": dice.below(9),
        "loop_steps": dice.one_of((0, 8)),
        "rules": SplatRules(),
    }


def inpaint_layers(dice: Dice) -> Arguments:
    height, width = dice.side(), dice.side()
    hole = torch.from_numpy(dice.numbers.random((height, width)) < dice.one_of((0.0, 0.3, 0.9)))
    hole[0, 0] = False
    disp, hidden = dice.tensor(height, width, low=0.5), dice.tensor(height, width, low=0.2, high=0.5)
    return {"rgb": dice.tensor(height, width, 3), "disp": disp, "hole": hole, "disp_hidden": hidden, "tear_disp": 0.02}


def drift_points(dice: Dice) -> Arguments:
    height, width, num_points = dice.side(), dice.side(), dice.num_points()
    indices = dice.numbers.integers(0, max(num_points, 1), (2, num_points), dtype=np.int32)
    made: Arguments = {
        "start_px": dice.tensor(num_points, 2, high=max(height, width)),
        "offset_px": dice.tensor(num_points, 2, low=-4, high=4),
        "neighbours": (torch.from_numpy(indices[0].copy()), torch.from_numpy(indices[1].copy())),
        "feat": dice.tensor(num_points, 4),
        "surface": dice.tensor(height, width, 8),
        "canvas": camera(dice, height, width),
        "out": PointCloud(torch.zeros(num_points, 3), torch.zeros(num_points, 4), torch.zeros(num_points)),
        "phase": dice.tensor(num_points),
        "fade": 0.3,
    }
    if dice.hits(0.5):
        gain = dice.tensor(dice.side(), dice.side())
        made["detail"] = ContrastDetail(dice.tensor(num_points, 2, 3), dice.tensor(num_points, 3), gain, 4.0)
    if dice.hits(0.5):
        weight = dice.numbers.normal(size=dice.one_of((1, 7, 16))).tolist()
        values = [dice.tensor(*shape) for shape in (3 * [(num_points,)] + 2 * [(num_points, 3)])]
        made["waves"] = LoopWaves(dice.tensor(len(weight), 2, num_points, low=-1), weight, *values)
    return made


OPS: dict[str, tuple[Callable[..., Any], Callable[[Dice], Arguments]]] = {
    make.__name__: (getattr(ops, make.__name__), make)
    for make in (
        splat_points,
        splat_hits,
        splat_softmax,
        integrate_flow,
        blend_bidirectional,
        compose_frame,
        splat_frame,
        fill_uncovered,
        convert_to_yuv,
        find_holes,
        inpaint_layers,
        drift_points,
    )
}


# --- spoiling ---------------------------------------------------------------------------------------------------------


def spoiled(dice: Dice, value: Any) -> Any:
    """The value with one thing in it changed."""
    if isinstance(value, Tensor):
        return spoiled_tensor(dice, value)
    if dataclasses.is_dataclass(value):
        name = dice.one_of([entry.name for entry in dataclasses.fields(value)])
        part = spoiled(dice, getattr(value, name))
        if name == "world_to_cam" and isinstance(part, Tensor) and part.dim() > 0 and part.layout == torch.strided:
            part = part[:MOST_POSES]
        return dataclasses.replace(value, **{name: part})  # type: ignore[type-var]
    if isinstance(value, (tuple, list)) and value and dice.hits(0.9):
        place = dice.below(len(value))
        return type(value)([*value[:place], spoiled(dice, value[place]), *value[place + 1 :]])
    return dice.one_of(dice.one_of((FLOATS, INTEGERS, ODD)))


def spoiled_tensor(dice: Dice, tensor: Tensor) -> Any:
    if tensor.layout != torch.strided:
        return tensor
    changes = [with_values] * 6 + [with_dtype, with_strides, with_shape, with_shape, elsewhere, no_tensor]
    return dice.one_of(changes)(dice, tensor)


def with_values(dice: Dice, tensor: Tensor) -> Tensor:
    expanded = tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()  # to more than memory holds
    if tensor.numel() == 0 or tensor.is_meta or tensor.dtype == torch.bool or expanded:
        return tensor
    flat = tensor.clone().flatten()
    kinds = (FLOATS, torch.float64) if tensor.is_floating_point() or tensor.is_complex() else (INTEGERS, torch.int64)
    number = torch.tensor(dice.one_of(kinds[0]), dtype=kinds[1]).to(tensor.dtype)  # beyond its type: infinite, or wrapped
    places = slice(None) if dice.hits(0.3) else torch.from_numpy(dice.numbers.integers(0, len(flat), dice.one_of((1, 3, 50))))
    flat[places] = number
    return flat.reshape(tensor.shape)


def with_dtype(dice: Dice, tensor: Tensor) -> Tensor:
    return tensor.to(dice.one_of(DTYPES))


def with_strides(dice: Dice, tensor: Tensor) -> Tensor:
    if tensor.dim() == 0 or len(tensor) == 0:
        return tensor
    return dice.one_of(
        (
            lambda: tensor.transpose(0, -1),
            lambda: tensor.repeat_interleave(2, 0)[::2],
            lambda: tensor[:1].expand(dice.one_of((3, 2**8, 2**20)) if dice.hits(0.2) else 5, *tensor.shape[1:]),
        )
    )()


def with_shape(dice: Dice, tensor: Tensor) -> Tensor:
    if tensor.dim() == 0:
        return tensor[None]
    return dice.one_of(
        (
            lambda: tensor[:-1],
            lambda: tensor[None],
            lambda: tensor[:0],
            lambda: tensor[..., :-1],
            lambda: tensor.flatten(),
            lambda: tensor.repeat(2, *[1] * (tensor.dim() - 1)),
        )
    )().contiguous()


def elsewhere(dice: Dice, tensor: Tensor) -> Tensor:
    return tensor.to("meta") if tensor.is_meta or dice.hits(0.8) else tensor.to_sparse()


def no_tensor(dice: Dice, tensor: Tensor) -> Any:
    if tensor.is_meta or tensor.dtype == torch.bfloat16:
        return None
    return dice.one_of((None, tensor.numpy(), tensor.tolist() if tensor.numel() < 100 else 0, 1.0))


# --- one call ---------------------------------------------------------------------------------------------------------


@contextmanager
def surroundings(dice: Dice) -> Iterator[None]:
    """What else is set in the caller's program."""
    dtype = torch.get_default_dtype()
    try:
        if dice.hits(0.1):
            torch.set_default_dtype(torch.float64)
        if dice.hits(0.1):
            torch.set_default_device("meta")
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_default_device(None)


def results_of(name: str, arguments: Arguments, threads: int) -> list[Tensor]:
    torch.set_num_threads(threads)
    if name == "drift_points":
        ops.drift_points(**arguments)
        out = arguments["out"]
        return [out.xyz.clone(), out.feat.clone(), out.radius.clone()]
    result = OPS[name][0](**arguments)
    parts = result if isinstance(result, tuple) else vars(result).values() if dataclasses.is_dataclass(result) else [result]
    return [part for part in parts if isinstance(part, Tensor)]


def one_line(name: str, error: Exception) -> bool:
    said = str(error)
    inner = ("splat_points: ",) if name in ("splat_hits", "splat_softmax") else ()
    return "\n" not in said and said.startswith((f"{name}: ", *NAMED, *inner))


def attempt(seed: int) -> str:
    """Makes the call of a seed; returns what became of it, or raises Found."""
    dice = Dice(seed)
    name = dice.one_of(list(OPS))
    arguments = OPS[name][1](dice)
    num_spoiled = dice.one_of((0, 1, 1, 1, 2, 4))
    try:
        for _ in range(num_spoiled):
            part = dice.one_of(list(arguments))
            arguments[part] = spoiled(dice, arguments[part])
    except REFUSALS as error:
        if not str(error).startswith(NAMED):
            raise Found(f"{name}: a value's constructor says {type(error).__name__}: {error}") from error
        return "refused"
    try:
        with surroundings(dice):
            first = results_of(name, arguments, 1)
    except REFUSALS as error:
        if not one_line(name, error):
            raise Found(f"{name} says {type(error).__name__}: {error}") from error
        return "refused"
    except Exception as error:
        raise Found(f"{name} ends in {type(error).__name__}: {error}") from error
    if any(part.is_meta for part in first):
        return "on meta"
    if sum(part.numel() for part in first) > MOST_REPEATED:
        return "answered"
    disturb_memory()
    again = results_of(name, arguments, dice.one_of((2, 3, 8)) if dice.hits(0.2) else 1)  # threads take time to begin
    for one, other in zip(first, again, strict=True):
        if not torch.equal(*(torch.cat([part.flatten()]).view(torch.uint8) for part in (one, other))):
            raise Found(f"{name}: other bits the second time")
    if num_spoiled == 0 and not all(bool(part.isfinite().all()) for part in first if part.is_floating_point()):
        raise Found(f"{name}: numbers that are not finite from numbers that are")
    if num_spoiled == 0 and dice.hits(0.2):
        compare(name, arguments, first)
    go_backward(dice, name, arguments)
    return "answered" if num_spoiled else "plain"


def compare(name: str, arguments: Arguments, got: list[Tensor]) -> None:
    """With the float64 reference, where it is quick: gross errors, as its tests know the fine ones."""
    want, clear = restated(name, arguments)
    for ours, theirs in zip(got, want, strict=False):
        wrong = ~np.isclose(ours.numpy(), theirs, rtol=2e-3, atol=2e-3)
        if clear is not None:
            wrong &= clear.reshape(clear.shape + (1,) * (wrong.ndim - clear.ndim))
        if wrong.any():
            raise Found(f"{name}: other numbers than the reference, {int(wrong.sum())} of {wrong.size}")


def restated(name: str, arguments: Arguments) -> tuple[list[Any], Any]:
    """What the reference makes of a call, and which of it stays out of the rounding band; nothing where it is slow."""
    if name == "blend_bidirectional":
        blend = reference.blend_bidirectional(**{k: v for k, v in arguments.items()})
        return [blend.feat, blend.alpha, blend.w_fwd, blend.w_bwd], None
    # Not of many steps: from one to the next a rough field makes a difference several times as large.
    if name == "integrate_flow" and arguments.get("sampling") != "nearest" and arguments["num_steps"] <= 3:
        made = {k: v.numpy() if isinstance(v, Tensor) else v for k, v in arguments.items()}
        if made["step_px"].size * made["num_steps"] < 5000:
            trace = reference.integrate_flow(**made)
            return [trace.offset_px], trace.clear[None]
    known = ("xyz", "feat", "radius", "camera", "compositor", "max_points", "opacity", "depth_tolerance", "return_idx")
    if name == "splat_points" and set(arguments) <= set(known) and isinstance(arguments["camera"], Camera):
        made = {k: v.float().numpy() if isinstance(v, Tensor) else v for k, v in arguments.items() if k != "return_idx"}
        seen = made["camera"]
        if (
            len(made["xyz"]) * seen.width * seen.height < 50_000
            and isinstance(made["radius"], float)
            and min(seen.width, seen.height) > 30
        ):
            made.setdefault("max_points", ops.DEFAULT_MAX_POINTS[made["compositor"]])
            splat = reference.splat_points(**made)
            return [splat.feat, splat.alpha, splat.disp], splat.clear
    return [], None


def disturb_memory() -> None:
    """What is freed here, the next call may get. (Larger pieces come new from the system, as zeros.)"""
    for size in (1 << 8, 1 << 12, 1 << 16):
        torch.full((size,), 0xC5, dtype=torch.uint8)


def go_backward(dice: Dice, name: str, arguments: Arguments) -> None:
    """Gradients must not crash; where values are spoiled they may be anything."""
    if name not in ("splat_points", "blend_bidirectional") or not dice.hits(0.5):
        return

    def leaf(value: Any) -> Any:
        if isinstance(value, Raster):
            return Raster(*(leaf(part) for part in (value.feat, value.alpha, value.disp)))
        if isinstance(value, Cameras):
            return dataclasses.replace(value, K=leaf(value.K), world_to_cam=leaf(value.world_to_cam))
        return value.clone().requires_grad_() if isinstance(value, Tensor) and value.is_floating_point() else value

    learned = {part: leaf(value) for part, value in arguments.items()}
    try:
        outputs = [part for part in results_of(name, learned, dice.one_of((1, 1, 1, 3))) if part.requires_grad]
        sum((part * dice.one_of((0.0, 1.0, 1e38))).sum() for part in outputs).backward()
    except REFUSALS as error:
        if not one_line(name, error):
            raise Found(f"{name} backward says {type(error).__name__}: {error}") from error


if __name__ == "__main__":
    sys.exit(run(attempt, __file__, __doc__.splitlines()[0], "calls"))
