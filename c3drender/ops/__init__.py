"""The ops: thin, documented functions over the compiled extension. The only importer of ``c3drender._C``.

Every op runs on the device of its tensors, is deterministic (same inputs, same bits, whatever the thread count) and accepts
empty input; so do the gradients. The ops trace under ``torch.compile``. Under autocast, arguments that must be float32 are
converted and features stay as they are; results are float32 always. Keep camera poses in host memory: they are read there.
Errors: TypeError for a wrong type or dtype, ValueError for a wrong shape, device, range or layout, RuntimeError for what CUDA
reports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import torch
from torch import Tensor

from ..data import SPLAT_RULES, Camera, Frame, PointCloud, Raster, SplatRules
from . import autograd  # noqa: F401  (loads the extension, registers the ops' shapes and gradients)

Compositor = Literal["alpha", "surface"]
Sampling = Literal["bilinear", "nearest"]
COMPOSITORS = {"alpha": 0, "surface": 1}
SAMPLINGS = {"bilinear": 0, "nearest": 1}
SIDE = ("feat", "alpha", "disp")
HALVES = (torch.float16, torch.bfloat16)
DEFAULT_MAX_POINTS = {"alpha": 8, "surface": 32}
_ERRORS = {error.__name__: error for error in (ValueError, TypeError, MemoryError, RuntimeError)}


def _call(op: Callable[..., Any], *args: Any) -> Any:
    """Call a compiled op; its checks say which exception they mean, as the first word of the message."""
    try:
        return op(*args)
    except NotImplementedError as error:
        what, _, _ = str(error).partition(". ")
        raise NotImplementedError(f"{op.__name__}: {what}: this build has no kernel for it") from None
    except RuntimeError as error:
        kind, _, message = str(error).splitlines()[0].partition(": ")
        if kind in _ERRORS:
            raise _ERRORS[kind](message) from None
        raise


def _choice(op: str, name: str, value: str, choices: dict[str, int]) -> int:
    if value not in choices:
        raise ValueError(f"{op}: {name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return choices[value]


def _check_type(op: str, name: str, value: Any, expected: type) -> None:
    if not isinstance(value, expected):
        raise TypeError(f"{op}: {name} must be a {expected.__name__}, got {type(value).__name__}")


def _check_tensors(op: str, **values: Any) -> None:
    """Tensors on one device. The dispatcher picks the kernel by device before the binding can compare them."""
    for name, value in values.items():
        _check_type(op, name, value, Tensor)
    if len({value.device for value in values.values()}) > 1:
        listed = ", ".join(f"{name} on {value.device}" for name, value in values.items())
        raise ValueError(f"{op}: all tensors must be on one device, got {listed}")


def _real(op: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{op}: {name} must be a number, got {type(value).__name__}")
    return float(value)


def _whole(op: str, name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{op}: {name} must be an integer, got {value!r}")
    return int(value)


def _ranges(op: str, name: str, ranges: Sequence[tuple[int, int]]) -> Tensor:
    """``[V, 2]`` int64 in host memory."""
    return torch.tensor([[_whole(op, name, end) for end in pair] for pair in ranges], dtype=torch.int64).reshape(-1, 2)


def _in_float32(*tensors: Tensor) -> list[Tensor]:
    """Under autocast, what earlier layers left in half precision becomes float32, as for torch's own float32 ops."""
    return [t.float() if t.dtype in HALVES and torch.is_autocast_enabled(t.device.type) else t for t in tensors]


def _camera_rows(op: str, camera: Camera) -> Tensor:
    """``[V, 16]`` float32 in host memory: fx, fy, cx, cy, then the pose, row-major."""
    if camera.world_to_cam is None:
        poses = torch.eye(3, 4).reshape(1, 12)
    elif camera.world_to_cam.requires_grad and torch.is_grad_enabled():
        raise ValueError(f"{op}: camera.world_to_cam must not require grad: move the points instead, they have gradients")
    else:
        poses = camera.world_to_cam.cpu().reshape(-1, 12)
    intrinsics = torch.tensor([[camera.fx, camera.fy, camera.cx, camera.cy]], dtype=torch.float32)
    return torch.cat([intrinsics.expand(len(poses), 4), poses], dim=1)


