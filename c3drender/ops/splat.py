"""`splat_points`: feature points as round discs, composited per pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ..data import SPLAT_RULES, Camera, Raster
from .call import (
    SIDE,
    call,
    camera_rows,
    check_dims,
    check_tensors,
    check_type,
    choice,
    contiguous,
    in_float32,
    real,
    refuse_gradient,
    whole,
)

Compositor = Literal["alpha", "surface"]
COMPOSITORS = {"alpha": 0, "surface": 1}
DEFAULT_MAX_POINTS = {"alpha": 8, "surface": 32}


def _ranges(op: str, name: str, ranges: Sequence[tuple[int, int]]) -> Tensor:
    """``[V, 2]`` int64 in host memory."""
    if not isinstance(ranges, Sequence) or not all(isinstance(pair, Sequence) and len(pair) == 2 for pair in ranges):
        raise TypeError(f"{op}: {name} must be a sequence of (first, end), got {ranges!r:.80}")
    pairs = [[whole(op, name, end) for end in pair] for pair in ranges]
    return torch.tensor(pairs, dtype=torch.int64, device="cpu").reshape(-1, 2)


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

    A disc covers a pixel when the pixel's centre lies strictly inside it; ``q = d^2 / radius_px^2`` there, ``a = 1 - q``.
    Points with ``z <= 0`` or a non-finite position or radius are skipped; features are taken as they are. Each pixel keeps its
    ``max_points`` nearest hits in the order of ``(z, point index)``. With ``o`` the ``opacity``:

    - ``compositor="alpha"`` (the paper's, PyTorch3D's AlphaCompositor): ``out = sum_k f_k o_k a_k prod_{j<k} (1 - o_j a_j)``.
    - ``compositor="surface"``: walking front to back, a hit whose depth is within ``z_first * (1 + depth_tolerance)`` of its
      surface's first hit joins that surface. A surface has the colour ``sum w o f / sum w o`` with ``w = (1 - q)^6`` and the
      coverage ``min(1, sum max(1.4 - 3.15 q, 0.005 a)) sum w o / sum w``; surfaces are composited front to back by coverage.

    Parameters
    ----------
    xyz : Tensor
        float32 ``[N, 3]``, world space.
    feat : Tensor
        float32, float16 or bfloat16 ``[N, C]``, 1 <= C <= 256.
    radius : Tensor or float
        Scene units, float32 ``[N]`` or a number: on screen ``radius_px = fx * radius / z``.
    camera : Camera
        One pose (outputs ``[H, W, ...]``) or V poses (outputs ``[V, H, W, ...]``).
    compositor : {"surface", "alpha"}
    max_points : int, optional
        Hits that a pixel keeps, 1..64; by default 8 for ``alpha``, 32 for ``surface``.
    depth_tolerance : float
        Of ``surface``, relative.
    opacity : Tensor, optional
        float32 ``[N]``, 0..1; None gives the same bits as ones.
    return_idx : bool
        Return ``idx``, too.
    hidden : sequence of (int, int), optional
        For each pose the points ``(first, end)`` that it does not see. Consecutive equal poses share the work for what they
        all see: two sides of a blend that differ in a few points cost little more than one.
    out : Raster, optional
        Write to this raster instead of fresh memory, which costs time to get when frames are large; not differentiable,
        without ``idx``.

    Returns
    -------
    Raster
        ``feat`` float32, ``alpha`` (the same sum for f = 1), ``disp`` (for f = 1/z), premultiplied; ``idx`` int32
        ``[.., H, W, max_points]`` on request.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As every op (see the head of this page).

    Notes
    -----
    Differentiable once in ``xyz``, ``feat`` and a tensor ``radius``: which points hit a pixel, and in which order, counts as
    constant, so nothing pulls a point towards a pixel that it does not touch. Camera and opacity have no gradient.

    References
    ----------
    Li et al., "3D Cinemagraphy from a Single Image", CVPR 2023. Wiles et al., "SynSin: End-to-end View Synthesis from a Single
    Image", CVPR 2020 (``alpha``). Zwicker et al., "Surface Splatting", SIGGRAPH 2001.

    Examples
    --------
    >>> import torch
    >>> import c3drender as c3d
    >>> xyz = torch.tensor([[0.0, 0.0, 2.0], [0.0, 0.0, 4.0]])
    >>> feat = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> raster = c3d.ops.splat_points(xyz, feat, 0.2, c3d.Camera.for_photo(9, 9))
    >>> raster.feat.shape
    torch.Size([9, 9, 3])
    >>> raster.feat[4, 4]  # the nearer point hides the other
    tensor([1., 0., 0.])
    """
    op = "splat_points"
    check_type(op, "camera", camera, Camera)
    check_type(op, "return_idx", return_idx, bool)
    kind = choice(op, "compositor", compositor, COMPOSITORS)
    most = DEFAULT_MAX_POINTS[compositor] if max_points is None else whole(op, "max_points", max_points)
    if isinstance(radius, Tensor):
        check_tensors(op, xyz=xyz, feat=feat, radius=radius)
        (per_point,), radius_all = in_float32(radius), 0.0
    else:
        check_tensors(op, xyz=xyz, feat=feat)
        per_point, radius_all = None, real(op, "radius", radius)
    if opacity is not None:
        check_tensors(op, xyz=xyz, opacity=opacity)
        if opacity.requires_grad and torch.is_grad_enabled():
            raise ValueError(f"{op}: opacity must not require grad: it has no gradient")
        (opacity,) = in_float32(opacity)
    (xyz,) = in_float32(xyz)
    inputs = (xyz, feat) if per_point is None else (xyz, feat, per_point)
    needs_grad = torch.is_grad_enabled() and any(t.requires_grad for t in inputs)
    keeps_idx = return_idx or needs_grad
    is_batch = camera.world_to_cam is not None and camera.world_to_cam.dim() == 3
    rows = camera_rows(op, camera)
    numbers = (camera.width, camera.height, kind, most, real(op, "depth_tolerance", depth_tolerance))
    ranges = None if hidden is None else _ranges(op, "hidden", hidden)
    if out is not None:
        if keeps_idx:
            raise ValueError(f"{op}: out must be None with return_idx or where a gradient is needed, got a Raster")
        check_type(op, "out", out, Raster)
        check_tensors(op, xyz=xyz, **{f"out.{name}": getattr(out, name) for name in SIDE})
        results = tuple(getattr(out, name) if is_batch else getattr(out, name)[None] for name in SIDE)
        call(torch.ops.c3drender.splat_points_out, xyz, feat, per_point, radius_all, rows, *numbers, ranges, opacity, *results)
        return out
    feat_out, alpha, disp, idx = call(
        torch.ops.c3drender.splat_points, xyz, feat, per_point, radius_all, rows, *numbers, keeps_idx, ranges, opacity
    )
    if not is_batch:
        feat_out, alpha, disp = feat_out[0], alpha[0], disp[0]
        idx = idx[0] if keeps_idx else idx
    return Raster(feat_out, alpha, disp, idx if return_idx else None)


