"""Loops of the motion: sharpness, ghosts, seam and speed inside the mask, for every blend, the camera at rest.

    python benchmarks/motion_loops.py [--photos ../shared/photos] [--size 800] [--out DIR] [NAME ...]

NAMEs are photos, or scenes of known motion, ``true/NAME`` (``quality``; depth and flow are given). Ten times three frames and
the last one are rendered of a loop of 60. Per photo and blend (``--blends``):

sharp   root of the high-frequency energy (luma minus its Gaussian mean, sigma 2 px) inside the mask as a share of the photo's:
        its least value over the loop (asked: >= 0.95) and its swing, largest minus least (<= 0.05). A plain cross-fade of two
        unrelated pictures falls to 0.71.
grain   the same of the finest detail (sigma 0.7 px), its largest value: well above 1 is noise that the photo does not have
echo    how much of a frame's detail (sigma 4 px, by its local contrast) is there twice: its correlation with itself one loop's
        displacement upstream, minus the photo's own there, at the loop's worst moment; "2nd" the same two displacements
        upstream, its largest size. Two unrelated copies, equally strong, have 0.5. Counted where a loop's displacement is at
        least 8 px
seam    the step (mean absolute difference inside the mask) from frame 59 to 0 over the median step (<= 1.2)
motion  mean length of the flow that OpenCV's DIS sees between neighbouring frames, over that of the step asked (0.75 .. 1.25),
        inside the mask where the photo has texture to be seen by; it fades in from the border, so narrow streams show less
slices  the speed along slices through space and time over that asked: the share of the asked motion by which three frames must
        be sheared for their streaks to stand upright, most alike
SSIM    of the whole picture, last frame against first
MALF    SSIM one period apart (1: the loop is exact) minus its mean at ten wrong lags, from 0.5 to 0.9 and 1.1 to 1.5 periods:
        how much the picture changes in between
start   seconds of CPU time to set the scene in motion, frame: milliseconds of it to render one

With --out, frames 0, 12, 30 and 42 are written there, sixteen frames of the liveliest part at full size, and a slice through
it along the flow, over two loops.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import get_args

import c3drender  # isort: skip  # before torch, as in people's programs: its threads then wait asleep

import cv2
import numpy as np
import torch
from quality.methods import given_truth, prepared
from quality.run import scene_set
from skimage.metrics import structural_similarity

from c3drender import render
from c3drender.files.photo import read_photo, write_picture
from c3drender.files.resize import resize_photo

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "python_tests" / "data"
EXAMPLE = files("c3drender") / "example"
DRAWN = ("sea_sunset", "lake_boats", "peaks_cloud", "smoke")
TRUE = "true/"
SCENES = tuple(f"{TRUE}{name}" for name in ("sea", "river", "clouds"))
LABELLED = {"demo0": "demo0/image.png", "demo1": "demo1/image.jpg"}
NUM_FRAMES = 60
PAIR_SPACING = 6
SLICE_FRAMES = 3
SHEARS = np.linspace(0.0, 1.6, 33)
CROP = (120, 160)  # rows and columns of a strip's pictures
STRIP_FRAMES, STRIP_COLUMNS = 16, 4
SHOWN = (0, 12, 30, 42)
DETAIL_SIGMA_PX = 2.0
GRAIN_SIGMA_PX = 0.7
ECHO_SIGMA_PX = 4.0
CONTRAST_SIGMA_PX = 12.0
LEAST_LOOP_PX = 8.0
LEAST_TEXTURE = 0.01  # of white, root mean square of the detail around a pixel


def scene_and_photo(photos: Path, name: str, size: int, found: bool) -> tuple[c3drender.Scene, np.ndarray]:
    """The scene, its camera at rest, and its photo ``[H, W, 3]``, uint8. ``found``: nothing is said of what moves."""
    if name.startswith(TRUE):
        truth = scene_set("cast").checked(name.removeprefix(TRUE))
        return prepared(given_truth(truth)), truth.photo_u8
    path, hints = photo_and_hints(photos, name)
    scene = c3drender.prepare(path, depth="builtin", camera="still", size=size, **({} if found else hints))
    photo = resize_photo(read_photo(path), scene.camera.height, scene.camera.width)
    return scene, (photo.rgb * 255).round().to(torch.uint8).numpy()


def photo_and_hints(photos: Path, name: str) -> tuple[str, dict]:
    """The photo, and the arguments of `prepare` that say what moves in it."""
    if name == "example":
        hints = {"mask": str(EXAMPLE / "mask.png"), "hints": str(EXAMPLE / "hints.json")}
        return str(EXAMPLE / "stream_cascade.jpg"), hints
    if name in LABELLED:
        return str(photos / LABELLED[name]), {"hints": str(photos / name / "image.json")}
    arrows = json.loads((DATA / "hints.json").read_text())[name]
    return str(photos / f"{name}.jpg"), {"mask": str(DATA / "masks" / f"{name}.png"), "hints": arrows}


def luma_of(rgb_u8: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb_u8, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255


def detail_of(luma: np.ndarray, sigma_px: float) -> np.ndarray:
    return luma - cv2.GaussianBlur(luma, (0, 0), sigma_px)


def mean_length(flow_px: np.ndarray, where: np.ndarray) -> float:
    return float(np.linalg.norm(flow_px[where], axis=-1).mean())


def whole_loops_px(animation: render.Animation) -> tuple[np.ndarray, np.ndarray]:
    """Where what the photo's pixels show of the fluid was a loop earlier, and two, (x, y) px ``[H, W, 2]``; NaN: nowhere."""
    fluid, canvas, camera = animation.fluid, animation.canvas, animation.camera
    upstream = np.full((canvas.height, canvas.width, 2), np.nan, np.float32)
    x, y = fluid.start_px.numpy().astype(int).T
    upstream[y, x] = (fluid.start_px + fluid.backward.at(animation.num_frames)).numpy()
    twice = cv2.remap(upstream, *cv2.split(upstream - 0.5), cv2.INTER_LINEAR, borderValue=(np.nan, np.nan))
    twice[~(np.isfinite(upstream).all(axis=-1))] = np.nan
    margin = (canvas.width - camera.width) // 2
    inside = slice(margin, canvas.height - margin), slice(margin, canvas.width - margin)
    return upstream[inside] - margin, twice[inside] - margin


