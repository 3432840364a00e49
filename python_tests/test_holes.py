"""`find_holes` against the reference and properties that need none."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import reference
import torch
from torch import Tensor

from c3drender import ops, pipeline
from c3drender.data import Camera, DepthMap, FlowField, Image, SplatRules

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import holes as judge

RADIUS_PX, DEPTH_TOLERANCE, LEAST_EXISTENCE = 1.5, 0.02, 0.75
NUM_STEPS = 4


@dataclass(frozen=True)
class Layer:
    """The arguments of `find_holes`. ``disp``: ``[H, W]``, or ``[L, H, W]``."""

    disp: Tensor
    disp_hidden: Tensor
    disp_fluid: Tensor
    step_px: Tensor
    camera: Camera
    frame_px: tuple[int, int, int, int]
    num_steps: int = NUM_STEPS
    loop_steps: int = 0
    radius_px: float = RADIUS_PX
    depth_tolerance: float = DEPTH_TOLERANCE
    least_existence: float = LEAST_EXISTENCE

    def find_holes(self) -> Tensor:
        arguments = dict(vars(self))
        rules = {name: arguments.pop(name) for name in ("radius_px", "depth_tolerance", "least_existence")}
        return ops.find_holes(**arguments, rules=SplatRules(**rules))

    def reference_holes(self) -> np.ndarray:
        return reference.find_holes(**vars(self))


def poses_at(*centres: tuple[float, float, float], turn: Tensor | None = None) -> Tensor:
    """World-to-camera poses of cameras at ``centres``, all turned alike: ``[V, 3, 4]``."""
    rotation = torch.eye(3, dtype=torch.float64) if turn is None else turn
    centre = torch.tensor(centres, dtype=torch.float64).reshape(-1, 3, 1)
    return torch.cat([rotation.expand(len(centre), 3, 3), -rotation @ centre], dim=2).float()


def random_turn(rng: np.random.Generator, angle: float) -> Tensor:
    x, y, z = rng.uniform(-angle, angle, 3)
    return torch.matrix_exp(torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64))


def random_layer(rng: np.random.Generator, height: int, width: int, num_views: int, *, drifts: bool) -> Layer:
    """Round things before a sloping ground, gaps without a pixel, and a surface that continues behind most of it."""
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    ground = 0.2 + 0.004 * y + rng.uniform(0, 0.01, (height, width))
    disp = ground.copy()
    for _ in range(4):
        centre_x, centre_y, radius, near = rng.uniform([0, 0, 2, 0.4], [width, height, 8, 1.3])
        disp[np.hypot(x - centre_x, y - centre_y) < radius] = near
    disp[rng.uniform(size=disp.shape) < 0.02] = 0
    hidden = np.where(rng.uniform(size=disp.shape) < 0.1, rng.choice([0.0, -1.0, 0.6]), ground)
    fluid = ground * (hidden == ground) * drifts
    step_px = rng.uniform(-1, 1, 2) * (fluid > 0)[..., None]

    focal = 1.1 * max(height, width, 24)  # or a disc would fill much of the view
    centres = rng.uniform([-0.15, -0.15, -0.3], [0.15, 0.15, 0.3], (num_views, 3))
    poses = torch.cat([poses_at(tuple(c), turn=random_turn(rng, 0.1)) for c in centres])
    camera = Camera(focal, focal, 0.51 * width, 0.48 * height, width, height, poses)
    frame_px = (width // 8, height // 8, width - width // 8, height - height // 8)
    return Layer(*(torch.from_numpy(a).float() for a in (disp, hidden, fluid, step_px)), camera, frame_px)


def with_second_layer(layer: Layer, rng: np.random.Generator) -> Layer:
    """Between the layer and the hidden surface, behind half of the pixels, another one in front."""
    between = 0.4 * layer.disp + 0.6 * layer.disp_hidden.clamp_min(0.1)
    exists = (layer.disp > 0.35) & torch.from_numpy(rng.uniform(size=(1, layer.disp.shape[1])) < 0.5)
    return replace(layer, disp=torch.stack([layer.disp, torch.where(exists, between, 0.0)]))


def rounding_band(layer: Layer) -> np.ndarray:
    """Where the reference's answer hangs on less than float32 can tell."""
    poses = layer.camera.world_to_cam.double()
    answers = [layer.reference_holes()]
    for change in (1 - 1e-6, 1 + 1e-6):
        answers.append(replace(layer, depth_tolerance=layer.depth_tolerance * change).reference_holes())
        answers.append(replace(layer, radius_px=layer.radius_px * change).reference_holes())
        answers.append(replace(layer, least_existence=layer.least_existence * change).reference_holes())
        hidden = {name: getattr(layer, name).double() * change for name in ("disp_hidden", "disp_fluid")}
        answers.append(replace(layer, **hidden).reference_holes())
        answers.append(replace(layer, step_px=layer.step_px.double() * change).reference_holes())
    for axis in (0, 1, 2):
        for change in (1 - 1e-5, 1 + 1e-5):
            moved = poses.clone()
            moved[:, axis, 3] *= change
            answers.append(reference_with_poses(layer, moved))
    return np.any(answers, axis=0) & ~np.all(answers, axis=0)


