"""Depth order: the share of hand-labelled point pairs that the built-in depth estimate puts in the right order.

    python benchmarks/depth_order.py [--photos ../shared/photos] [--json out.json] [--misses]

Beside it stands a plain ramp from the upper to the lower border, which knows nothing of the picture. A tie counts as wrong.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from c3drender.data import Image
from c3drender.depth.estimate import estimate_depth
from c3drender.files.photo import read_photo
from c3drender.pipeline.see import look

REPO = Path(__file__).resolve().parent.parent
PAIRS = REPO / "python_tests" / "data" / "depth_pairs.json"
HALVES = ("easy", "hard")


def ordered_rightly(z_cam: torch.Tensor, pairs: list) -> list[bool]:
    """For each pair ``[[x, y] nearer, [x, y] farther]`` (px): is the nearer point nearer?"""
    return [bool(z_cam[near[1], near[0]] < z_cam[far[1], far[0]]) for near, far in pairs]


def ramp(image: Image) -> torch.Tensor:
    height, width = image.size
    return torch.linspace(2, 1, height)[:, None].expand(height, width)


def measure(photos: Path) -> list[dict]:
    """One row per photo: counts for both estimates and both halves, and the seconds that scenery and depth took."""
    rows = []
    for name, photo in json.loads(PAIRS.read_text())["photos"].items():
        image = read_photo(photos / photo["file"])
        start = time.perf_counter()
        shown = look(image)
        depth, _ = estimate_depth(image, shown.scenery, shown.nearness, method="builtin")
        row = {"photo": name, "seconds": time.perf_counter() - start}
        for half in HALVES:
            builtin, plain = ordered_rightly(depth.z_cam, photo[half]), ordered_rightly(ramp(image), photo[half])
            misses = [pair for pair, is_right in zip(photo[half], builtin, strict=True) if not is_right]
            row[half] = {"pairs": len(builtin), "builtin": sum(builtin), "ramp": sum(plain), "misses": misses}
        rows.append(row)
    return rows


def total(rows: list[dict]) -> dict:
    sums = {half: {key: sum(row[half][key] for row in rows) for key in ("pairs", "builtin", "ramp")} for half in HALVES}
    return {"photo": "all", "seconds": sum(row["seconds"] for row in rows), **sums}


def share(row: dict, half: str, estimate: str) -> float:
    return row[half][estimate] / row[half]["pairs"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=REPO.parent / "shared" / "photos", help="folder of the labelled photos")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--misses", action="store_true", help="list the pairs in the wrong order")
    args = parser.parse_args()
    rows = measure(args.photos)
    print(f"{'photo':16} {'easy: ramp':>11} {'built-in':>9} {'hard: ramp':>11} {'built-in':>9} {'seconds':>8}")
    for row in [*rows, total(rows)]:
        shares = [share(row, half, estimate) for half in HALVES for estimate in ("ramp", "builtin")]
        print("{:16} {:11.0%} {:9.0%} {:11.0%} {:9.0%} {:8.2f}".format(row["photo"], *shares, row["seconds"]))
        if args.misses:
            for half in HALVES:
                for near, far in row[half].get("misses", []):
                    print(f"    {half}: {near} should be before {far}")
    if args.json:
        args.json.write_text(json.dumps({"rows": rows, "total": total(rows)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
