"""The contact sheet: every intermediate result of a scene as one captioned picture. Pure functions from tensors to pixels."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from torch import Tensor

from .data import Frame, Image
from .files.scene import Scene
from .pixels.sheet import TILE_WIDTH_PX, Picture, Tile, compose, fit_width, flow_colours

ARROW_SPACING_PX = 24
MAX_ARROW_PX = 40
ARROW_FRAMES = (1, 2, 5, 10, 20, 50, 100, 200)  # a drawn arrow is this long a motion: the most that fits
WHEEL_RADIUS_PX = 34
WHEEL_INSET_PX = 8
MOVING_COLOUR = (0, 190, 255)
FILLED_COLOUR = (255, 60, 170)
CHECKER_GREYS = (70, 90)


def contact_sheet(photo: Image, scene: Scene, frames: Mapping[int, Frame], num_frames: int) -> Picture:
    """``frames``: some frames of the video by their number, of ``num_frames``."""
    layers = scene.layers
    height, width = photo.size
    disp, step_px, moving = (
        layers.of_photo(values).cpu().numpy() for values in (1.0 / layers.z_cam, layers.step_px, layers.moving)
    )
    near, far = 1 / disp.max(), 1 / disp[disp > 0].min()
    picture = _to_u8(photo.rgb)
    tiles = [
        Tile(picture, "photo", f"{width} x {height} px"),
        Tile(_depth_picture(disp), "depth", f"red is near, blue is far; z {near:.3g} to {far:.3g}"),
        Tile(_mask_picture(picture, moving), "mask", f"{moving.mean():.0%} of the picture moves"),
        flow_tile(picture, step_px, moving),
        *_layer_tiles(scene),
        *(Tile(frame.rgb_u8.cpu().numpy(), f"frame {n}", f"of {num_frames}") for n, frame in sorted(frames.items())),
    ]
    return compose(tiles)


def _layer_tiles(scene: Scene) -> list[Tile]:
    """What the photo shows, what lies hidden behind it (the nearest on top), and where colour was made up."""
    layers = scene.layers

    def planes(values: Tensor) -> list[np.ndarray]:
        return [layers.plane(values, layer).cpu().numpy() for layer in range(layers.num_layers)]

    alpha, filled = np.stack(planes(layers.alpha)), np.stack(planes(~layers.seen))
    front, *hidden = (_to_u8(layers.plane(layers.rgb, layer)) for layer in range(layers.num_layers))
    tiles = [Tile(_over(front, alpha[0], _checker(front)), "layer 0", "what the photo shows, continued past its border")]
    if hidden:
        shown = _checker(front)
        for picture, coverage in reversed(list(zip(hidden, alpha[1:], strict=True))):
            shown = _over(picture, coverage, shown)
        title = "layer 1" if len(hidden) == 1 else f"layers 1 to {len(hidden)}"
        tiles.append(
            Tile(shown, title, f"what camera and motion reveal, {(alpha[1:] > 0).any(axis=0).mean():.1%} of the canvas")
        )
    marked = front // 2
    marked[filled.any(axis=0)] = FILLED_COLOUR
    detail = f"behind things {filled[1:].any(axis=0).mean():.1%}, past the border {filled[0].mean():.1%} of the canvas"
    return [*tiles, Tile(marked, "holes, filled", detail)]


def _depth_picture(disp: np.ndarray) -> Picture:
    low, high = np.percentile(disp, (0.5, 99.5))
    levels = ((disp - low) / max(high - low, 1e-12)).clip(0, 1)
    return cv2.applyColorMap((levels * 255).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1].copy()


def _mask_picture(picture: Picture, moving: np.ndarray) -> Picture:
    """The moving part tinted and outlined, the rest dimmed."""
    marked = np.where(moving[..., None], picture // 2 + np.array(MOVING_COLOUR, np.uint8) // 2, picture // 2)
    outlines, _ = cv2.findContours(moving.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.ascontiguousarray(marked), outlines, -1, (255, 255, 255), max(1, picture.shape[1] // 400))


def flow_tile(picture: Picture, step_px: np.ndarray, moving: np.ndarray) -> Tile:
    """Direction as hue, speed as strength, over the greyed photo; arrows on a grid; the wheel that explains the colours."""
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) // 3
    if not moving.any():
        return Tile(grey, "flow", "nothing moves")
    top_speed = max(float(np.linalg.norm(step_px, axis=2)[moving].max()), 1e-6)
    coloured = fit_width(np.where(moving[..., None], flow_colours(step_px / top_speed), grey), TILE_WIDTH_PX)
    scale = TILE_WIDTH_PX / picture.shape[1]
    arrow_frames = max([1, *(n for n in ARROW_FRAMES if n * top_speed * scale <= MAX_ARROW_PX)])
    height, width = coloured.shape[:2]
    for y in range(ARROW_SPACING_PX // 2, height, ARROW_SPACING_PX):
        for x in range(ARROW_SPACING_PX // 2, width, ARROW_SPACING_PX):
            row, column = min(int(y / scale), len(moving) - 1), min(int(x / scale), moving.shape[1] - 1)
            if moving[row, column]:
                _draw_arrow(coloured, x, y, step_px[row, column] * (scale * arrow_frames))
    _draw_wheel(coloured, moving)
    return Tile(coloured, "flow", f"rim of the wheel: {top_speed:.2f} px per frame; arrows: {arrow_frames} frames")


def _draw_arrow(picture: Picture, x: int, y: int, way_px: np.ndarray) -> None:
    if np.linalg.norm(way_px) < 1:
        return
    tip = (round(x + float(way_px[0])), round(y + float(way_px[1])))
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.arrowedLine(picture, (x, y), tip, colour, thickness, cv2.LINE_AA, tipLength=0.3)


def _draw_wheel(picture: Picture, moving: np.ndarray) -> None:
    """The colour of every direction, in the corner where least moves; left out where the picture is too small for it."""
    radius = WHEEL_RADIUS_PX
    size = 2 * radius + 1
    height, width = picture.shape[:2]
    if height < 2 * size:
        return
    shown = cv2.resize(moving.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    corners = [
        (y, x)
        for y in (WHEEL_INSET_PX, height - size - WHEEL_INSET_PX)
        for x in (WHEEL_INSET_PX, width - size - WHEEL_INSET_PX)
    ]
    top, left = min(corners, key=lambda corner: int(shown[corner[0] :, corner[1] :][:size, :size].sum()))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1] / radius
    inside = np.hypot(x, y) <= 1
    picture[top : top + size, left : left + size][inside] = flow_colours(np.stack([x, y], axis=2))[inside]
    cv2.circle(picture, (left + radius, top + radius), radius, (255, 255, 255), 1, cv2.LINE_AA)


def _checker(picture: Picture) -> Picture:
    """The squares that editors show for nothing, as large as ``picture``."""
    y, x = np.indices(picture.shape[:2]) // max(8, picture.shape[1] // 60)
    return np.repeat(np.where((x + y) % 2, *CHECKER_GREYS)[..., None], 3, axis=2).astype(np.uint8)


def _over(picture: Picture, alpha: np.ndarray, background: Picture) -> Picture:
    coverage = alpha[..., None]
    return (picture * coverage + background * (1 - coverage)).astype(np.uint8)


def _to_u8(rgb: Tensor) -> Picture:
    return (rgb.cpu().numpy() * 255 + 0.5).clip(0, 255).astype(np.uint8)