def splat_points(
    xyz: Tensor,
    feat: Tensor,
    radius: Tensor | float,
    camera: Camera,
    *,
    compositor: Compositor = "surface",
    max_points: int | None = None,
    depth_tolerance: float = SPLAT_RULES.depth_tolerance,
    opacity: Tensor | None = None,
    return_idx: bool = False,
    hidden: Sequence[tuple[int, int]] | None = None,
    out: Raster | None = None,
) -> Raster:
    """Rasterise feature points as round discs and composite them per pixel, front to back.

    ``xyz`` float32 ``[N, 3]`` world space; ``feat`` float32/float16/bfloat16 ``[N, C]``, 1 <= C <= 256; ``radius`` scene
    units, float32 ``[N]`` or a number: on screen ``radius_px = fx * radius / z``. ``camera``: one pose (outputs
    ``[H, W, ...]``) or V poses (outputs ``[V, H, W, ...]``).

    A disc covers a pixel when the pixel's centre lies strictly inside it; ``q = d^2 / radius_px^2`` there, ``a = 1 - q``.
    Points with ``z <= 0`` or a non-finite position or radius are skipped; features are taken as they are. Each pixel keeps
    its ``max_points`` nearest hits, 1..64, in the order of ``(z, point index)``. ``opacity`` float32 ``[N]``, 0..1: ``o``
    below; None gives the same bits as ones.

    ``compositor="alpha"`` (the paper's, PyTorch3D's AlphaCompositor; ``max_points`` 8 by default):
    ``out = sum_k f_k o_k a_k prod_{j<k} (1 - o_j a_j)``.

    ``compositor="surface"`` (``max_points`` 32 by default): walking front to back, a hit whose depth is within
    ``z_first * (1 + depth_tolerance)`` of its surface's first hit joins that surface. A surface has the colour
    ``sum w o f / sum w o`` with ``w = (1 - q)^6`` and the coverage ``min(1, sum max(1.4 - 3.15 q, 0.005 a)) sum w o / sum w``;
    surfaces are composited front to back by coverage.

    ``hidden``: for each pose the points ``(first, end)`` that it does not see. Consecutive equal poses share the work for
    what they all see: two sides of a blend that differ in a few points cost little more than one.

    Returns a `Raster`: ``feat`` float32, ``alpha`` (the same sum for f = 1), ``disp`` (for f = 1/z), premultiplied;
    ``idx`` int32 ``[.., H, W, max_points]`` on request. ``out``: write to this raster instead of fresh memory, which costs
    time to get when frames are large; not differentiable, without ``idx``.

    Differentiable once in ``xyz``, ``feat`` and a tensor ``radius``: which points hit a pixel, and in which order, counts as
    constant, so nothing pulls a point towards a pixel that it does not touch. Camera and opacity have no gradient.
    """
    op = "splat_points"
    _check_type(op, "camera", camera, Camera)
    kind = _choice(op, "compositor", compositor, COMPOSITORS)
    most = DEFAULT_MAX_POINTS[compositor] if max_points is None else _whole(op, "max_points", max_points)
    if isinstance(radius, Tensor):
        _check_tensors(op, xyz=xyz, feat=feat, radius=radius)
        (per_point,), radius_all = _in_float32(radius), 0.0
    else:
        _check_tensors(op, xyz=xyz, feat=feat)
        per_point, radius_all = None, _real(op, "radius", radius)
    if opacity is not None:
        _check_tensors(op, xyz=xyz, opacity=opacity)
        if opacity.requires_grad and torch.is_grad_enabled():
            raise ValueError(f"{op}: opacity must not require grad: it has no gradient")
        (opacity,) = _in_float32(opacity)
    (xyz,) = _in_float32(xyz)
    inputs = (xyz, feat) if per_point is None else (xyz, feat, per_point)
    needs_grad = torch.is_grad_enabled() and any(t.requires_grad for t in inputs)
    keeps_idx = return_idx or needs_grad
    is_batch = camera.world_to_cam is not None and camera.world_to_cam.dim() == 3
    rows = _camera_rows(op, camera)
    numbers = (camera.width, camera.height, kind, most, _real(op, "depth_tolerance", depth_tolerance))
    ranges = None if hidden is None else _ranges(op, "hidden", hidden)
    if out is not None:
        if keeps_idx:
            raise ValueError(f"{op}: out must be None with return_idx or where a gradient is needed, got a Raster")
        _check_type(op, "out", out, Raster)
        results = tuple(getattr(out, name) if is_batch else getattr(out, name)[None] for name in SIDE)
        _call(
            torch.ops.c3drender.splat_points_out, xyz, feat, per_point, radius_all, rows, *numbers, ranges, opacity, *results
        )
        return out
    feat_out, alpha, disp, idx = _call(
        torch.ops.c3drender.splat_points, xyz, feat, per_point, radius_all, rows, *numbers, keeps_idx, ranges, opacity
    )
    if not is_batch:
        feat_out, alpha, disp = feat_out[0], alpha[0], disp[0]
        idx = idx[0] if keeps_idx else idx
    return Raster(feat_out, alpha, disp, idx if return_idx else None)


