"""What `ops.find_holes` marks, against brute force: every frame is rendered, and what shows through is collected.

    python benchmarks/holes.py [--photos DIR] [--frames 60] [NAME ...]

Per photo, for the surface that continues behind its depth edges and a circling camera: how many of its pixels some frame
uncovers, how many of those find_holes lacks (asked: 0), how many more it marks (asked: under 10 %), and how many the hidden
layer lacks, which was made for fewer poses and grown by what a splat reads. A pixel is uncovered in a frame when the photo's
layer, splatted alone, leaves more than half of the pixel where it is seen, or shows there something that lies behind it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from acceptance import ROOT, photo_and_hints

import c3drender
from c3drender import camera as cameras
from c3drender import layers as layering
from c3drender import ops, pipeline
from c3drender.data import Camera, Scene

RADIUS_PX = 1.5


def project(canvas: Camera, pixel: torch.Tensor, z_cam: torch.Tensor) -> torch.Tensor:
    """The points ``[N, 3]`` of the canvas' pixels (flat) at their depths."""
    x = (pixel % canvas.width + 0.5 - canvas.cx) / canvas.fx * z_cam
    y = (pixel // canvas.width + 0.5 - canvas.cy) / canvas.fy * z_cam
    return torch.stack([x, y, z_cam], dim=1)


def uncovered_in(view: Camera, front: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Which of the points ``hidden [N, 3]`` the points ``front [M, 3]`` leave free."""
    radius = RADIUS_PX * front[:, 2] / view.fx
    raster = ops.splat_points(front, torch.zeros(len(front), 1), radius, view)
    seen = hidden @ view.world_to_cam[:, :3].T + view.world_to_cam[:, 3]
    u, v = (seen[:, :2] / seen[:, 2:] * view.fx + torch.tensor([view.cx, view.cy])).floor().to(torch.int64).unbind(1)
    inside = (u >= 0) & (u < view.width) & (v >= 0) & (v < view.height)
    pixel = v.clamp(0, view.height - 1) * view.width + u.clamp(0, view.width - 1)
    alpha, disp = raster.alpha.view(-1)[pixel], raster.disp.view(-1)[pixel]
    return inside & ((alpha < 0.5) | (disp < alpha / seen[:, 2]))


def measure(scene: Scene, num_frames: int) -> dict[str, int]:
    layers, lens = scene.layers, scene.camera
    canvas = lens.padded(layers.margin_px)
    disp, exists = (1.0 / layers.z_cam[0]).numpy(), (layers.alpha[0] > 0).numpy()
    path = pipeline.camera_path(scene, "circle", num_frames)
    parallax_px = cameras.parallax_px(lens, path, float(disp.max()), float(disp.min()))
    rules = layering.HidingRules((layering.MAX_STRETCH - 1) / parallax_px, layering.LAYER_GAP, parallax_px)
    nothing = np.zeros(disp.shape, np.float32)
    hidden = layering.continue_behind(disp, nothing > 0, nothing, exists, rules)

    sheet = nothing.copy()
    sheet.reshape(-1)[hidden.pixel] = hidden.disp
    margin = layers.margin_px
    frame_px = (margin, margin, canvas.width - margin, canvas.height - margin)
    views = canvas.with_pose(path.world_to_cam)
    marked = ops.find_holes(*map(torch.from_numpy, (disp, sheet, nothing)), views, frame_px, tear_disp=rules.tear_disp)
    marked = marked.view(-1)[hidden.pixel]

    front = project(canvas, torch.from_numpy(np.flatnonzero(exists)), layers.z_cam[0][layers.alpha[0] > 0])
    behind = project(canvas, torch.from_numpy(hidden.pixel), 1.0 / torch.from_numpy(hidden.disp))
    uncovered = torch.zeros(len(behind), dtype=torch.bool)
    for pose in path.world_to_cam:
        uncovered |= uncovered_in(lens.with_pose(pose.contiguous()), front, behind)
    layer = (layers.alpha[1:].amax(0) > 0).view(-1)[hidden.pixel]
    return {
        "uncovered": int(uncovered.sum()),
        "missed": int((uncovered & ~marked).sum()),
        "more": int((marked & ~uncovered).sum()),
        "layer lacks": int((uncovered & ~layer).sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["peaks_cloud", "lake_boats"])
    parser.add_argument("--photos", type=Path, default=ROOT.parent / "shared" / "photos")
    parser.add_argument("--frames", type=int, default=60, help="of the circle (default: %(default)s)")
    args = parser.parse_args()
    print(f"{'photo':16} {'uncovered':>10} {'missed':>8} {'more':>8} {'layer lacks':>12}")
    for name in args.names:
        path, hints = photo_and_hints(args.photos, name)
        row = measure(c3drender.prepare(path, depth="builtin", camera="circle", **hints), args.frames)
        share = row["more"] / max(row["uncovered"], 1)
        print(f"{name:16} {row['uncovered']:10d} {row['missed']:8d} {share:8.1%} {row['layer lacks']:12d}", flush=True)


if __name__ == "__main__":
    main()
