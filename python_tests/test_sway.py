"""Sway and ripple: still at the loop's start, pinned at the root, larger toward the tip, never folding, beside a flow."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

import c3drender
from c3drender.data import Fluid, Harmonics, Ripple, Sway
from c3drender.motion import harmonics as harmonic
from c3drender.motion.ripple import ripple_field
from c3drender.motion.sway import PART_SHARE, REACH_SHARE, ROOTS, sway_field

HEIGHT, WIDTH = 240, 320
NO_ARROWS = np.zeros((0, 2, 2))


def box(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def moments(field: Harmonics, num_frames: int = 24) -> np.ndarray:
    """Displacements ``[F, H, W, 2]``"""
    frames = [field.at(n / num_frames) for n in range(num_frames + 1)]
    return torch.stack(frames).numpy()


TREE = box(140, 40, 180, 200)
DISP = np.broadcast_to(np.linspace(0.2, 1.0, HEIGHT, dtype=np.float32)[:, None], (HEIGHT, WIDTH))
FIELDS = {
    "sway": lambda: sway_field(TREE, NO_ARROWS),
    "ripple": lambda: ripple_field(box(40, 120, 280, 240), DISP, NO_ARROWS),
}


@pytest.mark.parametrize("name", FIELDS)
def test_still_at_the_start_and_periodic(name: str) -> None:
    offsets = moments(FIELDS[name]())
    assert np.abs(offsets[0]).max() == 0
    np.testing.assert_allclose(offsets[-1], 0, atol=1e-4)
    assert np.abs(offsets[5]).max() > 0.5


@pytest.mark.parametrize("name", FIELDS)
def test_never_folds_or_tears(name: str) -> None:
    field = harmonic.joined([FIELDS[name]()])
    for offset in moments(field, 12):
        for axis in (0, 1):
            assert np.linalg.norm(np.diff(offset, axis=axis), axis=-1).max() <= harmonic.MAX_BEND * 1.05


def test_far_stronger_motion_is_held_back_to_what_does_not_fold() -> None:
    wild = sway_field(TREE, NO_ARROWS, strength=20.0)
    assert harmonic.max_bend(wild) > 1
    assert harmonic.max_bend(harmonic.joined([wild])) == pytest.approx(harmonic.MAX_BEND, rel=1e-3)


@pytest.mark.parametrize("root", ROOTS)
def test_pinned_at_the_root_and_largest_at_the_tip(root: str) -> None:
    field = sway_field(box(100, 60, 220, 180), NO_ARROWS, root)
    reach = torch.stack([field.sine_px, field.cosine_px]).square().sum(dim=(0, 1, 4)).sqrt().numpy()
    along = reach[60:180, 100:220].mean(axis=1 if root in ("top", "bottom") else 0)
    from_root = along if root in ("top", "left") else along[::-1]
    assert from_root[0] < 0.02 * from_root[-1]
    assert (np.diff(from_root[::10]) > 0).all()


def test_sways_sideways_by_its_share_or_as_the_arrow_says() -> None:
    own = moments(sway_field(TREE, NO_ARROWS))
    reach = min(REACH_SHARE * WIDTH, PART_SHARE * 160)
    assert np.abs(own[..., 1]).max() == 0
    assert 0.5 * reach < np.abs(own[..., 0]).max() <= 2 * reach
    arrow = np.array([[[160.0, 60.0], [163.0, 64.0]]])
    asked = moments(sway_field(TREE, arrow))
    largest = np.unravel_index(np.abs(asked[..., 0]).argmax(), asked.shape[:3])
    assert asked[largest][1] / asked[largest][0] == pytest.approx(4 / 3, rel=1e-3)
    elsewhere = np.array([[[20.0, 60.0], [23.0, 64.0]]])
    np.testing.assert_array_equal(moments(sway_field(TREE, elsewhere)), own)


def test_parts_of_a_mask_swing_on_their_own() -> None:
    small, tall = box(40, 160, 60, 200), box(200, 40, 240, 200)
    reach = np.abs(moments(sway_field(small | tall, NO_ARROWS))).max(axis=(0, 3))
    assert 0 < reach[small].max() < reach[tall].max()
    assert reach[:120, :120].max() == 0


def test_an_unknown_root_is_named() -> None:
    with pytest.raises(ValueError, match=r"^root: expected one of bottom, top, left, right, got 'middle'"):
        sway_field(TREE, NO_ARROWS, "middle")


def test_far_ripples_are_shorter_and_lower() -> None:
    offset = moments(ripple_field(box(0, 60, 320, 240), DISP, NO_ARROWS))[8, :, 160, 1]

    def turns(rows: slice) -> int:
        return int((np.diff(np.sign(offset[rows])) != 0).sum())

    assert turns(slice(90, 140)) > turns(slice(180, 230))
    assert np.abs(offset[90:140]).max() < np.abs(offset[180:230]).max()


def test_ripples_run_where_the_arrow_points() -> None:
    def drift(arrows: np.ndarray) -> float:
        """By how far (px) the pattern of the longest wave moves to the right from one moment to the next."""
        field = ripple_field(box(0, 0, 320, 240), np.ones((HEIGHT, WIDTH), np.float32), arrows)
        longest = Harmonics(field.sine_px[:1], field.cosine_px[:1])
        rates = np.diff(moments(longest, 48)[:, 120, 20:300, 1], axis=0)
        steps = range(-6, 7)
        alike = [np.corrcoef(rates[4, 8:-8], np.roll(rates[8], -step)[8:-8])[0, 1] for step in steps]
        return float(steps[int(np.argmax(alike))])

    assert drift(np.array([[[100.0, 100.0], [140.0, 100.0]]])) > 0 > drift(np.array([[[140.0, 100.0], [100.0, 100.0]]]))


def test_what_flows_is_left_to_the_flow() -> None:
    moving = torch.from_numpy(box(0, 0, 160, 240))
    held = moments(harmonic.held_still(sway_field(TREE, NO_ARROWS), moving))
    assert np.abs(held[:, moving.numpy()]).max() == 0 and np.abs(held).max() > 0.1


def test_empty_masks_hold_still() -> None:
    nothing = np.zeros((HEIGHT, WIDTH), bool)
    for field in (sway_field(nothing, NO_ARROWS), ripple_field(nothing, DISP, NO_ARROWS)):
        assert harmonic.reach_px(field) == 0


def height_and_phase(field: Harmonics) -> tuple[np.ndarray, np.ndarray]:
    """Of ``height_k sin(2 pi k t + phase_k)``: ``[K, H, W, 2]`` (x, y) px and, of the component y or else x, ``[K, H, W]``."""
    sine, cosine = field.sine_px.numpy().astype(np.float64), field.cosine_px.numpy().astype(np.float64)
    c = 1 if np.abs(sine[..., 1]).max() > 0 else 0
    return np.hypot(sine, cosine), np.arctan2(cosine[..., c], sine[..., c])


def turned(phase: np.ndarray, axis: int) -> np.ndarray:
    """The difference from pixel to pixel, without whole turns."""
    return (np.diff(phase, axis=axis) + np.pi) % (2 * np.pi) - np.pi


def test_a_wave_is_what_its_height_and_phase_say() -> None:
    rng = np.random.default_rng(0)
    height, phase = rng.random((3, 4, 5, 2)), rng.random((3, 4, 5)) * 6
    field = harmonic.from_waves(height, phase)
    for t in (0.0, 0.1, 0.35, 0.8):
        k = 2 * np.pi * t * np.arange(1, 4)[:, None, None]
        expected = (height * (np.sin(k + phase) - np.sin(phase))[..., None]).sum(axis=0)
        np.testing.assert_allclose(field.at(t).numpy(), expected, atol=1e-5)


def test_sway_is_shared_out_to_three_swings_and_its_gusts_run_over_the_picture() -> None:
    height, phase = height_and_phase(sway_field(box(0, 0, 320, 240), NO_ARROWS))
    tip = height[:, 0, 0, 0]
    np.testing.assert_allclose(tip, np.array([0.6, 0.27, 0.13]) * 0.006 * 320, rtol=1e-5)
    np.testing.assert_allclose(height[:, 120, 0, 0] / tip, 0.5**1.5, rtol=1e-5)  # halfway down to the root
    turns = np.array([[1.1, 0.3], [1.7, -0.6], [-2.3, 0.9]]) * 2 * np.pi / 320  # along x and y, by the number of swings
    np.testing.assert_allclose(turned(phase[:, :200], 2).mean(axis=(1, 2)), turns[:, 0], rtol=1e-4)
    np.testing.assert_allclose(turned(phase[:, :200], 1).mean(axis=(1, 2)), turns[:, 1], rtol=1e-4)
    np.testing.assert_allclose(np.cos(phase[:, 0, 0] - [0, 2.1, 4.2]), 1, atol=1e-6)


def test_a_small_part_sways_by_a_share_of_itself_and_draws_its_surroundings_along() -> None:
    height, _ = height_and_phase(sway_field(box(150, 100, 170, 110), NO_ARROWS))
    reach = height.sum(axis=0)[..., 0]
    assert reach[100, 160] == pytest.approx(0.08 * 10, rel=1e-5)
    assert 0 < reach[100, 175] < reach[100, 172] < reach[100, 169]
    assert reach[100, 170 + 7] == 0, "8 times the reach, 6.4 px, from the border it ends"
    assert reach[100, 169 + 6] > 0
    asked = height_and_phase(sway_field(box(150, 100, 170, 110), np.array([[[160.0, 105.0], [162.0, 105.0]]]), strength=1.5))[
        0
    ]
    assert asked.sum(axis=0)[100, 160, 0] == pytest.approx(1.5 * 2.0, rel=1e-5)
    assert asked.sum(axis=0)[100, 169 + 23, 0] > 0 == asked.sum(axis=0)[100, 169 + 24, 0]


FACING = np.ones((HEIGHT, WIDTH), np.float32)  # as seen from above: every wave is as long everywhere
RIGHT = np.array([[[100.0, 100.0], [140.0, 100.0]]])


@pytest.mark.parametrize("strength", [1.0, 2.0, 0.5])
def test_how_high_and_how_long_ripples_are(strength: float) -> None:
    height, phase = height_and_phase(ripple_field(box(0, 0, 320, 240), FACING, RIGHT, strength))
    longest = 0.05 * 320
    lengths = np.array([1.0, 0.62, 0.44]) * longest
    seen = lengths / np.cos([0.0, 0.5, 0.6])  # along x, by the angle at which the wave runs
    np.testing.assert_allclose(turned(phase, 2)[:, 120, 100], -2 * np.pi / seen, rtol=1e-3)  # it runs to the right
    share = np.clip((seen - 5) / 5, 0, 1)
    shown = share * share * (3 - 2 * share)
    expected = strength * 0.02 * np.array([1.0, 0.7, 0.5]) * lengths * shown
    np.testing.assert_allclose(height[:, 120, 100, 1], expected, rtol=1e-3)
    np.testing.assert_allclose(height[:, 120, 100, 0], 0.35 * expected, rtol=1e-3)


@pytest.mark.parametrize("heading", [(1.0, 0.0), (1.0, 1.0), (-1.0, 0.5), (0.0, 1.0)])
def test_which_way_ripples_run_on_the_water(heading: tuple[float, float]) -> None:
    """On a plane in perspective: phases fall along the heading, with the surface's own right and its way to the camera."""
    depth = np.broadcast_to(np.linspace(1.3, 0.7, HEIGHT)[:, None], (HEIGHT, WIDTH))
    arrow = np.array([[(50.0, 50.0), (50.0 + 40 * heading[0], 50.0 + 40 * heading[1])]])
    field = ripple_field(box(0, 0, 320, 240), (1 / depth).astype(np.float32), arrow)
    _, phase = height_and_phase(field)
    relative = depth / np.median(depth)
    right = (np.arange(WIDTH) + 0.5 - WIDTH / 2) / WIDTH * relative
    towards = -relative / (np.abs(np.diff(relative[:, 0])).mean() * WIDTH)
    inner = np.s_[100:140, 100:220]
    angles = np.arctan2(heading[1], heading[0]) + np.array([0.0, 0.5, -0.6])
    for k, (angle, length) in enumerate(zip(angles, 0.05 * np.array([1.0, 0.62, 0.44]), strict=True)):
        run = (right * np.cos(angle) + towards * np.sin(angle)) / length
        for axis in (0, 1):
            found, expected = turned(phase[k], axis)[inner], -2 * np.pi * np.diff(run, axis=axis)[inner]
            np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(np.diff(run)).max() * 2 * np.pi + 2e-3)