@dataclass(frozen=True)
class Float64Camera:
    fx: float
    fy: float
    cx: float
    cy: float
    world_to_cam: Tensor


def reference_with_poses(layer: Layer, poses: Tensor) -> np.ndarray:
    camera = Float64Camera(layer.camera.fx, layer.camera.fy, layer.camera.cx, layer.camera.cy, poses)
    return replace(layer, camera=camera).reference_holes()


def assert_matches_reference(layer: Layer) -> np.ndarray:
    got, want = layer.find_holes(), layer.reference_holes()
    assert got.dtype == torch.bool and got.shape == layer.disp_hidden.shape
    unclear = rounding_band(layer)
    assert unclear.mean() < 0.01 or unclear.size < 100
    assert np.array_equal(got.numpy()[~unclear], want[~unclear])
    return want


# --- against the reference --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("drifts", "loop_steps"), [(False, 0), (True, 0), (True, 6)], ids=["static", "drifting", "frames"])
@pytest.mark.parametrize("num_views", [1, 3])
@pytest.mark.parametrize("size", [(24, 31), (19, 40), (33, 12)])
def test_random_layers(size: tuple[int, int], num_views: int, drifts: bool, loop_steps: int) -> None:
    for seed in range(2):
        layer = random_layer(np.random.default_rng(seed), *size, num_views, drifts=drifts)
        layer = replace(layer, loop_steps=loop_steps)
        holes = assert_matches_reference(layer)
        assert 0 < holes.sum() < (layer.disp_hidden > 0).sum()


@pytest.mark.parametrize("loop_steps", [0, 6])
def test_two_layers_in_front(loop_steps: int) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        alone = replace(random_layer(rng, 24, 31, 3, drifts=True), loop_steps=loop_steps)
        layers = with_second_layer(alone, rng)
        holes = assert_matches_reference(layers)
        assert holes.any() and (layers.find_holes() != alone.find_holes()).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 23), (17, 1), (2, 2)])
def test_slivers(size: tuple[int, int]) -> None:
    for seed in range(10):
        assert_matches_reference(random_layer(np.random.default_rng(seed), *size, 3, drifts=True))


def test_strong_camera_moves() -> None:
    """Cameras far ahead, far behind, turned away: surfaces behind a view, lines that never rise, things out of frame."""
    layer = random_layer(np.random.default_rng(11), 25, 30, 1, drifts=False)
    turn = random_turn(np.random.default_rng(12), 0.8)
    for poses in (
        poses_at((0.02, 0.01, 6.0), (0.3, 0.0, 2.0), (0.0, 0.0, -3.0)),
        poses_at((0.3, -0.2, 0.0), (-0.3, 0.1, 0.5), turn=turn),
        poses_at((0.2, 0.0, 0.0), turn=torch.diag(torch.tensor([-1.0, 1.0, -1.0], dtype=torch.float64))),
    ):
        assert_matches_reference(replace(layer, camera=layer.camera.with_pose(poses)))


