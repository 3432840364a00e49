"""Layers to points: who lies beside whom, and what of a fluid is fringe."""

from __future__ import annotations

import numpy as np
import torch

from c3drender.data import Layers
from c3drender.pixels.fringe import FRINGE_PX, find_fringe, without_fringe
from c3drender.render.lift import neighbours


def scattered(num_layers: int, height: int, width: int) -> Layers:
    chance = torch.rand(num_layers, height, width, generator=torch.Generator().manual_seed(0))
    alpha = (chance > 0.4).to(torch.float32)
    alpha[0, -1, -1], alpha[1, 0, 0] = 1.0, 1.0  # the end of a layer and the beginning of the next are not side by side
    still = torch.zeros(num_layers, height, width, dtype=torch.bool)
    return Layers.from_planes(
        alpha[..., None].expand(-1, -1, -1, 3), alpha, alpha + 1.0, still, alpha.new_zeros(*alpha.shape, 2), still, 0
    )


def test_neighbours_lie_in_the_same_layer_one_pixel_on() -> None:
    layers = scattered(3, 7, 9)
    width = layers.size[1]
    places = []
    for layer in range(layers.num_layers):
        places += [(layer, *divmod(int(pixel), width)) for pixel in layers.pixel[layers.part(layer)]]
    number = {place: n for n, place in enumerate(places)}
    right, below = neighbours(layers)
    for n, (layer, y, x) in enumerate(places):
        assert int(right[n]) == number.get((layer, y, x + 1), n)
        assert int(below[n]) == number.get((layer, y + 1, x), n)


def test_a_fringe_takes_the_colours_farther_in() -> None:
    fluid = np.zeros((5, 20), bool)
    fluid[:, 8:] = True
    fringe, farther_in = find_fringe(fluid, ~fluid)
    assert fringe.any() and not (fringe & ~fluid).any()
    assert (np.flatnonzero(fringe.any(axis=0)) < 8 + FRINGE_PX).all()
    rgb = np.linspace(0, 1, 20, dtype=np.float32)[None, :, None].repeat(5, 0).repeat(3, 2)
    clean = without_fringe(rgb, fluid, ~fluid)
    assert np.array_equal(clean[fringe], rgb.reshape(-1, 3)[farther_in])
    assert np.array_equal(clean[~fringe], rgb[~fringe])
    assert (clean[fringe] > rgb[fringe]).all()
