"""Layers: as many as the scene asks for, and what they hide is filled from the farther side."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from c3drender import ops
from c3drender.camera import make_camera_path, max_shift_px, parallax_px
from c3drender.data import Camera, CameraPath, DepthMap, DepthSpan, FlowField, Image, Layers
from c3drender.layers.build import LayerConfig, build_layers
from c3drender.layers.clean import grow_over_edges, settle_mixed_depths, sharpen_depth_edges, smooth_fluid_depth
from c3drender.layers.hidden import HidingRules, continue_behind
from c3drender.layers.uncover import parts_beside

HEIGHT, WIDTH = 60, 80
CAMERA = Camera.for_photo(WIDTH, HEIGHT)
BACK, FRONT = (0.1, 0.7, 0.2), (0.9, 0.1, 0.1)


def path_of(camera: Camera, num_frames: int, amplitude: float = 2.0, preset: str = "swing") -> CameraPath:
    return make_camera_path(camera, preset, num_frames, DepthSpan(1.0, 0.1, 0.3), amplitude=amplitude)


def layers_of(
    disp: np.ndarray,
    moving: np.ndarray | None = None,
    amplitude: float = 2.0,
    camera: Camera = CAMERA,
    measured: bool = False,
    preset: str = "swing",
    rgb: np.ndarray | None = None,
) -> Layers:
    """Layers of a picture ``rgb [H, W, 3]``; None: FRONT where it is near (disp > 0.5) and BACK elsewhere."""
    views = path_of(camera, 8, amplitude, preset)
    colours = torch.tensor(np.where((disp > 0.5)[..., None], FRONT, BACK) if rgb is None else rgb, dtype=torch.float32)
    moving = np.zeros(disp.shape, bool) if moving is None else moving
    flow = FlowField(torch.tensor(moving[..., None] * [0.5, 0.0], dtype=torch.float32), torch.tensor(moving))
    margin_px = int(max_shift_px(camera, views, 1.0)) + 2
    config = LayerConfig(views, parallax_px(camera, views, 1.0, 0.1), margin_px, loop_steps=20)
    depth = DepthMap(torch.tensor(1 / disp, dtype=torch.float32), measured)
    return build_layers(Image(colours), depth, flow, camera, config)


def test_a_plane_is_one_layer() -> None:
    rows = np.linspace(0.1, 1.0, HEIGHT)[:, None].repeat(WIDTH, 1)
    assert layers_of(rows).num_layers == 1
    assert layers_of(np.full((HEIGHT, WIDTH), 0.4)).num_layers == 1


def test_a_resting_camera_needs_one_layer() -> None:
    disp = np.full((HEIGHT, WIDTH), 0.2)
    disp[:, 30:50] = 0.9
    assert layers_of(disp, amplitude=0.0).num_layers == 1


def test_behind_an_object_stands_the_background() -> None:
    disp = np.full((HEIGHT, WIDTH), 0.2)
    disp[10:50, 30:50] = 0.9
    layers = layers_of(disp)
    assert layers.num_layers == 2
    hidden = layers.plane(layers.alpha, 1) > 0
    margin = layers.margin_px
    inside = torch.zeros_like(hidden)
    inside[margin + 10 : margin + 50, margin + 30 : margin + 50] = True
    assert hidden.any() and not (hidden & ~inside).any()
    # A swinging camera looks behind the left and right edge, not behind the middle.
    assert not hidden[margin + 30, margin + 39 : margin + 41].any()
    assert hidden[margin + 30, margin + 30] and hidden[margin + 30, margin + 49]
    behind = layers.part(1)
    torch.testing.assert_close(layers.z_cam[behind], torch.full((int(hidden.sum()),), 5.0), rtol=0.02, atol=0)
    torch.testing.assert_close(layers.rgb[behind], torch.tensor(BACK).expand(int(hidden.sum()), 3), atol=0.02, rtol=0)
    assert not layers.seen[behind].any()


def test_the_first_layer_is_the_photo() -> None:
    disp = np.full((HEIGHT, WIDTH), 0.2)
    disp[10:50, 30:50] = 0.9
    layers = layers_of(disp)
    assert layers.of_photo(layers.seen).all() and layers.seen.sum() == HEIGHT * WIDTH
    expected = torch.tensor(np.where((disp > 0.5)[..., None], FRONT, BACK), dtype=torch.float32)
    assert torch.equal(layers.of_photo(layers.rgb), expected)


def test_a_fluid_continues_behind_what_stands_before_it() -> None:
    disp = np.full((HEIGHT, WIDTH), 0.2)
    disp[:, 30:50] = 0.9
    layers = layers_of(disp, moving=disp < 0.5)
    hidden = layers.part(1)
    step_px = layers.step_px[hidden]
    assert len(step_px) > 0 and layers.moving[hidden].all()
    torch.testing.assert_close(step_px, torch.tensor([0.5, 0.0]).expand(len(step_px), 2))
    assert not layers.of_photo(layers.moving)[:, 35].any()


@pytest.mark.parametrize("measured", [True, False], ids=["measured", "estimated"])
def test_a_fluid_behind_a_stone_shows_no_stone(measured: bool) -> None:
    """At its foot the stone is as far away as the water, which alone may be copied behind it."""
    disp = np.linspace(0.1, 0.9, 120, dtype=np.float32)[:, None].repeat(160, 1)
    y, x = np.mgrid[0:120, 0:160]
    stone = ((x - 80) / 32) ** 2 + ((y - 66) / 24) ** 2 < 1
    disp[stone] = disp[89, 0]
    rgb = np.where(stone[..., None], FRONT, BACK) * np.random.default_rng(0).uniform(0.6, 1.0, (120, 160, 1))
    layers = layers_of(disp, ~stone, 6.0, Camera.for_photo(160, 120), measured, "circle", rgb)
    hidden = slice(layers.first[1], None)
    red, green, _ = layers.rgb[hidden][layers.moving[hidden]].unbind(dim=1)
    assert len(red) > 1000 and bool((red < green).all())


def test_a_fluid_that_crosses_the_border_has_a_supply_beyond_it() -> None:
    disp = np.full((HEIGHT, WIDTH), 0.2)
    still, moving = layers_of(disp), layers_of(disp, moving=np.ones(disp.shape, bool))
    drift_px = int(0.08 * WIDTH)  # 20 steps of half a pixel, but no more than that share of the photo
    assert moving.margin_px == max(still.margin_px, drift_px)
    assert moving.moving[moving.part(0)].all()


def test_sharpening_turns_a_ramp_into_a_step() -> None:
    ramp = np.clip((np.arange(40, dtype=np.float32) - 18) / 4, 0, 1)[None].repeat(12, 0)
    sharp = sharpen_depth_edges(ramp, 0.2)
    assert set(np.unique(sharp)) <= {0.0, 1.0}
    gentle = np.linspace(0, 1, 40, dtype=np.float32)[None].repeat(12, 0)
    np.testing.assert_array_equal(sharpen_depth_edges(gentle, 0.2), gentle)


def test_a_steep_slope_is_no_edge() -> None:
    slope = np.linspace(0.1, 2.0, 40, dtype=np.float32)[None].repeat(12, 0)
    np.testing.assert_array_equal(sharpen_depth_edges(slope, 0.1)[:, 4:-4], slope[:, 4:-4])


def test_edges_grow_over_what_is_farther_and_slopes_do_not() -> None:
    disp = np.full((40, 60), 0.2, np.float32)
    disp[:, 20:40] = 0.8
    nothing_moves = np.zeros(disp.shape, bool)
    grown = grow_over_edges(disp, nothing_moves, 0.1, 3)
    np.testing.assert_array_equal(np.flatnonzero(grown[20] == np.float32(0.8)), np.arange(17, 43))
    np.testing.assert_array_equal(np.unique(grown), np.unique(disp))
    slope = np.tile(np.linspace(0, 1, 60, dtype=np.float32), (40, 1))
    np.testing.assert_array_equal(grow_over_edges(slope, nothing_moves, 0.03, 3), slope)  # 0.05 over 3 px
    fluid = disp > 0.5
    np.testing.assert_array_equal(grow_over_edges(disp, fluid, 0.1, 3), disp)
    sea = disp < 0.5
    np.testing.assert_array_equal(grow_over_edges(disp, sea, 0.1, 3), grown)
    stones = np.full((40, 60), 0.8, np.float32)
    stones[:, 28:33] = 0.2
    stream = stones < 0.5
    np.testing.assert_array_equal(grow_over_edges(stones, stream, 0.1, 3), stones)
    assert (grow_over_edges(stones, nothing_moves, 0.1, 3) == np.float32(0.8)).all()


def test_through_a_crack_of_an_estimate_shows_what_lies_beside_it() -> None:
    """An object of two depths before a far background: where it tears, its own colour must be seen."""
    disp = np.full((HEIGHT, WIDTH), 0.1)
    disp[10:50, 20:60] = 0.75
    disp[10:50, 40:60] = 1.0
    layers = layers_of(disp, amplitude=6.0)
    alpha, rgb = (layers.of_photo(values, 1)[20:40, 40:42] for values in (layers.alpha, layers.rgb))
    assert (alpha > 0).all()
    assert (rgb - torch.tensor(FRONT)).abs().max() < 0.05


def test_what_floats_alone_between_two_surfaces_joins_one() -> None:
    disp = np.full((9, 12), 0.2, np.float32)
    disp[:, 6:] = 0.9
    mixed = disp.copy()
    mixed[2, 5], mixed[6, 6] = 0.5, 0.65
    np.testing.assert_array_equal(settle_mixed_depths(mixed, 0.05), disp)


def test_lines_slopes_and_steps_of_a_measured_map_stay() -> None:
    disp = np.full((30, 40), 0.2, np.float32)
    disp[:, 20:] = 0.9
    disp[:, 20] = 0.55  # a ledge
    disp[np.arange(8), np.arange(8)] = 0.5  # a wire before the far side
    np.testing.assert_array_equal(settle_mixed_depths(disp, 0.04), disp)
    steep = np.linspace(0.1, 2.0, 40, dtype=np.float32)[None].repeat(30, 0)
    np.testing.assert_array_equal(settle_mixed_depths(steep, 0.04), steep)


def test_only_an_estimate_is_sharpened() -> None:
    disp = np.full((HEIGHT, WIDTH), 0.1)
    disp[20:40, 20:40] = 0.9
    disp[20:40, 40] = 0.55  # between the two, and of the nearer one's colour
    for measured in (False, True):
        layers = layers_of(disp, measured=measured)
        here = 1 / layers.of_photo(layers.z_cam)[30, 40].item()
        assert (abs(here - 0.55) < 1e-5) == measured


def test_fluid_depth_meets_its_shore_but_keeps_cliffs() -> None:
    disp = np.full((60, 60), 0.5, np.float32)
    moving = np.zeros(disp.shape, bool)
    moving[:, 20:40] = True
    disp[:, 20:40] += np.random.default_rng(0).normal(0, 0.02, (60, 20)).astype(np.float32)
    disp[:, 40:] = 0.9
    smooth = smooth_fluid_depth(disp, moving, tear_disp=0.03)
    np.testing.assert_array_equal(smooth[~moving], disp[~moving])
    assert np.abs(smooth[:, 20] - 0.5).max() < 0.03  # the shore on the left
    assert (smooth[:, 39] < 0.6).all()  # the cliff on the right stays a cliff
    assert smooth[moving].std() < 0.01


def test_what_hides_a_fluid_is_no_shore() -> None:
    disp = np.full((60, 60), 0.2, np.float32)
    moving = np.zeros(disp.shape, bool)
    moving[:, :40] = True
    disp[:, 40:] = 0.25
    smooth = smooth_fluid_depth(disp, moving, tear_disp=0.03)
    assert np.abs(smooth[moving] - 0.2).max() < 1e-4
    disp[:, 40:] = 0.21  # not nearer by enough: a bank
    assert smooth_fluid_depth(disp, moving, tear_disp=0.03)[30, 39] > 0.208


@pytest.mark.parametrize("moving", [False, True])
def test_deterministic(moving: bool, for_thread_counts) -> None:
    disp = np.full((HEIGHT, WIDTH), 0.2)
    disp[10:50, 30:50] = 0.9
    disp[20:30, 35:60] = 0.6

    def hidden() -> tuple[torch.Tensor, ...]:
        layers = layers_of(disp, (disp < 0.5) & moving)
        return layers.pixel, layers.rgb, layers.alpha, layers.z_cam

    first, *others = for_thread_counts(hidden)
    assert all(torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True))


def hidden_behind(disp: np.ndarray, gap: float = 1.04) -> tuple[np.ndarray, float]:
    """The hidden surface's disparity, 0 where there is none, and the tear."""
    rules = HidingRules(tear_disp=0.02, torn_disp=0.2, gap=gap, parallax_px=25.0)
    still = np.zeros(disp.shape, np.float32)
    hidden = continue_behind(disp, still > 0, lambda pixel: still.reshape(-1)[pixel], still == 0, rules)
    sheet = still.copy()
    sheet.reshape(-1)[hidden.pixel] = hidden.disp
    return sheet, rules.tear_disp


