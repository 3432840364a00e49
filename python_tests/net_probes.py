"""What the authors' modules put out on the way, by name: mean, standard deviation and shape (`golden/net_probes.json`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from torch import Tensor, nn

PROBES = Path(__file__).resolve().parent / "golden" / "net_probes.json"
TOLERANCE = 1e-3


def _first(values: Tensor | tuple[Tensor, ...], network: nn.Module) -> Tensor:
    return values[0] if isinstance(values, tuple) else values


class Place(NamedTuple):
    """Where a probe is found here: what ``step`` makes, for the network, of the inputs or the output of ``module``."""

    module: str
    is_input: bool = False
    step: Callable[[Any, nn.Module], Tensor] = _first


def _inputs(stem: str, numbers: range) -> list[Place]:
    return [Place(f"{stem}{n}", is_input=True) for n in numbers]


def _layers(suffix: str) -> dict[str, list[Place]]:
    """An inpainter's layers. There, what is not known is 0 before normalisation, and left to the next layer after it."""

    def place(name: str) -> Place:
        def finished(convolved: tuple[Tensor, Tensor], network: nn.Module) -> Tensor:
            layer = network.get_submodule(name)
            return layer.activation(layer.bn(convolved[0] * convolved[1]))

        return Place(f"{name}.conv", step=finished)

    levels = [(stem, level) for stem in ("enc", "dec") for level in range(1, 8)]
    names = [f"{stem}_{level}{suffix if stem == 'dec' and level < 6 else ''}" for stem, level in levels]
    return {name: [place(name)] for name in names}


# Modules there that are functions, or have other names, here. The motion network's `up` and `up_nearest` enlarge channels
# one by one: what they make together is what `relu` is given.
ELSEWHERE: dict[str, dict[str, list[Place]]] = {
    "feature_net": {"relu": [Place("bn1", step=lambda x, _: x.relu())], "maxpool": [Place("layer1", is_input=True)]},
    "img_decoder": {"outc": [Place("outc", step=lambda x, _: x.sigmoid())]},
    "netG": {
        "motion_predictor.leaky_relu": _inputs("motion_predictor.conv", range(2, 9)),
        "motion_predictor.relu": [
            Place("motion_predictor.conv8", step=lambda x, _: x.relu()),
            *_inputs("motion_predictor.dconv", range(2, 9)),
        ],
        "motion_predictor.up": [],
        "motion_predictor.up_nearest": [],
    },
    "depth_model": _layers(""),
    "color_model": _layers("A"),
    "dpt_hybrid": {f"scratch.layer{n}_rn": [Place(f"neck.convs.{n - 1}")] for n in range(1, 5)}
    | {f"scratch.refinenet{n}": [Place(f"neck.fusion_stage.layers.{4 - n}")] for n in range(1, 5)}
    | {"scratch.output_conv": [Place("head.head")]},
}


@contextmanager
def probed(network: nn.Module, name: str) -> Iterator[None]:
    """Every module of ``network`` that the fixture ``name`` names is called in here as often as there, with equal results."""
    expected = json.loads(PROBES.read_text())["probes"][name]
    seen: dict[tuple[str, int], tuple[float, float, list[int]]] = {}
    handles = []

    def watch(key: str, number: int, place: Place) -> None:
        def note(values: Any) -> None:
            values = place.step(values, network)
            assert (key, number) not in seen, f"{key} was called again"
            seen[key, number] = float(values.mean()), float(values.std(correction=0)), list(values.shape)

        module = network.get_submodule(place.module)
        if place.is_input:
            handles.append(module.register_forward_pre_hook(lambda _, inputs: note(inputs)))
        else:
            handles.append(module.register_forward_hook(lambda _, __, output: note(output)))

    places = {key: ELSEWHERE.get(name, {}).get(key, [Place(key)]) for key in expected}
    for key, found_at in places.items():
        for number, place in enumerate(found_at):
            watch(key, number, place)
    yield
    for handle in handles:
        handle.remove()
    for key, found_at in places.items():
        assert not found_at or len(found_at) == len(expected[key])
        for number, (mean, std, shape) in enumerate(expected[key][: len(found_at)]):
            got_mean, got_std, got_shape = seen[key, number]
            assert got_shape == shape, key
            assert got_mean == pytest.approx(mean, abs=TOLERANCE), key
            assert got_std == pytest.approx(std, rel=TOLERANCE, abs=TOLERANCE), key