def echo_of(luma: np.ndarray, upstream: np.ndarray, where: np.ndarray) -> float:
    """The correlation of the detail at the pixels ``where [H, W]`` with the detail at ``upstream [H, W, 2]`` of each."""
    detail = detail_of(luma, ECHO_SIGMA_PX)
    contrast = np.sqrt(cv2.GaussianBlur(np.square(detail), (0, 0), CONTRAST_SIGMA_PX))
    detail = detail / np.maximum(contrast, LEAST_TEXTURE)
    here, there = detail[where], cv2.remap(detail, *cv2.split(upstream - 0.5), cv2.INTER_LINEAR)[where]
    return float((here * there).mean() / np.sqrt(np.square(here).mean() * np.square(there).mean()))


def seen_along_slices(frames: dict[int, np.ndarray], step_px: np.ndarray, where: np.ndarray) -> float:
    """By what share of ``step_px [H, W, 2]`` frames must be sheared to be most like those `SLICE_FRAMES` before them."""
    x, y = np.indices(where.shape, np.float32)[::-1]
    details = {n: detail_of(frame, ECHO_SIGMA_PX) for n, frame in frames.items()}
    alike = []
    for shear in SHEARS:
        way_px = (shear * SLICE_FRAMES * step_px).astype(np.float32)
        pairs = []
        for n in range(0, NUM_FRAMES, PAIR_SPACING):
            later = cv2.remap(details[n + SLICE_FRAMES], x + way_px[..., 0], y + way_px[..., 1], cv2.INTER_LINEAR)
            pairs.append(np.corrcoef(details[n][where], later[where])[0, 1])
        alike.append(np.mean(pairs))
    best = min(max(int(np.argmax(alike)), 1), len(SHEARS) - 2)
    before, at, after = alike[best - 1 : best + 2]
    return float(SHEARS[best] + 0.5 * (SHEARS[1] - SHEARS[0]) * (before - after) / min(before - 2 * at + after, -1e-9))


