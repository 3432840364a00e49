"""A trained motion network in a render: what it is shown, what becomes of its answer, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import c3drender
from c3drender import cli
from c3drender.data import FlowField, Fluid, Image, Sway
from c3drender.networks.flow import arrows_of, learned_flow, seen_size
from c3drender.networks.motion import MotionNetwork
from c3drender.networks.training.motion_stage import start_from_hint

H, W = 96, 128
ARROW = [((40.0, 50.0), (40.0, 150.0))]  # down, 2 px a frame


@pytest.fixture(scope="module")
def network() -> MotionNetwork:
    """One that returns the field that its hints span."""
    torch.manual_seed(0)
    made = MotionNetwork(7)
    start_from_hint(made)
    made.train()(torch.zeros(1, 3, 256, 256), torch.zeros(1, 1, 256, 256), torch.zeros(1, 2, 256, 256))  # finds its norms
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def run(network: MotionNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training run."""
    folder = tmp_path_factory.mktemp("run")
    torch.save({"netG": network.state_dict()}, folder / "sceneflow_model.pth")
    return folder


@pytest.fixture
def given() -> dict[str, Any]:
    y, x = np.mgrid[:H, :W]
    rgb = np.stack([0.5 + 0.4 * np.sin(x / 5), 0.5 + 0.4 * np.cos(y / 7), 0.3 + 0 * x], -1).astype(np.float32)
    return {"photo": rgb, "mask": np.hypot(x - 50, y - 50) < 35, "depth": (1 + y / H).astype(np.float32)}


def field(step: tuple[float, float] = (0.0, 2.0)) -> FlowField:
    moving = torch.zeros(H, W, dtype=torch.bool)
    moving[20:80, 10:110] = True
    return FlowField(torch.tensor(step) * moving[..., None], moving)


def check_steps(flow: FlowField, step: tuple[float, float]) -> None:
    """The same everywhere in `field`, but for its border of 5 px, where the network sees the mask end."""
    inner, outer = flow.step_px[25:75, 15:105], flow.step_px[20:80, 10:110]
    torch.testing.assert_close(inner, torch.tensor(step).expand_as(inner), atol=0.02, rtol=0)
    torch.testing.assert_close(outer, torch.tensor(step).expand_as(outer), atol=0.2, rtol=0)


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((96, 128), (256, 256)),
        ((720, 720), (768, 768)),
        ((720, 960), (768, 1024)),
        ((800, 1200), (512, 768)),
        ((1080, 1920), (512, 1024)),
    ],
)
def test_a_photo_keeps_its_proportions_as_far_as_can_be(size: tuple[int, int], seen: tuple[int, int]) -> None:
    assert seen_size(*size) == seen


def test_the_answer_of_one_that_returns_its_hint_is_the_arrow(network: MotionNetwork) -> None:
    """In px of the photo, which has neither the size nor the proportions of what the network sees; beside what moves 0."""
    flow = learned_flow(network, Image(torch.rand(H, W, 3)), field((3.0, 0.0)), torch.tensor(ARROW))
    assert bool((flow.moving == field().moving).all())
    check_steps(flow, (0.0, 2.0))
    assert float(flow.step_px[~flow.moving].abs().max()) == 0


def test_without_arrows_the_flow_that_was_found_is_shown(network: MotionNetwork) -> None:
    found = field((1.0, 0.5))
    arrows = arrows_of(found)
    assert arrows.shape == (5, 2, 2)
    torch.testing.assert_close(arrows[:, 1] - arrows[:, 0], torch.tensor([50.0, 25.0]).expand(5, 2), atol=1e-3, rtol=0)
    starts = arrows[:, 0]
    assert all(bool(found.moving[int(y), int(x)]) for x, y in starts.tolist())
    apart = (starts[:, None] - starts[None]).norm(dim=2) + 1e9 * torch.eye(5)
    assert float(apart.min()) > 30  # in a region of 100 x 60
    flow = learned_flow(network, Image(torch.rand(H, W, 3)), found, torch.zeros(0, 2, 2))
    check_steps(flow, (1.0, 0.5))


