"""What `ops.find_holes` marks, against brute force: every frame is rendered, and what shows through is collected.

    python benchmarks/holes.py [--photos DIR] [--size PX] [--frames 60] [NAME ...]

Per photo, for the surfaces that continue behind its depth edges, layer by layer, and a circling camera: how many of their
pixels some frame reveals, how many of those find_holes lacks (asked: 0), how many more it marks (asked: under 10 %), and how
many the hidden layers lack, which were made for fewer poses and grown by what a splat reads. First for the camera alone; then
with the fluid drifting too: in frame n it is n steps forward of the photo, and as many as are left of the loop backward, up to
half a loop each, and moves on its surface as `ops.drift_points` lets it. Where a fluid fades in from its border, the renderer
slows it down; here it does not.

A frame reveals a hidden pixel when the layers before it, splatted alone, leave to it more than a quarter of the frame's pixel
in which it lies: the share that gets through the surfaces nearer than it, by the splat's own list of hits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from acceptance import DRAWN, LABELLED, ROOT, photo_and_hints

import c3drender
from c3drender import camera as cameras
from c3drender import ops, pipeline
from c3drender.data import Camera, CameraPath
from c3drender.files.scene import Scene
from c3drender.layers.build import hiding_rules
from c3drender.layers.canvas import with_values
from c3drender.layers.matte import HARD_EDGES
from c3drender.layers.uncover import FluidMaps, Surface, hide, maps_of_holes

RADIUS_PX = 1.5
DEPTH_TOLERANCE = 0.02
MAX_HITS = 64
LEAST_FREE = 0.25
LEAST_EXISTENCE = 0.75


def lift(canvas: Camera, xy_px: torch.Tensor, z_cam: torch.Tensor) -> torch.Tensor:
    """The points ``[N, 3]`` at the places ``xy_px [N, 2]`` of the canvas."""
    x = (xy_px[:, 0] - canvas.cx) / canvas.fx * z_cam
    y = (xy_px[:, 1] - canvas.cy) / canvas.fy * z_cam
    return torch.stack([x, y, z_cam], dim=1)


def seen_from(view: Camera, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the view sees ``points [N, 3]``: px ``[N, 2]`` and depth ``[N]``."""
    seen = points @ view.world_to_cam[:, :3].T + view.world_to_cam[:, 3]
    return seen[:, :2] / seen[:, 2:] * view.fx + torch.tensor([view.cx, view.cy]), seen[:, 2]