def liveliest(step_px: np.ndarray, textured: np.ndarray) -> tuple[int, int]:
    """x, y of the upper left corner of the `CROP` in which most is to be seen of the motion."""
    height, width = (min(size, most) for size, most in zip(CROP, textured.shape, strict=True))
    speed = np.minimum(np.linalg.norm(step_px, axis=-1), 1.0) * textured
    sums = cv2.boxFilter(speed, cv2.CV_64F, (width, height), anchor=(0, 0), normalize=False)
    inside = sums[: len(sums) - height + 1, : sums.shape[1] - width + 1]
    y, x = np.unravel_index(np.argmax(inside), inside.shape)
    return int(x), int(y)


def strip_of(frames: list[np.ndarray], corner: tuple[int, int]) -> np.ndarray:
    """`STRIP_FRAMES` of a loop's frames, cut to `CROP`, in rows."""
    (x, y), (height, width) = corner, CROP
    shown = [round(k * len(frames) / STRIP_FRAMES) for k in range(STRIP_FRAMES)]
    tiles = [cv2.copyMakeBorder(frames[n][y : y + height, x : x + width], 0, 2, 0, 2, cv2.BORDER_CONSTANT) for n in shown]
    return np.vstack([np.hstack(tiles[k : k + STRIP_COLUMNS]) for k in range(0, STRIP_FRAMES, STRIP_COLUMNS)])