def test_a_flow_of_one_pixel_gives_one_arrow() -> None:
    moving = torch.zeros(H, W, dtype=torch.bool)
    moving[3, 4] = True
    arrows = arrows_of(FlowField(torch.ones(H, W, 2) * moving[..., None], moving))
    assert arrows.tolist() == [[[4.5, 3.5], [54.5, 53.5]]]


def test_where_nothing_moves_no_network_is_asked(network: MotionNetwork) -> None:
    still = FlowField(torch.zeros(H, W, 2), torch.zeros(H, W, dtype=torch.bool))
    assert learned_flow(network, Image(torch.rand(H, W, 3)), still, torch.tensor(ARROW)) is still


def test_what_is_not_finite_is_refused(network: MotionNetwork) -> None:
    class Broken(MotionNetwork):
        def forward(self, rgb: Tensor, mask: Tensor, hint: Tensor) -> Tensor:
            return torch.full_like(hint, torch.inf)

    with pytest.raises(ValueError, match="motion_model: expected a network whose flow is finite"):
        learned_flow(Broken(7), Image(torch.rand(H, W, 3)), field(), torch.tensor(ARROW))


@pytest.mark.parametrize("as_path", [True, False])
def test_a_scene_gets_the_networks_flow(given: dict[str, Any], run: Path, network: MotionNetwork, as_path: bool) -> None:
    scene = c3drender.prepare(**given, hints=ARROW, motion_model=run if as_path else network)
    assert any(note.startswith("motion: your motion model moves 31 %") for note in scene.notes)
    step_px = scene.layers.step_px[scene.layers.moving]
    torch.testing.assert_close(step_px.mean(0), torch.tensor([0.0, 2.0]), atol=0.05, rtol=0)
    matte = np.full((H, W), 0.5, np.float32)
    slower = c3drender.prepare(**given, hints=ARROW, motion_model=network, matte=matte)
    torch.testing.assert_close(slower.layers.step_px[slower.layers.moving].mean(0), step_px.mean(0) / 2, atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"flow": np.zeros((H, W, 2), np.float32)}, "motion_model: expected flow or motion_model, got both"),
        ({"motion_model": 3}, "motion_model: expected a checkpoint, the folder of one or a MotionNetwork, got int"),
        ({"motion_model": "none/here.pth"}, "model: cannot read none/here.pth"),
    ],
)
def test_refusals(given: dict[str, Any], run: Path, more: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError, OSError), match=message):
        c3drender.prepare(**{**given, "motion_model": run, **more})


def test_it_is_a_fluids(given: dict[str, Any], run: Path) -> None:
    mask = given.pop("mask")
    with pytest.raises(ValueError, match="motion_model: expected a Fluid in motion"):
        c3drender.prepare(**given, motion=[Sway(mask)], motion_model=run)
    both = c3drender.prepare(**given, motion=[Fluid(mask, ARROW)], motion_model=run)
    assert any("your motion model" in note for note in both.notes)


def test_render_takes_a_run(given: dict[str, Any], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "depth.npy", given["depth"])
    np.save(tmp_path / "mask.npy", given["mask"])
    from c3drender.files.photo import write_picture

    write_picture(tmp_path / "photo.png", (given["photo"] * 255).round().astype(np.uint8))
    words = ["render", str(tmp_path / "photo.png"), "-o", str(tmp_path / "o.gif"), "--mask", str(tmp_path / "mask.npy")]
    words += ["--depth", str(tmp_path / "depth.npy"), "--frames", "2", "--device", "cpu"]
    assert cli.main([*words, "--motion-model", str(run)]) == 0
    assert "motion: your motion model moves" in capsys.readouterr().out
    assert cli.main([*words, "--motion-model", str(run), "--flow", "f.npy"]) == 2
    assert "motion_model: expected flow or motion_model" in capsys.readouterr().err
