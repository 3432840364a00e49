"""Sway, flame and ripple: still at the loop's start, pinned at the root, larger to the tip, never folding, beside a flow."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

import c3drender
from c3drender.data import Flame, Fluid, Harmonics, Nearness, Ripple, Sway
from c3drender.motion import harmonics as harmonic
from c3drender.motion.flame import find_flames, flame_field
from c3drender.motion.ripple import find_still, ripple_field
from c3drender.motion.sway import PART_SHARE, REACH_SHARE, ROOTS, answer_to_wind, sway_field
from c3drender.perception.photo import Perception
from c3drender.pixels.segments import SEGMENT_CLASSES, Segments

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
    "flame": lambda: flame_field(TREE, NO_ARROWS),
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
    wild = sway_field(TREE, NO_ARROWS, strength=40.0)
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


@pytest.mark.parametrize(("to", "base", "tip"), [((160.0, 60.0), 199, 42), ((160.0, 180.0), 41, 198)])
def test_a_flame_is_pinned_at_its_base_and_bends_most_at_its_tip(to: tuple[float, float], base: int, tip: int) -> None:
    height, _ = height_and_phase(flame_field(TREE, np.array([[(160.0, 120.0), to]])))
    reach = height.sum(axis=0)[:, 160]
    assert reach[base].max() == 0
    np.testing.assert_allclose(reach[tip], [0.22 * 40, 0.1 * 160], rtol=0.03)  # of its width, and of its height
    assert (np.diff(reach[np.linspace(base, tip, 9).astype(int)], axis=0) > 0).all()


def test_bends_run_up_a_flame() -> None:
    field = flame_field(TREE, NO_ARROWS)
    phase = np.arctan2(field.cosine_px[..., 0].numpy(), field.sine_px[..., 0].numpy())[1, 50:180, 160]
    assert (turned(phase, 0) > 0).all(), "later farther up: the phase falls towards the tip"


def test_flames_are_found_where_it_surely_burns() -> None:
    fire = np.zeros((HEIGHT, WIDTH), np.float32)
    fire[TREE] = 0.95
    fire[box(20, 20, 60, 60)] = 0.52  # may burn
    fire[box(200, 20, 240, 60)] = 0.6  # burns, most likely
    fire[5, 5] = 1.0  # a lamp
    np.testing.assert_array_equal(find_flames(fire), TREE | box(200, 20, 240, 60))


def test_still_water_is_what_surely_is_and_mirrors() -> None:
    lake, sea, foam, doubtful, puddle = (box(10 + 60 * k, 100, 50 + 60 * k, 140) for k in range(5))
    puddle[110:] = puddle[:, :295] = False
    water = np.float32(0.95) * (lake | sea | puddle) + np.float32(0.7) * (foam | doubtful)
    white = np.float32(0.25) * foam
    still = np.where(sea, np.float32(0.3), np.float32(0.9))
    np.testing.assert_array_equal(find_still(water, white, still), lake)


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
        longest = Harmonics(field.sine_px[1:2], field.cosine_px[1:2])
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
    for field in (sway_field(nothing, NO_ARROWS), flame_field(nothing, NO_ARROWS), ripple_field(nothing, DISP, NO_ARROWS)):
        assert harmonic.reach_px(field) == 0


def height_and_phase(field: Harmonics) -> tuple[np.ndarray, np.ndarray]:
    """Of ``height_k sin(2 pi k t + phase_k)``: ``[K, H, W, 2]`` (x, y) px and, of the component y or else x, ``[K, H, W]``."""
    sine, cosine = field.sine_px.numpy().astype(np.float64), field.cosine_px.numpy().astype(np.float64)
    c = 1 if np.abs(sine[..., 1]).max() > 0 else 0
    return np.hypot(sine, cosine), np.arctan2(cosine[..., c], sine[..., c])


def turned(phase: np.ndarray, axis: int) -> np.ndarray:
    """The difference from pixel to pixel, without whole turns."""
    return (np.diff(phase, axis=axis) + np.pi) % (2 * np.pi) - np.pi


def test_a_displacement_is_what_its_coefficients_say() -> None:
    sine, cosine = np.random.default_rng(0).random((2, 4, 5, 6, 2)).astype(np.float32)
    field = Harmonics(torch.from_numpy(sine), torch.from_numpy(cosine))
    assert field.at(0.0).abs().max() == 0
    for t in (0.1, 0.35, 0.8):
        turns = 2 * np.pi * t * np.arange(1, 5)[:, None, None, None]
        expected = (sine * np.sin(turns) + cosine * (np.cos(turns) - 1)).sum(axis=0)
        np.testing.assert_allclose(field.at(t).numpy(), expected, atol=1e-5)


def test_motions_of_different_swings_join() -> None:
    few, many = (Harmonics(torch.full((k, 2, 2, 2), 0.01), torch.zeros(k, 2, 2, 2)) for k in (1, 3))
    joined = harmonic.joined([few, many]).sine_px
    np.testing.assert_allclose(joined[:, 0, 0, 0], [0.02, 0.01, 0.01], atol=1e-6)


def test_a_gust_runs_over_the_picture() -> None:
    height, phase = height_and_phase(sway_field(box(0, 0, 320, 240), NO_ARROWS))
    tip = height[:, 0, 0, 0]
    np.testing.assert_allclose(tip, np.abs(answer_to_wind(240 / 320)) * 0.006 * 320, rtol=1e-4)
    np.testing.assert_allclose(height[:, 120, 0, 0] / tip, 0.5**1.5, rtol=1e-4)  # halfway down to the root
    swings = 2 * np.pi * np.arange(1, 5) / 320
    np.testing.assert_allclose(turned(phase[:, :200], 2).mean(axis=(1, 2)), -0.6 * swings, rtol=1e-3)
    np.testing.assert_allclose(turned(phase[:, :200], 1).mean(axis=(1, 2)), -0.2 * swings, rtol=1e-3)


def test_neighbours_answer_one_gust_one_after_the_other() -> None:
    first, second = box(50, 100, 70, 200), box(210, 100, 230, 200)
    seen = moments(sway_field(first | second, NO_ARROWS), 100)[:-1, 105, :, 0]
    later = round(100 * 0.6 * 160 / 320)
    swing = [seen[:, x] - seen[:, x].mean() for x in (60, 220)]
    np.testing.assert_allclose(np.roll(swing[0], later), swing[1], atol=1e-3)
    assert swing[0].max() > -1.3 * swing[0].min(), "a gust leans more than calm swings back"


def test_wind_blows_where_the_arrow_points() -> None:
    mask = box(50, 100, 70, 200) | box(210, 100, 230, 200)
    arrow = np.array([[[60.0, 110.0], [57.0, 110.0]]])
    _, phase = height_and_phase(sway_field(mask, arrow))
    assert (turned(phase[:, 105], 1)[:, 55:65] > 0).all()


def test_small_parts_swing_faster() -> None:
    small, tall = (np.abs(answer_to_wind(extent)) for extent in (0.05, 0.6))
    swings = np.arange(1, 5)
    assert (swings * small).sum() > 1.2 * (swings * tall).sum()
    assert small.sum() == pytest.approx(1.0) == tall.sum()


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


def waves_of(field: Harmonics, n: int, where: tuple[slice, slice]) -> np.ndarray:
    """The waves that pass n times in a loop, complex: their shift across."""
    return (field.sine_px[n - 1] + 1j * field.cosine_px[n - 1]).numpy()[(*where, 0)]


@pytest.mark.parametrize("n", [2, 3])
def test_frequencies_of_ripples_belong_to_their_lengths(n: int) -> None:
    """omega^2 = g k: waves that pass n times in a loop are 4 / n^2 as long as those that pass twice."""
    waves = waves_of(ripple_field(box(0, 0, 320, 240), FACING, RIGHT), n, np.s_[20:220, 20:300])
    power = np.abs(np.fft.fft2(waves * np.hanning(200)[:, None] * np.hanning(280))) ** 2
    radius = np.hypot(np.fft.fftfreq(200)[:, None], np.fft.fftfreq(280))
    assert (power * radius).sum() / power.sum() == pytest.approx(0.95 * n**2 / 4 / (0.06 * 320), rel=0.1)  # in a fan


def test_stronger_ripples_shift_more() -> None:
    weak, plain = (float(ripple_field(box(0, 0, 320, 240), FACING, RIGHT, strength).sine_px.norm()) for strength in (0.2, 0.4))
    assert plain == pytest.approx(2 * weak, rel=1e-3)


def test_a_slope_across_shifts_less_than_one_towards_the_eye() -> None:
    shifts = [ripple_field(box(0, 0, 320, 240), FACING, arrow, 0.3).sine_px[1].norm() for arrow in (RIGHT, NO_ARROWS)]
    assert shifts[0] < 0.7 * shifts[1]


def test_ripples_know_the_water_by_its_ratios_alone() -> None:
    pond = box(0, 60, 320, 240)
    field = ripple_field(pond, DISP, NO_ARROWS)
    torch.testing.assert_close(ripple_field(pond, 7 * DISP, NO_ARROWS).sine_px, field.sine_px, atol=1e-3, rtol=1e-2)
    waves = waves_of(ripple_field(pond, DISP, RIGHT), 2, np.s_[:, 20:300])

    def rate(row: int) -> float:
        """Turns per pixel along x, by the waves' power."""
        pairs = waves[row, 1:] * waves[row, :-1].conj()
        return float(np.abs(np.angle(pairs) @ np.abs(pairs)) / np.abs(pairs).sum())

    near, far = (np.mean([rate(row + d) for d in range(-6, 7)]) for row in (220, 100))
    assert far / near == pytest.approx(DISP[220, 0] / DISP[100, 0], rel=0.15)