# --- properties -------------------------------------------------------------------------------------------------------


def step_edge(parallax_px: float, *, width: int = 40, edge: int = 22, near: float = 1.0, far: float = 0.25) -> Layer:
    """Left of ``edge`` a near wall, right of it and behind it a far one. The camera shifts to the right, so that the two drift
    apart by ``parallax_px``."""
    disp = torch.full((6, width), far)
    disp[:, :edge] = near
    focal = 50.0
    shift = parallax_px / (focal * (near - far))
    camera = Camera(focal, focal, width / 2, 3.0, width, 6, poses_at((shift, 0, 0)))
    return Layer(disp, *(torch.full_like(disp, far) for _ in range(2)), torch.zeros(6, width, 2), camera, (0, 0, width, 6))


@pytest.mark.parametrize("parallax_px", [0.5, 0.8, 1.8, 5.8, 9.9])
def test_a_step_reveals_what_the_last_column_of_the_wall_leaves_free(parallax_px: float) -> None:
    """Its discs cover 1.4 (1 - d^2) of a pixel centre d px to their right: three quarters of it up to d = 0.682."""
    layer = step_edge(parallax_px)
    in_view = np.floor(np.arange(22) + 0.5 - parallax_px / 3) + 0.5
    last_column = 21.5 - 4 * parallax_px / 3
    expected = torch.zeros(6, 40, dtype=torch.bool)
    expected[:, :22] = torch.from_numpy((in_view - last_column > 0.682) & (in_view > 0))
    assert torch.equal(layer.find_holes(), expected)
    assert abs(int(expected[0].sum()) - parallax_px) <= 1
    mirrored = replace(
        layer,
        disp=layer.disp.flip(1).contiguous(),
        camera=layer.camera.with_pose(layer.camera.world_to_cam * torch.tensor([1.0, 1.0, 1.0, -1.0])),
    )
    assert torch.equal(mirrored.find_holes(), expected.flip(1))


def test_a_camera_that_moves_towards_the_wall_reveals_nothing() -> None:
    """But what the wall, whose own end comes into view, never hid."""
    layer = step_edge(5.8)
    away = layer.camera.with_pose(layer.camera.world_to_cam * torch.tensor([1.0, 1.0, 1.0, -1.0]))
    assert not replace(layer, camera=away, frame_px=(9, 0, 40, 6)).find_holes().any()


def test_a_wall_that_the_splat_closes_hides_everything() -> None:
    """Neighbours half a pixel further apart than at rest still cover everything between them (`splat_points`)."""
    assert not step_edge(0.45, near=1.0, far=0.25).find_holes().any()


def test_a_camera_at_rest_reveals_nothing() -> None:
    layer = random_layer(np.random.default_rng(1), 20, 30, 1, drifts=False)
    for poses in (None, poses_at((0, 0, 0)), poses_at((0, 0, 0), turn=random_turn(np.random.default_rng(2), 0.2))):
        assert not replace(layer, camera=replace(layer.camera, world_to_cam=poses)).find_holes().any()


@pytest.mark.parametrize("slope", [0.0, 0.02, -0.02])
def test_planes_have_no_holes(slope: float) -> None:
    """Flat or slanted, as long as no view pulls neighbours half a pixel apart; whatever is said to lie behind them."""
    rng = np.random.default_rng(3)
    y, x = torch.meshgrid(torch.arange(60.0), torch.arange(64.0), indexing="ij")
    disp = 3.0 + slope * x + 0.4 * slope * y
    poses = torch.cat([poses_at(tuple(c), turn=random_turn(rng, 0.05)) for c in rng.uniform(-0.1, 0.1, (8, 3))])
    camera = Camera(30.0, 30.0, 32.0, 30.0, 64, 60, poses)
    for hidden in (0.1, 1.0):
        behind = torch.full_like(disp, hidden)
        layer = Layer(disp, behind, behind, torch.zeros(60, 64, 2), camera, (24, 22, 40, 38))
        assert not layer.find_holes().any()


