"""Inpainters in ONNX files, in the two layouts that are published: LaMa's and MI-GAN's. Run by onnxruntime where it is
installed, else by OpenCV."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor

SIDE_PX = 512  # of a tile, where the file does not fix another: both networks were trained at this size
OVERLAP = 4  # neighbouring tiles share at least 1/OVERLAP of their side
GREY = 0.5  # of the picture that the layout is found with
LEAST_WEIGHT = 1e-3  # of a tile at its own border: a pixel of the canvas' corner has no other tile

Planes = np.ndarray
Run = Callable[[Planes, Planes], Planes]
"""``f(image [1, 3, S, S], mask [1, 1, S, S]) -> [1, 3, S, S]``, as the file wants and gives them."""


def load(data: bytes, name: str, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """The inpainter (`inpainter.Inpainter`) of the ONNX file ``name`` that holds ``data``.

    LaMa: float image in 0..1, mask 1 where it is to paint, answer in 0..255 or 0..1. MI-GAN: uint8 image, mask 0 where it is
    to paint and 255 elsewhere, uint8 answer. Which it is shows in how it answers a grey picture. The canvas is painted in
    tiles at its own resolution, blended where they overlap: a hole as large as a tile sees nothing around it.
    """
    if importlib.util.find_spec("onnxruntime") is not None:
        run, side = _open_with_onnxruntime(data, name, device)
    else:
        run, side = _open_with_opencv(data, name), SIDE_PX
    paint = _find_layout(run, name, side)

    def fill(rgb: Tensor, hole: Tensor) -> Tensor:
        return torch.from_numpy(_paint_tiles(paint, side, rgb.cpu().numpy(), hole.cpu().numpy()))

    return fill


def _open_with_onnxruntime(data: bytes, name: str, device: torch.device) -> tuple[Run, int]:
    import onnxruntime

    wanted = ["CUDAExecutionProvider"] if device.type == "cuda" else []
    providers = [p for p in (*wanted, "CPUExecutionProvider") if p in onnxruntime.get_available_providers()]
    try:
        session = onnxruntime.InferenceSession(data, providers=providers)
    except Exception as error:
        # Its exceptions share no base but this one.
        raise ValueError(f"inpainter: expected an ONNX file, got something else: {name}") from error
    shapes = {node.name: node.shape for node in session.get_inputs()}
    if set(shapes) != {"image", "mask"} or any(len(shape) != 4 for shape in shapes.values()):
        raise ValueError(f"inpainter: expected inputs image and mask of four dimensions in {name}, got {shapes}")
    kinds = {node.name: np.uint8 if "uint8" in node.type else np.float32 for node in session.get_inputs()}
    fixed = shapes["image"][2]
    side = fixed if isinstance(fixed, int) and fixed > 0 else SIDE_PX

    def run(image: Planes, mask: Planes) -> Planes:
        if image.dtype != kinds["image"] or mask.dtype != kinds["mask"]:
            raise TypeError(f"expected {kinds['image'].__name__}, got {image.dtype}")
        return session.run(None, {"image": image, "mask": mask})[0]

    return run, side


def _open_with_opencv(data: bytes, name: str) -> Run:
    try:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
    except cv2.error as error:
        raise ValueError(
            f"inpainter: expected an ONNX file that OpenCV can read, got {name} (onnxruntime reads more)"
        ) from error

    def run(image: Planes, mask: Planes) -> Planes:
        net.setInput(image, "image")
        net.setInput(mask, "mask")
        return net.forward()

    return run


def _find_layout(run: Run, name: str, side: int) -> Callable[[Planes, Planes], Planes]:
    """``f(image 0..1 [1, 3, S, S], hole 0|1 [1, 1, S, S]) -> 0..1`` in terms of ``run``, by what it makes of a grey picture
    of which a corner is to be painted: what is not must come back."""
    image, hole = np.full((1, 3, side, side), GREY, np.float32), np.zeros((1, 1, side, side), np.float32)
    hole[..., : side // 4, : side // 4] = 1
    tried = []
    for paint in (partial(_run_migan, run), partial(_run_lama, run, 255.0), partial(_run_lama, run, 1.0)):
        try:
            answer = paint(image, hole)
        except Exception as error:
            # Either runtime refuses a wrong layout with an exception of its own.
            tried.append(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
            continue
        if answer.shape == image.shape and abs(float(np.median(answer[..., side // 2 :, side // 2 :])) - GREY) < 0.02:
            return paint
        tried.append(f"{list(answer.shape)}, {float(np.median(answer)):g} for {GREY}")
    raise ValueError(f"inpainter: expected the layout of LaMa or of MI-GAN in {name}, got {'; '.join(dict.fromkeys(tried))}")


def _run_migan(run: Run, image: Planes, hole: Planes) -> Planes:
    answer = run(np.round(image * 255).astype(np.uint8), ((1 - hole) * 255).astype(np.uint8))
    return np.asarray(answer, np.float32) / 255


def _run_lama(run: Run, scale: float, image: Planes, hole: Planes) -> Planes:
    return np.asarray(run(image, hole), np.float32) / scale


def _paint_tiles(paint: Callable[[Planes, Planes], Planes], side: int, rgb: np.ndarray, hole: np.ndarray) -> np.ndarray:
    height, width = hole.shape
    beyond = ((0, max(side - height, 0)), (0, max(side - width, 0)))
    image = np.pad(rgb, (*beyond, (0, 0)), mode="edge")
    missing = np.pad(hole, beyond, mode="edge")
    total, weights = np.zeros_like(image), np.zeros((*missing.shape, 1), np.float32)
    ramp = np.minimum(np.arange(side) + 1, np.arange(side)[::-1] + 1) / (side // 2)
    tent = np.maximum(ramp[:, None] * ramp, LEAST_WEIGHT)[..., None].astype(np.float32)
    for y in _starts(image.shape[0], side):
        for x in _starts(image.shape[1], side):
            box = slice(y, y + side), slice(x, x + side)
            if missing[box].any():
                planes = np.ascontiguousarray(image[box].transpose(2, 0, 1)[None], np.float32)
                answer = paint(planes, missing[box][None, None].astype(np.float32))
                total[box] += tent * answer[0].transpose(1, 2, 0)
                weights[box] += tent
    painted = np.where(weights > 0, total / np.maximum(weights, LEAST_WEIGHT), image)
    return np.ascontiguousarray(painted[:height, :width], np.float32)


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin, evenly spread from one end to the other."""
    count = 1 if length <= side else 1 + -(-(length - side) // (side - side // OVERLAP))
    return [round(k * (length - side) / max(count - 1, 1)) for k in range(count)]
