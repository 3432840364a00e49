"""The table of cases: every op at a size, forward and backward. Whatever measures speed takes its cases from here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from .. import ops
from ..data import SPLAT_RULES, Camera, Frame, PointCloud, Raster

RADIUS_PX = SPLAT_RULES.radius_px
POINTS_PER_PIXEL = 1.3  # one full layer and what a moving camera reveals of a second
MAX_POINTS = 8
FLOW_STEPS = 60
TEAR_DISP = 0.02
COMPOSITORS: tuple[ops.Compositor, ...] = ("alpha", "surface")
Run = Callable[[], tuple[Tensor, ...]]


@dataclass(frozen=True)
class FrameSize:
    """``channels`` and ``cameras``: the numbers of them that are measured."""

    width: int
    height: int
    channels: tuple[int, ...]
    cameras: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Work:
    """A case's inputs on a device. ``run`` returns what it wrote; ``reads``: what it must read at least once."""

    reads: tuple[Tensor, ...]
    run: Run
    num_points: int | None = None

    def least_bytes(self, written: tuple[Tensor, ...]) -> int:
        return sum(t.nbytes for t in (*self.reads, *written))


@dataclass(frozen=True)
class Case:
    """A row of the table, without data: ``build(case, device)`` makes its inputs."""

    op: str
    width: int
    height: int
    channels: int | None
    cameras: int | None
    build: Callable[[Case, torch.device], Work]

    def prepare(self, device: torch.device) -> Work:
        return self.build(self, device)

    @property
    def num_cameras(self) -> int:
        return 1 if self.cameras is None else self.cameras

    @property
    def num_channels(self) -> int:
        if self.channels is None:
            raise ValueError(f"{self.op}: this case has no channels")
        return self.channels

    @property
    def num_pixels(self) -> int:
        return self.width * self.height * self.num_cameras


def all_cases(size: FrameSize) -> Iterator[Case]:
    where = size.width, size.height
    for cameras in size.cameras:
        for channels in size.channels:
            for compositor in COMPOSITORS:
                yield Case(f"splat_points {compositor}", *where, channels, cameras, partial(_splat, compositor))
                half = partial(_splat, compositor, feat_type=torch.float16)
                yield Case(f"splat_points {compositor}, float16", *where, channels, cameras, half)
                kept = partial(_splat, compositor, keeps_memory=True)
                yield Case(f"splat_points {compositor}, kept memory", *where, channels, cameras, kept)
                backward = partial(_splat_backward, compositor)
                yield Case(f"splat_points {compositor}, backward", *where, channels, cameras, backward)
                both = partial(_both_sides, compositor)
                yield Case(f"both sides {compositor} and blend", *where, channels, cameras, both)
            yield Case("blend_bidirectional", *where, channels, cameras, _blend)
            yield Case("blend_bidirectional, backward", *where, channels, cameras, _blend_backward)
        yield Case("find_holes", *where, None, cameras, _find_holes)
    yield Case("integrate_flow", *where, None, None, _integrate_flow)
    yield Case("inpaint_layers", *where, None, None, _inpaint_layers)
    yield Case("drift_points", *where, None, None, _drift_points)
    yield Case("compose_frame", *where, 4, None, _compose_frame)
    yield Case("splat_frame", *where, 4, None, _splat_frame)
    yield Case("fill_uncovered", *where, 3, None, _fill_uncovered)
    yield Case("convert_to_yuv", *where, 3, None, _convert_to_yuv)


def two_layers(camera: Camera, device: torch.device) -> tuple[Tensor, Tensor]:
    """``xyz [N, 3]`` through the pixel centres of a waving surface and of a farther one behind part of it; ``radius [N]``."""
    y, x = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    z_near = 3 + torch.sin(x / 90) + torch.cos(y / 70)
    rows = round(camera.height * (POINTS_PER_PIXEL - 1))
    u, v = torch.cat([x.flatten(), x[:rows].flatten()]), torch.cat([y.flatten(), y[:rows].flatten()])
    z = torch.cat([z_near.flatten(), 2 * z_near[:rows].flatten()])
    xyz = camera.unproject(torch.stack([u, v], dim=1), z)
    return xyz.to(device), (z * (RADIUS_PX / camera.fx)).to(device)


def random(device: torch.device, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator(device).manual_seed(0), device=device)


def _moved_cameras(case: Case) -> Camera:
    poses = torch.eye(3, 4).repeat(case.num_cameras, 1, 1)
    poses[:, 0, 3] = 0.05 * torch.arange(case.num_cameras)
    return Camera.for_photo(case.width, case.height).with_pose(poses)