def test_water_is_level_whatever_a_depth_map_makes_of_mirror_images() -> None:
    pond = box(0, 60, 320, 240)
    bumps = 0.05 * cv2.GaussianBlur(np.random.default_rng(0).normal(size=DISP.shape).astype(np.float32), (0, 0), 3) * 6
    shaken, level = (ripple_field(pond, disp, NO_ARROWS).sine_px[1, 100:230] for disp in (DISP + bumps, DISP))
    assert (shaken - level).norm() < 0.3 * level.norm()


def test_ripples_fade_towards_the_shore() -> None:
    height, _ = height_and_phase(ripple_field(box(100, 0, 320, 240), FACING, RIGHT))
    ashore = height[..., 1].mean(axis=1).max(axis=0)
    assert ashore[:100].max() == 0 and ashore[100] < 0.15 * ashore[107] and (np.diff(ashore[100:105]) > 0).all()


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
LIST = [Fluid(RIVER, [((10, 220), (60, 220))]), Sway(box(140, 40, 180, 190)), Flame(box(20, 20, 60, 90)), Ripple(POND)]


def test_one_scene_holds_all_four(tmp_path) -> None:
    scene = c3drender.prepare(photo(), motion=LIST, depth="builtin", camera="still")
    margin = scene.layers.margin_px
    inner = np.s_[margin : margin + HEIGHT, margin : margin + WIDTH]
    moving = scene.layers.of_photo(scene.layers.moving).numpy()
    reach = np.abs(moments(scene.harmonics)).max(axis=(0, 3))[inner]
    assert moving[RIVER].mean() > 0.8 and not moving[POND].any()
    assert (
        reach[POND].mean() > 0.1
        and reach[22, 40] > 0.3
        and reach[89, 40] == 0
        and reach[60, 160] > 0.3
        and reach[RIVER].max() == 0
    )
    assert [note.split(":")[0] for note in scene.notes[:5]] == ["depth", "motion", "sway", "flame", "ripple"]
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
        ({"motion": "sway"}, TypeError, "motion: expected a list of Fluid, Sway, Flame and Ripple, got 'sway'"),
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


