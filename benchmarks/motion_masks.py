"""Motion masks: overlap of the automatically found moving parts with masks drawn by hand.

    python benchmarks/motion_masks.py [--photos ../shared/photos] [--json out.json]

Intersection over union; "missed" is the share of the hand mask that was not found, "extra" the share of what was found that
lies outside it. No hint is given to the finder. "find" and "flow": seconds that the finder took, and that `find_flow` took for
a flow inside the hand mask, guessed without arrows (the better of two).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from c3drender.data import DepthMap, MotionHints
from c3drender.files.masks import read_mask
from c3drender.files.photo import read_photo
from c3drender.motion.flow import find_flow, guess_motion
from c3drender.pipeline.see import look

REPO = Path(__file__).resolve().parent.parent
MASKS = REPO / "python_tests" / "data" / "masks"


def list_pairs(photos: Path) -> list[tuple[str, Path, Path]]:
    """Name, photo and hand-drawn mask of every labelled photo."""
    drawn = [(mask.stem, photos / f"{mask.stem}.jpg", mask) for mask in sorted(MASKS.glob("*.png"))]
    demos = [
        (name, next((photos / name).glob("image.[jp][pn]g")), photos / name / "image_json" / "mask.png")
        for name in ("demo0", "demo1")
    ]
    return drawn + demos


def measure(name: str, photo: Path, mask: Path) -> dict:
    image = read_photo(photo)
    hand = read_mask(mask, *image.size)
    depth = DepthMap(torch.ones(image.size))
    no_arrows = torch.zeros(0, 2, 2)
    start = time.perf_counter()
    shown = look(image)
    scenery = shown.scenery
    found, _ = guess_motion(image, depth, scenery, MotionHints(None, no_arrows))
    find_seconds = time.perf_counter() - start
    flow_seconds = []
    for _ in range(2):
        start = time.perf_counter()
        find_flow(image, depth, scenery, MotionHints(hand, no_arrows))
        flow_seconds.append(time.perf_counter() - start)
    both = (hand & found.mask).sum().item()
    return {
        "photo": name,
        "iou": both / max((hand | found.mask).sum().item(), 1),
        "missed": 1 - both / max(hand.sum().item(), 1),
        "extra": 1 - both / max(found.mask.sum().item(), 1),
        "find_seconds": find_seconds,
        "flow_seconds": min(flow_seconds),
        "note": find_flow(image, depth, scenery, MotionHints(None, no_arrows), None, shown.stays)[1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=REPO.parent / "shared" / "photos", help="folder of the labelled photos")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    args = parser.parse_args()
    rows = [measure(*pair) for pair in list_pairs(args.photos)]
    print(f"{'photo':16} {'IoU':>6} {'missed':>7} {'extra':>6} {'find':>5} {'flow':>5}")
    for row in rows:
        print("{photo:16} {iou:6.3f} {missed:7.0%} {extra:6.0%} {find_seconds:5.2f} {flow_seconds:5.2f}  {note}".format(**row))
    print(f"{'mean':16} {sum(row['iou'] for row in rows) / len(rows):6.3f}")
    if args.json:
        args.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
