"""The torch ops on every device that is there, with the inputs of the emulated kernels' tests: against the CPU, and again for
the same bits. `benchmarks/gpu_check.py` runs this file under compute-sanitizer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from twin_cases import Arrays, one_of_each, random_cloud

from c3drender import ops
from c3drender.data import Camera
from c3drender.ops.device import pick_device

DEVICES = sorted({"cpu", pick_device("auto").type})
SUMMED_IN_ANOTHER_ORDER = 2e-5
needs_cuda = pytest.mark.skipif("cuda" not in DEVICES, reason="no CUDA device")


def assert_same(ours: Arrays, theirs: Arrays, tolerance: float) -> None:
    """Decisions are equal; floats may be summed up in another order."""
    for mine, other in zip(ours, theirs, strict=True):
        if mine.dtype == np.float32:
            scale = max(1, np.abs(other[np.isfinite(other)]).max(initial=0))
            assert np.allclose(mine, other, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
        else:
            assert np.array_equal(mine, other)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", list(one_of_each(0)))
def test_every_op(name: str, seed: int, device: str) -> None:
    call = one_of_each(seed)[name]
    got = call.run(device=device)
    assert_same(got, call.run(), SUMMED_IN_ANOTHER_ORDER)
    assert_same(call.run(device=device), got, 0.0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("compositor", ["alpha", "surface"])
@pytest.mark.parametrize("channels", [4, 37])
def test_a_picture(channels: int, compositor: str, device: str) -> None:
    """Enough points that blocks run at once. Rims may round differently: a few pixels of a hundred thousand may differ."""
    call = random_cloud(np.random.default_rng(channels), 200_000, (270, 481), channels=channels, compositor=compositor).splat()
    got, want = call.run(device=device), call.run()
    differs = (got[3] != want[3]).any(-1)
    assert differs.mean() < 1e-3
    for ours, theirs in zip(got[:3], want[:3], strict=True):
        assert np.allclose(ours[~differs], theirs[~differs], rtol=0, atol=SUMMED_IN_ANOTHER_ORDER)
    assert_same(call.run(device=device), got, 0.0)


def needs_gpu_memory(gigabytes: int) -> None:
    if torch.cuda.mem_get_info()[0] < gigabytes * 1e9:
        pytest.skip(f"needs {gigabytes} GB of free GPU memory")


@needs_cuda
def test_a_hundred_million_points() -> None:
    """Numbers of points beyond what float32 tells apart, offsets in bytes beyond 32 bits: the last thousand are all that is
    seen."""
    needs_gpu_memory(12)
    cloud = random_cloud(np.random.default_rng(2), 1000, (90, 160), channels=16)
    last = [torch.as_tensor(a).cuda() for a in (cloud.xyz, cloud.feat, cloud.radius)]
    num = 100_000_000
    xyz, feat, radius = (t.new_zeros(num, *t.shape[1:]) for t in last)
    xyz[:, 2] = -1
    for everything, t in zip((xyz, feat, radius), last, strict=True):
        everything[-1000:] = t
    camera = Camera.for_photo(160, 90)
    want = ops.splat_points(*last, camera, compositor="alpha", return_idx=True)
    got = ops.splat_points(xyz, feat, radius, camera, compositor="alpha", return_idx=True)
    assert torch.equal(got.feat, want.feat) and torch.equal(got.idx, torch.where(want.idx < 0, -1, want.idx + num - 1000))


@needs_cuda
def test_the_last_pixel_of_an_8k_frame() -> None:
    """Places beyond 2^31 in the picture of features."""
    needs_gpu_memory(30)
    camera = Camera.for_photo(7680, 4320)
    x, y = (7679.5 - camera.cx) / camera.fx, (4319.5 - camera.cy) / camera.fy
    xyz, feat = torch.tensor([[x, y, 1.0]], device="cuda"), torch.rand(1, 72, device="cuda")
    raster = ops.splat_points(xyz, feat, 0.4 / camera.fx, camera)
    torch.testing.assert_close(raster.feat[-1, -1] / raster.alpha[-1, -1], feat[0])
    assert raster.alpha.count_nonzero() == 1 and raster.feat.sum().isclose(raster.feat[-1, -1].sum())
    blend = ops.blend_bidirectional(raster, raster, 0.5)
    torch.testing.assert_close(blend.feat[-1, -1], raster.feat[-1, -1])


@needs_cuda
def test_a_frame_is_captured_in_a_cuda_graph() -> None:
    """Both sides and the blend: nothing waits for the host, and a replay sees new positions."""
    camera = Camera.for_photo(320, 180)
    cloud = random_cloud(np.random.default_rng(1), 60_000, (180, 320), channels=8)
    xyz, feat, radius = (torch.from_numpy(a).cuda() for a in (cloud.xyz, cloud.feat, cloud.radius))

    def frame() -> torch.Tensor:
        sides = (ops.splat_points(xyz + shift, feat, radius, camera) for shift in (0.01, -0.01))
        return ops.blend_bidirectional(*sides, 0.3).feat

    frame()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = frame()
    xyz += 0.02
    graph.replay()
    assert torch.equal(captured, frame())


@needs_cuda
@pytest.mark.parametrize("name", list(one_of_each(0)))
def test_no_op_waits_for_the_device(name: str) -> None:
    """Waiting would end a capture with an error."""
    run = one_of_each(0)[name].bind(device="cuda")
    want = [t.clone() for t in run()]
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        got = run()
    graph.replay()
    for ours, theirs in zip(got, want, strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=0, equal_nan=True)
