"""The ops: thin, documented functions over the compiled extension. The only importer of ``c3drender._C``.

Every op runs on the device of its tensors, is deterministic (same inputs, same bits, whatever the thread count) and accepts
empty input. Errors: TypeError for a wrong type or dtype, ValueError for a wrong shape, device, range or layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from . import _C  # noqa: F401  (registers torch.ops.c3drender)
from .data import Camera, Raster

Compositor = Literal["alpha", "surface"]
Sampling = Literal["bilinear", "nearest"]
COMPOSITORS = {"alpha": 0, "surface": 1}
SAMPLINGS = {"bilinear": 0, "nearest": 1}


def splat_points(
    xyz: Tensor,
    feat: Tensor,
    radius: Tensor | float,
    camera: Camera,
    *,
    compositor: Compositor = "surface",
    max_points: int | None = None,
    depth_tolerance: float = 0.02,
    return_idx: bool = False,
) -> Raster:
    """Rasterise feature points as round discs and composite them per pixel, front to back.

    ``xyz`` float32 ``[N, 3]`` world space; ``feat`` float32/float16/bfloat16 ``[N, C]``, 1 <= C <= 256; ``radius`` scene
    units, float32 ``[N]`` or a number: on screen ``radius_px = fx * radius / z``. ``camera``: one pose (outputs ``[H, W, ...]``)
    or V poses (outputs ``[V, H, W, ...]``).

    A disc covers a pixel when the pixel's centre lies strictly inside it; ``q = d^2 / radius_px^2`` there, ``a = 1 - q``.
    Points with ``z <= 0`` or non-finite data are skipped. Each pixel keeps its ``max_points`` nearest hits in the order of
    ``(z, point index)``.

    ``compositor="alpha"`` (the paper's, PyTorch3D's AlphaCompositor; ``max_points`` 8 by default):
    ``out = sum_k f_k a_k prod_{j<k} (1 - a_j)``.

    ``compositor="surface"`` (``max_points`` 32 by default): walking front to back, a hit whose depth is within
    ``z_first * (1 + depth_tolerance)`` of its surface's first hit joins that surface. A surface has the colour
    ``sum w f / sum w`` with ``w = (1 - q)^6`` and the coverage ``min(1, sum max(0, 1.5 - 2.25 sqrt(q)))``; surfaces are
    composited front to back by coverage.

    Returns a `Raster`: ``feat`` float32, ``alpha`` (the same sum for f = 1), ``disp`` (for f = 1/z), premultiplied;
    ``idx`` int32 ``[.., H, W, max_points]`` on request.
    """
    raise NotImplementedError


@dataclass(frozen=True)
class FlowTrace:
    """Where points drift: ``offset_px`` float32 ``[T+1, P, 2]`` (x, y) from the start after 0..T steps; ``inside`` bool
    ``[T+1, P]``, False from the step at which the path left the frame."""

    offset_px: Tensor
    inside: Tensor


def integrate_flow(
    step_px: Tensor, num_steps: int, *, start_px: Tensor | None = None, sampling: Sampling = "bilinear"
) -> FlowTrace:
    """Euler integration of an Eulerian flow field: every intermediate displacement in one pass, O(num_steps).

    ``step_px`` float32 ``[H, W, 2]``, pixels per step (x, y). ``start_px`` float32 ``[P, 2]``: start positions, pixel centres at
    +0.5; None: the centre of every pixel, row-major, P = H*W. For the backward direction pass ``-step_px``.

    ``bilinear``: ``x_{k+1} = x_k + F(x_k)``, F interpolated between pixel centres and clamped at the border. A path that
    leaves ``[0, W] x [0, H]`` stays at the first position outside.
    ``nearest``: the released code's rule (``golden/PIPELINE.md`` 6.1), which needs ``start_px=None``.
    """
    raise NotImplementedError


@dataclass(frozen=True)
class Blend:
    """``feat`` float32 ``[.., H, W, C]`` and ``alpha`` ``[.., H, W]``, blended; ``w_fwd``, ``w_bwd`` the weights, ``[.., H, W]``."""

    feat: Tensor
    alpha: Tensor
    w_fwd: Tensor
    w_bwd: Tensor


def blend_bidirectional(fwd: Raster, bwd: Raster, loop_t: float | Tensor, *, sharpness: float = 4.0) -> Blend:
    """Blend the forward- and the backward-displaced raster (the paper's eq. 7).

    ``w_f ~ (1 - t) a_f exp(k d_f)``, ``w_b ~ t a_b exp(k d_b)``, divided by ``max(w_f + w_b, 1e-6)``; ``k`` is ``sharpness``,
    ``d`` the composited disparity. ``loop_t`` in 0..1: a number, or float32 ``[.., H, W]``.
    """
    raise NotImplementedError


def find_holes(
    disp: Tensor,
    disp_hidden: Tensor,
    travel_px: Tensor,
    camera: Camera,
    frame_px: tuple[int, int, int, int],
    *,
    tear_disp: float,
) -> Tensor:
    """Mark the pixels of a hidden surface that some view, or some motion, reveals. Returns bool ``[H, W]``.

    ``disp`` float32 ``[H, W]``: disparity (1/z) of the layer in front, 0 where it has no pixel. ``disp_hidden``: disparity of
    the surface that continues behind it, <= 0 where there is none. ``travel_px`` ``[H, W]``: how far the layer's pixel can
    drift. ``camera``: the layer's intrinsics with V poses. ``frame_px``: ``(x0, y0, x1, y1)``, the part of the layer's canvas
    that the views show. Neighbours whose disparities differ by more than ``tear_disp`` are not connected.

    A hidden pixel is revealed when its line of sight to some camera crosses the layer at tears only. In ``(u, v, disp)``
    that line is straight: ``(u, v, w)(s) = (u0, v0, w0) + s (fx (cx - xn cz), fy (cy - yn cz), 1 - cz w0)`` with the camera
    centre ``(cx, cy, cz)`` and ``(xn, yn)`` the pixel's ray. It is walked one pixel (of its longer axis) at a time.
    """
    raise NotImplementedError
