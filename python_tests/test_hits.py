"""`splat_hits` and `splat_depth`: against `splat_points`, for which they stand, and on scenes whose depths are known."""

from __future__ import annotations

import pytest
import torch
from test_gradients import camera_of, cameras_of, random_cloud

from c3drender import Camera, ops
from c3drender.data import Cameras

COMPOSITORS = ("alpha", "surface")


@pytest.mark.parametrize("compositor", COMPOSITORS)
@pytest.mark.parametrize("radius_unit", ["scene", "px", "ndc"])
@pytest.mark.parametrize("soft", [True, False])
def test_weights_make_the_picture(soft: bool, radius_unit: str, compositor: str) -> None:
    cameras = cameras_of(13, 17, 2)
    xyz, feat, radius = random_cloud(1, 300, camera_of(13, 17))
    options = {"compositor": compositor, "radius_unit": radius_unit}
    options["opacity"] = torch.rand(300, generator=torch.Generator().manual_seed(1)) if soft else None
    radius = {"scene": radius, "px": 2.3, "ndc": 0.3}[radius_unit]
    hits = ops.splat_hits(xyz, radius, cameras, **options)
    raster = ops.splat_points(xyz, feat, radius, cameras, return_idx=True, **options)
    assert torch.equal(hits.idx, raster.idx)
    is_hit = hits.idx >= 0
    assert not hits.weight[~is_hit].any() and not hits.z_cam[~is_hit].any() and (hits.q[~is_hit] == 1).all()
    assert (hits.q[is_hit] >= 0).all() and (hits.q[is_hit] < 1 + 1e-5).all()
    assert torch.allclose((hits.weight[..., None] * feat[hits.idx.clamp_min(0).long()]).sum(-2), raster.feat, atol=1e-5)
    assert torch.allclose(hits.weight.sum(-1), raster.alpha, atol=1e-5)
    shown = raster.alpha > 1e-3
    harmonic = (hits.weight / hits.z_cam.where(is_hit, torch.ones(()))).sum(-1)
    assert torch.allclose(harmonic[shown], raster.disp[shown], atol=1e-5)


@pytest.mark.parametrize("compositor", COMPOSITORS)
def test_gradients_equal_those_of_the_op(compositor: str) -> None:
    camera = camera_of(13, 17)
    xyz, feat, radius = random_cloud(2, 200, camera)
    opacity = torch.rand(200, generator=torch.Generator().manual_seed(2))
    leaves = [t.requires_grad_() for t in (xyz, radius, opacity)]
    want = ops.splat_points(xyz, feat, radius, camera, opacity=opacity, compositor=compositor).feat
    hits = ops.splat_hits(xyz, radius, camera, opacity=opacity, compositor=compositor)
    got = (hits.weight[..., None] * feat[hits.idx.clamp_min(0).long()]).sum(-2)
    weights = torch.randn(want.shape, generator=torch.Generator().manual_seed(3))
    for ours, theirs in zip(*(torch.autograd.grad((t * weights).sum(), leaves) for t in (got, want)), strict=True):
        assert ours.isfinite().all()
        assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()


def test_depths_of_two_panes() -> None:
    """One that lets a third through, a wall behind it, and nothing beside."""
    camera = Camera.for_photo(9, 9)
    xyz = torch.tensor([[0.0, 0.0, 2.0], [0.0, 0.0, 4.0]])
    hits = ops.splat_hits(xyz, torch.tensor([0.2, 0.4]), camera, opacity=torch.tensor([2 / 3, 1.0]))
    middle = {kind: float(ops.splat_depth(hits, kind)[4, 4]) for kind in ("expected", "median", "nearest")}
    assert middle == {"expected": pytest.approx(2 * 2 / 3 + 4 / 3), "median": 2.0, "nearest": 2.0}
    fainter = ops.splat_hits(xyz, torch.tensor([0.2, 0.4]), camera, opacity=torch.tensor([1 / 3, 1.0]))
    assert float(ops.splat_depth(fainter, "median")[4, 4]) == 4.0
    assert float(ops.splat_depth(fainter, "nearest")[4, 4]) == 2.0
    for kind in ("expected", "median", "nearest"):
        assert float(ops.splat_depth(hits, kind)[0, 0]) == 0.0


def test_the_caller_s_defaults_change_nothing() -> None:
    camera = camera_of(9, 11)
    xyz, _, radius = random_cloud(5, 100, camera)
    want = ops.splat_hits(xyz, radius, camera)
    try:
        torch.set_default_dtype(torch.float64)
        got = ops.splat_hits(xyz, radius, camera)
    finally:
        torch.set_default_dtype(torch.float32)
    assert got.weight.dtype == torch.float32 and torch.equal(got.weight, want.weight)


