"""`splat_hits` and `splat_depth`: what `splat_points` found in each pixel, for depths and compositors of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..data import SPLAT_RULES, Camera, Cameras
from .call import camera_rows, check_type, choice, real, says_memory_lacks
from .splat import Compositor, RadiusUnit, splat_points

DepthKind = Literal["expected", "median", "nearest"]
LEAST_WEIGHT = 1e-36
DEPTH_KINDS = {"expected": 0, "median": 1, "nearest": 2}


@dataclass(frozen=True, eq=False)
class SplatHits:
    """The points that a pixel shows, nearest first; V views have a leading ``V``.

    Attributes
    ----------
    idx : Tensor
        int32 ``[(V,) H, W, K]``, which point; -1 where there is no further one.
    z_cam : Tensor
        float32, its depth; 0 where there is none.
    q : Tensor
        float32, ``d^2 / radius_px^2`` of the pixel's centre in its disc, 0..1; 1 where there is none.
    weight : Tensor
        float32, its share in the pixel: ``raster.feat = sum_k weight_k feat[idx_k]``; 0 where there is none.
    """

    idx: Tensor
    z_cam: Tensor
    q: Tensor
    weight: Tensor


@says_memory_lacks
def splat_hits(
    xyz: Tensor,
    radius: Tensor | float,
    camera: Camera | Cameras,
    *,
    compositor: Compositor = "surface",
    max_points: int | None = None,
    depth_tolerance: float = SPLAT_RULES.depth_tolerance,
    opacity: Tensor | None = None,
    radius_unit: RadiusUnit = "scene",
) -> SplatHits:
    """The hits of every pixel and their weights, as PyTorch3D's ``rasterize_points`` gives ``idx``, ``zbuf`` and ``dists``.

    Parameters
    ----------
    xyz, radius, camera, compositor, max_points, depth_tolerance, opacity, radius_unit
        As `splat_points`.

    Returns
    -------
    SplatHits

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As every op (see the head of this page).

    Notes
    -----
    `splat_points` finds the hits; depths and weights are worked out again by torch, from the same formulas: differentiable in
    everything, and some ``K`` times the memory of a picture. For pictures use `splat_points`.

    Examples
    --------
    >>> import torch
    >>> import c3drender as c3d
    >>> xyz = torch.tensor([[0.0, 0.0, 2.0], [0.0, 0.0, 4.0]])
    >>> hits = c3d.ops.splat_hits(xyz, 0.2, c3d.Camera.for_photo(9, 9), max_points=3)
    >>> hits.idx[4, 4].tolist(), hits.z_cam[4, 4].tolist()
    ([0, 1, -1], [2.0, 4.0, 0.0])
    >>> float(c3d.ops.splat_depth(hits)[4, 4])
    2.0
    """
    op = "splat_hits"
    check_type(op, "xyz", xyz, Tensor)
    if not isinstance(radius, Tensor):
        radius = real(op, "radius", radius)
    with torch.no_grad():
        raster = splat_points(
            xyz,
            torch.zeros(len(xyz) if xyz.dim() else 0, 1, dtype=torch.float32, device=xyz.device),
            radius,
            camera,
            compositor=compositor,
            max_points=max_points,
            depth_tolerance=depth_tolerance,
            opacity=opacity,
            radius_unit=radius_unit,
            return_idx=True,
        )
    assert raster.idx is not None
    idx = raster.idx if raster.idx.dim() == 4 else raster.idx[None]
    if len(idx) == 0:  # no camera
        nothing = torch.zeros_like(idx, dtype=torch.float32)
        return SplatHits(idx, nothing, nothing, nothing)
    views = [
        _hits_of_view(xyz, radius, row, hits, radius_unit, camera.width, camera.height)
        for row, hits in zip(camera_rows(op, camera).to(xyz.device), idx, strict=True)
    ]
    z_cam, q = (torch.stack(parts) for parts in zip(*views, strict=True))
    is_hit = idx >= 0
    if opacity is None or len(xyz) == 0:
        opaque = is_hit.to(q.dtype)
    else:
        opaque = torch.where(is_hit, opacity[idx.clamp_min(0).long()], 0.0)
    if compositor == "alpha":
        through = torch.cumprod(1.0 - opaque * (1.0 - q), dim=-1)
        weight = opaque * (1.0 - q) * torch.cat([torch.ones_like(q[..., :1]), through[..., :-1]], dim=-1)
    else:
        weight = _surface_weights(z_cam, q, opaque, is_hit, depth_tolerance)
    parts = (idx, z_cam, q, weight)
    return SplatHits(*(part if raster.idx.dim() == 4 else part[0] for part in parts))


def _hits_of_view(
    xyz: Tensor, radius: Tensor | float, row: Tensor, idx: Tensor, radius_unit: str, width: int, height: int
) -> tuple[Tensor, Tensor]:
    fx, fy, cx, cy = row[:4]
    # Term by term, as the kernels: a product of matrices has other bits for other numbers of threads.
    x, y, z = (m[0] * xyz[:, 0] + m[1] * xyz[:, 1] + m[2] * xyz[:, 2] + m[3] for m in row[4:].reshape(3, 4))
    radius_px = fx * radius / z if radius_unit == "scene" else radius + torch.zeros_like(z)
    if radius_unit == "ndc":
        radius_px = radius_px * (min(width, height) / 2)
    is_hit, point = idx >= 0, idx.clamp_min(0).long()
    if len(xyz) == 0:
        return torch.zeros_like(idx, dtype=xyz.dtype), torch.ones_like(idx, dtype=xyz.dtype)
    lines, columns = (torch.arange(side, dtype=torch.float32, device=xyz.device) + 0.5 for side in (height, width))
    row_px, column_px = torch.meshgrid(lines, columns, indexing="ij")
    # What is no hit is taken out before the division: its gradient would be NaN however it is masked after.
    dx = torch.where(is_hit, (fx * x / z + cx)[point] - column_px[..., None], 1.0)
    dy = torch.where(is_hit, (fy * y / z + cy)[point] - row_px[..., None], 0.0)
    q = (dx * dx + dy * dy) / torch.where(is_hit, radius_px[point], 1.0) ** 2
    return torch.where(is_hit, z[point], 0.0), q


def _surface_weights(z: Tensor, q: Tensor, opacity: Tensor, is_hit: Tensor, depth_tolerance: float) -> Tensor:
    """The walk of the kernels (`splat_points`), hit by hit for all pixels; then what each surface is in the end goes back to
    its hits."""
    own = torch.where(is_hit, _sixth_power(1.0 - q), 0.0)
    cap = torch.where(is_hit, torch.maximum(1.4 - 3.15 * q, 0.005 * (1.0 - q)), 0.0)
    through = torch.ones_like(q[..., 0])
    z_end = weight = opaque = cover = torch.zeros_like(through)
    opens: list[Tensor] = []
    weights: list[Tensor] = []  # of the surface up to each hit
    shares: list[Tensor] = []  # what it covers of what those in front let through
    for k in range(q.shape[-1]):
        opens.append(is_hit[..., k] & (z[..., k].detach() > z_end))
        hides = cover.clamp_max(1.0) * opaque / _divisor(weight)
        through = torch.where(opens[k], through * (1.0 - hides), through)
        z_end = torch.where(opens[k], z[..., k].detach() * (1.0 + depth_tolerance), z_end)
        weight, opaque, cover = (torch.where(opens[k], 0.0, total) for total in (weight, opaque, cover))
        weight = weight + own[..., k]
        opaque = opaque + own[..., k] * opacity[..., k]
        cover = cover + cap[..., k]
        weights.append(weight)
        shares.append(through * cover.clamp_max(1.0))
    for k in reversed(range(len(opens) - 1)):
        weights[k] = torch.where(opens[k + 1], weights[k], weights[k + 1])
        shares[k] = torch.where(opens[k + 1], shares[k], shares[k + 1])
    return own / _divisor(torch.stack(weights, dim=-1)) * torch.stack(shares, dim=-1) * opacity


def _sixth_power(x: Tensor) -> Tensor:
    """By products, as the kernels: torch's pow has other bits at the ends of its threads' shares."""
    square = x * x
    return square * square * square


def _divisor(weight: Tensor) -> Tensor:
    """1 for the weight of hits that lie within a millionth of their rims: the gradient of a quotient by it is past float32."""
    return torch.where(weight > LEAST_WEIGHT, weight, 1.0)


@says_memory_lacks
def splat_depth(hits: SplatHits, kind: DepthKind = "expected") -> Tensor:
    """One depth for each pixel.

    Parameters
    ----------
    hits : SplatHits
        Of `splat_hits`.
    kind : {"expected", "median", "nearest"}
        ``expected``: the mean, ``sum w z / sum w``. ``median``: of the hit at which, from the front, half of what the pixel
        shows is reached: never between two surfaces. ``nearest``: of the nearest hit that shows.

    Returns
    -------
    Tensor
        float32 ``[(V,) H, W]`` along the view axis, 0 where no point shows.

    Notes
    -----
    Differentiable where ``hits`` is. The expected inverse depth costs no hits: ``raster.disp / raster.alpha``.
    """
    choice("splat_depth", "kind", kind, DEPTH_KINDS)
    total = hits.weight.sum(-1)
    if kind == "expected":
        return (hits.weight * hits.z_cam).sum(-1) / torch.where(total > 0, total, 1.0)
    least = 0.5 * total[..., None] if kind == "median" else torch.zeros_like(total)[..., None]
    reached = hits.weight.cumsum(-1)
    reached = reached >= least if kind == "median" else reached > least
    # argmax takes the first of equals; for bytes it is there on every device
    first = reached.to(torch.uint8).argmax(-1, keepdim=True)
    return torch.where(total > 0, hits.z_cam.gather(-1, first)[..., 0], 0.0)
