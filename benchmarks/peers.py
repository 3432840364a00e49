"""Other people's splats of the points of the case table: the same positions, features and camera in; features, coverage and
disparity out. What is not installed, or does not run here, is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec

import torch
from torch import Tensor

from c3drender.bench.cases import MAX_POINTS, RADIUS_PX, Case, FrameSize, Run, Work, random, two_layers
from c3drender.data import Camera

Splat = Callable[[Tensor, Tensor, Tensor, Camera], Run]


def peer_cases(size: FrameSize) -> Iterator[Case]:
    """One camera each."""
    peers: dict[str, Splat] = {"plain torch, index_add_": plain_torch_splat}
    if find_spec("pytorch3d"):
        peers["PyTorch3D, AlphaCompositor"] = pytorch3d_splat
    if find_spec("gsplat"):
        peers["gsplat"] = gsplat_splat
    for channels in size.channels:
        for name, splat in peers.items():
            yield Case(name, size.width, size.height, channels, 1, partial(_work, splat))


def _work(splat: Splat, case: Case, device: torch.device) -> Work:
    camera = Camera.for_photo(case.width, case.height).with_pose(torch.eye(3, 4).to(device))
    xyz, radius = two_layers(camera, device)
    feat = random(device, len(xyz), case.channels)
    return Work((xyz, feat, radius), splat(xyz, feat, radius, camera), len(xyz))


def runs_here(case: Case, device: torch.device) -> bool:
    """Whether a peer does: one that imports may still lack a device, or the kernels that it was built with."""
    try:
        case.prepare(device).run()
    except Exception as error:
        # Any exception of theirs.
        print(f"{case.op} does not run here: left out ({type(error).__name__}: {str(error).strip().splitlines()[0]:.80})")
        return False
    return True


def _project(xyz: Tensor, camera: Camera) -> tuple[Tensor, Tensor, Tensor]:
    """``u``, ``v`` in px and ``z``, each ``[N]``."""
    x, y, z = (xyz @ camera.world_to_cam[:, :3].T + camera.world_to_cam[:, 3]).unbind(1)
    return camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy, z


def plain_torch_splat(xyz: Tensor, feat: Tensor, radius: Tensor, camera: Camera) -> Run:
    """Softmax splatting: a point gives its four nearest pixels bilinear shares, weighted by exp(disparity); coverage is the
    sum of shares, at most 1. No depth order, and no radius: a bilinear footprint is 2x2 pixels."""

    def run() -> tuple[Tensor, ...]:
        u, v, z = _project(xyz, camera)
        u, v = u - 0.5, v - 0.5
        x0, y0 = u.floor(), v.floor()
        disp = (1 / z)[:, None]
        weight = disp.exp()
        rows = torch.cat([feat * weight, disp * weight, weight, torch.ones_like(weight)], dim=1)
        shared = torch.empty_like(rows)
        total = rows.new_zeros(camera.height * camera.width, rows.shape[1])
        for dx in (0, 1):
            for dy in (0, 1):
                x, y = (x0 + dx).long(), (y0 + dy).long()
                inside = (z > 0) & (x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height)
                share = (1 - (u - x).abs()) * (1 - (v - y).abs()) * inside
                torch.mul(rows, share[:, None], out=shared)
                total.index_add_(0, torch.where(inside, y * camera.width + x, 0), shared)
        alpha = total[:, -1].clamp(max=1)
        picture = total[:, :-2] * (alpha / total[:, -2].clamp(min=1e-6))[:, None]
        size = camera.height, camera.width
        return picture[:, :-1].view(*size, -1), alpha.view(size), picture[:, -1].view(size)

    return run


def pytorch3d_splat(xyz: Tensor, feat: Tensor, radius: Tensor, camera: Camera) -> Run:
    """On the CPU its cost grows with points times pixels."""
    from pytorch3d.renderer.compositing import alpha_composite
    from pytorch3d.renderer.points.rasterize_points import rasterize_points
    from pytorch3d.structures import Pointclouds

    half = min(camera.width, camera.height) / 2  # pixels per unit of its coordinates, which point left and up

    def run() -> tuple[Tensor, ...]:
        u, v, z = _project(xyz, camera)
        ndc = torch.stack([(camera.width / 2 - u) / half, (camera.height / 2 - v) / half, z], dim=1)
        size = camera.height, camera.width
        idx, _, square = rasterize_points(Pointclouds([ndc]), size, RADIUS_PX / half, MAX_POINTS)
        weights = 1 - square.permute(0, 3, 1, 2) / (RADIUS_PX / half) ** 2
        rows = torch.cat([feat, torch.stack([torch.ones_like(z), 1 / z], dim=1)], dim=1)
        return (alpha_composite(idx.long().permute(0, 3, 1, 2), weights, rows.T.contiguous()),)

    return run


def gsplat_splat(xyz: Tensor, feat: Tensor, radius: Tensor, camera: Camera) -> Run:
    """Round Gaussians with a standard deviation of half the disc's radius, opaque in their middle."""
    from gsplat import rasterization

    quats = torch.tensor([1.0, 0, 0, 0], device=xyz.device).expand(len(xyz), 4)
    scales, opacities = (radius / 2)[:, None].expand(-1, 3), torch.ones_like(radius)
    pose = torch.eye(4, device=xyz.device)
    pose[:3] = camera.world_to_cam
    lens = torch.tensor([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], device=xyz.device)[None]

    def run() -> tuple[Tensor, ...]:
        return rasterization(xyz, quats, scales, opacities, feat, pose[None], lens, camera.width, camera.height)[:2]

    return run
