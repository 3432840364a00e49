"""Depth models: the adapters' own path on tiny networks, MoGe-2 behind a stand-in of its interface, and what auto takes."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest
import torch
from test_scenery import picture, seaside
from tiny_models import needs_transformers, saved_depth_anything, saved_dpt

from c3drender.data import Camera, DepthMap
from c3drender.depth import estimate_depth
from c3drender.models import find, store
from c3drender.models.depth import load_entry, load_transformers
from c3drender.pipeline import prepare
from c3drender.scenery import find_scenery

H, W = 60, 90


def install(folder: Path, name: str) -> None:
    """Write the lock of a model whose files were put there by hand."""
    hashes = {file.name: store._sha256(folder / name / file.name) for file in find(name).files}
    (folder / name / store.LOCK_FILE).write_text(json.dumps({"sha256": hashes}))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("C3DRENDER_MODELS", str(tmp_path))
    return tmp_path


@needs_transformers
def test_dpt_through_the_real_path(tmp_path: Path) -> None:
    found = load_transformers(str(saved_dpt(tmp_path / "model")), "cpu")(picture(seaside(H, W, 25)))
    assert not found.metric
    assert found.focal_px is None
    assert found.values.shape == (H, W)
    assert bool(torch.isfinite(found.values).all())


@needs_transformers
def test_auto_takes_an_installed_model_and_says_so(models: Path) -> None:
    folder = saved_depth_anything(models / "depth-anything-v2-small", "relative")
    image = picture(seaside(H, W, 25))
    scenery = find_scenery(image)
    assert "built-in" in estimate_depth(image, scenery)[1]  # without its lock it is a download that did not end
    install(models, "depth-anything-v2-small")
    depth, used = estimate_depth(image, scenery)
    assert used == "depth: model depth-anything-v2-small"
    for name in ("depth-anything-v2-small", "depth-anything/Depth-Anything-V2-Small-hf", str(folder)):
        assert torch.equal(depth.z_cam, estimate_depth(image, scenery, method=name)[0].z_cam)
    (folder / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"config.json of depth-anything-v2-small has changed since it was fetched"):
        estimate_depth(image, scenery)


def test_a_model_that_is_not_installed_is_one_line(models: Path) -> None:
    image = picture(seaside(H, W, 25))
    with pytest.raises(FileNotFoundError, match="models: dpt-large is not installed: c3drender models get dpt-large"):
        estimate_depth(image, find_scenery(image), method="dpt-large")


class StandIn(torch.nn.Module):
    """MoGe-2's public interface: ``from_pretrained`` of a file, ``infer`` of ``[3, H, W]``."""

    def __init__(self, focal: float) -> None:
        super().__init__()
        self.focal = torch.nn.Parameter(torch.tensor(focal))
        self.normal: torch.Tensor | None = None

    @classmethod
    def from_pretrained(cls, path: Path) -> StandIn:
        return cls(torch.load(path, weights_only=True)["model"]["focal"])

    @torch.inference_mode()
    def infer(self, image: torch.Tensor, use_fp16: bool) -> dict[str, torch.Tensor]:
        assert image.shape == (3, H, W)
        assert not use_fp16  # on a CPU
        depth = torch.linspace(9, 1, H)[:, None].expand(H, W).clone()
        depth[:10] = torch.inf
        intrinsics = torch.tensor([[self.focal, 0, 0.5], [0, self.focal * W / H, 0.5], [0, 0, 1]])
        found = {"depth": depth, "intrinsics": intrinsics, "mask": depth < torch.inf}
        return found if self.normal is None else found | {"normal": self.normal.expand(H, W, 3)}