@pytest.fixture
def seen_lake(monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """A picture in whose lower half the network sees water that lies still."""
    rgb = torch.rand(96, 128, 3, generator=torch.Generator().manual_seed(3)) * 0.1 + 0.2
    rgb[48:] += 0.4
    kinds = torch.zeros(len(SEGMENT_CLASSES), 24, 32)
    kinds[SEGMENT_CLASSES.index("object"), :12] = kinds[SEGMENT_CLASSES.index("still_water"), 12:] = 1.0
    flat = torch.linspace(0.1, 1, 24)[:, None].expand(24, 32).contiguous()
    seen = Perception(
        Segments(SEGMENT_CLASSES, kinds), Nearness(flat, torch.ones(24, 32), kinds), torch.ones(24, 32), torch.zeros(24, 32, 2)
    )
    monkeypatch.setattr("c3drender.pipeline.see.perceive", lambda image: seen)
    return rgb


def test_still_water_ripples_where_nothing_is_said(seen_lake: torch.Tensor) -> None:
    scene = c3drender.prepare(seen_lake, camera="still")
    assert not bool(scene.layers.moving.any())
    assert scene.harmonics is not None
    assert any("still water (" in note and "ripples; all else stays" in note for note in scene.notes), scene.notes
    pointed = c3drender.prepare(seen_lake, hints=[((40, 80), (90, 80))], camera="still")
    assert bool(pointed.layers.moving.any())
    assert pointed.harmonics is None


def test_a_ripple_of_ones_own_is_not_doubled(seen_lake: torch.Tensor) -> None:
    own = np.zeros((96, 128), bool)
    own[40:] = True
    scene = c3drender.prepare(seen_lake, motion=[Fluid(), Ripple(own)], camera="still")
    assert [note.split(":")[0] for note in scene.notes].count("ripple") == 1, scene.notes
