"""Crops, turns, mirrored pictures, other light and worse cameras: what an example looks like this time."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.random import Generator

from .packed import UNKNOWN, Array, Example

LEAST_CROP = 0.55  # of the side
MOST_STRETCH = 0.16  # log of the change in proportions
MOST_TURN_DEG = 4.0


def varied(example: Example, size: tuple[int, int], random: Generator, look: Array | None) -> Example:
    """The example at ``size`` (height, width), another one at each call. ``look``: uint8 ``[H, W, 3]``, a photo whose colours
    a rendered scene takes on; None: it keeps its own."""
    moved = _placed(example, size, random)
    return replace(moved, rgb=_recoloured(moved.rgb, random, look, rendered=example.disparity is not None))


def whole(example: Example, size: tuple[int, int]) -> Example:
    """The example at ``size`` (height, width), otherwise as it is."""
    height, width = example.rgb.shape[:2]
    scale = np.array([[size[1] / width, 0], [0, size[0] / height]])
    return _warped(example, scale, np.zeros(2), size)


def _placed(example: Example, size: tuple[int, int], random: Generator) -> Example:
    height, width = example.rgb.shape[:2]
    stretch = np.exp(random.uniform(-MOST_STRETCH, MOST_STRETCH) / 2)
    crop = random.uniform(LEAST_CROP, 1)
    # The largest window of the wanted proportions that fits into the picture, times the crop.
    fit = min(width / (size[1] * stretch), height * stretch / size[0]) * crop
    across, down = fit * size[1] * stretch, fit * size[0] / stretch
    left, top = random.uniform(0, width - across), random.uniform(0, height - down)
    mirror = -1.0 if random.random() < 0.5 else 1.0
    angle = np.radians(random.normal(0, MOST_TURN_DEG / 2)) if random.random() < 0.3 else 0.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([mirror * size[1] / across, size[0] / down])
    centre = np.array([left + across / 2, top + down / 2])
    return _warped(example, linear, np.array([size[1], size[0]]) / 2 - linear @ centre, size)


def _warped(example: Example, linear: Array, shift: Array, size: tuple[int, int]) -> Example:
    """``linear`` ``[2, 2]`` and ``shift`` ``[2]`` take pixel corners of the example to those of the result."""
    matrix = np.column_stack([linear, linear @ [0.5, 0.5] + shift - 0.5])

    def moved(values: Array, how: int, border: int | None) -> Array:
        mode = cv2.BORDER_REFLECT_101 if border is None else cv2.BORDER_CONSTANT
        return cv2.warpAffine(values, matrix, size[::-1], flags=how, borderMode=mode, borderValue=border or 0)

    def labels(values: Array, border: int = UNKNOWN) -> Array:
        return moved(values, cv2.INTER_NEAREST, border)

    rgb = example.rgb
    shrink = float(np.sqrt(abs(np.linalg.det(linear))))
    if shrink < 0.8:
        rgb = cv2.GaussianBlur(rgb, (0, 0), 0.4 / shrink)
    flow = labels(example.flow, 0) @ (linear / shrink).T.astype(np.float32)
    flow /= np.maximum(np.linalg.norm(flow, axis=-1, keepdims=True), 1e-6)
    return replace(
        example,
        rgb=moved(rgb, cv2.INTER_LINEAR, None),
        surface=labels(example.surface),
        layout=labels(example.layout),
        flow=flow,
        speed=labels(example.speed, 0),
        disparity=None if example.disparity is None else labels(example.disparity, -1),
        rank=None if example.rank is None else labels(example.rank),
        free=None if example.free is None else labels(example.free),
    )


def _recoloured(rgb: Array, random: Generator, look: Array | None, *, rendered: bool) -> Array:
    """uint8 in, uint8 out: light, colour, sharpness, noise and compression of another day and camera."""
    x = rgb.astype(np.float32) / 255
    if look is not None:
        x = _in_colours_of(x, look.astype(np.float32) / 255, random.uniform(0.3, 1))
    x = np.clip(x, 1e-3, 1) ** np.exp(random.normal(0, 0.3))
    x *= np.exp(random.normal(0, 0.12, 3) + random.normal(0, 0.2)).astype(np.float32)
    grey = x.mean(axis=-1, keepdims=True)
    x = grey + (x - grey) * (0.0 if random.random() < 0.08 else random.uniform(0.4, 1.5))
    if random.random() < 0.3:
        x = (x - x.mean()) * random.uniform(0.6, 1.4) + x.mean()
    if rendered and random.random() < 0.5:
        x = x * np.exp(_octaves(x.shape[:2], random))[..., None]
    kind = random.random()
    if kind < 0.25:
        x = cv2.GaussianBlur(x, (0, 0), random.uniform(0.4, 1.6))
    elif kind < 0.30:
        x = cv2.medianBlur(np.clip(x * 255, 0, 255).astype(np.uint8), 5).astype(np.float32) / 255  # as if painted
    elif kind < 0.35:
        x = x + random.uniform(0.3, 1) * (x - cv2.GaussianBlur(x, (0, 0), 1.5))
    if random.random() < 0.4:
        x = x + random.normal(0, random.uniform(0.005, 0.05), x.shape).astype(np.float32)
    out = np.clip(x * 255, 0, 255).astype(np.uint8)
    if random.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(25, 90))]
        out = cv2.imdecode(cv2.imencode(".jpg", out, quality)[1], cv2.IMREAD_COLOR)
    return out


def _in_colours_of(x: Array, look: Array, share: float) -> Array:
    """Mean and spread per Lab channel of another picture (Reinhard et al. 2001, "Color transfer between images")."""
    own, other = cv2.cvtColor(x, cv2.COLOR_RGB2LAB), cv2.cvtColor(look, cv2.COLOR_RGB2LAB)
    gain = np.clip((other.std((0, 1)) + 1) / (own.std((0, 1)) + 1), 0.4, 2.5)
    taken = (own - own.mean((0, 1))) * gain + other.mean((0, 1))
    return np.clip(cv2.cvtColor((own + share * (taken - own)).astype(np.float32), cv2.COLOR_LAB2RGB), 0, 1)


def _octaves(size: tuple[int, int], random: Generator) -> Array:
    """Smooth noise of several grain sizes: rendered surfaces are too clean."""
    total = np.zeros(size, np.float32)
    for grain, strongest in ((2, 0.06), (4, 0.06), (8, 0.06), (32, 0.12)):
        noise = random.normal(0, random.uniform(0, strongest), (size[0] // grain + 1, size[1] // grain + 1)).astype(np.float32)
        total += cv2.resize(noise, size[::-1], interpolation=cv2.INTER_LINEAR)
    return total