@pytest.fixture
def moge(models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in as the package ``moge``, and its file as ``moge-2-small``."""
    package, model, v2 = (types.ModuleType(name) for name in ("moge", "moge.model", "moge.model.v2"))
    v2.MoGeModel = StandIn
    for module in (package, model, v2):
        module.__spec__ = types.SimpleNamespace()
        module.__path__ = []
        monkeypatch.setitem(sys.modules, module.__name__, module)
    (models / "moge-2-small").mkdir()
    return write_moge(models, 1.25)


def write_moge(models: Path, focal: float) -> Path:
    torch.save({"model": {"focal": focal}}, models / "moge-2-small" / "model.pt")
    install(models, "moge-2-small")
    return models


def test_moge_gives_metres_and_the_lens(moge: Path) -> None:
    image = picture(seaside(H, W, 25))
    depth, used = estimate_depth(image, find_scenery(image))
    assert used == "depth: model moge-2-small, which found a lens of 44 degrees"
    assert not depth.measured
    assert depth.focal_px == pytest.approx(1.25 * W)
    assert torch.equal(depth.z_cam[10:], torch.linspace(9, 1, H)[10:, None].expand(-1, W))
    farthest = float(depth.z_cam[10:].max())
    assert bool((depth.z_cam[:10] == depth.z_cam[0, 0]).all())
    assert 1.5 * farthest < float(depth.z_cam[0, 0]) <= 2 * farthest


def test_moge_s_depth_follows_its_normals(moge: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StandIn, "from_pretrained", classmethod(lambda cls, path: with_normal(cls(1.25))))
    image = picture(seaside(H, W, 25))
    z = estimate_depth(image, find_scenery(image))[0].z_cam
    middle = slice(W // 4, 3 * W // 4)
    slopes = z[H // 2].log().diff()[middle]
    leans = WAVES[middle] / (1.25 * W)  # slopes of log depth near the axis of a surface whose normal leans by that much
    assert float((slopes - leans).std()) < 0.3 * float(leans.std())
    assert bool((z[:10] == z[0, 0]).all())


WAVES = 0.6 * torch.cos(torch.arange(W) * (2 * torch.pi / 20))


def with_normal(network: StandIn) -> StandIn:
    lean = torch.stack([-WAVES, torch.zeros(W), torch.ones(W)], 1)
    network.normal = torch.nn.functional.normalize(lean, dim=1)
    return network


def test_the_scenes_camera_has_the_lens_that_was_found(moge: Path) -> None:
    scene = prepare(seaside(H, W, 25), camera="still")
    assert scene.camera.fx == scene.camera.fy == pytest.approx(1.25 * W)
    assert prepare(seaside(H, W, 25), camera="still", depth="builtin").camera.fx == W


@pytest.mark.parametrize("focal", [0.01, 100.0, 0.0, -1.0, float("nan")])
def test_a_lens_that_cannot_be_is_not_believed(moge: Path, focal: float) -> None:
    write_moge(moge, focal)
    image = picture(seaside(H, W, 25))
    depth, used = estimate_depth(image, find_scenery(image))
    assert depth.focal_px is None
    assert used == "depth: model moge-2-small"


def test_a_wrong_file_is_one_line(moge: Path) -> None:
    (moge / "moge-2-small" / "model.pt").write_bytes(b"no checkpoint")
    install(moge, "moge-2-small")
    with pytest.raises(ValueError, match="depth: expected a checkpoint of MoGe-2, got something else") as error:
        load_entry(find("moge-2-small"), "cpu")
    assert "\n" not in str(error.value)


def test_without_its_package_moge_is_skipped_or_named(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (models / "moge-2-small").mkdir()
    write_moge(models, 1.0)
    monkeypatch.setattr(store, "can_run", lambda entry: entry.runner != "moge")
    image = picture(seaside(H, W, 25))
    scenery = find_scenery(image)
    assert "built-in" in estimate_depth(image, scenery)[1]
    with pytest.raises(ValueError, match=r"models: moge-2-small needs the package moge: pip install git\+https"):
        estimate_depth(image, scenery, method="moge-2-small")


def test_lenses_are_checked() -> None:
    assert Camera.for_photo(90, 60, 100.0).fy == 100.0
    assert Camera.for_photo(90, 60).fx == 90.0
    with pytest.raises(ValueError, match="DepthMap: focal_px must be finite and > 0, got -1"):
        DepthMap(torch.ones(4, 4), focal_px=-1)