def test_more_views_only_add() -> None:
    layer = random_layer(np.random.default_rng(4), 30, 40, 6, drifts=True)
    poses = layer.camera.world_to_cam
    each = [replace(layer, camera=layer.camera.with_pose(pose.contiguous())).find_holes() for pose in poses]
    so_far = torch.zeros_like(each[0])
    for num_views in range(1, 7):
        so_far |= each[num_views - 1]
        layer_so_far = replace(layer, camera=layer.camera.with_pose(poses[:num_views].contiguous()))
        assert torch.equal(layer_so_far.find_holes(), so_far)


def test_it_does_not_matter_which_layer_a_pixel_is_in() -> None:
    layer = random_layer(np.random.default_rng(13), 30, 40, 4, drifts=True)
    first = torch.from_numpy(np.random.default_rng(14).uniform(size=(30, 40)) < 0.5)
    split = torch.stack([torch.where(first, layer.disp, 0.0), torch.where(first, 0.0, layer.disp)])
    assert layer.find_holes().any()
    assert torch.equal(replace(layer, disp=split).find_holes(), layer.find_holes())


def test_a_wider_frame_only_adds() -> None:
    layer = random_layer(np.random.default_rng(5), 30, 40, 4, drifts=False)
    narrow, wide = (replace(layer, frame_px=frame).find_holes() for frame in ((12, 9, 28, 21), (0, 0, 40, 30)))
    assert not (narrow & ~wide).any() and (wide & ~narrow).any()


def test_what_lies_outside_the_frame_is_not_revealed() -> None:
    """Revealed pixels land at x = 14 to 20 in the view."""
    layer = step_edge(5.8)
    assert not replace(layer, frame_px=(21, 0, 40, 6)).find_holes().any()
    assert torch.equal(replace(layer, frame_px=(14, 0, 21, 6)).find_holes(), layer.find_holes())


def test_only_a_surface_that_lies_behind_can_be_revealed() -> None:
    layer = random_layer(np.random.default_rng(6), 30, 40, 5, drifts=True)
    holes = layer.find_holes()
    assert holes.any()
    assert not holes[(layer.disp_hidden <= 0) | (layer.disp_hidden * (1 + DEPTH_TOLERANCE) >= layer.disp)].any()


@pytest.mark.parametrize("step", [0.5, -0.5])
def test_drift_reveals_what_it_brings_from_behind_the_edge(step: float) -> None:
    """Seven steps of half a pixel, forward or backward: the wall gives three and a half columns free."""
    layer = step_edge(5.8)
    still = replace(layer, camera=replace(layer.camera, world_to_cam=None), num_steps=7)
    still.step_px[..., 0] = step
    expected = torch.zeros(6, 40, dtype=torch.bool)
    expected[:, 18:22] = True
    assert torch.equal(still.find_holes(), expected)
    assert not replace(still, disp_fluid=torch.zeros_like(still.disp)).find_holes().any(), "what is no fluid rests"
    along = replace(still, step_px=still.step_px.flip(2).contiguous())
    assert not along.find_holes().any(), "a flow along the edge brings nothing out"
    assert not replace(still, num_steps=0).find_holes().any()


def test_drift_into_what_a_view_reveals() -> None:
    layer = replace(step_edge(5.8), num_steps=7)
    seen = layer.find_holes()
    layer.step_px[..., 0] = 0.5
    first = int(seen[0].int().argmax())
    expected = seen.clone()
    expected[:, first - 4 : first] = True
    assert torch.equal(layer.find_holes(), expected)


def test_the_frames_of_a_loop_look_at_their_own_moments() -> None:
    """One view of six stands where the photo was taken, the others see nothing of the edge."""
    layer = step_edge(5.8)
    away, at_rest = layer.camera.world_to_cam * torch.tensor([1.0, 1.0, 1.0, -1.0]), poses_at((0, 0, 0))
    layer.step_px[..., 0] = 0.5
    for looks_at in range(6):
        poses = torch.cat([at_rest if view == looks_at else away for view in range(6)])
        frames = replace(layer, camera=layer.camera.with_pose(poses), frame_px=(9, 0, 40, 6), num_steps=3, loop_steps=6)
        steps = looks_at if looks_at <= 3 else 0  # on its way backward the flow brings nothing out
        expected = torch.zeros(6, 40, dtype=torch.bool)
        expected[:, math.ceil(21.5 - steps / 2) : 22] = True
        assert torch.equal(frames.find_holes(), expected)


