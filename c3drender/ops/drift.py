"""`drift_points`: a fluid's points after they drifted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..data import SPLAT_RULES, Camera, PointCloud, SplatRules
from .call import call, check_float32, check_tensors, check_type, dense, real


@dataclass(frozen=True, eq=False)
class ContrastDetail:
    """What `drift_points` adds to colours so that a loop keeps its contrast.

    Attributes
    ----------
    fine : Tensor
        float32 ``[M, 2, 3]`` along x and y.
    broad : Tensor
        ``[M, 3]``.
    gain : Tensor
        ``[h, w]``, the factor of ``broad`` at this moment: ``(i, j)`` stands at the canvas' ``((j, i) * gain_spacing_px)``.
    gain_spacing_px : float
        Canvas px between the values of ``gain``.
    """

    fine: Tensor
    broad: Tensor
    gain: Tensor
    gain_spacing_px: float


@dataclass(frozen=True, eq=False)
class LoopWaves:
    """What `drift_points` shows of each point's waves, taken from where it would be after some loops more or less.

    A point's luma is ``spread expm1(clip(sum_k weight[k] even[k, 0], least, most))``, its colour ``colour + luma tint``, its
    ``broad`` detail ``tint sum_k weight[k] even[k, 1]``.

    Attributes
    ----------
    even : Tensor
        float32 ``[K, 2, M]``, K of 1..16 copies: of wide detail, in an even measure, and of near detail.
    weight : list or tuple of float, or Tensor
        K numbers; where one is 0 its copy is not read. A tensor float32 ``[K]`` beside the points with a ``fade`` that is one.
    least, most, spread : Tensor
        ``[M]``.
    colour, tint : Tensor
        ``[M, 3]``.
    """

    even: Tensor
    weight: list[float] | tuple[float, ...] | Tensor
    least: Tensor
    most: Tensor
    spread: Tensor
    colour: Tensor
    tint: Tensor


def drift_points(
    start_px: Tensor,
    offset_px: Tensor,
    neighbours: tuple[Tensor, Tensor],
    feat: Tensor,
    surface: Tensor,
    canvas: Camera,
    out: PointCloud,
    *,
    phase: Tensor,
    fade: float | Tensor,
    rules: SplatRules = SPLAT_RULES,
    detail: ContrastDetail | None = None,
    waves: LoopWaves | None = None,
    seen_px: tuple[float, float, float, float] | None = None,
) -> None:
    """Write the points of a fluid after they drifted.

    Where a point arrives ``surface`` is sampled between pixel centres: there the point takes the depth, its colour becomes
    ``lerp(resting, own, f)``, and where less than ``rules.least_existence`` exists it gets radius 0. Where the flow pulls
    neighbours ``s >= 1`` px apart the disc widens to ``radius_px * (1 + f (min(s, max_stretch_px) - 1))`` and the confidence,
    ``feat[:, 3]``, falls by ``s^2``. The confidence is also multiplied by ``1 + fade * phase``. Not differentiable.

    Parameters
    ----------
    start_px, offset_px : Tensor
        float32 ``[M, 2]``, canvas px: where the points are at rest, and by how much they drifted.
    neighbours : (Tensor, Tensor)
        int32 ``[M]`` twice, the points at +1 px in x and in y at rest (itself: none), 0..M-1. CUDA, which does not wait to
        see it, gives a point of which this does not hold radius 0.
    feat : Tensor
        float32 ``[M, 4]``, colour and confidence at rest.
    surface : Tensor
        float32 ``[H, W, 8]``, the fluid on the canvas: disparity, existence, freedom ``f`` to move (0..1), resting colour, and
        two zeros that make a row of one vector.
    canvas : Camera
        Of the canvas, ``[H, W]``.
    out : PointCloud
        Written: M points, 4 channels.
    phase : Tensor
        float32 ``[M]``.
    fade : float or Tensor
        Or float32 ``[]`` beside the points, with weights of the waves that are a tensor, too: a CUDA graph of the call then
        shows whatever moment is written there.
    rules : SplatRules
    detail : ContrastDetail, optional
    waves : LoopWaves, optional
        Their colours and broad detail stand for those of ``feat`` and ``detail``.
    seen_px : (float, float, float, float), optional
        Canvas px ``(x0, y0, x1, y1)``, ``x0 < x1``, ``y0 < y1``: the part of the canvas that is seen. Of a point that arrives
        elsewhere position, colour and radius are 0, and nothing is worked out.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As every op (see the head of this page).
    """
    op = "drift_points"
    if not isinstance(neighbours, (tuple, list)) or len(neighbours) != 2:
        raise TypeError(f"{op}: neighbours must be two tensors, (right, below), got {type(neighbours).__name__}")
    right, below = neighbours
    tensors = {"start_px": start_px, "offset_px": offset_px, "right": right, "below": below, "feat": feat, "surface": surface}
    written = {f"out.{name}": getattr(out, name) for name in ("xyz", "feat", "radius")}
    details = {} if detail is None else {f"detail.{name}": getattr(detail, name) for name in ("fine", "broad", "gain")}
    names = ("even", "least", "most", "spread", "colour", "tint")
    turned = {} if waves is None else {f"waves.{name}": getattr(waves, name) for name in names}
    check_tensors(op, **tensors, phase=phase, **written, **details, **turned)
    check_type(op, "canvas", canvas, Camera)
    weight, moment = _moment_of(op, fade, waves, start_px)
    if surface.shape[:2] != (canvas.height, canvas.width):
        expected = f"[{canvas.height}, {canvas.width}, 8] (from canvas)"
        raise ValueError(f"{op}: surface must be {expected}, got {list(surface.shape)}")
    if seen_px is not None and (not isinstance(seen_px, (tuple, list)) or len(seen_px) != 4):
        raise ValueError(f"{op}: seen_px must be (x0, y0, x1, y1), got {seen_px!r}")
    seen = [] if seen_px is None else [real(op, "seen_px", edge) for edge in seen_px]
    spacing_px = 1.0 if detail is None else real(op, "detail.gain_spacing_px", detail.gain_spacing_px)
    lens = (canvas.fx, canvas.fy, canvas.cx, canvas.cy)
    limits = (rules.radius_px, rules.max_stretch_px, rules.least_existence)
    call(
        torch.ops.c3drender.drift_points,
        *dense(op, *tensors.values()),
        *(float(number) for number in (*lens, *limits)),
        *(dense(op, *details.values()) or (None, None, None)),
        spacing_px,
        *dense(op, phase),
        0.0 if moment is not None else real(op, "fade", fade),
        out.xyz,
        out.feat,
        out.radius,
        weight,
        *(dense(op, *turned.values()) if turned else [None] * len(names)),
        moment,
        seen,
    )


def _moment_of(op: str, fade: float | Tensor, waves: LoopWaves | None, start_px: Tensor) -> tuple[list[float], Tensor | None]:
    """The weights as numbers, and what stands for them and for the fade where those are tensors."""
    weight: Any = [] if waves is None else waves.weight
    if not isinstance(fade, Tensor):
        check_type(op, "waves.weight", weight, list, tuple)
        return [real(op, "waves.weight", number) for number in weight], None
    given = {"fade": fade} if waves is None else {"fade": fade, "waves.weight": weight}
    check_tensors(op, **given, start_px=start_px)
    for (name, tensor), shape in zip(given.items(), ("[]", "[K]"), strict=False):
        check_float32(op, name, tensor)
        if tensor.dim() != len(shape) - 2:
            raise ValueError(f"{op}: {name} must be {shape}, got {list(tensor.shape)}")
    return [0.0] * len(weight), torch.cat([tensor.reshape(-1) for tensor in given.values()])


@torch.library.register_fake("c3drender::drift_points")
def _(*args: Any) -> None:
    return None