def test_expected_depth_has_a_gradient() -> None:
    camera = camera_of(9, 11)
    xyz, _, radius = random_cloud(4, 300, camera)
    xyz.requires_grad_()
    ops.splat_depth(ops.splat_hits(xyz, radius, camera)).sum().backward()
    assert xyz.grad.isfinite().all() and (xyz.grad[:, 2] > 0).any()


def test_no_points_and_bad_input() -> None:
    camera = camera_of(4, 5)
    none = ops.splat_hits(torch.zeros(0, 3), torch.zeros(0), camera, max_points=2)
    assert none.idx.shape == (4, 5, 2) and not ops.splat_depth(none, "median").any()
    assert not ops.splat_hits(torch.zeros(0, 3), torch.zeros(0), camera, opacity=torch.zeros(0)).weight.any()
    with pytest.raises(ValueError, match=r"^splat_depth: kind must be one of 'expected', 'median', 'nearest', got 'mean'"):
        ops.splat_depth(none, "mean")
    with pytest.raises(TypeError, match=r"^splat_hits: xyz must be a Tensor, got list"):
        ops.splat_hits([[0, 0, 1]], 0.1, camera)


def test_another_number_of_threads_gives_the_same_bits() -> None:
    """Enough hits for torch to share them out: some of its functions round otherwise where a thread's share ends."""
    cameras = cameras_of(70, 70, 3)
    xyz, _, _ = random_cloud(6, 3000, camera_of(70, 70))
    before, weights = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 8):
            torch.set_num_threads(threads)
            weights.append(ops.splat_hits(xyz, 0.3, cameras, max_points=5, depth_tolerance=3.0).weight)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(weights[0], weight) for weight in weights[1:])


def test_what_random_calls_found() -> None:
    """A radius beyond 64 bits, no camera, tensors of no memory on meta, sparse ones in clouds: each ended otherwise."""
    camera = camera_of(9, 11)
    xyz, feat, radius = random_cloud(7, 20, camera)
    assert not ops.splat_hits(xyz, 10**18 * 10**12, camera).weight.isnan().all()
    none = Cameras(torch.zeros(0, 3, 3), torch.zeros(0, 3, 4), 11, 9)
    assert ops.splat_hits(xyz, radius, none, max_points=2).weight.shape == (0, 9, 11, 2)
    on_meta = xyz.to("meta"), feat.to("meta")
    with pytest.raises(ValueError, match=r"^splat_points: max_points must be 1\.\.64, got 9223372036854775807$"):
        ops.splat_points(*on_meta, 0.1, camera, max_points=2**63 - 1)
    for op in (ops.splat_hits, lambda *given: ops.splat_points(given[0], on_meta[1], *given[1:])):
        with pytest.raises(ValueError, match=r"^splat_points: xyz must be \[N, 3\], got \[20, 2\]$"):
            op(on_meta[0][:, :2], 0.1, camera)
    with pytest.raises(ValueError, match=r"^splat_points: radius must be \[20\] \(from xyz\), got \[1, 20\]$"):
        ops.splat_hits(on_meta[0], radius.to("meta")[None], camera)
    assert ops.integrate_flow(torch.zeros(4, 5, 2, dtype=torch.bfloat16, device="meta"), 1).offset_px.is_meta
    for name, value in (("xyz", xyz), ("feat", feat), ("radius", radius)):
        given = {"xyz": xyz, "feat": feat, "radius": radius, name: value.to_sparse()}
        with pytest.raises(TypeError, match=f"^splat_points: {name} must be a dense tensor, got one of sparse_coo$"):
            ops.splat_points(**given, camera=camera, offsets=[0, 20])
    sparse = camera.with_pose(torch.eye(3, 4)[None].to_sparse())
    with pytest.raises(TypeError, match=r"^splat_points: camera\.world_to_cam must be a dense tensor, got one of sparse_coo$"):
        ops.splat_points(xyz, feat, radius, sparse, offsets=[0, 20])


def test_lack_of_memory_is_a_memory_error(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = camera_of(9, 11)
    xyz, _, radius = random_cloud(8, 20, camera)

    def lacking(*args: object, **kwargs: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: ...")

    monkeypatch.setattr(torch, "stack", lacking)
    with pytest.raises(MemoryError, match=r"^splat_hits: out of memory for a step on the way to the result$"):
        ops.splat_hits(xyz, radius, camera)
    monkeypatch.undo()
    monkeypatch.setattr("c3drender.ops.splat._let_through", lacking)
    with pytest.raises(MemoryError, match=r"^splat_points: out of memory for a step on the way to the result$"):
        ops.splat_points(xyz, xyz, radius, camera, background=torch.zeros(3))