def test_what_flows_under_a_nearer_fluid_rests() -> None:
    """The hidden surface is only the fluid's where `disp_fluid` says so; where a nearer one flows, it drifts on that."""
    layer = replace(step_edge(5.8), num_steps=7)
    still = replace(layer, camera=replace(layer.camera, world_to_cam=None))
    still.step_px[..., 0] = 0.5
    assert still.find_holes().any()
    assert not replace(still, disp_fluid=still.disp).find_holes().any()


def test_what_is_marked_is_what_the_frames_show() -> None:
    """Brute force: posts in a stream, all frames of a loop rendered, by the judge of `benchmarks/holes.py`."""
    y, x = np.mgrid[:72, :96].astype(np.float32)
    disp, posts = 0.2 + 0.004 * y, np.zeros((72, 96), bool)
    for left, top, width, height, near in ((12, 10, 9, 44, 0.8), (40, 24, 14, 30, 0.9), (70, 6, 5, 52, 1.1)):
        post = (x >= left) & (x < left + width) & (y >= top) & (y < top + height)
        disp, posts = np.where(post, near, disp), posts | post
    moving = torch.from_numpy((y > 16) & ~posts)
    step_px = torch.tensor([0.9, 0.12]).expand(72, 96, 2) * moving[..., None]
    depth = DepthMap(torch.from_numpy(1 / disp), measured=True)
    scene = pipeline.build_scene(Image(torch.rand(72, 96, 3)), depth, FlowField(step_px, moving), "circle", 2.0, ())
    still, drifting = (judge.measure(scene, 16, drifts=drifts) for drifts in (False, True))
    assert drifting["revealed"] > 1.2 * still["revealed"] > 240
    for row in (still, drifting):
        assert row["missed"] == 0 and row["more"] <= 0.01 * row["revealed"]


def test_same_answer_for_any_thread_count(for_thread_counts) -> None:
    layer = random_layer(np.random.default_rng(7), 150, 170, 4, drifts=True)
    first, *others = for_thread_counts(layer.find_holes)
    assert first.any() and all(torch.equal(first, other) for other in others)


# --- edges of the domain ----------------------------------------------------------------------------------------------


def test_nothing_hidden_or_nothing_in_front() -> None:
    layer = random_layer(np.random.default_rng(8), 12, 15, 3, drifts=True)
    for nothing in (torch.zeros(12, 15), torch.full((12, 15), -2.0)):
        assert not replace(layer, disp_hidden=nothing).find_holes().any()
    assert not replace(layer, disp=torch.zeros(12, 15)).find_holes().any()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["disp", "disp_hidden", "disp_fluid", "step_px"])
def test_bad_values_do_no_harm(where: str, bad: float) -> None:
    """No promise about the answer near them, but that a surface at no depth is never revealed."""
    layer = random_layer(np.random.default_rng(9), 20, 30, 3, drifts=where in ("disp_fluid", "step_px"))
    before = layer.find_holes()
    spoilt = torch.rand(20, 30, generator=torch.Generator().manual_seed(1)) < 0.1
    getattr(layer, where)[spoilt] = bad
    holes = layer.find_holes()
    if where == "disp_hidden":
        assert not holes[spoilt].any()
        assert torch.equal(holes[~spoilt], before[~spoilt])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_pose_reveals_nothing_of_its_own(bad: float) -> None:
    layer = random_layer(np.random.default_rng(10), 20, 30, 3, drifts=False)
    poses = layer.camera.world_to_cam
    spoilt = poses.clone()
    spoilt[1] = bad
    others = replace(layer, camera=layer.camera.with_pose(poses[[0, 2]].contiguous()))
    assert torch.equal(replace(layer, camera=layer.camera.with_pose(spoilt)).find_holes(), others.find_holes())


# --- bad input --------------------------------------------------------------------------------------------------------

