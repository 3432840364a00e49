"""Mist that hangs on white water falls with it; any other stays mist."""

from __future__ import annotations

import torch

from c3drender.data import Scenery
from c3drender.scenery import with_spray

H, W = 80, 120


def seen(mist: slice, white: slice) -> Scenery:
    """Mist and white water in these rows of the picture's middle, the mist 0.8 sure and said to rise."""
    smoke, rapids, empty = torch.zeros(H, W), torch.zeros(H, W), torch.zeros(H, W)
    smoke[mist, 30:90], rapids[white, 30:90] = 0.8, 0.9
    way = torch.zeros(H, W, 2)
    way[..., 1] = -0.4 * (smoke > 0)
    return Scenery(sky=empty, water=empty, rapids=rapids, smoke=smoke, horizon_y=0.0, way=way)


NO_FIRE = torch.zeros(H, W)


def test_mist_that_hangs_on_a_fall_is_white_water_that_goes_where_water_goes() -> None:
    scenery = seen(slice(30, 70), slice(10, 30))
    found = with_spray(scenery, NO_FIRE)
    mist = scenery.smoke > 0.5
    assert not found.smoke[mist].any()
    assert torch.equal(found.rapids[mist], scenery.smoke[mist])
    assert torch.equal(found.rapids[~mist], scenery.rapids[~mist])
    assert found.way is not None
    assert not found.way[mist].any()


def test_mist_beside_little_or_far_white_water_is_mist() -> None:
    for scenery in (seen(slice(30, 70), slice(28, 30)), seen(slice(40, 70), slice(10, 36))):
        found = with_spray(scenery, NO_FIRE)
        assert torch.equal(found.smoke, scenery.smoke)
        assert torch.equal(found.rapids, scenery.rapids)


def test_flames_beside_surf_burn_on() -> None:
    scenery = seen(slice(30, 70), slice(10, 30))
    found = with_spray(scenery, (scenery.smoke > 0.5).float())
    assert torch.equal(found.smoke, scenery.smoke)


def test_where_neither_is_nothing_changes() -> None:
    scenery = seen(slice(30, 70), slice(0, 0))
    assert with_spray(scenery, NO_FIRE) is scenery
