"""How clean the traced scenes are, and whether their flow is what moves.

PYTHONPATH=.:benchmarks path/to/python -m quality.traced.check [SCENE ...]    by default those that are signed; needs Blender

``noise``: PSNR, dB, between the photo and the same view traced with other random numbers. ``flow``: the squared error of the
photo read along its flow 7 frames on, as a share of that of the photo as it is, where it moves.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from ..metrics import psnr
from ..run import scene_set
from ..truth import Truth
from .camera import Shooting, frame_path

FRAMES = 7
BORDER = 25  # pixels that the flow may bring in from outside, or from behind something


def noise(name: str, photo_u8: np.ndarray, folder: Path) -> float:
    """The second view is kept beside the frames."""
    path = folder / f"{name}.frames" / "noise.npz"
    if not path.exists():
        shooting = Shooting(name, path.parent, noise_seed=1)
        with np.load(frame_path(path.parent, 0, 0)) as photo:
            shooting.set_exposure(dict(photo))
        np.savez_compressed(path, **shooting.frame(0, np.eye(3, 4)))
    with np.load(path) as again:
        return psnr(photo_u8, again["rgb_u8"])


def flow_gain(truth: Truth) -> float:
    index = list(truth.times).index(FRAMES)
    later = truth.frames_u8[index, 0].astype(np.float32)
    photo = truth.photo_u8.astype(np.float32)
    ys, xs = np.mgrid[: truth.size[0], : truth.size[1]].astype(np.float32)
    at = np.stack([xs, ys], -1)
    for _ in range(FRAMES):
        at = at - cv2.remap(truth.step_px, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moved = cv2.remap(photo, at[..., 0], at[..., 1], cv2.INTER_CUBIC)
    inner = cv2.erode(np.pad(truth.moving, 1).astype(np.uint8), np.ones((BORDER, BORDER)))[1:-1, 1:-1] > 0
    return float(np.square(moved - later)[inner].mean() / np.square(photo - later)[inner].mean())


def main() -> None:
    parser = argparse.ArgumentParser(prog="quality.traced.check", description=__doc__)
    chosen = scene_set("traced")
    parser.add_argument("scenes", nargs="*", default=chosen.signed)
    for name in parser.parse_args().scenes:
        truth = chosen.truth(name)
        speed = np.hypot(*truth.step_px[truth.moving].T)
        print(
            f"{name:10} noise {noise(name, truth.photo_u8, chosen.folder):5.1f} dB   flow {flow_gain(truth):5.2f}   "
            f"moves {truth.moving.mean():4.0%}   px/frame median {np.median(speed):.2f}, 99 % {np.quantile(speed, 0.99):.2f}"
        )


if __name__ == "__main__":
    main()
