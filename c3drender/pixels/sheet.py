"""Contact sheets: captioned tiles in rows, and colours for a flow. Pure functions from arrays to pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

Picture = np.ndarray  # uint8 [H, W, 3], sRGB
TILE_WIDTH_PX = 480
NUM_COLUMNS = 4
GAP_PX = 12
CAPTION_PX = 46
SHEET_GREY = (24, 24, 27)
TITLE_GREY = (240, 240, 240)
DETAIL_GREY = (160, 160, 165)


@dataclass(frozen=True)
class Tile:
    picture: Picture
    title: str
    detail: str


def compose(tiles: Sequence[Tile], num_columns: int = NUM_COLUMNS) -> Picture:
    """Lay tiles out in rows, each with its caption below it, all of one width."""
    pictures = [fit_width(tile.picture, TILE_WIDTH_PX) for tile in tiles]
    columns = min(num_columns, len(tiles))
    rows = [range(start, min(start + columns, len(tiles))) for start in range(0, len(tiles), columns)]
    row_heights = [max(pictures[n].shape[0] for n in row) + CAPTION_PX for row in rows]
    sheet = np.full(
        (sum(row_heights) + GAP_PX * (len(rows) + 1), columns * (TILE_WIDTH_PX + GAP_PX) + GAP_PX, 3), SHEET_GREY, np.uint8
    )
    canvas = PIL.Image.fromarray(sheet)
    draw = PIL.ImageDraw.Draw(canvas)
    top = GAP_PX
    for row, row_height in zip(rows, row_heights, strict=True):
        for column, n in enumerate(row):
            left = GAP_PX + column * (TILE_WIDTH_PX + GAP_PX)
            canvas.paste(PIL.Image.fromarray(pictures[n]), (left, top))
            caption_top = top + pictures[n].shape[0] + 5
            draw.text((left, caption_top), tiles[n].title, TITLE_GREY, PIL.ImageFont.load_default(17))
            draw.text((left, caption_top + 20), tiles[n].detail, DETAIL_GREY, PIL.ImageFont.load_default(14))
        top += row_height + GAP_PX
    return np.asarray(canvas)


def flow_colours(relative: np.ndarray) -> Picture:
    """Direction as hue, length as strength: ``relative`` ``[H, W, 2]``, steps of length 0..1."""
    hue = (np.arctan2(relative[..., 1], relative[..., 0]) / (2 * math.pi)) % 1
    strength = np.linalg.norm(relative, axis=2).clip(0, 1)
    hsv = np.stack([hue * 180 % 180, 255 * (0.25 + 0.75 * strength), 255 * (0.35 + 0.55 * strength)], axis=2)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


def fit_width(picture: Picture, width: int) -> Picture:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    shrinks = width < picture.shape[1]
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
