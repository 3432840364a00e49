"""One frame of an animation: bend, drift, splat both sides, blend, fill what stayed uncovered.

A frame depends on (Animation, pose, frame number) alone: no random source, nothing carried from frame to frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from .. import ops
from ..data import Camera, CameraPath, Frame, PointCloud, Raster, SplatRules
from ..data.motion import harmonic_sum, harmonics_at
from ..pixels.crossing import is_host
from ..pixels.fringe import FRINGE_PX
from . import contrast
from .fluid import FluidPoints
from .seen import seen_px

BlendMode = Literal["phase", "contrast", "linear"]

MAX_POINTS = 64  # behind an edge several layers lie close: what hides a pixel must not crowd it out of its own list
UNCOVERED_ALPHA = 1e-4


@dataclass(frozen=True, eq=False)
class BentPoints:
    """Points that sway or ripple: at rest a ``cloud`` at ``start_px [P, 2]`` of the canvas, displaced by the coefficients
    ``sine_px``, ``cosine_px`` ``[K, P, 2]`` (`harmonic_px`)."""

    cloud: PointCloud
    start_px: Tensor
    sine_px: Tensor
    cosine_px: Tensor


@dataclass(frozen=True, eq=False)
class Animation:
    """A scene ready to render as a loop of ``num_frames``.

    ``points``: those that never move, the bent ones, the fluid on its way forward, and the fluid on its way backward; each
    frame writes all but the first anew, so one Animation renders one frame at a time, frozen though its fields are. Their
    four channels are colour, and the confidence with which they speak for their pixel when the two sides are blended, as
    ``blend`` says: ``"linear"`` is the paper's cross-fade, which dims and blurs in mid-loop; ``"contrast"`` keeps the detail's
    contrast, ``"phase"`` also shows each crest once.
    ``source`` int64 ``[N]``: the layers' pixel that each was lifted from.
    """

    camera: Camera
    canvas: Camera
    points: PointCloud
    source: Tensor
    bent: BentPoints
    fluid: FluidPoints
    sharpness: float
    num_frames: int
    rules: SplatRules
    blend: BlendMode


def fluid_parts(animation: Animation) -> tuple[int, int, int]:
    """Where the fluid's points begin on their way forward and on their way backward, and where they end."""
    end, num_fluid = len(animation.points), len(animation.fluid.start_px)
    return end - 2 * num_fluid, end - num_fluid, end


def sides_at(animation: Animation, n: float) -> list[tuple[int, int]]:
    """What each side does not see at frame ``n``: the fluid's points on the other side's way. At rest, and where nothing
    drifts, both sides are the same, and one alone is given."""
    forward, backward, end = fluid_parts(animation)
    hidden = [(backward, end), (forward, backward)]
    return hidden if n > 0 and forward < backward else hidden[:1]


def blend_at(animation: Animation, n: float) -> tuple[float, tuple[float, float]]:
    """The backward side's share at frame ``n``, and the factors by which the fade is early or late on each side."""
    loop_t = n / animation.num_frames
    if animation.blend == "linear" or n == 0:
        return loop_t, (0.0, 0.0)
    share = contrast.backward_share(loop_t)
    return share, contrast.fades(share)


def _leave_fringe(fluid: FluidPoints, offset_px: Tensor) -> None:
    """Let the points that drifted by ``offset_px [M, 2]`` show less of the edge's colours that they left."""
    fringe, colour = fluid.fringe, fluid.cloud.feat[:, :3] if fluid.copies is None else fluid.copies.colour
    away_px = offset_px[fringe.index].square()
    away = ((away_px[:, :1] + away_px[:, 1:]).sqrt() / FRINGE_PX).clamp_max(1.0)
    colour[fringe.index] = fringe.steady + (fringe.clean - fringe.resting) * away


