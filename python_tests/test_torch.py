"""The ops as citizens of torch: `opcheck`, `torch.compile`, autocast, other dispatch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from twin_cases import one_of_each

from c3drender import ops
from c3drender.data import Camera, Raster
from c3drender.ops.call import camera_rows
from c3drender.ops.device import has_cuda, pick_device

HEIGHT, WIDTH = 8, 9
DEVICES = sorted({"cpu", pick_device("auto").type})
CAMERA = Camera(9.0, 9.5, 4.4, 4.2, WIDTH, HEIGHT)


def poses(num_views: int) -> Tensor:
    out = torch.eye(3, 4).repeat(num_views, 1, 1)
    out[:, 0, 3] = 0.05 * torch.arange(num_views)
    return out


def cloud(num: int = 40, channels: int = 4, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    xyz = torch.rand(num, 3, generator=generator) + torch.tensor([-0.5, -0.5, 1.0])
    return xyz, torch.rand(num, channels, generator=generator), 0.1 + 0.1 * torch.rand(num, generator=generator)


def raster(seed: int, shape: tuple[int, ...] = (HEIGHT, WIDTH)) -> Raster:
    generator = torch.Generator().manual_seed(seed)
    return Raster(*(torch.rand(*size, generator=generator) for size in ((*shape, 3), shape, shape)))


# --- opcheck ----------------------------------------------------------------------------------------------------------


def opcheck_samples() -> dict[str, tuple[str, Sequence[Any]]]:
    """Every op once or more, and what only torch asks for: gradients, results of size zero, given memory."""
    rows = camera_rows("splat_points", CAMERA.with_pose(poses(2)))
    size = (WIDTH, HEIGHT)
    xyz, feat, radius = cloud()
    leaves = [t.clone().requires_grad_() for t in (xyz, feat, radius)]
    idx = torch.ops.c3drender.splat_points(xyz, feat, radius, 0.0, rows, *size, 1, 8, 0.02, True)[3]
    grads = [torch.rand(2, HEIGHT, WIDTH, 4), torch.rand(2, HEIGHT, WIDTH), torch.rand(2, HEIGHT, WIDTH)]
    sides = [t for seed in (1, 2) for t in (raster(seed).feat, raster(seed).alpha, raster(seed).disp)]
    blend_grads = [torch.rand_like(sides[k]) for k in (0, 1, 1, 1)]
    loop_t = torch.rand(HEIGHT, WIDTH)
    calls = {name: (call.op, [finite(value) for value in call.tensors()]) for name, call in one_of_each(0).items()}
    return calls | {
        "splat": ("splat_points", (xyz, feat, radius, 0.0, rows, *size, 0, 8, 0.02, False)),
        "splat, one radius, half, hits": ("splat_points", (xyz, feat.half(), None, 0.1, rows, *size, 1, 32, 0.02, True)),
        "splat, soft": ("splat_points", (*leaves, 0.0, rows, *size, 1, 8, 0.02, True, None, torch.rand(len(xyz)))),
        "splat, of nothing": ("splat_points", (xyz[:0], feat[:0], None, 0.1, rows, *size, 1, 32, 0.02, True)),
        "splat, of what each sees": (
            "splat_points",
            (xyz, feat, radius, 0.0, rows, *size, 0, 8, 0.02, False, torch.tensor([[0, 2], [1, 4]])),
        ),
        "splat, to given memory": (
            "splat_points_out",
            (xyz, feat, radius, 0.0, rows, *size, 0, 8, 0.02, None, None, *(torch.zeros_like(grad) for grad in grads)),
        ),
        "splat, differentiated": ("splat_points", (*leaves, 0.0, rows, *size, 1, 8, 0.02, True)),
        "splat, differentiated in feat": ("splat_points", (xyz, leaves[1], None, 0.1, rows, *size, 0, 8, 0.02, True)),
        "splat backward": (
            "splat_points_bwd",
            (*grads, xyz, feat, radius, 0.0, rows, *size, 1, 0.02, idx, True, True, True),
        ),
        "splat backward, of little": (
            "splat_points_bwd",
            (None, grads[1], None, xyz, feat, None, 0.1, rows, *size, 0, 0.02, idx, False, True, False),
        ),
        "blend, differentiated": (
            "blend_bidirectional",
            (*(t.clone().requires_grad_() for t in (*sides, loop_t)), 0.0, 4.0),
        ),
        "blend backward, of little": ("blend_bidirectional_bwd", (blend_grads[0], None, None, None, *sides, None, 0.3, 4.0)),
    }


def finite(value: Any) -> Any:
    """`opcheck` compares results, and does not take NaN for NaN."""
    is_real = isinstance(value, Tensor) and value.is_floating_point()
    return torch.nan_to_num(value, posinf=0.0) if is_real else value


SAMPLES = opcheck_samples()


def has_kernel(op: str, device: str) -> bool:
    return torch._C._dispatch_has_kernel_for_dispatch_key(f"c3drender::{op}", device.upper())


def on_device(args: Sequence[Any], device: str) -> list[Any]:
    """Camera rows, ``[V, 16]``, and ranges of points, ``[V, 2]`` int64, stay in host memory."""

    def stays(t: Any) -> bool:
        return not isinstance(t, Tensor) or t.shape[1:] == (16,) or t.dtype == torch.int64

    return [t if stays(t) else t.detach().to(device).requires_grad_(t.requires_grad) for t in args]


@pytest.mark.parametrize(
    ("sample", "device"),
    [(sample, device) for device in DEVICES for sample in SAMPLES if has_kernel(SAMPLES[sample][0], device)],
)
def test_opcheck(sample: str, device: str) -> None:
    op, args = SAMPLES[sample]
    torch.library.opcheck(getattr(torch.ops.c3drender, op).default, on_device(args, device))


def test_the_cuda_half_is_registered() -> None:
    """Also where torch has no CUDA: the extension loads there all the same."""
    with_cuda = {op for op, _ in SAMPLES.values() if has_kernel(op, "cuda")}
    assert with_cuda == ({op for op, _ in SAMPLES.values()} if has_cuda() else set())


def test_every_op_is_checked() -> None:
    defined = {name.partition("::")[2] for name in torch._C._dispatch_get_all_op_names() if name.startswith("c3drender::")}
    assert defined == {op for op, _ in SAMPLES.values()}


# --- torch.compile ----------------------------------------------------------------------------------------------------


def render(
    xyz: Tensor, feat: Tensor, radius: Tensor, step_px: Tensor, disp: Tensor, camera: Camera, loop_t: float
) -> tuple[ops.BlendedRaster, ops.FlowTrace, Tensor, Tensor]:
    """Every op, with what a caller does between them."""
    trace = ops.integrate_flow(step_px, 3)
    drift = torch.nn.functional.pad(trace.offset_px[-1, : len(xyz)] / camera.fx, (0, 1))
    fwd = ops.splat_points(xyz + drift, feat, radius, camera)
    bwd = ops.splat_points(xyz - drift, feat, 0.15, camera, compositor="alpha", max_points=4)
    identity = replace(camera, world_to_cam=None)
    frame_px = (0, 0, camera.width, camera.height)
    holes = ops.find_holes(disp, 0.5 * disp, 0.5 * disp, step_px, identity, frame_px, num_steps=2)
    grey = disp[..., None].expand(-1, -1, 3).contiguous()
    filled, _ = ops.inpaint_layers(grey, disp, holes, 0.5 * disp, tear_disp=0.1)
    return ops.blend_bidirectional(fwd, bwd, loop_t), trace, holes, filled


def render_inputs(num: int, channels: int = 4) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(num)
    step_px = torch.rand(HEIGHT, WIDTH, 2, generator=generator) - 0.5
    return *cloud(num, channels, seed=num), step_px, torch.rand(HEIGHT, WIDTH, generator=generator)


@pytest.fixture(autouse=True)
def fresh_dynamo() -> None:
    torch._dynamo.reset()


@pytest.mark.parametrize("num_views", [None, 1, 3])
def test_compiled_in_one_graph(num_views: int | None) -> None:
    camera = CAMERA if num_views is None else CAMERA.with_pose(poses(num_views))
    compiled = torch.compile(render, fullgraph=True, backend="aot_eager")
    for num, loop_t in ((40, 0.3), (23, 0.7)):  # the second call is traced with a symbolic number of points
        inputs = render_inputs(num)
        results, expected = compiled(*inputs, camera, loop_t), render(*inputs, camera, loop_t)
        for got, want in zip(results[:2], expected[:2], strict=True):
            for name, value in vars(want).items():
                assert torch.equal(getattr(got, name), value), name
        assert torch.equal(results[2], expected[2]) and torch.equal(results[3], expected[3])


def test_compiled_with_gradients() -> None:
    camera = CAMERA.with_pose(poses(2))
    compiled = torch.compile(render, fullgraph=True, backend="aot_eager")
    gradients = []
    for function in (render, compiled):
        xyz, feat, radius, step_px, disp = render_inputs(30)
        leaves = [t.requires_grad_() for t in (xyz, feat, radius)]
        blend, *_ = function(*leaves, step_px, disp, camera, 0.4)
        gradients.append(torch.autograd.grad(blend.feat.square().sum() + blend.alpha.sum(), leaves))
    for eager, traced in zip(*gradients, strict=True):
        assert eager.any() and torch.allclose(eager, traced, rtol=1e-5, atol=1e-6)


# --- autocast ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_keeps_features_and_converts_the_rest(dtype: torch.dtype) -> None:
    """Geometry that a network computed in half precision is taken as it is, in float32; results are float32."""
    xyz, feat, radius, step_px, disp = (t.to(dtype) for t in render_inputs(30))
    exact = [t.float() for t in (xyz, radius, step_px, disp)]
    camera = CAMERA.with_pose(poses(2))
    want = render(exact[0], feat, *exact[1:], camera, 0.4)
    with torch.autocast("cpu", dtype=dtype):
        got = render(exact[0], feat, *exact[1:], camera, 0.4)
        for ours, theirs in zip(vars(got[0]).values(), vars(want[0]).values(), strict=True):
            assert ours.dtype == torch.float32 and torch.equal(ours, theirs)

        splat = ops.splat_points(xyz, feat, radius, camera)
        assert torch.equal(splat.feat, ops.splat_points(exact[0], feat, exact[1], camera).feat)
        for start_px in (None, 5 * feat[:, :2].contiguous()):
            assert ops.integrate_flow(step_px, 2, start_px=start_px).offset_px.dtype == torch.float32
        sides = [Raster(*(t.to(dtype) for t in (r.feat, r.alpha, r.disp))) for r in (raster(1), raster(2))]
        for loop_t in (0.4, torch.full((HEIGHT, WIDTH), 0.4, dtype=dtype)):
            assert ops.blend_bidirectional(*sides, loop_t).feat.dtype == torch.float32
        holes = ops.find_holes(disp, disp, disp, step_px, CAMERA, (0, 0, WIDTH, HEIGHT), num_steps=2)
        assert holes.dtype == torch.bool
    with pytest.raises(TypeError, match=r"^splat_points: xyz must be float32, got b?float16"):
        ops.splat_points(xyz, feat, radius, camera)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gradients_reach_a_network_under_autocast(dtype: torch.dtype) -> None:
    xyz, feat, radius = cloud(60)
    head = torch.nn.Linear(4, 4)
    with torch.autocast("cpu", dtype=dtype):
        encoded = head(feat)
        assert encoded.dtype == dtype
        splat = ops.splat_points(xyz + encoded[:, :3], encoded, radius, CAMERA)
        splat.feat.square().sum().backward()
    assert head.weight.grad.dtype == torch.float32 and head.weight.grad.isfinite().all() and head.weight.grad.any()


# --- other dispatch ---------------------------------------------------------------------------------------------------


def test_shapes_without_data() -> None:
    """On the meta device: the shapes and dtypes of the real call, whatever the batch."""
    for num_views in (None, 3):
        camera = CAMERA if num_views is None else CAMERA.with_pose(poses(num_views))
        real = render(*render_inputs(30), camera, 0.3)
        meta = render(*(t.to("meta") for t in render_inputs(30)), camera, 0.3)
        for ours, theirs in zip(meta[:2], real[:2], strict=True):
            for name, value in vars(theirs).items():
                shape = getattr(ours, name)
                assert shape.is_meta and shape.shape == value.shape and shape.dtype == value.dtype
        assert meta[2].shape == real[2].shape and meta[2].dtype == torch.bool
        assert meta[3].shape == real[3].shape and meta[3].dtype == torch.float32


def test_no_kernel_for_a_kind_of_tensor_is_said_in_one_line() -> None:
    xyz, feat, radius = cloud()
    with pytest.raises(TypeError, match=r"^splat_points: xyz must be a dense tensor, got one of sparse_coo$"):
        ops.splat_points(xyz.to_sparse(), feat, radius, CAMERA)


# --- CUDA -------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif("cuda" not in DEVICES, reason="no CUDA device")
def test_work_is_queued_on_the_current_stream() -> None:
    step_px = torch.rand(64, 64, 2, device="cuda")
    want = ops.integrate_flow(step_px, 8).offset_px
    late = torch.zeros_like(step_px)
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda._sleep(50_000_000)
        late.copy_(step_px)
        got = ops.integrate_flow(late, 8).offset_px
    torch.cuda.synchronize()
    assert torch.equal(got, want)
