"""What is measured of a video against the truth, as plain numbers.

A loop cannot be true at all times: it ends where it began. Its first half continues the photo forward and is compared with
what came after; its second half leads up to the photo and is compared with what came before. Frame n of N stands for time n
where n < N/2 and for time n - N where n > N/2; the middle stands for neither and is only looked at for its sharpness.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.metrics import mean_squared_error, structural_similarity

from .methods import Picture, Video
from .scenes import LOOP_FRAMES
from .truth import Truth, compared

Mask = NDArray[np.bool_]
Numbers = dict[str, float]

DETAIL_SIGMA_PX = 2.0  # what a Gaussian of this width takes away is detail
LOOKED_AT = (0, 15, 30, 45)  # frames whose step to the next, and whose sharpness, is measured
SEAM_STEPS = (LOOP_FRAMES - 1, 0)  # into the photo and out of it: the steps that the loop's join has a part in ...
OTHER_STEPS = (10, 15, 20, 30, 40, 45, 50)  # ... and those that stand for the rest of the loop
LEAST_STEP = 0.25  # of the true one: what moves by less has no motion that could run on over the seam
WORST_SEAM = 10.0
LEAST_MSE = 1e-3  # of grey levels: equal pictures count as 78 dB
LPIPS_WEIGHTS = "alexnet-owt-7be5be79.pth"


@dataclass(frozen=True)
class Worst:
    """The picture farthest from its truth."""

    frame: int
    camera: int
    psnr: float
    made: Picture
    true: Picture


def psnr(got: Picture, want: Picture, where: Mask | None = None) -> float:
    mse = mean_squared_error(*(picture if where is None else picture[where] for picture in (want, got)))
    return float(10 * np.log10(255**2 / max(mse, LEAST_MSE)))


def luma(picture: Picture) -> NDArray[np.float32]:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)


def similarity(got: Picture, want: Picture) -> NDArray[np.float32]:
    """The map of SSIM (Wang et al. 2004) of luma, ``[H, W]``."""
    return structural_similarity(luma(got), luma(want), data_range=255.0, full=True)[1]


def detail(picture: Picture, where: Mask) -> float:
    """Mean square, inside ``where``, of luma minus its Gaussian blur."""
    grey = luma(picture)
    return float(np.mean((grey - cv2.GaussianBlur(grey, (0, 0), DETAIL_SIGMA_PX))[where] ** 2))


def seen_motion(first: Picture, second: Picture, where: Mask) -> float:
    """Mean length, px inside ``where``, of the optical flow (OpenCV's DIS) between two pictures."""
    grey = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (first, second))
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*grey, None)
    return float(np.hypot(flow[..., 0], flow[..., 1])[where].mean())


