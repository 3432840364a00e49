"""`splat_softmax`: an image pushed along a flow, where several pixels arrive weighted by their importance."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data import Camera
from .call import check_float32, check_tensors, in_float32, real, says_memory_lacks
from .splat import splat_points

MOST_EXPONENT = 80.0  # e^-80 is still a float32


@says_memory_lacks
def splat_softmax(
    feat: Tensor,
    flow_px: Tensor,
    importance: Tensor | None = None,
    *,
    radius_px: float = 1.5,
    max_points: int = 32,
) -> tuple[Tensor, Tensor]:
    """Forward-warp an image: softmax splatting, by discs.

    ``out = sum_i w_i exp(Z_i) feat_i / sum_i w_i exp(Z_i)`` over the pixels i that arrive, with ``Z`` the importance and ``w``
    the kernel ``(1 - q)^6`` of `splat_points`' compositor ``surface``, where softmax splatting has the bilinear one. Without
    importance: average splatting.

    Parameters
    ----------
    feat : Tensor
        float32 ``[H, W, C]``, C <= 255.
    flow_px : Tensor
        float32 ``[H, W, 2]``, px (x, y), by which each pixel moves.
    importance : Tensor, optional
        float32 ``[H, W]``. Differences beyond 80 count as 80.
    radius_px : float
        Of the discs. At 1.5 an image that rests hardly blurs, and one stretched by a half has no gaps.
    max_points : int
        Pixels that arrive at one pixel, at most: the most important ones, 1..64.

    Returns
    -------
    feat : Tensor
        ``[H, W, C]``, 0 where nothing arrives.
    alpha : Tensor
        ``[H, W]``, 0..1, how much of each pixel is covered.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As every op (see the head of this page).

    Notes
    -----
    Differentiable once in all three tensors. It is a recipe over `splat_points`: every pixel is a point in front of a camera
    with ``fx = 1``, and ``exp(Z)`` travels as one more channel; for points in space, or other weights, do likewise.

    References
    ----------
    Niklaus and Liu, "Softmax Splatting for Video Frame Interpolation", CVPR 2020.

    Examples
    --------
    >>> import torch
    >>> import c3drender as c3d
    >>> image = torch.linspace(0, 1, 192).view(8, 8, 3)
    >>> warped, alpha = c3d.ops.splat_softmax(image, torch.full((8, 8, 2), 2.0))
    >>> float(alpha[0, 0]), bool((warped[4, 4] - image[2, 2]).abs().max() < 0.05)
    (0.0, True)
    """
    op = "splat_softmax"
    check_tensors(op, feat=feat, flow_px=flow_px, **({} if importance is None else {"importance": importance}))
    if feat.dim() != 3:
        raise ValueError(f"{op}: feat must be [H, W, C], got {list(feat.shape)}")
    height, width, channels = feat.shape
    if flow_px.shape != (height, width, 2):
        raise ValueError(f"{op}: flow_px must be [{height}, {width}, 2] (from feat), got {list(flow_px.shape)}")
    if importance is not None and importance.shape != (height, width):
        raise ValueError(f"{op}: importance must be [{height}, {width}] (from feat), got {list(importance.shape)}")
    feat, flow_px = in_float32(op, feat, flow_px)
    check_float32(op, "feat", feat)
    check_float32(op, "flow_px", flow_px)
    real(op, "radius_px", radius_px)
    if importance is None:
        raised = feat.new_ones(height, width)
    else:
        (importance,) = in_float32(op, importance)
        check_float32(op, "importance", importance)
        largest = importance.detach().max() if importance.numel() else 0.0
        raised = torch.exp((importance - largest).clamp_min(-MOST_EXPONENT))
    rows, columns = (torch.arange(side, dtype=torch.float32, device=feat.device) + 0.5 for side in (height, width))
    v, u = torch.meshgrid(rows, columns, indexing="ij")
    z = 2.0 - raised.detach()  # the most important pixels are the nearest, all within one surface
    xyz = torch.stack([(u + flow_px[..., 0]) * z, (v + flow_px[..., 1]) * z, z], dim=2)
    weighted = torch.cat([feat * raised[..., None], raised[..., None]], dim=2)
    raster = splat_points(
        xyz.reshape(-1, 3),
        weighted.reshape(-1, channels + 1),
        radius_px,
        Camera(1.0, 1.0, 0.0, 0.0, width, height),
        max_points=max_points,
        depth_tolerance=2.0,
        radius_unit="px",
    )
    total = raster.feat[..., -1:]
    return raster.feat[..., :-1] / torch.where(total > 0, total, 1.0), raster.alpha