def drift_side(
    animation: Animation,
    first: int,
    offset_px: Tensor,
    fade: float | Tensor,
    gain: tuple[Tensor, float] | None,
    waves: ops.LoopWaves | None,
    seen: tuple[float, float, float, float] | None = None,
) -> None:
    """Write the fluid's points of one side, which begin at ``first``, after they drifted by ``offset_px [M, 2]``; of what is
    not ``seen`` (`seen_px`) only that."""
    fluid = animation.fluid
    _leave_fringe(fluid, offset_px)
    ops.drift_points(
        fluid.start_px,
        offset_px,
        (fluid.right, fluid.below),
        fluid.cloud.feat,
        fluid.surface,
        animation.canvas,
        _part(animation.points, first, first + len(offset_px)),
        rules=animation.rules,
        phase=fluid.phase,
        fade=fade,
        detail=None if gain is None else ops.ContrastDetail(fluid.detail.fine, fluid.detail.broad, *gain),
        waves=waves,
        seen_px=seen,
    )


def _drift_to(
    animation: Animation,
    n: float,
    fades: tuple[float, float] = (0.0, 0.0),
    gain: tuple[Tensor, float] | None = None,
    seen: tuple[float, float, float, float] | None = None,
) -> list[tuple[int, int]]:
    """Let the fluid drift to frame ``n``, as far as it is ``seen``. Returns what each side does not see."""
    fluid, hidden = animation.fluid, sides_at(animation, n)
    forward, backward, _ = fluid_parts(animation)
    ways = ((fluid.forward, n), (fluid.backward, animation.num_frames - n))
    # By the blend's share of the loop: near the photo, whose picture is the best there is, its waves drift as they are.
    share = contrast.backward_share(n / animation.num_frames)
    for side, (first, (way, steps), fade) in list(enumerate(zip((forward, backward), ways, fades, strict=True)))[
        : len(hidden)
    ]:
        waves = None if fluid.copies is None else fluid.copies.at(share, side == 1)
        drift_side(animation, first, way.at(steps, out=fluid.offset_px), fade, gain, waves, seen)
    return hidden


def _seen(animation: Animation, view: Camera) -> tuple[float, float, float, float] | None:
    """The part of the canvas that ``view`` shows of the fluid; None: any. A device is not asked where the view is."""
    depths, rules = animation.fluid.depths, animation.rules
    if depths is None or not is_host(view.pose):
        return None
    return seen_px(animation.canvas, view, depths, rules.radius_px * rules.max_stretch_px)


def no_gain(fluid: FluidPoints) -> tuple[Tensor, float]:
    """Of the broad detail: what it is while the gains are measured."""
    return fluid.phase.new_ones(1, 1), 1.0


def draw(animation: Animation, view: Camera, n: float, depth: bool = False) -> Frame:
    """Splat both sides of frame ``n`` and blend them; with the disparity of what is shown, if asked for."""
    fluid, (share, fades), gain = animation.fluid, blend_at(animation, n), None
    if animation.blend != "linear" and n > 0:
        gain = no_gain(fluid)
        if fluid.gains is not None:
            gain = fluid.gains.at(n / animation.num_frames), fluid.gains.spacing_px
    hidden = _drift_to(animation, n, fades, gain, _seen(animation, view))
    share = share if len(hidden) == 2 else 0.0
    points, tolerance = animation.points, animation.rules.depth_tolerance
    if not depth:
        return ops.splat_frame(
            points,
            view,
            hidden,
            share,
            sharpness=animation.sharpness,
            least_alpha=UNCOVERED_ALPHA,
            max_points=MAX_POINTS,
            depth_tolerance=tolerance,
        )
    raster = ops.splat_points(
        points.xyz,
        points.feat,
        points.radius,
        view.with_pose(view.pose.repeat(len(hidden), 1, 1)),
        compositor="surface",
        depth_tolerance=tolerance,
        max_points=MAX_POINTS,
        opacity=points.opacity,
        hidden=hidden,
    )
    fwd, bwd = (Raster(raster.feat[side], raster.alpha[side], raster.disp[side]) for side in (0, -1))
    frame = ops.compose_frame(fwd, bwd, share, sharpness=animation.sharpness, least_alpha=UNCOVERED_ALPHA)
    return replace(frame, disp=_mixed((fwd, bwd), share))


def _mixed(sides: tuple[Raster, Raster], share: float) -> Tensor:
    """Disparity ``[H, W]`` of two sides, each by its share and its coverage; what neither covers is endlessly far."""
    fwd, bwd = sides
    disp, alpha = (torch.lerp(one, other, share) for one, other in ((fwd.disp, bwd.disp), (fwd.alpha, bwd.alpha)))
    return disp / alpha.clamp_min(UNCOVERED_ALPHA)