@dataclass(frozen=True, eq=False)
class FlowTrace:
    """Where points drift: ``offset_px`` float32 ``[T+1, P, 2]`` (x, y) from the start after 0..T steps; ``inside`` bool
    ``[T+1, P]``, False from the step at which the path left the frame."""

    offset_px: Tensor
    inside: Tensor


def integrate_flow(
    step_px: Tensor, num_steps: int, *, start_px: Tensor | None = None, sampling: Sampling = "bilinear"
) -> FlowTrace:
    """Euler integration of an Eulerian flow field: every intermediate displacement in one pass, O(num_steps).

    ``step_px`` float32 ``[H, W, 2]``, pixels per step (x, y). ``start_px`` float32 ``[P, 2]``: start positions, pixel
    centres at +0.5; None: the centre of every pixel, row-major, P = H*W. For the backward direction pass ``-step_px``.

    ``bilinear``: ``x_{k+1} = x_k + F(x_k)``, F interpolated between pixel centres and clamped at the border. A path that
    leaves ``[0, W] x [0, H]`` stays at the first position outside; one that starts outside, or at NaN, never moves.
    ``nearest``: the released code's rule (``golden/PIPELINE.md`` 6.1), which needs ``start_px=None``.
    """
    op = "integrate_flow"
    _check_tensors(op, step_px=step_px, **({} if start_px is None else {"start_px": start_px}))
    kind = _choice(op, "sampling", sampling, SAMPLINGS)
    steps = _whole(op, "num_steps", num_steps)
    (step_px,) = _in_float32(step_px)
    (start_px,) = (None,) if start_px is None else _in_float32(start_px)
    offset_px, inside = _call(torch.ops.c3drender.integrate_flow, step_px, steps, start_px, kind)
    return FlowTrace(offset_px, inside)


@dataclass(frozen=True, eq=False)
class BlendedRaster:
    """``feat`` float32 ``[.., H, W, C]`` and ``alpha`` ``[.., H, W]``, blended; ``w_fwd`` and ``w_bwd`` ``[.., H, W]``, the
    weights."""

    feat: Tensor
    alpha: Tensor
    w_fwd: Tensor
    w_bwd: Tensor


def blend_bidirectional(fwd: Raster, bwd: Raster, loop_t: float | Tensor, *, sharpness: float = 4.0) -> BlendedRaster:
    """Blend the forward- and the backward-displaced raster (the paper's eq. 7).

    ``w_f ~ (1 - t) a_f exp(k d_f)``, ``w_b ~ t a_b exp(k d_b)``, divided by ``max(w_f + w_b, 1e-6)``; ``k`` is ``sharpness``,
    ``d`` the composited disparity. ``loop_t`` in 0..1: a number, or float32 ``[.., H, W]``.

    Differentiable once in both rasters and a tensor ``loop_t``. To learn the sharpness, scale ``disp`` by it and pass 1.
    """
    op = "blend_bidirectional"
    _check_type(op, "fwd", fwd, Raster)
    _check_type(op, "bwd", bwd, Raster)
    tensors = {f"{side}.{name}": getattr(raster, name) for side, raster in (("fwd", fwd), ("bwd", bwd)) for name in SIDE}
    if isinstance(loop_t, Tensor):
        _check_tensors(op, **tensors, loop_t=loop_t)
        (per_pixel,), loop_t_all = _in_float32(loop_t), 0.0
    else:
        _check_tensors(op, **tensors)
        per_pixel, loop_t_all = None, _real(op, "loop_t", loop_t)
    k = _real(op, "sharpness", sharpness)
    sides = _in_float32(*tensors.values())
    return BlendedRaster(*_call(torch.ops.c3drender.blend_bidirectional, *sides, per_pixel, loop_t_all, k))


