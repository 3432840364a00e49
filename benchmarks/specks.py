"""What a speckled mask costs: seconds for sway and flow as the number of a mask's parts grows, as a segmenter leaves them.

    python benchmarks/specks.py

Every mask has one large part; the others are specks around it. Each number is processor time, the least of three runs, so that
a busy machine tells the same ratios.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
import torch

from c3drender.data import DepthMap, Image, MotionHints
from c3drender.motion import find_flow
from c3drender.motion.sway import sway_field
from c3drender.scenery import find_scenery

HEIGHT, WIDTH = 540, 960
COUNTS = (1, 10, 95, 359)
RADII_PX = (1, 2, 3, 5, 8)
REPEATS = 3


def speckled(count: int, radii_px: tuple[int, ...] = RADII_PX) -> np.ndarray:
    """One large part and ``count - 1`` discs of these radii (at most 10) beside it, none of which touch: bool ``[H, W]``."""
    rng = np.random.default_rng(0)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(mask, (WIDTH // 2, HEIGHT // 2), (WIDTH // 4, HEIGHT // 4), 0, 0, 360, 1, -1)
    placed = 1
    while placed < count:
        radius = radii_px[placed % len(radii_px)]
        x, y = int(rng.integers(12, WIDTH - 12)), int(rng.integers(12, HEIGHT - 12))
        if not mask[y - radius - 2 : y + radius + 3, x - radius - 2 : x + radius + 3].any():
            cv2.circle(mask, (x, y), radius, 1, -1)
            placed += 1
    assert cv2.connectedComponents(mask, connectivity=4)[0] == count + 1
    return mask > 0


def seconds(run: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    rgb = np.stack([x / WIDTH, y / HEIGHT, 0.5 + 0.2 * np.sin(x / 20) * np.sin(y / 15)], axis=-1).astype(np.float32)
    image, depth = Image(torch.from_numpy(rgb)), DepthMap(torch.from_numpy(4 - 3 * y / HEIGHT))
    scenery = find_scenery(image)
    no_arrows = np.zeros((0, 2, 2))
    first: dict[str, float] = {}
    for count in COUNTS:
        mask = speckled(count)
        hints = MotionHints(torch.from_numpy(mask), torch.zeros(0, 2, 2))
        timed = {
            "sway": seconds(lambda mask=mask: sway_field(mask, no_arrows)),
            "flow": seconds(lambda hints=hints: find_flow(image, depth, scenery, hints)),
        }
        first = first or timed
        shown = "   ".join(f"{name} {value:7.3f} s ({value / first[name]:5.2f} x)" for name, value in timed.items())
        print(f"{count:4d} parts   {shown}", flush=True)


if __name__ == "__main__":
    main()