def test_ripples_know_the_water_by_its_ratios_alone() -> None:
    pond = box(0, 60, 320, 240)
    field = ripple_field(pond, DISP, NO_ARROWS)
    torch.testing.assert_close(ripple_field(pond, 7 * DISP, NO_ARROWS).sine_px, field.sine_px, atol=1e-4, rtol=1e-3)
    _, phase = height_and_phase(ripple_field(pond, DISP, RIGHT))
    near, far = (np.abs(turned(phase[0], 1)[row, 100:220]).mean() for row in (220, 100))
    assert far / near == pytest.approx(DISP[220, 0] / DISP[100, 0], rel=0.02)


@pytest.mark.parametrize(("rows", "limit", "bound"), [(slice(0, 40), 4.0, np.minimum), (slice(200, 240), 0.1, np.maximum)])
def test_ripples_beyond_a_range_of_distances_are_as_at_its_end(rows: slice, limit: float, bound: np.ufunc) -> None:
    disp = np.ones((HEIGHT, WIDTH), np.float32)
    disp[rows] = 40.0 if limit > 1 else 0.01
    sea = box(0, 0, 320, 240)

    def waves(values: np.ndarray) -> torch.Tensor:
        return ripple_field(sea, values, RIGHT).cosine_px

    assert torch.equal(waves(bound(disp, np.float32(limit))), waves(disp))
    assert not torch.equal(waves(bound(disp, np.float32(0.9 * limit if limit > 1 else 1.1 * limit))), waves(disp))


