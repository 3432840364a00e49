"""A strip halfway between the sides of a cut joins the one that it looks like; what is on a side, or smooth, stays."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from c3drender.depth.halfway import settle_halfway

H, W = 96, 128
NEAR, FAR, HALFWAY = 0.8, 0.2, 0.5
ROWS, COLUMNS = np.indices((H, W)) + 0.5
NOTHING = np.zeros((H, W), bool)
FROM_MIDDLE = np.hypot(ROWS - 48, COLUMNS - 64)
DISC = FROM_MIDDLE < 30

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]


def picture(shape: Mask) -> Array:
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 0.05, (H, W)).astype(np.float32), (0, 0), 1)
    rgb = np.where(shape[..., None], (0.75, 0.35, 0.2), (0.25, 0.45, 0.6))
    return np.clip(rgb + noise[..., None], 0, 1).astype(np.float32)


def with_halfway(strip: Mask) -> Array:
    return np.select([strip, DISC], [HALFWAY, NEAR], FAR).astype(np.float32)


@pytest.mark.parametrize(("inner", "outer"), [(26, 34), (26, 30), (30, 34)])
def test_a_strip_joins_the_side_that_it_looks_like(inner: float, outer: float) -> None:
    strip = (inner <= FROM_MIDDLE) & (outer > FROM_MIDDLE)
    given = with_halfway(strip)
    found = settle_halfway(picture(DISC), given, NOTHING)
    assert strip.mean() > 0.05
    assert (np.abs(found - np.where(DISC, NEAR, FAR)) > 0.05).mean() < 0.01
    np.testing.assert_array_equal(found[~strip], given[~strip])


def test_what_is_on_a_side_stays_there_whatever_its_colour() -> None:
    patch = (np.abs(ROWS - 48) < 4) & (np.abs(COLUMNS - 98) < 3)  # beside the disc, and of its colour
    given = with_halfway(NOTHING)
    np.testing.assert_array_equal(settle_halfway(picture(DISC | patch), given, NOTHING), given)


def test_a_patch_that_touches_neither_side_is_not_brought_nearer_by_its_colour() -> None:
    patch = (np.abs(ROWS - 48) < 3) & (np.abs(COLUMNS - 100) < 2)
    found = settle_halfway(picture(DISC | patch), with_halfway(patch), NOTHING)
    assert found[patch].max() <= HALFWAY


def test_what_has_no_cut_stays_as_it_is() -> None:
    for smooth in ((ROWS / H).astype(np.float32), np.full((H, W), 0.3, np.float32)):
        np.testing.assert_array_equal(settle_halfway(picture(DISC), smooth, NOTHING), smooth)


def test_a_step_in_the_middle_of_a_stair_that_is_wide_stays() -> None:
    """Three surfaces one behind the other, each wider than a cut's reach: the middle one is no strip."""
    stair = np.select([COLUMNS < 43, COLUMNS < 86], [FAR, HALFWAY], NEAR).astype(np.float32)
    np.testing.assert_array_equal(settle_halfway(picture(COLUMNS < 64), stair, NOTHING), stair)


def test_what_is_whole_stays() -> None:
    strip = (FROM_MIDDLE >= 26) & (FROM_MIDDLE < 34)
    whole, given = ROWS < 48, with_halfway(strip)
    found = settle_halfway(picture(DISC), given, whole)
    np.testing.assert_array_equal(found[whole], given[whole])
    assert (np.abs(found - given) > 0.2)[strip & ~whole].mean() > 0.9
