"""`splat_points`: feature points as round discs, composited per pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor

from ..data import SPLAT_RULES, Camera, Cameras, Raster
from . import splat_bwd  # noqa: F401  (what torch must know of the op)
from .call import (
    SIDE,
    call,
    camera_rows,
    check_float32,
    check_strided,
    check_tensors,
    check_type,
    choice,
    dense,
    in_float32,
    needs_grad,
    ranges_of,
    real,
    says_memory_lacks,
    whole,
)

Compositor = Literal["alpha", "surface"]
RadiusUnit = Literal["scene", "px", "ndc"]
COMPOSITORS = {"alpha": 0, "surface": 1}
DEFAULT_MAX_POINTS = {"alpha": 8, "surface": 32}
RADIUS_UNITS = {"scene": 0, "px": 1, "ndc": 1}


@says_memory_lacks
def splat_points(
    xyz: Tensor,
    feat: Tensor,
    radius: Tensor | float,
    camera: Camera | Cameras,
    *,
    compositor: Compositor = "surface",
    max_points: int | None = None,
    depth_tolerance: float = SPLAT_RULES.depth_tolerance,
    opacity: Tensor | None = None,
    radius_unit: RadiusUnit = "scene",
    background: Tensor | None = None,
    offsets: Sequence[int] | Tensor | None = None,
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
        float32 ``[N]`` or a number, of ``radius_unit``.
    camera : Camera or Cameras
        A `Camera` with one pose (outputs ``[H, W, ...]``) or V poses (outputs ``[V, H, W, ...]``); or `Cameras`, V with
        intrinsics of their own.
    compositor : {"surface", "alpha"}
    max_points : int, optional
        Hits that a pixel keeps, 1..64; by default 8 for ``alpha``, 32 for ``surface``.
    depth_tolerance : float
        Of ``surface``, relative.
    opacity : Tensor, optional
        float32 ``[N]``, 0..1; None gives the same bits as ones.
    radius_unit : {"scene", "px", "ndc"}
        ``scene``: on screen ``radius_px = fx * radius / z``. ``px``: the same at every depth. ``ndc``: so, too, in units of
        half the picture's shorter side, as PyTorch3D counts.
    background : Tensor, optional
        float32 ``[C]``, or ``[(V,) H, W, C]``: what the points let through to, ``feat + (1 - alpha) * background``.
    offsets : sequence of int or Tensor, optional
        The points are B clouds after each other, cloud b from ``offsets[b]`` to ``offsets[b + 1] - 1``; 0 first, N last.
        Camera b sees cloud b alone; one camera sees them in turn. Outputs are ``[B, H, W, ...]``, ``idx`` counts all N points.
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
    Differentiable once in ``xyz``, ``feat``, a tensor ``radius``, ``opacity``, ``background``, ``camera.world_to_cam`` and the
    ``K`` of `Cameras`: which points hit a pixel, and in which order, counts as constant, so nothing pulls a point towards a
    pixel that it does not touch.

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
    check_type(op, "camera", camera, Camera, Cameras)
    check_type(op, "return_idx", return_idx, bool)
    if offsets is not None:
        options: dict[str, Any] = {"compositor": compositor, "max_points": max_points, "depth_tolerance": depth_tolerance}
        options |= {"radius_unit": radius_unit, "return_idx": return_idx, "hidden": hidden}
        return _splat_clouds(offsets, (xyz, feat, radius, opacity), camera, background, out, options)
    kind = choice(op, "compositor", compositor, COMPOSITORS)
    most = DEFAULT_MAX_POINTS[compositor] if max_points is None else whole(op, "max_points", max_points)
    unit = choice(op, "radius_unit", radius_unit, RADIUS_UNITS)
    optional = {"opacity": opacity, "background": background}
    given = {name: value for name, value in optional.items() if value is not None}
    if isinstance(radius, Tensor):
        check_tensors(op, xyz=xyz, feat=feat, radius=radius, **given)
        (per_point,), radius_all = in_float32(op, radius), 0.0
    else:
        check_tensors(op, xyz=xyz, feat=feat, **given)
        per_point, radius_all = None, real(op, "radius", radius)
    if radius_unit == "ndc":
        px_per_unit = min(camera.width, camera.height) / 2
        per_point, radius_all = None if per_point is None else per_point * px_per_unit, radius_all * px_per_unit
    if opacity is not None:
        (opacity,) = in_float32(op, opacity)
    (xyz,), (feat,) = in_float32(op, xyz), dense(op, feat)
    rows = camera_rows(op, camera)
    keeps_idx = return_idx or needs_grad(xyz, feat, per_point, opacity, rows)
    is_batch = isinstance(camera, Cameras) or camera.pose.dim() == 3
    numbers = (camera.width, camera.height, kind, most, real(op, "depth_tolerance", depth_tolerance))
    ranges = None if hidden is None else ranges_of(op, "hidden", hidden)
    if out is not None:
        if keeps_idx or needs_grad(background):
            raise ValueError(f"{op}: out must be None with return_idx or where a gradient is needed, got a Raster")
        check_type(op, "out", out, Raster)
        check_tensors(op, xyz=xyz, **{f"out.{name}": getattr(out, name) for name in SIDE})
        results = tuple(getattr(out, name) if is_batch else getattr(out, name)[None] for name in SIDE)
        cloud = (xyz, feat, per_point, radius_all, rows)
        call(torch.ops.c3drender.splat_points_out, *cloud, *numbers, ranges, opacity, *results, unit)
        if background is not None:
            out.feat.add_(_let_through(op, out, background))
        return out
    feat_out, alpha, disp, idx = call(
        torch.ops.c3drender.splat_points, xyz, feat, per_point, radius_all, rows, *numbers, keeps_idx, ranges, opacity, unit
    )
    if not is_batch:
        feat_out, alpha, disp = feat_out[0], alpha[0], disp[0]
        idx = idx[0] if keeps_idx else idx
    raster = Raster(feat_out, alpha, disp, idx if return_idx else None)
    if background is None:
        return raster
    return replace(raster, feat=raster.feat + _let_through(op, raster, background))


def _let_through(op: str, raster: Raster, background: Tensor) -> Tensor:
    channels = raster.feat.shape[-1]
    if background.shape not in ((channels,), raster.feat.shape[-3:], raster.feat.shape):
        expected = f"[{channels}] or {list(raster.feat.shape)}"
        raise ValueError(f"{op}: background must be {expected}, got {list(background.shape)}")
    check_float32(op, "background", background)
    return (1.0 - raster.alpha)[..., None] * background


def _splat_clouds(
    offsets: Sequence[int] | Tensor,
    points: tuple[Any, ...],
    camera: Camera | Cameras,
    background: Tensor | None,
    out: Raster | None,
    options: dict[str, Any],
) -> Raster:
    """Each cloud by its camera: they share nothing that one call could save."""
    op = "splat_points"
    if options["hidden"] is not None:
        raise ValueError(f"{op}: hidden must be None with offsets, by which each camera sees a cloud of its own")
    named = {**dict(zip(("xyz", "feat", "radius", "opacity"), points, strict=True)), "background": background}
    check_tensors(op, **{name: value for name, value in named.items() if name in ("xyz", "feat") or isinstance(value, Tensor)})
    bounds = _bounds(op, offsets, len(points[0]))
    num_clouds = len(bounds) - 1
    check_strided(op, "camera.world_to_cam", camera.pose if isinstance(camera, Camera) else camera.world_to_cam)
    cameras = Cameras.of(camera) if isinstance(camera, Camera) else camera
    check_strided(op, "camera.K", cameras.K)
    if len(cameras) not in (1, num_clouds):
        raise ValueError(f"{op}: camera must be one, or one for each of {num_clouds} clouds, got {len(cameras)}")
    if out is not None:
        check_type(op, "out", out, Raster)
        check_tensors(op, xyz=points[0], **{f"out.{name}": getattr(out, name) for name in SIDE})
    rasters = []
    for b, (first, end) in enumerate(pairwise(bounds)):
        xyz, feat, radius, opacity = (t[first:end] if isinstance(t, Tensor) else t for t in points)
        raster = splat_points(
            xyz,
            feat,
            radius,
            cameras if len(cameras) == 1 else cameras[b : b + 1],
            opacity=opacity,
            background=background[b : b + 1] if isinstance(background, Tensor) and background.dim() == 4 else background,
            out=None if out is None else Raster(*(getattr(out, name)[b : b + 1] for name in SIDE)),
            **options,
        )
        rasters.append(
            raster if raster.idx is None else replace(raster, idx=torch.where(raster.idx < 0, -1, raster.idx + first))
        )
    if out is not None:
        return out
    feat, alpha, disp = (torch.cat([getattr(raster, name) for raster in rasters]) for name in SIDE)
    idx = [raster.idx for raster in rasters if raster.idx is not None]
    return Raster(feat, alpha, disp, torch.cat(idx) if idx else None)


def _bounds(op: str, offsets: Sequence[int] | Tensor, num_points: int) -> list[int]:
    listed = offsets.tolist() if isinstance(offsets, Tensor) and offsets.dim() == 1 and not offsets.is_meta else offsets
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        raise TypeError(f"{op}: offsets must be a sequence of integers or a tensor [B + 1], got {type(offsets).__name__}")
    bounds = [whole(op, "offsets", bound) for bound in listed]
    rising = all(first <= end for first, end in pairwise(bounds))
    if len(bounds) < 2 or bounds[0] != 0 or bounds[-1] != num_points or not rising:
        raise ValueError(f"{op}: offsets must rise from 0 to N = {num_points} (from xyz), got {bounds!s:.80}")
    return bounds
