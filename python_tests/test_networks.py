"""The paper's networks against the authors' own, under weights that both draw alike; their checkpoints."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from golden_networks import golden_checksums, golden_state
from net_probes import probed
from torch import Tensor, nn

from c3drender import networks
from c3drender.data import Raster
from c3drender.networks import eight_bit
from c3drender.networks.checkpoints import PublishedModels
from c3drender.networks.decoder import in_eight_bits, quickest
from c3drender.networks.precision import for_inference
from c3drender.ops import blend_bidirectional

Golden = Callable[[str], dict[str, Any]]
FILES = {"depth-model.pth": "depth_model", "color-model.pth": "color_model"}


@pytest.fixture(scope="session")
def published_folder() -> Iterator[Path]:
    """A directory as the authors publish it, with the fixtures' weights. Half a gigabyte: not kept as pytest's folders are."""
    with tempfile.TemporaryDirectory() as name:
        _write_checkpoints(Path(name))
        yield Path(name)


def _write_checkpoints(folder: Path) -> None:
    renderer = {name: golden_state(name) for name in ("feature_net", "img_decoder")}
    torch.save(renderer | {"optimG": {"state": {}, "param_groups": []}}, folder / "model_150000.pth")
    torch.save({"netG": golden_state("netG")}, folder / "sceneflow_model.pth")
    for file, name in FILES.items():
        torch.save(golden_state(name), folder / file)


@pytest.fixture(scope="session")
def published(published_folder: Path) -> PublishedModels:
    return networks.load_published(published_folder)


def _tensors(arrays: dict[str, Any]) -> dict[str, Tensor]:
    return {key: torch.from_numpy(value) for key, value in arrays.items() if value.dtype.kind == "f" and value.ndim}


@pytest.mark.parametrize("network", ["feature_net", "img_decoder", "netG", "depth_model", "color_model"])
def test_the_drawn_weights_are_the_fixtures(network: str) -> None:
    state = golden_state(network)
    for key, (first, total) in golden_checksums(network).items():
        assert float(state[key].flatten()[0]) == pytest.approx(first, abs=1e-7)
        assert float(state[key].double().sum()) == pytest.approx(total, abs=1e-4)


@torch.no_grad()
def test_feature_extractor(golden: Golden, published: PublishedModels) -> None:
    case = _tensors(golden("net_feature_net"))
    with probed(published.renderer.features, "feature_net"):
        features = published.renderer.features(case["input"])
    torch.testing.assert_close(features, case["output"], atol=1e-3, rtol=0)


@torch.no_grad()
def test_decoder(golden: Golden, published: PublishedModels) -> None:
    arrays = golden("net_img_decoder")
    case, decoder = _tensors(arrays), published.renderer.decoder
    rows = [case[side][0].permute(1, 2, 0).contiguous() for side in ("x0", "x1")]
    sides = [Raster(x, x[..., 3].contiguous(), x[..., 36].contiguous()) for x in rows]
    blended = blend_bidirectional(*sides, float(arrays["time"]), sharpness=float(decoder.alpha))
    with probed(decoder, "img_decoder"):
        rgb = decoder(blended.feat.permute(2, 0, 1)[None])
    torch.testing.assert_close(rgb, case["output"], atol=1e-4, rtol=0)


@torch.no_grad()
def test_motion_network(golden: Golden, published: PublishedModels) -> None:
    case = _tensors(golden("net_netG"))
    with probed(published.motion, "netG"):
        flow = published.motion(case["image"], case["mask"], case["hint"])
    torch.testing.assert_close(flow, case["output"], atol=5e-4, rtol=0)


@torch.no_grad()
def test_inpainters(golden: Golden, published: PublishedModels) -> None:
    case = _tensors(golden("net_depth_model"))
    with probed(published.depth_inpainter, "depth_model"):
        log_depth = published.depth_inpainter(case["depth"], case["edge"], case["context"], case["mask"])
    torch.testing.assert_close(log_depth, case["output"], atol=2e-4, rtol=0)
    case = _tensors(golden("net_color_model"))
    with probed(published.colour_inpainter, "color_model"):
        rgb = published.colour_inpainter(case["rgb"], case["edge"], case["context"], case["mask"])
    torch.testing.assert_close(rgb, case["output"], atol=1e-4, rtol=0)


@torch.no_grad()
def test_depth_network(golden: Golden) -> None:
    pytest.importorskip("transformers", reason="the depth network comes through transformers")
    from c3drender.networks.checkpoints import load_depth_network

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "dpt_hybrid-midas-501f0c75.pt"
        torch.save({"optimizer": {}, "model": golden_state("dpt_hybrid")}, file)
        network = load_depth_network(folder)
    case = _tensors(golden("net_dpt_hybrid"))
    with probed(network, "dpt_hybrid"):
        disp = network(case["input"])
    torch.testing.assert_close(disp, case["output"], atol=3e-3, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("size", [(33, 47), (32, 32), (50, 70), (64, 81)])
def test_any_size_is_decoded_and_encoded(published: PublishedModels, size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    picture = published.renderer.decoder(torch.rand(1, 37, *size, generator=generator))
    features = published.renderer.features(torch.rand(1, 4, *size, generator=generator))
    assert picture.shape == (1, 3, *size)
    assert features.shape == (1, 32, *(4 * -(-n // 16) for n in size))


def test_a_narrow_renderer_is_recognised(tmp_path: Path) -> None:
    small = {"feature_net": networks.FeatureExtractor(width=8), "img_decoder": networks.Decoder(width=4)}
    for step in (90, 1000, 200):
        torch.save({name: network.state_dict() for name, network in small.items()}, tmp_path / f"model_{step:06d}.pth")
    torch.save({}, tmp_path / "model_000200.pth")
    model = networks.load_renderer(tmp_path)
    for name, network in (("feature_net", model.features), ("img_decoder", model.decoder)):
        for key, value in small[name].state_dict().items():
            torch.testing.assert_close(network.state_dict()[key], value)


def _broken(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    state = {
        "feature_net": networks.FeatureExtractor(width=8).state_dict(),
        "img_decoder": networks.Decoder(width=4).state_dict(),
    }
    change(state)
    torch.save(state, folder / "model_000001.pth")
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("img_decoder"), r"expected an entry img_decoder, got feature_net"),
        (lambda s: s["img_decoder"].pop("alpha"), r"Decoder: 1 key is missing \(alpha\)"),
        (lambda s: s["img_decoder"].pop("firstconv.weight"), r"1 key is missing \(firstconv.weight\)"),
        (lambda s: s["feature_net"].update(more=torch.zeros(1)), r"FeatureExtractor: 1 key is unknown \(more\)"),
        (lambda s: s["img_decoder"].update({"alpha": torch.zeros(2)}), r"alpha must be \[\], got \[2\]"),
        (lambda s: s.update(compositor="both"), "compositor must be one of alpha, surface, got 'both'"),
    ],
)
def test_what_is_wrong_with_a_checkpoint_is_said(tmp_path: Path, change: Callable, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        networks.load_renderer(_broken(tmp_path, change))


class _Malicious:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return eval, ("open('executed', 'w')",)


def test_no_pickle_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"feature_net": _Malicious()}, tmp_path / "model_000001.pth")
    with pytest.raises(ValueError, match=r"model: expected weights saved by torch in .*model_000001\.pth"):
        networks.load_renderer(tmp_path)
    assert not (tmp_path / "executed").exists()


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model: expected a file model_<step>\.pth in"):
        networks.load_renderer(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"sceneflow_model\.pth"):
        networks.load_motion(tmp_path)


def test_a_partial_convolution_counts_with_ones(tmp_path: Path, published_folder: Path) -> None:
    for file in published_folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "depth-model.pth").unlink()
    torch.save({"enc_1.conv.mask_conv.weight": torch.zeros(64, 4, 7, 7)}, tmp_path / "depth-model.pth")
    with pytest.raises(ValueError, match=r"enc_1\.conv\.mask_conv\.weight must be all ones"):
        networks.load_published(tmp_path)


@pytest.mark.parametrize("size", [(32, 40), (61, 47)])
def test_decoding_in_strips_is_exact(
    published: PublishedModels, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    decoder = published.renderer.decoder
    blended = torch.rand(1, 37, *size, generator=torch.Generator().manual_seed(0))
    whole = decoder(blended)
    monkeypatch.setattr("c3drender.networks.wide_maps.CONV_STRIP_BYTES", 1)
    monkeypatch.setattr("c3drender.networks.wide_maps.NORM_STRIP_PIXELS", 100)
    with torch.no_grad():
        for layout in (torch.contiguous_format, torch.channels_last):
            given = blended.contiguous(memory_format=layout)
            torch.testing.assert_close(decoder(given), whole, atol=2e-5, rtol=0)
            assert torch.equal(given, blended)


@torch.no_grad()
def test_bfloat16_differs_little(golden: Golden, published: PublishedModels) -> None:
    """The tolerances are what `benchmarks/networks_speed.py` prints, rounded up."""
    x = _tensors(golden("net_img_decoder"))["x0"]
    decoder = published.renderer.decoder
    half = for_inference(decoder, "cpu", torch.bfloat16)(x.bfloat16()).float()
    error = (half - decoder(x)).abs()
    assert 0 < float(error.mean()) < 0.01
    assert float(error.max()) < 0.1
    assert next(decoder.parameters()).dtype == torch.float32


needs_vnni = pytest.mark.skipif(not eight_bit.pays("cpu"), reason="needs a processor with VNNI")


@needs_vnni
@torch.no_grad()
@pytest.mark.parametrize("border", ["reflect", "zeros"])
@pytest.mark.parametrize("num_out", [5, 1400], ids=["levels per channel", "one set of levels"])
def test_eight_bits_are_exact_where_they_suffice(num_out: int, border: str) -> None:
    """Weights and maps on the levels themselves, of both signs, several maps, an odd size, more pixels than a strip."""
    generator = torch.Generator().manual_seed(0)
    conv = nn.Conv2d(8, num_out, 3, padding=1, padding_mode=border)
    assert (conv.weight.numel() > eight_bit.FEW_WEIGHTS) == (num_out > 5)
    conv.weight.copy_(torch.randint(-127, 128, conv.weight.shape, generator=generator))
    conv.weight[:, 0, 0, 0] = 127
    x = torch.randint(-54, 202, (1, 8, 139, 131), generator=generator).float()
    x[0, :, 0, 0], x[0, :, 5, 5] = -54, 201
    x = x.contiguous(memory_format=torch.channels_last)
    quick = eight_bit.EightBitConv(conv)
    torch.testing.assert_close(quick(x), conv(x), atol=0.5, rtol=1e-6)
    parts = [part.contiguous(memory_format=torch.channels_last) for part in x.split([3, 5], dim=1)]
    assert torch.equal(quick(*parts), quick(x))
    assert torch.equal(quick(torch.zeros_like(x)), conv(torch.zeros_like(x)))


@needs_vnni
@torch.no_grad()
def test_a_decoder_in_eight_bits_differs_little(golden: Golden, published: PublishedModels) -> None:
    """The tolerances are what `benchmarks/networks_speed.py` prints, rounded up."""
    x = _tensors(golden("net_img_decoder"))["x0"].contiguous(memory_format=torch.channels_last)
    decoder = published.renderer.decoder
    error = (in_eight_bits(decoder)(x) - decoder(x)).abs()
    assert 0 < float(error.mean()) < 0.005
    assert float(error.max()) < 0.04
    assert isinstance(decoder.conv5.double_conv1[0], nn.Conv2d)


def _other_operators(*args: Any) -> Any:
    raise RuntimeError("onednn::qconv_prepack() expected at most 7 arguments")


@torch.no_grad()
@pytest.mark.parametrize("onednn", [None, SimpleNamespace(), SimpleNamespace(qconv_prepack=_other_operators)])
def test_a_torch_without_its_private_names_decodes_in_plain_precision(
    published: PublishedModels, monkeypatch: pytest.MonkeyPatch, onednn: SimpleNamespace | None
) -> None:
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    if onednn is None:
        monkeypatch.delattr(torch.cpu, "_is_vnni_supported", raising=False)
    else:
        monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True, raising=False)
        monkeypatch.setattr(torch.ops, "onednn", onednn)
        monkeypatch.setattr(eight_bit, "_works", eight_bit._works.__wrapped__)
    quick = quickest(published.renderer.decoder, "cpu")
    assert quick.alpha.dtype == torch.float32
    assert not any(isinstance(module, eight_bit.EightBitConv) for module in quick.modules())
    x = torch.rand(1, 37, 32, 40, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(quick(x), published.renderer.decoder(x), atol=2e-5, rtol=0)