def cover(animation: Animation, view: Camera, frame: float, marks: Tensor) -> Tensor:
    """How much of each pixel of ``view`` shows points with ``marks``, float32 ``[N]`` in 0..1: ``[H, W]``, 0..1."""
    n = within_loop(animation, frame)
    _bend(animation, n / animation.num_frames)
    hidden = _drift_to(animation, n)
    raster = ops.splat_points(
        animation.points.xyz,
        marks[:, None].contiguous(),
        animation.points.radius,
        view.with_pose(view.pose.repeat(len(hidden), 1, 1)),
        compositor="surface",
        depth_tolerance=animation.rules.depth_tolerance,
        max_points=MAX_POINTS,
        opacity=animation.points.opacity,
        hidden=hidden,
    )
    share = contrast.backward_share(n / animation.num_frames) if len(hidden) == 2 else 0.0
    marked, alpha = (torch.lerp(planes[0], planes[-1], share) for planes in (raster.feat[..., 0], raster.alpha))
    return (marked / alpha.clamp_min(UNCOVERED_ALPHA)).clamp(0.0, 1.0)


def _bend(animation: Animation, loop_t: float) -> None:
    """Put the bent points where they are at this moment."""
    bend_by(animation, harmonics_at(loop_t, len(animation.bent.sine_px)))


def bend_by(animation: Animation, factors: Iterable[tuple[float | Tensor, float | Tensor]]) -> None:
    """Put the bent points where these factors of their harmonics have them (`harmonic_sum`)."""
    bent = animation.bent
    if len(bent.cloud) > 0:
        end, _, _ = fluid_parts(animation)
        xy_px = bent.start_px + harmonic_sum(bent.sine_px, bent.cosine_px, factors)
        animation.points.xyz[end - len(xy_px) : end] = animation.canvas.unproject(xy_px, bent.cloud.xyz[:, 2])


def within_loop(animation: Animation, frame: float) -> float:
    n = frame % animation.num_frames
    return n if n < animation.num_frames else 0  # of a float just below 0 the remainder rounds up


def place_points(animation: Animation, frame: float) -> tuple[PointCloud, list[tuple[int, int]]]:
    """The points of frame ``frame``, and for each side, forward and backward, those that it does not see, ``(first, end)``
    (one side alone where both are the same): for a renderer of its own that puts something else in the place of their colours.
    They stand until the next frame is placed or rendered."""
    n = within_loop(animation, frame)
    _bend(animation, n / animation.num_frames)
    return animation.points, _drift_to(animation, n)


def _part(cloud: PointCloud, first: int, end: int) -> PointCloud:
    return PointCloud(cloud.xyz[first:end], cloud.feat[first:end], cloud.radius[first:end])


def _fill_uncovered(frame: Frame) -> Frame:
    # On the CPU it costs nothing to see that there is nothing to do: NumPy takes a twentieth of the time that torch does.
    return frame if is_host(frame.uncovered) and not frame.uncovered.numpy().any() else ops.fill_uncovered(frame)


def render_frame(animation: Animation, world_to_cam: Tensor, frame: int, zoom: float = 1.0) -> Frame:
    """Render frame ``frame`` (any integer: the loop repeats) from the pose ``world_to_cam [3, 4]``, with the focal length
    times ``zoom``."""
    return render_view(animation, animation.camera.with_pose(world_to_cam).zoomed(zoom), frame)


def render_view(animation: Animation, view: Camera, frame: float, depth: bool = False) -> Frame:
    """`render_frame` for a camera with its pose, also between frames; with the disparity of what is shown, if asked for."""
    n = within_loop(animation, frame)
    _bend(animation, n / animation.num_frames)
    return _fill_uncovered(draw(animation, view, n, depth))


def render_path(animation: Animation, path: CameraPath) -> Iterator[Frame]:
    """Render one frame per pose of ``path``; the motion's loop repeats every ``animation.num_frames``."""
    for n in range(len(path)):
        yield render_frame(animation, path.world_to_cam[n], n, 1.0 if path.zoom is None else float(path.zoom[n]))
