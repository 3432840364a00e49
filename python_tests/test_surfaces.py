"""From a blurred nearness to surfaces: what parts them, what holds them together."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from c3drender.data import Nearness, Scenery
from c3drender.depth import parting, surfaces
from c3drender.depth.segments import Borders, cut_into_segments, find_borders
from c3drender.depth.surfaces import CUTS_FROM, cut, surfaces_from
from c3drender.pixels.segments import SEGMENT_CLASSES

H, W = 120, 160
FIGURE = np.zeros((H, W), bool)
FIGURE[30:110, 60:100] = True


def noisy(rgb: np.ndarray) -> np.ndarray:
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 0.05, (H, W)).astype(np.float32), (0, 0), 1)
    return np.clip(rgb + noise[..., None], 0, 1).astype(np.float32)


def shown(figure: np.ndarray = FIGURE, blur_px: float = 8.0, near: float = 0.9) -> Nearness:
    """A person before a wall, as blurred as the network sees it."""
    inside = cv2.GaussianBlur(figure.astype(np.float32), (0, 0), blur_px)
    small = cv2.resize(inside, (W // 2, H // 2), interpolation=cv2.INTER_AREA)
    kinds = np.zeros((len(SEGMENT_CLASSES), H // 2, W // 2), np.float32)
    kinds[SEGMENT_CLASSES.index("person")], kinds[SEGMENT_CLASSES.index("object")] = small, 1 - small
    nearness = torch.from_numpy(0.2 + (near - 0.2) * small)
    return Nearness(nearness, torch.zeros_like(nearness), torch.from_numpy(kinds))


def nothing() -> Scenery:
    empty = torch.zeros(H, W)
    return Scenery(empty, empty, empty, empty, H / 2)


def figure_before_a_wall() -> np.ndarray:
    rgb = np.where(FIGURE[..., None], (0.7, 0.2, 0.15), (0.35, 0.45, 0.55))
    rgb[60:75, 60:100] = (0.95, 0.95, 0.9)  # a belt, of more contrast than the outline
    return noisy(rgb)


def test_a_figure_is_cut_out_and_holds_together() -> None:
    disp = surfaces_from(figure_before_a_wall(), nothing(), shown())
    step = np.abs(np.diff(disp, axis=1))
    outline = np.concatenate([step[40:100, 58:61].max(axis=1), step[40:100, 98:101].max(axis=1)])
    inside = np.concatenate([np.abs(np.diff(disp, axis=0))[40:100, 66:94].ravel(), step[40:100, 66:94].ravel()])
    assert np.median(outline) > 0.15
    assert inside.max() < 0.03  # the belt is no edge of depth
    assert disp[40:100, 66:94].mean() > disp[40:100, :40].mean() + 0.3


def test_what_is_even_is_not_cut() -> None:
    even = shown(np.zeros((H, W), bool))
    disp = surfaces_from(figure_before_a_wall(), nothing(), replace(even, near=torch.full_like(even.near, 0.5)))
    assert np.ptp(disp) < 0.05


def test_the_sky_stays_endless_behind_what_stands_before_it() -> None:
    rgb = figure_before_a_wall()
    scenery = replace(nothing(), sky=torch.from_numpy((~FIGURE).astype(np.float32)))
    disp = surfaces_from(rgb, scenery, shown())
    assert disp[~FIGURE & ~cv2.dilate(FIGURE.astype(np.uint8), np.ones((9, 9))).astype(bool)].max() < 0.02
    assert np.median(disp[FIGURE]) > 0.5


Told = dict[tuple[int, int], tuple[float, float]]


def tell(monkeypatch: pytest.MonkeyPatch, region: np.ndarray, told: Told) -> None:
    """Let the perceptrons say of the borders of regions ``i < j`` how surely they part, and how much nearer ``j`` is."""

    def parting_told(around: parting.Surroundings) -> tuple[np.ndarray, np.ndarray]:
        labels = around.segments.labels
        side = np.array([np.bincount(region[labels == k]).argmax() for k in range(len(around.segments))])
        a, b = side[around.borders.a], side[around.borders.b]
        chance, step = np.array([told.get((min(pair), max(pair)), (0.01, 0.0)) for pair in zip(a, b, strict=True)]).T
        return chance, np.where(a < b, -step, step)

    monkeypatch.setattr(surfaces, "find_parting", parting_told)


def test_a_person_is_not_cut_where_hair_meets_a_face_unless_that_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    region = FIGURE.astype(int)
    region[50:90, 70:90] = 2
    rgb = noisy(np.array([(0.8, 0.85, 0.9), (0.1, 0.08, 0.08), (0.8, 0.6, 0.5)])[region])

    def steepest_inside(chance: float) -> float:
        tell(monkeypatch, region, {(0, 1): (0.95, 0.4), (1, 2): (chance, 0.4)})
        step = np.abs(np.diff(surfaces_from(rgb, nothing(), shown(blur_px=4.0)), axis=1))
        assert np.median(step[55:85, 58:61].max(axis=1)) > 0.15  # the outline stays cut
        return float(step[40:100, 66:94].max())

    assert steepest_inside(0.45) < 0.03
    assert steepest_inside(0.999) > 0.1


def test_an_ear_of_which_the_network_is_unsure_stays_on_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    ear = np.zeros((H, W), bool)
    ear[14:30, 64:76] = True
    rgb = noisy(np.where((FIGURE | ear)[..., None], (0.7, 0.4, 0.15), (0.35, 0.5, 0.4)))
    tell(monkeypatch, FIGURE + 2 * ear, {(0, 1): (0.95, 0.4), (0, 2): (0.9, 0.2), (1, 2): (0.8, -0.2)})
    head, lobe = shown(blur_px=4.0), shown(ear, blur_px=4.0)
    person = SEGMENT_CLASSES.index("person")
    kinds = head.kinds.clone()
    kinds[person] += 0.5 * lobe.kinds[person]
    kinds[SEGMENT_CLASSES.index("object")] = 1 - kinds[person]
    seen = Nearness(head.near + 0.4 * (lobe.near - 0.2), head.plane, kinds.clamp(0, 1))
    disp = surfaces_from(rgb, nothing(), seen)
    assert np.abs(np.diff(disp[16:44, 66:74], axis=0)).max() < 0.06
    assert disp[18:28, 67:73].mean() > disp[18:28, :40].mean() + 0.3


def test_what_is_small_goes_on_from_a_neighbour_unless_all_its_borders_surely_part(monkeypatch: pytest.MonkeyPatch) -> None:
    region = FIGURE.astype(int)
    region[55:69, 100:113] = 2  # a lock of hair beyond the outline that the network sees
    region[20:30, 20:30] = 3  # a bird
    rgb = noisy(np.array([(0.8, 0.85, 0.9), (0.1, 0.08, 0.08), (0.6, 0.3, 0.2), (0.1, 0.1, 0.3)])[region])
    tell(monkeypatch, region, {(0, 1): (0.95, 0.6), (0, 2): (0.95, 0.2), (1, 2): (0.45, -0.4), (0, 3): (0.999, 0.5)})
    disp = surfaces_from(rgb, nothing(), shown(region == 1, blur_px=4.0))
    assert abs(disp[59:65, 104:109].mean() - disp[59:65, 88:96].mean()) < 0.05
    assert disp[23:27, 23:27].mean() > disp[40:50, 10:40].mean() + 0.2


def test_a_fleck_of_sky_in_hair_does_not_open_it() -> None:
    sky = ~FIGURE
    sky[50:53, 70:74] = True
    sky[20:23, 20:24] = False
    scenery = replace(nothing(), sky=torch.from_numpy(sky.astype(np.float32)))
    disp = surfaces_from(figure_before_a_wall(), scenery, shown())
    assert np.ptp(disp[46:57, 66:78]) < 0.05
    assert disp[20:23, 20:24].max() < 0.02


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 300), (8, 8), (33, 47)])
def test_pictures_of_any_size_get_a_surface(height: int, width: int) -> None:
    rng = np.random.default_rng(height)
    rgb = rng.random((height, width, 3)).astype(np.float32)
    empty = torch.zeros(height, width)
    disp = surfaces_from(rgb, Scenery(empty, empty, empty, empty, 0.0), shown())
    assert disp.shape == (height, width)
    assert np.isfinite(disp).all()
    assert 0 <= disp.min() <= disp.max() <= 1


def turned(borders: Borders, which: np.ndarray) -> Borders:
    """The same borders, the sides of some called the other way round."""
    return replace(
        borders,
        a=np.where(which, borders.b, borders.a),
        b=np.where(which, borders.a, borders.b),
        across=np.where(which[:, None], -borders.across, borders.across),
    )


def test_what_parts_does_not_depend_on_the_names_of_the_sides() -> None:
    around = cut(figure_before_a_wall(), nothing(), shown())
    which = np.random.default_rng(1).random(len(around.borders.a)) < 0.5
    other = parting.Surroundings(
        around.segments, turned(around.borders, which), around.striped, around.near, around.plane, around.kinds, around.figure
    )
    (chance, step), (again, turned_step) = parting.find_parting(around), parting.find_parting(other)
    clear = around.features()[:, parting.ORDER_BY] > 1e-4  # which side is the nearer one is told
    assert clear.any()
    assert np.allclose(chance[clear], again[clear], atol=0.02)
    assert np.allclose(np.where(which, -step, step)[clear], turned_step[clear], atol=0.02)


def test_the_outline_parts_more_surely_than_what_is_within() -> None:
    around = cut(figure_before_a_wall(), nothing(), shown())
    chance, step = parting.find_parting(around)
    borders = around.borders
    y, x = borders.row, borders.column
    upright = (y > 42) & (y < 98) & (borders.level < 0.3)
    outline = upright & ((np.abs(x - 60) < 2) | (np.abs(x - 100) < 2))
    belt = (np.abs(y - 60) < 2) & (x > 68) & (x < 92)
    assert np.median(chance[outline]) > 0.5
    assert chance[belt].max() < CUTS_FROM
    side_a = x - 3 * borders.across[:, 0]
    toward = np.where((side_a > 60) & (side_a < 100), step, -step)
    assert np.median(toward[outline]) > 0.1


def test_borders_say_where_they_are_and_which_way_they_face() -> None:
    rgb = np.zeros((40, 60, 3), np.float32)
    rgb[:, 30:] = 1
    kind = np.zeros((40, 60), np.int32)
    kind[:, 30:] = 1
    segments = cut_into_segments(rgb, kind)
    borders = find_borders(segments, rgb, np.zeros(len(segments)))
    side = np.array([kind[segments.labels == k][0] for k in range(len(segments))])
    across = side[borders.a] != side[borders.b]
    assert across.any()
    assert np.allclose(borders.column[across], 30)
    assert np.allclose(np.abs(borders.across[across]), (1, 0), atol=1e-6)
    right = borders.across[across, 0] > 0
    assert np.array_equal(side[borders.b[across]] == 1, right)
    painted = borders.painted(segments.labels, across.astype(float))
    assert np.array_equal(np.argwhere(painted.any(axis=0))[:, 0], [29])
    assert np.allclose(np.linalg.norm(borders.across, axis=1)[borders.length > 0].max(), 1)
