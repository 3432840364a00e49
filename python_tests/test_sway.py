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
    assert [note.split(":")[0] for note in scene.notes] == ["depth", "motion", "sway", "ripple"]
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
        ({"motion": [Sway(TREE[:50])]}, ValueError, "mask: expected 320 x 240 px, the photo's size, got 320 x 50"),
    ],
)
def test_bad_lists_get_one_line(arguments: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        c3drender.prepare(photo(), depth="builtin", **arguments)
