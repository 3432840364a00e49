"""splat_frame against the splat and the composition that it stands for, bit by bit, and what must hold without them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from c3drender import ops
from c3drender.data import Camera, Frame, PointCloud, Raster

RULES: dict[str, Any] = {"sharpness": 4.0, "least_alpha": 1e-3}


def cloud_of(seed: int, num_points: int, camera: Camera, *, soft: bool = False) -> PointCloud:
    """A wall of fine points before and behind which others lie."""
    rng = np.random.default_rng(seed)
    xy_px = torch.from_numpy(rng.uniform(-3, 1.03, (num_points, 2)).astype(np.float32) % 1.03)
    xy_px = xy_px * torch.tensor([camera.width, camera.height])
    z_cam = torch.from_numpy(rng.choice([1.5, 2.0, 2.03, 3.0], num_points).astype(np.float32))
    feat = torch.from_numpy(rng.random((num_points, 4)).astype(np.float32))
    opacity = torch.from_numpy(np.where(rng.random(num_points) < 0.1, rng.random(num_points), 1).astype(np.float32))
    return PointCloud(camera.unproject(xy_px, z_cam), feat, 1.5 * z_cam / camera.fx, opacity if soft else None)


def composed(points: PointCloud, camera: Camera, hidden: list[tuple[int, int]], loop_t: float) -> Frame:
    raster = ops.splat_points(
        points.xyz,
        points.feat,
        points.radius,
        camera.with_pose(camera.pose.repeat(len(hidden), 1, 1)),
        compositor="surface",
        opacity=points.opacity,
        hidden=hidden,
    )
    fwd, bwd = (Raster(raster.feat[side], raster.alpha[side], raster.disp[side]) for side in (0, -1))
    return ops.compose_frame(fwd, bwd, loop_t, **RULES)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(("width", "height", "num_points"), [(1, 1, 3), (37, 21, 900), (130, 90, 12_000), (9, 13, 6_000)])
@pytest.mark.parametrize("part", ["none", "some", "all"])
def test_bits_of_splat_and_composition(width: int, height: int, num_points: int, part: str, soft: bool) -> None:
    camera = Camera.for_photo(width, height)
    points = cloud_of(1, num_points, camera, soft=soft)
    order = points.xyz[:, 0].argsort()  # so that what differs lies together, and whole blocks are the same
    points = PointCloud(*(None if t is None else t[order].contiguous() for t in vars(points).values()))
    first = {"none": num_points, "some": 2 * num_points // 3, "all": 0}[part]
    middle = (first + num_points) // 2
    for hidden in ([(middle, num_points), (first, middle)], [(middle, num_points)]):
        loop_t = 0.4 if len(hidden) == 2 else 0.0
        frame, want = ops.splat_frame(points, camera, hidden, loop_t, **RULES), composed(points, camera, hidden, loop_t)
        assert torch.equal(frame.rgb_u8, want.rgb_u8) and torch.equal(frame.uncovered, want.uncovered)


def test_same_bits_for_any_thread_count(for_thread_counts) -> None:
    camera = Camera.for_photo(150, 70)
    points = cloud_of(2, 15_000, camera, soft=True)
    first, *others = for_thread_counts(
        lambda: ops.splat_frame(points, camera, [(12_000, 15_000), (9_000, 12_000)], 0.6, **RULES)
    )
    assert all(torch.equal(first.rgb_u8, other.rgb_u8) for other in others)


def test_without_points_nothing_is_covered() -> None:
    camera = Camera.for_photo(40, 20)
    frame = ops.splat_frame(cloud_of(3, 0, camera), camera, [(0, 0), (0, 0)], 0.5, **RULES)
    assert bool(frame.uncovered.all()) and int(frame.rgb_u8.max()) == 0


def test_a_confidence_that_is_no_number_leaves_what_both_sides_see_alike() -> None:
    camera = Camera.for_photo(40, 20)
    points = cloud_of(4, 2_000, camera)
    points.feat[:, 3] = torch.nan
    hidden = [(2_000, 2_000), (2_000, 2_000)]
    frame = ops.splat_frame(points, camera, hidden, 0.5, **RULES)
    assert torch.equal(frame.rgb_u8, composed(points, camera, hidden, 0.5).rgb_u8) and int(frame.rgb_u8.max()) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": None}, "points must be a PointCloud, got NoneType"),
        ({"feat": torch.zeros(9, 3)}, r"feat must be \[N, 4\] with N = 9"),
        ({"hidden": []}, "hidden must have a range for 1 or 2 sides"),
        ({"hidden": [(0, 1)] * 3}, "hidden must have a range for 1 or 2 sides"),
        ({"hidden": [(0, 10)]}, r"0 <= first <= end <= 9, got 0\.\.10"),
        ({"loop_t": 1.5}, r"loop_t must be in 0\.\.1, got 1\.5"),
        ({"max_points": 65}, r"max_points must be 1\.\.64, got 65"),
        ({"least_alpha": 0.0}, "least_alpha must be > 0, got 0"),
        ({"camera": Camera.for_photo(8, 6).with_pose(torch.eye(3, 4).repeat(2, 1, 1))}, "camera must be one, got 2"),
    ],
)
def test_bad_input(change: dict[str, Any], message: str) -> None:
    camera = Camera.for_photo(8, 6)
    arrays = {name: change[name] for name in ("feat",) if name in change}
    given: dict[str, Any] = {"camera": camera, "hidden": [(0, 3), (3, 6)], "loop_t": 0.5, **RULES}
    given |= {"points": replace(cloud_of(5, 9, camera), **arrays)}
    with pytest.raises((ValueError, TypeError), match=message):
        ops.splat_frame(**given | {name: value for name, value in change.items() if name not in arrays})


def test_a_view_beside_the_points_stands_for_the_camera() -> None:
    camera = Camera.for_photo(40, 20)
    points, hidden = cloud_of(5, 3_000, camera), [(2_000, 3_000), (1_000, 2_000)]
    pose = torch.eye(3, 4)
    pose[0, 3] = 0.1
    moved = replace(camera, fx=33.0, fy=36.0, cx=19.0, cy=11.0, world_to_cam=pose)
    now = torch.tensor([33.0, 36.0, 19.0, 11.0, *pose.flatten().tolist(), 0.3])
    frame, want = (
        ops.splat_frame(points, camera, hidden, 0.9, now=now, **RULES),
        ops.splat_frame(points, moved, hidden, 0.3, **RULES),
    )
    assert torch.equal(frame.rgb_u8, want.rgb_u8) and torch.equal(frame.uncovered, want.uncovered)
    for bad, error, message in (
        (now[:16], ValueError, r"now must be \[17\], got \[16\]"),
        (now.double(), TypeError, "now must be float32"),
        (now.tolist(), TypeError, "now must be a Tensor"),
        (torch.cat([-now[:1], now[1:]]), ValueError, "camera fx and fy must be finite and > 0"),
    ):
        with pytest.raises(error, match=f"^splat_frame: {message}"):
            ops.splat_frame(points, camera, hidden, 0.9, now=bad, **RULES)