def test_the_hidden_surface_is_connected_and_lies_behind() -> None:
    rng = np.random.default_rng(2)
    disp = np.full((70, 90), 0.2, np.float32)
    disp[30:, :40] = 0.28
    disp[40:, 60:] = 0.34
    disp[20:60, 30:50] = 0.9
    disp[10:65, 70:73] = 0.8
    disp += rng.uniform(0, 0.004, disp.shape).astype(np.float32)
    sheet, tear = hidden_behind(disp)
    assert (sheet > 0).sum() > 300
    assert (sheet[sheet > 0] <= (disp - tear)[sheet > 0]).all() and (sheet[sheet > 0] <= disp[sheet > 0] / 1.04).all()
    for axis in (0, 1):
        both = np.minimum(sheet, np.roll(sheet, 1, axis)) > 0
        both[(0,) if axis == 0 else (slice(None), 0)] = False
        assert both.any() and np.abs(sheet - np.roll(sheet, 1, axis))[both].max() < tear
        # Nowhere a tear nearer than what is seen beside it: no view looks between the two.
        for step in (1, -1):
            beside = np.roll(disp, step, axis)
            farther = (sheet > 0) & (beside < disp - tear)
            farther[[0, -1]], farther[:, [0, -1]] = False, False
            assert farther.any() and (sheet[farther] < beside[farther] + tear).all()


