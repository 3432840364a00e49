"""A contact sheet: ``python sheet.py OUT.png FILE...`` shows picture, depth, classes and flow of scenes side by side."""

from __future__ import annotations

import colorsys
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from c3drender.perception.training.packed import Example, read_examples

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from scenes.classes import Surface  # noqa: E402

CLASS_RGB = {
    Surface.SKY: (150, 200, 255),
    Surface.CLOUD: (235, 235, 245),
    Surface.STILL_WATER: (30, 60, 160),
    Surface.MOVING_WATER: (30, 140, 220),
    Surface.WHITE_WATER: (160, 250, 250),
    Surface.SMOKE: (150, 130, 170),
    Surface.FIRE: (255, 120, 0),
    Surface.FOLIAGE: (40, 130, 40),
    Surface.PERSON: (240, 30, 120),
    Surface.ANIMAL: (240, 220, 0),
    Surface.GROUND: (150, 110, 70),
    Surface.OBJECT: (110, 110, 110),
}
TILE = 224


def views(scene: Example) -> list[np.ndarray]:
    """Four pictures [H, W, 3]: colour, log disparity, classes (layout as brightness), flow by hue."""
    seen = scene.disparity > 0
    logs = np.log(np.maximum(scene.disparity, 1e-4))
    low, high = np.percentile(logs[seen], (1, 99.5)) if seen.any() else (0, 1)
    grey = np.where(seen, np.clip((logs - low) / max(high - low, 1e-6), 0, 1) * 235 + 20, 0).astype(np.uint8)
    palette = np.array([CLASS_RGB[surface] for surface in Surface], np.float32)
    classes = palette[scene.surface] * np.array([0.8, 1.0, 0.9])[scene.layout][..., None]
    hue = np.arctan2(scene.flow[..., 1], scene.flow[..., 0]) / (2 * np.pi) % 1
    wheel = np.array([colorsys.hsv_to_rgb(h, 1, 1) for h in np.linspace(0, 1, 61)])
    flow = wheel[np.round(hue * 60).astype(int)] * (scene.speed[..., None] / 3) * 255
    return [scene.rgb, np.repeat(grey[..., None], 3, 2), classes.astype(np.uint8), flow.astype(np.uint8)]


def main() -> None:
    scenes = [scene for path in sys.argv[2:] for scene in read_examples(Path(path))]
    across = 2
    page = Image.new("RGB", (TILE * 4 * across, TILE * -(-len(scenes) // across)))
    draw = ImageDraw.Draw(page)
    for index, scene in enumerate(scenes):
        left, top = index % across * TILE * 4, index // across * TILE
        for column, view in enumerate(views(scene)):
            tile = Image.fromarray(view)
            tile.thumbnail((TILE, TILE))
            page.paste(tile, (left + column * TILE, top))
        draw.text((left + 4, top + 4), f"{scene.name} {scene.meta.get('weather', '')}", fill=(255, 255, 0))
    page.save(sys.argv[1])


if __name__ == "__main__":
    main()