def test_ripples_fade_towards_the_shore() -> None:
    height, _ = height_and_phase(ripple_field(box(100, 0, 320, 240), FACING, RIGHT))
    ashore = height[0, 120, :, 1]
    assert ashore[:100].max() == 0 and ashore[100] < 0.1 * ashore[107] and (np.diff(ashore[100:108]) > 0).all()
    np.testing.assert_allclose(ashore[108:], ashore[200], rtol=1e-4)  # 8 px off shore; the frame is no shore


def test_how_far_from_a_flow_all_holds_still() -> None:
    shift = torch.zeros(3, HEIGHT, WIDTH, 2)
    shift[0, ..., 0] = 5.0
    field, moving = Harmonics(shift, torch.zeros_like(shift)), torch.from_numpy(box(0, 0, 100, 240))
    assert harmonic.reach_px(field) == 5.0
    held = harmonic.held_still(field, moving).sine_px[0, 120, :, 0].numpy()
    assert (held[:100] == 0).all()
    assert held[99 + 10] == pytest.approx(2.5, abs=0.05) and held[99 + 5] == pytest.approx(5 * 5 / 32, abs=0.05)
    np.testing.assert_allclose(held[99 + 20 :], 5.0, atol=1e-5)  # four times the reach
    assert held[99 + 18] < 4.95