def nested(height: int, width: int) -> np.ndarray:
    """A post before the upper right corner of a wall before a sky."""
    disp = np.full((height, width), 0.1, np.float32)
    disp[height // 2 :, : width // 2] = 0.6
    disp[height // 4 : -8, width // 2 - 8 : width // 2 + 4] = 1.0
    return disp


def test_surfaces_far_apart_end_behind_what_hides_them() -> None:
    disp = nested(60, 90)
    sheet, tear = hidden_behind(disp)
    behind_post = sheet[(disp == 1.0) & (sheet > 0)]
    wall, sky = np.abs(behind_post - 0.6) < tear, np.abs(behind_post - 0.1) < tear
    assert (wall | sky).all() and wall.sum() > 50 and sky.sum() > 50


def test_there_are_as_many_layers_as_surfaces_behind_each_other() -> None:
    camera = Camera.for_photo(160, 120)

    def made(disp: np.ndarray) -> Layers:
        return layers_of(disp, amplitude=6.0, camera=camera, measured=True, preset="circle")

    layers = made(nested(120, 160))
    assert layers.num_layers == 3
    pixels = [int(layers.part(k).stop - layers.part(k).start) for k in range(3)]
    assert pixels[0] > 10 * pixels[1] > 20 * pixels[2] > 0
    # The sky, behind the wall, behind the post.
    torch.testing.assert_close(1 / layers.z_cam[layers.part(2)], torch.full((pixels[2],), 0.1), rtol=0, atol=0.02)
    at = layers.pixel[layers.part(2)]
    assert (layers.plane(1 / layers.z_cam, 0).view(-1)[at] > 0.5).all()
    assert made(np.where(nested(120, 160) == 1.0, 0.1, nested(120, 160))).num_layers == 2


@pytest.mark.parametrize("measured", [True, False], ids=["measured", "estimated"])
def test_each_hidden_surface_has_its_own_colour(measured: bool) -> None:
    disp, wall = nested(120, 160), (0.2, 0.2, 0.9)
    rgb = np.select([(disp == 1.0)[..., None], (disp > 0.5)[..., None]], [np.array(FRONT), np.array(wall)], np.array(BACK))
    layers = layers_of(disp, amplitude=6.0, camera=Camera.for_photo(160, 120), measured=measured, preset="circle", rgb=rgb)
    hidden = slice(layers.first[1], None)
    hidden_disp, hidden_rgb = 1 / layers.z_cam[hidden], layers.rgb[hidden]
    for surface, colour in ((0.6, wall), (0.1, BACK)):
        there = (hidden_disp - surface).abs() < 0.02
        assert there.sum() > 100
        assert ((hidden_rgb[there] - torch.tensor(colour)).abs().amax(dim=1) < 0.1).float().mean() > 0.98


def test_a_slope_continues_behind_what_stands_on_it() -> None:
    slope = (0.2 + 0.004 * np.arange(60, dtype=np.float32))[:, None].repeat(60, 1)
    disp = slope.copy()
    disp[20:40, 25:35] = 0.9
    sheet, tear = hidden_behind(disp, gap=1.0)
    inside = sheet[20:40, 26:34]
    assert (inside > 0).mean() > 0.9
    assert np.abs(inside - slope[20:40, 26:34])[inside > 0].max() < tear


@pytest.mark.parametrize("preset", ["swing", "circle"])
@pytest.mark.parametrize("scene", ["posts", "post before the end of a wall"])
@pytest.mark.parametrize("size", [(40, 60), (48, 48), (90, 120)])
def test_no_frame_uncovers_what_no_layer_has(size: tuple[int, int], scene: str, preset: str) -> None:
    """Brute force: every frame is splatted; between the layers nothing stays open."""
    height, width = size
    disp, amplitude = nested(height, width), 6.0
    if scene == "posts":
        amplitude = 2.0
        disp = np.full((height, width), 0.2)
        disp[height // 2 :, : width // 2] = 0.35
        disp[8:-8, 20:32] = 0.9
        disp[4:-4, 38:40] = 0.7
    camera = Camera.for_photo(width, height)
    layers = layers_of(disp, amplitude=amplitude, camera=camera, measured=True, preset=preset)
    points, radius, colour = *lifted(layers, camera), layers.rgb
    poses = path_of(camera, 40, amplitude, preset).world_to_cam
    alone = points[layers.part(0)]
    opened = 0
    for pose in poses:
        view = camera.with_pose(pose.contiguous())
        assert float(ops.splat_points(points, colour, radius, view).alpha.min()) > 1e-2
        front = ops.splat_points(alone, colour[: len(alone)].contiguous(), radius[: len(alone)].contiguous(), view)
        opened += int((front.alpha <= 1e-2).sum())
    assert opened > 100, "the scene must have holes to close"


@pytest.mark.parametrize("shift_px", [-2, 0, 2])
def test_a_soft_edge_hides_no_deeper_layer(shift_px: int) -> None:
    """A beam before the end of a wall before a sky, and a depth edge that runs beside the picture's: along the beam its pixels
    are taken apart, and nothing of it is left in some; through these, three depths show."""
    height, width, amplitude = 180, 320, 6.0  # so large that an estimate's edges are soft
    disp = np.full((height, width), 0.1)
    disp[:, : width // 2] = 0.6
    disp[height // 2 - 4 : height // 2 + 5, 10:-10] = 1.0
    seen = np.roll(disp, shift_px, axis=0)
    rgb = np.select([(seen == 1.0)[..., None], (seen > 0.5)[..., None]], [np.array(FRONT), np.array((0.2, 0.2, 0.9))], BACK)
    camera = Camera.for_photo(width, height)
    layers = layers_of(disp, amplitude=amplitude, camera=camera, rgb=rgb)
    assert layers.num_layers == 3 and bool((layers.alpha < 0.5).any())
    points, radius = lifted(layers, camera)
    for pose in path_of(camera, 40, amplitude).world_to_cam:
        made = ops.splat_points(points, layers.rgb, radius, camera.with_pose(pose.contiguous()), opacity=layers.alpha)
        assert float(made.alpha.min()) > 1e-2


def lifted(layers: Layers, camera: Camera) -> tuple[torch.Tensor, torch.Tensor]:
    """The layers' pixels as points ``[P, 3]``, and their radii."""
    canvas = camera.padded(layers.margin_px)
    xs, ys = layers.centre_px().unbind(1)
    rays = torch.stack([(xs - canvas.cx) / canvas.fx, (ys - canvas.cy) / canvas.fy, torch.ones_like(xs)], dim=-1)
    return rays * layers.z_cam[:, None], 1.5 * layers.z_cam / canvas.fx


def planes(num_layers: int, seed: int) -> dict[str, torch.Tensor]:
    """Random maps of layers; half of the pixels exist."""
    gen, size = torch.Generator().manual_seed(seed), (num_layers, 7, 9)
    real = {name: torch.rand(*size, *more, generator=gen) for name, more in (("rgb", (3,)), ("z_cam", ()), ("step_px", (2,)))}
    alpha, seen, moving = (torch.rand(size, generator=gen) for _ in range(3))
    return {**real, "alpha": alpha * (alpha > 0.5), "seen": seen > 0.5, "moving": moving > 0.5}


@pytest.mark.parametrize("num_layers", [1, 3])
def test_layers_hold_the_pixels_that_exist_and_give_them_back(num_layers: int) -> None:
    maps = planes(num_layers, 0)
    layers = Layers.from_planes(**maps, margin_px=2)
    exists = maps["alpha"] > 0
    assert layers.num_layers == num_layers and len(layers.pixel) == exists.sum()
    for name, values in maps.items():
        for k in range(num_layers):
            wanted = values[k].clone()
            wanted[~exists[k]] = 0
            assert torch.equal(layers.plane(getattr(layers, name), k), wanted), name
            assert torch.equal(layers.of_photo(getattr(layers, name), k), wanted[2:-2, 2:-2]), name
    y, x = exists[-1].nonzero().unbind(1)
    assert torch.equal(layers.centre_px()[layers.part(num_layers - 1)], torch.stack([x, y], dim=1) + 0.5)


def test_the_nearest_layer_that_moves_and_a_choice_of_pixels() -> None:
    maps = planes(3, 1)
    layers = Layers.from_planes(**maps, margin_px=0)
    moves = (maps["alpha"] > 0) & maps["moving"]
    nearest = layers.nearest_moving()
    assert torch.equal(nearest >= 0, moves.any(dim=0))
    for y, x in moves.any(dim=0).nonzero().tolist():
        first = int(moves[:, y, x].nonzero()[0])
        assert layers.part(first).start <= nearest[y, x] < layers.part(first).stop
        assert layers.pixel[nearest[y, x]] == 9 * y + x
    seen = layers.kept(layers.seen)
    again = Layers.from_planes(**{**maps, "alpha": maps["alpha"] * maps["seen"]}, margin_px=0)
    assert seen.first == again.first and all(torch.equal(getattr(seen, n), getattr(again, n)) for n in (*maps, "pixel"))


@pytest.mark.parametrize("first", [(0,), (0, 5, 3, 4), (1, 4), (0, 3)])
def test_layers_whose_ends_do_not_fit(first: tuple[int, ...]) -> None:
    layers = Layers.from_planes(**planes(1, 2), margin_px=0)
    few = layers.kept(torch.arange(len(layers.pixel)) < 4)
    with pytest.raises(ValueError, match="Layers: first must rise from 0 to P = 4"):
        replace(few, first=first)


def test_a_hidden_fluid_is_filled_as_fluid_only_where_there_is_some_beside_it() -> None:
    hidden, fluid = np.zeros((HEIGHT, WIDTH), bool), np.zeros((HEIGHT, WIDTH), bool)
    fluid[:20] = True
    hidden[20:30, 10:20] = True
    hidden[24:34, 40:50] = True  # the fluid rests along its border: nothing of it is beside this one
    found = parts_beside(hidden, fluid)
    assert found[20:30, 10:20].all()
    assert found.sum() == 100
    assert not parts_beside(hidden, np.zeros_like(fluid)).any()