def find_holes(
    disp: Tensor,
    disp_hidden: Tensor,
    disp_fluid: Tensor,
    step_px: Tensor,
    camera: Camera,
    frame_px: tuple[int, int, int, int],
    *,
    num_steps: int,
    loop_steps: int = 0,
    rules: SplatRules = SPLAT_RULES,
) -> Tensor:
    """Mark the pixels of a hidden surface that some view reveals, at rest or drifting. Returns bool ``[H, W]``.

    ``disp`` float32 ``[H, W]``, or ``[L, H, W]`` near to far: disparity (1/z) of what lies in front, 0 where a layer has no
    pixel. ``disp_hidden`` ``[H, W]``: disparity of the surface that continues behind it, <= 0 where there is none; where it is
    not clear of the last layer by ``depth_tolerance`` it is not hidden. ``disp_fluid``: disparity of the fluid's surface,
    which is a layer's or the hidden one's, <= 0 where nothing flows; ``step_px`` ``[H, W, 2]``: px per frame, (x, y), by which
    it drifts. ``camera``: the layers' intrinsics with V poses. ``frame_px``: ``(x0, y0, x1, y1)``, the part of the layers'
    canvas that the views show. ``rules``: with which `splat_points` draws the layers and `drift_points` the fluid.

    A hidden pixel is revealed by a view when the layers' discs, composited by `splat_points`' rule ``surface``, leave free
    more than a quarter of the view's pixel in which it lies. Only discs beside that pixel's line of sight matter. The line is
    straight in ``(u, v, disp)``: ``(u, v, w)(s) = (u0, v0, w0) + s (fx (cx - xn cz), fy (cy - yn cz), 1 - cz w0)`` with the
    camera centre ``(cx, cy, cz)`` and ``(xn, yn)`` a point's ray. A hidden pixel that belongs to the fluid is also revealed
    where a view sees it after up to ``num_steps`` Euler steps, forward or backward, on the fluid's surface where it arrives.
    With ``loop_steps`` the views are the frames of a loop: view v looks when the fluid has drifted ``v % loop_steps`` steps
    forward, or ``loop_steps`` less that backward; with 0 any view may look at any moment.
    """
    op = "find_holes"
    _check_tensors(op, disp=disp, disp_hidden=disp_hidden, disp_fluid=disp_fluid, step_px=step_px)
    _check_type(op, "camera", camera, Camera)
    if disp.dim() not in (2, 3) or disp.shape[-2:] != (camera.height, camera.width):
        expected = f"[H, W] or [L, H, W] with [H, W] = [{camera.height}, {camera.width}] (from camera)"
        raise ValueError(f"{op}: disp must be {expected}, got {list(disp.shape)}")
    if not isinstance(frame_px, (tuple, list)) or len(frame_px) != 4:
        raise ValueError(f"{op}: frame_px must be (x0, y0, x1, y1), got {frame_px!r}")
    frame = [_whole(op, "frame_px", side) for side in frame_px]
    steps = _whole(op, "num_steps", num_steps), _whole(op, "loop_steps", loop_steps)
    _check_type(op, "rules", rules, SplatRules)
    limits = (rules.radius_px, rules.depth_tolerance, rules.least_existence)
    maps = _in_float32(disp if disp.dim() == 3 else disp[None], disp_hidden, disp_fluid, step_px)
    return _call(torch.ops.c3drender.find_holes, *maps, *steps, _camera_rows(op, camera), *frame, *limits)


def inpaint_layers(rgb: Tensor, disp: Tensor, hole: Tensor, disp_hidden: Tensor, *, tear_disp: float) -> tuple[Tensor, Tensor]:
    """Fill colour and disparity of what a layer hides, from the same or farther surfaces only. Returns ``(rgb, disp)``.

    ``rgb`` float32 ``[H, W, 3]``. ``disp`` float32 ``[H, W]``: disparity (1/z); in the hole that of what hides it, <= 0 where
    nothing does (beyond a picture's border). ``hole`` bool ``[H, W]``: what to fill. ``disp_hidden`` ``[H, W]``: in the hole,
    the disparity of the surface to continue; it is smoothed, and kept ``tear_disp`` behind what hides it. Pixels outside the
    hole are returned as they are.

    Every hole pixel takes a known pixel as its source whose surroundings look like its own (PatchMatch, Barnes et al. 2009,
    coarse to fine), which is at most ``tear_disp`` nearer than the surface it continues, and at most half of the way to what
    hides it; patches vote for the colours (Wexler et al. 2007), the winners are copied and blended by their gradients. Pixels
    next to the edge of something nearer, whose colours are mixed, and pixels that are not finite or have ``disp <= 0`` are
    never a source. Where no pixel is, the CPU raises ValueError; CUDA, which does not wait to see it, fills with NaN.
    """
    op = "inpaint_layers"
    _check_tensors(op, rgb=rgb, disp=disp, hole=hole, disp_hidden=disp_hidden)
    tear = _real(op, "tear_disp", tear_disp)
    rgb, disp, disp_hidden = _in_float32(rgb, disp, disp_hidden)
    return _call(torch.ops.c3drender.inpaint_layers, rgb, disp, hole, disp_hidden, tear)


