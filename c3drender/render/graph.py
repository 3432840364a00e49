"""Frames on a GPU: one is captured as a CUDA graph, and replayed for all others of its size.

A frame's launches take the host longer than the device takes to run them. In a graph they are one. What differs from frame to
frame, the camera and what the moment decides, is a row of numbers on the device (`numbers_of`), which is written before each
replay from pinned memory: the host waits for nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .. import ops
from ..data import Camera, Frame
from ..data.motion import harmonics_at
from ..pixels.exact import lerp
from . import contrast
from .beyond import REACH
from .frame import (
    MAX_POINTS,
    UNCOVERED_ALPHA,
    Animation,
    bend_by,
    blend_at,
    drift_side,
    fluid_parts,
    no_gain,
    render_view,
    sides_at,
    within_loop,
)
from .phase import weights

OF_VIEW = 17  # fx, fy, cx, cy, the pose, the backward side's share: `now` of `ops.splat_frame`
OF_WAY, OF_COPIES = 3, 2 * REACH + 1  # `Drift.between`; weights
OF_SIDE = OF_WAY + 1 + OF_COPIES  # with the fade
OF_GAIN = 2  # the row before, and the share of the next


def numbers_of(animation: Animation, view: Camera, n: float) -> list[float]:
    """All that frame ``n`` as ``view`` sees it takes from the host, in the order in which `frame_by` reads it."""
    fluid, loop_t = animation.fluid, n / animation.num_frames
    share, fades = blend_at(animation, n)
    pose = view.pose.to("cpu", torch.float32).flatten().tolist()
    found = [view.fx, view.fy, view.cx, view.cy, *pose, share if len(sides_at(animation, n)) == 2 else 0.0]
    of_waves = contrast.backward_share(loop_t)
    for side, (way, steps) in enumerate(((fluid.forward, n), (fluid.backward, animation.num_frames - n))):
        found += [*way.between(steps), fades[side], *weights(of_waves, side == 1)]
    found += (0, 0.0) if fluid.gains is None else fluid.gains.between(loop_t)
    for factors in harmonics_at(loop_t, len(animation.bent.sine_px)):
        found += factors
    return [float(number) for number in found]


def frame_by(animation: Animation, view: Camera, numbers: Tensor) -> Frame:
    """A frame that moves (n > 0), of which ``view`` gives the size and ``numbers`` float32 ``[..]``, beside the points, all
    else. The same launches whatever the numbers are, and none waits for the host: this is what is captured."""
    fluid, hidden = animation.fluid, sides_at(animation, 1)
    now, *sides, of_gain, of_bend = numbers.split([OF_VIEW, OF_SIDE, OF_SIDE, OF_GAIN, 2 * len(animation.bent.sine_px)])
    bend_by(animation, [(sine, cosine) for sine, cosine in of_bend.view(-1, 2)])
    gain = None if animation.blend == "linear" else no_gain(fluid)
    if fluid.gains is not None:
        row = of_gain[:1].to(torch.int64)
        before, after = (fluid.gains.gain.index_select(0, row + k)[0] for k in (0, 1))
        gain = lerp(before, after, of_gain[1]), fluid.gains.spacing_px
    if len(hidden) == 2:
        for first, way, of_side in zip(fluid_parts(animation), (fluid.forward, fluid.backward), sides, strict=False):
            between, fade, weight = of_side.split([OF_WAY, 1, OF_COPIES])
            waves = None if fluid.copies is None else fluid.copies.weighted(weight)
            drift_side(animation, first, way.at_numbers(between), fade[0], gain, waves)
    frame = ops.splat_frame(
        animation.points,
        view,
        hidden,
        0.0,
        sharpness=animation.sharpness,
        least_alpha=UNCOVERED_ALPHA,
        max_points=MAX_POINTS,
        depth_tolerance=animation.rules.depth_tolerance,
        now=now,
    )
    return ops.fill_uncovered(frame)


class FrameGraph:
    """`frame_by` of one size, captured; ``view`` and ``n`` are those of some frame of that size."""

    def __init__(self, animation: Animation, view: Camera, n: float) -> None:
        self._animation = animation
        device = animation.points.xyz.device
        self._numbers = torch.empty(len(numbers_of(animation, view, n)), dtype=torch.float32, device=device)
        self._write(view, n)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(device):
            frame_by(animation, view, self._numbers)  # kernels are loaded when they are first launched: not while capturing
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._frame = frame_by(animation, view, self._numbers)

    def draw(self, view: Camera, n: float) -> Frame:
        self._write(view, n)
        self._graph.replay()
        return Frame(self._frame.rgb_u8.clone(), self._frame.uncovered.clone())  # the next replay writes over these

    def _write(self, view: Camera, n: float) -> None:
        # Each time in pinned memory of its own, which torch keeps until the copy is done.
        numbers = torch.tensor(numbers_of(self._animation, view, n), dtype=torch.float32).pin_memory()
        self._numbers.copy_(numbers, non_blocking=True)


class Drawing:
    """`render_view` of one animation, from CUDA graphs where its points lie on CUDA: one for each size of picture. At rest,
    where the picture is another's, and where depth is asked for, a frame is drawn launch by launch."""

    def __init__(self, animation: Animation) -> None:
        self._animation = animation
        self._graphs: dict[tuple[int, int], FrameGraph] = {}

    def __call__(self, view: Camera, n: float, depth: bool = False) -> Frame:
        within = within_loop(self._animation, n)
        if depth or within == 0 or not self._animation.points.xyz.is_cuda:
            return render_view(self._animation, view, n, depth)
        size = view.width, view.height
        if size not in self._graphs:
            self._graphs[size] = FrameGraph(self._animation, view, within)
        return self._graphs[size].draw(view, within)
