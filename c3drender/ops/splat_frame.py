"""`splat_frame`: points to a finished frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..data import SPLAT_RULES, Camera, Frame, PointCloud
from .call import call, camera_rows, check_tensors, check_type, dense, ranges_of, real, whole
from .splat import DEFAULT_MAX_POINTS


def splat_frame(
    points: PointCloud,
    camera: Camera,
    hidden: Sequence[tuple[int, int]],
    loop_t: float,
    *,
    sharpness: float,
    least_alpha: float,
    max_points: int = DEFAULT_MAX_POINTS["surface"],
    depth_tolerance: float = SPLAT_RULES.depth_tolerance,
    now: Tensor | None = None,
) -> Frame:
    """Points of colour and confidence to a finished frame in 8 bits.

    What `compose_frame` makes of the pictures by `splat_points`, compositor ``"surface"``, that the loop's two sides see
    through ``camera``; on the CPU without keeping either: each tile is composed while it is in the cache. Not differentiable.

    Parameters
    ----------
    points : PointCloud
        ``feat`` ``[N, 4]``, colour and confidence.
    camera : Camera
    hidden : sequence of (int, int)
        For each side, forward and backward, the points ``first .. end - 1`` that it does not see. One alone is both.
    loop_t, sharpness, least_alpha : float
        As in `compose_frame`.
    max_points, depth_tolerance
        As in `splat_points`.
    now : Tensor, optional
        float32 ``[17]`` beside the points: fx, fy, cx, cy, the pose row by row, and the moment, which stand for those of
        ``camera`` and ``loop_t``: a CUDA graph of the call then draws whatever view is written there. CUDA, which does not
        wait to see them, takes any; the size is ``camera``'s.

    Returns
    -------
    Frame

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As every op (see the head of this page).

    Examples
    --------
    >>> import torch
    >>> import c3drender as c3d
    >>> from c3drender.data import PointCloud
    >>> point = PointCloud(torch.tensor([[0.0, 0.0, 2.0]]), torch.tensor([[1.0, 0.5, 0.0, 1.0]]), torch.tensor([0.5]))
    >>> frame = c3d.ops.splat_frame(point, c3d.Camera.for_photo(9, 9), [(0, 0)], 0.0, sharpness=4.0, least_alpha=1e-4)
    >>> frame.rgb_u8[4, 4]
    tensor([255, 128,   0], dtype=torch.uint8)
    """
    op = "splat_frame"
    check_type(op, "points", points, PointCloud)
    check_type(op, "camera", camera, Camera)
    tensors = {
        name: getattr(points, name) for name in ("xyz", "feat", "radius", "opacity") if getattr(points, name) is not None
    }
    beside = {} if now is None else {"now": now}
    check_tensors(op, **{f"points.{name}": tensor for name, tensor in tensors.items()}, **beside)
    xyz, feat, radius, *opacity = dense(op, *tensors.values())
    results = call(
        torch.ops.c3drender.splat_frame,
        xyz,
        feat,
        radius,
        camera_rows(op, camera),
        camera.width,
        camera.height,
        ranges_of(op, "hidden", hidden),
        opacity[0] if opacity else None,
        whole(op, "max_points", max_points),
        *(real(op, "depth_tolerance", depth_tolerance), real(op, "loop_t", loop_t)),
        *(real(op, "sharpness", sharpness), real(op, "least_alpha", least_alpha)),
        now,
    )
    return Frame(*results)


@torch.library.register_fake("c3drender::splat_frame")
def _(
    xyz: Tensor,
    feat: Tensor,
    radius: Tensor,
    cameras: Tensor,
    width: int,
    height: int,
    hidden: Tensor,
    opacity: Tensor | None,
    max_points: int,
    depth_tolerance: float,
    loop_t: float,
    sharpness: float,
    least_alpha: float,
    now: Tensor | None = None,
) -> tuple[Tensor, ...]:
    return xyz.new_empty(height, width, 3, dtype=torch.uint8), xyz.new_empty(height, width, dtype=torch.bool)
