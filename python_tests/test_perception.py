"""The perception network: its encoder against a plain reference, its answers, its weights, its room in the pipeline."""

from __future__ import annotations

import math
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from c3drender.data import Image, MotionHints
from c3drender.depth import estimate_depth
from c3drender.perception import Perception, perceive
from c3drender.perception import photo as photo_module
from c3drender.perception.encoder import NORM_EPS, STAGES, TAP_CHANNELS, TAPS, Encoder, from_published
from c3drender.perception.network import HEADS, PerceptionNet
from c3drender.perception.photo import WATER, _fused, _with_water
from c3drender.perception.weights import FILE, load_network, write_network
from c3drender.pipeline.see import look
from c3drender.pixels.segments import SEGMENT_CLASSES, Segments

MOST_BYTES = 12_000_000


def published_state(generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Random weights under the names and of the shapes of the published package."""
    state: dict[str, torch.Tensor] = {}

    def add(conv: str, norm: str, outputs: int, inputs: int, kernel: int) -> None:
        fan = inputs * kernel * kernel
        state[f"{conv}.weight"] = torch.randn(outputs, inputs, kernel, kernel, generator=generator) / math.sqrt(fan)
        state[f"{norm}.weight"] = torch.rand(outputs, generator=generator) + 0.5
        state[f"{norm}.bias"] = torch.randn(outputs, generator=generator) * 0.3
        state[f"{norm}.running_mean"] = torch.randn(outputs, generator=generator) * 0.3
        state[f"{norm}.running_var"] = torch.rand(outputs, generator=generator) + 0.5

    add("_conv_stem", "_bn0", 32, 3, 3)
    inputs, number = 32, 0
    for blocks, kernel, _, expansion, outputs in STAGES:
        for _ in range(blocks):
            block, wide = f"_blocks.{number}", inputs * expansion
            if expansion > 1:
                add(f"{block}._expand_conv", f"{block}._bn0", wide, inputs, 1)
            add(f"{block}._depthwise_conv", f"{block}._bn1", wide, 1, kernel)
            add(f"{block}._project_conv", f"{block}._bn2", outputs, wide, 1)
            inputs, number = outputs, number + 1
    return state


def reference_taps(state: dict[str, torch.Tensor], rgb: torch.Tensor) -> list[torch.Tensor]:
    """Lite2 in float64 with its norms apart and TensorFlow's padding by its own rule."""
    state = {name: value.double() for name, value in state.items()}

    def layer(x: torch.Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1) -> torch.Tensor:
        weight = state[f"{conv}.weight"]
        kernel = weight.shape[-1]
        pads = []
        for side in (x.shape[3], x.shape[2]):
            total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            pads += [total // 2, total - total // 2]
        x = functional.conv2d(functional.pad(x, pads), weight, stride=stride, groups=groups)
        mean, variance = (state[f"{norm}.running_{part}"][:, None, None] for part in ("mean", "var"))
        gain, shift = (state[f"{norm}.{part}"][:, None, None] for part in ("weight", "bias"))
        return (x - mean) / torch.sqrt(variance + NORM_EPS) * gain + shift

    def clipped(x: torch.Tensor) -> torch.Tensor:
        return x.clamp(0, 6)

    x, number, taps = clipped(layer(rgb.double(), "_conv_stem", "_bn0", stride=2)), 0, []
    for place, (blocks, _, stride, expansion, _) in enumerate(STAGES):
        for k in range(blocks):
            block, before = f"_blocks.{number}", x
            if expansion > 1:
                x = clipped(layer(x, f"{block}._expand_conv", f"{block}._bn0"))
            x = clipped(layer(x, f"{block}._depthwise_conv", f"{block}._bn1", stride if k == 0 else 1, groups=x.shape[1]))
            x = layer(x, f"{block}._project_conv", f"{block}._bn2")
            x = x + before if k > 0 else x
            number += 1
        if place in TAPS:
            taps.append(x)
    return taps


def photo(height: int, width: int, seed: int = 0) -> Image:
    """Sky over ground, with some texture."""
    random = np.random.default_rng(seed)
    rgb = np.full((height, width, 3), (0.4, 0.35, 0.25), np.float32)
    rgb[: height // 2] = (0.5, 0.7, 0.95)
    return Image(torch.from_numpy(np.clip(rgb + random.normal(0, 0.03, rgb.shape), 0, 1).astype(np.float32)))


@pytest.fixture(scope="module")
def network() -> PerceptionNet:
    """Untrained, but every head says something."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        net = PerceptionNet()
        net.encoder.load_state_dict(from_published(published_state(torch.Generator().manual_seed(4))))
        for head in net.heads.values():
            torch.nn.init.normal_(head.weight, std=0.3)
    return net.eval().requires_grad_(False)


def test_the_encoder_is_the_published_one_with_its_norms_folded_in() -> None:
    state = published_state(torch.Generator().manual_seed(0))
    encoder = Encoder()
    encoder.load_state_dict(from_published(state))
    rgb = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        taps = encoder(rgb)
    for stride, channels, own, true in zip((4, 8, 16, 32), TAP_CHANNELS, taps, reference_taps(state, rgb), strict=True):
        assert own.shape == (1, channels, 64 // stride, 96 // stride)
        assert float((own - true).abs().max()) < 1e-4 * float(true.abs().max())


def test_published_weights_of_another_network_are_refused_by_name() -> None:
    state = published_state(torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"expected _blocks\.7\._bn1\.bias of shape \[288\], got none"):
        from_published({name: value for name, value in state.items() if name != "_blocks.7._bn1.bias"})
    with pytest.raises(ValueError, match=r"_conv_stem\.weight of shape \[32, 3, 3, 3\], got \[16, 3, 3, 3\]"):
        from_published({**state, "_conv_stem.weight": torch.zeros(16, 3, 3, 3)})


@pytest.mark.parametrize(("height", "width"), [(480, 640), (640, 300), (33, 47), (3, 500), (1, 1)])
def test_photos_of_any_size_are_looked_at(network: PerceptionNet, height: int, width: int) -> None:
    seen = perceive(photo(height, width), network)
    h, w = seen.nearness.near.shape
    assert seen.segments.classes == SEGMENT_CLASSES
    share = seen.segments.share
    assert len(share) == len(SEGMENT_CLASSES)
    assert min(share.shape[1:]) >= min(h, w)  # they are looked at more closely
    assert torch.allclose(share.sum(0), torch.ones(share.shape[1:]), atol=1e-5)
    assert seen.nearness.kinds.shape == (len(SEGMENT_CLASSES), h, w)
    for values in (seen.nearness.near, seen.nearness.plane, seen.free):
        assert values.shape == (h, w)
        assert 0 <= float(values.min()) <= float(values.max()) <= 1
    assert seen.way.shape == (h, w, 2)


def test_what_is_broad_is_known_from_afar_too_and_what_is_narrow_from_nearby_alone() -> None:
    far, close = torch.full((1, 1, 20, 30), 3.0), torch.full((1, 1, 48, 72), 1.0)
    assert torch.allclose(_fused(far, close), torch.full_like(close, 2.0))
    close[..., 40:41] += 1.0
    narrow = _fused(far, close)
    middle = slice(20, 60)
    assert torch.allclose(narrow[..., middle].mean(), 2 + 0.5 * (close[..., middle].mean() - 1), atol=0.02)
    assert float((narrow[..., 40] - narrow[..., 30]).min()) > 0.75  # its own, but for its half of a broad cell's mean


def test_a_photo_is_seen_from_nearby_as_it_is_and_mirrored_from_afar_and_closely(network: PerceptionNet) -> None:
    sizes = []
    handle = network.encoder.register_forward_pre_hook(lambda _, inputs: sizes.append(tuple(inputs[0].shape[2:])))
    try:
        seen = perceive(photo(1000, 1500), network)
    finally:
        handle.remove()
    assert sizes == [(352, 512), (352, 512), (224, 320), (512, 768)]
    assert seen.free.shape == (88, 128)
    assert seen.segments.share.shape[1:] == (128, 192)


def test_what_is_small_is_known_by_a_closer_look_and_nearness_is_not(
    network: PerceptionNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = photo(512, 768)
    before = perceive(image, network)
    person = SEGMENT_CLASSES.index("person")
    read = photo_module._read

    def with_a_swimmer(net: PerceptionNet, rgb: torch.Tensor) -> dict[str, torch.Tensor]:
        said = read(net, rgb)
        if rgb.shape[3] == photo_module.CLOSE_SIDE_PX:
            said["surface"][:, person, 60:64, 100:104] += 20
        return said

    monkeypatch.setattr(photo_module, "_read", with_a_swimmer)
    seen = perceive(image, network)
    swimmer = torch.zeros(128, 192, dtype=torch.bool)
    swimmer[60:64, 100:104] = True
    assert float(seen.segments.of("person")[swimmer].min()) > 0.8
    assert torch.equal(seen.segments.share[:, :30], before.segments.share[:, :30])
    assert torch.equal(seen.nearness.kinds, before.nearness.kinds)
    assert torch.equal(seen.nearness.near, before.nearness.near)


def test_a_mirrored_photo_is_as_near_and_of_the_mirrored_classes(network: PerceptionNet) -> None:
    image = photo(96, 128)
    seen, other = (perceive(one, network).nearness for one in (image, Image(image.rgb.flip(1).contiguous())))
    assert torch.allclose(seen.near.flip(1), other.near, atol=1e-4)
    assert torch.allclose(seen.kinds.flip(2), other.kinds, atol=1e-4)


def test_water_is_known_from_afar_and_the_rest_keeps_its_proportions() -> None:
    near, both = (torch.rand(len(SEGMENT_CLASSES), 4, 5, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    near, both = (shares / shares.sum(0) for shares in (near, both))
    found = _with_water(near, both)
    water, dry = list(WATER), [k for k in range(len(near)) if k not in WATER]
    assert torch.equal(found[water], both[water])
    assert torch.allclose(found.sum(0), torch.ones(4, 5))
    assert torch.allclose(found[dry] / found[dry].sum(0), near[dry] / near[dry].sum(0))


def test_weights_on_disk_say_the_same_to_half_precision(network: PerceptionNet, tmp_path: Path) -> None:
    write_network(tmp_path / FILE, network)
    back = load_network(tmp_path / FILE)
    first, second = perceive(photo(64, 96), network), perceive(photo(64, 96), back)
    assert float((first.segments.share - second.segments.share).abs().max()) < 0.05
    assert float((first.nearness.near - second.nearness.near).abs().max()) < 0.05


def test_other_files_are_no_weights(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"no tensors here")
    with pytest.raises(ValueError, match=r"perception: expected weights in .*a"):
        load_network(tmp_path / "a")
    with pytest.raises(OSError, match="missing"):
        load_network(tmp_path / "missing")


def test_the_package_carries_its_weights() -> None:
    data = resources.files("c3drender.perception").joinpath(FILE).read_bytes()
    assert len(data) <= MOST_BYTES
    assert set(HEADS) == set(load_network().heads)


def test_the_pipeline_looks_through_the_network() -> None:
    image = photo(120, 160)
    shown, again = look(image), look(image)
    assert shown.stays is not None
    assert shown.stays.shape == image.size
    assert torch.equal(shown.scenery.sky, again.scenery.sky)
    depth, note = estimate_depth(image, shown.scenery, shown.nearness, method="builtin")
    assert note == "depth: built-in network"
    assert bool((depth.z_cam > 0).all())
    assert look(image, "none").stays is None
    nothing = MotionHints(None, torch.zeros(0, 2, 2))
    assert shown.held(nothing) is shown.stays
    assert shown.held(replace(nothing, mask=torch.ones(image.size, dtype=torch.bool))) is None  # the user's mask rules
    assert shown.held(replace(nothing, arrows=torch.zeros(1, 2, 2))) is None
    assert shown.scenery.free is not None
    assert shown.scenery.free.shape == image.size
    told = look(image, Segments(("sky", "ground"), torch.full((2, *image.size), 0.5)))
    assert told.scenery.free is None
    assert told.held(replace(nothing, arrows=torch.zeros(1, 2, 2))) is told.stays
    assert isinstance(perceive(image), Perception)