def moved(picture: Picture, step_px: NDArray[np.float32]) -> Picture:
    """The picture one frame later, read against its flow."""
    ys, xs = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    at = xs - step_px[..., 0], ys - step_px[..., 1]
    return cv2.remap(picture, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def warping_error(first: Picture, second: Picture, step_px: NDArray[np.float32], where: Mask) -> float:
    """Mean difference in grey levels, inside ``where``, between a picture and the next one read along the true flow."""
    ys, xs = np.mgrid[: first.shape[0], : first.shape[1]].astype(np.float32)
    at = xs + step_px[..., 0], ys + step_px[..., 1]
    inside = where & (at[0] >= 0) & (at[0] <= first.shape[1] - 1) & (at[1] >= 0) & (at[1] <= first.shape[0] - 1)
    read = cv2.remap(second, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return float(np.abs(read.astype(np.float32) - first)[inside].mean())


def step_size(first: Picture, second: Picture, where: Mask) -> float:
    return float(np.abs(first.astype(np.float32) - second)[where].mean())


@cache
def perceptual_distance() -> Callable[[Picture, Picture], float] | None:
    """LPIPS (Zhang et al. 2018, AlexNet) where the package and its weights are at hand; nothing is downloaded."""
    weights = Path(torch.hub.get_dir()) / "checkpoints" / LPIPS_WEIGHTS
    if importlib.util.find_spec("lpips") is None or not weights.exists():
        return None
    import lpips

    network = lpips.LPIPS(net="alex", verbose=False).eval()

    @torch.inference_mode()
    def distance(got: Picture, want: Picture) -> float:
        planes = (torch.from_numpy(p).permute(2, 0, 1)[None].float() / 127.5 - 1 for p in (got, want))
        return float(network(*planes))

    return distance


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _compare(truth: Truth, video: Video, views: list[tuple[int, int]]) -> tuple[list[Numbers], Worst]:
    """Numbers of each ``(index of time, camera)``, and the picture farthest from its truth."""
    rows, worst = [], None
    distance = perceptual_distance()
    for index, camera in views:
        frame = int(truth.times[index]) % LOOP_FRAMES
        made, uncovered = video(frame, camera)
        true, moving = truth.frames_u8[index, camera], truth.moving_seen[camera]
        ssim = similarity(made, true)
        row = {
            "psnr": psnr(made, true),
            "psnr_moving": psnr(made, true, moving),
            "psnr_rest": psnr(made, true, ~moving),
            "ssim": float(ssim.mean()),
            "ssim_moving": float(ssim[moving].mean()),
            "ssim_rest": float(ssim[~moving].mean()),
            "uncovered": float(uncovered.mean()),
        }
        if distance is not None:
            row["lpips"] = distance(made, true)
        rows.append(row)
        if worst is None or row["psnr"] < worst.psnr:
            worst = Worst(frame, camera, row["psnr"], made, true)
    return rows, worst


def _seam(steps: dict[int, float], true_step: float) -> float:
    """The larger of the factors, up or down, between the `SEAM_STEPS` and the median of the `OTHER_STEPS`.

    A loop that stands still has no seam and earns none: its steps count for no less than a share of the true one.
    """
    usual = max(median(steps[n] for n in OTHER_STEPS), LEAST_STEP * true_step)
    ratios = (steps[n] / usual for n in SEAM_STEPS)
    return max(min(max(ratio, 1 / max(ratio, 1e-6)), WORST_SEAM) for ratio in ratios)


def measure_loop(video: Video, truth: Truth) -> Numbers:
    """The loop as a resting camera sees it.

    ``seam``: by which factor the steps into and out of the photo differ, up or down, from the others (1: no seam is seen);
    ``seam_ssim``: between those two frames; ``alive``: apparent motion relative to the true one; ``sharp_min``,
    ``sharp_swing``: detail relative to the photo's, its least value and its range; ``warp``: grey levels. All where it moves.
    """
    where = truth.moving
    numbers = {*LOOKED_AT, *SEAM_STEPS, *OTHER_STEPS}
    frames = {n: video(n % LOOP_FRAMES, 0)[0] for k in numbers for n in (k, k + 1)}
    pairs = [(frames[n], frames[n + 1]) for n in LOOKED_AT]
    last, first = frames[LOOP_FRAMES - 1], frames[0]
    own = detail(truth.photo_u8, where)
    sharp = [detail(frames[n], where) / own for n in LOOKED_AT]
    true_step = step_size(truth.photo_u8, moved(truth.photo_u8, truth.step_px), where)
    true_speed = float(np.hypot(*truth.step_px[where].T).mean())
    return {
        "seam": _seam({n: step_size(frames[n], frames[n + 1], where) for n in (*SEAM_STEPS, *OTHER_STEPS)}, true_step),
        "seam_ssim": float(similarity(last, first)[where].mean()),
        "alive": _mean(seen_motion(*pair, where) for pair in pairs) / true_speed,
        "sharp_min": min(sharp),
        "sharp_swing": max(sharp) - min(sharp),
        "warp": _mean(warping_error(*pair, truth.step_px, where) for pair in pairs),
    }


def measure(truth: Truth, video: Video, sways: bool = False) -> tuple[Numbers, Worst]:
    """Everything of one video; of one that ``sways``, whose true speed changes over the loop, no ``seam``.

    Prefixes: none, moved cameras and motion together (as `truth.compared` chooses);
    ``still_``, a resting camera; ``frozen_``, moved cameras at the photo's time.
    """
    video = cache(video)
    cameras, times = range(1, len(truth.poses)), range(1, len(truth.times))
    both, worst = _compare(truth, video, [(t, c) for t in times for c in cameras if compared(t, c)])
    resting, _ = _compare(truth, video, [(t, 0) for t in times])
    frozen, _ = _compare(truth, video, [(0, c) for c in cameras])
    numbers = {key: _mean(row[key] for row in both) for key in both[0]}
    for prefix, rows in (("still_", resting), ("frozen_", frozen)):
        numbers |= {prefix + key: _mean(row[key] for row in rows) for key in ("psnr", "psnr_moving", "psnr_rest", "ssim")}
    loop = measure_loop(video, truth)
    if sways:
        del loop["seam"]
    return numbers | loop, worst