def photo() -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.clip(0.5 + 4 * cv2.GaussianBlur(rng.normal(size=(HEIGHT, WIDTH, 3)), (0, 0), 4), 0, 1).astype(np.float32)


RIVER, POND = box(0, 200, 120, 240), box(200, 200, 320, 240)
LIST = [Fluid(RIVER, [((10, 220), (60, 220))]), Sway(box(140, 40, 180, 190)), Ripple(POND)]


def test_one_scene_holds_all_three(tmp_path) -> None:
    scene = c3drender.prepare(photo(), motion=LIST, depth="builtin", camera="still")
    margin = scene.layers.margin_px
    inner = np.s_[margin : margin + HEIGHT, margin : margin + WIDTH]
    moving = scene.layers.of_photo(scene.layers.moving).numpy()
    reach = np.abs(moments(scene.harmonics)).max(axis=(0, 3))[inner]
    assert moving[RIVER].mean() > 0.8 and not moving[POND].any()
    assert reach[POND].mean() > 0.1 and reach[60, 160] > 0.3 and reach[RIVER].max() == 0
    assert [note.split(":")[0] for note in scene.notes[:4]] == ["depth", "motion", "sway", "ripple"]
    c3drender.save_scene(scene, tmp_path / "scene.c3d")
    loaded = c3drender.load_scene(tmp_path / "scene.c3d")
    assert torch.equal(loaded.harmonics.sine_px, scene.harmonics.sine_px)


def test_a_list_without_a_flow_flows_nowhere() -> None:
    scene = c3drender.prepare(photo(), motion=LIST[1:2], depth="builtin", camera="still")
    assert not scene.layers.moving.any() and harmonic.reach_px(scene.harmonics) > 0.5


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"motion": LIST, "mask": RIVER}, ValueError, "motion: expected mask inside a Fluid of the list, got both"),
        ({"motion": [Fluid(), Fluid()]}, ValueError, "motion: expected at most one Fluid .*, got more"),
        ({"motion": "sway"}, TypeError, "motion: expected a list of Fluid, Sway and Ripple, got 'sway'"),
        (
            {"motion": [Sway(TREE[:50])]},
            ValueError,
            "mask: expected 320 x 240 px, the photo's size, or its proportions, got 320 x 50",
        ),
    ],
)
def test_bad_lists_get_one_line(arguments: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        c3drender.prepare(photo(), depth="builtin", **arguments)