CAMERA = Camera(5.0, 5.0, 2.5, 2.0, 5, 4)
BAD_INPUT = {
    "disp is an array": ({"disp": np.zeros((4, 5), dtype=np.float32)}, TypeError, "disp"),
    "disp is float64": ({"disp": torch.zeros(4, 5, dtype=torch.float64)}, TypeError, "disp"),
    "disp is [1, 1, H, W]": ({"disp": torch.zeros(1, 1, 4, 5)}, ValueError, "disp"),
    "disp is [0, H, W]": ({"disp": torch.zeros(0, 4, 5)}, ValueError, "disp"),
    "disp is [H]": ({"disp": torch.zeros(4)}, ValueError, "disp"),
    "disp_hidden has another size": ({"disp_hidden": torch.zeros(4, 6)}, ValueError, "disp_hidden"),
    "disp_hidden is int32": ({"disp_hidden": torch.zeros(4, 5, dtype=torch.int32)}, TypeError, "disp_hidden"),
    "disp_hidden is elsewhere": ({"disp_hidden": torch.zeros(4, 5, device="meta")}, ValueError, ""),
    "disp_fluid has another size": ({"disp_fluid": torch.zeros(4, 6)}, ValueError, "disp_fluid"),
    "disp_fluid is int32": ({"disp_fluid": torch.zeros(4, 5, dtype=torch.int32)}, TypeError, "disp_fluid"),
    "step_px has another size": ({"step_px": torch.zeros(5, 4, 2)}, ValueError, "step_px"),
    "step_px is [H, W]": ({"step_px": torch.zeros(4, 5)}, ValueError, "step_px"),
    "step_px is bool": ({"step_px": torch.zeros(4, 5, 2, dtype=torch.bool)}, TypeError, "step_px"),
    "camera is a pose": ({"camera": torch.eye(4)[:3]}, TypeError, "camera"),
    "frame_px has three numbers": ({"frame_px": (0, 0, 5)}, ValueError, "frame_px"),
    "frame_px is a number": ({"frame_px": 5}, ValueError, "frame_px"),
    "frame_px has a fraction": ({"frame_px": (0, 0, 4.5, 4)}, TypeError, "frame_px"),
    "frame_px does not fit": ({"frame_px": (0, 0, 2**40, 4)}, ValueError, "frame_px"),
    "camera has no pose": ({"camera": CAMERA.with_pose(torch.empty(0, 3, 4))}, ValueError, "camera"),
    "num_steps is negative": ({"num_steps": -1}, ValueError, "num_steps"),
    "num_steps has a fraction": ({"num_steps": 1.5}, TypeError, "num_steps"),
    "loop_steps is negative": ({"loop_steps": -1}, ValueError, "loop_steps"),
    "loop_steps has a fraction": ({"loop_steps": 1.5}, TypeError, "loop_steps"),
    "rules are a number": ({"rules": 1.5}, TypeError, "rules"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input(case: str) -> None:
    change, error, argument = BAD_INPUT[case]
    good = {
        "disp": torch.ones(4, 5),
        "disp_hidden": torch.zeros(4, 5),
        "disp_fluid": torch.zeros(4, 5),
        "step_px": torch.zeros(4, 5, 2),
        "camera": CAMERA,
        "frame_px": (0, 0, 5, 4),
        "num_steps": 2,
    }
    ops.find_holes(**good)
    with pytest.raises(error, match=rf"^find_holes: .*{argument}.* must be .+"):
        ops.find_holes(**(good | change))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"least_existence": 1.0}, ValueError),
        ({"least_existence": "0.5"}, TypeError),
        ({"radius_px": 0.0}, ValueError),
        ({"radius_px": math.nan}, ValueError),
        ({"depth_tolerance": -0.1}, ValueError),
        ({"depth_tolerance": True}, TypeError),
        ({"closed_px": 1.0}, ValueError),
        ({"max_stretch_px": 0.5}, ValueError),
    ],
)
def test_bad_rules(change: dict[str, float], error: type[Exception]) -> None:
    with pytest.raises(error, match=f"SplatRules: .*{next(iter(change))}"):
        SplatRules(**change)