def sight_depth(view: Camera, front: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """How deep the view looks at its pixels ``where`` bool ``[H, W]``: to the surface of the points ``front [M, 3]`` behind
    which too little of the pixel is left. ``[H, W]``, inf elsewhere."""
    radius = RADIUS_PX * front[:, 2] / view.fx
    idx = ops.splat_points(front, torch.zeros(len(front), 1), radius, view, max_points=MAX_HITS, return_idx=True).idx[where]
    hits = idx[:, : int((idx >= 0).sum(dim=1).max())].to(torch.int64)
    exists, hits = hits >= 0, hits.clamp_min(0)
    front_px, front_z = seen_from(view, front)
    z = torch.where(exists, front_z[hits], torch.inf)
    centre = where.nonzero().flip(1)[:, None] + 0.5
    q = (front_px[hits] - centre).square().sum(-1) / (RADIUS_PX * front[hits, 2] / front_z[hits]).square()
    cover = torch.where(exists, torch.maximum(1.4 - 3.15 * q, 0.005 - 0.005 * q), 0.0)
    free, surface_cover, surface_end = torch.ones(len(z)), torch.zeros(len(z)), torch.zeros(len(z))
    depth = torch.full((len(z),), torch.inf)
    # One more hit, infinitely far, ends the last surface.
    for z_hit, cover_hit in zip([*z.unbind(1), torch.full_like(free, torch.inf)], [*cover.unbind(1), 0 * free], strict=True):
        begins = z_hit > surface_end
        free = torch.where(begins, free * (1 - surface_cover.clamp(max=1)), free)
        depth = torch.where((free <= LEAST_FREE) & (depth == torch.inf), surface_end, depth)
        surface_cover = torch.where(begins, 0.0, surface_cover) + cover_hit
        surface_end = torch.where(begins, z_hit * (1 + DEPTH_TOLERANCE), surface_end)
    return torch.full(where.shape, torch.inf).masked_scatter(where, depth)


def revealed_in(view: Camera, front: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Which of the points ``hidden [N, 3]`` the points ``front [M, 3]`` leave free."""
    hidden_px, hidden_z = seen_from(view, hidden)
    x, y = hidden_px.floor().to(torch.int64).unbind(1)
    revealed = (x >= 0) & (x < view.width) & (y >= 0) & (y < view.height) & (hidden_z > 0)
    x, y = x[revealed], y[revealed]
    where = torch.zeros(view.height, view.width, dtype=torch.bool)
    where[y, x] = True
    if len(x) > 0:
        revealed[revealed.clone()] = hidden_z[revealed] <= sight_depth(view, front, where)[y, x]
    return revealed


def sample_fluid(disp_fluid: torch.Tensor, at_px: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of a fluid's surface ``[H, W]``, 0 where there is none, at ``at_px [P, 2]``: disparity, and what of a pixel exists."""
    exists = (disp_fluid > 0).to(torch.float32)
    size = torch.tensor([disp_fluid.shape[1], disp_fluid.shape[0]])
    disp, existence = torch.nn.functional.grid_sample(
        torch.stack([disp_fluid * exists, exists])[None],
        (2 * at_px / size - 1)[None, None],
        padding_mode="border",
        align_corners=False,
    )[0, :, 0]
    return disp / existence, existence


def measure(scene: Scene, num_frames: int, *, drifts: bool) -> dict[str, int]:
    layers, lens, margin = scene.layers, scene.camera, scene.layers.margin_px
    canvas = lens.padded(margin)
    disp = layers.plane(1.0 / layers.z_cam, 0).numpy()
    exists = disp > 0
    path = pipeline.camera_path(scene, "circle", num_frames, amplitude=1.0)
    parallax_px = cameras.parallax_px(lens, path, float(disp.max()), float(disp[exists].min()))
    rules = hiding_rules(parallax_px, max(lens.width, lens.height))
    # Where a soft edge left nothing of the photo's pixel, the surface that it was taken from is still what hides.
    surface = Surface(
        np.where(exists, disp, np.maximum(cv2.dilate(disp, np.ones((7, 7))), disp[exists].min())),
        exists,
        layers.plane(layers.moving & drifts, 0).numpy(),
        layers.plane(layers.step_px, 0).numpy(),
        np.arange(disp.size).reshape(disp.shape),
    )
    fluid, shown = FluidMaps.of(surface), [disp]
    total = dict.fromkeys(("revealed", "missed", "more", "layer lacks"), 0)
    for layer in range(1, layers.num_layers + 1):  # behind the last one nothing may be revealed
        hidden = hide(surface, rules, num_frames, HARD_EDGES)
        if len(hidden.pixel) == 0:
            break
        maps = maps_of_holes(shown, surface, fluid, hidden)
        marked, revealed = judge_layer(canvas, lens, margin, path, maps, torch.from_numpy(hidden.pixel))
        part = layers.part(layer) if layer < layers.num_layers else slice(0, 0)
        pixel = layers.pixel[part].numpy()
        exists_there = torch.from_numpy(np.isin(hidden.pixel, pixel))
        for name, pixels in (
            ("revealed", revealed),
            ("missed", revealed & ~marked),
            ("more", marked & ~revealed),
            ("layer lacks", revealed & ~exists_there),
        ):
            total[name] += int(pixels.sum())
        surface = Surface(
            with_values(surface.disp, pixel, 1.0 / layers.z_cam[part].numpy()),
            with_values(surface.exists, pixel, True),
            with_values(surface.moving, pixel, layers.moving[part].numpy() & drifts),
            with_values(surface.step_px, pixel, layers.step_px[part].numpy()),
            surface.source,
            (*surface.before, surface.disp),
        )
        fluid = fluid.with_next(surface)
        shown.append(with_values(np.zeros_like(disp), pixel, surface.disp.reshape(-1)[pixel]))
    return total


def judge_layer(
    canvas: Camera, lens: Camera, margin: int, path: CameraPath, maps: tuple[torch.Tensor, ...], pixel: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the hidden pixels ``pixel [P]`` those that find_holes marks, and those that a frame reveals: bool ``[P]`` each."""
    front_disp, sheet, disp_fluid, step_px = maps
    num_frames, half = len(path.world_to_cam), len(path.world_to_cam) // 2
    frame_px = (margin, margin, canvas.width - margin, canvas.height - margin)
    views = canvas.with_pose(path.world_to_cam)
    marked = ops.find_holes(*maps, views, frame_px, num_steps=half, loop_steps=num_frames).view(-1)[pixel]

    centre = torch.stack(torch.meshgrid(torch.arange(canvas.width), torch.arange(canvas.height), indexing="xy"), -1) + 0.5
    front_points = torch.cat([lift(canvas, centre[front > 0], 1.0 / front[front > 0]) for front in front_disp])
    start_px, start_disp = centre.view(-1, 2)[pixel], sheet.view(-1)[pixel]
    at_rest = lift(canvas, start_px, 1.0 / start_disp)
    fluid = (disp_fluid.view(-1)[pixel] == start_disp).nonzero()[:, 0]
    ways = [ops.integrate_flow(sign * step_px, half, start_px=start_px[fluid]) for sign in (1, -1)]
    revealed = torch.zeros(len(pixel), dtype=torch.bool)
    for n, pose in enumerate(path.world_to_cam):
        shown, points = [torch.arange(len(pixel))], [at_rest]
        for way, steps in zip(ways, (n, num_frames - n), strict=True):
            if steps > half:
                continue
            at_px = start_px[fluid] + way.offset_px[steps]
            surface, existence = sample_fluid(disp_fluid, at_px)
            there = way.inside[steps] & (existence > LEAST_EXISTENCE)
            shown.append(fluid[there])
            points.append(lift(canvas, at_px[there], 1.0 / surface[there]))
        sees = revealed_in(lens.with_pose(pose.contiguous()), front_points, torch.cat(points))
        revealed[torch.cat(shown)[sees]] = True
    return marked, revealed


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
