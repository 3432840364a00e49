"""What `ops.find_holes` marks, against brute force: every frame is rendered, and what shows through is collected.

    python benchmarks/holes.py [--photos DIR] [--size PX] [--frames 60] [NAME ...]

Per photo, for the surface that continues behind its depth edges and a circling camera: how many of its pixels some frame
reveals, how many of those find_holes lacks (asked: 0), how many more it marks (asked: under 10 %), and how many the hidden
layer lacks, which was made for fewer poses and grown by what a splat reads. First for the camera alone; then with the fluid
drifting, half a loop forward and half a loop backward.

A frame reveals a hidden pixel when the photo's layer, splatted alone, leaves to it more than a quarter of the frame's pixel in
which it lies: the share that gets through the surfaces nearer than it, by the splat's own list of hits.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from acceptance import DRAWN, LABELLED, ROOT, photo_and_hints

import c3drender
from c3drender import camera as cameras
from c3drender import layers as layering
from c3drender import ops, pipeline
from c3drender.data import Camera, CameraPath, Scene

RADIUS_PX = 1.5
DEPTH_TOLERANCE = 0.02
MAX_HITS = 64
LEAST_FREE = 0.25


def lift(canvas: Camera, xy_px: torch.Tensor, z_cam: torch.Tensor) -> torch.Tensor:
    """The points ``[N, 3]`` at the places ``xy_px [N, 2]`` of the canvas."""
    x = (xy_px[:, 0] - canvas.cx) / canvas.fx * z_cam
    y = (xy_px[:, 1] - canvas.cy) / canvas.fy * z_cam
    return torch.stack([x, y, z_cam], dim=1)


def seen_from(view: Camera, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the view sees ``points [N, 3]``: px ``[N, 2]`` and depth ``[N]``."""
    seen = points @ view.world_to_cam[:, :3].T + view.world_to_cam[:, 3]
    return seen[:, :2] / seen[:, 2:] * view.fx + torch.tensor([view.cx, view.cy]), seen[:, 2]


