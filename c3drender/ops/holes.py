"""`find_holes`: what some view reveals of a hidden surface."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..data import SPLAT_RULES, Camera, SplatRules
from .call import call, camera_rows, check_tensors, check_type, in_float32, whole


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
    """Mark the pixels of a hidden surface that some view reveals, at rest or drifting.

    A hidden pixel is revealed by a view when the layers' discs, composited by `splat_points`' rule ``surface``, leave free
    more than a quarter of the view's pixel in which it lies. Only discs beside that pixel's line of sight matter. The line is
    straight in ``(u, v, disp)``: ``(u, v, w)(s) = (u0, v0, w0) + s (fx (cx - xn cz), fy (cy - yn cz), 1 - cz w0)`` with the
    camera centre ``(cx, cy, cz)`` and ``(xn, yn)`` a point's ray. A hidden pixel that belongs to the fluid is also revealed
    where a view sees it after up to ``num_steps`` Euler steps, forward or backward, on the fluid's surface where it arrives.

    Parameters
    ----------
    disp : Tensor
        float32 ``[H, W]``, or ``[L, H, W]`` near to far, L <= 256: disparity (1/z) of what lies in front, 0 where a layer has
        none.
    disp_hidden : Tensor
        ``[H, W]``: disparity of the surface that continues behind it, <= 0 where there is none; where it is not clear of the
        last layer by ``depth_tolerance`` it is not hidden.
    disp_fluid : Tensor
        ``[H, W]``: disparity of the fluid's surface, which is a layer's or the hidden one's, <= 0 where nothing flows.
    step_px : Tensor
        ``[H, W, 2]``: px per frame, (x, y), by which it drifts.
    camera : Camera
        The layers' intrinsics with V poses.
    frame_px : (int, int, int, int)
        ``(x0, y0, x1, y1)``, the part of the layers' canvas that the views show.
    num_steps : int
        Euler steps that the fluid drifts, at most; 0..1024.
    loop_steps : int
        With it the views are the frames of a loop: view v looks when the fluid has drifted ``v % loop_steps`` steps forward,
        or ``loop_steps`` less that backward; with 0 any view may look at any moment.
    rules : SplatRules
        With which `splat_points` draws the layers and `drift_points` the fluid.

    Returns
    -------
    Tensor
        bool ``[H, W]``.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As every op (see the head of this page).

    Examples
    --------
    A post before a wall, seen from its left and its right: each uncovers a strip of the wall beside the post's edges.

    >>> import torch
    >>> import c3drender as c3d
    >>> wall = torch.full((32, 32), 0.25)
    >>> front = wall.clone()
    >>> front[:, 12:20] = 1.0
    >>> poses = torch.eye(3, 4).repeat(2, 1, 1)
    >>> poses[:, 0, 3] = torch.tensor([-0.1, 0.1])
    >>> still = torch.zeros(32, 32)
    >>> camera = c3d.Camera.for_photo(32, 32).with_pose(poses)
    >>> holes = c3d.ops.find_holes(front, wall, still, torch.zeros(32, 32, 2), camera, (0, 0, 32, 32), num_steps=0)
    >>> bool(holes[:, 12:20].any()), bool(holes[:, 15:17].any())
    (True, False)
    """
    op = "find_holes"
    check_tensors(op, disp=disp, disp_hidden=disp_hidden, disp_fluid=disp_fluid, step_px=step_px)
    check_type(op, "camera", camera, Camera)
    if disp.dim() not in (2, 3) or disp.shape[-2:] != (camera.height, camera.width):
        expected = f"[H, W] or [L, H, W] with [H, W] = [{camera.height}, {camera.width}] (from camera)"
        raise ValueError(f"{op}: disp must be {expected}, got {list(disp.shape)}")
    if not isinstance(frame_px, (tuple, list)) or len(frame_px) != 4:
        raise ValueError(f"{op}: frame_px must be (x0, y0, x1, y1), got {frame_px!r}")
    frame = [whole(op, "frame_px", side) for side in frame_px]
    steps = whole(op, "num_steps", num_steps), whole(op, "loop_steps", loop_steps)
    check_type(op, "rules", rules, SplatRules)
    limits = (rules.radius_px, rules.depth_tolerance, rules.least_existence)
    if camera.pose.requires_grad and torch.is_grad_enabled():
        raise ValueError(f"{op}: camera.world_to_cam must not require grad: holes have no gradient")
    maps = in_float32(op, disp if disp.dim() == 3 else disp[None], disp_hidden, disp_fluid, step_px)
    holes: Tensor = call(torch.ops.c3drender.find_holes, *maps, *steps, camera_rows(op, camera), *frame, *limits)
    return holes


@torch.library.register_fake("c3drender::find_holes")
def _(disp: Tensor, disp_hidden: Tensor, *args: Any) -> Tensor:
    return torch.empty_like(disp_hidden, dtype=torch.bool)