@torch.library.register_fake("c3drender::splat_points")
def _(
    xyz: Tensor,
    feat: Tensor,
    radius: Tensor | None,
    radius_all: float,
    cameras: Tensor,
    width: int,
    height: int,
    compositor: int,
    max_points: int,
    depth_tolerance: float,
    return_idx: bool,
    hidden: Tensor | None = None,
    opacity: Tensor | None = None,
) -> tuple[Tensor, ...]:
    check_dims("splat_points", "feat", feat, "[N, C]")
    views = (cameras.shape[0], height, width)
    idx_shape = (*views, max_points) if return_idx else (0,)
    return (
        xyz.new_empty((*views, feat.shape[1])),
        xyz.new_empty(views),
        xyz.new_empty(views),
        xyz.new_empty(idx_shape, dtype=torch.int32),
    )


@torch.library.register_fake("c3drender::splat_points_out")
def _(*args: Any) -> None:
    return None


@torch.library.register_fake("c3drender::splat_points_bwd")
def _(
    grad_feat_out: Tensor | None,
    grad_alpha_out: Tensor | None,
    grad_disp_out: Tensor | None,
    xyz: Tensor,
    feat: Tensor,
    radius: Tensor | None,
    radius_all: float,
    cameras: Tensor,
    width: int,
    height: int,
    compositor: int,
    depth_tolerance: float,
    idx: Tensor,
    wants_xyz: bool,
    wants_feat: bool,
    wants_radius: bool,
    opacity: Tensor | None = None,
) -> tuple[Tensor, ...]:
    return (
        xyz.new_empty(xyz.shape if wants_xyz else (0,)),
        xyz.new_empty(feat.shape if wants_feat else (0,)),
        xyz.new_empty((xyz.shape[0],) if wants_radius else (0,)),
    )


def _splat_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    xyz, feat, radius, radius_all, cameras, width, height, compositor, _, depth_tolerance, has_idx, _, opacity = inputs
    ctx.save_for_backward(xyz, feat, radius, cameras, output[3], opacity)
    ctx.numbers = radius_all, width, height, compositor, depth_tolerance
    ctx.has_idx = has_idx
    ctx.set_materialize_grads(False)


def _splat_backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    if not ctx.has_idx:
        raise RuntimeError("splat_points: return_idx must be True for gradients, which need the hits")
    xyz, feat, radius, cameras, idx, opacity = ctx.saved_tensors
    radius_all, width, height, compositor, depth_tolerance = ctx.numbers
    wants = ctx.needs_input_grad[:3]
    grad_xyz, grad_feat, grad_radius = torch.ops.c3drender.splat_points_bwd(
        *contiguous(grads[:3]),
        xyz,
        feat.float(),
        radius,
        radius_all,
        cameras,
        width,
        height,
        compositor,
        depth_tolerance,
        idx,
        *wants,
        opacity,
    )
    found = (grad_xyz, grad_feat.to(feat.dtype), grad_radius)
    return *(grad if wanted else None for grad, wanted in zip(found, wants, strict=True)), *(None,) * 10


torch.library.register_autograd("c3drender::splat_points", _splat_backward, setup_context=_splat_context)
refuse_gradient("splat_points_bwd", "splat_points: has no second derivative")
