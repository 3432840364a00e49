"""Persons and animals: their outline is the picture's, what they are not sure of is what it looks like, rims have no blur."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from c3drender.depth import figures
from c3drender.depth.parting import with_odds
from c3drender.depth.segments import cut_into_segments, find_borders
from c3drender.pixels.segments import SEGMENT_CLASSES

H, W = 120, 160
BODY = np.zeros((H, W), bool)
BODY[40:110, 60:100] = True
EAR = np.zeros((H, W), bool)
EAR[22:40, 72:88] = True


def picture(shape: np.ndarray) -> np.ndarray:
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 0.04, (H, W)).astype(np.float32), (0, 0), 1)
    rgb = np.where(shape[..., None], (0.6, 0.35, 0.15), (0.3, 0.5, 0.3))
    return np.clip(rgb + noise[..., None], 0, 1).astype(np.float32)


def kinds_of(share: np.ndarray) -> list[np.ndarray]:
    kinds = [np.zeros((H, W), np.float32) for _ in SEGMENT_CLASSES]
    kinds[SEGMENT_CLASSES.index("animal")] = share.astype(np.float32)
    kinds[SEGMENT_CLASSES.index("ground")] = 1 - kinds[SEGMENT_CLASSES.index("animal")]
    return kinds


def blurred(values: np.ndarray, sigma_px: float) -> np.ndarray:
    return cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigma_px)


def test_a_blurred_figure_gets_the_pictures_outline() -> None:
    share = blurred(BODY, 5.0)
    kinds = kinds_of(share)
    found = figures.find_figure(picture(BODY), kinds)
    off = np.abs(found - BODY)
    assert off.max() < 0.5 < np.abs(share - BODY).max() + 0.05
    assert off.mean() < 0.5 * np.abs(share - BODY).mean()
    assert np.array_equal(kinds[SEGMENT_CLASSES.index("animal")], share)  # what was given stays


def test_what_wavers_is_what_it_looks_like() -> None:
    rgb, share = picture(BODY | EAR), 0.95 * BODY + 0.35 * EAR
    beside = np.zeros((H, W), bool)
    beside[22:40, 110:126] = True  # as doubtful as the ear, but of the ground's colour
    share = (share + 0.35 * beside).astype(np.float32)
    segments = cut_into_segments(rgb, np.zeros((H, W), np.uint8))
    borders = find_borders(segments, rgb, np.zeros(len(segments)))
    found = figures.share_of(share, segments, borders)[segments.labels]
    assert found[26:36, 76:84].min() > 0.6
    assert found[26:36, 114:122].max() < 0.2
    assert found[60:100, 66:94].min() > 0.9


def test_a_rim_is_as_near_as_what_lies_beyond_the_blur() -> None:
    near = 0.2 + 0.6 * blurred(BODY, 2.0)
    sharp = figures.without_rims(near, BODY)
    assert np.abs(sharp - np.where(BODY, 0.8, 0.2)).max() < 0.01
    assert np.abs(near - np.where(BODY, 0.8, 0.2)).max() > 0.25


def test_an_arm_is_as_near_as_its_body_and_a_far_off_child_is_not() -> None:
    arm, child = np.zeros((H, W), bool), np.zeros((H, W), bool)
    arm[60:66, 100:124] = True
    child[50:70, 40:46] = True
    near = (0.2 + 0.6 * blurred(BODY, 2.0) + 0.2 * blurred(arm | child, 1.0)).astype(np.float32)
    sharp = figures.without_rims(near, BODY | arm | child)
    assert np.allclose(sharp[60:66, 100:118], 0.8, atol=0.01)
    assert np.array_equal(sharp[child], near[child])


def test_without_a_figure_nothing_changes() -> None:
    near = blurred(BODY, 4.0)
    assert np.array_equal(figures.without_rims(near, np.zeros((H, W), bool)), near)
    rgb = picture(BODY)
    segments = cut_into_segments(rgb, np.zeros((H, W), np.uint8))
    borders = find_borders(segments, rgb, np.zeros(len(segments)))
    share = figures.share_of(np.full((H, W), 0.1, np.float32), segments, borders)
    assert np.allclose(share, 0.1)
    assert np.allclose(figures.odds(np.zeros(11), np.zeros(11), np.zeros(11)), 1)


@pytest.mark.parametrize(("a", "b", "odds"), [(1.0, 1.0, 1 / figures.ONE), (1.0, 0.0, figures.TWO), (0.0, 1.0, figures.TWO)])
def test_odds_hold_a_figure_together_and_part_its_outline(a: float, b: float, odds: float) -> None:
    assert np.allclose(figures.odds(np.full(3, a), np.full(3, b), np.zeros(3)), odds)
    chance = np.array([0.1, 0.5, 0.9])
    found = with_odds(chance, odds)
    assert np.allclose(found / (1 - found), odds * chance / (1 - chance))


def test_smoke_and_flames_hold_together_and_have_no_outline() -> None:
    kinds = np.zeros((len(SEGMENT_CLASSES), 4, 4), np.float32)
    kinds[SEGMENT_CLASSES.index("fire")], kinds[SEGMENT_CLASSES.index("smoke")] = 0.5, 0.25
    assert np.allclose(figures.find_airy(kinds), 0.75)
    none = np.zeros(3)
    assert np.allclose(figures.odds(none, none, np.ones(3)), 1 / figures.ONE)
    assert np.allclose(figures.odds(none, none, none), 1)  # where one side alone is
