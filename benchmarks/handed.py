"""How much of our own pictures the CUDA splat draws without a walk: of frames of a photo, the pixels by their numbers of hits,
and the halves of tiles (16x8 px) whose points can be handed out, by the bounds of `csrc/cuda/splat_handing.cuh`.

    python benchmarks/handed.py [--photos DIR] [--size 1280] [NAME ...]

Counted on the CPU: what both sides of the blend see in frames 0, 20 and 40 of 60, from where a circling camera is then.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from acceptance import DRAWN, LABELLED, ROOT, photo_and_hints
from torch import Tensor

import c3drender
from c3drender import ops, pipeline, render
from c3drender.data import Camera

NUM_FRAMES, SHOWN = 60, (0, 20, 40)
MAX_HANDED, MAX_BOX_PX, MAX_KEYS = 32, 100, 1024
HALF_WIDTH, HALF_HEIGHT = 16, 8
MAX_HITS = 64


def sides(path: Path, hints: dict, size: int) -> Iterator[tuple[Camera, Tensor, Tensor]]:
    """Camera, xyz and radius of what each side of the frames sees."""
    scene = c3drender.prepare(path, depth="builtin", size=size, **hints)
    animation = render.animate(scene, NUM_FRAMES)
    views = pipeline.camera_path(scene, "circle", NUM_FRAMES, amplitude=1.0)
    num_fluid = len(animation.fluid.start_px)
    for n in SHOWN:
        render.render_frame(animation, views.world_to_cam[n], n)
        xyz, radius = animation.points.xyz, animation.points.radius
        still, forward, backward = (len(xyz) - 2 * num_fluid, num_fluid, num_fluid)
        for hides in (slice(still + forward, None), slice(still, still + backward)):
            sees = torch.ones(len(xyz), dtype=torch.bool)
            sees[hides] = n == 0
            yield animation.camera.with_pose(views.world_to_cam[n]), xyz[sees], radius[sees]


def hits_of(camera: Camera, xyz: Tensor, radius: Tensor) -> Tensor:
    """``[H, W]``, at most MAX_HITS."""
    idx = ops.splat_points(xyz, torch.zeros(len(xyz), 1), radius, camera, max_points=MAX_HITS, return_idx=True).idx
    assert idx is not None
    return (idx >= 0).sum(-1)


def halves_of(pixels: Tensor) -> Tensor:
    """The largest of each half tile's pixels."""
    height, width = pixels.shape
    padded = torch.nn.functional.pad(pixels, (0, -width % HALF_WIDTH, 0, -height % HALF_HEIGHT))
    return padded.unflatten(1, (-1, HALF_WIDTH)).unflatten(0, (-1, HALF_HEIGHT)).amax((1, 3))


def touched_by(camera: Camera, xyz: Tensor, radius: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """How many discs touch each half tile, and whether one with too large a box does."""
    seen = xyz @ camera.pose[:, :3].T + camera.pose[:, 3]
    z = seen[:, 2]
    centre_px = seen[:, :2] / z[:, None] * camera.fx + torch.tensor([camera.cx, camera.cy])
    radius_px = (camera.fx * radius / z)[:, None]
    last_px = torch.tensor([camera.width - 1.0, camera.height - 1.0])
    first, last = (centre_px - radius_px - 0.5).ceil(), (centre_px + radius_px - 0.5).floor()
    drawn = (z > 0) & (radius > 0) & (first <= last_px).all(1) & (last >= 0).all(1)
    first, last = (torch.minimum(px[drawn].clamp_min(0), last_px).long() for px in (first, last))
    is_large = (last - first + 1).prod(1) > MAX_BOX_PX
    side = torch.tensor([HALF_WIDTH, HALF_HEIGHT])
    first, last = first // side, last // side
    count, large = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.int64)
    most = (last - first).amax(0) + 1 if len(first) else torch.zeros(2, dtype=torch.int64)
    for dx in range(int(most[0])):
        for dy in range(int(most[1])):
            at = first + torch.tensor([dx, dy])
            touches = (at <= last).all(1)
            x, y = at[touches].unbind(1)
            count.index_put_((y, x), torch.ones_like(x), accumulate=True)
            large.index_put_((y, x), is_large[touches].long(), accumulate=True)
    return count, large > 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=[*LABELLED, *DRAWN])
    parser.add_argument("--photos", type=Path, default=ROOT.parent / "shared" / "photos")
    parser.add_argument("--size", type=int, default=1280)
    args = parser.parse_args()
    print(f"{'% of':<16}{'pixels with hits':>28}   halves of tiles left to the walk, as")
    print(f"{'':<16}{'<= 8':>7}{'<= 16':>7}{'<= 32':>7}{'more':>7}{'hits':>9}{'box':>7}{'keys':>7}{'any':>7}")
    for name in args.names:
        rows = []
        for camera, xyz, radius in sides(*photo_and_hints(args.photos, name), args.size):
            hits = hits_of(camera, xyz, radius)
            too_many = halves_of(hits) > MAX_HANDED
            count, has_large = touched_by(camera, xyz, radius, too_many.shape)
            shares = [(hits <= n).float().mean() for n in (8, 16, MAX_HANDED)] + [(hits > MAX_HANDED).float().mean()]
            too_long = count > MAX_KEYS
            left = (too_many, has_large, too_long, too_many | has_large | too_long)
            rows.append(shares + [halves.float().mean() for halves in left])
        mean = (100 * torch.tensor(rows).mean(0)).tolist()
        print(f"{name:<16}{mean[0]:7.1f}{mean[1]:7.1f}{mean[2]:7.1f}{mean[3]:7.1f}", end="")
        print(f"{mean[4]:9.1f}{mean[5]:7.1f}{mean[6]:7.1f}{mean[7]:7.1f}", flush=True)


if __name__ == "__main__":
    main()
