"""Masks with hundreds of specks, as segmenters leave them: they cost what one part costs, and move or stay by one rule."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from c3drender.data import DepthMap, Image, MotionHints
from c3drender.motion import find_flow
from c3drender.motion.flow import LEAST_REGION_PX, LEAST_REGION_SHARE
from c3drender.motion.sway import LEAST_SHARE, sway_field
from c3drender.scenery import find_scenery

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
from specks import HEIGHT, WIDTH, speckled

NO_ARROWS = np.zeros((0, 2, 2))
MOST_TIMES = 2.0  # within a suite whose other threads take turns; a cost for each part would be tens of times


@pytest.fixture(scope="module")
def find() -> Callable[..., tuple[np.ndarray, str]]:
    """``find(mask, arrows)``: the flow's steps ``[H, W, 2]``, and what is said about it."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    rgb = np.stack([x / WIDTH, y / HEIGHT, 0.5 + 0.2 * np.sin(x / 20) * np.sin(y / 15)], axis=-1).astype(np.float32)
    image, depth = Image(torch.from_numpy(rgb)), DepthMap(torch.from_numpy(4 - 3 * y / HEIGHT))
    scenery = find_scenery(image)

    def run(mask: np.ndarray, arrows: np.ndarray = NO_ARROWS) -> tuple[np.ndarray, str]:
        hints = MotionHints(torch.from_numpy(mask), torch.from_numpy(arrows).float())
        flow, note = find_flow(image, depth, scenery, hints)
        return flow.step_px.numpy(), note

    return run


def times_longer(run: Callable[[np.ndarray], object]) -> float:
    """How many times longer ``run`` takes for 359 parts than for one: the processor's time, the least of several turns."""
    masks, least = [speckled(1), speckled(359)], [float("inf")] * 2
    for _ in range(12):
        for which, mask in enumerate(masks):
            start = time.process_time()
            run(mask)
            least[which] = min(least[which], time.process_time() - start)
        if least[1] < MOST_TIMES * least[0]:
            break
    return least[1] / least[0]


def test_sway_takes_no_longer_for_hundreds_of_parts() -> None:
    assert times_longer(lambda mask: sway_field(mask, NO_ARROWS)) < MOST_TIMES


def test_flow_takes_no_longer_for_hundreds_of_regions(find: Callable[..., tuple[np.ndarray, str]]) -> None:
    assert times_longer(find) < MOST_TIMES


def swing(mask: np.ndarray, arrows: np.ndarray = NO_ARROWS) -> np.ndarray:
    return sway_field(mask, arrows).sine_px.abs().amax(dim=(0, 3)).numpy()


def test_specks_swing_like_any_part_and_those_below_the_share_are_held() -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[100:110, 100:110] = True
    mask[300:305, 500:505] = True
    assert 25 < LEAST_SHARE * mask.size < 100
    reach = swing(mask)
    assert reach[100:110, 100:110].max() > 0.1 and reach[280:330, 480:530].max() == 0
    asked = swing(mask, np.array([[[502.0, 302.0], [505.0, 302.0]]]))
    assert asked[300:305, 500:505].max() > 0.5, "an arrow makes it a part"
    np.testing.assert_array_equal(asked[:200], reach[:200])


def test_a_part_swings_the_same_beside_others() -> None:
    mask, alone = speckled(60, (6, 9)), speckled(1)
    others = cv2.distanceTransform((~(mask & ~alone)).astype(np.uint8), cv2.DIST_L2, 5)
    apart = others > 40
    np.testing.assert_array_equal(swing(mask)[apart], swing(alone)[apart])


def test_specks_flow_and_those_below_the_share_stay(find: Callable[..., tuple[np.ndarray, str]]) -> None:
    mask = speckled(300, (2, 6, 9))
    step, _ = find(mask)
    labels, stats = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)[1:3]
    least = max(LEAST_REGION_PX, LEAST_REGION_SHARE * mask.size)
    speed = np.hypot(step[..., 0], step[..., 1])
    fastest = np.array([speed[labels == k].max() for k in range(1, len(stats))])
    large = stats[1:, cv2.CC_STAT_AREA] >= least
    assert large.sum() > 150 and (~large).sum() > 50
    assert (fastest[~large] == 0).all() and (fastest[large] > 0).mean() > 0.8
    assert (speed[~mask] == 0).all() and speed.max() < 20


def test_an_arrow_moves_a_speck_below_the_share(find: Callable[..., tuple[np.ndarray, str]]) -> None:
    mask = speckled(1)
    mask[40:46, 40:46] = True
    assert LEAST_REGION_PX < 36 < LEAST_REGION_SHARE * mask.size
    step, note = find(mask)
    assert (step[40:46, 40:46] == 0).all() and note.endswith(", 1 speck left still")
    step, note = find(mask, np.array([[[41.0, 43.0], [91.0, 43.0]]]))
    assert step[40:46, 40:46, 0].max() > 0.5 and "left still" not in note
