"""The cases that `gpu_check` measures: every op forward and backward, and other people's splats of the same points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor

from c3drender import ops
from c3drender.data import Camera, PointCloud, Raster

RADIUS_PX = 1.5
POINTS_PER_PIXEL = 1.3  # one full layer and what a moving camera reveals of a second
FLOW_STEPS = 60
TEAR_DISP = 0.02
Run = Callable[[], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Size:
    width: int
    height: int
    channels: tuple[int, ...]
    cameras: tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """``run`` returns what it wrote; ``reads``: what it must read at least once."""

    op: str
    width: int
    height: int
    channels: int | None
    cameras: int | None
    reads: tuple[Tensor, ...]
    run: Run

    def least_bytes(self, written: tuple[Tensor, ...]) -> int:
        return sum(t.nbytes for t in (*self.reads, *written))


def two_layers(camera: Camera, device: torch.device) -> tuple[Tensor, Tensor]:
    """``xyz [N, 3]`` through the pixel centres of a waving surface and of a farther one behind part of it; ``radius [N]``."""
    y, x = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    z_near = 3 + torch.sin(x / 90) + torch.cos(y / 70)
    rows = round(camera.height * (POINTS_PER_PIXEL - 1))
    u, v = torch.cat([x.flatten(), x[:rows].flatten()]), torch.cat([y.flatten(), y[:rows].flatten()])
    z = torch.cat([z_near.flatten(), 2 * z_near[:rows].flatten()])
    xyz = torch.stack([(u - camera.cx) * z / camera.fx, (v - camera.cy) * z / camera.fy, z], dim=1)
    return xyz.to(device), (z * (RADIUS_PX / camera.fx)).to(device)


def moved_cameras(camera: Camera, num: int) -> Camera:
    poses = torch.eye(3, 4).repeat(num, 1, 1)
    poses[:, 0, 3] = 0.05 * torch.arange(num)
    return camera.with_pose(poses)


def random(device: torch.device, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator(device).manual_seed(0), device=device)


def all_cases(size: Size, device: torch.device) -> Iterator[Case]:
    """One after the other, so that the memory of one is free for the next."""
    for num_cameras in size.cameras:
        for channels in size.channels:
            for compositor in ("alpha", "surface"):
                yield from splat_cases(size, channels, num_cameras, compositor, device)
                yield frame_case(size, channels, num_cameras, compositor, device)
            yield from blend_cases(size, channels, num_cameras, device)
        yield holes_case(size, num_cameras, device)
    yield flow_case(size, device)
    yield inpaint_case(size, device)
    yield drift_case(size, device)
    yield compose_case(size, device)


def splat_cases(
    size: Size, channels: int, num_cameras: int, compositor: ops.Compositor, device: torch.device
) -> Iterator[Case]:
    camera = moved_cameras(Camera.for_photo(size.width, size.height), num_cameras)
    xyz, radius = two_layers(camera, device)
    feat = random(device, len(xyz), channels)
    where = (size.width, size.height, channels, num_cameras)

    def forward() -> tuple[Tensor, ...]:
        raster = ops.splat_points(xyz, feat, radius, camera, compositor=compositor, max_points=8)
        return raster.feat, raster.alpha, raster.disp

    yield Case(f"splat_points {compositor}", *where, (xyz, feat, radius), forward)

    leaves = [t.requires_grad_() for t in (xyz, feat, radius)]
    raster = ops.splat_points(*leaves, camera, compositor=compositor, max_points=8, return_idx=True)
    outputs = (raster.feat, raster.alpha, raster.disp)
    grads = tuple(torch.ones_like(t) for t in outputs)
    yield Case(
        f"splat_points {compositor}, backward",
        *where,
        (*leaves, *grads, raster.idx),
        lambda: torch.autograd.grad(outputs, leaves, grads, retain_graph=True),
    )


def frame_case(size: Size, channels: int, num_cameras: int, compositor: ops.Compositor, device: torch.device) -> Case:
    """A whole frame: both sides and their blend, replayed from a CUDA graph where there is one."""
    camera = moved_cameras(Camera.for_photo(size.width, size.height), num_cameras)
    xyz, radius = two_layers(camera, device)
    both_xyz = (xyz, xyz + 0.001)
    feat = random(device, len(xyz), channels)

    def render() -> tuple[Tensor, ...]:
        sides = (ops.splat_points(p, feat, radius, camera, compositor=compositor, max_points=8) for p in both_xyz)
        return (ops.blend_bidirectional(*sides, 0.3).feat,)

    where = (size.width, size.height, channels, num_cameras)
    run = render if device.type == "cpu" else captured(render)
    return Case(f"both sides {compositor} and blend", *where, (*both_xyz, feat, radius), run)


def captured(run: Run) -> Run:
    run()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = run()

    def replay() -> tuple[Tensor, ...]:
        graph.replay()
        return outputs

    return replay


def blend_cases(size: Size, channels: int, num_cameras: int, device: torch.device) -> Iterator[Case]:
    pixels = (num_cameras, size.height, size.width)
    sides = [random(device, *shape) for shape in 2 * ((*pixels, channels), pixels, pixels)]
    where = (size.width, size.height, channels, num_cameras)

    def blend() -> tuple[Tensor, ...]:
        return tuple(vars(ops.blend_bidirectional(Raster(*sides[:3]), Raster(*sides[3:]), 0.3)).values())

    yield Case("blend_bidirectional", *where, tuple(sides), blend)

    for side in sides:
        side.requires_grad_()
    outputs = blend()
    grads = tuple(torch.ones_like(t) for t in outputs)
    yield Case(
        "blend_bidirectional, backward",
        *where,
        (*sides, *grads),
        lambda: torch.autograd.grad(outputs, sides, grads, retain_graph=True),
    )


def flow_case(size: Size, device: torch.device) -> Case:
    step_px = random(device, size.height, size.width, 2) - 0.5

    def run() -> tuple[Tensor, ...]:
        trace = ops.integrate_flow(step_px, FLOW_STEPS)
        return trace.offset_px, trace.inside

    return Case("integrate_flow", size.width, size.height, None, None, (step_px,), run)


def block_before_wall(size: Size, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Disparities of a picture with a block in its middle, of the wall behind it, and where the block stands."""
    wall = 0.3 + 0.02 * random(device, size.height, size.width)
    block = torch.zeros(size.height, size.width, dtype=torch.bool, device=device)
    block[size.height // 3 : size.height // 2, size.width // 3 : size.width // 2] = True
    return torch.where(block, 1.0, wall), wall, block


def holes_case(size: Size, num_cameras: int, device: torch.device) -> Case:
    disp, wall, _ = block_before_wall(size, device)
    travel_px = torch.zeros_like(disp)
    camera = moved_cameras(Camera.for_photo(size.width, size.height), num_cameras)
    frame_px = (0, 0, size.width, size.height)
    return Case(
        "find_holes",
        size.width,
        size.height,
        None,
        num_cameras,
        (disp, wall, travel_px),
        lambda: (ops.find_holes(disp, wall, travel_px, camera, frame_px, tear_disp=TEAR_DISP),),
    )


def inpaint_case(size: Size, device: torch.device) -> Case:
    disp, wall, block = block_before_wall(size, device)
    rgb = random(device, size.height, size.width, 3)
    return Case(
        "inpaint_layers",
        size.width,
        size.height,
        None,
        None,
        (rgb, disp, block, wall),
        lambda: ops.inpaint_layers(rgb, disp, block, wall, tear_disp=TEAR_DISP),
    )


def drift_case(size: Size, device: torch.device) -> Case:
    """A point in every pixel of a fluid that fills the picture."""
    num = size.height * size.width
    start_px = random(device, num, 2) * torch.tensor([size.width, size.height], device=device)
    offset_px, feat, surface = (random(device, *shape) for shape in ((num, 2), (num, 4), (size.height, size.width, 8)))
    beside = torch.arange(num, dtype=torch.int32, device=device)
    detail = ops.Detail(random(device, num, 2, 3), random(device, num, 3), random(device, 24, 40), size.width / 39)
    phase = random(device, num)
    out = PointCloud(*(torch.empty(*shape, device=device) for shape in ((num, 3), (num, 4), (num,))))

    def run() -> tuple[Tensor, ...]:
        ops.drift_points(
            start_px,
            offset_px,
            (beside, beside),
            feat,
            surface,
            Camera.for_photo(size.width, size.height),
            out,
            radius_px=RADIUS_PX,
            max_stretch=3.0,
            least_existence=0.75,
            phase=phase,
            fade=0.3,
            detail=detail,
        )
        return out.xyz, out.feat, out.radius

    reads = (start_px, offset_px, beside, beside, feat, surface, detail.fine, detail.broad, detail.gain, phase)
    return Case("drift_points", size.width, size.height, None, None, reads, run)


def compose_case(size: Size, device: torch.device) -> Case:
    shape = size.height, size.width
    fwd, bwd = (Raster(random(device, *shape, 4), random(device, *shape), random(device, *shape)) for _ in range(2))

    def run() -> tuple[Tensor, ...]:
        frame = ops.compose_frame(fwd, bwd, 0.4, sharpness=4.0, least_alpha=1e-4)
        return frame.rgb_u8, frame.uncovered

    reads = (fwd.feat, fwd.alpha, fwd.disp, bwd.feat, bwd.alpha, bwd.disp)
    return Case("compose_frame", size.width, size.height, 4, None, reads, run)


# --- peers ------------------------------------------------------------------------------------------------------------


def peer_cases(size: Size, device: torch.device) -> Iterator[Case]:
    """One camera; what cannot be imported is left out."""
    camera = Camera.for_photo(size.width, size.height)
    xyz, radius = two_layers(camera, device)
    peers = {"plain torch, index_add_": plain_torch_splat}
    if find_spec("pytorch3d"):
        peers["PyTorch3D, AlphaCompositor"] = pytorch3d_splat
    if find_spec("gsplat"):
        peers["gsplat"] = gsplat_splat
    for channels in size.channels:
        feat = random(device, len(xyz), channels)
        for name, splat in peers.items():
            yield Case(name, size.width, size.height, channels, 1, (xyz, feat, radius), splat(xyz, feat, radius, camera))


def plain_torch_splat(xyz: Tensor, feat: Tensor, radius: Tensor, camera: Camera) -> Run:
    """Softmax splatting: a point gives its four nearest pixels bilinear shares, weighted by exp(disparity). No depth order."""

    def run() -> tuple[Tensor, ...]:
        z = xyz[:, 2]
        u, v = camera.fx * xyz[:, 0] / z + camera.cx - 0.5, camera.fy * xyz[:, 1] / z + camera.cy - 0.5
        x0, y0 = u.floor(), v.floor()
        rows = torch.cat([feat, torch.ones_like(z)[:, None]], dim=1)
        total = rows.new_zeros(camera.height * camera.width, rows.shape[1])
        for dx in (0, 1):
            for dy in (0, 1):
                x, y = (x0 + dx).long(), (y0 + dy).long()
                inside = (x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height)
                share = (1 - (u - x).abs()) * (1 - (v - y).abs()) * torch.exp(1 / z) * inside
                total.index_add_(0, torch.where(inside, y * camera.width + x, 0), rows * share[:, None])
        return (total[:, :-1] / total[:, -1:].clamp(min=1e-6),)

    return run


def pytorch3d_splat(xyz: Tensor, feat: Tensor, radius: Tensor, camera: Camera) -> Run:
    from pytorch3d.renderer.compositing import alpha_composite
    from pytorch3d.renderer.points.rasterize_points import rasterize_points
    from pytorch3d.structures import Pointclouds

    half = min(camera.width, camera.height) / 2  # pixels per unit of its coordinates, which point left and up

    def run() -> tuple[Tensor, ...]:
        z = xyz[:, 2]
        u, v = camera.fx * xyz[:, 0] / z + camera.cx, camera.fy * xyz[:, 1] / z + camera.cy
        ndc = torch.stack([(camera.width / 2 - u) / half, (camera.height / 2 - v) / half, z], dim=1)
        idx, _, square = rasterize_points(Pointclouds([ndc]), (camera.height, camera.width), RADIUS_PX / half, 8)
        weights = 1 - square.permute(0, 3, 1, 2) / (RADIUS_PX / half) ** 2
        return (alpha_composite(idx.long().permute(0, 3, 1, 2), weights, feat.T),)

    return run


def gsplat_splat(xyz: Tensor, feat: Tensor, radius: Tensor, camera: Camera) -> Run:
    """Round Gaussians with a standard deviation of half the disc's radius, opaque in their middle."""
    from gsplat import rasterization

    quats = torch.tensor([1.0, 0, 0, 0], device=xyz.device).expand(len(xyz), 4)
    scales, opacities = (radius / 2)[:, None].expand(-1, 3), torch.ones_like(radius)
    pose = torch.eye(4, device=xyz.device)[None]
    lens = torch.tensor([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], device=xyz.device)[None]

    def run() -> tuple[Tensor, ...]:
        return rasterization(xyz, quats, scales, opacities, feat, pose, lens, camera.width, camera.height)[:2]

    return run
