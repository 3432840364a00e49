"""The photo's maps, continued past its border into a margin."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch

from .. import ops
from ..data import FlowField, Image
from ..pixels.crossing import fetched, sent
from .inpainter import Inpainter, repaint
from .matte import Matte

MAX_INFLOW = 0.08  # of the longer side


@dataclass(frozen=True, eq=False)
class Canvas:
    """The photo's maps, continued into the margin: all ``[H, W, ...]``. ``exists``: some view, or some drift, can show it.
    ``cover`` 0..1: how much of the pixel its surface covers."""

    rgb: np.ndarray
    disp: np.ndarray
    step_px: np.ndarray
    moving: np.ndarray
    seen: np.ndarray
    exists: np.ndarray
    cover: np.ndarray


def make_canvas(
    image: Image,
    disp: np.ndarray,
    flow: FlowField,
    margin_px: int,
    static_px: int,
    tear_disp: float,
    inpainter: Inpainter | None,
    device: torch.device,
    painter: Executor,
) -> tuple[Canvas, Future[np.ndarray]]:
    """``margin_px`` more on every side, of which only fluids need more than ``static_px``; filled on ``device``.

    Depth edges ask for the margin's disparities, not for its colours: ``painter`` paints these beside; those of the canvas
    go on as the photo ends.
    """

    def pad(values: np.ndarray) -> np.ndarray:
        return cv2.copyMakeBorder(values, *4 * (margin_px,), cv2.BORDER_REPLICATE)

    def inner(inset_px: int) -> np.ndarray:
        inside = np.zeros(wide.shape, bool)
        inside[inset_px : wide.shape[0] - inset_px, inset_px : wide.shape[1] - inset_px] = True
        return inside

    wide, moving = pad(disp), pad(flow.moving.cpu().numpy().view(np.uint8)).view(bool)
    seen = inner(margin_px)
    exists = inner(margin_px - static_px) | moving
    beyond = exists & ~seen
    known = np.where(seen, wide, 0)
    rgb = pad(image.rgb.cpu().numpy())

    def paint() -> np.ndarray:
        if inpainter is not None:
            return repaint(inpainter, rgb, beyond, unseen=~seen)
        return inpaint(rgb, known, beyond, wide, tear_disp, device)[0]

    black = np.zeros_like(rgb)  # of which no colours are looked for
    _, filled = inpaint(black, known, beyond, wide, tear_disp, device)
    canvas = Canvas(
        rgb,
        np.where(beyond, filled, wide),
        pad(flow.step_px.cpu().numpy()),
        moving,
        seen,
        exists,
        np.ones(wide.shape, np.float32),
    )
    return canvas, painter.submit(paint)


def with_soft_edges(front: Canvas, matte: Matte) -> Canvas:
    """``front`` with the nearer surfaces alone, as far as they reach, in the pixels of ``matte``."""
    return replace(
        front,
        rgb=with_values(front.rgb, matte.pixel, matte.near_rgb),
        disp=with_values(front.disp, matte.pixel, matte.near_disp),
        cover=with_values(front.cover, matte.pixel, matte.alpha),
        moving=with_values(front.moving, matte.pixel, False),
        step_px=with_values(front.step_px, matte.pixel, 0.0),
    )


def inflow_px(flow: FlowField, loop_steps: int) -> int:
    """How far (px) the fluid at the photo's border drifts in one loop."""
    speed = (flow.step_px.norm(dim=-1) * flow.moving).cpu()
    fastest = max(float(edge.max()) for edge in (speed[0], speed[-1], speed[:, 0], speed[:, -1]))
    return min(int(np.ceil(fastest * loop_steps)), int(MAX_INFLOW * max(speed.shape)), min(speed.shape) - 1)


def inpaint(
    rgb: np.ndarray,
    disp: np.ndarray,
    hole: np.ndarray,
    disp_hidden: np.ndarray,
    tear_disp: float,
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:
    """`ops.inpaint_layers` of arrays, on ``device``."""
    filled_rgb, filled_disp = fetched(*ops.inpaint_layers(*sent(device, rgb, disp, hole, disp_hidden), tear_disp=tear_disp))
    return filled_rgb, filled_disp


def with_values(plane: np.ndarray, pixel: np.ndarray, values: Any) -> np.ndarray:
    """A copy of ``plane [H, W, ...]`` that has ``values`` at the flat indices ``pixel``."""
    changed = plane.copy()
    changed.reshape(-1, *plane.shape[2:])[pixel] = values
    return changed


def spread_out(pixel: np.ndarray, values: Any, shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    """A map that has ``values`` at the flat indices ``pixel`` and 0 elsewhere."""
    spread: np.ndarray = np.zeros(shape, dtype)
    spread.reshape(-1)[pixel] = values
    return spread