def _points(case: Case, camera: Camera, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    xyz, radius = two_layers(camera, device)
    return xyz, random(device, len(xyz), case.num_channels), radius


def _splat(
    compositor: ops.Compositor,
    case: Case,
    device: torch.device,
    *,
    feat_type: torch.dtype = torch.float32,
    keeps_memory: bool = False,
) -> Work:
    camera = _moved_cameras(case)
    xyz, feat, radius = _points(case, camera, device)
    feat = feat.to(feat_type)
    kept = None
    if keeps_memory:
        pixels = (case.num_cameras, case.height, case.width)
        kept = Raster(*(torch.zeros(shape, device=device) for shape in ((*pixels, case.num_channels), pixels, pixels)))

    def run() -> tuple[Tensor, ...]:
        raster = ops.splat_points(xyz, feat, radius, camera, compositor=compositor, max_points=MAX_POINTS, out=kept)
        return raster.feat, raster.alpha, raster.disp

    return Work((xyz, feat, radius), run, len(xyz))


def _splat_backward(compositor: ops.Compositor, case: Case, device: torch.device) -> Work:
    camera = _moved_cameras(case)
    xyz, feat, radius = leaves = tuple(t.requires_grad_() for t in _points(case, camera, device))
    raster = ops.splat_points(xyz, feat, radius, camera, compositor=compositor, max_points=MAX_POINTS, return_idx=True)
    outputs = (raster.feat, raster.alpha, raster.disp)
    grads = tuple(torch.ones_like(t) for t in outputs)

    def run() -> tuple[Tensor, ...]:
        return torch.autograd.grad(outputs, leaves, grads, retain_graph=True)

    reads = (*leaves, *grads) if raster.idx is None else (*leaves, *grads, raster.idx)
    return Work(reads, run, len(xyz))


def _both_sides(compositor: ops.Compositor, case: Case, device: torch.device) -> Work:
    """A whole frame: both sides and their blend, replayed from a CUDA graph where there is one."""
    camera = _moved_cameras(case)
    xyz, feat, radius = _points(case, camera, device)
    both_xyz = (xyz, xyz + 0.001)

    def render() -> tuple[Tensor, ...]:
        fwd, bwd = (ops.splat_points(p, feat, radius, camera, compositor=compositor, max_points=MAX_POINTS) for p in both_xyz)
        return (ops.blend_bidirectional(fwd, bwd, 0.3).feat,)

    run = render if device.type == "cpu" else _captured(render)
    return Work((*both_xyz, feat, radius), run, 2 * len(xyz))


def _captured(run: Run) -> Run:
    run()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = run()

    def replay() -> tuple[Tensor, ...]:
        graph.replay()
        return outputs

    return replay


def _two_rasters(case: Case, device: torch.device) -> list[Tensor]:
    pixels = (case.num_cameras, case.height, case.width)
    return [random(device, *shape) for shape in 2 * ((*pixels, case.num_channels), pixels, pixels)]


def _blended(sides: list[Tensor]) -> tuple[Tensor, ...]:
    return tuple(vars(ops.blend_bidirectional(Raster(*sides[:3]), Raster(*sides[3:]), 0.3)).values())


def _blend(case: Case, device: torch.device) -> Work:
    sides = _two_rasters(case, device)
    return Work(tuple(sides), lambda: _blended(sides))


def _blend_backward(case: Case, device: torch.device) -> Work:
    sides = [side.requires_grad_() for side in _two_rasters(case, device)]
    outputs = _blended(sides)
    grads = tuple(torch.ones_like(t) for t in outputs)
    return Work((*sides, *grads), lambda: torch.autograd.grad(outputs, sides, grads, retain_graph=True))


def _integrate_flow(case: Case, device: torch.device) -> Work:
    step_px = random(device, case.height, case.width, 2) - 0.5

    def run() -> tuple[Tensor, ...]:
        trace = ops.integrate_flow(step_px, FLOW_STEPS)
        return trace.offset_px, trace.inside

    return Work((step_px,), run, case.num_pixels)


def _block_before_wall(case: Case, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Disparities of a picture with a block in its middle, of the wall behind it, and where the block stands."""
    wall = 0.3 + 0.02 * random(device, case.height, case.width)
    block = torch.zeros(case.height, case.width, dtype=torch.bool, device=device)
    block[case.height // 3 : case.height // 2, case.width // 3 : case.width // 2] = True
    return torch.where(block, 1.0, wall), wall, block


def _find_holes(case: Case, device: torch.device) -> Work:
    disp, wall, _ = _block_before_wall(case, device)
    still, step_px = torch.zeros_like(disp), torch.zeros(*disp.shape, 2, device=device)
    camera = _moved_cameras(case)
    frame_px = (0, 0, case.width, case.height)
    return Work(
        (disp, wall, still, step_px), lambda: (ops.find_holes(disp, wall, still, step_px, camera, frame_px, num_steps=0),)
    )


def _inpaint_layers(case: Case, device: torch.device) -> Work:
    disp, wall, block = _block_before_wall(case, device)
    rgb = random(device, case.height, case.width, 3)
    return Work((rgb, disp, block, wall), lambda: ops.inpaint_layers(rgb, disp, block, wall, tear_disp=TEAR_DISP))


def _drift_points(case: Case, device: torch.device) -> Work:
    """A point in every pixel of a fluid that fills the picture."""
    num = case.num_pixels
    start_px = random(device, num, 2) * torch.tensor([case.width, case.height], device=device)
    offset_px, feat, surface = (random(device, *shape) for shape in ((num, 2), (num, 4), (case.height, case.width, 8)))
    beside = torch.arange(num, dtype=torch.int32, device=device)
    detail = ops.ContrastDetail(random(device, num, 2, 3), random(device, num, 3), random(device, 24, 40), case.width / 39)
    shapes = ((7, 2, num), (num,), (num,), (num,), (num, 3), (num, 3))
    even, *of_points = (random(device, *shape) for shape in shapes)
    waves = ops.LoopWaves(even, [0.1, -0.2, 0.6, 0.6, -0.2, 0.1, 0.0], *of_points)
    phase = random(device, num)
    out = PointCloud(*(torch.empty(*shape, device=device) for shape in ((num, 3), (num, 4), (num,))))

    def run() -> tuple[Tensor, ...]:
        ops.drift_points(
            start_px,
            offset_px,
            (beside, beside),
            feat,
            surface,
            Camera.for_photo(case.width, case.height),
            out,
            phase=phase,
            fade=0.3,
            detail=detail,
            waves=waves,
        )
        return out.xyz, out.feat, out.radius

    reads = (start_px, offset_px, beside, beside, feat, surface, detail.fine, detail.gain, phase, even[:6], *of_points)
    return Work(reads, run, num)


def _compose_frame(case: Case, device: torch.device) -> Work:
    shape = case.height, case.width
    fwd, bwd = (Raster(random(device, *shape, 4), random(device, *shape), random(device, *shape)) for _ in range(2))

    def run() -> tuple[Tensor, ...]:
        frame = ops.compose_frame(fwd, bwd, 0.4, sharpness=4.0, least_alpha=1e-4)
        return frame.rgb_u8, frame.uncovered

    return Work((fwd.feat, fwd.alpha, fwd.disp, bwd.feat, bwd.alpha, bwd.disp), run)


def _fill_uncovered(case: Case, device: torch.device) -> Work:
    """Along one side of the picture, as a camera uncovers it."""
    rgb_u8 = (255 * random(device, case.height, case.width, 3)).to(torch.uint8)
    uncovered = torch.zeros(case.height, case.width, dtype=torch.bool, device=device)
    uncovered[:, : max(1, case.width // 100)] = True
    frame = Frame(rgb_u8, uncovered)

    def run() -> tuple[Tensor, ...]:
        return (ops.fill_uncovered(frame).rgb_u8,)

    return Work((rgb_u8, uncovered), run)


def _convert_to_yuv(case: Case, device: torch.device) -> Work:
    rgb_u8 = (255 * random(device, case.height, case.width, 3)).to(torch.uint8)

    def run() -> tuple[Tensor, ...]:
        return (ops.convert_to_yuv(rgb_u8),)

    return Work((rgb_u8,), run)


def _splat_frame(case: Case, device: torch.device) -> Work:
    """A tenth of the points is seen by each side alone."""
    camera = Camera.for_photo(case.width, case.height)
    xyz, radius = two_layers(camera, device)
    num = len(xyz)
    points = PointCloud(xyz, random(device, num, 4), radius)
    hidden = [(9 * num // 10, num), (8 * num // 10, 9 * num // 10)]

    def run() -> tuple[Tensor, ...]:
        frame = ops.splat_frame(points, camera, hidden, 0.4, sharpness=4.0, least_alpha=1e-4)
        return frame.rgb_u8, frame.uncovered

    return Work((points.xyz, points.feat, points.radius), run, num)