def revealed_in(view: Camera, front: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Which of the points ``hidden [N, 3]`` the points ``front [M, 3]`` leave free."""
    radius = RADIUS_PX * front[:, 2] / view.fx
    idx = ops.splat_points(front, torch.zeros(len(front), 1), radius, view, max_points=MAX_HITS, return_idx=True).idx
    hidden_px, hidden_z = seen_from(view, hidden)
    x, y = hidden_px.floor().to(torch.int64).unbind(1)
    inside = (x >= 0) & (x < view.width) & (y >= 0) & (y < view.height) & (hidden_z > 0)
    x, y, hidden_z = x[inside], y[inside], hidden_z[inside]
    hits = idx[y, x].to(torch.int64)
    exists, hits = hits >= 0, hits.clamp_min(0)
    front_px, front_z = seen_from(view, front)
    z = torch.where(exists, front_z[hits], torch.inf)
    centre = torch.stack([x, y], dim=1)[:, None] + 0.5
    q = (front_px[hits] - centre).square().sum(-1) / (RADIUS_PX * front[hits, 2] / front_z[hits]).square()
    cover = torch.where(exists, torch.maximum(1.4 - 3.15 * q, 0.005 - 0.005 * q), 0.0)
    free, surface_cover, surface_end = torch.ones_like(hidden_z), torch.zeros_like(hidden_z), torch.zeros_like(hidden_z)
    for k in range(MAX_HITS):
        begins = z[:, k] > surface_end
        free = torch.where(begins, free * (1 - surface_cover.clamp(max=1)), free)
        surface_end = torch.where(begins, z[:, k] * (1 + DEPTH_TOLERANCE), surface_end)
        hides = surface_end < hidden_z
        surface_cover = torch.where(hides, torch.where(begins, 0.0, surface_cover) + cover[:, k], 0.0)
    revealed = torch.zeros(len(hidden), dtype=torch.bool)
    revealed[inside] = free * (1 - surface_cover.clamp(max=1)) > LEAST_FREE
    return revealed


def places(start_px: torch.Tensor, step_px: torch.Tensor, path: CameraPath, num_steps: int) -> Iterator[tuple]:
    """``(pose, px [P, 2])``: where the pixels are in every frame, drifting up to ``num_steps`` frames forward or backward."""
    poses = path.world_to_cam
    for sign in (1, -1):
        offset_px = ops.integrate_flow(sign * step_px, num_steps, start_px=start_px).offset_px
        for n in range(num_steps + 1):
            yield poses[sign * n % len(poses)].contiguous(), start_px + offset_px[n]


def measure(scene: Scene, num_frames: int, *, drifts: bool) -> dict[str, int]:
    layers, lens, margin = scene.layers, scene.camera, scene.layers.margin_px
    canvas = lens.padded(margin)
    exists = layers.plane(layers.alpha, 0).numpy() > 0
    disp = layers.plane(1.0 / layers.z_cam, 0, empty=float(1.0 / layers.z_cam.max())).numpy()
    path = pipeline.camera_path(scene, "circle", num_frames)
    parallax_px = cameras.parallax_px(lens, path, float(disp.max()), float(disp.min()))
    rules = layering.HidingRules((layering.MAX_STRETCH - 1) / parallax_px, layering.LAYER_GAP, parallax_px)
    rgb, step_px, moving, cover = (
        layers.plane(values, 0).numpy() for values in (layers.rgb, layers.step_px, layers.moving & drifts, layers.alpha)
    )
    front = layering.Canvas(rgb, disp, step_px, moving, exists, exists, cover)
    hidden, maps = layering.hide(front, rules, num_frames)
    front_disp, sheet, step_px = map(torch.from_numpy, maps)
    frame_px = (margin, margin, canvas.width - margin, canvas.height - margin)
    views, num_steps = canvas.with_pose(path.world_to_cam), num_frames // 2
    marked = ops.find_holes(front_disp, sheet, step_px, views, frame_px, num_steps=num_steps).view(-1)[hidden.pixel]

    pixel = torch.from_numpy(hidden.pixel)
    centre = torch.stack(torch.meshgrid(torch.arange(canvas.width), torch.arange(canvas.height), indexing="xy"), -1) + 0.5
    front_points = lift(canvas, centre[front_disp > 0], 1.0 / front_disp[front_disp > 0])
    # A fluid takes the depth of its surface where it arrives.
    surface = torch.where(sheet > 0, sheet, front_disp)
    flows = (step_px != 0).any(dim=2)
    last = torch.tensor([canvas.width - 1, canvas.height - 1])
    revealed = torch.zeros(len(pixel), dtype=torch.bool)
    start_px = centre.reshape(-1, 2)[pixel]
    at_rest = [(pose.contiguous(), start_px) for pose in path.world_to_cam]
    for pose, at_px in [*at_rest, *(places(start_px, step_px, path, num_steps) if drifts else ())]:
        x, y = torch.minimum(at_px.floor().to(torch.int64).clamp_min(0), last).unbind(1)
        there = ((at_px == start_px).all(dim=1) | flows[y, x]) & (surface[y, x] > 0)
        points = lift(canvas, at_px[there], 1.0 / surface[y, x][there])
        revealed[there] |= revealed_in(lens.with_pose(pose), front_points, points)
    layer = torch.isin(pixel, layers.pixel[layers.first[1] :])
    return {
        "revealed": int(revealed.sum()),
        "missed": int((revealed & ~marked).sum()),
        "more": int((marked & ~revealed).sum()),
        "layer lacks": int((revealed & ~layer).sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*DRAWN, *LABELLED])
    parser.add_argument("--photos", type=Path, default=ROOT.parent / "shared" / "photos")
    parser.add_argument("--size", type=int, help="longer side, px; left out: the photo's")
    parser.add_argument("--frames", type=int, default=60, help="of the circle (default: %(default)s)")
    args = parser.parse_args()
    print(f"{'photo':16} {'':8} {'revealed':>10} {'missed':>8} {'more':>8} {'layer lacks':>12}")
    for name in args.names:
        path, hints = photo_and_hints(args.photos, name)
        scene = c3drender.prepare(path, depth="builtin", camera="circle", size=args.size, **hints)
        for drifts in (False, True):
            row = measure(scene, args.frames, drifts=drifts)
            share = row["more"] / max(row["revealed"], 1)
            numbers = f"{row['revealed']:10d} {row['missed']:8d} {share:8.1%} {row['layer lacks']:12d}"
            print(f"{name:16} {'drifting' if drifts else 'still':8} {numbers}", flush=True)


if __name__ == "__main__":
    main()