@dataclass(frozen=True, eq=False)
class ContrastDetail:
    """What `drift_points` adds to colours so that a loop keeps its contrast: ``fine`` float32 ``[M, 2, 3]`` along x and y,
    ``broad [M, 3]``, and the factor of the latter at this moment, ``gain [h, w]``: ``(i, j)`` stands at the canvas'
    ``((j, i) * gain_spacing_px)``."""

    fine: Tensor
    broad: Tensor
    gain: Tensor
    gain_spacing_px: float


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
    fade: float,
    rules: SplatRules = SPLAT_RULES,
    detail: ContrastDetail | None = None,
) -> None:
    """Write the points of a fluid after they drifted from ``start_px`` by ``offset_px`` (float32 ``[M, 2]``, canvas px) to
    ``out`` (M points, 4 channels; not differentiable).

    ``surface`` float32 ``[H, W, 8]`` describes the fluid on the canvas: disparity, existence, freedom ``f`` to move (0..1),
    resting colour, and two zeros that make a row of one vector. It is sampled between pixel centres where a point arrives:
    there the point takes the depth, its colour becomes ``lerp(resting, own, f)``, and where less than
    ``rules.least_existence`` exists it gets radius 0. ``neighbours``: int32 ``[M]`` twice, the points at +1 px in x and in y
    at rest (itself: none). Where the flow pulls them ``s >= 1`` px apart the disc widens to
    ``radius_px * (1 + f (min(s, max_stretch_px) - 1))`` and the confidence, ``feat[:, 3]``, falls by ``s^2``. The confidence
    is also multiplied by ``1 + fade * phase``, ``phase [M]``.
    """
    op = "drift_points"
    right, below = neighbours
    tensors = {"start_px": start_px, "offset_px": offset_px, "right": right, "below": below, "feat": feat, "surface": surface}
    _check_tensors(op, **tensors, phase=phase, **{f"out.{name}": getattr(out, name) for name in ("xyz", "feat", "radius")})
    _check_type(op, "canvas", canvas, Camera)
    if surface.shape[:2] != (canvas.height, canvas.width):
        expected = f"[{canvas.height}, {canvas.width}, 8] (from canvas)"
        raise ValueError(f"{op}: surface must be {expected}, got {list(surface.shape)}")
    details = (None, None, None, 1.0) if detail is None else (detail.fine, detail.broad, detail.gain, detail.gain_spacing_px)
    lens = (canvas.fx, canvas.fy, canvas.cx, canvas.cy)
    limits = (rules.radius_px, rules.max_stretch_px, rules.least_existence)
    _call(
        torch.ops.c3drender.drift_points,
        *tensors.values(),
        *(float(number) for number in (*lens, *limits)),
        *details[:3],
        float(details[3]),
        phase,
        _real(op, "fade", fade),
        out.xyz,
        out.feat,
        out.radius,
    )


def compose_frame(fwd: Raster, bwd: Raster, loop_t: float, *, sharpness: float, least_alpha: float) -> Frame:
    """Two splats of colour and confidence, ``feat [H, W, 4]``, to a finished frame in 8 bits.

    Colours are divided by their coverage and blended as by `blend_bidirectional` with the splatted confidences in place of
    ``a``. ``uncovered`` is where both sides cover less than ``least_alpha``. Not differentiable.
    """
    op = "compose_frame"
    _check_type(op, "fwd", fwd, Raster)
    _check_type(op, "bwd", bwd, Raster)
    tensors = {f"{side}.{name}": getattr(raster, name) for side, raster in (("fwd", fwd), ("bwd", bwd)) for name in SIDE}
    _check_tensors(op, **tensors)
    numbers = _real(op, "loop_t", loop_t), _real(op, "sharpness", sharpness), _real(op, "least_alpha", least_alpha)
    return Frame(*_call(torch.ops.c3drender.compose_frame, *tensors.values(), *numbers))