def slice_of(frames: list[np.ndarray], step_px: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    """Two loops of a line along the flow through the middle of the `CROP`: time to the right, the flow down."""
    x, y = (at + size // 2 for at, size in zip(corner, CROP[::-1], strict=True))
    along = step_px[y - 8 : y + 9, x - 8 : x + 9].mean(axis=(0, 1))
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    way = np.arange(-CROP[0] / 2, CROP[0] / 2, dtype=np.float32)
    line = (x + way * along[0]).astype(np.float32), (y + way * along[1]).astype(np.float32)
    seen = np.stack([cv2.remap(frame, *line, cv2.INTER_LINEAR)[0] for frame in frames], axis=1)
    return np.repeat(np.concatenate([seen, seen], axis=1), 2, axis=1)


def textured_part(photo: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Where the photo's luma has texture for motion to be seen by."""
    return moving & (cv2.GaussianBlur(np.square(detail_of(photo, DETAIL_SIGMA_PX)), (0, 0), 4) > LEAST_TEXTURE**2)


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    return float(structural_similarity(first, second, data_range=1.0))


def periodicity(frames: dict[int, np.ndarray]) -> float:
    """MALF from the frames ``0, PAIR_SPACING, ..``: lags of ``k`` and ``NUM_FRAMES - k`` frames are the same pairs."""
    lags = range(PAIR_SPACING, NUM_FRAMES // 2 + 1, PAIR_SPACING)
    starts = range(0, NUM_FRAMES, 2 * PAIR_SPACING)
    return 1.0 - float(np.mean([similarity(frames[n], frames[(n + lag) % NUM_FRAMES]) for n in starts for lag in lags]))


def measure(
    scene: c3drender.Scene, photo_u8: np.ndarray, blend: render.BlendMode, keep: Callable[[int, np.ndarray], None]
) -> dict:
    start = time.process_time()
    animation = render.animate(scene, NUM_FRAMES, blend=blend)
    prepared = time.process_time()
    layers = scene.layers
    moving, asked_px = layers.of_photo(layers.moving).numpy(), layers.of_photo(layers.step_px).numpy()
    firsts = range(0, NUM_FRAMES, PAIR_SPACING)
    frames = {}
    for n in sorted({*(first + k for first in firsts for k in (0, 1, SLICE_FRAMES)), NUM_FRAMES - 1}):
        frame = render.render_frame(animation, torch.eye(3, 4), n).rgb_u8.numpy()
        frames[n] = luma_of(frame)
        if n in SHOWN:
            keep(n, frame)
    rendered = time.process_time()
    photo = luma_of(photo_u8)

    def shares(sigma_px: float) -> list[float]:
        whole = np.square(detail_of(photo, sigma_px)[moving]).mean()
        return [float(np.sqrt(np.square(detail_of(frame, sigma_px)[moving]).mean() / whole)) for frame in frames.values()]

    def step(n: int) -> float:
        return float(np.abs(frames[(n + 1) % NUM_FRAMES] - frames[n])[moving].mean())

    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(0)  # at half the resolution, the preset's, steps below a pixel are underestimated
    dis.setPatchStride(4)
    dis.setGradientDescentIterations(40)
    pictures = {n: (frame * 255).round().astype(np.uint8) for n, frame in frames.items()}
    textured = textured_part(photo, moving)
    seen = [mean_length(dis.calc(pictures[n], pictures[n + 1], None), textured) for n in firsts]
    sharp = shares(DETAIL_SIGMA_PX)
    echoes = []
    for upstream in whole_loops_px(animation):
        way_px = np.linalg.norm(upstream - np.indices(moving.shape)[::-1].transpose(1, 2, 0) - 0.5, axis=-1)
        inside = ((upstream > 0) & (upstream < moving.shape[::-1])).all(axis=-1)
        where = moving & inside & (way_px >= LEAST_LOOP_PX)
        own = echo_of(photo, upstream, where)
        echoes.append([echo_of(frame, upstream, where) - own for frame in frames.values()])
    return {
        "echo": max(echoes[0]),
        "echo_second": max(echoes[1], key=abs),
        "ssim": similarity(frames[NUM_FRAMES - 1], frames[0]),
        "malf": periodicity(frames),
        "sharp_min": min(sharp),
        "sharp_swing": max(sharp) - min(sharp),
        "grain_max": max(shares(GRAIN_SIGMA_PX)),
        "seam": step(NUM_FRAMES - 1) / float(np.median([step(n) for n in firsts])),
        "motion": float(np.mean(seen)) / mean_length(asked_px, textured),
        "slices": seen_along_slices(frames, asked_px, textured),
        "animate_s": prepared - start,
        "frame_ms": 1000 * (rendered - prepared) / len(frames),
        "asked_px": mean_length(asked_px, textured),
    }


def strip_and_slice(scene: c3drender.Scene, photo_u8: np.ndarray, blend: render.BlendMode) -> tuple[np.ndarray, np.ndarray]:
    """`strip_of` and `slice_of` the loop's liveliest part."""
    animation = render.animate(scene, NUM_FRAMES, blend=blend)
    frames = [render.render_frame(animation, torch.eye(3, 4), n).rgb_u8.numpy() for n in range(NUM_FRAMES)]
    moving, step_px = (scene.layers.of_photo(of).numpy() for of in (scene.layers.moving, scene.layers.step_px))
    corner = liveliest(step_px, textured_part(luma_of(photo_u8), moving))
    return strip_of(frames, corner), slice_of(frames, step_px, corner)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["example", *DRAWN, *LABELLED, *SCENES])
    parser.add_argument("--photos", type=Path, default=ROOT.parent / "shared" / "photos")
    parser.add_argument("--size", type=int, default=800, help="longer side in pixels (default: %(default)s)")
    parser.add_argument("--blends", nargs="+", choices=get_args(render.BlendMode), default=get_args(render.BlendMode))
    parser.add_argument("--found", action="store_true", help="say nothing: what moves, and how, is found")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
    heads = ("echo", "2nd", "sharp", "swing", "grain", "seam", "SSIM", "MALF", "motion", "slices", "start", "frame")
    print(f"{'photo':12} {'blend':9} {' '.join(f'{head:>6}' for head in heads)}  asked px/frame")
    for name in args.names:
        scene, photo_u8 = scene_and_photo(args.photos, name, args.size, args.found)
        if not bool(scene.layers.moving.any()):
            print(f"{name:12} nothing moves: MALF 0", flush=True)
            continue
        for blend in args.blends:
            prefix = f"{name.replace('/', '_')}_{blend}"

            def keep(n: int, frame: np.ndarray, prefix: str = prefix) -> None:
                if args.out:
                    write_picture(args.out / f"{prefix}_{n:02d}.png", torch.from_numpy(frame))

            row = measure(scene, photo_u8, blend, keep)
            if args.out:
                for kind, picture in zip(("strip", "slice"), strip_and_slice(scene, photo_u8, blend), strict=True):
                    write_picture(args.out / f"{prefix}_{kind}.png", torch.from_numpy(picture))
            print(
                f"{name:12} {blend:9} {row['echo']:6.3f} {row['echo_second']:6.3f} {row['sharp_min']:6.3f} "
                f"{row['sharp_swing']:6.3f} {row['grain_max']:6.3f} {row['seam']:6.2f} {row['ssim']:6.3f} {row['malf']:6.3f} "
                f"{row['motion']:6.2f} {row['slices']:6.2f} {row['animate_s']:6.2f} {row['frame_ms']:6.1f}  "
                f"{row['asked_px']:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
